"""Deletions inside code, each case run, highlighted, imported and rendered by the real Anki.

The cases are notes: below `### Answer` stands what the question of each of their cards shows, a `text` block a card.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from real_cards import Card, Imported, checked, classed, code_blocks, imported, section, strict, taken_in, visible

from generator.notes import Kind, Note, Role, Verdict
from generator.render.highlight import code_element
from generator.render.marks import Marks

CASES = Path(__file__).parent / "cloze_in_code"
NAMES = sorted(line[9:-4] for path in CASES.glob("*.md") for line in path.read_text("utf-8").split("\n") if "-- id: " in line)


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return imported(CASES, tmp_path_factory.mktemp("anki") / "learner")


def note_of(deck: Imported, name: str) -> Note:
    assert deck.checked.deck is not None
    (note,) = (note for note in deck.checked.deck.notes if note.id == name)
    return note


def test_there_are_more_than_twenty_cases_and_all_are_proved(deck: Imported) -> None:
    """Every case is a cloze note whose program the verifier ran and found right, and Anki finds its cards healthy."""
    assert deck.checked.verification is not None
    verdicts = deck.checked.verification.verdicts
    assert len(NAMES) > 30
    assert {name: verdicts[name] for name in NAMES} == dict.fromkeys(NAMES, Verdict.VERIFIED)
    assert {note_of(deck, name).kind for name in NAMES} == {Kind.CLOZE}
    assert deck.report.problems == deck.report.empty_cards == []


@pytest.mark.parametrize("name", NAMES)
def test_each_card_hides_its_own_and_shows_the_rest(deck: Imported, name: str) -> None:
    """Front by front: `[...]` or the hint where it hides, all else to the letter, and a card for each number."""
    note = note_of(deck, name)
    expected = [snippet.code.rstrip("\n") for snippet in note.snippets if snippet.language == "text"]
    assert [face(card.front) for card in deck.cards[name]] == expected
    assert len(expected) == len(note.deletions) == note.cards


@pytest.mark.parametrize("name", NAMES)
def test_each_answer_shows_the_code_that_ran(deck: Imported, name: str) -> None:
    """The back of every card has the very code that was verified, and nothing hidden in it."""
    expected = shown_code(note_of(deck, name))
    for card in deck.cards[name]:
        assert code_blocks(section(card.back, "question")) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_is_hidden_fills_the_gap(deck: Imported, name: str) -> None:
    """With what Anki keeps behind each gap put into its place, the front is the back."""
    for card in deck.cards[name]:
        front = section(card.front, "question")
        for gap in classed(front, "cloze"):
            gap[:] = list(strict(gap.attrib["data-cloze"]))
            gap.text = strict(gap.attrib["data-cloze"]).text
        assert code_blocks(front) == shown_code(note_of(deck, name))


@pytest.mark.parametrize("name", NAMES)
def test_marks_leave_lines_and_highlighting_alone(deck: Imported, name: str) -> None:
    """Every character of the back has the class it has without marks; each line is an element, or in one with others."""
    note = note_of(deck, name)
    plain = [code_element(s.code, s.language, (), Marks(), s.span.source.span) for s in note.snippets if is_question(s)]
    for card in deck.cards[name]:
        blocks = list(section(card.back, "question").iter("pre"))
        assert [list(classes(block)) for block in blocks] == [list(classes(block)) for block in plain]
        for block in [*blocks, *section(card.front, "question").iter("pre")]:
            assert_lines(block)


def test_the_highlighting_is_not_empty(deck: Imported) -> None:
    """What the test above compares tells keywords, strings and comments apart."""
    (block, *_) = section(deck.cards["part-of-a-comment"][0].back, "question").iter("pre")
    assert {css for _, css in classes(block)} >= {"m", "c", "nb", "expect"}


def test_a_look_alike_is_text(deck: Imported) -> None:
    """With `cloze: false`, marks in a string run, and stand on the card, as they are written."""
    (card,) = deck.cards["look-alike"]
    assert code_blocks(card.front) == shown_code(note_of(deck, "look-alike"))
    assert "\n{{c1::not hidden::not a hint}}\n" in visible(card.front)
    assert classed(card.front, "cloze") == []


PIECES = (
    *("async def wörk(n: int) -> dict[str, int]:\n", "    # why?\n", "\n", "    if n < 2 and n > 0:\n"),
    *("        return {'a': {'<b>': n}}\n", '    text = f"{n!r:>{n}} &amp; {{x}}"\n', "    xs = [1, 2][::2]\n"),
    *("\tpass\n", '    """It\'s\n\n    "three" lines."""\n', "print(1)  #> 1\n", "    x = '🐍大' \\\n        'b'\n"),
)


def scattered(random: random.Random) -> tuple[str, str]:
    """A program of random lines, and the same with marks at random places that can be told from the code."""
    code = "".join(random.choices(PIECES, k=5)).strip("\n")
    marked, at, number = "", 0, 0
    while at < len(code) and number < 4:
        start = random.randint(at, min(at + 40, len(code) - 1))
        end = random.randint(start + 1, min(start + 60, len(code)))
        inner = code[start:end]
        if not inner.strip() or "::" in inner or not balanced(inner) or code[end:].startswith("}"):
            at = end
            continue
        number += 1
        marked += code[at:start] + f"{{{{c{number}::{inner}}}}}"
        at = end
    return code, marked + code[at:]


def balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth < 0:
            return False
    return depth == 0
