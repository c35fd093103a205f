"""`make-deck init`: a deck of one's own, in an empty folder or beside others, and nothing overwritten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from projects import make_deck, write_project

from generator.scaffold import deck_name, folder_name


@pytest.mark.parametrize(
    "name", ["deck", "My Deck", "日本語", "Ünï", "a::b", 'q"uote', "C++", "con", "---", "x" * 120, "trailing.", "🂡"]
)
def test_init_makes_a_deck_that_builds(tmp_path: Path, name: str) -> None:
    """In an empty folder of any name, without a question; every snippet of the first notes is verified."""
    place = tmp_path / name
    place.mkdir()
    started = make_deck(place, "init")
    assert started.status == 0, started.err
    assert len(started.out.splitlines()) == 2
    run = make_deck(place)
    assert run.status == 0, run.out + run.err
    assert "2 notes, 2 cards; 2 of 2 snippets verified" in run.out
    assert len(list((place / "output").glob("*.apkg"))) == 1


@pytest.mark.parametrize(
    ("folder", "name", "slug"),
    [
        ("asyncio", "asyncio", "asyncio"),
        ("My  Deck", "My Deck", "my-deck"),
        ("a::b", "a:b", "a-b"),
        ('q"uote', "q uote", "q-uote"),
        ("con", "con", "con-deck"),
        ("---", "---", "deck"),
        ("", "My deck", "my-deck"),
        ("U\u0308", "Ü", "ü"),
        ("x\u202e\udcffy", "x y", "x-y"),
    ],
)
def test_names_for_a_new_deck(folder: str, name: str, slug: str) -> None:
    """A folder's name becomes a name that Anki keeps as it is, and a folder name that every system takes."""
    assert (deck_name(folder), folder_name(deck_name(folder))) == (name, slug)


def test_init_makes_a_folder_and_no_two_decks_are_alike(tmp_path: Path) -> None:
    """`init FOLDER` makes the folder; the namespaces of two decks differ, so that Anki mixes nothing up."""
    namespaces = set()
    for name in ("a", "b"):
        assert make_deck(tmp_path, "init", name).status == 0
        namespaces.add(
            re.findall("^namespace: .*", (tmp_path / name / "source_notes" / name / "deck.yaml").read_text(), re.M)[0]
        )
    assert len(namespaces) == 2


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """Where a deck is, exit 2 and every byte stays."""
    folder = write_project(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    run = make_deck(tmp_path, "init")
    assert (run.status, "there is a deck already" in run.err) == (2, True)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert list((tmp_path / "source_notes").iterdir()) == [folder]


def test_init_of_another_deck(tmp_path: Path) -> None:
    """A folder named in source_notes/ becomes a deck beside the one that is there; the way to it is told."""
    write_project(tmp_path)
    assert "`make-deck init source_notes/NAME` starts another one" in make_deck(tmp_path, "init").err
    assert "a deck already, source_notes/deck" in make_deck(tmp_path, "init", "source_notes").err
    assert make_deck(tmp_path, "init", "source_notes/Two words").status == 0
    assert make_deck(tmp_path, "init", "source_notes/Two words").status == 2
    assert make_deck(tmp_path).status == 0
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["Two words.apkg", "deck.apkg"]


def test_init_gives_notes_the_deck_yaml_that_they_lack(tmp_path: Path) -> None:
    """Nothing else is written beside them, in a folder that is named or in that of the project's name."""
    project = tmp_path / "project"
    folders = [write_project(project, name=name) for name in ("deck", "project")]
    for folder in folders:
        (folder / "deck.yaml").unlink()
    assert "D001" in make_deck(project, "check").out
    assert make_deck(project, "init").status == 0
    assert make_deck(project, "init", "source_notes/deck").status == 0
    assert make_deck(project, "check").status == 0
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == ["deck.yaml", "first.md"]


def test_init_can_be_quiet(tmp_path: Path) -> None:
    """With --quiet it says nothing where nothing is wrong."""
    run = make_deck(tmp_path, "init", "-q", "x")
    assert (run.status, run.out, run.err) == (0, "", "")
