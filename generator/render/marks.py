"""Text that must reach Anki untouched: cloze marks, math, sounds.

Each such piece is a Mark with a character of its own, from a private plane of Unicode, that goes through Markdown and
the sanitiser like a letter. The last step puts the piece in its place. What an author wrote is never taken for such a
character: `without_private` replaces it first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from generator.diagnostics import Span

SpanOf = Callable[[int, int], Span]
"""The source of a stretch of a text, by offsets."""

_FIRST = 0xF0000
FILLER = "\U0010fffd"
"""Stands for the rest of a mark's source, so that lengths and columns stay; it vanishes in the end."""

PRIVATE = re.compile("[\U000f0000-\U0010ffff]")
_OPEN = re.compile(r"\{\{c([1-9][0-9]{0,2})::")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


class Piece(Enum):
    """What a mark stands for."""

    OPEN = "open"  # {{c1::
    CLOSE = "close"  # }} or ::hint}}
    TEXT = "text"  # math or a sound, in one piece


@dataclass(frozen=True, slots=True)
class Mark:
    """`number` is a deletion's; `text` a hint (plain), or the HTML of a TEXT piece. `span` is where it was written."""

    piece: Piece
    span: Span
    number: int = 0
    text: str | None = None


@dataclass(slots=True)
class Marks:
    """The marks of one field, by their characters."""

    known: list[Mark] = field(default_factory=list)

    def add(self, mark: Mark) -> str:
        """A new character that stands for `mark`."""
        self.known.append(mark)
        return chr(_FIRST + len(self.known) - 1)

    def get(self, char: str) -> Mark | None:
        index = ord(char) - _FIRST
        return self.known[index] if 0 <= index < len(self.known) else None


def without_private(text: str) -> str:
    """`text` with the characters that marks use, and NUL, as U+FFFD; its length stays."""
    return PRIVATE.sub("\ufffd", text).replace("\0", "\ufffd")


def plain(text: str) -> str:
    """`text` without marks: for addresses and attributes."""
    return PRIVATE.sub("", text)


@dataclass(frozen=True, slots=True)
class Cloze:
    """A deletion in a text: `start` to `end` with its marks, its content from `inner` to `stop`."""

    number: int
    start: int
    inner: int
    stop: int
    end: int
    hint: str | None


def find_clozes(text: str) -> list[Cloze]:
    """The deletions in a text. A mark that is never closed is text."""
    found: list[Cloze] = []
    at = 0
    while opening := _OPEN.search(text, at):
        end = _end(text, opening.end())
        if end is None:
            break
        body = text[opening.end() : end - 2]
        split = _hint_at(body)
        stop = end - 2 if split is None else opening.end() + split
        hint = None if split is None else body[split + 2 :]
        found.append(Cloze(int(opening.group(1)), opening.start(), opening.end(), stop, end, hint))
        at = end
    return found


def _end(text: str, at: int) -> int | None:
    """Behind the first `}}` at which every `{` opened since `at` is closed."""
    depth = 0
    while at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}" and depth:
            depth -= 1
        elif text.startswith("}}", at):
            return at + 2
        at += 1
    return None


def _hint_at(body: str) -> int | None:
    """Offset of the first `::` outside brackets and quotes. What is not closed covers nothing."""
    covered: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    at = 0
    while at < len(body):
        char = body[at]
        if char in "'\"`" and not _is_apostrophe(body, at):
            close = _quote_end(body, at)
            if close is not None:
                covered.append((at, close))
                at = close
        elif char in _BRACKETS:
            opened.append((_BRACKETS[char], at))
        elif opened and char == opened[-1][0]:
            covered.append((opened.pop()[1], at))
        at += 1
    splits = (match.start() for match in re.finditer("(?=::)", body))
    return next((at for at in splits if not any(start <= at < end for start, end in covered)), None)


def _is_apostrophe(body: str, at: int) -> bool:
    """Whether the quote at `at` belongs to a word, and is not that of `f'…'`."""
    word = re.search(r"\w*\Z", body[:at])
    before = word.group() if word else ""
    return body[at] == "'" and bool(before) and re.fullmatch("[rbfutRBFUT]{1,2}", before) is None


def _quote_end(body: str, at: int) -> int | None:
    close = body.find(body[at], at + 1)
    while close != -1 and body[close - 1] == "\\" and body[at] != "`":
        close = body.find(body[at], close + 1)
    return None if close == -1 else close


def mark_clozes(text: str, marks: Marks, span: SpanOf) -> str:
    """`text` with every cloze mark as a character of `marks`, at the same length."""
    parts: list[str] = []
    done = 0
    for cloze in find_clozes(text):
        where = span(cloze.start, cloze.end)
        opening = marks.add(Mark(Piece.OPEN, where, cloze.number))
        closing = marks.add(Mark(Piece.CLOSE, where, cloze.number, cloze.hint))
        parts += [text[done : cloze.start], opening, FILLER * (cloze.inner - cloze.start - 1)]
        parts += [text[cloze.inner : cloze.stop], closing, FILLER * (cloze.end - cloze.stop - 1)]
        done = cloze.end
    return "".join([*parts, text[done:]])
