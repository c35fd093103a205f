"""Cloze marks: what is wrong with those of a text, and taking them out of code."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.clozes import HIGHEST, OPENING, Cloze, find_clozes, openings
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

# Marks, and what an author may have meant for one. A `:` alone counts after a number only: `{{c:>8}}` is Python's.
_NEARLY = re.compile(
    r"\{\{[ \t]{0,8}[cC][ \t]{0,8}(?:[\d,;.+\- \t]{0,40}::|\d{1,20}[ \t]{0,8}:(?!:))"
    r"|\\\{\{c\d{1,20}::|\{\\\{c\d{1,20}::"
)


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
    return OPENING.search(text) is not None


def misplaced(text: str, where: str) -> list[MarkFault]:
    """A fault for every mark, or what may be meant for one, in a text where none may stand."""
    message = f"a cloze mark may not stand in {where}"
    hint = f"Hide words of the question only. {LITERAL}"
    return [MarkFault(MISPLACED, match.start(), match.end(), message, hint) for match in _NEARLY.finditer(text)]


def find_marks(text: str, *, code: bool = False) -> tuple[list[Cloze], list[MarkFault]]:
    """The deletions of a text in order, and what is wrong with them.

    A backslash before a mark is a fault in prose, where it seems to escape the mark; in code it belongs to the code.
    """
    right = {match.start() for match in openings(text)}
    right |= {start - 1 for start in right if code and text[start - 1 : start] == "\\"}
    faults = [_malformed(match) for match in _NEARLY.finditer(text) if match.start() not in right]
    marks, unclosed = find_clozes(text)
    for mark in marks:
        for inner in openings(text, mark.inner, mark.end):
            hint = "Close the first before the second begins."
            faults.append(MarkFault(NESTED, inner.start(), inner.end(), "a deletion stands in another", hint))
    if unclosed:  # what follows would be guesswork
        hint = "Close it with `}}` in the same paragraph or fence; a `{` inside it must have its `}`."
        faults.append(MarkFault(UNCLOSED, unclosed.start(), unclosed.end(), "this deletion is never closed", hint))
    faults += [fault for mark in marks if (fault := _emptiness(text, mark))]
    return marks, faults


def _malformed(match: re.Match[str]) -> MarkFault:
    hint = f"Write `{{{{c1::words}}}}`, with a number from 1 to {HIGHEST} and two colons. {LITERAL}"
    return MarkFault(MALFORMED, match.start(), match.end(), f"`{match[0]}` is no cloze mark", hint)


def _emptiness(text: str, mark: Cloze) -> MarkFault | None:
    if not text[mark.inner : mark.inner_end].strip():
        return MarkFault(EMPTY, mark.start, mark.end, "this deletion hides nothing", "Put words between `::` and `}}`.")
    if mark.hint is not None and not mark.hint.strip():
        hint = "Write a hint after the second `::`, or take it away."
        return MarkFault(EMPTY, mark.start, mark.end, "the hint of this deletion is empty", hint)
    return None


def gap(numbers: Iterable[int]) -> int | None:
    """The first number from 1 that is missing below the highest; None where there is none."""
    present = set(numbers)
    return next((number for number in range(1, max(present, default=0)) if number not in present), None)


Segments = tuple[tuple[int, int], ...]


def take_out(code: str, segments: Segments, marks: Iterable[Cloze]) -> tuple[str, Segments, tuple[Deletion, ...]]:
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
