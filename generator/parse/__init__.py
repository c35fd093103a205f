"""Text to notes: the parse stage.

`deck.py` reads a deck, `topic.py` a file, `note.py` a note; the grammar stands at the top of each.
Nothing here touches the disk, runs code or raises for a fault in a note.
"""

from generator.parse.deck import parse_deck

__all__ = ["parse_deck"]
