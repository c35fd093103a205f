"""The note types of a deck: genanki's Model with ids that are this deck's alone, and a digest that tells of changes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import genanki  # type: ignore[import-untyped]

from generator.export.cards import required_fields
from generator.notes import NoteTemplate, RenderedDeck

_READ_BY_LEARNER = {"Question", "Answer", "Text", "Back", "Extra"}


def stable_id(namespace: str, kind: str, name: str) -> int:
    """An id for a note type, a field, a template or a deck: always the same, and no other deck's.

    Between 1 and 2**53 - 1: Anki refuses 0, and its editor is JavaScript.
    """
    digest = hashlib.sha256(f"{namespace}\0{kind}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2**53 - 1) + 1


class NoteType(genanki.Model):  # type: ignore[misc]
    """A note type with ids of ours, and a time of its own."""

    def __init__(
        self, deck: RenderedDeck, kind: str, fields: tuple[str, ...], templates: tuple[NoteTemplate, ...]
    ) -> None:
        def own_id(what: str, name: str = "") -> int:
            return stable_id(deck.namespace, what, f"{kind}\0{name}")

        super().__init__(
            own_id("notetype"),
            f"{deck.name} {kind}",
            fields=[_field(name, own_id("field", name), key=number == 0) for number, name in enumerate(fields)],
            templates=[
                {"name": item.name, "qfmt": item.front, "afmt": item.back, "id": own_id("template", item.name)}
                for item in templates
            ],
            css=deck.css,
            model_type=self.CLOZE if kind == "Cloze" else self.FRONT_BACK,
            sort_field_index=min(1, len(fields) - 1),
        )
        self.field_names = fields
        self.card_templates = templates

    @property
    def _req(self) -> list[list[object]]:
        """In place of genanki's guess: which fields each template needs, for programs that read it."""
        return [
            [number, *required_fields(template.front, self.field_names)]
            for number, template in enumerate(self.card_templates)
        ]

    def to_json(self, timestamp: float, deck_id: int | None) -> dict[str, Any]:
        """genanki's JSON, bound to no deck: Anki would offer that deck for the learner's own notes."""
        return {**super().to_json(timestamp, None), "id": self.model_id}

    @property
    def digest(self) -> str:
        """Hash of all that an import would bring: name, fields, templates, style and settings."""
        text = json.dumps(self.to_json(0, None), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _field(name: str, number: int, *, key: bool) -> dict[str, object]:
    """A field as Anki's editor shows it: ours are folded, and none can be deleted, as imports would fail from then."""
    ours = name not in _READ_BY_LEARNER
    return {
        "name": name,
        "id": number,
        "font": "Arial",
        "collapsed": ours,
        "excludeFromSearch": ours and not key,
        "preventDeletion": True,
    }


def note_types(deck: RenderedDeck) -> list[NoteType]:
    """The note types that the deck's notes use. Raises ValueError where notes of one kind differ in field names."""
    found = []
    for cloze, kind, templates in ((False, "Basic", deck.basic), (True, "Cloze", deck.cloze)):
        layouts = {tuple(name for name, _ in note.fields) for note in deck.notes if note.cloze is cloze}
        if len(layouts) > 1:
            raise ValueError(f"{kind} notes have different fields: {sorted(layouts)}")
        found += [NoteType(deck, kind, fields, templates) for fields in layouts]
    return found
