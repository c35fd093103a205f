"""A program's run as text: a line per task, in the order in which they were made.

    main: 0 wait, 200 end
    job: 0 sleep, 100 end
    job 2: 0 sleep, 200 end

Each entry is a time in milliseconds since the program began, and what the task does from then on: `sleep` in
asyncio.sleep(), `yield` in sleep(0), `wait` for anything else, `end`, `fail NAME` with an exception, or end as
`cancelled`; `cancel` stands where it is asked to stop, and `run` where a step itself takes time. A task is called by
its name or, without one of its own, by its coroutine's.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .clock import CLOCK, START

MOST_ROWS, MOST_EVENTS = 24, 60
SHORTEST_RUN = 0.0005  # seconds that a step takes before it is told; reading the clock alone takes less
_DEFAULT_NAME = re.compile(r"Task-\d+")


@dataclass
class Row:
    """A task's line: its name, known from its first step on (before 3.12 a task is named after it is made)."""

    task: weakref.ref[Any]
    main: bool
    name: str = ""
    events: list[str] = field(default_factory=list)
    asked: int = 0
    """How often it had been asked to stop when last looked at."""


class Timeline:
    """The rows of one program. Tasks are not kept alive by it."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._of: weakref.WeakKeyDictionary[Any, Row] = weakref.WeakKeyDictionary()
        self._begun = 0.0

    def created(self, task: Any, coro: Any, *, main: bool) -> None:
        """A new task of `coro`; an eager one may have ended already. Its get_coro() would crash Python 3.12 then."""
        if len(self._rows) < MOST_ROWS:
            self._of[task] = Row(weakref.ref(task), main)
            self._rows.append(self._of[task])
            if task.done():
                self._of[task].name = _name(task, coro, main=main)
                self._begun = CLOCK.now
                self.stepped(task)

    def about_to_step(self) -> None:
        """A step of some task begins; callbacks that ran before it may have asked tasks to stop."""
        self._begun = CLOCK.now
        self._look_for_cancellations()

    def stepped(self, task: Any) -> None:
        """Notes what a task does after one of its steps, and whom it has asked to stop."""
        row = self._of.get(task)
        if row is not None:
            row.name = row.name or _name(task, task.get_coro(), main=row.main)
            if CLOCK.now - self._begun > SHORTEST_RUN:
                _add(row, "run", self._begun)
            _add(row, _state(task), CLOCK.now)
        self._look_for_cancellations()

    def _look_for_cancellations(self) -> None:
        for row in self._rows:
            task = row.task()
            asked = task.cancelling() if task is not None and not task.done() else 0
            if asked > row.asked:
                _add(row, "cancel", CLOCK.now)
                row.asked = asked

    def text(self) -> str:
        """The rows as text, without those of tasks that never came to run; equal names are numbered."""
        lines, seen = [], Counter[str]()
        for row in self._rows:
            if row.name:
                seen[row.name] += 1
                number = f" {seen[row.name]}" if seen[row.name] > 1 else ""
                lines.append(f"{row.name}{number}: {', '.join(row.events)}")
        return "\n".join(lines)


def _add(row: Row, state: str, when: float) -> None:
    entry = f"{round((when - START) * 1000)} {state}"
    again = state == "wait" and row.events[-1:] == [entry]  # woken to find that it must wait on
    if len(row.events) < MOST_EVENTS and not again:
        row.events.append(entry)


def _name(task: Any, coro: Any, *, main: bool) -> str:
    name = task.get_name()
    if _DEFAULT_NAME.fullmatch(name):
        name = "main" if main else getattr(coro, "__name__", "task")
    return re.sub(r"[\s:,]+", " ", name).strip() or "task"


def _state(task: Any) -> str:
    if task.done():
        if task.cancelled():
            return "cancelled"
        return "end" if task._exception is None else f"fail {type(task._exception).__name__}"
    inner = task.get_coro()
    while getattr(inner, "cr_await", None) is not None and hasattr(inner.cr_await, "cr_code"):
        inner = inner.cr_await
    sleeps = getattr(inner, "cr_code", None) is asyncio.sleep.__code__
    if task._fut_waiter is None:
        return "yield"
    return "sleep" if sleeps else "wait"
