"""From what was found in single runs to a verdict for each note, and to the numbers of the whole."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic
from generator.notes import Note, Program, Verdict
from generator.verify import findings
from generator.verify.interpreters import Interpreter
from generator.verify.plan import Job
from generator.verify.rewrite import Rewrite

LUCK = " (under another hash seed: the order of a set is luck)"


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of a deck's code. The counts are of programs; `pythons` are what they ran on.

    `verified_on` tells for each verified note the versions; `sandbox` is the state, `sandbox_note` the reason and the
    fix where it is not full; `runner` is `fork` or `spawn`, empty where nothing had to run.
    """

    verdicts: Mapping[str, Verdict]
    verified_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    snippets: int = 0
    verified: int = 0
    cached: int = 0
    failed: int = 0
    norun: int = 0
    not_run: int = 0
    out_of_range: int = 0
    pythons: tuple[str, ...] = ()
    by_python: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """For each of them, how many programs were verified, and how many are in its range."""
    sandbox: str = ""
    sandbox_note: str = ""
    runner: str = ""
    rewrites: frozenset[Rewrite] = frozenset()
    """What the expectations of programs with no other fault should say instead."""


@dataclass(frozen=True, eq=False)
class Task:
    """A job on an interpreter, under a hash seed. `probe` tells a run outside the note's range, to prove the range."""

    job: Job
    interpreter: Interpreter
    seed: int = 0
    probe: bool = False


@dataclass(slots=True)
class Results:
    """What is collected while jobs come back: problems by task, and which came from the cache or were not run."""

    problems: dict[Task, list[Diagnostic]] = field(default_factory=dict)
    cached: set[Task] = field(default_factory=set)
    not_run: dict[Task, str] = field(default_factory=dict)
    rewrites: dict[Task, frozenset[Rewrite]] = field(default_factory=dict)


def without_running(notes: Sequence[Note]) -> Verification:
    """What is known of `notes` where nothing is run."""
    counts = Counter("norun" if program.norun else "not_run" for note in notes for program in note.programs)
    verdicts = {
        note.id: Verdict.NORUN if all(program.norun for program in note.programs) else Verdict.NOT_RUN for note in notes
    }
    return Verification(verdicts, snippets=counts.total(), norun=counts["norun"], not_run=counts["not_run"])


def reported(results: Results, asked: Sequence[Interpreter]) -> list[Diagnostic]:
    """Every problem once; with several interpreters each says on which it was found."""
    told = {
        (task.interpreter, item.code, item.span.start, item.note)
        for task, problems in results.problems.items()
        for item in problems
        if task.seed == 0
    }
    found: dict[Diagnostic, set[str]] = {}
    for task, problems in results.problems.items():
        for item in problems if not task.probe else ():
            if task.seed and (task.interpreter, item.code, item.span.start, item.note) in told:
                continue
            known = replace(item, message=item.message + LUCK) if task.seed else item
            found.setdefault(known, set()).add(task.interpreter.name)
    every = len({item.name for item in asked})
    return [
        replace(item, message=f"{item.message} (on {', '.join(sorted(names))})") if len(names) < every else item
        for item, names in found.items()
    ]


def verification_of(
    notes: Sequence[Note], tasks: Sequence[Task], results: Results, asked: Sequence[Interpreter]
) -> Verification:
    """The verdicts on `notes` and the counts, from the results of `tasks`; how they were run is the caller's to add."""
    by_note: dict[str, list[Task]] = {}
    for task in tasks:
        if not task.probe:
            by_note.setdefault(task.job.note.id, []).append(task)
    verdicts, verified_on = {}, {}
    counts: Counter[str] = Counter()
    for note in notes:
        own = by_note.get(note.id, [])
        verdicts[note.id] = _verdict(note, own, results)
        if verdicts[note.id] is Verdict.VERIFIED:
            verified_on[note.id] = tuple(dict.fromkeys(task.interpreter.name for task in own))
        for program in note.programs:
            counts[_state(program, [task for task in own if task.job.program is program], results)] += 1
        counts["snippets"] += len(note.programs)
    pythons = tuple(dict.fromkeys(item.name for item in asked))
    return Verification(
        verdicts,
        verified_on,
        snippets=counts["snippets"],
        verified=counts["verified"] + counts["cached"],
        cached=counts["cached"],
        failed=counts["failed"],
        norun=counts["norun"],
        not_run=counts["not_run"],
        out_of_range=counts["out_of_range"],
        pythons=pythons,
        by_python=_by_python(tasks, results, pythons),
        rewrites=_agreed_rewrites(notes, by_note, results),
    )


def _by_python(tasks: Sequence[Task], results: Results, pythons: Sequence[str]) -> dict[str, tuple[int, int]]:
    counts = {}
    for name in pythons:
        own = [task for task in tasks if task.interpreter.name == name and not task.probe]
        fine = {task: not results.problems.get(task, [None]) and task not in results.not_run for task in own}
        programs = {id(task.job) for task in own}
        failed = {id(task.job) for task in own if not fine[task]}
        counts[name] = (len(programs - failed), len(programs))
    return counts


def _agreed_rewrites(notes: Sequence[Note], by_note: Mapping[str, list[Task]], results: Results) -> frozenset[Rewrite]:
    """Rewrites of the notes whose expectations are their only fault, where every interpreter printed the same."""
    agreed: set[Rewrite] = set()
    for note in notes:
        own = by_note.get(note.id, [])
        failed = [task for task in own if results.problems.get(task)]
        if all(task in results.rewrites for task in failed):
            for program in note.programs:
                runs = [results.rewrites.get(task, frozenset()) for task in own if task.job.program is program]
                agreed |= frozenset.union(*runs) if len(set(runs)) == 1 else frozenset()
    return frozenset(agreed)


def _verdict(note: Note, tasks: Sequence[Task], results: Results) -> Verdict:
    if any(results.problems.get(task) for task in tasks):
        return Verdict.FAILED
    if any(task in results.not_run or task not in results.problems for task in tasks):
        return Verdict.NOT_RUN
    if any(program.norun for program in note.programs):
        return Verdict.NORUN
    return Verdict.VERIFIED if tasks else Verdict.OUT_OF_RANGE


def _state(program: Program, tasks: Sequence[Task], results: Results) -> str:
    """The count that a program belongs to."""
    if program.norun:
        return "norun"
    if not tasks:
        return "out_of_range"
    if any(results.problems.get(task) for task in tasks):
        return "failed"
    if any(task in results.not_run for task in tasks):
        return "not_run"
    return "cached" if all(task in results.cached for task in tasks) else "verified"


def not_verified(
    notes: Sequence[Note], verification: Verification, results: Results, asked: Sequence[Interpreter]
) -> Iterable[Diagnostic]:
    """Warnings for notes without a verdict, and for ranges that are narrower than they need be."""
    reasons = {task.job.note.id: reason for task, reason in results.not_run.items()}
    versions = ", ".join(dict.fromkeys(item.name for item in asked))
    for note in notes:
        verdict = verification.verdicts[note.id]
        if verdict is Verdict.OUT_OF_RANGE:
            hint = _where_to_run(note, asked)
            message = f"not verified: it is meant for {_range(note)}, and this run has {versions} on {sys.platform}"
            yield findings.OUT_OF_RANGE.at(note.heading, message, hint, note=note.id)
        elif verdict is Verdict.NOT_RUN and note.id in reasons:
            hint = "`make-deck doctor` tells how to get a full sandbox here."
            yield findings.NOT_RUN.at(note.heading, f"not run: {reasons[note.id]}", hint, note=note.id)
    yield from _ranges(notes, results)


def _where_to_run(note: Note, asked: Sequence[Interpreter]) -> str:
    """The way to a verdict on a note that no interpreter of this run is meant for."""
    if not any(item.in_range(SpecifierSet(), note.platform) for item in asked):
        return "Check it on such a machine too."
    minor = next((number for number in range(100) if note.python.contains(f"3.{number}")), None)
    return f"Run it there too: `make-deck check --python {'VERSION' if minor is None else f'3.{minor}'}`."


def _range(note: Note) -> str:
    versions = note.own_python or str(note.python)
    words = [f"Python {versions}"] if versions else []
    return " on ".join([*words, *([" or ".join(note.platform)] if note.platform else [])]) or "no Python here"


def _ranges(notes: Sequence[Note], results: Results) -> Iterable[Diagnostic]:
    """A note that passes on every program outside its range, though it says it cannot."""
    outside: dict[tuple[str, str], list[bool]] = {}
    for task, problems in results.problems.items():
        if task.probe:
            outside.setdefault((task.job.note.id, task.interpreter.name), []).append(not problems)
    for note in notes:
        passed = [name for (note_id, name), fine in outside.items() if note_id == note.id and all(fine)]
        if passed:
            message = f"its range {note.own_python} leaves out Python {', '.join(passed)}, where it passes as well"
            hint = "Widen the range, or show in the code what the older version lacks."
            yield findings.RANGE_TOO_NARROW.at(note.metadata.get("python", note.heading), message, hint, note=note.id)
