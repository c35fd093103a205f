"""The export, later imports: a real Anki takes what changed, touches nothing else, and keeps every schedule."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from anki_real import ImportLog, Learner
from hypothesis import given
from hypothesis import strategies as st
from sample_decks import (
    BASIC,
    IDS,
    LATER,
    NOW,
    basic,
    build,
    change,
    cloze,
    deck,
    edit,
    sample,
)

from generator import export
from generator.export.times import STEP, positions
from generator.package import read_package

# --- later imports ---------------------------------------------------------------------------------------------------


def test_a_later_build_updates_exactly_what_changed(tmp_path: Path) -> None:
    """An edited answer, a reworded question and a new tag arrive; no other note is touched; schedules are kept."""
    first = sample()
    second = change(
        first,
        create_task=edit(first.notes[0], Answer="<p>better</p>"),
        both_ways=edit(first.notes[2], Question="<p>reworded</p>"),
        dict=edit(first.notes[4], tags=["deep", "new-tag"]),
    )
    old = build(first)
    new = build(second, read_package(old), LATER)
    with Learner(tmp_path / "a") as learner:
        learner.import_package(old)
        for key in ("create-task", "loop-picture", "dict"):
            learner.answer(key)
        learner.col.sched.suspend_cards([learner.cards("both-ways")[1].id])
        learner.col.set_user_flag_for_cards(3, [learner.cards("gaps")[2].id])
        schedules = {key: learner.schedule(key) for key in IDS}
        stamps = learner.stamps()

        assert learner.import_package(new) == ImportLog(
            updated=["both-ways", "create-task", "dict"], duplicate=["gaps", "loop-picture"]
        )

        assert {key: learner.schedule(key) for key in IDS} == schedules
        assert schedules["create-task"][0][-1] == 1
        assert {key for key, stamp in learner.stamps().items() if stamp != stamps[key]} == {
            "both-ways",
            "create-task",
            "dict",
        }
        assert learner.note("create-task")["Answer"] == "<p>better</p>"
        assert learner.note("both-ways")["Question"] == "<p>reworded</p>"
        assert learner.note("dict").tags == ["deep", "new-tag"]
        report = learner.report()
        assert (report.notes, report.cards, report.problems, report.empty_cards) == (5, 8, [], [])


def test_a_learners_edit_and_tag_on_an_untouched_note_stay(tmp_path: Path) -> None:
    """What a learner writes into a note that the author left alone survives every later build."""
    first = sample()
    old = build(first)
    new = build(change(first, gaps=edit(first.notes[3], Back="<p>more</p>")), read_package(old), LATER)
    with Learner(tmp_path / "a") as learner:
        learner.import_package(old)
        note = learner.note("create-task")
        note["Answer"] = "mine"
        note.tags = [*note.tags, "hard"]
        learner.col.update_note(note)
        assert learner.import_package(new).updated == ["gaps"]
        assert learner.note("create-task")["Answer"] == "mine"
        assert learner.note("create-task").tags == ["asyncio", "hard"]


def test_the_same_package_again_changes_nothing(tmp_path: Path) -> None:
    """Importing a package twice, or an unchanged deck built a day later, updates nothing."""
    data = build(sample())
    with Learner(tmp_path / "a") as learner:
        learner.import_package(data)
        stamps = learner.stamps()
        assert learner.import_package(data) == ImportLog(duplicate=IDS)
        assert learner.import_package(build(sample(), read_package(data), LATER)) == ImportLog(duplicate=IDS)
        assert learner.stamps() == stamps
        assert learner.report().notetypes == {"Root Basic", "Root Cloze"}


def test_two_changes_within_one_second_are_both_delivered(tmp_path: Path) -> None:
    """Anki's grain is a second: a change in the same second, or with a clock set back, still gets a newer time."""
    first = deck(basic("x", answer="one"))
    with Learner(tmp_path / "a") as learner:
        data = build(first)
        learner.import_package(data)
        for answer, now in (("two", NOW), ("three", NOW), ("four", NOW - 500)):
            data = build(deck(basic("x", answer=answer)), read_package(data), now)
            assert learner.import_package(data).updated == ["x"]
            assert learner.note("x")["Answer"] == answer


def test_style_and_templates_are_delivered_and_touch_no_note(tmp_path: Path) -> None:
    """New CSS and template HTML arrive in both note types; no note counts as updated, no note type is added."""
    first = sample()
    forward = replace(BASIC[0], front="<b>{{Question}}</b>")
    second = replace(first, css=".card { color: blue }", basic=(forward, BASIC[1]))
    old = build(first)
    with Learner(tmp_path / "a") as learner:
        learner.import_package(old)
        stamps = learner.stamps()
        assert learner.import_package(build(second, read_package(old), LATER)) == ImportLog(duplicate=IDS)
        assert learner.stamps() == stamps
        assert learner.report().notetypes == {"Root Basic", "Root Cloze"}
        for key in ("create-task", "gaps"):
            assert learner.note(key).note_type()["css"] == ".card { color: blue }"  # type: ignore[index]
        assert learner.note("create-task").note_type()["tmpls"][0]["qfmt"] == "<b>{{Question}}</b>"  # type: ignore[index]


def test_a_learners_style_stays_while_ours_does_not_change(tmp_path: Path) -> None:
    """A note type keeps its time while its style does: a learner's own CSS is not overwritten by the next build."""
    first = sample()
    old = build(first)
    with Learner(tmp_path / "a") as learner:
        learner.import_package(old)
        notetype = learner.note("gaps").note_type()
        assert notetype is not None
        notetype["css"] = "mine"
        learner.col.models.update_dict(notetype)
        later = int(time.time()) + 3600  # later than the learner's own change, which Anki stamps with today
        learner.import_package(build(change(first, gaps=edit(first.notes[3], Back="x")), read_package(old), later))
        assert learner.note("gaps").note_type()["css"] == "mine"  # type: ignore[index]
        assert learner.note("gaps")["Back"] == "x"


def test_new_notes_and_cards_join_a_deck_in_use(tmp_path: Path) -> None:
    """A note put between two others queues between them; a new deletion and `reversed` add cards, and no note type."""
    first = deck(basic("a"), basic("b"), cloze("c", "{{c1::x}} y"))
    old = build(first)
    second = deck(
        basic("a", reverse=True), basic("n"), basic("b"), cloze("c", "{{c1::x}} {{c2::y}}", [1, 2]), basic("z")
    )
    with Learner(tmp_path / "a") as learner:
        learner.import_package(old)
        learner.answer("a")
        kept = learner.schedule("a")[0]
        log = learner.import_package(build(second, read_package(old), LATER))
        assert log == ImportLog(new=["n", "z"], updated=["a", "c"], duplicate=["b"])
        assert learner.schedule("a")[0] == kept
        assert [len(learner.cards(key)) for key in ("a", "b", "c", "n", "z")] == [2, 1, 2, 1, 1]
        assert [learner.cards(key)[0].due for key in ("n", "b", "c", "z")] == [1500, 2000, 3000, 4000]
        assert learner.report().problems == []


# --- times and positions ---------------------------------------------------------------------------------------------


def test_times_follow_content_alone() -> None:
    """Equal content keeps its time even where the HTML differs; what was changed and changed back is newer again."""
    first = deck(basic("x", answer="one"), basic("y"))
    x, y = (rendered.note.guid for rendered in first.notes)
    previous = read_package(build(first))
    rerendered = replace(first.notes[0], fields=basic("x", answer="<span>one</span>").fields)
    assert export.times(deck(rerendered, first.notes[1]), previous, LATER).notes == {x: NOW, y: NOW}
    changed = read_package(build(deck(basic("x", answer="two"), basic("y")), previous, LATER))
    assert export.times(first, changed, LATER + 5).notes == {x: LATER + 5, y: NOW}


def test_a_package_of_somebody_else_is_older_than_ours() -> None:
    """Where our hashes are gone (Anki exported the notes), every note and note type counts as changed."""
    first = sample()
    ours = read_package(build(first))
    foreign = replace(
        ours,
        notes=tuple(replace(note, content=None, due=77) for note in ours.notes),
        notetypes=tuple(replace(notetype, digest=None) for notetype in ours.notetypes),
    )
    times = export.times(first, foreign, NOW)
    assert set(times.notes.values()) == set(times.notetypes.values()) == {NOW + 1}
    assert sorted(times.due.values()) == [STEP * number for number in range(1, 6)]


@pytest.mark.parametrize(
    ("order", "previous", "expected"),
    [
        ("abc", {}, [1000, 2000, 3000]),
        ("abc", {"a": 1000, "b": 2000, "c": 3000}, [1000, 2000, 3000]),
        ("axbc", {"a": 1000, "b": 2000, "c": 3000}, [1000, 1500, 2000, 3000]),
        ("xyab", {"a": 1000, "b": 2000}, [333, 666, 1000, 2000]),
        ("abx", {"a": 1000, "b": 2000}, [1000, 2000, 3000]),
        ("cab", {"a": 1000, "b": 2000, "c": 3000}, [500, 1000, 2000]),
        ("bca", {"a": 1000, "b": 2000, "c": 3000}, [2000, 3000, 4000]),
        ("axb", {"a": 1, "b": 2}, [1000, 2000, 3000]),
        ("ab", {"a": 5, "b": 5}, [2, 5]),
        ("ab", {"a": 2**31 - 1}, [1000, 2000]),
        ("a", {"a": -3}, [1000]),
        ("aa", {}, [1000]),
        ("", {"a": 1}, []),
    ],
)
def test_positions(order: str, previous: dict[str, int], expected: list[int]) -> None:
    """Notes keep their places; new and moved ones take the middle; without room all are numbered anew."""
    assert list(positions(order, previous).values()) == expected


@given(st.lists(st.sampled_from("abcdefghij")), st.dictionaries(st.sampled_from("abcdefghij"), st.integers(-5, 99)))
def test_positions_always_ascend(order: list[str], previous: dict[str, int]) -> None:
    """Whatever the places before, the new ones are positive, cover all notes once and ascend in study order."""
    placed = positions(order, previous)
    values = list(placed.values())
    assert list(placed) == list(dict.fromkeys(order))
    assert values == sorted(set(values))
    assert all(0 < value < 2**31 for value in values)
