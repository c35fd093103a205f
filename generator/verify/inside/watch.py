"""What is noticed while a program runs.

Hooks are put below everything a program may change: below warning filters, below a loop's own exception handler,
below `sys.stderr`. At the end they must all still be there (`tampered`).
"""

from __future__ import annotations

import _thread
import asyncio
import asyncio.base_events
import asyncio.events
import asyncio.runners
import asyncio.taskgroups
import asyncio.timeouts
import concurrent.futures
import contextlib
import gc
import importlib._bootstrap
import inspect
import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
import types
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from .clock import CLOCK, real_monotonic, real_sleep
from .refusals import RefusalWatch
from .sightings import Sightings, Site
from .timeline import Timeline
from .wire import LIST_LIMIT, clipped

BUSY = 0.1  # seconds of CPU in one step of a loop: the limit of asyncio's own debug mode

_thread_time = time.thread_time
_ident = threading.get_ident
_getframe = sys._getframe
_running_loop = asyncio._get_running_loop
_collect = gc.collect
_objects = gc.get_objects
_set_event_loop = asyncio.set_event_loop
_enumerate = threading.enumerate
_thread_count = _thread._count
_unfreeze = gc.unfreeze
_set_origin_depth = sys.set_coroutine_origin_tracking_depth

_FINAL_WORDS = ("exception was never retrieved", "was destroyed but it is pending!")
ORIGIN_DEPTH = 8  # frames kept for a coroutine's origin: enough to reach the program through a library function


def _native_threads() -> int:
    """Threads of this process as the system counts them, where it is easy to ask."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return _thread_count() + 1


class Watch(Sightings):
    """The hooks, and what they see of one program."""

    def __init__(self, refusals: RefusalWatch | None = None) -> None:
        super().__init__()
        self.refusals = refusals
        self.stuck_sites: list[Site] = []
        self.ending = False
        self.logged = io.StringIO()
        self.timeline = Timeline()
        self._flagged: set[int] = set()  # ids of coroutines already reported
        self._origins: weakref.WeakKeyDictionary[Any, Site] = weakref.WeakKeyDictionary()
        self._mains: weakref.WeakSet[Any] = weakref.WeakSet()
        self._excused: weakref.WeakSet[Any] = weakref.WeakSet()
        self._unread: dict[int, BaseException] = {}  # errors in pools' futures that nobody has read, by the future's id
        self._frozen = False
        self._loop_hook: Any = None
        self._import_time: dict[int, float] = {}
        self._hooks: list[tuple[Any, str, Any, Mapping[str, Any]]] = []

    # --- hooks -------------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Put every hook in place, once in a process: a forked child finds them there."""
        CLOCK.on_block = lambda what, frame: self.note("blocking", self.site(frame), what=what)
        CLOCK.on_stuck = self._look_at_waiting
        self._hook(warnings, "_warn_unawaited_coroutine", lambda plain: self._never_awaited)
        self._hook(warnings, "_showwarnmsg", self._show_warning)
        self._hook(warnings, "warn", self._warn)
        self._hook(asyncio.base_events.BaseEventLoop, "call_exception_handler", self._loop_error)
        self._hook(asyncio.base_events.BaseEventLoop, "create_task", self._create_task)
        self._hook(asyncio.base_events.BaseEventLoop, "shutdown_asyncgens", self._shutdown_asyncgens)
        self._hook(asyncio.runners, "_cancel_all_tasks", self._cancel_all_tasks)
        self._hook(asyncio.events.Handle, "_run", self._run_handle)
        self._hook(asyncio.taskgroups.TaskGroup, "_on_task_done", self._group_task_done)
        self._hook(importlib._bootstrap, "_find_and_load", self._find_and_load)
        self._hook(logging.Handler, "handle", self._handle_record)
        self._hook(gc, "freeze", self._freeze)
        self._hook(asyncio.timeouts.Timeout, "__aexit__", self._timeout_exit)
        self._hook(concurrent.futures.Future, "set_exception", self._future_failed)
        for name in ("result", "exception"):
            self._hook(concurrent.futures.Future, name, self._future_read)
        for name in ("wait", "communicate"):
            self._hook(subprocess.Popen, name, self._blocking_popen)
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._thread_error
        warnings.resetwarnings()
        warnings.simplefilter("default")
        self._insist()
        _set_origin_depth(ORIGIN_DEPTH)
        if self.refusals is not None:
            self.refusals.on_attempt = lambda what: self.note("refused", self.site(_getframe(1)), text=what)
            self.refusals.install()
            self.refusals.stop()

    def _hook(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        hook = make(getattr(owner, name))
        setattr(owner, name, hook)
        self._hooks.append((owner, name, hook, vars(owner)))

    def begin(self, own: frozenset[str]) -> None:
        """Ready for a program whose file names are `own`."""
        self.own, self.seen, self.timeline = own, {}, Timeline()
        self._unread, self._frozen = {}, False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_fork)
        if self.refusals is not None:
            self.refusals.start()

    def _insist(self) -> None:
        """ResourceWarnings are shown whatever filters stand: ours is put in front of each that a program adds."""
        home: Any = sys.modules.get("_py_warnings", warnings)  # where it lives from 3.14 on
        add = home._add_filter

        def insisting(*item: Any, append: bool) -> None:
            add(*item, append=append)
            if not append:
                add("always", None, ResourceWarning, None, 0, append=False)

        for module in {home, warnings}:
            if hasattr(module, "_add_filter"):
                module._add_filter = insisting
        add("always", None, ResourceWarning, None, 0, append=False)

    def tampered(self) -> list[str]:
        """Names of hooks that the program has taken away."""
        gone = [
            f"{getattr(owner, '__name__', owner)}.{name}"
            for owner, name, hook, names in self._hooks
            if names.get(name) is not hook
        ]
        gone += [
            name
            for name, module in (("warnings", warnings), ("asyncio", asyncio))
            if sys.modules.get(name) is not module
        ]
        return gone

    def _never_awaited(self, coroutine: Any) -> None:
        if id(coroutine) in self._flagged:
            return
        self._flagged.add(id(coroutine))
        origin = getattr(coroutine, "cr_origin", None) or ()
        site = next(((name, line) for name, line, _ in origin if name in self.own), None)
        self.note("never_awaited", site or self.coroutine_site(coroutine), name=coroutine.__qualname__)
        if self._recording():
            text = f"coroutine '{coroutine.__qualname__}' was never awaited"
            warnings.warn(text, RuntimeWarning, stacklevel=2, source=coroutine)

    def _show_warning(self, plain: Any) -> Any:
        def show(message: Any) -> None:
            site = (message.filename, message.lineno) if message.filename in self.own else None
            if issubclass(message.category, ResourceWarning):
                self.note("unclosed", site or self.site(_getframe(1)), text=message.message)
                if self._recording():
                    plain(message)
                return
            with self.quiet() as texts:
                plain(message)
            if not texts or (
                site is None and issubclass(message.category, DeprecationWarning | PendingDeprecationWarning)
            ):
                return
            if issubclass(message.category, DeprecationWarning | PendingDeprecationWarning):
                self._note_deprecated(site, message.message)
            else:
                self.note("stderr", site, text=f"{message.category.__name__}: {clipped(message.message)}")

        return show

    def _warn(self, plain: Any) -> Any:
        """Below the filters: a DeprecationWarning that a program ignores is a deprecated call all the same."""

        def warn(message: Any, category: Any = None, stacklevel: int = 1, source: Any = None, **more: Any) -> None:
            kind = type(message) if isinstance(message, Warning) else category or UserWarning
            if isinstance(kind, type) and issubclass(kind, DeprecationWarning | PendingDeprecationWarning):
                site = self._warned_site(stacklevel, more.get("skip_file_prefixes", ()))
                if site is not None and not self._recording():
                    self._note_deprecated(site, message)
            plain(message, category, stacklevel + 1, source, **more)

        return warn

    def _note_deprecated(self, site: Site | None, message: Any) -> None:
        text = clipped(message)
        if not any(item["site"] == site and item["text"] == text for item in self.seen.get("deprecated", ())):
            self.note("deprecated", site, text=text)

    def _warned_site(self, stacklevel: int, skipped: tuple[str, ...]) -> Site | None:
        """The place a warning is attributed to, counted as `warnings.warn` counts, if it is in the program."""
        frame: types.FrameType | None = _getframe(2)
        for _ in range(max(stacklevel, 1) - 1):
            frame = frame and frame.f_back
        while frame is not None and skipped and frame.f_code.co_filename.startswith(tuple(skipped)):
            frame = frame.f_back
        if frame is None or frame.f_code.co_filename not in self.own:
            return None
        return frame.f_code.co_filename, frame.f_lineno

    @staticmethod
    def _recording() -> bool:
        """Whether the program records warnings, to look at them itself (`catch_warnings(record=True)`)."""
        context = getattr(sys.modules.get("_py_warnings"), "_get_context", None)
        if context is not None and getattr(context(), "log", None) is not None:
            return True
        shown = getattr(warnings, "_showwarnmsg_impl", None)
        return isinstance(shown, types.BuiltinMethodType) and isinstance(shown.__self__, list)

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
        if error is None:
            return
        sites = self.traceback_sites(error)
        site = sites[-1] if sites else self._origins.get(future) if future is not None else None
        self._note_unread(site, message, error)

    def _note_unread(self, site: Site | None, message: str, error: BaseException) -> None:
        self.note("loop_errors", site, message=message, error=f"{type(error).__name__}: {clipped(error)}")

    def _note_pending(self, task: Any) -> None:
        if id(task) in self._flagged:
            return
        self._flagged.add(id(task))
        coroutine = task.get_coro() if hasattr(task, "get_coro") else None
        site = self._origins.get(task) or self.coroutine_site(coroutine)
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
            try:
                plain(loop)
            finally:
                self.ending = False

        return cancel_all_tasks

    def _shutdown_asyncgens(self, plain: Any) -> Any:
        async def shutdown_asyncgens(loop: Any) -> None:
            if not CLOCK.stuck:
                for generator in list(loop._asyncgens):
                    if generator.ag_frame is not None:
                        self.note(
                            "unclosed",
                            self.coroutine_site(generator),
                            text=f"asynchronous generator {generator.__qualname__}",
                        )
            await plain(loop)

        return shutdown_asyncgens

    def _run_handle(self, plain: Any) -> Any:
        def run(handle: Any) -> None:
            task: Any = getattr(handle._callback, "__self__", None)
            ident = _ident()
            imported = self._import_time.get(ident, 0.0)
            stepped = isinstance(task, asyncio.Task)
            if stepped:
                self.timeline.about_to_step()
            begun = _thread_time()
            plain(handle)
            spent = _thread_time() - begun - (self._import_time.get(ident, 0.0) - imported)
            if spent > BUSY:
                self._note_busy(task if stepped else None, spent)
            if stepped:
                self.timeline.stepped(task)
                if task.done():
                    self._check_cancelled(task)

        return run

    def _note_busy(self, task: Any, spent: float) -> None:
        coroutine = task.get_coro() if task is not None else None
        site = self.coroutine_site(coroutine) if coroutine is not None else None
        self.note(
            "blocking", site or self._origins.get(task) if task is not None else None, what=f"{spent:.2f} s of CPU"
        )

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

    def _future_failed(self, plain: Any) -> Any:
        """Futures of pools are silent about an error that nobody reads; asyncio's are not."""

        def set_exception(future: Any, error: Any) -> None:
            if error is not None and len(self._unread) < LIST_LIMIT:
                self._unread[id(future)] = error
            plain(future, error)

        return set_exception

    def _future_read(self, plain: Any) -> Any:
        def read(future: Any, timeout: Any = None) -> Any:
            try:
                return plain(future, timeout)
            finally:
                self._unread.pop(id(future), None)

        read.__name__ = plain.__name__
        return read

    def _freeze(self, plain: Any) -> Any:
        """A frozen heap is collected no more: thawed at the end. (To count what is frozen would touch it all.)"""

        def freeze() -> None:
            self._frozen = True
            plain()

        return freeze

    def _in_fork(self) -> None:
        """A process that the program forked sends no report: what is seen there goes to standard error."""
        write, dumps = os.write, json.dumps

        def note(kind: str, site: Site | None = None, **facts: Any) -> None:
            told = {name: clipped(value) for name, value in facts.items()}
            write(2, f"in a forked process: {kind} {dumps(told)}\n".encode())

        self.note = note  # type: ignore[method-assign]

    def _group_task_done(self, plain: Any) -> Any:
        """Before 3.13 a TaskGroup that failed leaves its parent task cancelling (gh-113538): nobody's fault."""

        def on_task_done(group: Any, task: Any) -> None:
            plain(group, task)
            if sys.version_info < (3, 13) and group._parent_cancel_requested:
                self._excused.add(group._parent_task)

        return on_task_done

    def _find_and_load(self, plain: Any) -> Any:
        """Importing a module for the first time is not what blocks a loop in a program that runs for long."""

        def find_and_load(name: str, import_: Any) -> Any:
            begun, ident = _thread_time(), _ident()
            before = self._import_time.get(ident, 0.0)
            try:
                return plain(name, import_)
            finally:
                self._import_time[ident] = before + _thread_time() - begun  # nested imports count once

        return find_and_load

    def _handle_record(self, plain: Any) -> Any:
        def handle(handler: Any, record: Any) -> Any:
            with self.quiet() as texts:
                done = plain(handler, record)
            text = "".join(texts)
            self.logged.write(text[:1000])
            if "--- Logging error ---" in text:
                self.note("stderr", self.site(_getframe(1)), text=text)
            return done

        return handle

    def _blocking_popen(self, plain: Any) -> Any:
        def method(process: Any, *args: Any, **kwargs: Any) -> Any:
            if _running_loop() is not None and process.poll() is None:
                frame = _getframe(1)
                if frame.f_code.co_filename in self.own or "subprocess" in frame.f_code.co_filename:
                    self.note("blocking", self.site(frame), what=f"subprocess.Popen.{plain.__name__}")
            return plain(process, *args, **kwargs)

        method.__name__ = plain.__name__
        return method

    def _unraisable(self, unraisable: Any) -> None:
        if getattr(unraisable.object, "__qualname__", "") == "BaseEventLoop.__del__":
            return  # it has said that it was left open; its sockets may have gone first, then it cannot close itself
        error = unraisable.exc_value
        sites = self.traceback_sites(error) if error is not None else []
        self.note("unraisable", sites[-1] if sites else None, error=f"{unraisable.exc_type.__name__}: {clipped(error)}")

    def _thread_error(self, args: Any) -> None:
        if issubclass(args.exc_type, SystemExit):
            return
        sites = self.traceback_sites(args.exc_value) if args.exc_value is not None else []
        name = args.thread.name if args.thread is not None else "a thread"
        self.note(
            "thread_errors",
            sites[-1] if sites else None,
            thread=name,
            error=f"{args.exc_type.__name__}: {clipped(args.exc_value)}",
        )

    def _look_at_waiting(self) -> None:
        """Where the tasks of a loop that cannot go on stand: now, before its end cancels them."""
        tasks = [item for item in _objects() if isinstance(item, asyncio.Task) and not item.done()]
        self.stuck_sites = sorted({site for task in tasks if (site := self.coroutine_site(task.get_coro()))})[:8]

    # --- the end -----------------------------------------------------------------------------------------------------

    def look_at_threads(self) -> None:
        """Threads that outlive the program; one that is just ending gets a moment, a pool's idle worker is none."""
        until = real_monotonic() + 1.0
        known = _enumerate()
        for thread in known:
            if thread is threading.main_thread() or thread.daemon or CLOCK.is_idle(thread):
                continue
            while thread.is_alive() and not CLOCK.is_asleep(thread) and real_monotonic() < until:
                thread.join(0.01)
            if thread.is_alive() and not CLOCK.is_idle(thread):
                self.note("threads", None, name=thread.name)
        if _native_threads() > len(_enumerate()):
            real_sleep(0.01)  # one that has just been started counts itself once it runs
            while _thread_count() > len(_enumerate()) - 1 and real_monotonic() < until:
                real_sleep(0.01)
            if _thread_count() > len(_enumerate()) - 1:
                self.note("threads", None, name="started by _thread")

    def look_at_leftovers(self) -> None:
        """Tasks and coroutines that are still held by a name or a cycle when the program has ended."""
        for error in self._unread.values():
            sites = self.traceback_sites(error)
            self._note_unread(sites[-1] if sites else None, "An error in a pool's future was never read", error)
        self._unread.clear()
        tasks = [item for item in _objects() if isinstance(item, asyncio.Task)]
        unfinished = [task for task in tasks if not task.done()]
        driven = {id(task.get_coro()) for task in unfinished}
        if not CLOCK.stuck:
            for task in unfinished:
                if task not in self._mains:
                    self._note_pending(task)
        del tasks, unfinished
        for item in _objects():
            if (
                type(item) is types.CoroutineType
                and id(item) not in driven
                and inspect.getcoroutinestate(item) == inspect.CORO_CREATED
            ):
                self._never_awaited(item)

    def collect(self) -> None:
        """Let go of everything, so that what was left open says so."""
        if self.refusals is not None:
            self.refusals.stop()
        _set_event_loop(None)  # else the policy holds a loop that nobody has closed
        if self._frozen:
            _unfreeze()
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for _ in range(3):
            _collect()
