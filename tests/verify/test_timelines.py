"""A run as text: what the tasks of a program do, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from decks import deck_of

from generator.verify import Options, verify_deck
from generator.verify.rewrite import applied

TIMELINES = Path(__file__).parent / "timelines"


@pytest.mark.parametrize("real", [False, True])
def test_timelines_are_as_told(real: bool) -> None:
    """The runs are what the notes show; on a real clock, whose times differ, they are not compared."""
    assert verify_deck(deck_of(TIMELINES), Options(cache=False, real_clock=real))[1] == []


def test_a_wrong_timeline_is_found_and_can_be_written(tmp_path: Path) -> None:
    """Another time is an error, and the rewrite restores the right one."""
    text = (TIMELINES / "01-a.md").read_text(encoding="utf-8")
    (tmp_path / "01-a.md").write_text(
        text.replace("job 2: 0 sleep, 100 end", "job 2: 0 sleep, 90 end"), encoding="utf-8"
    )
    (tmp_path / "deck.yaml").write_bytes((TIMELINES / "deck.yaml").read_bytes())
    deck = deck_of(tmp_path)
    verification, problems = verify_deck(deck, Options(cache=False))
    assert [(item.finding, item.note) for item in problems] == [("wrong-output", "gather")]
    assert applied(deck.files[0].source.text, verification.rewrites) == text
