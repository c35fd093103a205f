"""Deletions inside code, each case run, highlighted, imported and rendered by the real Anki.

The cases are notes: below `### Answer` stands what the question of each of their cards shows, a `text` block a card.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from real_cards import Imported, classed, code_blocks, imported, section, strict, visible

from generator.notes import Kind, Note, Side, Snippet, Verdict
from generator.render.highlight import TOKEN_CLASSES, code_element
from generator.render.marks import Marks

CASES = Path(__file__).parent / "cloze_in_code"
NAMES = sorted(
    line[9:-4] for path in CASES.glob("*.md") for line in path.read_text("utf-8").split("\n") if "-- id: " in line
)


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
    """Each character of the back has the class it has without marks; lines are elements, alone or joined by a gap."""
    note = note_of(deck, name)
    plain = [code_element(s.code, s.language, (), Marks(), s.span.source.span) for s in note.snippets if is_question(s)]
    for card in deck.cards[name]:
        blocks = list(section(card.back, "question").iter("pre"))
        assert [list(classes(block)) for block in blocks] == [list(classes(block)) for block in plain]
        for block in [*blocks, *section(card.front, "question").iter("pre")]:
            assert_lines(block)


def test_the_highlighting_is_not_empty(deck: Imported) -> None:
    """What the test above compares tells keywords, strings and comments apart."""
    (block, *_) = section(deck.cards["part-of-an-f-string"][0].back, "question").iter("pre")
    assert {css for _, css in classes(block)} >= {"m", "s", "si", "nb", "expect"}


def test_a_look_alike_is_text(deck: Imported) -> None:
    """With `cloze: false`, marks in a string run, and stand on the card, as they are written."""
    (card,) = deck.cards["look-alike"]
    assert code_blocks(card.front) == shown_code(note_of(deck, "look-alike"))
    assert "\n{{c1::not hidden::not a hint}}\n" in visible(card.front)
    assert classed(card.front, "cloze") == []


# --- every place at which a program can be cut -----------------------------------------------------------------------

PROGRAM = """\
async def wörk(n: int) -> dict[str, int]:
    # why?

    if n < 2 and n > 0:
\t\treturn {'a': {'<b>': n}}
    text = f"{n!r:>{n}} &amp; {{x}}"
    \'\'\'It's

    "three" lines.\'\'\'
    return x[1:2] + '🐍大' \\
        'b'  #> [sound:x]"""


def cut(width: int, first: int, step: int) -> tuple[str, list[tuple[int, int, int]]]:
    """PROGRAM with a deletion on each `step`-th stretch of `width` characters that can be one, and these deletions."""
    marked, done = "", 0
    deletions: list[tuple[int, int, int]] = []
    for start in range(first, len(PROGRAM), width * step):
        inner = PROGRAM[start : start + width]
        if inner.strip() and is_balanced(inner):
            number = len(deletions) % 3 + 1
            marked += PROGRAM[done:start] + f"{{{{c{number}::{inner}}}}}"
            done = start + len(inner)
            deletions.append((number, start, done))
    return marked + PROGRAM[done:], deletions


def is_balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth < 0:
            return False
    return depth == 0


def hidden(deletions: list[tuple[int, int, int]], number: int) -> str:
    """PROGRAM as the card of a number shows it: the ends of lines at the ends of a deletion stay."""
    shown, done = "", 0
    for own, start, end in deletions:
        inner = PROGRAM[start:end]
        if own == number:
            start += len(inner) - len(inner.lstrip("\n"))
            end -= len(inner) - len(inner.rstrip("\n"))
            shown += PROGRAM[done:start] + "[...]"
            done = end
    return shown + PROGRAM[done:]


def test_a_program_can_be_cut_anywhere(tmp_path: Path) -> None:
    """Deletions of one to 31 characters, at every offset, apart and side by side: each front and back is right."""
    cuts = {
        f"w{width}-o{first}-s{step}": cut(width, first, step)
        for width in (1, 2, 7, 31)
        for step in (1, 2)
        for first in range(0, width * step, 1 if width < 31 else 3)
    }
    notes = [
        f'## Cut\n<!-- id: {name} -->\n\n```python norun="the marks matter"\n{text}\n```\n'
        for name, (text, _) in cuts.items()
    ]
    folder = tmp_path / "cuts"
    folder.mkdir()
    (folder / "deck.yaml").write_text("format: 1\nname: Cuts\nnamespace: test.cuts\n", encoding="utf-8")
    (folder / "01-cuts.md").write_text("---\ndeck: Cuts\n---\n\n" + "\n".join(notes), encoding="utf-8")
    deck = imported(folder, tmp_path / "learner")
    for name, (_, deletions) in cuts.items():
        numbers = sorted({number for number, _, _ in deletions})
        assert [code_blocks(card.front) for card in deck.cards[name]] == [[hidden(deletions, n)] for n in numbers]
        for card in deck.cards[name]:
            assert code_blocks(card.back) == [PROGRAM]
            assert_lines(next(card.front.iter("pre")))


# --- what a card shows -----------------------------------------------------------------------------------------------


def is_question(snippet: Snippet) -> bool:
    return snippet.side is Side.QUESTION


def shown_code(note: Note) -> list[str]:
    return [snippet.code.rstrip("\n") for snippet in note.snippets if is_question(snippet)]


def face(root: Element) -> str:
    """What the question of a card shows; its heading only where something is hidden in it."""
    question = section(root, "question")
    for prompt in classed(question, "prompt"):
        if not classed(prompt, "cloze") and not classed(prompt, "cloze-inactive"):
            question.remove(prompt)
    return visible(question)


def classes(element: Element, css: str = "") -> Iterator[tuple[str, str]]:
    """Each character of an element with the class of its token."""
    own = element.get("class", "")
    css = own if own in TOKEN_CLASSES else css
    yield from ((char, css) for char in element.text or "")
    for child in element:
        yield from classes(child, css)
        yield from ((char, css) for char in child.tail or "")


def assert_lines(pre: Element) -> None:
    """Code stands in elements that each hold whole lines: `line` one, `lines` as many as a deletion joins."""
    (code,) = pre
    assert [line.tail for line in code] == [None] * len(code)
    assert code.text is None
    texts = ["".join(line.itertext()) for line in code]
    assert [text[-1:] for text in texts[:-1]] == ["\n"] * (len(texts) - 1)
    for line, text in zip(code, texts, strict=True):
        kinds = line.get("class", "").split()
        assert kinds[0] in ("line", "lines")
        assert kinds[0] == "lines" or "\n" not in text.removesuffix("\n")
