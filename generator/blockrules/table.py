"""GitHub's tables, as a block rule of markdown-it.

A table needs a line of a paragraph (its header), and below it a line of dashes with as many columns. It ends at a blank
line or where another block begins.
"""

from __future__ import annotations

import re

from markdown_it.common.html_re import HTML_OPEN_CLOSE_TAG_STR
from markdown_it.rules_block import StateBlock

from generator.blockrules.odd import Odd, report

MAX_EMPTY_CELLS = 10_000
"""Cells that may be added where rows are shorter than the header, per table; behind it, the table ends as on GitHub."""

_MARKER = r"[ \t\v\f]*:?-+:?[ \t\v\f]*"
_DELIMITERS = re.compile(rf"\|?{_MARKER}(?:\|{_MARKER})*\|?[ \t\v\f]*\Z")
_SETEXT = re.compile(r"-+[ \t]*\Z")
_CELL = re.compile(r"(?:\\\||[^|])+")
_PIPE = re.compile(r"\|[ \t\v\f]*")
_ANY_TAG = re.compile(HTML_OPEN_CLOSE_TAG_STR + r"\s*$")


def split_row(line: str) -> list[str]:
    """The cells of a row, trimmed, with `\\|` as `|`; empty where it is no row."""
    line = line.strip(" \t\v\f")
    cells: list[str] = []
    lead = _PIPE.match(line)
    at = lead.end() if lead else 0
    while at < len(line):
        cell = _CELL.match(line, at)
        at = cell.end() if cell else at
        cells.append(cell.group().strip(" \t\v\f").replace("\\|", "|") if cell else "")
        pipe = _PIPE.match(line, at)
        at = pipe.end() if pipe else at
    return cells


def table(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803 - markdown-it's names
    """The rule: `startLine` is the header's."""
    aligns = None if state.is_code_block(startLine) else _alignments(state, startLine, endLine)
    if aligns is None:
        return False
    header = split_row(_line(state, startLine))
    if len(header) != len(aligns) or (silent and _tried_above(state, startLine)):
        return False
    if silent:
        return True
    state.push("table_open", "table", 1).map = [startLine, startLine + 2]
    state.push("thead_open", "thead", 1)
    _row(state, startLine, "th", header, aligns)
    state.push("thead_close", "thead", -1)
    state.line = _body(state, startLine + 2, endLine, aligns)
    if state.blkIndent and state.line == startLine + 2:
        report(state, Odd.TABLE_WITHOUT_ROWS, startLine)
    state.push("table_close", "table", -1)
    return True


def is_lone_tag(line: str) -> bool:
    """Whether a line is a tag and nothing else, which begins a block of HTML."""
    return bool(_ANY_TAG.match(line))


def is_dashes(line: str) -> bool:
    """Whether a line, without its indentation, can stand below a table's header, and is no mere underline."""
    return bool(_DELIMITERS.match(line)) and not _SETEXT.match(line)


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _alignments(state: StateBlock, start: int, end: int) -> list[str] | None:
    """Alignment of each column by the dashes below line `start`; None where there are none."""
    below = start + 1
    if below >= end or state.sCount[below] < state.blkIndent or state.is_code_block(below):
        return None
    text = _line(state, below)
    if not _DELIMITERS.match(text) or _SETEXT.match(text) or re.match(r"-[ \t]", text):
        return None
    names = {(True, True): "center", (True, False): "left", (False, True): "right"}
    return [names.get((cell.startswith(":"), cell.endswith(":")), "") for cell in split_row(text)]


def _tried_above(state: StateBlock, header: int) -> bool:
    """Whether the paragraph that `header` ends had a line of dashes that made no table: GitHub looks for no other."""
    lines = (_line(state, line) for line in range(state.line + 1, header + 1))
    return any(_DELIMITERS.match(line) and not _SETEXT.match(line) for line in lines)


def _body(state: StateBlock, line: int, end: int, aligns: list[str]) -> int:
    """Push the rows; returns the line behind the table."""
    terminators = state.md.block.ruler.getRules("blockquote")
    old, state.parentType = state.parentType, "table"
    first, empty = line, 0
    while line < end and state.sCount[line] >= state.blkIndent and not state.is_code_block(line):
        cells = split_row(_line(state, line))
        if not cells or empty > MAX_EMPTY_CELLS or is_lone_tag(_line(state, line)):
            break
        if any(rule(state, line, end, True) for rule in terminators):
            break
        empty += max(0, len(aligns) - len(cells))
        if line == first:
            state.push("tbody_open", "tbody", 1)
        _row(state, line, "td", cells, aligns)
        line += 1
    if line > first:
        state.push("tbody_close", "tbody", -1)
    state.parentType = old
    return line


def _row(state: StateBlock, line: int, tag: str, cells: list[str], aligns: list[str]) -> None:
    state.push("tr_open", "tr", 1).map = [line, line + 1]
    for number, align in enumerate(aligns):
        token = state.push(f"{tag}_open", tag, 1)
        if align:
            token.attrs = {"class": align}
        token = state.push("inline", "", 0)
        token.map = [line, line + 1]
        token.content = cells[number] if number < len(cells) else ""
        token.meta["cell"] = True
        token.children = []
        state.push(f"{tag}_close", tag, -1)
    state.push("tr_close", "tr", -1)
