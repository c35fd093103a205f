"""The export, first import: a real Anki holds what was given, and what it would lose is an error before."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from anki.collection import Collection
from anki_real import ImportLog, Learner, Report
from sample_decks import (
    BASIC,
    IDS,
    LATER,
    NOW,
    basic,
    build,
    cloze,
    content_of,
    deck,
    edit,
    faults,
    media,
    sample,
)

from generator import export
from generator.export.cards import card_numbers, cloze_numbers
from generator.export.times import STEP
from generator.notes import MediaFile, NoteTemplate, RenderedNote
from generator.package import read_package

# --- a first import --------------------------------------------------------------------------------------------------


def test_anki_holds_exactly_what_was_given(tmp_path: Path) -> None:
    """Notes, cards, sub-decks, tags and note types arrive in full, and none of Anki's checks finds a fault."""
    with Learner(tmp_path / "a") as learner:
        assert learner.import_package(build(sample())) == ImportLog(new=IDS)
        assert learner.report() == Report(
            notes=5,
            cards=8,
            decks=frozenset({"Root", "Root::01 Tasks", "Root::02 Deep", "Root::02 Deep::Inside"}),
            tags=frozenset({"asyncio", "loop", "tasks::group", "deep"}),
            notetypes=frozenset({"Root Basic", "Root Cloze"}),
        )
        assert {key: len(learner.cards(key)) for key in IDS} == {
            "both-ways": 2,
            "create-task": 1,
            "dict": 1,
            "gaps": 3,
            "loop-picture": 1,
        }
        assert dict(learner.note("create-task").items()) == dict(sample().notes[0].fields)
        assert learner.note("dict").cards()[0].did == learner.deck_id("Root::02 Deep::Inside")
        root = learner.col.decks.get(learner.deck_id("Root"))  # type: ignore[arg-type]
        assert root is not None
        assert root["desc"] == '<div style="white-space: normal"><p>All about it</p></div>'
        assert (learner.folder / "collection.media" / "loop-0f3a9c2b.png").read_bytes() == b"content of loop.png"


def test_a_deck_without_a_description_gets_none(tmp_path: Path) -> None:
    """An empty one does not replace a description that the learner wrote; markup around nothing would."""
    deck = replace(sample(), description="")
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(deck))
        root = learner.col.decks.get(learner.deck_id("Root"))  # type: ignore[arg-type]
        assert root is not None
        assert root["desc"] == ""
        root["desc"] = "mine"
        learner.col.decks.save(root)
        learner.import_package(build(deck, now=LATER))
        again = learner.col.decks.get(learner.deck_id("Root"))  # type: ignore[arg-type]
        assert again is not None
        assert again["desc"] == "mine"


def test_the_key_field_is_folded_and_protected(tmp_path: Path) -> None:
    """A learner's editor folds what is ours and lets no field be deleted; the id stays searchable."""
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(sample()))
        fields = {field["name"]: field for field in learner.note("gaps").note_type()["flds"]}  # type: ignore[index]
        assert all(field["preventDeletion"] for field in fields.values())
        assert {name for name, field in fields.items() if not field["collapsed"]} == {"Text", "Back", "Extra"}
        assert not fields["Id"]["excludeFromSearch"]
        assert fields["Spare1"]["excludeFromSearch"]
        assert len(learner.col.find_notes("gaps")) == 1
        assert learner.col.find_notes("coroutine")
        assert learner.col.db is not None
        in_browser = learner.col.db.list("SELECT sfld FROM notes")
        assert {"How is a task made?", "TaskGroup"} <= set(in_browser)


def test_new_cards_come_in_study_order(tmp_path: Path) -> None:
    """The order of new cards is the order of the notes, in steps of 1,000, over all sub-decks."""
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(sample()))
        due = {key: {card.due for card in learner.cards(key)} for key in IDS}
        assert due == {
            "create-task": {STEP},
            "loop-picture": {2 * STEP},
            "both-ways": {3 * STEP},
            "gaps": {4 * STEP},
            "dict": {5 * STEP},
        }


def test_ids_are_ours_positive_and_fit_javascript() -> None:
    """Every id of note types, fields, templates and decks lies in 1 to 2**53 - 1, and no two are equal."""
    text = str(_rows(build(sample()), "SELECT models, decks FROM col")[0])
    ids = [int(number) for number in re.findall(r'"id": (\d+)', text)]
    assert len(ids) == 2 + (14 + 2) + (12 + 1) + (1 + 3)
    assert len(set(ids)) == len(ids)
    assert all(0 < number < 2**53 for number in ids)


def test_the_fields_that_a_template_needs_are_those_that_anki_finds(tmp_path: Path) -> None:
    """The list `req` of our note types equals the one that Anki computes and writes for older programs."""
    templates = (*BASIC, NoteTemplate("Two", "{{#Question}}{{Answer}}{{/Question}}", "x"))
    first = basic("x")
    data = build(
        replace(
            sample(),
            basic=templates,
            notes=(replace(first, note=replace(first.note, reversed=True)), *sample().notes[3:]),
        )
    )
    with Learner(tmp_path / "a") as learner:
        learner.import_package(data)
        back = learner.export_package(legacy=True, deck="Root")
    ours, theirs = (
        {key: model["req"] for key, model in json.loads(str(_rows(item, "SELECT models FROM col")[0][0])).items()}
        for item in (data, back)
    )
    assert ours == {key: theirs[key] for key in ours}
    assert len(ours) == 2


def test_tags_count_in_a_condition_on_them() -> None:
    """A front that shows something only for a tagged note makes a card for that note, and none without a tag."""
    front = NoteTemplate("Forward", "{{#Tags}}{{Question}}{{/Tags}}", "")
    assert read_package(build(replace(deck(basic("x")), basic=(front,)))).notes[0].deck == "Root::01 Tasks"
    assert [item.code for item in faults(replace(deck(basic("x", tags=[])), basic=(front,)))] == ["D100"]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "{{c1::x}} {{c2:: }}",
        "{{c1::x}} {{c2::}}",
        "{{c1::x}} {{c2::a {{c3::b}}",
        "{{c1::a {{c2::b}} c}}",
        "{{c1,2::x}} {{c,4::y}}",
        "{{c0::x}} {{c03::y}}",
        "{{C1::x}} {{ c2::y}} {{c3:z}}",
        "{{{c1::a}}} {{{{c2::b}}",
        "{{c1::a}b}} }} {{c2::a}}}",
        "{{c499::a}} {{c500::b}} {{c501::c}} {{c60000::d}}",
        "{{c99999999999::a}} {{c1::b}}",
        "{{c65535::a}} {{c65536::b}} {{c0000001::c}}",
        "{{c70000::a {{c1::b}} c}} {{c2,99999::d}}",
        "{{c٢::a}} {{c1::b}}",
        "<!-- {{c1::a}} --> \\( {{c2::b}} \\)",
        "{{c1::two<br>\nlines}}",
    ],
)
def test_cloze_cards_are_counted_as_anki_counts(text: str, tmp_path: Path) -> None:
    """For any text the numbers of the cards are those that Anki itself makes from it."""
    col = Collection(str(tmp_path / "c.anki2"))
    note = col.new_note(col.models.by_name("Cloze"))  # type: ignore[arg-type]
    note["Text"] = text
    col.add_note(note, 1)  # type: ignore[arg-type]
    made = {card.ord for card in note.cards()}
    col.close()
    ours = card_numbers((NoteTemplate("C", "{{cloze:Text}}", ""),), {"Text": text}, cloze=True)
    assert ours == made or (not ours and not cloze_numbers(text) and made == {0})  # Anki never leaves a note cardless


FRONTS = (
    "{{A}}",
    "{{B}}",
    "{{text:A}}",
    "{{ hint:text:A }}",
    "{{^B}}{{A}}{{/B}}",
    "{{#A}}{{^B}}{{A}}{{/B}}{{/A}}",
    "{{#A}}text, but no field{{/A}}",
    "<!-- {{A}} -->{{B}}",
    "{{Tags}}{{Deck}}{{#B}}{{A}}{{/B}}",
    "{{#Tags}}{{A}}{{/Tags}}",
    "{{Tags}}{{#B}}{{A}}{{/B}}",
    "{{text:CardFlag}}",
    "{{FrontSide}}{{A}}",
)
VALUES = (
    "",
    "x",
    "<br>",
    " <div/>\n",
    "<BR />",
    "<div></div>",
    "&nbsp;",
    "\xa0",
    "<img src=x>",
    "<b></b>",
    "0",
    "\u200b",
)


def test_front_and_back_cards_are_counted_as_anki_counts(tmp_path: Path) -> None:
    """Conditions, filters, comments and fields that only look filled: the cards are those that Anki makes."""
    col = Collection(str(tmp_path / "c.anki2"))
    notetype = col.models.new("T")
    for name in ("A", "B"):
        col.models.add_field(notetype, col.models.new_field(name))
    for front in FRONTS:
        col.models.add_template(notetype, {**col.models.new_template(front), "qfmt": front, "afmt": "{{A}}"})
    col.models.add(notetype)
    templates = [NoteTemplate(front, front, "") for front in FRONTS]
    differences = {}
    for a, b, tags in itertools.product(VALUES, VALUES, ([], ["t"])):
        note = col.new_note(col.models.by_name("T"))  # type: ignore[arg-type]
        note["A"], note["B"] = a, b
        note.tags = tags
        col.add_note(note, 1)  # type: ignore[arg-type]
        made = {card.ord for card in note.cards()}
        ours = card_numbers(templates, {"A": a, "B": b, "Tags": " ".join(tags)}, cloze=False)
        if (ours or {0}) != made:  # Anki leaves no note without a card, if an empty one
            differences[a, b] = [FRONTS[number] for number in sorted(ours ^ made)]
    col.close()
    assert differences == {}


def test_a_deck_neither_restyles_nor_merges_another(tmp_path: Path) -> None:
    """Two decks with equal note ids in two namespaces share no note and no note type."""
    first = deck(basic("x"), cloze("y", "{{c1::a}}"), css=".card { color: red }")
    second = deck(
        basic("x", namespace="other", topic="Other::01 A"),
        cloze("y", "{{c1::b}}", namespace="other", topic="Other::01 A"),
        name="Other",
        namespace="other",
        css=".card { color: green }",
    )
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(first))
        assert learner.import_package(build(second, now=LATER)) == ImportLog(new=["x", "y"])
        report = learner.report()
        assert (report.notes, report.cards, report.problems) == (4, 4, [])
        css = {entry["name"]: entry["css"] for entry in learner.col.models.all() if "Root" in entry["name"]}
        assert css == dict.fromkeys(("Root Basic", "Root Cloze"), ".card { color: red }")


def test_decks_whose_ids_meet_live_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the running numbers of two packages meet, Anki renumbers, and loses nothing, now or later."""
    monkeypatch.setattr("generator.export.collection._first_id", lambda namespace: 1_500_000_000_000)
    first = deck(*(basic(f"a{number}") for number in range(30)))
    others = [basic(f"b{number}", namespace="o", topic="Other") for number in range(30)]
    second = deck(*others, name="Other", namespace="o")
    data = build(second)
    grown = replace(second, notes=(*(basic(f"c{n}", namespace="o", topic="Other") for n in range(5)), *second.notes))
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(first))
        learner.import_package(data)
        log = learner.import_package(build(grown, read_package(data), LATER))
        assert (len(log.new), log.updated, log.refused) == (5, [], [])
        report = learner.report()
        assert (report.notes, report.cards, report.problems) == (65, 65, [])


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notes", "code", "named"),
    [
        ([cloze("x", "no marks", [])], "D100", "no cloze deletion"),
        ([cloze("x", "{{c1::a", [1])], "D100", "no cloze deletion"),
        ([cloze("x", "{{c1::a}} {{c2::b", [1, 2])], "D100", "c1, but the note marks c1, c2"),
        ([cloze("x", "{{c1::a}} {{c501::b}}", [1, 501])], "D100", "c1, c500"),
        ([basic("x", "<br>")], "D108", "shows nothing"),
        ([basic("x", "<p> &nbsp;\n</p><!-- -->")], "D108", "shows nothing"),
        ([cloze("x", "", [])], "D108", "shows nothing"),
        ([basic("x", answer=" ", reverse=True)], "D100", "1 cards from this note, not 2"),
        ([edit(basic("x"), Reverse="y")], "D100", "2 cards from this note, not 1"),
        ([basic("x"), basic("x")], "D101", "'x' and 'x'"),
        ([basic("x"), edit(basic("y"), Id="x")], "D101", "'x' and 'y'"),
        ([edit(basic("x"), Id="<br>")], "D102", "Id"),
        ([basic("x", answer="a\x1fb")], "D103", "U+001F"),
        ([basic("x", answer="a\0b")], "D103", "U+0000"),
        ([basic("x", answer="a\ud800b")], "D103", "U+D800"),
        ([basic("x", tags=["a b"])], "D104", "'a b'"),
        ([basic("x", tags=["a\tb"])], "D104", "'a\\tb'"),
        ([basic("x", tags=["a\u3000b"])], "D104", "u3000"),
        ([basic("x", tags=["a::"])], "D104", "blank"),
        ([basic("x", tags=["::a"])], "D104", "blank"),
        ([basic("x", tags=[""])], "D104", "empty"),
        ([basic("x", tags=["Leech"])], "D104", "Leech"),
        ([basic("x", tags=["marked"])], "D104", "marked"),
        ([basic("x", tags=["a\x7f"])], "D104", "control"),
        ([basic("x", tags=["e\u0301"])], "D104", "combining"),
        ([basic("x", tags=["loop"]), basic("y", tags=["Loop"])], "D105", "'Loop' is also written 'loop'"),
        ([basic("x", tags=["a::b", "A::c"])], "D105", "'A::c' is also written 'a::c'"),
        ([basic("x", topic="Root::")], "D106", "'Root::'"),
        ([basic("x", topic="Root:: Tasks")], "D106", "blanks"),
        ([basic("x", topic="Root::a\tb")], "D106", "control"),
        ([basic("x", topic="Root::e\u0301")], "D106", "combining"),
        ([basic("x", topic="Root::a"), basic("y", topic="ROOT::a")], "D107", "ROOT"),
    ],
)
def test_what_anki_would_lose_or_alter_is_an_error(notes: list[RenderedNote], code: str, named: str) -> None:
    """Each fault is one diagnostic at the last note's heading, it names what offends, and nothing is built."""
    (found,) = faults(deck(*notes))
    assert found.code == code
    assert named in found.message
    assert found.hint
    assert found.note == notes[-1].note.id
    assert found.span == notes[-1].note.heading
    assert found.related == ((notes[0].note.heading,) if code == "D101" else ())


@pytest.mark.parametrize(
    "tag", ["a", "a-b_c.d:e", "a::b::c", "ünïcode", "日本", "a/b", "c++", "#1", 'q"q', "3.13", "a*b", "\u200d"]
)
def test_tags_that_pass_arrive_unaltered(tag: str, tmp_path: Path) -> None:
    """Every tag that is let through is in Anki letter for letter."""
    with Learner(tmp_path / "a") as learner:
        learner.import_package(build(deck(basic("x", tags=[tag]))))
        assert learner.note("x").tags == [tag]


@pytest.mark.parametrize("name", ["A", "A::B", 'A "q" <b>', "Ä::日本 c++", "A::1. b/c", "*", "a_b%", "A::" + "x" * 200])
def test_deck_names_that_pass_arrive_unaltered(name: str, tmp_path: Path) -> None:
    """Every deck name that is let through is in Anki letter for letter, and the next build finds it again."""
    first = deck(basic("x", topic=name), name=name)
    data = build(first)
    with Learner(tmp_path / "a") as learner:
        learner.import_package(data)
        decks = learner.report().decks
        assert name in decks
        assert learner.cards("x")[0].did == learner.deck_id(name)
        grown = deck(*first.notes, basic("y", topic=name), name=name)
        learner.import_package(build(grown, read_package(data), LATER))
        assert learner.report().decks == decks


@pytest.mark.parametrize("question", ["<p>0</p>", '<img src="x">', "<p>&lt;</p>", "a < b", "<svg></svg>", "<imgx>y"])
def test_a_question_that_shows_anything_passes(question: str) -> None:
    """Text, a picture or a drawing is enough."""
    assert build(deck(basic("x", question)))


def test_all_faults_come_at_once_and_in_order() -> None:
    """One run tells of every fault, sorted by place."""
    found = faults(deck(basic("b", tags=["a b", ""]), cloze("a", "none", [])))
    assert [(item.span.file.rpartition("/")[2], item.code) for item in found] == [
        ("a.md", "D100"),
        ("b.md", "D104"),
        ("b.md", "D104"),
    ]


def test_media_faults() -> None:
    """Media that is missing, empty, ill-named, or two files under one name is an error at the note that uses it."""
    missing, empty = media("gone.png", "gone-1.png"), media("empty.png", "empty-1.png")
    twin, other = media("a/x.png", "x-1.png"), media("b/x.png", "x-1.png")
    upper = media("X.png", "X-1.png")
    odd = [media(f"odd{n}", name) for n, name in enumerate(["../x.png", "a[b].png", "con.png", "é" * 80, "x.png "])]

    def read(file: MediaFile) -> bytes:
        if file is missing:
            raise FileNotFoundError(2, "No such file or directory")
        return b"" if file is empty else content_of(file)

    files = [missing, empty, twin, other, upper, *odd]
    notes = [basic(f"n{number:02}", media=[file]) for number, file in enumerate(files)]
    rendered = deck(*notes, basic("n99", media=files))
    data, found = export.build_package(rendered, export.times(rendered, None, NOW), read)
    assert data == b""
    assert [(item.note, item.code) for item in found] == [
        ("n00", "D110"),
        ("n01", "D111"),
        ("n03", "D113"),
        ("n04", "D113"),
        *((f"n{number:02}", "D112") for number in range(5, 10)),
    ]
    assert "'gone.png'" in found[0].message
    assert "'a/x.png' and 'b/x.png'" in found[2].message


def test_media_files_stand_in_the_order_of_their_names() -> None:
    """The order in which notes name their pictures does not matter to the archive."""
    files = [media(name, name) for name in ("c.png", "a.png", "b.png")]
    archive = zipfile.ZipFile(BytesIO(build(deck(basic("x", media=files)))))
    assert json.loads(archive.read("media")) == {"0": "a.png", "1": "b.png", "2": "c.png"}
    assert [archive.read(number) for number in "012"] == [
        b"content of " + name for name in (b"a.png", b"b.png", b"c.png")
    ]


def test_two_names_of_one_content_are_packed_once(tmp_path: Path) -> None:
    """Equal files share their name in the package, and the media check is clean."""
    one, two = media("one.png", "p-1.png"), media("two.png", "p-1.png")
    notes = [basic(key, '<img src="p-1.png">', media=[file]) for key, file in (("a", one), ("b", two))]
    rendered = deck(*notes)
    data, found = export.build_package(rendered, export.times(rendered, None, NOW), lambda file: b"same")
    assert found == []
    assert sorted(zipfile.ZipFile(BytesIO(data)).namelist()) == ["0", "collection.anki2", "media"]
    with Learner(tmp_path / "a") as learner:
        learner.import_package(data)
        report = learner.report()
        assert (report.missing_media, report.unused_media) == ([], [])


def test_notes_of_one_kind_must_have_the_same_fields() -> None:
    """A note type has one list of fields; a deck that breaks this is a fault of ours, told at once."""
    short = replace(basic("y"), fields=basic("y").fields[:3])
    with pytest.raises(ValueError, match="Basic notes have different fields"):
        build(deck(basic("x"), short))


def test_html_that_genanki_takes_for_faulty_passes_quickly() -> None:
    """Bare `<` by the thousand, custom elements and tags over two lines raise no warning (warnings are errors here)."""
    build(deck(basic("x", answer="a < b and c > d <x-foo>\n<img\nsrc=x>" + "<" * 20_000)))


def _rows(data: bytes, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(":memory:")
    archive = zipfile.ZipFile(BytesIO(data))
    connection.deserialize(archive.read(max(name for name in archive.namelist() if name.startswith("collection."))))
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows
