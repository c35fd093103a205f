"""Our own deck, from its notes to a learner's Anki: built by the command, imported by the real thing, updated."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from anki_real import Learner
from projects import make_deck

from generator import parse, read
from generator.notes import Deck, Note

REPOSITORY = Path(__file__).parents[1]
FIRST, LATER = "1800000000", "1800086400"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's notes, built once."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(REPOSITORY / "source_notes", root / "source_notes")
    built = make_deck(root, "build", SOURCE_DATE_EPOCH=FIRST)
    assert built.status == 0, built.out + built.err
    return root


def deck_of(root: Path) -> Deck:
    deck, problems = parse.parse_deck(read.read_deck(root / "source_notes" / "asyncio", root)[0])
    assert deck is not None
    assert problems == []
    return deck


def rewrite(root: Path, note: Note, old: str, new: str) -> None:
    """Change a note in its file."""
    path = root / note.span.file
    text = path.read_text(encoding="utf-8")
    changed = note.span.text.replace(old, new, 1)
    assert changed != note.span.text
    path.write_text(text.replace(note.span.text, changed), encoding="utf-8")


def test_anki_holds_what_the_notes_hold(project: Path, tmp_path: Path) -> None:
    """As many notes, cards, sub-decks and tags as the notes have, and nothing that Anki's own checks object to."""
    deck = deck_of(project)
    notes = list(deck.notes)
    with Learner(tmp_path / "learner") as learner:
        log = learner.import_package((project / "output" / "asyncio.apkg").read_bytes())
        report = learner.report()
    assert len(log.new) == report.notes == len(notes) >= 60
    assert report.cards == sum(note.cards for note in notes)
    assert report.decks == {file.deck_name(deck.config.name) for file in deck.files if file.notes} | {deck.config.name}
    assert report.tags == {tag for note in notes for tag in note.tags}
    assert report.problems == []
    assert (report.missing_media, report.unused_media, report.empty_cards) == ([], [], [])


def test_every_note_has_an_id_and_a_source(project: Path) -> None:
    """What a learner is taught can be looked up, and each note keeps its identity."""
    notes = list(deck_of(project).notes)
    assert [note.id for note in notes if not note.source] == []
    assert [note.id for note in notes if not note.stamped] == []


def test_an_update_touches_what_changed_and_nothing_else(project: Path, tmp_path: Path) -> None:
    """An edited answer, a reworded question and a changed tag update these three notes; none is doubled."""
    root = tmp_path / "project"
    shutil.copytree(project, root)
    before = (root / "output" / "asyncio.apkg").read_bytes()
    answer, question, tag = (file.notes[0] for file in deck_of(root).files[:3])
    assert answer.answer is not None
    assert "tags" not in tag.metadata
    rewrite(root, answer, answer.answer.text, f"A new remark.\n\n{answer.answer.text}")
    rewrite(root, question, question.heading.text, f"{question.heading.text} (reworded)")
    rewrite(root, tag, f"id: {tag.id}\n", f"id: {tag.id}\ntags: [changed]\n")
    built = make_deck(root, "build", SOURCE_DATE_EPOCH=LATER)
    assert built.status == 0, built.out + built.err
    with Learner(tmp_path / "learner") as learner:
        learner.import_package(before)
        stamps = learner.stamps()
        learner.answer(answer.id)
        schedule = learner.schedule(answer.id)
        log = learner.import_package((root / "output" / "asyncio.apkg").read_bytes())
        after = learner.stamps()
        assert learner.schedule(answer.id) == schedule
        report = learner.report()
    assert (log.new, log.refused) == ([], [])
    assert sorted(log.updated) == sorted([answer.id, question.id, tag.id])
    assert {key for key in stamps if stamps[key] != after[key]} == {answer.id, question.id, tag.id}
    assert report.notes == len(stamps)


def test_the_same_moment_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    """Two builds with one SOURCE_DATE_EPOCH are equal, byte for byte, wherever they are made."""
    root = tmp_path / "elsewhere" / "project"
    shutil.copytree(project / "source_notes", root / "source_notes")
    assert make_deck(root, "build", "--no-cache", SOURCE_DATE_EPOCH=FIRST, TZ="Asia/Tokyo", LANG="C").status == 0
    built = (root / "output" / "asyncio.apkg").read_bytes()
    assert built == (project / "output" / "asyncio.apkg").read_bytes()
