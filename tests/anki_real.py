"""A learner's Anki, the real one: imports packages with the default options and tells what became of them.

with Learner(tmp_path / "learner") as learner:
    log = learner.import_package(data)
    assert learner.report() == Report(...)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anki.collection  # noqa: F401  # first: anki.cards cannot be imported before it
from anki.cards import Card
from anki.collection import (
    Collection,
    DeckIdLimit,
    ExportAnkiPackageOptions,
    ImportAnkiPackageOptions,
    ImportAnkiPackageRequest,
)
from anki.decks import DeckId
from anki.import_export_pb2 import ImportAnkiPackageUpdateCondition
from anki.notes import Note


@dataclass(frozen=True)
class ImportLog:
    """First fields of the notes that an import added, updated, left alone as not newer, or refused."""

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What is in the collection, and what Anki's own checks say. The last four are empty in a healthy one."""

    notes: int
    cards: int
    decks: frozenset[str]
    tags: frozenset[str]
    notetypes: frozenset[str]
    problems: list[str] = field(default_factory=list)
    missing_media: list[str] = field(default_factory=list)
    unused_media: list[str] = field(default_factory=list)
    empty_cards: list[str] = field(default_factory=list)


class Learner:
    """A fresh collection in a folder of its own; only what was imported counts as its decks and note types."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.col = Collection(str(folder / "collection.anki2"))
        self._stock = {entry.name for entry in self.col.models.all_names_and_ids()}

    def __enter__(self) -> Learner:
        return self

    def __exit__(self, *_: object) -> None:
        self.col.close()

    def import_package(self, data: bytes, *, always: bool = False) -> ImportLog:
        """Import with Anki's default options; `always` overwrites notes and note types that are not newer."""
        path = self.folder / "incoming.apkg"
        path.write_bytes(data)
        condition = (
            ImportAnkiPackageUpdateCondition.IMPORT_ANKI_PACKAGE_UPDATE_CONDITION_ALWAYS
            if always
            else ImportAnkiPackageUpdateCondition.IMPORT_ANKI_PACKAGE_UPDATE_CONDITION_IF_NEWER
        )
        options = ImportAnkiPackageOptions(update_notes=condition, update_notetypes=condition)
        log = self.col.import_anki_package(ImportAnkiPackageRequest(package_path=str(path), options=options)).log
        path.unlink()
        refused = [
            *log.conflicting,
            *log.first_field_match,
            *log.missing_notetype,
            *log.missing_deck,
            *log.empty_first_field,
        ]

        def names(notes: object) -> list[str]:
            return sorted(note.fields[0] for note in notes)  # type: ignore[attr-defined]

        return ImportLog(names(log.new), names(log.updated), names(log.duplicate), names(refused))

    def export_package(self, *, legacy: bool, deck: str = "") -> bytes:
        """What Anki exports: the whole collection or one deck, in the old or the current format."""
        path = self.folder / "outgoing.apkg"
        options = ExportAnkiPackageOptions(with_scheduling=False, with_media=True, legacy=legacy)
        limit = DeckIdLimit(DeckId(self.deck_id(deck))) if deck else None
        self.col.export_anki_package(out_path=str(path), options=options, limit=limit)
        data = path.read_bytes()
        path.unlink()
        return data

    def report(self) -> Report:
        """Runs Anki's database check, media check and search for empty cards."""
        text, _ = self.col.fix_integrity()
        problems = [line for line in text.splitlines() if line and not re.match(r"Database rebuilt", line)]
        media = self.col.media.check()
        empty = self.col.get_empty_cards()
        return Report(
            notes=self.col.note_count(),
            cards=self.col.card_count(),
            decks=frozenset(d.name for d in self.col.decks.all_names_and_ids()) - {"Default"},
            tags=frozenset(self.col.tags.all()),
            notetypes=frozenset(entry.name for entry in self.col.models.all_names_and_ids()) - self._stock,
            problems=problems,
            missing_media=list(media.missing),
            unused_media=list(media.unused),
            empty_cards=[self.col.get_note(item.note_id).fields[0] for item in empty.notes],  # type: ignore[arg-type]
        )

    def note(self, key: str) -> Note:
        """The one note whose first field is `key`."""
        (found,) = (n for n in map(self.col.get_note, self.col.find_notes("")) if n.fields[0] == key)
        return found

    def cards(self, key: str) -> list[Card]:
        return self.note(key).cards()

    def deck_id(self, name: str) -> int:
        found = self.col.decks.id_for_name(name)
        assert found is not None, f"no deck {name!r}"
        return found

    def answer(self, key: str, *, ease: int = 4) -> None:
        """Answer the first card of a note as the scheduler does (4 = easy: it becomes a review card)."""
        card = self.cards(key)[0]
        card.start_timer()
        self.col.sched.answerCard(card, ease)  # type: ignore[arg-type]

    def schedule(self, key: str) -> list[tuple[object, ...]]:
        """All that Anki knows of a note's cards besides the text, and how often each was answered."""
        count = "select count() from revlog where cid = ?"
        return [
            (c.id, c.ord, c.did, c.type, c.queue, c.due, c.ivl, c.factor, c.reps, c.lapses, c.flags,
             self.col.db.scalar(count, c.id))  # type: ignore[union-attr]
            for c in self.cards(key)
        ]  # fmt: skip

    def stamps(self) -> Mapping[str, tuple[int, int, int]]:
        """First field -> (id, time of change, usn) of every note: a note that an import left alone keeps all three."""
        rows = self.col.db.all("select flds, id, mod, usn from notes")  # type: ignore[union-attr]
        return {flds.split("\x1f")[0]: (nid, mod, usn) for flds, nid, mod, usn in rows}
