"""What may wake a process from outside its threads: children, and alarms that it has set."""

from __future__ import annotations

import contextlib
import os
import signal


def children_alive() -> bool:
    """Whether a child process runs. One that has ended and was not waited for can do nothing more."""
    if not hasattr(os, "waitid"):
        return False
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    try:
        return ended is None or any(_runs(pid) for pid in _children())
    except OSError:  # no /proc, or not for us: nobody can tell, and so time flows
        return True


def _children() -> list[str]:
    found = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children") as children:
            found += children.read().split()
    return found


def _runs(pid: str) -> bool:
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


def alarm_armed() -> bool:
    """Whether a timer of this process will send it a signal."""
    return hasattr(signal, "getitimer") and any(
        signal.getitimer(which)[0] > 0 for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    )
