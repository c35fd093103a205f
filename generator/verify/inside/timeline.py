"""A program's run as text: a line per task, in the order in which they were made.

    main: 0 wait, 200 end
    job: 0 sleep, 100 end
    job 2: 0 sleep, 200 end

Each entry is a time in milliseconds since the program began, and what the task does from then on: `sleep` in
asyncio.sleep(), `yield` in sleep(0), `wait` for anything else, `end`, `fail NAME` with an exception, or end as
`cancelled`; `cancel` stands where it is asked to stop. A task is called by its name or, without one of its own, by
its coroutine's.
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
_DEFAULT_NAME = re.compile(r"Task-\d+")


@dataclass
class Row:
    """A task's line: its name, known from its first step on (before 3.12 a task is named after it is made)."""

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

    def created(self, task: Any, *, main: bool) -> None:
        """A new task; an eager one may have ended already."""
        if len(self._rows) < MOST_ROWS:
            self._of[task] = Row(main)
            self._rows.append(self._of[task])
            if task.done():
                self.stepped(task)

    def about_to_step(self, task: Any) -> None:
        """Notes a cancellation that the task is about to hear of."""
        row, asked = self._of.get(task), getattr(task, "cancelling", int)()
        if row is not None and asked > row.asked:
            _add(row, "cancel")
            row.asked = asked

    def stepped(self, task: Any) -> None:
        """Notes what a task does after one of its steps."""
        row = self._of.get(task)
        if row is not None:
            row.name = row.name or _name(task, main=row.main)
            _add(row, _state(task))

    def text(self) -> str:
        """The rows as text, without those of tasks that never came to run; equal names are numbered."""
        lines, seen = [], Counter[str]()
        for row in self._rows:
            if row.events:
                seen[row.name] += 1
                number = f" {seen[row.name]}" if seen[row.name] > 1 else ""
                lines.append(f"{row.name}{number}: {', '.join(row.events)}")
        return "\n".join(lines)


def _add(row: Row, state: str) -> None:
    entry = f"{round((CLOCK.now - START) * 1000)} {state}"
    if len(row.events) < MOST_EVENTS and row.events[-1:] != [entry]:
        row.events.append(entry)


def _name(task: Any, *, main: bool) -> str:
    name = task.get_name()
    if _DEFAULT_NAME.fullmatch(name):
        name = "main" if main else getattr(task.get_coro(), "__name__", "task")
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
