"""Runs one program in this process and reports what was seen. The process ends with it.

Every function that the end of a program needs is bound before its first line runs: a program may replace `os._exit`
or `json.dumps`, and still not get past this module.
"""

from __future__ import annotations

import asyncio
import asyncio.runners
import atexit
import builtins
import contextlib
import json
import linecache
import os
import sys
import types
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import streams, whereabouts
from .clock import CLOCK, Stuck
from .sightings import Site
from .steps import Step, compile_all, needs_loop
from .unused import dropped_generators
from .watch import Watch
from .wire import clipped, mark


@dataclass
class Outcome:
    """How far a program came: the step it was in, and the exception that ended it. `error` is a report entry."""

    step: int = 0
    error: dict[str, Any] | None = None
    mode: str = ""
    printed: list[list[Any]] = field(default_factory=list)

    def busiest(self) -> Site | None:
        """The line that has printed most so far, as far as it is remembered."""
        sizes: Counter[Site] = Counter()
        for sites, text in self.printed:
            if sites:
                sizes[tuple(sites[0])] += len(text)
        return max(sizes, key=sizes.__getitem__, default=None)


def run(job: dict[str, Any], report_fd: int, watch: Watch, leftovers: Callable[[], int] | None = None) -> None:
    """Run `job` and write its report to `report_fd`. Never returns: the process exits, with status 0.

    `leftovers` ends the processes that the program has left and counts them, where no server does.
    """
    write, leave, dumps, pid, getpid = os.write, os._exit, json.dumps, os.getpid(), os.getpid
    nonce, outcome, failed = str(job["nonce"]), Outcome(), BaseException
    try:
        whereabouts.tell_of(watch.where, outcome.busiest)
        _run(job, watch, outcome)
        if getpid() != pid:
            leave(0)  # a process that the program forked came here: only the first one speaks
        report = {**_report(watch, outcome), "left": leftovers() if leftovers is not None else 0}
        frame = memoryview(f"{nonce} {dumps(report)}\n".encode())
        while frame:
            frame = frame[write(report_fd, frame) :]
    except failed as error:
        if getpid() == pid:
            write(2, f"the report could not be written: {type(error).__name__}\n".encode())
            leave(70)
    leave(0)


def _run(job: dict[str, Any], watch: Watch, outcome: Outcome) -> None:
    steps = [Step(step["name"], step["line"], step["code"]) for step in job["steps"]]
    os.chdir(os.environ.get("HOME", os.curdir))
    CLOCK.virtual = job["clock"] == "virtual"
    CLOCK.reset()
    streams.open_streams(watch, outcome.printed)
    module = _main_module(steps)
    watch.begin(frozenset(step.name for step in steps))
    end = _end_of_run(watch, module)
    failed = compile_all(steps)
    if failed is not None:
        outcome.step, outcome.error = failed
    else:
        outcome.mode = "loop" if needs_loop(steps, script=bool(job["script"])) else "script"
        for site, name in dropped_generators(steps):
            watch.note("never_iterated", site, name=name)
        runner = _Run(job, steps, module, outcome, watch)
        (runner.in_loop if outcome.mode == "loop" else runner.as_script)()
        del runner
    del module, steps
    end()


def _end_of_run(watch: Watch, module: types.ModuleType) -> Any:
    """What happens after the last line, in the order of Python's own exit; bound before the first."""
    stop_helpers, exit_functions, collect = _stop_helpers, atexit._run_exitfuncs, watch.collect
    threads, leftovers = watch.look_at_threads, watch.look_at_leftovers
    namespace = module.__dict__
    flush_out, flush_err = sys.stdout.flush, sys.stderr.flush

    def end() -> None:
        threads()
        exit_functions()
        leftovers()
        namespace.clear()
        collect()
        stop_helpers()
        with contextlib.suppress(ValueError, OSError):  # closed by the program: the missing last mark tells
            flush_out()
            flush_err()

    return end


def _stop_helpers() -> None:
    """multiprocessing's own helper processes live until the interpreter ends, by design: they are not the program's."""
    for name, attribute in (
        ("multiprocessing.forkserver", "_forkserver"),
        ("multiprocessing.resource_tracker", "_resource_tracker"),
    ):
        helper = getattr(sys.modules.get(name), attribute, None)
        if helper is not None:
            with contextlib.suppress(OSError):  # its socket's folder is gone: an exit function has removed it
                helper._stop()


# --- before it runs ---------------------------------------------------------------------------------------------------


_NEEDS_A_FILE = ("multiprocessing", "ProcessPool", "__file__", "runpy")


def _main_module(steps: list[Step]) -> types.ModuleType:
    """A real `__main__`: pickle, dataclasses and inspect look there.

    Its file holds the whole program where something may read it: the workers of a process pool import it again.
    """
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    text = "\n".join(step.source for step in steps) + "\n"
    module.__file__ = os.path.join(os.getcwd(), "main.py")
    if any(word in text for word in _NEEDS_A_FILE):
        with open(module.__file__, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    sys.modules["__main__"] = module
    sys.argv[:] = [module.__file__]
    lines: dict[str, list[str]] = {}
    for step in steps:
        known = lines.setdefault(step.name, [])
        known += [""] * (step.line - 1 - len(known)) + [line + "\n" for line in step.source.split("\n")]
    for name, text_lines in lines.items():
        linecache.cache[name] = (sum(map(len, text_lines)), None, text_lines, name)
    return module


# --- before the first fork --------------------------------------------------------------------------------------------

_REHEARSED = """
class Thing:
    def __init__(self, value: int = 1) -> None:
        self.value = value


async def work(value, lock):
    async with lock:
        await asyncio.sleep(0.01)
    return value


lock, queue = asyncio.Lock(), asyncio.Queue()
task = asyncio.create_task(work(1, lock), name="one")
print(await task, await asyncio.gather(work(2, lock), work(3, lock)))
async with asyncio.TaskGroup() as group:
    group.create_task(work(4, lock))
task = asyncio.create_task(queue.get())
await asyncio.sleep(0)
task.cancel()
try:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()
except TimeoutError as error:
    print(f"{type(error).__name__!r}", {key: Thing(key).value for key in range(3)})
"""


def rehearse(watch: Watch, times: int) -> None:
    """Run a small program: a dozen times make CPython specialise the code it goes through, of ours and of asyncio's.

    In the server: what is done here is not done again in every child. Leaves nothing behind but that.
    """
    kept = [(sys, name, getattr(sys, name)) for name in streams.NAMES for name in (name, f"__{name}__")]
    main, arguments = sys.modules["__main__"], sys.argv[:]
    job = {"nonce": "0" * 32, "raises": None, "raises_at": None}
    try:
        for _ in range(times):
            outcome = Outcome()
            steps = [Step("prelude.py", 1, "import asyncio"), Step("snippet.py", 1, _REHEARSED)]
            watch.own = frozenset(step.name for step in steps)
            streams.open_streams(watch, outcome.printed)
            module = _main_module(steps)
            compile_all(steps)
            needs_loop(steps[:1], script=False)
            _Run(job, steps, module, outcome, watch).in_loop()
            watch.look_at_threads()
            watch.look_at_leftovers()
            module.__dict__.clear()
            json.dumps(_report(watch, outcome))
            if outcome.error is not None:
                raise RuntimeError(f"the rehearsal failed: {outcome.error}")
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        sys.modules["__main__"], sys.argv[:] = main, arguments
        linecache.clearcache()


# --- while it runs ---------------------------------------------------------------------------------------------------


class _Run:
    """The steps of a program, one after the other in one namespace."""

    def __init__(
        self, job: dict[str, Any], steps: list[Step], module: types.ModuleType, outcome: Outcome, watch: Watch
    ) -> None:
        self._steps, self._names, self._outcome, self._watch = steps, module.__dict__, outcome, watch
        self._nonce, self._raises, self._raises_at = job["nonce"], job["raises"], job["raises_at"]
        self._write, self._eval = os.write, eval

    def as_script(self) -> None:
        """Plain Python, no loop around it."""
        position = 0
        while position < len(self._steps):
            try:
                for index in range(position, len(self._steps)):
                    self._begin(index)
                    self._eval(self._steps[index].code, self._names)
                break
            except BaseException as error:
                position = self._ended_by(error)
        self._end()

    def in_loop(self) -> None:
        """Inside a running loop, as the body of one coroutine: what asyncio.run(main()) does for main."""
        position = 0
        try:
            with asyncio.runners.Runner() as runner:
                while position < len(self._steps):
                    try:
                        runner.run(self.main(position))
                        break
                    except BaseException as error:
                        position = self._ended_by(error)
                self._end()
        except BaseException as error:
            self._outcome.error = self._outcome.error or _described(error, self._watch, None, self._names)

    async def main(self, position: int) -> None:
        for index in range(position, len(self._steps)):
            self._begin(index)
            result = self._eval(self._steps[index].code, self._names)
            if self._steps[index].awaits:
                await result

    def _begin(self, index: int) -> None:
        self._outcome.step = index
        self._mark(index)

    def _end(self) -> None:
        self._mark("end")

    def _mark(self, step: int | str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed by the program: the missing mark tells
            sys.__stdout__.flush() if sys.__stdout__ is not None else None
            self._write(1, mark(self._nonce, step))

    def _ended_by(self, error: BaseException) -> int:
        """Keep what ended the program. The step to go on with: after an expected exception, the checks behind it."""
        index = self._outcome.step
        expected = self._raises if index == self._raises_at else None
        self._outcome.error = _described(error, self._watch, expected, self._names)
        error.__traceback__ = None
        return index + 1 if self._outcome.error.get("expected") else len(self._steps)


def _described(error: BaseException, watch: Watch, expected: str | None, names: dict[str, Any]) -> dict[str, Any]:
    """A report entry for an exception: kind, type, text, the program's own frames, and whether it was expected."""
    kind = "exception"
    if isinstance(error, Stuck):
        kind = error.kind
    elif isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, SystemExit):
        kind = "exit"
    entry: dict[str, Any] = {
        "kind": kind,
        "type": type(error).__name__,
        "text": clipped(error),
        "sites": watch.stuck_sites if isinstance(error, Stuck) else watch.traceback_sites(error)[-8:],
        "inner": _inner(error, watch),
    }
    if expected is not None and not isinstance(error, Stuck):
        entry["expected"] = _is_expected(error, expected, names)
    return entry


def _inner(error: BaseException, watch: Watch) -> list[dict[str, Any]]:
    """What an exception group holds, flattened: type, text and the program's frames of each."""
    found: list[dict[str, Any]] = []
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:8]:
            inner = _inner(part, watch)
            found += inner or [
                {"type": type(part).__name__, "text": clipped(part), "sites": watch.traceback_sites(part)[-4:]}
            ]
    return found[:8]


def _is_expected(error: BaseException, expected: str, names: dict[str, Any]) -> bool:
    """Whether `expected` names the exception's own class: by its name, its full name, or a name that leads to it."""
    kind = type(error)
    if expected in (kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}"):
        return True
    head, *rest = expected.split(".")
    found = names.get(head, getattr(builtins, head, sys.modules.get(head)))
    for name in rest:
        found = getattr(found, name, None)
    return found is kind


def _report(watch: Watch, outcome: Outcome) -> dict[str, Any]:
    if CLOCK.stuck is not None and (outcome.error or {}).get("kind") != CLOCK.stuck.kind:
        outcome.error = _described(CLOCK.stuck, watch, None, {})  # the program caught it, and went on
    printed = [[sites, text] for sites, text in outcome.printed if sites]
    return {
        "mode": outcome.mode,
        "step": outcome.step,
        "error": outcome.error,
        "printed": printed,
        "seen": watch.seen,
        "tampered": watch.tampered(),
        "timeline": watch.timeline.text(),
        "fixed_port": watch.refusals is not None and watch.refusals.fixed_port,
    }
