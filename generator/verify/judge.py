"""Turns what was observed of a program into findings. The snippet's side reports; only this side judges."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generator.diagnostics import Diagnostic, Span
from generator.notes import Role
from generator.verify import expect, findings
from generator.verify.findings import FINDINGS, Finding
from generator.verify.plan import Job, Site
from generator.verify.promises import Printed, first_line, mismatches, sites_of, split_output

_UNKNOWN_MODULE = re.compile(rf"NameError: name '({'|'.join(sorted(sys.stdlib_module_names))})' is not defined")
_PROCESS = re.compile(r"subprocess \d+ is still running|unclosed transport <\w*SubprocessTransport pid=\d+ running")
_LEFT = "a process is still running when the code has ended"
_CONSEQUENCES = frozenset(
    {"task-pending", "unclosed-resource", "thread-left", "process-left", "exception-not-retrieved"}
)
_ENDINGS = frozenset(
    {"syntax-error", "exception", "deadlock", "timeout", "memory", "too-much-output", "crashed", "no-result"}
)


@dataclass(frozen=True, slots=True)
class Stop:
    """What a program told when it was stopped: `at`, where it was (file names and lines, innermost first, others than
    its own among them), and `printing`, which line has printed most."""

    at: tuple[Site, ...] = ()
    printing: tuple[Site, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a job, as seen from outside.

    `status` is the wait status, `stopped` why it was stopped ("timeout", "too-much-output", "memory", "scratch", else
    ""), `report` the one well-formed frame or None, `left` how many processes outlived it, `cpu` seconds, `trouble`
    what went wrong on our side, `stop` what it told when it was stopped.
    """

    status: int
    output: bytes
    errors: bytes
    report: Mapping[str, Any] | None
    stopped: str = ""
    left: int = 0
    cpu: float = 0.0
    trouble: str = ""
    stop: Stop = Stop()


def judge(job: Job, nonce: str, run: Execution) -> list[Diagnostic]:
    """Every problem of one run, as diagnostics of the note."""
    try:
        return _judged(job, nonce, run)
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        # A report of another shape is none of ours: the program has written it.
        return _judged(job, nonce, replace(run, report=None))


def _judged(job: Job, nonce: str, run: Execution) -> list[Diagnostic]:
    found = list(_found(job, nonce, run))
    names = {item.name for item in found}
    bugs = job.program.bugs
    ended = names & _ENDINGS
    if ended:
        found = [item for item in found if item.name not in _CONSEQUENCES - bugs]
    problems = [_diagnostic(job, item) for item in _merged(found) if item.name not in bugs]
    if not ended - bugs:
        printed = split_output(run.output, nonce)
        problems += _promises(job, run)
        problems += _outputs(job, printed, run)
        problems += _missing_bugs(job, bugs - names)
    return problems


def _diagnostic(job: Job, item: Finding) -> Diagnostic:
    known = FINDINGS[item.name]
    message, hint = f"{item.name}: {item.message}", item.hint or known.hint
    found = known.rule.at(item.span, message, hint, note=job.note.id, finding=item.name)
    return replace(found, related=tuple(span for span in item.related if span.start != item.span.start)[:4])


def _merged(found: list[Finding]) -> list[Finding]:
    """One finding of a kind for a place: a transport left open is reported by three objects."""
    kept: dict[tuple[str, int], Finding] = {}
    for item in found:
        kept.setdefault((item.name, item.span.start), item)
    return list(kept.values())


def _missing_bugs(job: Job, missing: frozenset[str] | set[str]) -> Iterator[Diagnostic]:
    for name in sorted(missing):
        step = next(step for step in job.program.steps if name in step.bugs)
        yield findings.NO_BUG.at(
            first_line(step.span),
            f"`bug={name}` is not found: the code runs without it",
            "A bug card whose bug is gone is a false card: restore the bug or take the name out.",
            note=job.note.id,
        )


# --- what was seen ---------------------------------------------------------------------------------------------------


def _found(job: Job, nonce: str, run: Execution) -> Iterator[Finding]:
    if run.report is None:
        yield _without_report(job, run)
        return
    yield from _ending(job, run.report)
    yield from _observed(job, run.report)
    if run.left or run.report.get("left"):
        yield Finding("process-left", job.span(None), _LEFT)
    if run.errors:
        text = run.errors.decode("utf-8", "replace").strip()
        yield Finding("stderr", job.span(None), _short(text) or "blank lines")
    if run.status != 0:
        yield Finding("crashed", job.span(None), _status_words(run.status))
    elif not split_output(run.output, nonce).complete and run.report.get("error") is None:
        yield Finding("no-result", job.span(None), "it closed or replaced its own standard output")


def _without_report(job: Job, run: Execution) -> Finding:
    span, here = job.span(None), _first(job, run.stop.at)
    if run.stopped == "timeout":
        return Finding("timeout", here, f"it was stopped after {job.limits['wall']:g} s")
    if run.stopped == "too-much-output":
        return Finding(
            "too-much-output", _first(job, run.stop.printing), f"it prints more than {int(job.limits['output'])} bytes"
        )
    if run.stopped == "memory":
        return Finding("memory", span, "its processes together take more memory than snippets may")
    if run.stopped == "scratch":
        return Finding("refused", span, "it writes more files than snippets may")
    ended_by = run.status & 0x7F
    if ended_by == getattr(signal, "SIGXCPU", 24) or (ended_by == 9 and run.cpu >= job.limits["cpu"]):
        return Finding("timeout", here, f"it used {job.limits['cpu']:g} s of CPU and did not end")
    if ended_by == getattr(signal, "SIGXFSZ", 25):
        return Finding("refused", span, "it writes a larger file than snippets may")
    last = run.errors.decode("utf-8", "replace").strip().split("\n")[-1]
    words = _status_words(run.status) + (f"; its last words: {_short(last)}" if last else "") + run.trouble
    return Finding("crashed" if ended_by else "no-result", span, words)


def _first(job: Job, sites: Sequence[Site]) -> Span:
    """The first of these places that is the program's; its first line where none is."""
    return job.span(next((site for site in sites if job.snippet_at(site)), None))


def _status_words(status: int) -> str:
    number = status & 0x7F
    if number:
        try:
            return f"it was killed by {signal.Signals(number).name}"
        except ValueError:
            return f"it was killed by signal {number}"
    return f"it ended early, with exit status {status >> 8}"


def _ending(job: Job, report: Mapping[str, Any]) -> Iterator[Finding]:
    """The exception that ended the program, if it was not the expected one."""
    error = report.get("error")
    if not isinstance(error, dict) or error.get("expected"):
        return
    kind = str(error.get("kind"))
    sites = sites_of(error.get("sites"))
    span = job.span(sites[-1] if sites else None)
    text = _short(str(error.get("text", "")))
    if kind == "syntax":
        column, end = error.get("column"), error.get("end_column")
        if isinstance(column, int) and column > 0:
            span = job.span(sites[-1], column, end if isinstance(end, int) and end > column else None)
        is_session = span.source.line_text(span.line).lstrip().startswith(">>>")
        yield Finding("syntax-error", span, text, hint=_SESSION if is_session else "")
    elif kind == "deadlock":
        yield Finding("deadlock", job.span(sites[0] if sites else None), text, _places(job, sites[1:]))
    elif kind in ("timeout", "memory"):
        yield Finding(kind, span, text or "there is no memory left")
    elif kind == "exit":
        yield Finding("crashed", span, f"it exits before its end: SystemExit({text})")
    else:
        yield _exception(job, error, span, text)


def _exception(job: Job, error: Mapping[str, Any], span: Span, text: str) -> Finding:
    kind = _short(str(error.get("type")))
    message = f"{kind}: {text}" if text else kind
    calls = _places(job, sites_of(error.get("sites"))[:-1])
    for item in error.get("inner") or ():
        if isinstance(item, dict):
            places = _places(job, sites_of(item.get("sites")))
            where = f" at line {places[-1].line}" if places else ""
            message += f"; {item.get('type')}: {_short(str(item.get('text')))}{where}"
            calls += places
    if job.program.raises is not None:
        message += f" (expected: {job.program.raises[1]})"
    return Finding("exception", span, message, calls, _way_out(kind, message))


def _way_out(kind: str, message: str) -> str:
    """What to do about an exception that has one likely cause; empty for the others."""
    forgotten = _UNKNOWN_MODULE.match(message)
    if forgotten:
        return f'Import it in the snippet, or before every snippet: `prelude: "import {forgotten[1]}"` in deck.yaml.'
    return _NOT_HERE if kind == "ModuleNotFoundError" else ""


_SESSION = 'A session is no program: leave `>>>` out and show what is printed with `#>`, or write `norun="a session"`.'
_NOT_HERE = 'Name a Python that has it (`interpreter:` in deck.yaml, or --python), or write `norun="why"` on the fence.'


def _places(job: Job, sites: Sequence[Site]) -> tuple[Span, ...]:
    return tuple(dict.fromkeys(job.span(site) for site in sites))


_SEEN: Mapping[str, tuple[str, str]] = {
    "never_awaited": ("never-awaited", "coroutine `{name}` was never awaited"),
    "never_iterated": ("never-awaited", "`{name}` is called, and what it returns is never used: none of its code runs"),
    "pending": ("task-pending", "task `{name}` is still running when the code ends"),
    "timers": ("task-pending", "the timer of `{name}` never fires: the code ends before it is due"),
    "foreign_calls": (
        "exception",
        "{name}() of a loop that runs in another thread, which is not safe: use call_soon_threadsafe()",
    ),
    "loop_errors": ("exception-not-retrieved", "{message}: {error}"),
    "unraisable": ("exception", "an error that could not be raised: {error}"),
    "thread_errors": ("exception", "in thread {thread}: {error}"),
    "swallowed": ("cancellation-swallowed", "`{name}` was cancelled and ended as if it had not been"),
    "blocking": ("blocked-loop", "{what} inside the running loop"),
    "unclosed": ("unclosed-resource", "{text}"),
    "deprecated": ("deprecated", "{text}"),
    "stderr": ("stderr", "{text}"),
    "threads": ("thread-left", "thread {name} is still running when the code has ended"),
    "processes": ("process-left", _LEFT),
    "refused": ("refused", "{text}"),
}


def _observed(job: Job, report: Mapping[str, Any]) -> Iterator[Finding]:
    seen = report.get("seen")
    for kind, items in seen.items() if isinstance(seen, dict) else ():
        name, form = _SEEN.get(kind, ("refused", f"an unknown observation, {kind}"))
        for item in items:
            facts = {key: _short(str(value)) for key, value in item.items() if key != "site"}
            if facts.get("text") == "loop is closed":  # all that a StreamWriter says then
                facts["text"] = "a StreamWriter is not closed"
            sites = sites_of([item.get("site")])
            if _PROCESS.match(facts.get("text", "")):  # whether it is gone a moment later is an accident
                yield Finding("process-left", job.span(None), _LEFT)
                continue
            yield Finding(name, job.span(sites[0] if sites else None), form.format_map(_Missing(facts)))
    for name in report.get("tampered") or ():
        yield Finding("refused", job.span(None), f"it replaced {_short(str(name))}, which the verdict rests on")


class _Missing(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _short(text: str, limit: int = 300) -> str:
    text = " ⏎ ".join(line for line in text.split("\n") if line.strip())
    return text if len(text) <= limit else text[:limit] + "…"


# --- what was promised -----------------------------------------------------------------------------------------------


def _promises(job: Job, run: Execution) -> Iterator[Diagnostic]:
    expected = job.program.raises
    error = (run.report or {}).get("error")
    if expected is not None and not (isinstance(error, dict)):
        snippet, name = expected
        yield findings.NOT_RAISED.at(
            first_line(snippet.span),
            f"`raises={name}`, but the code ends without an exception",
            "Take `raises=` out, or mend the code so that it raises.",
            note=job.note.id,
        )


def _outputs(job: Job, printed: Printed, run: Execution) -> Iterator[Diagnostic]:
    for index, step in enumerate(job.steps):
        if step.snippet.role is Role.SETUP and printed.by_step.get(index, "").strip():
            yield findings.HIDDEN_OUTPUT.at(
                first_line(step.snippet.span),
                f"set-up prints {_short(printed.by_step[index])!r}",
                "Set-up is on no card and must print nothing.",
                note=job.note.id,
            )
    if job.note.real_clock:
        for _, fence in job.program.expected:
            if fence.role is Role.TIMELINE:
                hint = "Take `clock: real` out: on a real clock no two runs are alike."
                yield findings.REAL_TIMELINE.at(
                    first_line(fence.span), "a timeline of a real clock", hint, note=job.note.id
                )
    known = FINDINGS["wrong-output"]
    for item in mismatches(job, printed, run.report or {}):
        message = f"wrong-output: {expect.difference(item.expected, item.printed)}"
        yield known.rule.at(item.place, message, known.hint, note=job.note.id, finding="wrong-output")
