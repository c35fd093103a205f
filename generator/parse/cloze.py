"""Cloze marks, `{{c1::text}}` and `{{c1::text::hint}}`: finding them in prose, taking them out of code.

A deletion ends at the first `}}` at which every `{` opened inside it is closed, so that code with braces can be hidden.
Its hint starts at the first `::` outside brackets and quotes, so that `xs[::2]` can be.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.diagnostics import Diagnostic, Rule, Span
from generator.notes import Deletion

MALFORMED = Rule("N120", "a cloze mark has another form than marks have")
UNCLOSED = Rule("N121", "a cloze deletion is never closed")
NESTED = Rule("N122", "a cloze deletion stands in another")
EMPTY = Rule("N123", "a cloze deletion hides nothing, or its hint is empty")
GAP = Rule("N124", "the numbers of the cloze deletions have a gap")
MISPLACED = Rule("N125", "a cloze mark stands where there are none")

RULES = (MALFORMED, UNCLOSED, NESTED, EMPTY, GAP, MISPLACED)

LITERAL = "Write `cloze: false` into the metadata if the marks are meant as text."
HIGHEST = 500  # Anki counts no further

_OPEN = re.compile(r"\{\{c([1-9][0-9]{0,2})::")
# What an author may have meant for a mark. A `:` alone counts after a number only: `{{c:>8}}` is a format of Python's.
_NEARLY = re.compile(
    r"\{\{[ \t]{0,8}[cC][ \t]{0,8}(?:[\d,;.+\- \t]{0,40}::|\d{1,20}[ \t]{0,8}:(?!:))"
    r"|\\\{\{c\d{1,20}::|\{\\\{c\d{1,20}::"
)
_BRACE = re.compile(r"[{}]")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_STRING_PREFIX = re.compile(r"(?:^|\W)[rbfutRBFUT]{1,2}$")


@dataclass(frozen=True, slots=True)
class Mark:
    """One deletion in a text: the whole of it from `start` to `end`, what it hides from `inner` to `inner_end`."""

    number: int
    start: int
    inner: int
    inner_end: int
    end: int
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class MarkFault:
    """A fault at characters `start` to `end` of the text that was searched."""

    rule: Rule
    start: int
    end: int
    message: str
    hint: str

    def at(self, place: Callable[[int, int], Span]) -> Diagnostic:
        return self.rule.at(place(self.start, self.end), self.message, self.hint)


def has_marks(text: str) -> bool:
    return _OPEN.search(text) is not None


def misplaced(text: str, where: str) -> list[MarkFault]:
    """A fault for every mark, or what may be meant for one, in a text where none may stand."""
    starts = {match.start(): match for pattern in (_NEARLY, _OPEN) for match in pattern.finditer(text)}
    message = f"a cloze mark may not stand in {where}"
    hint = f"Hide words of the question only. {LITERAL}"
    return [MarkFault(MISPLACED, match.start(), match.end(), message, hint) for _, match in sorted(starts.items())]


def find_marks(text: str, *, code: bool = False) -> tuple[list[Mark], list[MarkFault]]:
    """The deletions of a text in order, and what is wrong with them.

    A backslash before a mark is a fault in prose, where it seems to escape the mark; in code it belongs to the code.
    """
    faults = [_malformed(match) for match in _NEARLY.finditer(text) if not _is_meant(text, match.start(), code)]
    marks: list[Mark] = []
    at = 0
    while match := _OPEN.search(text, at):
        at = match.end()
        if not _is_mark(match):
            continue
        end = _closing(text, match.end())
        if end is None:
            hint = "Close it with `}}` in the same paragraph or fence; a `{` inside it must have its `}`."
            faults.append(MarkFault(UNCLOSED, match.start(), match.end(), "this deletion is never closed", hint))
            break  # what follows would be guesswork
        for inner in _OPEN.finditer(text, match.end(), end):
            hint = "Close the first before the second begins."
            faults.append(MarkFault(NESTED, inner.start(), inner.end(), "a deletion stands in another", hint))
        marks.append(_mark(text, match, end))
        at = end + 2
    faults += [fault for mark in marks if (fault := _emptiness(text, mark))]
    return marks, faults


def _is_mark(match: re.Match[str] | None) -> bool:
    return match is not None and int(match[1]) <= HIGHEST


def _is_meant(text: str, at: int, code: bool) -> bool:
    """Whether what looks like a mark at `at` is one, in code behind its backslash too."""
    return _is_mark(_OPEN.match(text, at + 1 if code and text[at] == "\\" else at))


def _malformed(match: re.Match[str]) -> MarkFault:
    hint = f"Write `{{{{c1::words}}}}`, with a number from 1 to {HIGHEST} and two colons. {LITERAL}"
    return MarkFault(MALFORMED, match.start(), match.end(), f"`{match[0]}` is no cloze mark", hint)


def _closing(text: str, at: int) -> int | None:
    """Offset of the `}}` that ends a deletion whose text starts at `at`."""
    depth = 0
    for brace in _BRACE.finditer(text, at):
        if brace[0] == "{":
            depth += 1
        elif depth:
            depth -= 1
        elif text.startswith("}}", brace.start()):
            return brace.start()
    return None


def _mark(text: str, match: re.Match[str], end: int) -> Mark:
    inner = text[match.end() : end]
    split = _hint_at(inner)
    number = int(match[1])
    if split is None:
        return Mark(number, match.start(), match.end(), end, end + 2)
    return Mark(number, match.start(), match.end(), match.end() + split, end + 2, inner[split + 2 :])


def _emptiness(text: str, mark: Mark) -> MarkFault | None:
    if not text[mark.inner : mark.inner_end].strip():
        return MarkFault(EMPTY, mark.start, mark.end, "this deletion hides nothing", "Put words between `::` and `}}`.")
    if mark.hint is not None and not mark.hint.strip():
        hint = "Write a hint after the second `::`, or take it away."
        return MarkFault(EMPTY, mark.start, mark.end, "the hint of this deletion is empty", hint)
    return None


def _hint_at(inner: str) -> int | None:
    """Offset of the first `::` outside brackets and quotes."""
    if "::" not in inner:
        return None
    covered = _covered(inner)
    at = inner.find("::")
    while at != -1:
        if not covered[at]:
            return at
        at = inner.find("::", at + 1)
    return None


def _covered(text: str) -> list[bool]:
    """For each character whether it stands in quotes or in a pair of brackets. What is not closed covers nothing."""
    edges = [0] * (len(text) + 1)
    stack: list[tuple[str, int]] = []
    never_closed = set()
    at = 0
    while at < len(text):
        char = text[at]
        if char in "\"'`" and char not in never_closed and _opens_quote(text, at):
            close = _quote_end(text, at)
            if close is None:
                never_closed.add(char)
            else:
                edges[at] += 1
                edges[close] -= 1
                at = close
        elif char in "([{":
            stack.append((char, at))
        elif char in _PAIRS and stack and stack[-1][0] == _PAIRS[char]:
            _, opened = stack.pop()
            edges[opened] += 1
            edges[at] -= 1
        at += 1
    covered = []
    depth = 0
    for edge in edges:
        depth += edge
        covered.append(depth > 0)
    return covered


def _opens_quote(text: str, at: int) -> bool:
    """Whether the quote at `at` opens one: the apostrophe of a word does not, that of `f'…'` does."""
    before = text[at - 1] if at else " "
    return text[at] != "'" or not before.isalnum() or _STRING_PREFIX.search(text[max(0, at - 3) : at]) is not None


def _quote_end(text: str, at: int) -> int | None:
    close = text.find(text[at], at + 1)
    while close != -1 and text[close - 1] == "\\" and text[at] != "`":
        close = text.find(text[at], close + 1)
    return None if close == -1 else close


def gap(numbers: Iterable[int]) -> int | None:
    """The first number from 1 that is missing below the highest; None where there is none."""
    present = set(numbers)
    return next((number for number in range(1, max(present, default=0)) if number not in present), None)


Segments = tuple[tuple[int, int], ...]


def take_out(code: str, segments: Segments, marks: Iterable[Mark]) -> tuple[str, Segments, tuple[Deletion, ...]]:
    """Code without its marks, where its pieces stand in the source, and its deletions in the new offsets."""
    kept: list[tuple[int, int]] = []
    deletions = []
    at = size = 0
    for mark in marks:
        size += mark.start - at
        inner = mark.inner_end - mark.inner
        deletions.append(Deletion(mark.number, size, size + inner, mark.hint))
        kept += [(at, mark.start), (mark.inner, mark.inner_end)]
        size += inner
        at = mark.end
    kept.append((at, len(code)))
    return "".join(code[start:end] for start, end in kept), _moved(segments, kept), tuple(deletions)


def _moved(segments: Segments, kept: Iterable[tuple[int, int]]) -> Segments:
    """The segments of the kept ranges of a text, put side by side."""
    starts = [start for start, _ in segments]
    moved: list[tuple[int, int]] = []
    size = 0
    for start, end in kept:
        if start == end:
            continue
        index = bisect.bisect_right(starts, start) - 1
        begin, origin = segments[index]
        moved.append((size, origin + start - begin))
        for begin, origin in segments[index + 1 : bisect.bisect_left(starts, end)]:
            moved.append((size + begin - start, origin))
        size += end - start
    return tuple(moved)
