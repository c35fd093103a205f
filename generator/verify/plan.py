"""Turns a note's programs into jobs for the snippet's side, and its places back into places of the note."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.diagnostics import Span
from generator.notes import Deck, Note, Program, Role, Snippet

DEFAULT_LIMITS: Mapping[str, float] = {
    "wall": 10.0,  # seconds
    "cpu": 10.0,  # seconds
    "memory": 512 << 20,  # bytes of address space of one process
    "output": 64 << 10,  # bytes on each of standard output and error
    "processes": 48,
    "scratch": 64 << 20,  # bytes of temporary files
}
LIMIT_OF_A_HANG = 2.0  # seconds: enough to tell that a program with `bug=timeout` does not end
Site = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of a program as it is sent: see `inside.wire`."""

    name: str
    line: int
    snippet: Snippet

    @property
    def lines(self) -> int:
        return self.snippet.code.rstrip("\n").count("\n") + 1


@dataclass(frozen=True, eq=False)
class Job:
    """A program ready to run: its steps, its limits (seconds, bytes), its clock."""

    note: Note
    program: Program
    steps: tuple[Step, ...]
    limits: Mapping[str, float]
    clock: str
    _places: dict[str, list[tuple[int, Snippet]]] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for step in self.steps:
            self._places.setdefault(step.name, []).append((step.line, step.snippet))

    @property
    def raises_at(self) -> int | None:
        expected = self.program.raises
        if expected is None:
            return None
        return next(index for index, step in enumerate(self.steps) if step.snippet is expected[0])

    def as_wire(self) -> dict[str, object]:
        """The job but for its nonce; equal programs under equal limits give equal values."""
        expected = self.program.raises
        return {
            "clock": self.clock,
            "script": any(step.script for step in self.program.steps),
            "raises": expected[1] if expected else None,
            "raises_at": self.raises_at,
            "limits": {name: self.limits[name] for name in sorted(self.limits)},
            "steps": [
                {
                    "name": step.name,
                    "line": step.line,
                    "code": step.snippet.code.rstrip("\n"),
                    "shown": step.snippet.shown,
                }
                for step in self.steps
            ],
        }

    def snippet_at(self, site: Site) -> tuple[Snippet, int] | None:
        """The snippet that a file name and line of the program belong to, and the line in it, from 1."""
        known = self._places.get(site[0])
        if not known:
            return None
        at = bisect.bisect_right(known, site[1], key=lambda place: place[0]) - 1
        first, snippet = known[max(at, 0)]
        return snippet, max(site[1] - first + 1, 1)

    def span(self, site: Site | None, column: int | None = None, end_column: int | None = None) -> Span:
        """The place in the note of a place in the program; the program's first line where there is none."""
        found = self.snippet_at(site) if site is not None else None
        snippet, line = found or (self.program.head, 1)
        if column is None:
            return snippet.locate(line)
        return snippet.locate(line, column, end_column or column + 1)


_ASKS_THE_CALENDAR = re.compile(r"\.(now|utcnow|today)\(")


def jobs_of(note: Note, deck: Deck, *, real_clock: bool) -> list[Job]:
    """A job for each program of `note` that is meant to run."""
    jobs = []
    for program in note.programs:
        if program.norun is None:
            limits = {**DEFAULT_LIMITS, **deck.config.limits}
            if "timeout" in program.bugs:
                limits |= {name: min(limits[name], LIMIT_OF_A_HANG) for name in ("wall", "cpu")}
            steps = _steps(program, deck.config.prelude)
            # datetime reads the machine's clock below Python: beside virtual sleeps it would tell another time.
            calendar = any(_ASKS_THE_CALENDAR.search(step.snippet.code) for step in steps)
            clock = "real" if real_clock or note.real_clock or calendar else "virtual"
            jobs.append(Job(note, program, steps, limits, clock))
    return jobs


def _steps(program: Program, prelude: Snippet | None) -> tuple[Step, ...]:
    """The pieces with the names and lines they have in tracebacks: what the learner sees is `snippet.py`, from 1."""
    steps, setups, checks, line = [], 0, 0, 1
    for snippet in (*program.setup, *program.steps):
        if snippet is prelude:
            steps.append(Step("prelude.py", 1, snippet))
        elif snippet.role is Role.SETUP:
            setups += 1
            steps.append(Step(f"setup-{setups}.py", 1, snippet))
        elif snippet.role is Role.CHECK:
            checks += 1
            steps.append(Step(f"check-{checks}.py", 1, snippet))
        else:
            steps.append(Step("snippet.py", line, snippet))
            line += steps[-1].lines
    return tuple(steps)
