"""The stage: every program of a deck, on every interpreter asked for, from cache or run; then a verdict for each."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic
from generator.notes import Deck, Note
from generator.store import default_folder
from generator.verify import findings, interpreters, pool, promises, spawn
from generator.verify.cache import key, passes
from generator.verify.interpreters import Interpreter, InterpreterError
from generator.verify.judge import judge
from generator.verify.launch import Launcher, MachineError, launcher
from generator.verify.plan import Job, jobs_of
from generator.verify.pool import WorkerError
from generator.verify.rewrite import rewrites_of
from generator.verify.verdicts import (
    Results,
    Task,
    Verification,
    not_verified,
    reported,
    verification_of,
    without_running,
)

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
        return without_running(notes), []
    asked = _interpreters(deck, options)
    tasks, diagnostics = _tasks(notes, deck, asked, options)
    results = Results()
    launched = _run(tasks, options, results, progress)
    diagnostics += reported(results, asked)
    verification = verification_of(notes, tasks, results, asked)
    if launched:
        first = launched[0]
        verification = replace(verification, sandbox=first.state, sandbox_note=first.note, runner=first.runner)
    return verification, [*diagnostics, *not_verified(notes, verification, results, asked)]


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


def _run(tasks: Sequence[Task], options: Options, results: Results, progress: Progress | None) -> list[Launcher]:
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
    tasks: Sequence[Task], launched: Launcher, workers: int, stop_at: float, results: Results
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
