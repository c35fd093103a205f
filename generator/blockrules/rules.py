"""Rules of block parsing in which GitHub differs from markdown-it, and the one for displayed math.

A rule of markdown-it looks at `startLine`, and either consumes lines and returns true, or leaves all as it was. In
`silent` mode it only says whether it would, which ends a paragraph above.
"""

from __future__ import annotations

import bisect
import re

from markdown_it import rules_block as rules
from markdown_it.rules_block import StateBlock

from generator.blockrules.odd import Odd, report
from generator.blockrules.table import is_dashes, is_lone_tag, table

_MARK_ALONE = re.compile(r"[ \t]*(?:=+|-+|[+*]|\d{1,9}[.)])[ \t]*\Z")
_DASHES = re.compile(r" {0,3}-+[ \t]*\Z")


def reference(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """Link definitions, but not `[^1]: …`, which defines a footnote.

    To GitHub, definitions are the beginning of a paragraph: what goes on below them is text, whatever it looks like.
    """
    line = startLine
    while line < endLine and not state.isEmpty(line) and _definition(state, line, endLine, silent):
        if silent:
            return True
        line = state.line
    if not silent and state.src.startswith("[", state.bMarks[startLine] + state.tShift[startLine]):
        _report_split(state, startLine, max(line, startLine + 2))
    if line == startLine:
        return False
    if state.blkIndent and state.isEmpty(startLine - 1):
        report(state, Odd.DEFINITION, startLine)
    for row in _dashes_below(state, line - 1, endLine):
        report(state, Odd.DEFINITION_ABOVE_DASHES, row)
    if line < endLine and not state.isEmpty(line) and _goes_on(state, line, endLine):
        state.sCount[line] = state.blkIndent  # its indentation means nothing
        if not rules.lheading(state, line, endLine, False):
            paragraph(state, line, endLine, False)
    return True


def _definition(state: StateBlock, line: int, end: int, silent: bool) -> bool:
    at = state.bMarks[line] + state.tShift[line]
    if state.src[at : at + 1] != "[" or state.src.startswith("[^", at) or _is_above_table(state, line, end):
        return False
    return rules.reference(state, line, end, silent)


def _report_split(state: StateBlock, start: int, end: int) -> None:
    """Report definitions that go on in a line which GitHub may read as an underline or an item."""
    for line in range(start + 1, min(end, state.lineMax)):
        above, text = (state.src[state.bMarks[at] : state.eMarks[at]] for at in (line - 1, line))
        is_open = above.rstrip().endswith("]:")
        is_address = not text.lstrip().startswith(("[", "\\")) and text.count("(") == text.count(")")
        is_odd = _MARK_ALONE.match(text) or (is_open and not is_address)
        if is_odd and (is_open or end > start + 2):
            report(state, Odd.SPLIT_DEFINITION, line)


def _is_above_table(state: StateBlock, start: int, end: int) -> bool:
    """Whether the paragraph at `start` ends in the header of a table: GitHub finds no definitions in it then."""
    checked = state.env.setdefault("no_table_until", 0)
    if start < checked:
        return False
    line = start
    while line < end and not state.isEmpty(line):
        if line > start and not _goes_on(state, line, end, past_tables=True):
            break
        if table(state, line, end, True):
            return True
        line += 1
    state.env["no_table_until"] = line
    return False


def paragraph(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """A paragraph, whose edges lose blanks and tabs only: a no-break space stays."""
    done = rules.paragraph(state, startLine, endLine, silent)
    if done and not silent:
        state.tokens[-2].content = state.getLines(startLine, state.line, state.blkIndent, False).strip(" \t\n")
    return done


def odd_table(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """Report what GitHub reads as a table in a paragraph that begins here, and we do not. Consumes nothing.

    It takes the dashes, and the line above them as their header, however far those are indented.
    """
    for row in [] if silent else _dashes_below(state, startLine, endLine):
        near = range(state.blkIndent, state.blkIndent + 4)
        if state.sCount[row] not in near or (row - 1 > startLine and state.sCount[row - 1] not in near):
            report(state, Odd.TABLE, row)
    return False


def _dashes_below(state: StateBlock, start: int, end: int) -> list[int]:
    """Lines of dashes, such as stand below a table's header, in the paragraph that begins at `start`."""
    if "dash_rows" not in state.env:
        lines = state.src.split("\n")
        state.env["dash_rows"] = [at for at, text in enumerate(lines) if is_dashes(text.lstrip(" \t>"))]
    rows: list[int] = state.env["dash_rows"]
    at = bisect.bisect_right(rows, start)
    line = start + 1
    found = []
    while at < len(rows) and line < end and not state.isEmpty(line):
        if not _goes_on(state, line, end, past_tables=True):
            break
        if line == rows[at]:
            found.append(line)
            at += 1
        line += 1
    return found


def _goes_on(state: StateBlock, line: int, end: int, *, past_tables: bool = False) -> bool:
    """Whether a line belongs to the paragraph above it; with `past_tables` also where a table begins in that."""
    if state.sCount[line] < 0 or state.sCount[line] - state.blkIndent > 3:
        return True
    if state.sCount[line] >= state.blkIndent and _DASHES.match(state.src[state.bMarks[line] : state.eMarks[line]]):
        return True
    old, state.parentType = state.parentType, "paragraph"
    others = (rule for rule in state.md.block.ruler.getRules("paragraph") if not (past_tables and rule is table))
    stops = any(rule(state, line, end, True) for rule in others)
    state.parentType = old
    return not stops


def html_block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """A tag alone on its line cannot end a paragraph, but it ends one that only laziness would carry on."""
    text = state.src[state.bMarks[startLine] + state.tShift[startLine] : state.eMarks[startLine]]
    if re.match(r"<![a-z]", text):
        return False
    if rules.html_block(state, startLine, endLine, silent):
        return True
    lazy = state.parentType == "blockquote" or state.sCount[startLine] < state.blkIndent
    if not silent or not lazy or state.is_code_block(startLine):
        return False
    return is_lone_tag(text)


def table_in_text(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """A table whose header is the last line of a paragraph, where that line alone would begin something else."""
    tokens = state.tokens
    if silent or len(tokens) < 3 or tokens[-1].type != "paragraph_close":
        return False
    above = tokens[-3].map
    if not above or above[1] != startLine or state.sCount[startLine] < state.blkIndent:
        return False
    others = (rule for rule in state.md.block.ruler.getRules("paragraph") if rule is not table)
    return not any(rule(state, startLine, endLine, True) for rule in others) and table(state, startLine, endLine, False)


def math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines from one that opens with `$$` to one that ends with `$$`, without a blank one between."""
    if not state.env.get("math", True) or state.is_code_block(start):
        return False
    at = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith("$$", at):
        return False
    line = start
    while line < end and not state.isEmpty(line) and (line == start or state.sCount[line] >= state.blkIndent):
        text = state.src[state.bMarks[line] : state.eMarks[line]].rstrip()
        if text.endswith("$$") and (line > start or len(text) - (at - state.bMarks[line]) > 4):
            break
        line += 1
    else:
        return False
    if silent:
        return True
    content = state.getLines(start, line + 1, state.blkIndent, False).strip()[2:-2]
    if "$$" in content:
        return False
    token = state.push("math", "", 0)
    token.block = True
    token.map = [start, line + 1]
    token.content = content
    token.markup = "$$"
    state.line = line + 1
    return True
