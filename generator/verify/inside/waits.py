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
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from .clock import CLOCK, SLICE, real_monotonic

BLOCKED = 0.2  # seconds that a wait inside a running loop lasts before it is told; one for what has ended takes none
SLEPT = 0.04  # seconds: the same, where other threads have ended sleeps meanwhile that took as long
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
    for name in ("SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector", "DevpollSelector"):
        selector = getattr(selectors, name, None)
        if selector is not None:
            selector.select = _polling(selector.select)
    for name in ("pause", "sigwait", "sigwaitinfo", "sigtimedwait"):
        if hasattr(signal, name):
            setattr(signal, name, _timed(getattr(signal, name)))


def _flowing(wait: Any) -> Any:
    """`wait`, a function that blocks for real; time flows meanwhile where the main thread calls it."""

    @functools.wraps(wait)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        if _running_loop() is not None:
            return _in_loop(wait, args, kwargs, sys._getframe(1))
        if not in_main():
            begun, limit = CLOCK.current(), _limit(args, kwargs)
            with _known(wait, args, kwargs):
                result = wait(*args, **kwargs)
            if result is False and limit is not None and limit > 0:
                CLOCK.no_sooner(begun + limit)
            return result
        if not CLOCK.virtual:
            return _patiently(wait, args, kwargs, lambda: None)
        try:
            with CLOCK.flow():
                return _patiently(wait, args, kwargs, lambda: None)
        finally:
            CLOCK.keep_flowing(CLOCK.outside())

    return waiting


def _timed(wait: Any) -> Any:
    """`wait`, which is no fault in a running loop or is found there by other means; time flows meanwhile."""

    @functools.wraps(wait)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        if not _flows():
            return wait(*args, **kwargs)
        with CLOCK.flow():
            return wait(*args, **kwargs)

    return waiting


def _flows() -> bool:
    """Whether a real wait, here, is a part of the program's time: no loop and no other thread sees to that."""
    return CLOCK.virtual and _running_loop() is None and in_main()


def in_main() -> bool:
    """Whether this is the main thread; `current_thread()` would make a thread of `_thread`'s look like any other."""
    return _ident() == _main.ident


def _in_loop(wait: Any, args: Any, kwargs: Any, caller: FrameType) -> Any:
    """A wait in a running loop: told once if it lasts, or if its own time-out shows that it lasted."""
    if _is_library(caller):
        return wait(*args, **kwargs)
    telling = Telling(f"{wait.__qualname__}()", caller)
    begun, slept = real_monotonic(), CLOCK.slept
    result = None
    try:
        result = _patiently(wait, args, kwargs, telling)
        return result
    finally:
        passed = real_monotonic() - begun
        limit = _limit(args, kwargs)
        ran_out = result is False and limit is not None and limit > 0
        if passed > BLOCKED or ran_out or (passed > SLEPT and CLOCK.slept - slept > SLEPT):
            telling()


class Telling:
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
    if _limit(args, kwargs) is None and in_main() and not CLOCK.forked:
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
    despair = Despair()
    with known_wait(condition):
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
    despair = Despair()
    while True:
        _plain_join(thread, BLOCKED)
        if not thread.is_alive():
            return
        tell()
        despair()


class Despair:
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
        with known_wait(what):
            yield
    else:
        yield


@contextlib.contextmanager
def known_wait(what: Any) -> Iterator[None]:
    ident = _ident()
    CLOCK.blocked[ident] = what
    try:
        yield
    finally:
        CLOCK.blocked.pop(ident, None)


# --- sockets ---------------------------------------------------------------------------------------------------------


def _receiving(method: Any) -> Any:
    """A method of a socket that waits for the other side, in a running loop: told if it really waits."""

    @functools.wraps(method)
    def receive(sock: Any, *args: Any, **kwargs: Any) -> Any:
        if _running_loop() is not None:
            limit = sock.gettimeout()
            if limit != 0.0:
                _wait_readable([sock], limit, f"socket.{method.__name__}()", sys._getframe(1))
        elif _flows() and sock.gettimeout() != 0.0 and not _is_ready(sock):
            with CLOCK.flow():
                return method(sock, *args, **kwargs)
        begun, limit = CLOCK.current(), sock.gettimeout()
        try:
            return method(sock, *args, **kwargs)
        except TimeoutError:
            if _running_loop() is None and limit:
                CLOCK.no_sooner(begun + limit)
            raise

    return receive


def _is_ready(sock: Any) -> bool:
    """Whether there is something to read already; what takes no time is not timed."""
    try:
        return bool(_select([sock], (), (), 0)[0])
    except (OSError, ValueError):  # closed, or a number too large for select
        return False


def _polling(plain: Any) -> Any:
    """A selector's `select`; where a program calls it outside a loop, time flows while it really waits."""

    @functools.wraps(plain)
    def poll(selector: Any, timeout: float | None = None) -> Any:
        if (timeout is None or timeout > 0) and _flows():
            events = plain(selector, 0)
            if events:
                return events
            with CLOCK.flow():
                return plain(selector, timeout)
        return plain(selector, timeout)

    return poll


def _selecting(rlist: Any, wlist: Any, xlist: Any, timeout: Any = None, /) -> Any:
    """`select.select`; in a running loop it is told if it really waits."""
    if _running_loop() is not None and timeout != 0:
        readers = None if wlist or xlist else rlist
        found = _wait_readable(readers, timeout, "select.select()", sys._getframe(1), (rlist, wlist, xlist))
        if found is not None:
            return found
        timeout = 0
    if timeout != 0 and _flows():
        found = _select(rlist, wlist, xlist, 0)
        if any(found):
            return found
        with CLOCK.flow():
            return _select(rlist, wlist, xlist, timeout)
    return _select(rlist, wlist, xlist, timeout)


_selecting.__name__ = _selecting.__qualname__ = "select"
_selecting.__module__ = "select"


def _wait_readable(sockets: Any, limit: float | None, what: str, caller: FrameType, lists: Any = None) -> Any:
    """Wait until one of `sockets` (or one of select's `lists`) is ready, at most `limit` seconds: what is ready."""
    lists = lists or (sockets, (), ())
    begun, despair = real_monotonic(), Despair()
    telling = Telling(what, caller)
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
