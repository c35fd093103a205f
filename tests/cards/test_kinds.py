"""Every kind of note, from its Markdown to the faces of its cards in the real Anki."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

import pytest
from anki_real import Report
from real_cards import Card, Imported, checked, classed, imported, section, strict, taken_in, visible

from generator.notes import Kind, Verdict

KINDS = Path(__file__).parent / "kinds"

CARDS = {
    **dict.fromkeys(("question", "predict", "bug", "extra", "corrected", "math", "picture", "sound", "timeline"), 1),
    **dict.fromkeys(("norun", "literal", "retired", "cloze-math", "retired-cloze"), 1),
    **dict.fromkeys(("reversed", "cloze-heading", "cloze-code"), 2),
    "cloze-prose": 3,
}
BASIC = {
    "question": [
        (
            "What does await do?",
            "It lets other tasks run until the awaited is done:\nawait asyncio.sleep(1)",
        )
    ],
    "predict": [
        (
            "What does this print?\nasync def job(n):\n    await asyncio.sleep(n)\n    return n\n\n"
            "print(await asyncio.gather(job(2), job(1)))",
            "Results stand in the order of the arguments.\nOutput\n[2, 1]",
        )
    ],
    "bug": [
        (
            "What is wrong here?\nThis code has a bug\nasync def work():\n    return 1\n\nwork()",
            "The coroutine was never awaited. Mended:\nasync def work():\n    return 1\n\nprint(await work())  #> 1",
        )
    ],
    "reversed": [
        ("Which function runs coroutines side by side?", "asyncio.gather()"),
        ("asyncio.gather()", "Which function runs coroutines side by side?"),
    ],
    "extra": [("What says more?", "Extra.")],
    "corrected": [("What was said wrongly?", "Nothing now.")],
    "math": [
        (
            "How does math look?",
            "Between words, \\(a_{1} < b\\), and on its own:\n\\[ \\frac{n}{2} \\]\n"
            "In code it is text: $x$ and\n$y$ \\(z\\)",
        )
    ],
    "picture": [("What does a picture show?", "")],
    "sound": [("How does it sound?", "[anki:play:a:0]")],
    "norun": [("What is shown, and never run?", "A server:\nawait server.serve_forever()")],
    "literal": [
        (
            "What is {{c1::x}} in a template?",
            "{{c1::x}} hides x, {{Front}} is a field, this is bold.",
        )
    ],
    "retired": [("How do you get the running loop?", "By asyncio.get_event_loop().")],
}
CLOZE = {
    "cloze-prose": (
        [
            "A coroutine is [how?]; a task is scheduled.\nA task keeps its own context.\n[...] it gives its result().",
            "A coroutine is awaited, not called; a [...] is scheduled.\nA [not a thread] keeps its own context.\n"
            "Awaiting it gives its result().",
            "A coroutine is awaited, not called; a task is [...].\nA task keeps its own context.\n"
            "Awaiting it gives its [...]().",
        ],
        "A coroutine is awaited, not called; a task is scheduled.\nA task keeps its own context.\n"
        "Awaiting it gives its result().",
    ),
    "cloze-heading": (["[...] has one loop", "asyncio has one [which?]"], "asyncio has one loop"),
    "cloze-code": (
        [
            "async with asyncio.[...]() as group:\n    for n in range(2):\n"
            '        group.create_task(asyncio.sleep(n))\nprint("done")  #> done',
            'async with asyncio.TaskGroup() as group:\n    [start two tasks]\nprint("done")  #> done',
        ],
        "async with asyncio.TaskGroup() as group:\n    for n in range(2):\n"
        '        group.create_task(asyncio.sleep(n))\nprint("done")  #> done',
    ),
    "cloze-math": (
        ["\\(x = [a fraction]\\), and [anki:play:q:0] [...]."],
        "\\(x = \\frac{a}{b_{1}}\\), and [anki:play:a:0] here.",
    ),
    "retired-cloze": (["A loop is [...]"], "A loop is got"),
}


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return imported(KINDS, tmp_path_factory.mktemp("anki") / "learner")


@pytest.fixture(scope="module")
def every_card(deck: Imported) -> list[tuple[str, Card]]:
    return [(name, card) for name, cards in deck.cards.items() for card in cards]


def test_every_kind_is_there_and_anki_finds_nothing_wrong(deck: Imported) -> None:
    """All four kinds; Anki counts our notes and cards, misses no media, and sees no empty card."""
    assert deck.checked.deck is not None
    assert {note.kind for note in deck.checked.deck.notes} == set(Kind)
    assert deck.report == Report(
        notes=len(CARDS),
        cards=sum(CARDS.values()),
        decks=frozenset({"Kinds", "Kinds::01 Notes", "Kinds::02 Clozes", "Kinds::Notes"}),
        tags=frozenset({"kinds", "kinds::retired", "kinds::corrected"}),
        notetypes=frozenset({"Kinds Basic", "Kinds Cloze"}),
    )


def test_each_note_makes_its_number_of_cards(deck: Imported) -> None:
    """One, two where it is reversed, and one for each number of its deletions; `Note.cards` says the same."""
    assert {name: len(cards) for name, cards in deck.cards.items()} == CARDS
    assert deck.checked.deck is not None
    assert {note.id: note.cards for note in deck.checked.deck.notes} == CARDS


def test_programs_were_run(deck: Imported) -> None:
    """Whatever has a program was proved, but the one that says why it is not run."""
    assert deck.checked.verification is not None
    verified = dict.fromkeys(("question", "predict", "bug", "extra", "timeline", "cloze-code"), Verdict.VERIFIED)
    assert deck.checked.verification.verdicts == {**verified, "norun": Verdict.NORUN}


@pytest.mark.parametrize("name", BASIC)
def test_question_and_answer(deck: Imported, name: str) -> None:
    """The front asks and tells nothing; the back repeats it, and answers below the line."""
    cards = deck.cards[name]
    assert [card.template for card in cards] == ["Forward", "Reverse"][: len(cards)]
    for card, (front, back) in zip(cards, BASIC[name], strict=True):
        assert visible(section(card.front, "question")) == front
        assert visible(section(card.back, "question")) == front
        assert visible(section(card.back, "answer")) == back
        assert card.answer.startswith(card.question)
        assert card.answer.removeprefix(card.question).lstrip("\n").startswith('<hr id="answer">')


@pytest.mark.parametrize("name", CLOZE)
def test_cloze_faces(deck: Imported, name: str) -> None:
    """Each card hides the deletions of its number behind `[...]` or the hint, and shows the others."""
    fronts, back = CLOZE[name]
    for card, front in zip(deck.cards[name], fronts, strict=True):
        assert below_heading(card.front) == front
        assert below_heading(card.back) == back
        assert card.template == "Cloze"


def below_heading(root: Element) -> str:
    """What the question of a card shows below its heading, or the heading where nothing stands below."""
    return visible(section(root, "question")).partition("\n")[2] or visible(section(root, "question"))


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("question", "other tasks"),
        ("predict", "[2, 1]"),
        ("bug", "never awaited"),
        ("extra", "folded"),
        ("timeline", "Two seconds"),
        ("picture", "loop-"),
        ("cloze-code", "waits for its tasks"),
        ("cloze-code", "See"),
        ("retired-cloze", "got"),
        ("retired", "By"),
    ],
)
def test_nothing_of_the_answer_is_on_the_front(deck: Imported, name: str, hidden: str) -> None:
    """Neither the answer nor Extra, as text or as an address; only Anki's own `data-cloze` keeps what it hides."""
    for card in deck.cards[name]:
        assert hidden not in unescape(re.sub(' data-cloze="[^"]*"', "", card.question))
        assert hidden in unescape(card.answer)


def test_front_has_no_part_of_the_back(every_card: list[tuple[str, Card]]) -> None:
    """No answer, Extra, source or line on any front."""
    for name, card in every_card:
        for part in ("answer", "extra", "source"):
            assert classed(card.front, part) == [], name
        assert list(card.front.iter("hr")) == []


def test_every_side_is_sound_html_without_traces(every_card: list[tuple[str, Card]]) -> None:
    """Well nested, with no template, mark or private character left, and only the deck's own sounds."""
    for name, card in every_card:
        for html in (card.question, card.answer):
            strict(html)
            assert not re.search(r"\{\{|\}\}|[\U000f0000-\U0010ffff]|\[sound:|\[latex", html), name
            assert set(re.findall(r"\[anki:\w+", html)) <= {"[anki:play"}


def test_sub_deck_stands_on_every_side(every_card: list[tuple[str, Card]]) -> None:
    """The sub-deck's own name, and the card lies in it."""
    for _, card in every_card:
        for root in (card.front, card.back):
            assert visible(section(root, "topic")) == card.deck.removeprefix("Kinds::")


def test_the_kind_is_a_class_of_its_cards(deck: Imported, every_card: list[tuple[str, Card]]) -> None:
    """So that the style can tell a bug card from others."""
    assert deck.checked.deck is not None
    kinds = {note.id: note.kind.value for note in deck.checked.deck.notes}
    for name, card in every_card:
        assert {f"kind-{kinds[name]}" in e.get("class", "") for e in card.back.iter("article")} == {True}


def test_bug_card_marks_the_buggy_code_and_not_the_mended(deck: Imported) -> None:
    """The label in words stands at the front's code; the back's second block has none."""
    (card,) = deck.cards["bug"]
    (buggy,) = classed(card.back, "bug")
    assert "This code has a bug" in visible(buggy)
    assert "print" not in visible(buggy)


def test_extra_is_folded_and_last(deck: Imported) -> None:
    """Closed until it is opened, below the answer, on the back of each card that has one, of both note types."""
    expected = {
        "extra": 'More\nA folded word, and code:\nprint("more")  #> more',
        "reversed": "More\nIt is older than task groups.",
        "cloze-code": "More\nSee also gather.",
    }
    for name, cards in deck.cards.items():
        for card in cards:
            extras = classed(card.back, "extra")
            assert [visible(extra) for extra in extras] == ([expected[name]] if name in expected else [])
            for extra in extras:
                assert extra.tag == "details"
                assert extra.get("open") is None
                assert card.answer.index('class="answer"') < card.answer.index('class="extra"')


def test_banners_say_what_became_of_a_card(deck: Imported) -> None:
    """`retired` and `corrected`, with their reasons, once on each side of their cards and nowhere else."""
    expected = {
        "corrected": "Corrected. It said 3.9, which is wrong.",
        "retired": "Retired. get_event_loop() does that no longer.",
        "retired-cloze": "Retired. Out of date.",
    }
    for name, cards in deck.cards.items():
        for root in (side for card in cards for side in (card.front, card.back)):
            banners = [visible(notice) for notice in classed(root, "notice")]
            assert banners == ([expected[name]] if name in expected else [])


def test_badges(deck: Imported) -> None:
    """The range of Pythons that the note or its file names, and `not run` with the author's reason."""
    for name, cards in deck.cards.items():
        expected = {"corrected": ["3.11+"], "norun": ["not run"]}.get(name, [])
        expected = [">=3.11,<4"] if name.startswith("cloze") else expected
        for root in (side for card in cards for side in (card.front, card.back)):
            assert [visible(badge) for badge in classed(section(root, "top"), "badge")] == expected
    (badge,) = classed(deck.cards["norun"][0].back, "notrun")
    assert badge.get("title") == "it serves <forever> & ever"


def test_unproved_code_is_labelled_where_the_policy_ships_it(tmp_path: Path) -> None:
    """With `verify: mark`, a card whose code failed says that it was not run."""
    folder = tmp_path / "marked"
    folder.mkdir()
    (folder / "deck.yaml").write_text("format: 1\nname: Marked\nnamespace: test.marked\nverify: mark\n")
    programs = {"right": "print(1)  #> 1", "wrong": "print(1)  #> 2"}
    notes = [f"## What?\n<!-- id: {key} -->\n\n```python\n{code}\n```\n" for key, code in programs.items()]
    (folder / "01-notes.md").write_text("---\ndeck: Notes\n---\n\n" + "\n".join(notes))
    deck = taken_in(checked(folder), tmp_path / "learner")
    badges = {name: [visible(badge) for badge in classed(card.front, "badge")] for name, (card,) in deck.cards.items()}
    assert badges == {"right": [], "wrong": ["not run"]}


def test_source_and_report_link(every_card: list[tuple[str, Card]]) -> None:
    """Every back links to its file and to a form that names the card; no address hangs on a line of the file."""
    for name, card in every_card:
        footer = section(card.back, "source")
        *own, file, report = [link.get("href", "") for link in footer.iter("a")]
        assert own == (["https://peps.python.org/pep-0492/"] if name == "corrected" else [])
        assert re.fullmatch(r"https://example\.org/deck/blob/HEAD/kinds/(01-notes|02-clozes|_retired)\.md", file)
        address = urlsplit(report)
        assert (address.netloc, address.path) == ("example.org", "/deck/issues/new")
        query = parse_qs(address.query)
        assert query["title"] == [f"Card {name}"]
        assert f"Card: {name}\n" in query["body"][0]


def test_picture_and_sound_come_with_the_card(deck: Imported) -> None:
    """A picture has its alternative text; a sound plays on the side on which it stands. No media file is missing."""
    (picture,) = deck.cards["picture"][0].back.iter("img")
    assert picture.get("alt") == "The loop, going round"
    assert re.fullmatch(r"loop-[0-9a-f]{12}\.png", picture.get("src", ""))
    assert deck.checked.rendered is not None
    media = {note.note.id: [file.packed for file in note.media] for note in deck.checked.rendered.notes}
    (sound,) = media["sound"]
    assert media["picture"] == [picture.get("src")]
    plays = {name: card.sounds for name, cards in deck.cards.items() for card in cards if any(card.sounds)}
    assert plays == {"sound": ([], [sound]), "cloze-math": ([sound], [sound])}


def test_timeline_is_a_picture_with_its_text_folded(deck: Imported) -> None:
    """Drawn on the answer side only; its alternative is the text that the verifier compared."""
    (card,) = deck.cards["timeline"]
    assert list(card.front.iter("svg")) == []
    answer = section(card.back, "answer")
    (drawn,) = answer.iter("svg")
    assert len(list(drawn.iter("rect"))) + len(list(drawn.iter("path"))) > 3
    (details,) = answer.iter("details")
    assert visible(details).endswith("main: 0 sleep, 1000 wait, 2000 end\ntea: 0 sleep, 2000 end")
