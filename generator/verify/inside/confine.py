"""The walls on the snippet's side: what the server gives up once, and what each snippet gives up after its fork.

`prepare` and `harden_server` run once in the server, `Walls.enter` in every forked child before any of the snippet's
code, `kill_everything` and `Walls.clean_scratch` in the server after each snippet. The walls come from the parent
(`generator.verify.sandbox`) as a plain dictionary:

    namespaces  whether bubblewrap gave the server namespaces of its own: then it is PID 1, and its /proc is its own
    uid         the user to become, or null; `search` keeps the right to read any file, for Landlock to restrict
    landlock    whether to use Landlock: `read` are its paths to read and run, `write` to write, `devices` to use
    filter      the seccomp filter in base64, or "" where bubblewrap has loaded it
    scratch     the folder to write to; `own_volume` if it is a file system of its own
    limits      cpu (seconds), memory, tree, file, scratch (bytes), descriptors, processes, files

Off Linux only the limits that the platform has remain of it.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import math
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import kernel, scratch

if sys.platform != "win32":
    import resource

Config: TypeAlias = Mapping[str, Any]

LINUX = sys.platform.startswith("linux")
SPARE_TASKS = 200  # what else the user may start meanwhile, where Linux counts processes by user
CLEAN_UP_SECONDS = 5
_MEMORY = re.compile(rb"^(?:RssAnon|RssShmem):\s*(\d+) kB$", re.MULTILINE)  # see proc_pid_status(5)
_HELPER = re.compile(rb"from multiprocessing\.(resource_tracker|forkserver) import main")


@dataclass(frozen=True, slots=True)
class Walls:
    """What a child needs to go behind the walls, made before the fork so that it costs a few system calls."""

    config: Config
    rules: int
    """The descriptor of the Landlock rules, or -1. It must still be open when `enter` is called, which closes it."""
    filter: bytes
    tasks: int
    """Tasks of the same user that are not the snippet's: `RLIMIT_NPROC` counts them too."""
    server: int
    """The process that made this: a forked child ends with it."""

    def enter(self, limits: Mapping[str, float] | None = None) -> None:
        """Closes every wall around the calling process, for good. In the forked child, before the snippet's code.

        `limits` are put over those of the configuration. Raises OSError if a wall cannot be closed: then run nothing.
        """
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if LINUX:
            kernel.die_with_parent()
            if self.server not in {os.getpid(), os.getppid()}:
                raise ProcessLookupError(errno.ESRCH, "the server has ended")
        if self.rules >= 0:
            kernel.landlock_enter(self.rules)
        _set_limits({**self.config["limits"], **(limits or {})}, self.tasks)
        if self.filter:
            kernel.filter_calls(self.filter)

    def describe(self) -> dict[str, object]:
        """What stands, for the parent: the versions and whether each wall is there."""
        return {"landlock": self.rules >= 0, "filter": bool(self.filter) or bool(self.config["namespaces"])}

    def clean_scratch(self) -> bool:
        """Makes the scratch folder as good as new; False if that fails, and then nothing may run here again."""
        return scratch.fresh(self.config["scratch"], self.config["own_volume"])

    def overrun(self, limits: Mapping[str, float] | None = None) -> str:
        """Which limit of the whole tree is passed now: "scratch", "memory", or "". The server asks while it waits.

        What the kernel limits is one process, and a file system counts no empty files: every 50 ms is often enough.
        """
        most = {**self.config["limits"], **(limits or {})}
        size, files = scratch.used(self.config["scratch"], self.config["own_volume"], int(most["files"]) + 1)
        if size > most["scratch"] or files > most["files"]:
            return "scratch"
        return "memory" if tree_memory() > most["tree"] else ""


def prepare(config: Config) -> Walls:
    """What every child enters; once in the server."""
    rules = -1
    if config["landlock"]:
        rights = dict.fromkeys(config["read"], kernel.READ)
        rights |= dict.fromkeys(config["write"], kernel.WRITE)
        rights |= dict.fromkeys(config["devices"], kernel.USE)
        rules = kernel.landlock_rules(rights, network=config["namespaces"])
    shares_user = LINUX and not config["namespaces"] and config["uid"] is None
    tasks = _tasks_of_user() + SPARE_TASKS if shares_user else 0
    return Walls(config, rules, base64.b64decode(config["filter"]), tasks, os.getpid())


def harden_server(config: Config) -> None:
    """Gives up what the server itself does not need. Raises OSError if a promised wall cannot be built: then end.

    Call it with one thread, before the first fork. The server dies with its parent from here on.
    """
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; PID 1 is deaf to what it has no handler for
    if not LINUX:
        return
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # refused in some containers
        score.write("1000")
    parent = os.getppid()
    kernel.drop_rights(config["uid"], search=config["search"])
    kernel.gain_no_rights()
    kernel.die_with_parent()
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, "the parent has ended")
    if os.getpid() != 1:
        kernel.inherit_orphans()
        _Tree.sealed = bool(config["landlock"]) and kernel.keep_signals_inside()
    kernel.forbid_inspection()


def _set_limits(limits: Mapping[str, float], tasks: int) -> None:
    """Lowers the limits of this process and of all it starts to `limits`, as far as the platform has them."""
    if sys.platform == "win32":
        return
    cpu = math.ceil(limits["cpu"])
    processes = limits["processes"] + tasks
    wanted = {
        "RLIMIT_AS": (limits["memory"], limits["memory"]),
        "RLIMIT_CPU": (cpu, cpu + 1),  # SIGXCPU comes first: it tells what happened
        "RLIMIT_FSIZE": (limits["file"], limits["file"]),
        "RLIMIT_NOFILE": (limits["descriptors"], limits["descriptors"]),
        "RLIMIT_NPROC": (processes, processes),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (65536, 65536),
        "RLIMIT_MSGQUEUE": (0, 0),
    }
    for name, pair in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        most = resource.getrlimit(kind)[1]
        soft, hard = (int(value) if most == resource.RLIM_INFINITY else min(int(value), most) for value in pair)
        with contextlib.nullcontext() if LINUX else contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))


# --- the tree of processes -------------------------------------------------------------------------------------------


class _Tree:
    sealed = False
    """Landlock keeps the server's signals among its own descendants, so that it may send one to all it can reach."""


def kill_everything() -> int:
    """Ends what the snippet left running, and reaps it. Call it after the snippet's own process was reaped.

    Returns how many processes had to be killed, 0 as a rule; -1 if some live on: then nothing may run here again.
    `multiprocessing`'s own helpers, which end a little after the process they serve, are killed but not counted.
    """
    if not LINUX or not _has_children():  # elsewhere nobody can tell what is left
        return 0
    killed = -_helpers()
    end = time.monotonic() + CLEAN_UP_SECONDS
    while time.monotonic() < end:
        killed += _reap_dead()
        if not _has_children():
            return max(killed, 0)
        if os.getpid() == 1 or _Tree.sealed:
            # One call, and no fork slips through it: the kernel signals all of them under one lock.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(-1, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                killed += _was_killed(os.waitpid(-1, 0)[1])
        else:
            for kind in (signal.SIGSTOP, signal.SIGKILL):
                for pid in descendants():
                    with contextlib.suppress(OSError):
                        os.kill(pid, kind)
            time.sleep(0.001)
    return -1


def go_on_guarded() -> None:
    """Returns in a forked child. This process waits for it, ends what it has left, and ends as it did.

    For a program without a server around it, whose namespace does not end with it. A signal is passed on as 128 and
    its number.
    """
    pid = os.fork()
    if not pid:
        kernel.inherit_orphans()
        return
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    kill_everything()
    os._exit(code if code >= 0 else 128 - code)


def _has_children() -> bool:
    """The server inherits every orphan of its tree: without a child, the whole tree is gone."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _reap_dead() -> int:
    killed = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            killed += _was_killed(status)
    return killed


def _was_killed(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _helpers() -> int:
    """How many processes below this one are `multiprocessing`'s resource trackers and fork servers.

    A fork server's children look like it and are not meant: they do the snippet's work.
    """
    parents = _parents()
    alike = set()
    for pid in descendants():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as command:
            if _HELPER.search(command.read(500)):
                alike.add(pid)
    return sum(1 for pid in alike if parents.get(pid) not in alike)


def descendants() -> list[int]:
    """The processes below this one at this moment, parents first; none where there is no /proc."""
    me = os.getpid()
    if me == 1:
        return [pid for pid in _processes() if pid != 1]
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found = list(children.get(me, ()))
    for pid in found:
        found += children.get(pid, ())
    return found


def _parents() -> dict[int, int]:
    parents = {}
    for pid in _processes():
        with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/stat", "rb") as status:
            parents[pid] = int(status.read().rpartition(b")")[2].split()[1])
    return parents


def tree_memory() -> int:
    """Bytes of memory that the processes below this one have for themselves; 0 where there is no /proc."""
    inherited = _private_memory("self")  # a fork shares the server's pages until it writes to them
    return sum(max(_private_memory(str(pid)) - inherited, 0) for pid in descendants())


def _private_memory(pid: str) -> int:
    """Bytes of a process that are no file's. What several share is counted in each that touches it."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/status", "rb") as status:
        return sum(map(int, _MEMORY.findall(status.read()))) << 10
    return 0


def _processes() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


def _tasks_of_user() -> int:
    tasks = 0
    for pid in _processes():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                tasks += len(os.listdir(f"/proc/{pid}/task"))
    return tasks


# --- proof -----------------------------------------------------------------------------------------------------------


def probe(config: Config, secret: str) -> None:
    """Builds the walls of `config`, forks, and prints as JSON what a snippet's process has then.

    `secret` is a file that exists on the machine and must not be readable.
    """
    walls = prepare(config)
    harden_server(config)
    usable = walls.clean_scratch()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            walls.enter()
            os.write(1, json.dumps({**_rights(config, secret), "scratch": usable}).encode())
            status = 0
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] or kill_everything():
        sys.exit(1)


def _rights(config: Config, secret: str) -> dict[str, object]:
    import asyncio  # it must be readable from behind the walls  # noqa: F401

    return {
        "uid": os.getuid(),
        "parent": os.getppid(),
        "capabilities": kernel.capabilities(),
        "gains_no_rights": kernel.gains_no_rights(),
        "filters_calls": kernel.filters_calls(),
        "landlock": kernel.landlock_abi(),
        "hidden": not _works(lambda: os.close(os.open(secret, os.O_RDONLY))),
        "home": _works(lambda: os.mkdir(f"{config['scratch']}/home/probe")),
    }


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True
