"""Rules of block parsing in which GitHub differs from markdown-it, and the one for displayed math.

A rule of markdown-it looks at `startLine`, and either consumes lines and returns true, or leaves all as it was. In
`silent` mode it only says whether it would, which ends a paragraph above.
"""

from __future__ import annotations

import re

from markdown_it import rules_block as rules
from markdown_it.rules_block import StateBlock

from generator.render.table import is_header, is_lone_tag, table

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
    if line == startLine:
        return False
    if line < endLine and not state.isEmpty(line) and _goes_on(state, line, endLine):
        state.sCount[line] = state.blkIndent  # its indentation means nothing
        if not rules.lheading(state, line, endLine, False):
            rules.paragraph(state, line, endLine, False)
    return True


def _definition(state: StateBlock, line: int, end: int, silent: bool) -> bool:
    at = state.bMarks[line] + state.tShift[line]
    if state.src[at : at + 1] != "[" or state.src.startswith("[^", at) or _is_above_table(state, line, end):
        return False
    return rules.reference(state, line, end, silent)


def _is_above_table(state: StateBlock, start: int, end: int) -> bool:
    """Whether the paragraph at `start` ends in the header of a table: GitHub finds no definitions in it then."""
    checked = state.env.setdefault("no_table_until", 0)
    if start < checked:
        return False
    line = start
    while line < end and not state.isEmpty(line):
        if table(state, line, end, True):
            return True
        if line > start and not _goes_on(state, line, end):
            break
        line += 1
    state.env["no_table_until"] = line
    return False


def indented_header(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:  # noqa: N803
    """Let a line of a paragraph be a table's header however far it is indented. Consumes nothing."""
    line = startLine + 1
    while not silent and line < endLine and not state.isEmpty(line):
        if state.sCount[line] - state.blkIndent > 3 and is_header(state, line, endLine):
            state.sCount[line] = state.blkIndent
        line += 1
    return False


def _goes_on(state: StateBlock, line: int, end: int) -> bool:
    """Whether a line belongs to the paragraph above it."""
    if state.sCount[line] < 0 or state.sCount[line] - state.blkIndent > 3:
        return True
    if state.sCount[line] >= state.blkIndent and _DASHES.match(state.src[state.bMarks[line] : state.eMarks[line]]):
        return True
    old, state.parentType = state.parentType, "paragraph"
    stops = any(rule(state, line, end, True) for rule in state.md.block.ruler.getRules("paragraph"))
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
