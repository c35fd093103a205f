"""Markdown to a flat list of blocks, by CommonMark's rules and GitHub's tables.

Only the structure of blocks is read here; what stands inside a paragraph is the renderer's. Faults are those of the
structure itself: text that GitHub would show otherwise than its author meant, or code that would silently not run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from markdown_it.token import Token

from generator.blockrules import block_parser
from generator.diagnostics import Diagnostic, Rule, Source, Span

INDENTED_CODE = Rule("N040", "code is marked by indentation")
QUOTED_FENCE = Rule("N041", "a fence stands in a quote")
HTML_FENCE = Rule("N042", "a fence stands in raw HTML")
OPEN_FENCE = Rule("N043", "a fence is never closed")
OPEN_COMMENT = Rule("N044", "a comment is never closed")
TOO_DEEP = Rule("N045", "lists or quotes are nested too deep")
HTML_HEADING = Rule("N046", "a heading stands in raw HTML")
NO_SPACE = Rule("N047", "a heading has no space after its #")

RULES = (INDENTED_CODE, QUOTED_FENCE, HTML_FENCE, OPEN_FENCE, OPEN_COMMENT, TOO_DEEP, HTML_HEADING, NO_SPACE)

NESTING = 24  # block levels; a list takes two
_RESTARTS = 20  # after so many notes nested too deep, the rest of a file is not read


class BlockKind(Enum):
    """What a block is. Lists and quotes are no blocks here: those inside them are."""

    HEADING = "heading"
    FENCE = "fence"
    HTML = "html"
    COMMENT = "comment"
    PROSE = "prose"  # a paragraph, a row of a table, indented code
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Block:
    """Lines `first` to `last` of a source (from 1, both included).

    `content` is a heading's text, a fence's code, or HTML; `markup` the `##`, "```", `=` or `-` that made it; `info`
    what follows a fence's mark. `level` is a heading's. `nested` is true inside a list or quote.
    """

    kind: BlockKind
    first: int
    last: int
    content: str = ""
    markup: str = ""
    info: str = ""
    level: int = 0
    nested: bool = False


def read_blocks(source: Source, skip: int = 0) -> tuple[list[Block], str, list[Diagnostic]]:
    """Blocks of a file in order, its link definitions as Markdown, and faults. The first `skip` lines are left out."""
    references: dict[str, dict[str, Any]] = {}
    found: list[Diagnostic] = []
    blocks: list[Block] = []
    parser = block_parser(NESTING)
    start: int | None = skip
    for _ in range(_RESTARTS):
        if start is None or start >= len(source.line_starts):
            break
        tokens: list[Token] = []
        environment = {"references": references}
        parser.block.parse(source.text[source.line_starts[start] :], parser, environment, tokens)
        walk = _Walk(source, start, found)
        blocks += walk.blocks(tokens)
        start = walk.unread()
    return blocks, link_definitions(references), found


class _Walk:
    """Goes once through the parser's tokens."""

    def __init__(self, source: Source, skipped: int, found: list[Diagnostic]) -> None:
        self.source = source
        self.skipped = skipped
        self.found = found
        self.quotes = 0
        self.containers = 0
        self.result: list[Block] = []
        self.cut = 0
        """Line of the last block that was nested too deep."""

    def blocks(self, tokens: Sequence[Token]) -> list[Block]:
        for index, token in enumerate(tokens):
            if token.nesting and token.tag in ("blockquote", "ul", "ol"):
                self._container(token)
            elif token.type == "list_item_open":
                self._check_depth(token)
            elif token.map and token.type not in ("inline", "table_open", "thead_open", "tbody_open"):
                inner = tokens[index + 1].content if token.type == "heading_open" else token.content
                self.result.append(self._block(token, token.map, inner))
        return self.result

    def _container(self, token: Token) -> None:
        self.containers += token.nesting
        if token.tag == "blockquote":
            self.quotes += token.nesting
            if token.nesting == 1:
                self._check_depth(token)

    def _check_depth(self, token: Token) -> None:
        """The parser drops what lies deeper than its limit without a word."""
        line = token.map[0] + 1 + self.skipped if token.map else 0
        if token.level < NESTING - 1 or line == self.cut:
            return
        self.cut = line
        self.result.append(Block(BlockKind.PROSE, line, line, nested=True))
        hint = f"Keep to {NESTING // 2 - 1} levels."
        self.report(TOO_DEEP, line, "lists or quotes are nested too deep here", hint)

    def unread(self) -> int | None:
        """How many lines to skip so as to go on where the parser stopped; None where it came to the end.

        In a list it drops all that follows what is too deep, the next notes too.
        """
        lines = range(self.cut + 1, len(self.source.line_starts) + 1) if self.cut else ()
        following = next((line for line in lines if re.match(r"##(?:[ \t]|$)", self.source.line_text(line))), None)
        if following is None or self.result[-1].first >= following:
            return None
        return following - 1

    def report(self, rule: Rule, line: int, message: str, hint: str) -> None:
        self.found.append(rule.at(self.source.line_span(line), message, hint))

    def _block(self, token: Token, lines: list[int], content: str) -> Block:
        first, last = lines[0] + 1 + self.skipped, max(lines[1], lines[0] + 1) + self.skipped
        nested = self.containers > 0
        if token.type == "fence":
            self._check_fence(token, content, first, last)
            return Block(BlockKind.FENCE, first, last, content, token.markup, token.info, nested=nested)
        if token.type == "heading_open":
            level = int(token.tag[1:])
            return Block(BlockKind.HEADING, first, last, content, token.markup, level=level, nested=nested)
        if token.type == "html_block":
            kind = BlockKind.COMMENT if content.lstrip(" ").startswith("<!--") else BlockKind.HTML
            self._check_html(kind, content, first)
            return Block(kind, first, last, content, nested=nested)
        if token.type == "hr":
            return Block(BlockKind.RULE, first, last, nested=nested)
        if token.type == "code_block":
            hint = "Put it into a fence, ```python … ```, or take four spaces away."
            self.report(INDENTED_CODE, first, "code by indentation says neither its language nor its role", hint)
        elif token.type == "paragraph_open":
            self._check_paragraph(first, last)
        return Block(BlockKind.PROSE, first, last, nested=nested)

    def _check_fence(self, token: Token, content: str, first: int, last: int) -> None:
        if self.quotes:
            self.report(QUOTED_FENCE, first, "this fence stands in a quote", "Take it out of the quote.")
        if not is_closed(content, first, last):
            hint = f"Write {token.markup} on a line of its own below the code, as far indented as its beginning."
            self.report(OPEN_FENCE, first, "this fence is never closed", hint)

    def _check_paragraph(self, first: int, last: int) -> None:
        for line in range(first, last + 1):
            match = re.match(r" {0,3}(#{2,3})[^\s#]", self.source.line_text(line))
            if match:
                hint = f"Write `{match[1]} ` with a space; write `\\{match[1]}` if it is meant as text."
                self.report(NO_SPACE, line, f"`{match[1]}` without a space makes no heading", hint)

    def _check_html(self, kind: BlockKind, content: str, first: int) -> None:
        if kind is BlockKind.COMMENT:
            if "-->" not in content:
                self.report(OPEN_COMMENT, first, "this comment is never closed", "Write `-->` where it ends.")
            return
        for line, text in enumerate(content.split("\n"), start=first):
            if re.match(r"\s*(?:`{3}|~{3})", text):
                hint = "Put a blank line before it, or take it out of the HTML."
                self.report(HTML_FENCE, line, "inside raw HTML this is no fence: nothing runs it", hint)
                return  # its lines may look like anything
            if re.match(r"#{1,3}\s", text):
                self.report(HTML_HEADING, line, "inside raw HTML this is no heading", "Put a blank line before it.")


def is_closed(content: str, first: int, last: int) -> bool:
    """Whether a fence of these lines has its closing line: then two of them are not content."""
    lines = content.count("\n") + (bool(content) and not content.endswith("\n"))
    return lines == last - first - 1


def comment_text(block: Block, source: Source) -> Span:
    """What stands between a comment's marks; to the end of the block if it is not closed."""
    start = source.text.find("<!--", source.offset(block.first)) + len("<!--")
    limit = source.offset(block.last, 1 << 40)
    end = source.text.find("-->", start, limit)
    return source.span(start, end if end != -1 else limit)


def link_definitions(references: dict[str, dict[str, Any]]) -> str:
    """Link reference definitions as Markdown lines that give the same links when parsed again."""
    lines = []
    for label, definition in references.items():
        title = re.sub(r'([\\"])', r"\\\1", definition["title"].replace("&", "&amp;")).replace("\n", "&#10;")
        href = re.sub(r"([\\<>])", r"\\\1", definition["href"].replace("&", "&amp;"))
        lines.append(f"[{label}]: <{href}>" + (f' "{title}"' if title else ""))
    return "\n".join(lines)
