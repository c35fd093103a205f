"""No false alarms: hundreds of correct programs of every kind, and nothing is found in any of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from decks import deck_of
from packaging.version import Version

from generator.diagnostics import as_text
from generator.notes import Deck, Note, Verdict
from generator.verify import Options, verify_deck
from generator.verify.findings import OUT_OF_RANGE

pytestmark = pytest.mark.sandbox  # a partial sandbox refuses sockets, which many of the programs need
GOOD = Path(__file__).parent / "good"
STRESSED = {
    "Cancelling",
    "Streams and sockets",
    "Processes",
    "Threads",
    "Threads that wait",
}  # topics that load may upset
ROUNDS = 3
LONE_ATTEMPTS = 3


@pytest.fixture(scope="module")
def deck() -> Deck:
    return deck_of(GOOD)


def in_range(note: Note) -> bool:
    return note.python.contains(Version(".".join(map(str, sys.version_info[:3]))), prereleases=True)


def assert_all_verified(deck: Deck, options: Options, selected: set[str], runner: str = "fork") -> None:
    """Nothing is found, and every selected note in this Python's range is verified."""
    verification, diagnostics = verify_deck(deck, options, selected)
    found = [as_text(item) for item in diagnostics if item.code != OUT_OF_RANGE.code]
    assert found == []
    expected = {
        note.id: Verdict.VERIFIED if in_range(note) else Verdict.OUT_OF_RANGE
        for note in deck.notes
        if note.id in selected and note.programs
    }
    assert verification.verdicts == expected
    assert verification.runner == runner


def test_there_are_many_programs_of_many_kinds(deck: Deck) -> None:
    """The folder holds what it is meant to hold: a parser that lost notes would make the other tests empty."""
    assert sum(len(note.programs) for note in deck.notes) >= 300
    assert len(deck.files) >= 11


def test_nothing_is_found_in_correct_programs(deck: Deck) -> None:
    """Each of them is verified without a word."""
    assert_all_verified(deck, Options(cache=False), {note.id for note in deck.notes})


def test_nothing_is_found_in_fresh_interpreters(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where each program has an interpreter of its own: every third one of them, for it is slow."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", "spawn")
    assert_all_verified(deck, Options(cache=False), {note.id for note in list(deck.notes)[::3]}, "spawn")


def test_nothing_is_found_on_the_real_clock(deck: Deck) -> None:
    """The same programs are correct in real time; those that sleep for seconds are left out.

    A program that prints how long it took is at the mercy of a busy machine there, so what was not verified runs
    again, alone: what is found each time is no accident of time.
    """
    left = {note.id for note in deck.notes if "long" not in note.tags and note.programs and in_range(note)}
    for jobs in (4, *[1] * LONE_ATTEMPTS):
        verification, problems = verify_deck(deck, Options(cache=False, real_clock=True, jobs=jobs), left)
        left -= {name for name, verdict in verification.verdicts.items() if verdict is Verdict.VERIFIED}
    assert not left, [as_text(item) for item in problems]


def test_nothing_is_found_under_load(deck: Deck) -> None:
    """More programs at once than there are cores, some rounds of them: threads, sockets and processes keep in step."""
    stressed = {note.id for file in deck.files if file.title in STRESSED for note in file.notes}
    assert len(stressed) > 80
    for _ in range(ROUNDS):
        assert_all_verified(deck, Options(cache=False, jobs=8), stressed)
