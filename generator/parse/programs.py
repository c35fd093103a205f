"""Snippets of a note to Programs: what starts one, what goes on in it, what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from generator.diagnostics import Diagnostic, Rule
from generator.notes import Program, Role, Snippet

NOTHING_TO_CONTINUE = Rule("N100", "`continue` has no program to go on in")
NOTHING_TO_CHECK = Rule("N101", "`check` has no program to look at")
ENDED = Rule("N102", "`continue` follows a block after which nothing runs")
SECOND_OUTPUT = Rule("N103", "a block has two expectations of the same kind")
NO_BLOCK = Rule("N104", "`output` or `timeline` has no block above it")
UNUSED_SETUP = Rule("N105", "no program starts after a set-up")
NEVER_CHECKED = Rule("N106", "`check` follows a block after which nothing runs")
NO_TIMELINE = Rule("N107", "a block that is not run has no timeline")

RULES = (
    NOTHING_TO_CONTINUE,
    NOTHING_TO_CHECK,
    ENDED,
    SECOND_OUTPUT,
    NO_BLOCK,
    UNUSED_SETUP,
    NEVER_CHECKED,
    NO_TIMELINE,
)


@dataclass(slots=True)
class _Draft:
    setup: tuple[Snippet, ...]
    steps: list[Snippet]
    expected: list[tuple[int, Snippet]] = field(default_factory=list)
    last_block: int = 0
    """Index of the last step that the card shows."""

    def add(self, step: Snippet) -> None:
        if step.shown:
            self.last_block = len(self.steps)
        self.steps.append(step)

    def expect(self, snippet: Snippet) -> Diagnostic | None:
        index = self.last_block
        block = self.steps[index]
        # At most one of each kind belongs to a block, and those of the last block stand last.
        if any(at == index and other.role is snippet.role for at, other in self.expected[-2:]):
            message = f"the block in line {block.span.line} has its `{snippet.role.value}` already"
            return SECOND_OUTPUT.at(snippet.span, message, "Join the two, or write `text` for what no block printed.")
        if snippet.role is Role.TIMELINE and self.steps[0].norun is not None:
            message = f"the block in line {block.span.line} is not run"
            return NO_TIMELINE.at(snippet.span, message, "Take the timeline away, or `norun=`.")
        self.expected.append((index, snippet))
        return None


class _Grouping:
    def __init__(self, setup: Iterable[Snippet], found: list[Diagnostic]) -> None:
        self.setup = tuple(setup)
        self.unused: list[Snippet] = []
        self.found = found
        self.drafts: list[_Draft] = []

    def add(self, snippet: Snippet) -> None:
        if snippet.role is Role.SETUP:
            self.setup += (snippet,)
            self.unused.append(snippet)
        elif snippet.role is Role.PROGRAM:
            self.unused.clear()
            self.drafts.append(_Draft(self.setup, [snippet]))
        elif snippet.role in (Role.CONTINUE, Role.CHECK):
            self._step(snippet)
        elif snippet.role in (Role.OUTPUT, Role.TIMELINE):
            self._expectation(snippet)

    def _step(self, snippet: Snippet) -> None:
        if not self.drafts:
            if snippet.role is Role.CHECK:
                hint = "Put it below a `python` block."
                self._report(NOTHING_TO_CHECK, snippet, "no program stands before this check", hint)
                return
            self._report(NOTHING_TO_CONTINUE, snippet, "no program stands before this block", "Write `python` alone.")
            self.drafts.append(_Draft(self.setup, [snippet]))  # so that what follows is not reported too
            return
        draft = self.drafts[-1]
        block = draft.steps[draft.last_block]
        why = _why_ended(block)
        if why and snippet.role is Role.CONTINUE:
            message = f"the program ended in line {block.span.line}: {why}"
            self._report(ENDED, snippet, message, "Write `python` to start a new program.")
        elif snippet.role is Role.CHECK and (block.norun is not None or "syntax-error" in block.bugs):
            message = f"the block in line {block.span.line} is never run"
            self._report(NEVER_CHECKED, snippet, message, "Take the check away.")
        draft.add(snippet)

    def _expectation(self, snippet: Snippet) -> None:
        if not self.drafts:
            message = f"no Python block stands above this `{snippet.role.value}`"
            self._report(NO_BLOCK, snippet, message, "Put it below the block that prints it, or write `text`.")
            return
        fault = self.drafts[-1].expect(snippet)
        if fault:
            self.found.append(fault)

    def _report(self, rule: Rule, snippet: Snippet, message: str, hint: str) -> None:
        self.found.append(rule.at(snippet.span.source.line_span(snippet.span.line), message, hint))


def _why_ended(block: Snippet) -> str:
    if block.raises:
        return f"it raises `{block.raises}`"
    if block.bugs:
        return "its bug is judged there"
    return "it is not run" if block.norun is not None else ""


def group(snippets: Iterable[Snippet], setup: Iterable[Snippet], found: list[Diagnostic]) -> tuple[Program, ...]:
    """The programs of one note. `setup` is what runs before each of them: the deck's prelude and the file's set-up."""
    grouping = _Grouping(setup, found)
    for snippet in snippets:
        grouping.add(snippet)
    for snippet in grouping.unused:
        line = snippet.span.source.line_span(snippet.span.line)
        message = "no program of this note starts after this set-up, so nothing uses it"
        found.append(UNUSED_SETUP.at(line, message, "Put it above the block that needs it, or take it away."))
    return tuple(Program(draft.setup, tuple(draft.steps), tuple(draft.expected)) for draft in grouping.drafts)
