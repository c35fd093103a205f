"""Decks of the tests, from their folders."""

from __future__ import annotations

from pathlib import Path

from generator import parse, read
from generator.notes import Deck


def deck_of(folder: Path) -> Deck:
    """The deck in a folder, which must parse without a problem."""
    found, problems = read.read_deck(folder, folder.parent)
    deck, more = parse.parse_deck(found)
    assert deck is not None
    assert [*problems, *more] == []
    return deck
