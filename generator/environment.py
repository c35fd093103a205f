"""The project's own virtual environment, `.venv`: made from the hashed lock files, used by the README's two commands.

Standard library only: it runs before anything is installed. A marker file in `.venv` says what the environment was
made from. It is written last, so that an interrupted run leaves an environment that the next run makes anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USAGE = """\
usage: python3 -m generator.bootstrap build [OPTION…]   install what is needed and build the decks
       python3 -m generator.bootstrap test [OPTION…]    install what is needed and run the tests

Options go to `make-deck build` and to pytest. Everything is installed into .venv in this folder, nothing elsewhere.
"""
COMMANDS = {
    "build": ("requirements.txt", ("-m", "generator", "build")),
    "test": ("requirements-dev.txt", ("-m", "pytest", "-n", "auto", "--dist", "loadfile")),
}
"""Command -> its lock file in `.ci`, and what the environment's Python is given to run."""

MARKER = "make-deck.json"
LEAKING = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER", "__PYVENV_LAUNCHER__")
"""Variables that would make the environment's Python or pip work somewhere else."""


class SetupError(Exception):
    """The environment cannot be made on this machine; its text is for the reader."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment at `path` for the project at `root`, to be made by the interpreter `base`."""

    root: Path
    path: Path
    base: str

    @property
    def python(self) -> Path:
        return self.path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def marker(self) -> Path:
        return self.path / MARKER

    @property
    def packages(self) -> Path:
        """Its site-packages folder."""
        if os.name == "nt":
            return self.path / "Lib" / "site-packages"
        return self.path / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def lock(self, name: str) -> Path:
        return self.root / ".ci" / name


def main(arguments: Sequence[str]) -> int:
    """Carry out one of the COMMANDS; the exit status is the command's own, 4 where the environment cannot be made."""
    if not arguments or arguments[0] not in COMMANDS:
        wanted_help = bool(arguments) and arguments[0] in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if wanted_help else sys.stderr)
        return 0 if wanted_help else 2
    root = Path(__file__).resolve().parent.parent
    environment = Environment(root, root / ".venv", getattr(sys, "_base_executable", None) or sys.executable)
    lock, command = COMMANDS[arguments[0]]
    try:
        prepare(environment, lock)
        return subprocess.call([str(environment.python), *command, *arguments[1:]], env=_clean(), cwd=root)
    except SetupError as error:
        print(f"make-deck: {error}", file=sys.stderr)
        return 4
    except OSError as error:
        print(f"make-deck: {environment.path.name} cannot be made: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130


def prepare(environment: Environment, lock: str) -> None:
    """Make sure that everything in the lock file of that name is installed; quick when it already is.

    Raises SetupError with what to do. An environment that was made from other locks or by another Python, that was
    left half-made, or that lost files is made anew.
    """
    if not environment.lock(lock).is_file():
        raise SetupError(f"{environment.lock(lock)} is missing: this command works in a clone of the repository")
    wanted = fingerprint(environment)
    found = _read_marker(environment)
    installed: list[str] = found.get("installed", [])
    if found.get("made from") != wanted or not _whole(environment, found):
        _discard(environment)
        _say(f"making {environment.path.name} with Python {platform.python_version()}")
        _create(environment)
        installed = []
    if lock in installed:
        return
    _say(f"installing the packages of .ci/{lock}")
    locked = ("--require-hashes", "--no-deps", "-r", str(environment.lock(lock)))
    _pip(environment, *locked)
    _pip(environment, "--no-deps", "--no-build-isolation", "--editable", str(environment.root))
    _write_marker(environment, {"made from": wanted, "installed": [*installed, lock], "files": _files(environment)})


def fingerprint(environment: Environment) -> dict[str, str]:
    """What an environment depends on: the interpreter, the place, and the content of the lock files."""
    facts = {
        "python": f"{sys.implementation.name} {platform.python_version()} {platform.machine()}",
        "base": os.path.realpath(sys.base_prefix),
        "project": str(environment.root),
    }
    for name in sorted({lock for lock, _ in COMMANDS.values()}):
        facts[name] = hashlib.sha256(environment.lock(name).read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    return facts


def _whole(environment: Environment, found: dict[str, Any]) -> bool:
    """Whether everything that was installed is still there and the environment's Python starts."""
    if not set(found.get("files", ["?"])) <= set(_files(environment)):
        return False
    try:
        return subprocess.run([environment.python, "-c", ""], env=_clean(), capture_output=True).returncode == 0
    except OSError:
        return False


def _files(environment: Environment) -> list[str]:
    """Names of what lies in site-packages."""
    if not environment.packages.is_dir():
        return []
    return sorted(entry.name for entry in environment.packages.iterdir() if entry.name != "__pycache__")


def _discard(environment: Environment) -> None:
    """Empty the environment's folder, and mark it as ours for as long as it is not finished."""
    path = environment.path
    if path.is_symlink() or path.is_file():
        raise SetupError(f"{path} is a link or a file, and not an environment of this command; move it away")
    if path.is_dir() and any(path.iterdir()) and not ((path / "pyvenv.cfg").exists() or environment.marker.exists()):
        raise SetupError(f"{path} is not a virtual environment, so it is left alone; move it away")
    path.mkdir(exist_ok=True)
    _write_marker(environment, {})
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != environment.marker:
            entry.unlink()


def _create(environment: Environment) -> None:
    """Make the environment with a pip in it, also where `ensurepip` is missing (Debian without python3-venv)."""
    made = _run(environment.base, "-m", "venv", str(environment.path))
    if made.returncode == 0:
        return
    bare = _run(environment.base, "-m", "venv", "--without-pip", str(environment.path))
    where = _run(environment.base, "-c", "import os, pip; print(os.path.dirname(pip.__file__))")
    if bare.returncode or where.returncode:
        raise SetupError(
            f"this Python can make no virtual environment with pip:\n{made.stdout.strip()}\n"
            "On Debian and Ubuntu, `apt install python3-venv` mends it."
        )
    shutil.copytree(where.stdout.strip(), environment.packages / "pip", dirs_exist_ok=True)


def _pip(environment: Environment, *arguments: str) -> None:
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location")
    done = _run(str(environment.python), "-m", "pip", "install", *quiet, *arguments)
    if done.returncode:
        last_lines = "\n".join(done.stdout.strip().splitlines()[-30:])
        raise SetupError(f"pip could not install:\n{last_lines}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """A finished process; its output and errors, in one text, are only for the case of a failure."""
    return subprocess.run(
        command,
        env=_clean(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in LEAKING}


def _read_marker(environment: Environment) -> dict[str, Any]:
    try:
        found = json.loads(environment.marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_marker(environment: Environment, content: dict[str, object]) -> None:
    """Replace the marker in one step, so that it is never half a file."""
    draft = environment.marker.with_suffix(".new")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(environment.marker)


def _say(text: str) -> None:
    print(f"make-deck: {text}", file=sys.stderr, flush=True)
