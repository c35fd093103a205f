"""A clock that jumps: when everything in a program waits for time to pass, time passes at once.

`time.sleep`, `time.monotonic`, `time.perf_counter`, `time.time`, their `_ns` forms and every event loop's own time tell
the same virtual time. It moves in three ways:

- a **tick** of a microsecond with every reading, as real time would between two readings, so that two timers set one
  after the other are never equal and keep their order;
- a **jump** to the next timer, when nothing but a timer can happen next;
- it **flows** with real time while something outside may still wake the loop: a busy thread, a child process, an
  armed alarm, a descriptor that leads out of the process.

A jump lands where epoll would have woken the loop: its time-out is rounded up to a millisecond, so timers that real
asyncio runs in one turn of the loop run in one turn here too.

`jumping` teaches the event loops to jump; `waits` looks after calls that block.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextlib
import functools
import heapq
import math
import multiprocessing.process
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, cast

from .outside import alarm_armed, children_alive

TICK = 1e-6  # seconds that pass with every reading
START = 1000.0  # seconds: what monotonic() begins at, the same in every run
SLICE = 0.05  # seconds: how long a real wait lasts before the threads are looked at again
MAX_JUMPS = 20_000
MAX_SECONDS = 7 * 86_400.0

real_sleep = time.sleep
real_monotonic = time.monotonic
real_time = time.time

# Library code that polls the real world and must see real time.
_MACHINERY = ("multiprocessing", "concurrent.futures.process", "concurrent.futures._base", "subprocess", "socketserver")


class Stuck(BaseException):
    """Raised out of a loop that can never go on. `kind` is "deadlock" or "timeout" (virtual time without end)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Clock:
    """The virtual time of one process, and what is known of its threads. Times are in seconds."""

    def __init__(self) -> None:
        self.virtual = True
        self.on_block: Callable[[str, FrameType], None] = lambda what, frame: None
        self.on_stuck: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Back to the start: called in the child before a program runs, with no other thread alive."""
        self.now = START
        self.epoch = real_time()
        self.jumps = 0
        self.real_waits = 0
        self.forked = False
        self.stuck: Stuck | None = None
        self._lock = threading.RLock()  # a dropped job is counted wherever the collector finds it
        self._flowing = 0
        self._flow_start = 0.0
        self._kept = False
        self._sleepers: list[tuple[float, int, Any, float, int]] = []  # due, number, its lock, length, thread ident
        self._sleep_count = 0
        self._unfinished: dict[int, int] = {}  # id of a thread pool's queue -> work given to the pool, not finished
        self._asleep_for_real: set[int] = set()
        self._wake_ups: list[Callable[[], None]] = []
        self.slept = 0.0  # seconds: how long the sleeps of other threads were that have ended, all together
        self.starting = 0.0  # seconds of real time spent in starting processes
        self.blocked: dict[
            int, Any
        ] = {}  # thread ident -> what it waits for without a limit: a condition, lock, thread
        self.low_level: dict[
            object, int
        ] = {}  # threads started by `_thread`, of which `threading` knows nothing; idents

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self) -> float:
        """Virtual seconds since an arbitrary point; later than every earlier reading."""
        with self._lock:
            self.now += TICK
            return self.now + self._flowed()

    def _flowed(self) -> float:
        return real_monotonic() - self._flow_start if self._flowing else 0.0

    @contextlib.contextmanager
    def flow(self) -> Iterator[None]:
        """Real time counts while this is open; two threads at once don't count it twice."""
        with self._lock:
            if not self._flowing:
                self._flow_start = real_monotonic()
            self._flowing += 1
        try:
            yield
        finally:
            with self._lock:
                passed = self._flowed()
                self._flowing -= 1
                if self._flowing:
                    self._flow_start += passed
                self.now += passed

    def keep_flowing(self, wanted: bool) -> None:
        """Whether real time counts from here on, between the waits as well: something outside is under way."""
        with self._lock:
            if wanted and not self._kept:
                if not self._flowing:
                    self._flow_start = real_monotonic()
                self._flowing += 1
            elif self._kept and not wanted:
                passed = self._flowed()
                self._flowing -= 1
                if self._flowing:
                    self._flow_start += passed
                self.now += passed
            self._kept = wanted

    def current(self) -> float:
        """Virtual seconds, without a tick."""
        with self._lock:
            return self.now + self._flowed()

    # --- sleeping ----------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """`time.sleep` on this clock: the main thread jumps, other threads wait until time has come to them."""
        seconds = float(seconds)
        if seconds != seconds:
            raise ValueError("Invalid value NaN (not a number)")
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if self.forked:
            real_sleep(seconds)
            return
        if threading.current_thread() is threading.main_thread():
            self._sleep_in_main(seconds)
            return
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._sleep_count += 1
            due = self.now + self._flowed() + seconds
            heapq.heappush(self._sleepers, (due, self._sleep_count, gate, seconds, threading.get_ident()))
        for wake in self._wake_ups:
            wake()
        # Nobody moves the clock while the main thread waits for something else, a join say: then real time does.
        begun = real_monotonic()
        while not gate.acquire(timeout=max(min(SLICE, begun + seconds - real_monotonic()), 0.0)):
            if real_monotonic() >= begun + seconds:
                self._wake_by_real_time(gate, due, seconds)
                return

    def _wake_by_real_time(self, gate: threading.Lock, due: float, seconds: float) -> None:
        with self._lock:
            self.slept += seconds
            self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[2] is not gate]
            heapq.heapify(self._sleepers)
            self.now = max(self.now, due - self._flowed())

    def no_sooner(self, due: float) -> None:
        """It is `due`, or later: a real wait that long has ended in a thread for which no time flows."""
        with self._lock:
            self.now = max(self.now, due - self._flowed())

    def in_fork(self) -> None:
        """In a process that the program forked: virtual time goes on there as real time does, without jumps."""
        self.now += self._flowed()
        self._lock = threading.RLock()
        self._sleepers, self._unfinished, self._wake_ups, self.blocked, self.low_level = [], {}, [], {}, {}
        self.forked, self._kept, self._flowing, self._flow_start = True, True, 1, real_monotonic()

    def _sleep_in_main(self, seconds: float) -> None:
        end = self.current() + seconds
        while True:
            outside = self.outside()
            self.keep_flowing(outside)  # not while a thread is busy: how fast it is scheduled is not the program's time
            if not outside and not self.others_busy():
                with self._lock:
                    first = self._sleepers[0][0] if self._sleepers else end
                    self.now = max(self.now, min(first, end))
                if first > end or not self._sleepers:
                    return
                self.release_due()
                real_sleep(0)
                continue
            with self.flow():
                real_sleep(min(max(end - self.current(), 0.0), 0.001))
            self.release_due()
            if self.current() >= end:
                return

    def release_due(self) -> None:
        """Let go on whoever has slept enough."""
        with self._lock:
            now = self.now + self._flowed()
            while self._sleepers and self._sleepers[0][0] <= now:
                _, _, gate, seconds, _ = heapq.heappop(self._sleepers)
                self.slept += seconds
                gate.release()

    def next_sleeper(self) -> float | None:
        with self._lock:
            return self._sleepers[0][0] if self._sleepers else None

    # --- threads -----------------------------------------------------------------------------------------------------

    def others_busy(self) -> bool:
        """Whether another thread may be at work: neither asleep on this clock, nor idle in a pool, nor blocked."""
        with self._lock:
            asleep = self._unwoken({ident for *_, ident in self._sleepers})
            unfinished = dict(self._unfinished)
        pools = concurrent.futures.thread._threads_queues
        workers: dict[int, list[bool]] = {}  # id of a pool's queue -> for each worker whether it is asleep
        if any(ident not in asleep for ident in dict(self.low_level).values()):
            return True
        me = threading.get_ident()
        for thread in threading.enumerate():
            if thread.ident == me or isinstance(thread, threading._DummyThread):
                continue
            queue = pools.get(thread)
            if queue is not None:
                workers.setdefault(id(queue), []).append(thread.ident in asleep)
            elif thread.ident not in asleep:
                return True
        # More jobs than workers wait in the queue; they are no work as long as every worker is asleep.
        return any(min(unfinished.get(queue, 0), len(asleep)) > sum(asleep) for queue, asleep in workers.items())

    def _unwoken(self, asleep: set[int]) -> set[int]:
        """`asleep` and the threads whose wait without a limit goes on; not who has been woken, or is about to be.

        Whoever notifies a condition takes a waiter off its list before the thread itself has come back.
        """
        if not self.blocked:
            return asleep
        blocked = dict(self.blocked)
        known = Counter(map(id, blocked.values()))
        joined = []
        for ident, what in blocked.items():
            if isinstance(what, threading.Thread):
                joined.append((ident, what))
            elif what.goes_on() if hasattr(what, "goes_on") else len(what._waiters) >= known[id(what)]:
                asleep.add(ident)
        asleep.update(ident for ident, thread in joined if thread.is_alive() and thread.ident in asleep)
        return asleep

    def outside(self) -> bool:
        """Whether a child process or an alarm may still bring something about."""
        return self.forked or children_alive() or alarm_armed()

    def is_idle(self, thread: threading.Thread) -> bool:
        """Whether it is a pool's worker and its pool has no work."""
        queue = concurrent.futures.thread._threads_queues.get(thread)
        return queue is not None and not self._unfinished.get(id(queue))

    def is_asleep(self, thread: threading.Thread) -> bool:
        return thread.ident in self._asleep_for_real or any(ident == thread.ident for *_, ident in self._sleepers)

    def sleep_for_real(self, seconds: float) -> None:
        """`time.sleep` where the clock is real; the sleeper is still known as one."""
        self._asleep_for_real.add(threading.get_ident())
        try:
            real_sleep(seconds)
        finally:
            self._asleep_for_real.discard(threading.get_ident())

    def count_job(self, pool: int, change: int) -> None:
        """A job given to a pool (+1) or finished (-1); `pool` is the id of its queue."""
        with self._lock:
            left = self._unfinished.pop(pool, 0) + change
            if left:
                self._unfinished[pool] = left

    def add_wake_up(self, wake: Callable[[], None]) -> None:
        self._wake_ups.append(wake)

    # --- jumping -----------------------------------------------------------------------------------------------------

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass at once, to the end of the millisecond that epoll would have waited for."""
        with self._lock:
            self.now += math.ceil(seconds * 1e3 - 1e-6) * 1e-3
        self._count_jump()

    def jump_to(self, due: float) -> None:
        with self._lock:
            self.now = max(self.now, due)
        self._count_jump()

    def _count_jump(self) -> None:
        self.jumps += 1
        passed = self.now - START
        if self.jumps > MAX_JUMPS or passed > MAX_SECONDS:
            raise self.give_up("timeout", f"it goes on for ever: {self.jumps} waits, {passed:.0f} s of waiting so far")

    def give_up(self, kind: str, message: str) -> Stuck:
        if self.stuck is None:
            self.on_stuck()
        self.stuck = Stuck(kind, message)
        return self.stuck


CLOCK = Clock()


def _from_machinery(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return name.startswith(_MACHINERY) and os.path.isabs(frame.f_code.co_filename)  # a program's names are not


def _clock_function(offset: Callable[[], float], real: Callable[[], float], scale: int | None) -> Callable[[], Any]:
    """A function that reads the virtual clock for programs and the real one for library code that polls."""

    def read() -> Any:
        if not CLOCK.virtual or _from_machinery(sys._getframe(1)):
            return real()
        seconds = offset() + CLOCK.read()
        return seconds if scale is None else int(seconds * scale)

    return cast("Callable[[], Any]", _posing(read, real.__name__))


def _posing(function: Any, name: str) -> Any:
    """`function` under the name of the `time` function it stands for, which pickle asks for."""
    function.__module__, function.__name__, function.__qualname__ = "time", name, name
    return function


def _sleep(seconds: float, /) -> None:
    """`time.sleep` for programs; inside a running loop it is reported as well."""
    frame = sys._getframe(1)
    if _from_machinery(frame):
        real_sleep(seconds)
        return
    if asyncio._get_running_loop() is not None:
        CLOCK.on_block("time.sleep", frame)
    if CLOCK.virtual:
        CLOCK.sleep(seconds)
    else:
        CLOCK.sleep_for_real(seconds)


def _calendar(plain: Any) -> Any:
    """`time.localtime` and its like: without an argument they tell the time that `time.time` tells."""
    return lambda seconds=None, /: plain(time.time() if seconds is None else seconds)


def install() -> None:
    """Put the clock in place of `time`'s functions, once in a process. `CLOCK.virtual = False` makes them real."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lambda: CLOCK.keep_flowing(CLOCK.virtual), after_in_child=CLOCK.in_fork)
    since_start = lambda: 0.0  # noqa: E731
    since_epoch = lambda: CLOCK.epoch - START  # noqa: E731
    for name, offset in (("monotonic", since_start), ("perf_counter", since_start), ("time", since_epoch)):
        setattr(time, name, _clock_function(offset, getattr(time, name), None))
        setattr(time, f"{name}_ns", _clock_function(offset, getattr(time, f"{name}_ns"), 10**9))
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _posing(_calendar(getattr(time, name)), name))
    plain_strftime = time.strftime
    strftime = lambda form, at=None, /: plain_strftime(form, time.localtime() if at is None else at)  # noqa: E731
    time.strftime = _posing(strftime, "strftime")
    time.sleep = _posing(_sleep, "sleep")
    subprocess.Popen.__init__ = _starting(subprocess.Popen.__init__)  # type: ignore[method-assign]
    multiprocessing.process.BaseProcess.start = _starting(multiprocessing.process.BaseProcess.start)  # type: ignore[method-assign]


def _starting(start: Any) -> Any:
    """`start`, a function that starts something outside: time flows from then on, until a wait finds it over."""

    @functools.wraps(start)
    def starting(*args: Any, **kwargs: Any) -> Any:
        CLOCK.keep_flowing(CLOCK.virtual)
        begun = real_monotonic()
        try:
            return start(*args, **kwargs)
        finally:
            CLOCK.starting += real_monotonic() - begun

    return starting
