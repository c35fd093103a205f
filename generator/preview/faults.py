"""Diagnostics, each beside the note it belongs to; those of no card become entries of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from generator.diagnostics import Diagnostic, Span, visible
from generator.notes import RenderedNote

_AROUND, _MOST = 1, 8  # lines shown before and after the place, and in all
_LONGEST = 200  # characters shown of a line
_HEADING = re.compile(r"##(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Stray:
    """A piece of a file with faults and without a card: a note that could not be read, or what stands before all."""

    title: str
    file: str
    line: int
    note: str
    faults: tuple[Diagnostic, ...]


def place_faults(
    diagnostics: Iterable[Diagnostic], notes: Sequence[RenderedNote]
) -> tuple[dict[str, list[Diagnostic]], list[Stray]]:
    """Diagnostics by the id of the note on whose card they are shown, and those that no card can show."""
    known = {rendered.note.id: rendered for rendered in notes}
    by_file: dict[str, list[RenderedNote]] = {}
    for rendered in notes:
        by_file.setdefault(rendered.note.span.file, []).append(rendered)
    placed: dict[str, list[Diagnostic]] = {}
    rest: dict[tuple[str, int, str], list[Diagnostic]] = {}
    for item in diagnostics:
        owner = known.get(item.note or "") or _note_around(item.span, by_file.get(item.span.file, []))
        if owner is not None:
            placed.setdefault(owner.note.id, []).append(item)
        else:
            line, title = _section(item.span)
            rest.setdefault((item.span.file, line, title), []).append(item)
    strays = [
        Stray(title or file.rpartition("/")[2], file, max(line, 1), faults[0].note or "", tuple(faults))
        for (file, line, title), faults in rest.items()
    ]
    return placed, strays


def _note_around(span: Span, notes: Sequence[RenderedNote]) -> RenderedNote | None:
    return next((item for item in notes if item.note.span.start <= span.start < item.note.span.end), None)


def _section(span: Span) -> tuple[int, str]:
    """Line and text of the note's heading above a place; line 0 where there is none."""
    found = (0, "")
    if not span.file.endswith(".md"):
        return found
    fence = ""
    for number, line in enumerate(span.source.text.split("\n")[: span.line], 1):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and (heading := _HEADING.fullmatch(line)):
            found = (number, visible(heading[1] or "").strip() or "(no question)")
    return found


def as_data(diagnostic: Diagnostic) -> dict[str, object]:
    """A diagnostic for the page."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": visible(diagnostic.message),
        "hint": visible(diagnostic.hint),
        "place": _place(diagnostic.span),
        "lines": excerpt(diagnostic.span),
        "related": [{"place": _place(span), "lines": excerpt(span)} for span in diagnostic.related],
    }


def _place(span: Span) -> str:
    return visible(f"{span.file}:{span.line}:{span.column}")


def excerpt(span: Span) -> list[tuple[int, str, str, str]]:
    """The lines around a place: number, and the text before, in and after the span. Empty for an empty file."""
    if not span.source.text.strip():
        return []
    first, last = span.line, span.end_line
    if last > first and span.end_column == 1:
        last -= 1
    last = min(last, first + _MOST - 1)
    count = len(span.source.line_starts)
    lines = []
    for number in range(max(1, first - _AROUND), min(count, last + _AROUND) + 1):
        text = span.source.line_text(number)
        start = span.column - 1 if number == first else 0
        end = span.end_column - 1 if number == span.end_line else len(text)
        if not first <= number <= last:
            start = end = len(text)
        cut = max(0, start - _LONGEST // 2) if start < len(text) else 0
        pieces = (text[cut:start], text[start:end][:_LONGEST], text[end:][:_LONGEST])
        before, marked, after = (visible(piece) for piece in pieces)
        lines.append((number, ("…" if cut else "") + before[: 2 * _LONGEST], marked, after))
    return lines
