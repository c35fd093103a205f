"""What is noticed while a program runs.

Hooks are put below everything a program may change: below warning filters, below a loop's own exception handler,
below `sys.stderr`. At the end they must all still be there (`tampered`). `warned` holds those for warnings, `tasks`
those in asyncio; here are the rest, and what is looked at when a program has ended.
"""

from __future__ import annotations

import _thread
import asyncio
import asyncio.base_events
import asyncio.base_subprocess
import asyncio.events
import asyncio.runners
import asyncio.taskgroups
import asyncio.timeouts
import concurrent.futures
import contextlib
import dis
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
from collections.abc import Callable, Mapping
from typing import Any

from .clock import CLOCK, real_monotonic, real_sleep
from .refusals import RefusalWatch
from .sightings import Site
from .tasks import Tasks
from .timeline import Timeline
from .warned import Warned
from .wire import LIST_LIMIT, clipped

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

_SubprocessTransport: Any = asyncio.base_subprocess.BaseSubprocessTransport
_RUNS_PROCESSES = (subprocess.run.__code__, subprocess.call.__code__)
_ACTING = ("CALL", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "STORE_SUBSCR", "RAISE")
ORIGIN_DEPTH = 8  # frames kept for a coroutine's origin: enough to reach the program through a library function


def _native_threads() -> int:
    """Threads of this process as the system counts them, where it is easy to ask."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return _thread_count() + 1


def _is_deaf(code: types.CodeType) -> bool:
    """Whether a function neither reads what it is called with nor does anything else."""
    if any(step.opname.startswith(_ACTING) for step in dis.get_instructions(code)):
        return False
    given = inspect.getargs(code)
    names = {*given.args, given.varargs, given.varkw} - {None}
    reading = ("LOAD_FAST", "LOAD_DEREF", "MAKE_CELL")  # or a part of the name, as of STORE_FAST_LOAD_FAST
    read = [step.argval for step in dis.get_instructions(code) if any(word in step.opname for word in reading)]
    return not any(names & set(value if isinstance(value, tuple) else (value,)) for value in read)


class Watch(Warned, Tasks):
    """Every hook, and what they see of one program."""

    def __init__(self, refusals: RefusalWatch | None = None) -> None:
        super().__init__()
        self.refusals = refusals
        self.logged = io.StringIO()
        self._unread: dict[int, BaseException] = {}  # errors in pools' futures that nobody has read, by the future's id
        self._frozen = False
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
        self._hook(asyncio.base_events.BaseEventLoop, "shutdown_default_executor", self._shutdown_default_executor)
        for name in ("call_soon", "call_at"):
            self._hook(asyncio.base_events.BaseEventLoop, name, self._scheduling)
        self._hook(asyncio.runners, "_cancel_all_tasks", self._cancel_all_tasks)
        self._hook(asyncio.events.Handle, "_run", self._run_handle)
        self._hook(asyncio.taskgroups.TaskGroup, "_on_task_done", self._group_task_done)
        self._hook(importlib._bootstrap, "_find_and_load", self._find_and_load)
        self._hook(logging.Handler, "handle", self._handle_record)
        self._hook(gc, "freeze", self._freeze)
        self._hook(asyncio.timeouts.Timeout, "__aexit__", self._timeout_exit)
        self._hook(concurrent.futures.Future, "set_exception", self._future_failed)
        for name in ("result", "exception", "_get_snapshot"):  # the last is what asyncio asks from 3.15 on
            if hasattr(concurrent.futures.Future, name):
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
            self.refusals.on_unraisable = self._unraisable_elsewhere
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

    def _future_failed(self, plain: Any) -> Any:
        """Futures of pools are silent about an error that nobody reads; asyncio's are not."""

        def set_exception(future: Any, error: Any) -> None:
            if error is not None and len(self._unread) < LIST_LIMIT:
                self._unread[id(future)] = error
            plain(future, error)

        return set_exception

    def _future_read(self, plain: Any) -> Any:
        def read(future: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return plain(future, *args, **kwargs)
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
            if _running_loop() is not None and process.returncode is None:
                frame = _getframe(1)
                started = frame.f_code in _RUNS_PROCESSES  # this moment: whether it has ended already is an accident
                if not started and process.poll() is not None:
                    return plain(process, *args, **kwargs)
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

    def _unraisable_elsewhere(self, hook: Any, unraisable: Any) -> None:
        """The program may have a hook of its own; one that does nothing at all keeps the error from everybody."""
        if isinstance(hook, types.FunctionType) and _is_deaf(hook.__code__):
            self._unraisable(unraisable)

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
            elif isinstance(item, _SubprocessTransport) and item._proc is not None and item._proc.poll() is None:
                self.note("processes")  # on 3.11 a thread of asyncio's waits for it: none of its transport tells then

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
