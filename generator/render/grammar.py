"""GitHub's Markdown, as tokens of markdown-it.

markdown-it speaks CommonMark 0.31 with tables. GitHub's parser, cmark-gfm, is older and has extensions; `blockrules`
and `inline` hold the rules that make the difference, and this module puts them together.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

from generator.blockrules import Odd, block_parser, report
from generator.render import emphasis, inline
from generator.render.autolink import mail_addresses

MAX_NESTING = 60
"""Levels of lists and quotes, and brackets in brackets. Beyond, parsers of Python run out of stack."""

_INLINE = [
    *("text", "newline", "escape", "math", "backticks", "strikethrough", "emphasis", "link", "image", "autolink"),
    *("html_inline", "entity", "footnote", "sound", "emoji", "url", "www", "bracket"),
]
_TASK = re.compile(r"\s*(?:[-+*]|\d+.)\s+\[[ xX]\][ \t\v\f]")
_FAR_QUOTE = re.compile(r"(?: {4}| {0,3}\t)[ \t]*>")
_NEW_BLOCK = re.compile(
    r"\s*(?:\[[^\]]*\]:|[-+*](?:\s|\Z)|(?:[-*_][ \t]*){3,}(?:\n|\Z)|#{1,6}(?:\s|\Z)|`{3}|~{3}|[>|<]|\d+[.)](?:\s|\Z))"
)
"""Text behind a task's box that GitHub reads as the beginning of a block, or may."""
_ITEM = re.compile(r"\s|(?:[-+*]|\d{1,9}[.)])(?:\s|\Z)")
"""A line that may belong to the list above it."""
_INDENT = re.compile(r"\n[ \t]+")


class TooDeepError(Exception):
    """Lists, quotes or brackets are nested deeper than MAX_NESTING."""


class InlineParser(ParserInline):
    """markdown-it's, with our state, and with an exception in place of text that is passed over in silence."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = inline.Inline(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens

    def skipToken(self, state: StateInline) -> None:  # noqa: N802 - markdown-it's name
        if state.level >= MAX_NESTING:
            raise TooDeepError
        super().skipToken(state)


def github_parser() -> MarkdownIt:
    """The parser. Its `env` may bring `references`, `prepare` (see below) and `math`: false where `$` is text."""
    md = block_parser(MAX_NESTING)
    md.inline = InlineParser()
    md.inline.add_terminator_char("w")
    spans = md.inline.ruler
    spans.before("backticks", "math", inline.math_inline)
    spans.at("escape", inline.escape)
    spans.at("entity", inline.entity)
    spans.at("html_inline", inline.html_inline)
    spans.at("strikethrough", inline.strike)
    spans.before("link", "footnote", inline.footnote)
    spans.before("link", "sound", inline.sound)
    spans.push("emoji", inline.emoji)
    spans.push("url", inline.url)
    spans.push("www", inline.www)
    spans.push("bracket", inline.bracket)
    spans.enableOnly(_INLINE)
    spans.at("emphasis", emphasis.emphasis)
    md.inline.ruler2.at("balance_pairs", emphasis.pair)
    md.inline.ruler2.enableOnly(["balance_pairs", "fragments_join"])
    md.core.ruler.before("inline", "prepare", _prepare)
    md.core.ruler.after("text_join", "tasks", _tasks)
    md.core.ruler.after("tasks", "mail", _mail)
    return md


def _prepare(state: StateCore) -> None:
    """Drop the indentation of text lines, and hand every text to `env["prepare"]`, which keeps its length."""
    if any(token.level >= MAX_NESTING - 1 for token in state.tokens):
        raise TooDeepError
    _odd_quotes(state)
    _odd_items(state)
    prepare = state.env.get("prepare")
    for token in state.tokens:
        if token.type == "inline":
            token.content = _INDENT.sub("\n", token.content)
        if prepare is not None and token.type in ("inline", "html_block", "math"):
            token.content = prepare(token)


def _odd_quotes(state: StateCore) -> None:
    """Report where markdown-it goes on with a quote and GitHub does not: `>` after four blanks."""
    lines = state.src.split("\n")
    for token in state.tokens:
        if token.type != "blockquote_open" or not token.map:
            continue
        for line in range(token.map[0] + 1, token.map[1]):
            if _FAR_QUOTE.match(lines[line]):
                report(state, Odd.QUOTE, line)


def _odd_items(state: StateCore) -> None:
    """Report an empty item above a blank line: to GitHub, what follows may still belong to its list.

    Not so at the end of a list above a line in column 1 that is no item.
    """
    lines = state.src.split("\n")
    for token, behind, after in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if token.type == "list_item_open" and behind.type == "list_item_close" and token.map:
            below = token.map[0] + 1
            following = next((lines[at] for at in range(below, len(lines)) if lines[at].strip(" \t")), "")
            ends = token.level == 1 and after.type != "list_item_open" and not _ITEM.match(following)
            if below < len(lines) - 1 and not lines[below].strip(" \t>") and not ends:
                report(state, Odd.ITEM, token.map[0])


def _tasks(state: StateCore) -> None:
    """`- [ ] …` and `- [x] …` at the start of a line. GitHub ticks the box for an `[x]` anywhere in that line."""
    lines = state.src.split("\n")
    for index, before in enumerate(state.tokens[:-2]):
        item = state.tokens[index + 1]
        text = state.tokens[index + 5] if item.type == "table_open" else state.tokens[index + 2]
        if before.type != "list_item_open" or text.type != "inline" or not before.map or not text.map:
            continue
        line = lines[before.map[0]]
        children = text.children or []
        if text.map[0] != before.map[0] or not children or not _TASK.match(line):
            continue
        if children[0].type == "text" and re.match(r"\[[ xX]\]", children[0].content):
            children[0].content = children[0].content[3:]
            unusual = (
                item.type != "paragraph_open"
                or not text.content[3:].split("\n")[0].strip()
                or _NEW_BLOCK.match(text.content, 3)
            )
            kind = "empty_task" if unusual else "task"
            children.insert(0, Token(kind, "", 0, meta={"checked": "[x]" in line.lower()}))


def _mail(state: StateCore) -> None:
    """Mail addresses in texts outside links become links."""
    for block in state.tokens:
        if block.type == "inline" and block.children and "@" in block.content + "&":
            block.children = _with_mail(block.children)


def _with_mail(tokens: list[Token]) -> list[Token]:
    result: list[Token] = []
    links = 0
    for token in tokens:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "text" or links or "@" not in token.content:
            result.append(token)
            continue
        done = 0
        for mail in mail_addresses(token.content):
            result += [_text(token, done, mail.start), *_link(token, mail.href, mail.start, mail.end)]
            done = mail.end
        result.append(_text(token, done, len(token.content)))
    return result


def _text(token: Token, start: int, end: int) -> Token:
    return Token("text", "", 0, content=token.content[start:end], meta=dict(token.meta))


def _link(token: Token, href: str, start: int, end: int) -> list[Token]:
    meta = dict(token.meta)
    opening = Token("link_open", "a", 1, attrs={"href": href}, markup="linkify", meta=meta)
    return [opening, _text(token, start, end), Token("link_close", "a", -1)]
