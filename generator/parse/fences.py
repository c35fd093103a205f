"""A fence to a Snippet: its role from the info string, its code dedented and without cloze marks, every offset kept."""

from __future__ import annotations

from generator.diagnostics import Diagnostic, Source, Span
from generator.notes import Deletion, Role, Side, Snippet
from generator.parse import cloze
from generator.parse.blocks import Block
from generator.parse.info import Info, read_info


def read_fence(source: Source, block: Block, side: Side, literal: bool, found: list[Diagnostic]) -> Snippet:
    """The snippet of a fence; faults go to `found`, and then it is the best guess.

    `literal` keeps cloze marks as text.
    """
    info = _info(source, block, found)
    segments = _segments(source, block)
    code = block.content
    deletions: tuple[Deletion, ...] = ()
    if not literal:
        code, segments, deletions = _without_marks(source, code, segments, info, side, found)
    return Snippet(
        role=info.role,
        language=info.language,
        code=code,
        span=source.line_span(block.first, block.last),
        side=side,
        segments=segments,
        deletions=deletions,
        script=info.script,
        raises=info.attributes.get("raises"),
        bugs=info.bugs,
        norun=info.attributes.get("norun"),
    )


def _info(source: Source, block: Block, found: list[Diagnostic]) -> Info:
    """Reads the info string, whose place is the end of the fence's first line."""
    end = source.offset(block.first, 1 << 40)
    base = end - len(block.info)
    first = len(block.info) - len(block.info.lstrip())
    last = len(block.info.rstrip())

    def place(start: int, stop: int) -> Span:
        if not last:  # nothing to point at but the fence's mark
            return source.span(base - len(block.markup), base)
        return source.span(base + max(start, first), base + min(stop, last))

    return read_info(block.info, place, found)


def _segments(source: Source, block: Block) -> cloze.Segments:
    """Where each line of the code stands in the source.

    In a list item the line lost its indentation, and a tab may have become spaces in part: these stand at the tab.
    """
    if not block.content:
        return ()
    segments = []
    size = 0
    lines = block.content.split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=block.first + 1):
        start = source.offset(number)
        text = source.line_text(number)
        rest = line.lstrip(" ")
        at = len(text) - len(rest)
        spaces = len(line) - len(rest)
        real = min(spaces, at - len(text[:at].rstrip(" ")))
        segments += [(size + index, start + max(at - real - 1, 0)) for index in range(spaces - real)]
        segments.append((size + spaces - real, start + at - real))
        size += len(line) + 1
    return tuple(segments)


def _without_marks(
    source: Source, code: str, segments: cloze.Segments, info: Info, side: Side, found: list[Diagnostic]
) -> tuple[str, cloze.Segments, tuple[Deletion, ...]]:
    """Code without cloze marks. Only a shown Python block of a question may hold any."""
    if "{" not in code:
        return code, segments, ()
    raw = Snippet(info.role, info.language, code, source.span(0), side, segments)

    def place(start: int, end: int) -> Span:
        return source.span(raw.source_offset(start), raw.source_offset(max(end - 1, start)) + 1)

    if side is Side.QUESTION and info.language == "python" and info.role not in (Role.SETUP, Role.CHECK):
        marks, faults = cloze.find_marks(code, code=True)
        code, segments, deletions = cloze.take_out(code, segments, marks)
    else:
        faults, deletions = cloze.misplaced(code, _where(info, side)), ()
    found += [fault.at(place) for fault in faults]
    return code, segments, deletions


def _where(info: Info, side: Side) -> str:
    if info.language != "python":
        return f"a fence of `{info.language}`"
    if info.role in (Role.SETUP, Role.CHECK):
        return f"`python {info.role.value}`"
    return "the text before the first note" if side is Side.FILE else f"the {side.value}"
