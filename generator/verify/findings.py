"""What can be found wrong with a program: the names that `bug=` accepts, and a sentence for each.

A finding's code is what a diagnostic prints; its hint is the way out, in a sentence for the author of the note.
"""

from __future__ import annotations

from dataclasses import dataclass

from generator.diagnostics import Rule, Severity, Span


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its name (a key of `FINDINGS`), where, and what exactly.

    `related` are further places of the note: the calls that led to an exception, the other tasks of a deadlock. `hint`
    is a way out that fits better than the description's.
    """

    name: str
    span: Span
    message: str
    related: tuple[Span, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of a kind of finding. `nameable` tells whether `bug=` may name it as a lesson."""

    rule: Rule
    hint: str
    nameable: bool = True


FINDINGS: dict[str, Description] = {
    "syntax-error": Description(
        Rule("V001", "the code does not parse"), "Mend it, or mark the fence `bug=syntax-error`."
    ),
    "exception": Description(
        Rule("V002", "the code ends with an exception"),
        "Mend it; if the exception is what the card teaches, write `raises=Name` on the fence, or `bug=exception`.",
    ),
    "wrong-output": Description(
        Rule("V003", "the code prints something else than the card shows"),
        "Correct the expectation (`make-deck check --update` writes what was printed) or the code.",
        nameable=False,
    ),
    "never-awaited": Description(
        Rule("V004", "a coroutine is never awaited"),
        "Await it (`async for` a generator, `async with` a context manager), make a task of it, or close it.",
    ),
    "task-pending": Description(
        Rule("V005", "a task is still running at the end"),
        "Await it, or cancel it and await it; asyncio.run() kills such a task without a word.",
    ),
    "exception-not-retrieved": Description(
        Rule("V006", "an error in a task, future or callback is read by nobody"),
        "Await the task, or look at its result() or exception().",
    ),
    "cancellation-swallowed": Description(
        Rule("V007", "a cancelled task ends as if it had not been cancelled"),
        "Let CancelledError go on (`raise`), or call uncancel() where stopping the cancellation is meant.",
    ),
    "blocked-loop": Description(
        Rule("V008", "the event loop is blocked"),
        "Use `await asyncio.sleep()`, or asyncio.to_thread() for work that blocks.",
    ),
    "deadlock": Description(
        Rule("V009", "everything waits and nothing can wake it"),
        "Look who should have set, put, released or finished what is waited for.",
    ),
    "timeout": Description(
        Rule("V010", "the code does not come to an end"), "Make it end; a limit in deck.yaml can only be lowered."
    ),
    "memory": Description(Rule("V011", "the code takes too much memory"), "Make it smaller."),
    "too-much-output": Description(Rule("V012", "the code prints too much"), "Print less: a card shows a few lines."),
    "unclosed-resource": Description(
        Rule("V013", "something is left open"),
        "Close it: `async with`, `with`, aclose(), or close() and wait_closed().",
    ),
    "deprecated": Description(
        Rule("V014", "the code uses something deprecated"), "Use what the warning names instead."
    ),
    "thread-left": Description(Rule("V015", "a thread outlives the code"), "Join it, or shut its executor down."),
    "process-left": Description(Rule("V016", "a process outlives the code"), "Wait for it: `await process.wait()`."),
    "crashed": Description(
        Rule("V017", "the interpreter died or was left before the end"),
        "Let the code run to its last line; where SystemExit is the lesson, write `raises=SystemExit`.",
        nameable=False,
    ),
    "no-result": Description(
        Rule("V018", "no result came from the code"),
        "Let the code run to its last line, without os._exit(), exec or closing descriptors it does not own.",
        nameable=False,
    ),
    "refused": Description(
        Rule("V019", "the code tried what snippets may not do"),
        "Stay inside the program: its own files, loopback network, its own processes.",
        nameable=False,
    ),
    "stderr": Description(
        Rule("V020", "the code writes to standard error"),
        "Print to standard output; what goes to standard error is on no card.",
    ),
}

NO_BUG = Rule("V030", "a bug card whose bug is gone")
NOT_RAISED = Rule("V031", "the exception that the fence promises does not come")
HIDDEN_OUTPUT = Rule("V032", "set-up prints something")
NOT_RUN = Rule("V033", "a note's code could not be run here", Severity.WARNING)
OUT_OF_RANGE = Rule("V034", "no interpreter asked for is in a note's range", Severity.WARNING)
NORUN_BUDGET = Rule("V035", "a note has more programs than one note may have")
RUN_BUDGET = Rule("V036", "the run took longer than one run may take")
RANGE_TOO_NARROW = Rule("V037", "a note passes on a version that its range leaves out", Severity.WARNING)
UNSTABLE = Rule("V040", "an expectation cannot be written: the output differs from run to run")
REAL_TIMELINE = Rule("V041", "a timeline of a run on the real clock")
