"""The stage: every program of a deck, on every interpreter asked for, from cache or run; then a verdict for each."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic
from generator.notes import Deck, Note, Program, Verdict
from generator.store import default_folder
from generator.verify import findings, interpreters, pool, promises, spawn
from generator.verify.cache import key, passes
from generator.verify.interpreters import Interpreter, InterpreterError
from generator.verify.judge import judge
from generator.verify.launch import Launcher, MachineError, launcher
from generator.verify.plan import Job, jobs_of
from generator.verify.pool import WorkerError
from generator.verify.rewrite import Rewrite, rewrites_of

RUN_LIMIT = 600.0  # seconds that one run may take in all
MOST_PROGRAMS = 40  # programs of one note
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to verify.

    `pythons` are versions or paths; without any, the deck's own `interpreter` or the running one. `jobs` is the number
    of programs at once, None for one per core; `hash_seed` is what sets are ordered by, None for two seeds where
    the order may show. `cache_folder` None is the user's cache folder.
    """

    pythons: tuple[str, ...] = ()
    run: bool = True
    cache: bool = True
    real_clock: bool = False
    require_sandbox: bool = False
    prove_ranges: bool = False
    jobs: int | None = None
    hash_seed: int | None = None
    cache_folder: Path | None = None


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
class _Results:
    """What is collected while jobs come back: problems by task, and which came from the cache or were not run."""

    problems: dict[Task, list[Diagnostic]] = field(default_factory=dict)
    cached: set[Task] = field(default_factory=set)
    not_run: dict[Task, str] = field(default_factory=dict)
    rewrites: dict[Task, frozenset[Rewrite]] = field(default_factory=dict)


def verify_deck(
    deck: Deck, options: Options, selected: Container[str] | None = None, progress: Progress | None = None
) -> tuple[Verification, list[Diagnostic]]:
    """Verify the notes of `deck` (those whose id is in `selected`, if given). Raises MachineError where the machine
    cannot do what was asked: an interpreter that is not there, no sandbox where one is required.
    """
    notes = [
        note
        for file in deck.files
        if not file.is_retired
        for note in file.notes
        if note.programs and (selected is None or note.id in selected)
    ]
    if not options.run or all(program.norun for note in notes for program in note.programs):
        return _without_running(notes), []
    asked = _interpreters(deck, options)
    tasks, diagnostics = _tasks(notes, deck, asked, options)
    results = _Results()
    launched = _run(tasks, options, results, progress)
    diagnostics += _reported(results, asked)
    verification = _verification(notes, tasks, results, asked)
    if launched:
        first = launched[0]
        verification = replace(verification, sandbox=first.state, sandbox_note=first.note, runner=first.runner)
    return verification, [*diagnostics, *_not_verified(notes, verification, results, asked)]


def _without_running(notes: Sequence[Note]) -> Verification:
    counts = Counter("norun" if program.norun else "not_run" for note in notes for program in note.programs)
    verdicts = {
        note.id: Verdict.NORUN if all(program.norun for program in note.programs) else Verdict.NOT_RUN for note in notes
    }
    return Verification(verdicts, snippets=counts.total(), norun=counts["norun"], not_run=counts["not_run"])


def _interpreters(deck: Deck, options: Options) -> list[Interpreter]:
    wanted = options.pythons or (_own_interpreter(deck),)
    try:
        found = [interpreters.find(name) for name in wanted]
    except InterpreterError as error:
        raise MachineError(str(error)) from error
    return list(dict.fromkeys(found))


def _own_interpreter(deck: Deck) -> str:
    """The `interpreter` of deck.yaml: a version, or the path of an environment elsewhere on this machine.

    It is started outside the sandbox to ask what it is, and deck.yaml may come from a stranger. So a path that leads
    to anything near the notes takes a person to name it.
    """
    name = deck.config.interpreter
    if "/" not in name and os.sep not in name:
        return name
    path = Path(name).expanduser()
    inside = [root for root in (_checkout(deck), Path.cwd()) for at in (path, path.resolve()) if _lies_in(at, root)]
    if not path.is_absolute() or inside:
        raise MachineError(
            f"deck.yaml asks for the interpreter {name}, beside the notes, where a stranger's change may have put "
            f"it; if it is yours, name it: --python {name}"
        )
    return str(path)


def _checkout(deck: Deck) -> Path:
    """The folder that the notes came in, as far as can be told."""
    near = [deck.folder.absolute(), *deck.folder.absolute().parents]
    repository = [folder for folder in near if (folder / ".git").exists()]
    project = [folder for folder in near if (folder / "source_notes").exists() or (folder / "pyproject.toml").exists()]
    return [*repository[:1], *project[-1:], near[1]][0]


def _lies_in(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) or path.is_relative_to(root.resolve())


def _tasks(
    notes: Iterable[Note], deck: Deck, asked: Sequence[Interpreter], options: Options
) -> tuple[list[Task], list[Diagnostic]]:
    tasks: list[Task] = []
    diagnostics = []
    for note in notes:
        jobs = jobs_of(note, deck, real_clock=options.real_clock)
        if len(jobs) > MOST_PROGRAMS:
            message = f"this note has {len(jobs)} programs; one note may have {MOST_PROGRAMS}"
            diagnostics.append(
                findings.NORUN_BUDGET.at(note.heading, message, "Make several notes of it.", note=note.id)
            )
            continue
        for interpreter in asked:
            inside = interpreter.in_range(note.python, note.platform)
            probe = options.prove_ranges and bool(note.own_python) and not inside
            if inside or (probe and interpreter.in_range(SpecifierSet(), note.platform)):
                tasks += [
                    Task(job, interpreter, seed, probe) for job in jobs for seed in _seeds(job, options.hash_seed)
                ]
    return tasks, diagnostics


def _seeds(job: Job, asked: int | None) -> tuple[int, ...]:
    """The hash seeds to run a job under: a second one where the order of a set may be what it prints."""
    if asked is not None:
        return (asked,)
    return (0, 1) if promises.may_show_an_order(job) else (0,)


# --- running ---------------------------------------------------------------------------------------------------------


def _run(tasks: Sequence[Task], options: Options, results: _Results, progress: Progress | None) -> list[Launcher]:
    """Take from the cache what is there, run the rest; the launchers that were used."""
    folder = (options.cache_folder or default_folder()) if options.cache else None
    with passes(folder) as cache:
        launchers = {
            way: launcher(*way, require_sandbox=options.require_sandbox)
            for way in dict.fromkeys((task.interpreter, task.seed) for task in tasks)
        }
        keys = {
            task: key(task.job.as_wire(), _promises(task.job), launchers[task.interpreter, task.seed].identity)
            for task in tasks
        }
        known = cache.known(keys.values())
        results.cached |= {task for task in tasks if keys[task] in known}
        results.problems |= {task: [] for task in results.cached}
        done, total = len(results.cached), len(tasks)
        stop_at = time.monotonic() + RUN_LIMIT
        for way, launched in launchers.items():
            waiting = [t for t in tasks if (t.interpreter, t.seed) == way and t not in results.cached]
            for task, problems in _run_on(waiting, launched, options.jobs or _cores(), stop_at, results):
                results.problems[task] = problems
                if not problems and task not in results.not_run and task.job.clock == "virtual":
                    cache.put(keys[task])
                done += 1
                if progress is not None:
                    progress(done, total)
    return list(launchers.values())


def _run_on(
    tasks: Sequence[Task], launched: Launcher, workers: int, stop_at: float, results: _Results
) -> Iterable[tuple[Task, list[Diagnostic]]]:
    by_job = {id(task.job): task for task in tasks}
    jobs = [task.job for task in tasks]
    try:
        if launched.runner == "fork":
            start = functools.partial(launched.start_server, jobs=len(jobs) // workers)
            runs = pool.run_jobs(jobs, workers, start, stop_at)
        else:
            runs = spawn.run_jobs(jobs, workers, launched.start_once, stop_at, wrapped=launched.wrapped)
        for job, nonce, execution in runs:
            task = by_job.pop(id(job))
            problems = judge(job, nonce, execution)
            if problems and all(item.finding == "wrong-output" for item in problems):
                results.rewrites[task] = frozenset(rewrites_of(job, nonce, execution))
            if launched.state == "partial" and any(item.finding == "refused" for item in problems):
                results.not_run[task] = "the partial sandbox of this machine forbids what it needs"
                problems = []
            yield task, problems
    except WorkerError as error:
        raise MachineError(str(error)) from error
    for task in by_job.values():
        hint = "Verify fewer notes at a time: `make-deck check PATH`."
        message = f"not run: the run has taken its {RUN_LIMIT:.0f} s"
        results.not_run[task] = message
        yield task, [findings.RUN_BUDGET.at(task.job.note.heading, message, hint, note=task.job.note.id)]


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _promises(job: Job) -> list[object]:
    """What the note says of a program, beyond the job itself."""
    program = job.program
    return [sorted(program.bugs), [(index, fence.role.value, fence.code) for index, fence in program.expected]]


# --- judging the whole -----------------------------------------------------------------------------------------------


LUCK = " (under another hash seed: the order of a set is luck)"


def _reported(results: _Results, asked: Sequence[Interpreter]) -> list[Diagnostic]:
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


def _verification(
    notes: Sequence[Note], tasks: Sequence[Task], results: _Results, asked: Sequence[Interpreter]
) -> Verification:
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


def _by_python(tasks: Sequence[Task], results: _Results, pythons: Sequence[str]) -> dict[str, tuple[int, int]]:
    counts = {}
    for name in pythons:
        own = [task for task in tasks if task.interpreter.name == name and not task.probe]
        fine = {task: not results.problems.get(task, [None]) and task not in results.not_run for task in own}
        programs = {id(task.job) for task in own}
        failed = {id(task.job) for task in own if not fine[task]}
        counts[name] = (len(programs - failed), len(programs))
    return counts


def _agreed_rewrites(notes: Sequence[Note], by_note: Mapping[str, list[Task]], results: _Results) -> frozenset[Rewrite]:
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


def _verdict(note: Note, tasks: Sequence[Task], results: _Results) -> Verdict:
    if any(results.problems.get(task) for task in tasks):
        return Verdict.FAILED
    if any(task in results.not_run or task not in results.problems for task in tasks):
        return Verdict.NOT_RUN
    if any(program.norun for program in note.programs):
        return Verdict.NORUN
    return Verdict.VERIFIED if tasks else Verdict.OUT_OF_RANGE


def _state(program: Program, tasks: Sequence[Task], results: _Results) -> str:
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


def _not_verified(
    notes: Sequence[Note], verification: Verification, results: _Results, asked: Sequence[Interpreter]
) -> Iterable[Diagnostic]:
    """Warnings for notes without a verdict, and for ranges that are narrower than they need be."""
    reasons = {task.job.note.id: reason for task, reason in results.not_run.items()}
    versions = ", ".join(dict.fromkeys(item.name for item in asked))
    for note in notes:
        verdict = verification.verdicts[note.id]
        if verdict is Verdict.OUT_OF_RANGE:
            hint = "Name an interpreter in its range: `make-deck check --python VERSION`."
            message = f"not verified: it is meant for {_range(note)}, and this run has {versions} on {sys.platform}"
            yield findings.OUT_OF_RANGE.at(note.heading, message, hint, note=note.id)
        elif verdict is Verdict.NOT_RUN and note.id in reasons:
            hint = "`make-deck doctor` tells how to get a full sandbox here."
            yield findings.NOT_RUN.at(note.heading, f"not run: {reasons[note.id]}", hint, note=note.id)
    yield from _ranges(notes, results)


def _range(note: Note) -> str:
    words = [f"Python {note.python}"] if str(note.python) else []
    return " on ".join([*words, *([" or ".join(note.platform)] if note.platform else [])]) or "no Python here"


def _ranges(notes: Sequence[Note], results: _Results) -> Iterable[Diagnostic]:
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
