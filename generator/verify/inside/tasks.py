"""Tasks and loops: what is left running, fails unread, swallows its cancellation, or holds up the rest."""

from __future__ import annotations

import asyncio
import asyncio.runners
import contextlib
import gc
import sys
import threading
import time
import weakref
from typing import Any

from .clock import CLOCK
from .sightings import Sightings, Site
from .timeline import Timeline
from .wire import clipped

BUSY = 0.1  # seconds of CPU in one step of a loop: the limit of asyncio's own debug mode

_thread_time = time.thread_time
_ident = threading.get_ident
_getframe = sys._getframe
_objects = gc.get_objects
_FINAL_WORDS = ("exception was never retrieved", "was destroyed but it is pending!")


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
        if error is None:
            return
        sites = self.traceback_sites(error)
        site = sites[-1] if sites else self._origins.get(future) if future is not None else None
        self._note_unread(site, message, error)

    def _note_unread(self, site: Site | None, message: str, error: BaseException) -> None:
        self.note("loop_errors", site, message=message, error=f"{type(error).__name__}: {clipped(error)}")

    def _note_pending(self, task: Any) -> None:
        if id(task) in self._pending:
            return
        self._pending.add(id(task))
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

    def _group_task_done(self, plain: Any) -> Any:
        """Before 3.13 a TaskGroup that failed leaves its parent task cancelling (gh-113538): nobody's fault."""

        def on_task_done(group: Any, task: Any) -> None:
            plain(group, task)
            if sys.version_info < (3, 13) and group._parent_cancel_requested:
                self._excused.add(group._parent_task)

        return on_task_done

    def _look_at_waiting(self) -> None:
        """Where the tasks of a loop that cannot go on stand: now, before its end cancels them."""
        tasks = [item for item in _objects() if isinstance(item, asyncio.Task) and not item.done()]
        self.stuck_sites = sorted({site for task in tasks if (site := self.coroutine_site(task.get_coro()))})[:8]
