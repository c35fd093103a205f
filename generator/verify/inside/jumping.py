"""Event loops that jump: what stands in for a selector's `select`, and where it is put in place.

The order of looking is what makes a jump safe: first at the threads and children, then, last, at the descriptors. A
thread that has ended in between has already written to the loop's wake-up pipe.
"""

from __future__ import annotations

import _thread
import asyncio
import asyncio.base_events
import asyncio.selector_events
import concurrent.futures.thread
import contextlib
import functools
import selectors
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from . import locks, waits
from .clock import CLOCK, SLICE, real_monotonic, real_sleep

GRACE = 0.005  # seconds of real time given to data under way between sockets of this process, before a jump
STALL = 1.0  # seconds without any event on such sockets, before a wait without a timer is called a deadlock


def _jumping_select(self: Any, timeout: float | None = None) -> Any:
    """What stands in for a selector's `select`: real events first; without any, time moves on as the module says."""
    poll = super(type(self), self).select
    if not CLOCK.virtual and timeout is not None:
        return poll(timeout)  # without a time-out it may be a deadlock, on the real clock too
    events = poll(0)
    if events or (timeout is not None and timeout <= 0):
        return events
    deadline = None if timeout is None else CLOCK.current() + timeout
    stalled = 0.0
    while True:
        busy = CLOCK.others_busy()
        sleeper = CLOCK.next_sleeper()
        processes = CLOCK.outside()
        CLOCK.keep_flowing(processes)
        outside = busy or processes or _leads_outside(self)
        local = not outside and _has_descriptors(self)
        events = poll(GRACE) if local else poll(0)  # after the counters: see the module's last paragraph
        if events:
            return events
        if outside:
            with CLOCK.flow():
                events = poll(SLICE if deadline is None else min(SLICE, max(deadline - CLOCK.current(), 0.0)))
            CLOCK.real_waits += 1
            CLOCK.release_due()
            if events or (deadline is not None and CLOCK.current() >= deadline):
                return events
        elif sleeper is not None and (deadline is None or sleeper <= deadline):
            CLOCK.jump_to(sleeper)
            CLOCK.release_due()
            real_sleep(0)
        elif deadline is not None:
            CLOCK.jump(deadline - CLOCK.now)
            return poll(0)
        elif local and stalled < STALL:
            begun = real_monotonic()
            events = poll(SLICE)
            stalled += real_monotonic() - begun
            if events:
                return events
        else:
            raise CLOCK.give_up("deadlock", "everything waits, and nothing can wake it")


def _own_descriptors(selector: Any) -> Iterator[int]:
    """Descriptors a loop watches, but for its own wake-up pipe."""
    for key in (selector.get_map() or {}).values():
        reader = key.data[0] if isinstance(key.data, tuple) and key.data else None
        if getattr(getattr(reader, "_callback", None), "__name__", "") != "_read_from_self":
            yield key.fd


def _has_descriptors(selector: Any) -> bool:
    return any(True for _ in _own_descriptors(selector))


def _leads_outside(selector: Any) -> bool:
    """Whether a watched descriptor may become ready through anything but this process and its children."""
    return any(not waits.is_local(fd) for fd in _own_descriptors(selector))


_jumping_classes: dict[type, type] = {}


def _jumping(kind: type) -> type:
    """A subclass of a selector class that jumps; it keeps the class's name, which programs may print."""
    if kind not in _jumping_classes:
        _jumping_classes[kind] = type(kind.__name__, (kind,), {"select": _jumping_select})
    return _jumping_classes[kind]


# --- putting it in place ---------------------------------------------------------------------------------------------


def install() -> None:
    """Put jumping in place in every event loop and thread pool of this process, and in what blocks, once."""
    waits.install()
    locks.install()
    _install_loops()
    _install_pools()
    _install_threads()


def _install_loops() -> None:
    selector_loop = asyncio.selector_events.BaseSelectorEventLoop
    base_loop = asyncio.base_events.BaseEventLoop
    plain_init, plain_time = selector_loop.__init__, base_loop.time

    def init(self: Any, selector: selectors.BaseSelector | None = None) -> None:
        selector = selector if selector is not None else selectors.DefaultSelector()
        with contextlib.suppress(TypeError):  # a selector of another layout: its loop keeps real time
            selector.__class__ = _jumping(type(selector))
        plain_init(self, selector)
        CLOCK.add_wake_up(WeakWakeUp(self))

    def loop_time(self: Any) -> float:
        if CLOCK.virtual and type(getattr(self, "_selector", None)) in _jumping_classes.values():
            return CLOCK.read()
        return plain_time(self)

    selector_loop.__init__ = init  # type: ignore[method-assign]
    base_loop.time = loop_time  # type: ignore[method-assign]


class WeakWakeUp:
    """Wakes a loop without keeping it alive: an unclosed loop must still be collected, and found."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)

    def __call__(self) -> None:
        loop: Any = self._loop()
        if loop is not None and not loop.is_closed():
            loop._write_to_self()


class _Job:
    """A job of a thread pool. It ends when it has run, or when it is dropped: by `cancel_futures`, by a broken pool."""

    def __init__(self, pool: int) -> None:
        self._pool: int | None = pool
        CLOCK.count_job(pool, +1)

    def end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            CLOCK.count_job(pool, -1)

    __del__ = end


def _install_pools() -> None:
    pool = concurrent.futures.thread.ThreadPoolExecutor
    item: Any = concurrent.futures.thread._WorkItem
    plain_submit, plain_init, plain_run = pool.submit, item.__init__, item.run
    submitting = threading.local()

    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        submitting.pool = id(self._work_queue)
        return plain_submit(self, fn, *args, **kwargs)

    def init(self: Any, *args: Any) -> None:
        plain_init(self, *args)
        self._job = _Job(submitting.pool)

    def run(self: Any, *args: Any) -> None:
        try:
            plain_run(self, *args)
        finally:
            self._job.end()  # after the future's callbacks: whoever waits for it has been woken

    pool.submit = submit  # type: ignore[method-assign]
    item.__init__, item.run = init, run


def _install_threads() -> None:
    """`threading` starts its threads by a name of its own: what comes through `_thread` is a program's."""
    plain = _thread.start_new_thread

    def start_new_thread(function: Any, args: Any, kwargs: Any = None, /) -> Any:
        if not callable(function) or not isinstance(args, tuple) or not isinstance(kwargs, dict | None):
            return plain(function, args, kwargs)  # it says what is wrong
        key = object()

        def run() -> Any:
            CLOCK.low_level[key] = threading.get_ident()
            try:
                return function(*args, **(kwargs or {}))
            finally:
                CLOCK.low_level.pop(key, None)

        CLOCK.low_level[key] = 0
        try:
            return plain(functools.update_wrapper(run, function), ())
        except RuntimeError:  # there can be no more threads
            del CLOCK.low_level[key]
            raise

    _thread.start_new_thread = start_new_thread
    if hasattr(_thread, "start_new"):
        _thread.start_new = start_new_thread
