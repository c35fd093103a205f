"""The walls around the process that runs strangers' snippets, and the way behind them.

`Sandbox.launch` says how to start a program behind them; `detection` tries out which of them a machine has. Three
states:

    full     bubblewrap: no file, process, socket or network of this machine is in reach; Landlock is a second wall
    partial  Landlock and a system call filter: files and processes are out of reach, sockets are refused altogether
    none     limits, a clean environment and a folder of its own; the machine's files are in reach

Started as root, the program still runs as an ordinary user, one that nobody else on the machine is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from generator.verify import bubblewrap, seccomp
from generator.verify.bubblewrap import Bubblewrap
from generator.verify.installation import Installation

State = Literal["full", "partial", "none"]

INSIDE = Path(__file__).parent / "inside"
FREE_USERS = range(61184, 65520)
"""User numbers that systemd keeps free for services that need one for a while ("dynamic users")."""
KILL_ROUNDS = 500  # about a second: a tree that forks faster than that is not known

_BOOT = """\
import importlib, json, sys
folder, module, function, config, *rest = sys.argv[1:]
del sys.argv[1:]
sys.path.insert(0, folder)
entry = getattr(importlib.import_module(module), function)
sys.path.remove(folder)
entry(json.loads(config), *rest)
"""
_WINDOWS = ("COMSPEC", "NUMBER_OF_PROCESSORS", "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT", "WINDIR")
_LANDLOCK_SYSTEM = tuple(f"/usr{part}/{name}" for part in ("", "/local") for name in ("bin", "lib", "lib64", "share"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one snippet may use: seconds, bytes and counts. `memory` is for one process, `tree` for all together."""

    cpu: float = 10
    memory: int = 512 << 20
    tree: int = 1 << 30
    file: int = 16 << 20
    scratch: int = 64 << 20
    files: int = 4096
    descriptors: int = 256
    processes: int = 48


@dataclass(frozen=True, slots=True)
class Way:
    """One way of starting a program behind walls."""

    state: State
    program: Bubblewrap | None = None
    drop: Literal["no", "before", "inside"] = "no"
    """When the program becomes another user: not at all, before bubblewrap starts, or as its first act."""
    search: bool = False
    """It may read what is root's alone, where the interpreter lies in such a folder; Landlock still hides the rest."""


@dataclass(slots=True)
class Launch:
    """How to start one program: Popen with `argv` and `options`, then `started`, and `close` when it has ended."""

    argv: list[str]
    env: dict[str, str]
    config: dict[str, Any]
    """What the program needs to know of its walls, for `inside.confine`; it is also in `argv`."""
    settings: dict[str, Any]
    descriptors: list[int]
    folder: str = ""

    def options(self, *descriptors: int) -> dict[str, Any]:
        """Keyword arguments for Popen; `descriptors` stay open in the program under their numbers."""
        kept = {"pass_fds": (*self.descriptors, *descriptors)} if os.name == "posix" else {}
        return {**self.settings, **kept, "env": self.env}

    def started(self) -> None:
        """Closes this side's descriptors: once Popen has returned, or failed."""
        while self.descriptors:
            os.close(self.descriptors.pop())

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """Ends the program at once, and all that runs below it: bubblewrap may stand between, and it has no rights to.

        Without a process namespace the program takes in every orphan below it; so it is stopped first, and ended last.
        """
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGSTOP)
            for _ in range(KILL_ROUNDS):
                below = _below(process.pid)
                for pid in below:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                if not below:
                    break
                time.sleep(0.002)
        process.kill()

    def close(self) -> None:
        """Closes and removes what is left of the program, which must have ended."""
        self.started()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The walls that this machine has for one interpreter, tried out."""

    state: State
    installation: Installation
    way: Way
    landlock: int = 0
    """Version of the kernel's Landlock, 0 without."""
    reason: str = ""
    """Why the state is not full, in one sentence; else empty."""
    fix: str = ""
    """What to do about it on this machine."""
    hidden: tuple[Path, ...] = field(default=(), repr=False)

    def describe(self) -> str:
        """The state and the tools behind it, for the summary of a run."""
        tools = [f"bubblewrap {self.way.program.version}"] if self.way.program else []
        tools += [f"Landlock {self.landlock}"] if self.landlock and self.state != "none" else []
        return f"{self.state} ({', '.join(tools)})" if tools else self.state

    def launch(
        self,
        entry: str,
        arguments: Sequence[str] = (),
        *,
        app: Path = INSIDE,
        limits: Limits | None = None,
        environ: Mapping[str, str] | None = None,
        extra: Sequence[Path] = (),
        as_pid_1: bool = True,
    ) -> Launch:
        """Starts `entry` ("package.module:function") as `function(config, *arguments)`; `app` is the package's folder.

        `environ` is added to the small clean environment; `extra` files and folders can be read too. `as_pid_1` makes
        it the first process of a namespace, which reaps orphans and which no signal ends that it does not handle.
        """
        limits = limits or Limits()
        module, _, function = entry.partition(":")
        uid = _free_user() if self.way.drop != "no" else None
        if self.way.program is not None:
            launch = self._wrapped(self.way.program, uid, app, limits, extra, as_pid_1)
            folder = bubblewrap.APP
        else:
            launch = self._bare(uid, app, limits, extra)
            folder = str(app.parent)
        if self.installation.loader_path:
            launch.env["LD_LIBRARY_PATH"] = self.installation.loader_path
        launch.env |= environ or {}
        launch.argv += [self.installation.executable, "-s", "-P", "-c", _BOOT]
        launch.argv += [folder, module, function, json.dumps(launch.config), *arguments]
        return launch

    def _config(self, scratch: str, uid: int | None, limits: Limits) -> dict[str, Any]:
        return {
            "state": self.state,
            "namespaces": self.state == "full",
            "uid": uid if self.way.drop == "inside" else None,
            "search": self.way.search,
            "landlock": self.state != "none" and self.landlock > 0,
            "read": [],
            "write": [scratch],
            "devices": list(bubblewrap.DEVICES),
            "filter": "",
            "scratch": scratch,
            "own_volume": self.state == "full",
            "limits": asdict(limits),
        }

    def _wrapped(
        self,
        program: Bubblewrap,
        uid: int | None,
        app: Path,
        limits: Limits,
        extra: Sequence[Path],
        as_pid_1: bool,
    ) -> Launch:
        made: list[int] = []
        inside = uid if uid is not None and self.way.drop == "inside" else bubblewrap.USER
        try:
            contents = {path: _content(text.encode(), made) for path, text in bubblewrap.files(inside).items()}
            filter_descriptor = _content(seccomp.machine_filter(os.uname().machine) or b"", made)
        except OSError:
            for descriptor in made:
                os.close(descriptor)
            raise
        argv = bubblewrap.command(
            program,
            self.installation,
            app=app,
            extra=extra,
            hidden=self.hidden,
            scratch_size=limits.scratch,
            user_namespace=self.way.drop != "inside",
            as_pid_1=as_pid_1,
            descriptors=contents,
            filter_descriptor=filter_descriptor,
        )
        settings: dict[str, Any] = {"cwd": "/", "start_new_session": True}
        if uid is not None and self.way.drop == "before":
            settings |= {"user": uid, "group": uid, "extra_groups": []}
        config = self._config(bubblewrap.SCRATCH, uid, limits)
        config["read"] = bubblewrap.readable(self.installation, extra)
        env = _environment(self.installation, bubblewrap.SCRATCH)
        return Launch(argv, env, config, settings, made)

    def _bare(self, uid: int | None, app: Path, limits: Limits, extra: Sequence[Path]) -> Launch:
        scratch = tempfile.mkdtemp(prefix="make-deck-")
        if uid is not None:
            os.chown(scratch, uid, uid)
        config = self._config(scratch, uid, limits)
        if self.state == "partial":
            config["filter"] = base64.b64encode(
                seccomp.machine_filter(os.uname().machine, namespaces=False) or b""
            ).decode()
            own = [*map(str, extra), str(app), *(name for _, name in self.installation.roots)]
            near = ["/lib", "/lib64", "/usr/sbin", "/etc/hosts", "/etc/nsswitch.conf", "/sys/devices/system/cpu"]
            config["read"] = [*_LANDLOCK_SYSTEM, *near, *bubblewrap.SETTINGS, *own]
        settings: dict[str, Any] = {"cwd": os.path.abspath(os.sep)}
        if os.name == "posix":
            settings["start_new_session"] = True
        env = _environment(self.installation, scratch)
        return Launch([], env, config, settings, [], scratch)


def _content(data: bytes, made: list[int]) -> int:
    """A descriptor to read `data` from; added to `made`. It must fit into a pipe (64 KiB)."""
    reading, writing = os.pipe()
    made.append(reading)
    with open(writing, "wb") as pipe:
        pipe.write(data)
    return reading


def _environment(installation: Installation, scratch: str) -> dict[str, str]:
    home, temporary = os.path.join(scratch, "home"), os.path.join(scratch, "tmp")
    folder = os.path.dirname(installation.executable)
    common = {
        "MALLOC_ARENA_MAX": "2",  # glibc reserves 64 MiB of address space for each, and that is limited
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }
    if os.name != "posix":
        kept = {name: os.environ[name] for name in _WINDOWS if name in os.environ}
        return {**kept, **common, "PATH": folder, "TEMP": temporary, "TMP": temporary, "USERPROFILE": home}
    path = dict.fromkeys([folder, "/usr/local/bin", "/usr/bin", "/bin"])
    return {**common, "HOME": home, "LANG": "C.UTF-8", "PATH": ":".join(path), "TMPDIR": temporary}


def _below(process: int) -> list[int]:
    """The living processes below `process`, nearest first."""
    children: dict[int, list[tuple[int, bytes]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
            children.setdefault(int(parent), []).append((int(path.parent.name), state))
    found = list(children.get(process, ()))
    for pid, _ in found:
        found += children.get(pid, ())
    return [pid for pid, state in found if state not in {b"Z", b"X"}]


def _free_user() -> int:
    """A user number that is nobody's: processes are counted by user, and files and signals guarded by it."""
    import pwd

    while True:
        uid = FREE_USERS[secrets.randbelow(len(FREE_USERS))]
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
