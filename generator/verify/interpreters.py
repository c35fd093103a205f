"""Finds the Pythons that snippets run on."""

from __future__ import annotations

import functools
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_ASK = """
import json, os, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(), "implementation": sys.implementation.name, "build": sys.version,
    "platform": sys.platform, "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
    "packages": sorted({p for p in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")) if p}),
    "executable": os.path.realpath(sys.executable),
}))
"""
OLDEST = Version("3.11")
_VERSION = re.compile(r"3\.\d{1,3}(\.\d{1,3})?")


class InterpreterError(Exception):
    """An interpreter that was asked for is not there or cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that snippets can run on. `path` is what is started, `prefixes` the folders that it lives in."""

    path: str
    version: Version
    implementation: str
    platform: str
    prefixes: tuple[str, ...]
    identity: str
    """Changes when the interpreter or the packages installed for it do: part of the cache's key."""

    @property
    def name(self) -> str:
        """What a summary calls it, `3.13`."""
        return f"{self.version.major}.{self.version.minor}"

    def in_range(self, wanted: SpecifierSet, platforms: tuple[str, ...]) -> bool:
        """Whether a note with this range of versions and these platforms is meant for it."""
        return wanted.contains(self.version, prereleases=True) and (
            not platforms or bool(platform_names(self.platform) & set(platforms))
        )


def platform_names(platform: str) -> set[str]:
    """The names under which a note may ask for a `sys.platform`."""
    if platform.startswith("linux"):
        return {"linux", "posix"}
    if platform == "darwin":
        return {"macos", "darwin", "posix"}
    if platform in ("win32", "cygwin"):
        return {"windows"}
    return {platform, "posix"}


def find(wanted: str) -> Interpreter:
    """The interpreter for a version (`3.13`) or a path; an empty text is the running one. Raises InterpreterError."""
    if not wanted:
        return _ask(sys.executable)
    if os.sep in wanted or "/" in wanted:
        path = shutil.which(wanted) or (str(Path(wanted) / "bin" / "python") if Path(wanted).is_dir() else wanted)
        return _ask(os.path.abspath(path))
    if not _VERSION.fullmatch(wanted):
        raise InterpreterError(
            f"{wanted} is no version of Python (such as 3.13) and no path to one (a path has a slash)"
        )
    for candidate in _candidates(wanted):
        try:
            found = _ask(candidate)
        except InterpreterError:
            continue
        if wanted in (str(found.version), found.name) or str(found.version).startswith(f"{wanted}."):
            return found
    raise InterpreterError(
        f"Python {wanted} was not found on this machine; `make-deck doctor` lists those that are, and `--python` also "
        "takes a path"
    )


def _candidates(version: str) -> list[str]:
    """Where a version may be: the running one, PATH, and the folders of pyenv and uv."""
    names = [sys.executable]
    minor = ".".join(version.split(".")[:2])
    names += [
        found for name in (f"python{version}", f"python{minor}", "python3", "python") if (found := shutil.which(name))
    ]
    home = Path.home()
    pyenv = os.environ.get("PYENV_ROOT", str(home / ".pyenv"))
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", str(home / ".local/share/uv/python"))
    for pattern in (f"{pyenv}/versions/{version}*/bin/python", f"{uv}/cpython-{version}*/bin/python3"):
        names += sorted(glob.glob(pattern), reverse=True)
    here = os.getcwd()  # Windows looks there first, and a stranger may have put something there
    return [name for name in dict.fromkeys(names) if os.path.dirname(os.path.abspath(name)) != here]


@functools.cache
def _ask(path: str) -> Interpreter:
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that was asked for
            [path, "-I", "-c", _ASK], capture_output=True, timeout=30, check=True, stdin=subprocess.DEVNULL
        )
        told = json.loads(done.stdout)
        version = Version(told["version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise InterpreterError(f"{path} is not a Python that can be started ({type(error).__name__})") from error
    if version.release < OLDEST.release:
        raise InterpreterError(f"{path} is Python {version}; snippets need {OLDEST} or newer")
    return Interpreter(
        path, version, told["implementation"], told["platform"], tuple(told["prefixes"]), _identity(told)
    )


def _identity(told: dict[str, object]) -> str:
    """A hash of the build, the executable file, and the names in its package folders (which carry versions)."""
    executable = str(told["executable"])
    parts = [str(told["build"]), executable]
    try:
        state = os.stat(executable)
        parts.append(f"{state.st_size} {state.st_mtime_ns}")
    except OSError:
        parts.append("?")
    for folder in told["packages"] if isinstance(told["packages"], list) else ():
        try:
            parts += sorted(name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info", ".pth")))
        except OSError:
            parts.append(f"no {folder}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
