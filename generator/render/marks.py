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

from generator.clozes import find_clozes, without_comments
from generator.diagnostics import Span

SpanOf = Callable[[int, int], Span]
"""The source of a stretch of a text, by offsets."""

_FIRST = 0xF0000
FILLER = "\U0010fffd"
"""Stands for the rest of a mark's source, so that lengths and columns stay; it vanishes in the end."""

PRIVATE = re.compile("[\U000f0000-\U0010ffff]")


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


def mark_clozes(text: str, marks: Marks, span: SpanOf) -> str:
    """`text` with every cloze mark as a character of `marks`, at the same length; in comments there are none."""
    parts: list[str] = []
    done = 0
    for cloze in find_clozes(without_comments(text))[0]:
        where = span(cloze.start, cloze.end)
        opening = marks.add(Mark(Piece.OPEN, where, cloze.number))
        closing = marks.add(Mark(Piece.CLOSE, where, cloze.number, cloze.hint))
        parts += [text[done : cloze.start], opening, FILLER * (cloze.inner - cloze.start - 1)]
        parts += [text[cloze.inner : cloze.inner_end], closing, FILLER * (cloze.end - cloze.inner_end - 1)]
        done = cloze.end
    return "".join([*parts, text[done:]])
