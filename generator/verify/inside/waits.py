"""Calls that block their thread: time flows meanwhile, and a wait that nothing can end is given up.

In a running loop such a call holds everything up: that is told as soon as it is certain. Every wait that has no limit
is known, so that a thread which nobody can wake is told from a busy one (`Clock.blocked`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing.process
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from .clock import CLOCK, SLICE, real_monotonic

BLOCKED = 0.2  # seconds that a wait inside a running loop lasts before it is told; one for what has ended takes none
SLEPT = 0.04  # seconds: the same, where another thread has ended a sleep meanwhile
FOR_EVER = "it waits for ever: no other thread and no process can end this wait"

_running_loop, _main = asyncio._get_running_loop, threading.main_thread()
_ident, _lock = threading.get_ident, threading.Lock
_plain_join = threading.Thread.join
_select: Any = select.select


def install() -> None:
    """Put this in place of what blocks, once in a process."""
    for owner, names in (
        (threading.Condition, ("wait",)),  # of it are made Event, Barrier, queue.Queue and the futures of pools
        (threading.Thread, ("join",)),
        (subprocess.Popen, ("wait", "communicate")),
        (os, ("waitpid", "system")),
        (multiprocessing.process.BaseProcess, ("join",)),
    ):
        for name in names:
            if hasattr(owner, name):
                setattr(owner, name, _flowing(getattr(owner, name)))
    for name in ("recv", "recv_into", "recvfrom", "recvfrom_into", "accept"):
        setattr(socket.socket, name, _receiving(getattr(socket.socket, name)))
    select.select = _selecting
    threading.Lock = _Lock


def _flowing(wait: Any) -> Any:
    """`wait`, a function that blocks for real; time flows meanwhile where the main thread calls it."""

    @functools.wraps(wait)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        if _running_loop() is not None:
            return _in_loop(wait, args, kwargs, sys._getframe(1))
        if not _in_main():
            with _known(wait, args, kwargs):
                return wait(*args, **kwargs)
        if not CLOCK.virtual:
            return _patiently(wait, args, kwargs, lambda: None)
        try:
            with CLOCK.flow():
                return _patiently(wait, args, kwargs, lambda: None)
        finally:
            CLOCK.keep_flowing(CLOCK.outside())

    return waiting


def _in_main() -> bool:
    """Whether this is the main thread; `current_thread()` would make a thread of `_thread`'s look like any other."""
    return _ident() == _main.ident


def _in_loop(wait: Any, args: Any, kwargs: Any, caller: FrameType) -> Any:
    """A wait in a running loop: told once if it lasts, or if its own time-out shows that it lasted."""
    if _is_library(caller):
        return wait(*args, **kwargs)
    telling = _Telling(f"{wait.__qualname__}()", caller)
    begun, woken = real_monotonic(), CLOCK.woken
    result = None
    try:
        result = _patiently(wait, args, kwargs, telling)
        return result
    finally:
        passed = real_monotonic() - begun
        limit = _limit(args, kwargs)
        ran_out = result is False and limit is not None and limit > 0
        if passed > BLOCKED or ran_out or (passed > SLEPT and CLOCK.woken != woken):
            telling()


class _Telling:
    """Tells of a call that blocks the loop, once."""

    def __init__(self, what: str, caller: FrameType) -> None:
        self._what, self._caller, self._told = what, caller, False

    def __call__(self) -> None:
        if not self._told:
            self._told = True
            CLOCK.on_block(self._what, self._caller)


def _is_library(frame: FrameType | None) -> bool:
    """Whether a wait is one by which a library starts or ends its own threads: a busy machine may draw it out."""
    while frame is not None and frame.f_globals.get("__name__") == "threading":
        if frame.f_code.co_name == "start":
            return True
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("asyncio.")


def _limit(args: Any, kwargs: Any) -> float | None:
    """The time-out, in seconds, that a method like `wait` or `join` was given."""
    limit: float | None = args[1] if len(args) > 1 else kwargs.get("timeout")
    return limit


def _patiently(wait: Any, args: Any, kwargs: Any, tell: Callable[[], None]) -> Any:
    """`wait`; where it has no limit and nothing is left that could end it, `Stuck` is raised."""
    what = args[0] if args else None
    if _limit(args, kwargs) is None and _in_main() and not CLOCK.forked:
        if isinstance(what, threading.Condition) and what._is_owned():  # type: ignore[attr-defined]
            return _wait_patiently(what, tell)
        if isinstance(what, threading.Thread):
            return _join_patiently(what, tell)
    return wait(*args, **kwargs)


def _wait_patiently(condition: Any, tell: Callable[[], None]) -> bool:
    """`Condition.wait()`, with a look around from time to time; no wake-up is lost meanwhile."""
    gate = _lock()
    gate.acquire()
    condition._waiters.append(gate)
    despair = _Despair()
    with _known_wait(condition):
        state = condition._release_save()
        woken = False
        try:
            while not (woken := gate.acquire(timeout=BLOCKED)):
                tell()
                despair()
        finally:
            condition._acquire_restore(state)
            if not woken:
                with contextlib.suppress(ValueError):
                    condition._waiters.remove(gate)
    return True


def _join_patiently(thread: threading.Thread, tell: Callable[[], None]) -> None:
    despair = _Despair()
    while True:
        _plain_join(thread, BLOCKED)
        if not thread.is_alive():
            return
        tell()
        despair()


class _Despair:
    """Ends a wait when nothing outside the calling thread can go on, at two looks running.

    A signal may have come in just before the first look, and its handler runs only after it.
    """

    def __init__(self) -> None:
        self._before = False

    def __call__(self) -> None:
        hopeless = CLOCK.next_sleeper() is None and not CLOCK.others_busy() and not CLOCK.outside()
        if hopeless and self._before:
            raise CLOCK.give_up("deadlock", FOR_EVER)
        self._before = hopeless


@contextlib.contextmanager
def _known(wait: Any, args: Any, kwargs: Any) -> Iterator[None]:
    """A thread's wait without a limit is kept in `CLOCK.blocked` meanwhile."""
    what = args[0] if args else None
    if _limit(args, kwargs) is None and isinstance(what, threading.Condition | threading.Thread):
        with _known_wait(what):
            yield
    else:
        yield


@contextlib.contextmanager
def _known_wait(what: Any) -> Iterator[None]:
    ident = _ident()
    CLOCK.blocked[ident] = what
    try:
        yield
    finally:
        CLOCK.blocked.pop(ident, None)


# --- locks ------------------------------------------------------------------------------------------------------------


class _Lock:
    """A program's own `threading.Lock`: the real one, and whoever waits for it is known."""

    __slots__ = ("__weakref__", "_real", "releases")
    _real: Any
    releases: int

    def __new__(cls) -> Any:
        real = _lock()
        if sys._getframe(1).f_globals.get("__name__") != "__main__":
            return real
        lock = object.__new__(cls)
        lock._real, lock.releases = real, 0
        return lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> Any:
        releases = self.releases  # before the try: who lets go of it from here on wakes this thread
        if not blocking or timeout == 0:
            return self._real.acquire(blocking, timeout)
        if self._real.acquire(False):
            return True
        telling = _Telling("Lock.acquire()", sys._getframe(1)) if _running_loop() is not None else None
        if timeout != -1:
            taken = self._real.acquire(True, timeout)
            if telling is not None and not taken:
                telling()
            return taken
        with _known_wait(_LockWait(self, releases)):
            if not _in_main() or CLOCK.forked:
                return self._real.acquire()
            despair = _Despair()
            while not self._real.acquire(timeout=BLOCKED):
                if telling is not None:
                    telling()
                despair()
            return True

    def release(self) -> None:
        self.releases += 1
        self._real.release()

    def locked(self) -> Any:
        return self._real.locked()

    def __enter__(self) -> Any:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return repr(self._real)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")

    def _at_fork_reinit(self) -> None:
        self._real._at_fork_reinit()


_Lock.__name__ = _Lock.__qualname__ = "lock"
_Lock.__module__ = "_thread"


class _LockWait:
    """A thread's wait for a lock, begun when it had been released `releases` times."""

    def __init__(self, lock: _Lock, releases: int) -> None:
        self._of, self._releases = lock, releases

    def goes_on(self) -> bool:
        return self._of.releases == self._releases


# --- sockets ---------------------------------------------------------------------------------------------------------


def _receiving(method: Any) -> Any:
    """A method of a socket that waits for the other side, in a running loop: told if it really waits."""

    @functools.wraps(method)
    def receive(sock: Any, *args: Any, **kwargs: Any) -> Any:
        if _running_loop() is not None:
            limit = sock.gettimeout()
            if limit != 0.0:
                _wait_readable([sock], limit, f"socket.{method.__name__}()", sys._getframe(1))
        return method(sock, *args, **kwargs)

    return receive


def _selecting(rlist: Any, wlist: Any, xlist: Any, timeout: Any = None, /) -> Any:
    """`select.select`; in a running loop it is told if it really waits."""
    if _running_loop() is not None and timeout != 0:
        readers = None if wlist or xlist else rlist
        found = _wait_readable(readers, timeout, "select.select()", sys._getframe(1), (rlist, wlist, xlist))
        if found is not None:
            return found
        timeout = 0
    return _select(rlist, wlist, xlist, timeout)


_selecting.__name__ = _selecting.__qualname__ = "select"
_selecting.__module__ = "select"


def _wait_readable(sockets: Any, limit: float | None, what: str, caller: FrameType, lists: Any = None) -> Any:
    """Wait until one of `sockets` (or one of select's `lists`) is ready, at most `limit` seconds: what is ready."""
    lists = lists or (sockets, (), ())
    begun, despair = real_monotonic(), _Despair()
    telling = _Telling(what, caller)
    while True:
        passed = real_monotonic() - begun
        left = BLOCKED if limit is None else min(max(limit - passed, 0.0), BLOCKED)
        try:
            found = _select(*lists, left)
        except (OSError, ValueError, TypeError):
            return None  # a closed one: the call itself tells what is wrong
        if any(found):
            return found
        passed = real_monotonic() - begun
        if passed > SLICE:
            telling()
        if limit is not None and passed >= limit:
            return None
        if limit is None and sockets is not None and _all_local(sockets):
            despair()


def _all_local(sockets: Any) -> bool:
    return all(is_local(item if isinstance(item, int) else item.fileno()) for item in sockets)


def is_local(fd: int) -> bool:
    """Whether a descriptor becomes ready only through this process and its children."""
    try:
        what = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return False
    if what.startswith("pipe:") or what == "anon_inode:[eventfd]":
        return True
    if not what.startswith("socket:"):
        return False
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                return sock.family == getattr(socket, "AF_UNIX", None)
            host = sock.getsockname()[0]
            return host in ("::1", "0.0.0.0", "::") or host.startswith(("127.", "::ffff:127."))  # noqa: S104 - compared
    except OSError:
        return False
