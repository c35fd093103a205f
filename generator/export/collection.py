"""The database of a package, written through genanki.

What genanki does not do, or does in a way that harms a learner, is done here: a time for each note, the cards by
Anki's rules, ids that keep apart from other decks', and no guesses about HTML.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator

import genanki  # type: ignore[import-untyped]

from generator.export.cards import card_numbers
from generator.export.image import image
from generator.export.notetypes import NoteType, note_types, stable_id
from generator.export.times import Times
from generator.notes import RenderedDeck, RenderedNote

CONFIG_KEY = "makeDeck"
"""Where package.py finds our hashes: in the package's configuration, which no Anki imports."""

_FIRST_ID = 1_420_070_400_000  # 2015-01-01 in milliseconds: Anki reads an id as a date and mends those in the future
_ID_RANGE = 5 * 365 * 86_400_000
_WRAPPED = '<div style="white-space: normal">{}</div>'
"""Anki's page of a deck is `pre-wrap`: it would show each line end of the HTML, also those between paragraphs
(https://github.com/ankitects/anki/blob/main/qt/aqt/data/web/css/overview.scss)."""


class _Note(genanki.Note):  # type: ignore[misc]
    """A note that is written with its own time and with the cards that Anki would make."""

    def __init__(self, rendered: RenderedNote, notetype: NoteType, times: Times) -> None:
        super().__init__(
            model=notetype,
            fields=[html for _, html in rendered.fields],
            tags=sorted(set(rendered.tags), key=lambda tag: (tag.casefold(), tag)),
            guid=rendered.note.guid,
            due=times.due[rendered.note.guid],
        )
        self.mod = times.notes[rendered.note.guid]
        fields = dict(rendered.fields) | {"Tags": " ".join(rendered.tags)}
        self.ords = sorted(card_numbers(notetype.card_templates, fields, rendered.cloze))

    def write_to_db(self, cursor: sqlite3.Cursor, timestamp: float, deck_id: int, id_gen: Iterator[int]) -> None:
        note_id = next(id_gen)
        # Sort field and checksum (first field and 0 here) are computed by Anki on import.
        cursor.execute(
            "INSERT INTO notes VALUES (?, ?, ?, ?, -1, ?, ?, ?, 0, 0, '')",
            (
                note_id,
                self.guid,
                self.model.model_id,
                self.mod,
                self._format_tags(),
                self._format_fields(),
                self.fields[0],
            ),
        )
        for number in self.ords:
            genanki.Card(number).write_to_db(cursor, self.mod, deck_id, note_id, id_gen, self.due)


def database(deck: RenderedDeck, times: Times) -> bytes:
    """The SQLite file of the package's collection."""
    types = {notetype.model_type == NoteType.CLOZE: notetype for notetype in note_types(deck)}
    about = _WRAPPED.format(deck.description) if deck.description else ""
    decks = {deck.name: genanki.Deck(stable_id(deck.namespace, "deck", deck.name), deck.name, about)}
    for rendered in deck.notes:
        name = rendered.deck_name
        if name not in decks:
            decks[name] = genanki.Deck(stable_id(deck.namespace, "deck", name), name)
        decks[name].add_note(_Note(rendered, types[rendered.cloze], times))
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA encoding = 'UTF-8'")
        package = genanki.Package(list(decks.values()))
        package.write_to_db(connection.cursor(), 0, itertools.count(_first_id(deck.namespace)))
        _settle(connection, deck, list(types.values()), times)
        return image(connection)
    finally:
        connection.close()


def _first_id(namespace: str) -> int:
    """Where a deck's note and card ids start: far from those of other decks, and in the past."""
    return _FIRST_ID + stable_id(namespace, "ids", "") % _ID_RANGE


def _settle(connection: sqlite3.Connection, deck: RenderedDeck, types: list[NoteType], times: Times) -> None:
    """Write the columns that genanki leaves in no fixed order: configuration with our hashes, note types, decks."""
    conf, decks = map(json.loads, connection.execute("SELECT conf, decks FROM col").fetchone())
    conf[CONFIG_KEY] = {
        "notes": {rendered.note.guid: rendered.content for rendered in deck.notes},
        "notetypes": {str(notetype.model_id): notetype.digest for notetype in types},
    }
    models = {str(notetype.model_id): notetype.to_json(times.notetypes[notetype.model_id], None) for notetype in types}
    row = [json.dumps(column, sort_keys=True, indent=None) for column in (conf, models, decks)]
    connection.execute("UPDATE col SET conf = ?, models = ?, decks = ?", row)
