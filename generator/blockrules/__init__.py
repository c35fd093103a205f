"""GitHub's blocks, in markdown-it: where a heading, a fence, a table or a link definition is one.

Parser and renderer read notes by the same rules, so that what one takes for a heading the other does too.
"""

from __future__ import annotations

from markdown_it import MarkdownIt

from generator.blockrules import rules
from generator.blockrules.odd import Odd, report
from generator.blockrules.table import table

__all__ = ["Odd", "block_parser", "report"]


def block_parser(nesting: int) -> MarkdownIt:
    """A parser for CommonMark with GitHub's blocks. What lies deeper than `nesting` levels it drops without a word."""
    md = MarkdownIt("commonmark", {"maxNesting": nesting, "store_labels": True})
    lines = md.block.ruler
    lines.before("lheading", "odd_table", rules.odd_table)
    lines.before("lheading", "github_table", table, {"alt": ["paragraph", "reference"]})
    lines.at("paragraph", rules.paragraph)
    lines.at("reference", rules.reference)
    lines.at("html_block", rules.html_block, {"alt": ["paragraph", "reference", "blockquote"]})
    lines.before("code", "table_in_text", rules.table_in_text)
    lines.before("fence", "math_block", rules.math_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    lines.enable(["github_table", "math_block", "table_in_text", "odd_table"])
    md.normalizeLink = lambda url: url  # type: ignore[method-assign]
    md.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    md.validateLink = lambda url: True  # type: ignore[method-assign]
    return md
