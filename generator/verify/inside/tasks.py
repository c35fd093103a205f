"""Tasks and loops: what is left running, fails unread, swallows its cancellation, or holds up the rest."""

from __future__ import annotations

import _thread
import asyncio
import asyncio.base_events
import asyncio.runners
import builtins
import contextlib
import functools
import gc
import multiprocessing.process
import opcode
import sys
import threading
import time
import types
import weakref
from collections import Counter
from typing import Any

from .clock import CLOCK, real_monotonic
from .sightings import Sightings, Site
from .timeline import Timeline
from .wire import clipped

BUSY = 0.1  # seconds of CPU in one step of a loop: the limit of asyncio's own debug mode
IDLE = 0.3  # seconds in one step of a loop that are spent neither on the CPU nor in a queue for it: it waits
AT_ONCE = 0.001  # seconds: a program that ends as soon after it has set a timer never waits for it

_usage: Any = None  # where nobody counts the waits of a thread
with contextlib.suppress(ImportError, AttributeError):
    import resource

    _usage, _this_thread = resource.getrusage, resource.RUSAGE_THREAD
_thread_time = time.thread_time
_ident = threading.get_ident
_getframe = sys._getframe
_running_loop = asyncio._get_running_loop
_call_later: Any = asyncio.base_events.BaseEventLoop.call_later
_objects = gc.get_objects
_FINAL_WORDS = ("exception was never retrieved", "was destroyed but it is pending!")
_NO_LOSS = (asyncio.CancelledError, SystemExit, KeyboardInterrupt)
"""What may stay unread: nothing failed, or it has gone out of the loop already and ended the program."""


class Tasks(Sightings):
    """The hooks in asyncio, and what they see."""

    def __init__(self) -> None:
        super().__init__()
        self.ending = False
        self.timeline = Timeline()
        self.stuck_sites: list[Site] = []
        self._pending: set[int] = set()  # ids of tasks already reported
        self._origins: weakref.WeakKeyDictionary[Any, Site] = weakref.WeakKeyDictionary()
        self._mains: weakref.WeakSet[Any] = weakref.WeakSet()
        self._excused: weakref.WeakSet[Any] = weakref.WeakSet()
        self._handles: weakref.WeakKeyDictionary[Any, Site] = weakref.WeakKeyDictionary()
        self._set_at: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._armed: Counter[Site] = Counter()  # timers set at a place; one whose handle is kept counts twice
        self._import_time: dict[int, float] = {}
        self._loop_hook: Any = None

    def _loop_error(self, plain: Any) -> Any:
        def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
            # A program that calls it itself means it; but a finaliser, too, runs on top of the line that lets go.
            last = str(context.get("message", "")).endswith(_FINAL_WORDS)
            if last or _getframe(1).f_code.co_filename not in self.own:
                self._note_loop_error(context)
            with self.quiet():
                plain(loop, context)

        self._loop_hook = call_exception_handler
        return call_exception_handler

    def _note_loop_error(self, context: dict[str, Any]) -> None:
        message, error = str(context.get("message", "")), context.get("exception")
        future = context.get("task") or context.get("future")
        if "was destroyed but it is pending" in message:
            if not CLOCK.stuck:
                self._note_pending(future)
            return
        if error is None or (message.endswith(_FINAL_WORDS[0]) and isinstance(error, _NO_LOSS)):
            return
        sites = self.traceback_sites(error)
        site = sites[-1] if sites else self._origins.get(future) if future is not None else None
        handle = context.get("handle")
        if site is None and handle is not None:
            site = self._handles.get(handle)
        self._note_unread(site, message, error)

    def _note_unread(self, site: Site | None, message: str, error: BaseException) -> None:
        self.note("loop_errors", site, message=message, error=f"{type(error).__name__}: {clipped(error)}")

    def _note_pending(self, task: Any) -> None:
        if id(task) in self._pending:
            return
        self._pending.add(id(task))
        coroutine = task.get_coro() if hasattr(task, "get_coro") else None
        if type(coroutine).__name__ == "async_generator_athrow":
            # A loop closes a generator that was let go; the end of the program comes first.
            for generator in gc.get_referents(coroutine):
                if isinstance(generator, types.AsyncGeneratorType):
                    self._note_generator(generator)
            return
        # One that the collector found has left the origins already.
        made = ((name, line) for name, line, _ in getattr(coroutine, "cr_origin", None) or () if name in self.own)
        site = self._origins.get(task) or next(made, None) or self.coroutine_site(coroutine)
        self.note("pending", site, name=getattr(coroutine, "__qualname__", task))

    def _create_task(self, plain: Any) -> Any:
        run_code = asyncio.runners.Runner.run.__code__

        def create_task(loop: Any, coro: Any, **options: Any) -> Any:
            handles = getattr(loop.call_exception_handler, "__func__", None)
            if handles is not self._loop_hook and "refused" not in self.seen:
                self.note("refused", self.site(_getframe(1)), text="the loop has a call_exception_handler of its own")
            task = plain(loop, coro, **options)
            caller = _getframe(1)
            with contextlib.suppress(TypeError):  # a factory's task may not take weak references
                if caller.f_code is run_code:
                    self._mains.add(task)
                site = self.site(caller)
                if site is not None:
                    self._origins[task] = site
                if self._belongs_to_program(task, coro, site):
                    self.timeline.created(task, coro, main=task in self._mains)
            return task

        return create_task

    def _belongs_to_program(self, task: Any, coro: Any, site: Site | None) -> bool:
        """Whether a task is the program's own: not one by which a loop closes itself."""
        if getattr(coro, "__name__", "").startswith("shutdown_"):
            return False
        code = getattr(coro, "cr_code", None)
        return site is not None or task in self._mains or (code is not None and code.co_filename in self.own)

    def _cancel_all_tasks(self, plain: Any) -> Any:
        def cancel_all_tasks(loop: Any) -> None:
            self.ending = True
            if not CLOCK.stuck:
                for task in sorted(asyncio.all_tasks(loop), key=lambda task: self._origins.get(task) or ("", 0)):
                    if task not in self._mains:
                        self._note_pending(task)
                self._look_at_timers(loop)
            try:
                plain(loop)
            finally:
                self.ending = False

        return cancel_all_tasks

    def _shutdown_asyncgens(self, plain: Any) -> Any:
        def shutdown_asyncgens(loop: Any) -> Any:
            by_itself = _running_loop() is not None and _getframe(1).f_code.co_filename in self.own
            return plain(loop) if by_itself else shutdown_after_a_look(loop)

        async def shutdown_after_a_look(loop: Any) -> None:
            if not CLOCK.stuck:
                for generator in list(loop._asyncgens):
                    if generator.ag_frame is not None:
                        self._note_generator(generator)
            await plain(loop)

        return shutdown_asyncgens

    def _note_generator(self, generator: Any) -> None:
        text = f"asynchronous generator {generator.__qualname__}"
        self.note("unclosed", self.coroutine_site(generator), text=text)

    def _shutdown_default_executor(self, plain: Any) -> Any:
        """A program that is stuck may have threads that never end: they are not waited for."""

        async def shutdown_default_executor(loop: Any, *args: Any) -> None:
            executor = loop._default_executor
            if CLOCK.stuck and executor is not None:
                loop._executor_shutdown_called = True
                executor.shutdown(wait=False, cancel_futures=True)
                return
            await plain(loop, *args)

        return shutdown_default_executor

    def _scheduling(self, plain: Any) -> Any:
        """`call_soon` and `call_at`: what they are called from is remembered, and another thread's call is noted."""
        name = plain.__name__

        def schedule(loop: Any, *args: Any, context: Any = None) -> Any:
            caller = _getframe(1)
            if caller.f_code is _call_later.__code__ and caller.f_back is not None:
                caller = caller.f_back
            if loop._thread_id is not None and loop._thread_id != _ident():
                self.note("foreign_calls", self.site(caller), name=name)
            handle = plain(loop, *args, context=context)
            if handle._source_traceback:
                del handle._source_traceback[-1]
            if caller.f_code.co_filename in self.own:
                site = caller.f_code.co_filename, caller.f_lineno
                self._handles[handle] = site
                if name == "call_at":
                    self._set_at[handle] = _now()
                    heard_of = _code(handle._callback) is caller.f_code  # it sets itself again
                    self._armed[site] += 1 if not heard_of and _drops_result(caller) else 2
            return handle

        schedule.__name__ = name
        return schedule

    def _look_at_timers(self, loop: Any) -> None:
        """Timers that print, and never fire: the program ends at once, and so nothing of it is ever seen.

        Whoever keeps the handle of a timer knows of it, and may want it not to fire; and one that is there for the
        worst does not fire where all went well, some time later.
        """
        for handle in loop._scheduled:
            site = self._handles.get(handle)
            if handle.cancelled() or site is None or self._armed[site] != 1:
                continue
            if _now() - self._set_at.get(handle, 0.0) > AT_ONCE:
                continue
            code = _code(handle._callback)
            prints = code is not None and code.co_filename in self.own and "print" in code.co_names
            if handle._callback is builtins.print or prints:
                name = getattr(handle._callback, "__qualname__", "a callback")
                self.note("timers", site, name=name)

    def _run_handle(self, plain: Any) -> Any:
        def run(handle: Any) -> None:
            task: Any = getattr(handle._callback, "__self__", None)
            ident = _ident()
            imported = self._import_time.get(ident, 0.0)
            stepped = isinstance(task, asyncio.Task)
            if stepped:
                self.timeline.about_to_step()
            starting, begun_at, waits = CLOCK.starting, real_monotonic(), _waits()
            begun = _thread_time()
            plain(handle)
            spent = _thread_time() - begun - (self._import_time.get(ident, 0.0) - imported)
            if spent > BUSY:
                self._note_busy(task if stepped else None, handle, f"{spent:.2f} s of CPU")
            elif (
                (passed := real_monotonic() - begun_at) > IDLE
                and _waits() > waits  # else the machine itself stood still
                and imported == self._import_time.get(ident, 0.0)
            ):
                idle = passed - spent - (CLOCK.starting - starting) - queued()
                if idle > IDLE and self._alone() and "blocking" not in self.seen:
                    self._note_busy(task if stepped else None, handle, f"{idle:.1f} s of waiting")
            if stepped:
                self.timeline.stepped(task)
                if task.done():
                    self._check_cancelled(task)

        return run

    def _note_busy(self, task: Any, handle: Any, what: str) -> None:
        coroutine = task.get_coro() if task is not None else None
        site = self.coroutine_site(coroutine) if coroutine is not None else None
        if site is None:
            site = self._origins.get(task) if task is not None else self._handles.get(handle)
        self.note("blocking", site, what=what)

    @staticmethod
    def _alone() -> bool:
        """Whether no other thread of this process could hold the interpreter, and no helper process be started."""
        return _thread._count() == 0 and not multiprocessing.process._children  # type: ignore[attr-defined]

    def _check_cancelled(self, task: Any) -> None:
        """A task that was asked to end, said nothing of it, and ended as if nobody had asked."""
        if self.ending or task.cancelled() or task in self._excused or not getattr(task, "cancelling", int)():
            return
        if task._exception is not None:  # not exception(): reading it that way counts as retrieving it
            return
        self._excused.add(task)
        coroutine = task.get_coro()
        site = self.coroutine_site(coroutine) or self._origins.get(task)
        self.note("swallowed", site, name=getattr(coroutine, "__qualname__", task))

    def _timeout_exit(self, plain: Any) -> Any:
        """A time-out whose cancellation never came back to it: nobody learns that time was up."""

        async def leave(scope: Any, kind: Any, error: Any, traceback: Any) -> Any:
            if kind is None and scope._state.value == "expiring":
                self.note("swallowed", self.site(_getframe(1)), name="asyncio.timeout()")
            return await plain(scope, kind, error, traceback)

        return leave

    def _group_task_done(self, plain: Any) -> Any:
        """Before 3.13 a TaskGroup that failed leaves its parent task cancelling (gh-113538): nobody's fault."""

        def on_task_done(group: Any, task: Any) -> None:
            plain(group, task)
            if sys.version_info < (3, 13) and group._parent_cancel_requested:
                self._excused.add(group._parent_task)

        return on_task_done

    def where(self) -> list[Site]:
        """Where the program stands: what it runs, or what its tasks wait for."""
        self._look_at_waiting()
        return self.stuck_sites

    def _look_at_waiting(self) -> None:
        """Where the tasks of a loop that cannot go on stand: now, before its end cancels them.

        The first place is the one that blocks the loop itself; where there is no task, the one that runs the loop.
        """
        here = self.site(_getframe(1))
        tasks = [item for item in _objects() if isinstance(item, asyncio.Task) and not item.done()]
        sites = sorted({site for task in tasks if (site := self.coroutine_site(task.get_coro()))})
        loop = _running_loop()
        blocked = loop is None or asyncio.current_task(loop) is not None
        if here is not None and (blocked or not sites):
            sites = [here, *(site for site in sites if site != here)]
        self.stuck_sites = sites[:8]


def _now() -> float:
    return CLOCK.current() if CLOCK.virtual else real_monotonic()


def _code(callback: Any) -> Any:
    """The code of a function, a method or a partial one; None for anything else."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    return getattr(callback, "__code__", None)


def _drops_result(frame: types.FrameType) -> bool:
    """Whether a frame does nothing with what the call that it is in returns."""
    code, following = frame.f_code.co_code, frame.f_lasti + 2
    while following < len(code) and code[following] == 0:  # the room for what a call has learnt
        following += 2
    return following < len(code) and code[following] == opcode.opmap["POP_TOP"]


def _waits() -> int:
    """How often this thread has given its processor away to wait for something; 0 where nobody counts."""
    return _usage(_this_thread).ru_nvcsw if _usage is not None else 0


def queued() -> float:
    """Seconds that this thread has been ready to run, ever, with no processor free; infinite where nobody counts.

    What of it came before a step is small beside what is asked about, and spares it at worst.
    """
    try:
        with open("/proc/thread-self/schedstat") as stat:
            ran, queued, _ = map(int, stat.read().split())
    except (OSError, ValueError):
        return float("inf")
    return queued / 1e9 if ran else float("inf")
