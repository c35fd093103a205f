"""Where an interpreter's files lie: what must be readable for it to run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PARTS = ("bin", "lib", "lib32", "lib64", "ssl", "share/zoneinfo", "pyvenv.cfg")
"""What an interpreter uses of its prefix; a prefix may be a folder like ~/.local, which holds other things too."""
_STORES = ("/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew")
"""Package managers whose programs need files from all over their store."""

_QUESTION = """\
import json, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "executable": sys.executable,
    "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix],
    "libraries": [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")],
}))
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """An interpreter on this machine and the files it needs."""

    executable: str
    roots: tuple[tuple[str, str], ...]
    """Files and folders outside the system's own: the real path, and the path under which it is looked for."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links between the executable's name and its file that lie outside `roots`: target and path."""
    loader_path: str
    """What `LD_LIBRARY_PATH` must hold for it to find its own library, or ""."""


def examine(interpreter: Path, environ: Mapping[str, str]) -> Installation:
    """Asks `interpreter` where its files are. Raises OSError or ValueError if it does not run or answer."""
    asked = [str(interpreter), "-I", "-c", _QUESTION]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user chose
            asked, capture_output=True, text=True, timeout=30, check=True, env=dict(environ)
        )
        facts = json.loads(done.stdout)
    except subprocess.SubprocessError as error:
        raise OSError(f"{interpreter} does not run") from error
    executable = facts["executable"] or str(interpreter)
    wanted = [f"{prefix}/{part}" for prefix in facts["prefixes"] for part in _PARTS] + facts["libraries"]
    wanted += [store for store in _STORES if os.path.realpath(executable).startswith(f"{store}/")]
    targets = _outermost(path for path in wanted if os.path.exists(path) and not _of_system(path))
    roots = {(os.path.realpath(path), name) for path in targets for name in (path, os.path.realpath(path))}
    own = {f"{prefix}/lib" for prefix in facts["prefixes"]}
    loader_path = [path for path in environ.get("LD_LIBRARY_PATH", "").split(":") if path in own]
    links = tuple(_links(executable, [name for _, name in roots]))
    return Installation(executable, tuple(sorted(roots, key=lambda root: root[1])), links, ":".join(loader_path))


def _of_system(path: str) -> bool:
    return path == "/usr" or path.startswith(("/usr/", "/lib", "/bin/"))


def _outermost(paths: Iterable[str]) -> list[str]:
    """`paths` without those below another one."""
    kept: list[str] = []
    for path in sorted(map(os.path.normpath, set(paths))):
        if not any(path.startswith(f"{other}/") for other in kept) and path not in kept:
            kept.append(path)
    return kept


def _links(executable: str, shown: list[str]) -> Iterable[tuple[str, str]]:
    path = executable
    while os.path.islink(path):
        target = os.readlink(path)
        if not _of_system(path) and not any(path.startswith(f"{folder}/") for folder in shown):
            yield target, path
        path = os.path.join(os.path.dirname(path), target)
