"""What GitHub reads or shows in a way of its own that cards do not follow: an error for each, with a way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from markdown_it.token import Token

from generator.blockrules import Odd
from generator.render.places import Origin
from generator.render.problems import ALERT, EMPTY_ITEM, ODD_DEFINITION, ODD_QUOTE, ODD_TABLE, Problems

_FOOTNOTE = re.compile(r"^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t>]+){0,24}(\[\^[^\]\s]+\]):", re.MULTILINE)
_ALERT = re.compile(r"\[!(note|tip|important|warning|caution)\]\s*(?:\n|\Z)", re.IGNORECASE)
_FAULTS = {
    Odd.QUOTE: (ODD_QUOTE, "GitHub does not read this `>` as a quote", "Indent it by less than four."),
    Odd.TABLE: (
        ODD_TABLE,
        "GitHub makes a table of these dashes and the line above them",
        "Indent both like the text around them; write `\\` before the first `-`, `:` or `|` if no table is meant.",
    ),
    Odd.TABLE_WITHOUT_ROWS: (
        ODD_TABLE,
        "a table without rows changes the space between the items of its list",
        "Write a row below the dashes, or put the table outside the list.",
    ),
    Odd.DEFINITION: (
        ODD_DEFINITION,
        "a link definition in a list item may change the space between items",
        "Put it outside the list, with a blank line before it.",
    ),
    Odd.DEFINITION_ABOVE_DASHES: (
        ODD_DEFINITION,
        "these dashes follow on a link definition",
        "Put a blank line between the definition and what stands below it.",
    ),
    Odd.SPLIT_DEFINITION: (
        ODD_DEFINITION,
        "GitHub may not read this line as a part of the link definition above it",
        "Write the definition on one line.",
    ),
    Odd.ITEM: (EMPTY_ITEM, "this list item is empty", "Write its text behind the mark, or take it out."),
}


def oddities(origin: Origin, problems: Problems) -> Callable[[Odd, int], None]:
    """The reporter for `env["odd"]`: what is odd, and the line of the text, from 0, in which it is."""

    def odd(what: Odd, line: int) -> None:
        problems.add(_FAULTS[what][0], origin.line(line), *_FAULTS[what][1:])

    return odd


def report_alerts(tokens: Sequence[Token], problems: Problems) -> None:
    """Report quotes that are alerts on GitHub."""
    for quote, _, text in zip(tokens, tokens[1:], tokens[2:], strict=False):
        found = _ALERT.match(text.content) if quote.type == "blockquote_open" and text.type == "inline" else None
        if found:
            word = found.group().strip()
            hint = f"Write `> **{found.group(1).capitalize()}:** …` instead; cards have no alerts yet."
            problems.add(ALERT, text.meta["span"](0, len(word)), f"`{word}` is an alert on GitHub", hint)


@lru_cache(maxsize=8)
def footnotes(text: str) -> frozenset[str]:
    """The labels, `[^1]`, of the footnotes that a file defines, in lists and quotes too."""
    return frozenset(match[1].casefold() for match in _FOOTNOTE.finditer(text))
