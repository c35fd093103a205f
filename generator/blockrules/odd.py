"""What GitHub reads in a way of its own, which our rules do not follow: it is reported in place of being guessed."""

from __future__ import annotations

from enum import Enum

from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore


class Odd(Enum):
    """What GitHub reads in a way of its own, which these rules do not follow. It must not stand in a note."""

    QUOTE = "quote"
    TABLE = "table"
    TABLE_WITHOUT_ROWS = "table without rows"
    DEFINITION = "definition"
    DEFINITION_ABOVE_DASHES = "definition above dashes"
    SPLIT_DEFINITION = "split definition"
    ITEM = "item"


def report(state: StateBlock | StateCore, what: Odd, line: int) -> None:
    """Tell `env["odd"]`, if there is one, of something odd in a line of the text, from 0."""
    odd = state.env.get("odd")
    if odd is not None:
        odd(what, line)
