"""The preview shows what Anki shows: every card is compared with the real Anki's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anki_real import Learner
from previewing import KINDS, own_deck, parsed, read_media

from generator import export
from generator.notes import NoteTemplate, RenderedDeck
from generator.preview.faces import cloze, faces, fill

NOW = 1_700_000_000


def with_sounds(html: str, tags: list[object]) -> str:
    """Anki's HTML with `[sound:…]` where Anki puts the number of a sound."""

    def name(number: re.Match[str]) -> str:
        tag: Any = tags[int(number[1])]
        return f"[sound:{tag.filename}]"

    return re.sub(r"\[anki:play:[qa]:(\d+)\]", name, html)


def in_anki(deck: RenderedDeck, folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Front and back of every card by the note's id, after an import into the real Anki."""
    package, found = export.build_package(deck, export.times(deck, None, NOW), read_media)
    assert package, found
    shown = {}
    with Learner(folder / "learner") as learner:
        learner.import_package(package)
        for note in deck.notes:
            outputs = [card.render_output() for card in learner.cards(note.note.id)]
            shown[note.note.id] = [
                (
                    with_sounds(output.question_text, list(output.question_av_tags)),
                    with_sounds(output.answer_text, list(output.answer_av_tags)),
                )
                for output in outputs
            ]
    return shown


def in_preview(deck: RenderedDeck) -> dict[str, list[tuple[str, str]]]:
    return {note.note.id: [(face.front, face.back) for face in faces(deck, note)] for note in deck.notes}


def test_every_kind_of_card_is_as_in_anki(tmp_path: Path) -> None:
    """Character by character: plain, reversed, cloze in prose, code and math, with tags, badges, notices, sounds."""
    deck, _ = parsed(kinds=KINDS)
    shown = in_preview(deck)
    assert [len(cards) for cards in shown.values()] == [1, 2, 3, 2, 1]
    assert shown == in_anki(deck, tmp_path)


def test_every_card_of_our_own_deck_is_as_in_anki(tmp_path: Path) -> None:
    """Character by character."""
    deck = own_deck()
    assert sum(map(len, in_preview(deck).values())) > 100
    assert in_preview(deck) == in_anki(deck, tmp_path)


def test_everything_a_template_may_ask_for_is_as_in_anki(tmp_path: Path) -> None:
    """Conditions, both ways and nested, comments, names of deck and card, tags, and the deletion's number."""
    front = (
        "<!-- {{Question}} --> {{Deck}} {{ Subdeck }} {{Card}} {{Tags}} {{#Tags}}T{{/Tags}}"
        "{{^Extra}}none{{/Extra}}{{#Extra}}some {{^Notice}}still{{/Notice}}{{/Extra}} {{Id}}"
    )
    deck, _ = parsed(kinds=KINDS)
    back = "{{FrontSide}}<hr>{{FrontSide}}{{#Question}}Q{{/Question}}"
    cloze_back = "{{cloze:Text}} {{FrontSide}} {{#c1}}first{{/c1}}{{^c2}}not second{{/c2}}"
    deck = replace(
        deck,
        basic=(NoteTemplate("One", front, back), NoteTemplate("Two", "{{#Reverse}}{{Answer}}{{/Reverse}}", back)),
        cloze=(NoteTemplate("Gaps", front.replace("{{Question}}", "") + "{{cloze:Text}}", cloze_back),),
    )
    assert in_preview(deck) == in_anki(deck, tmp_path)


DELETIONS = {
    "hint": "a {{c1::b::hint}} c",
    "empty hint": "a {{c1::b::}} c",
    "hint with markup": 'a {{c1::b::<b>x</b> "&lt;"}} c',
    "two separators": "a {{c1::b::c::d}} e",
    "three colons": "a {{c1:: b:c:::d}} e",
    "nothing hidden": "a {{c1::}} b",
    "markup hidden": 'a {{c1::<span class="k">é_-ÿ…日</span>\n&amp;nbsp; ~}} b',
    "number of two": "{{c1::a}} {{c2::b}} {{c1::c}}",
    "nested": "{{c1::a {{c2::b}} c::h}} d",
    "of two cards": "{{c1,2::a}} {{c2::b}}",
    "closed twice": "{{c1::a}} b }} c",
    "never closed": "{{c1::a}} b {{c2::c",
    "in a formula": r"\(a &lt; {{c1::<b>b</b> &amp; c}}\) and \[{{c2::d}}\]",
}


@pytest.mark.parametrize("text", DELETIONS.values(), ids=DELETIONS)
def test_odd_deletions_are_as_in_anki(text: str, tmp_path: Path) -> None:
    """What our own notes may not hold Anki still takes in its own way, and so does the preview."""
    with Learner(tmp_path / "learner") as learner:
        kind = learner.col.models.by_name("Cloze")
        assert kind is not None
        note = learner.col.new_note(kind)
        note["Text"] = text
        learner.col.add_note(note, learner.col.decks.id("Default"))  # type: ignore[arg-type]
        for card in note.cards():
            output = card.render_output()
            assert cloze(text, card.ord + 1, answer=False) == output.question_text
            assert cloze(text, card.ord + 1, answer=True) + "<br>\n" == output.answer_text


def test_a_card_without_its_deletion_is_empty() -> None:
    """As in Anki, whatever else the field holds."""
    assert cloze("{{c1::a}} b", 2, answer=False) == ""


@pytest.mark.parametrize("template", ["{{Unknown}}", "{{hint:Question}}", "{{type:cloze:Question}}"])
def test_what_the_preview_does_not_know_is_not_shown_wrong(template: str) -> None:
    """A template that asks for it is a fault of ours, and is told of."""
    with pytest.raises(ValueError, match=re.escape(template)):
        fill(template, {"Question": "x"}, 1, answer=False)
