"""The real Anki renders the fields: deletions are hidden and shown whole, and nothing else acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import anki.collection
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import CONFIG, MEDIA, errors, field, one, parsed, rendered

from generator.notes import DeckFolder, NoteTemplate, RenderedDeck
from generator.parse import parse_deck
from generator.render import render_deck


class Anki:
    """A collection that renders the cards of one note at a time."""

    def __init__(self, folder: Path) -> None:
        self.collection = anki.collection.Collection(str(folder / "collection.anki2"))
        self.made = 0

    def cards(self, deck: RenderedDeck) -> list[tuple[str, str, list[str]]]:
        """Front, back and sounds of every card of the deck's notes."""
        found = []
        for note in deck.notes:
            self.made += 1
            kind = self._notetype(
                note.cloze, deck.cloze if note.cloze else deck.basic, [name for name, _ in note.fields]
            )
            made = self.collection.new_note(kind)
            for name, html in note.fields:
                made[name] = html
            self.collection.add_note(made, self.collection.decks.id(note.deck_name))
            for card in made.cards():
                output = card.render_output()
                sounds = [tag.filename for tag in [*output.question_av_tags, *output.answer_av_tags]]
                found.append((output.question_text, output.answer_text, sounds))
        return found

    def _notetype(self, cloze: bool, templates: tuple[NoteTemplate, ...], fields: list[str]) -> dict:
        models = self.collection.models
        name = f"{'Cloze' if cloze else 'Basic'} {self.made}"
        kind = models.new(name)
        kind["type"] = int(cloze)
        for wanted in fields:
            models.add_field(kind, models.new_field(wanted))
        for template in templates:
            made = models.new_template(template.name)
            made["qfmt"], made["afmt"] = template.front, template.back
            models.add_template(kind, made)
        models.add(kind)
        return models.by_name(name)


@pytest.fixture(scope="module")
def anki_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anki]:
    app = Anki(tmp_path_factory.mktemp("anki"))
    yield app
    app.collection.close()


def cards(app: Anki, topic: str) -> list[tuple[str, str, list[str]]]:
    product, found = rendered(topic)
    assert errors(found) == []
    return app.cards(product)


def text(html: str) -> str:
    """What a reader sees of it."""
    html = re.sub(r"<div class=\"prompt\">|</div>|<br>", "\n", html)
    return unescape(re.sub(r"<[^>]*>", "", html))


def question_part(html: str) -> str:
    """The text of the question section of a card."""
    return text(html.split('<section class="question">')[1].split("</section>")[0]).strip()


def cloze_topic(body: str) -> str:
    return f"## Fill in.\n<!-- id: a -->\n\n{body}\n"


CLOZES = {
    "words": ("A {{c1::task}} waits.", "A [...] waits.", "A task waits."),
    "hint": ("A {{c1::task::what?}} waits.", "A [what?] waits.", "A task waits."),
    "bold inside": ("A {{c1::**bold** `x`}} b.", "A [...] b.", "A bold x b."),
    "inside bold": ("A **{{c1::bold}}** b.", "A [...] b.", "A bold b."),
    "inside a code span": ("`asyncio.{{c1::gather}}()`", "asyncio.[...]()", "asyncio.gather()"),
    "a code span": ("{{c1::`f({})`}} b", "[...] b", "f({}) b"),
    "a link": ("{{c1::[a](https://b.c)}} d", "[...] d", "a d"),
    "inside a bare address": ("https://a.b/{{c1::c}} d", "https://a.b/[...] d", "https://a.b/c d"),
    "braces": ("{{c1::a {b {c}} d}} e", "[...] e", "a {b {c}} d e"),
    "colons in brackets": ("{{c1::xs[::2]}} e", "[...] e", "xs[::2] e"),
    "three colons": ("{{c1::if x:::then}} e", "[:then] e", "if x e"),
    "hint with markup": ("{{c1::a::<b> & [c]}} e", "[<b> & [c]] e", "a e"),
    "entity": ("{{c1::a &lt; b}} e", "[...] e", "a < b e"),
    "table cell": ("| a |\n|---|\n| {{c1::b}} |", "a[...]", "ab"),
    "twice the same number": ("{{c1::a}} b {{c1::c}}", "[...] b [...]", "a b c"),
    "apostrophe": ("{{c1::don't::can't}} e", "[can't] e", "don't e"),
}


@pytest.mark.parametrize(("body", "front", "back"), CLOZES.values(), ids=CLOZES)
def test_prose_deletion_is_hidden_and_shown(anki_app: Anki, body: str, front: str, back: str) -> None:
    """What Anki shows on both faces of the card."""
    ((question, answer, _),) = cards(anki_app, cloze_topic(body))
    assert question_part(question).split("\n")[-1] == front
    assert question_part(answer).split("\n")[-1] == back


@pytest.mark.parametrize("string", ["e\u0301", "\u212b", "\u1112\u1161\u11ab", "a\u0323\u0307"])
def test_code_stays_as_it_runs(anki_app: Anki, string: str) -> None:
    """Anki composes the characters of all text, but not those of code: a learner copies what was run."""
    ((_, answer, _),) = cards(anki_app, f"## Q?\n<!-- id: a -->\n\n```python\nx = '{string}'\n```\n")
    assert f"x = '{string}'" in text(answer)


CODE = {
    "a name": ("x = asyncio.{{c1::gather}}(y)", "x = asyncio.[...](y)"),
    "a part of a name": ("asyncio.create_{{c1::task}}()", "asyncio.create_[...]()"),
    "a part of a string": ("x = 'a {{c1::b c}} d'", "x = 'a [...] d'"),
    "nested braces": ('{{c1::x = {"a": {"b": 1}}}}', "[...]"),
    "a slice": ("y = x{{c1::[::2]}}", "y = x[...]"),
    "a hint": ("y = {{c1::x[0]::which?}}", "y = [which?]"),
    "several lines": ("if x:\n    {{c1::y = 1\n    z = 2}}\nw = 3", "if x:\n    [...]\nw = 3"),
    "whole lines": ("{{c1::y = 1\n}}w = 3", "[...]\nw = 3"),
    "two in a line": ("{{c1::x}} = {{c1::y}}", "[...] = [...]"),
    "neighbours": ("{{c1::x}}{{c1::y}} = 1", "[...][...] = 1"),
    "a comment": ("x = 1  # {{c1::why}}", "x = 1  # [...]"),
    "an f-string": ("print(f'{{c1::{x!r:>{8}}}}')", "print(f'[...]')"),
}


@pytest.mark.parametrize(("code", "front"), CODE.values(), ids=CODE)
def test_code_deletion_is_hidden_and_shown(anki_app: Anki, code: str, front: str) -> None:
    """The front hides exactly the deletion; the back shows exactly the code; both are well-formed HTML."""
    topic = cloze_topic(f'```python norun="not the point"\n{code}\n```')
    product, _ = rendered(topic)
    ((question, answer, _),) = anki_app.cards(product)
    shown = product.notes[0].note.snippets[0].code.rstrip("\n")
    assert question_part(question).split("Fill in.")[1].strip("\n") == front
    assert question_part(answer).split("Fill in.")[1].strip("\n") == shown
    for face in (question, answer):
        assert well_nested(face)


def well_nested(html: str) -> bool:
    """Whether every element ends inside the one it began in."""
    opened: list[str] = []
    for close, name in re.findall(r"<(/?)([a-z0-9]+)[^>]*>", html):
        if name in ("br", "hr", "img", "input"):
            continue
        if not close:
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return not opened


def test_each_number_has_its_card(anki_app: Anki) -> None:
    """Prose, heading and code share numbers; a card hides its own and shows the others."""
    topic = '## {{c1::A}} and {{c2::b}}\n<!-- id: a -->\n\n```python norun="x"\n{{c2::c}} {{c3::d}}\n```\n'
    fronts = [question_part(front).replace("\n", " ") for front, _, _ in cards(anki_app, topic)]
    assert [" ".join(front.split()) for front in fronts] == [
        "[...] and b c d",
        "A and [...] [...] d",
        "A and b c [...]",
    ]


def test_deletion_in_math_stays_math(anki_app: Anki) -> None:
    """Anki hides a part of a formula, and MathJax gets the formula back whole on the answer."""
    ((question, answer, _),) = cards(anki_app, cloze_topic("so $x = {{c1::\\frac{a}{b_{1}}}} + 1$ holds"))
    assert "\\(x = [...] + 1\\)" in question_part(question)
    assert "\\(x = \\frac{a}{b_{1}} + 1\\)" in question_part(answer)


def test_literal_marks_make_no_deletion(anki_app: Anki) -> None:
    """`cloze: false` keeps marks as text on an ordinary card."""
    topic = "## What is `{{c1::x}}`?\n<!-- {id: a, cloze: false} -->\n\nA {{c1::mark}}.\n\n```text\n{{c2::y}}\n```\n"
    ((question, answer, _),) = cards(anki_app, topic)
    assert "{{c1::x}}" in text(question)
    assert "A {{c1::mark}}." in text(answer)
    assert "{{c2::y}}" in text(answer)


HOSTILE = [
    *("[sound:x.mp3]", "[sound:bell-0a1b.mp3]", "[latex]\\input{/etc/passwd}[/latex]", "[$]x[/$]", "[$$]y[/$$]"),
    *(
        "[anki:tts lang=en_US]a[/anki:tts]",
        "{{Answer}}",
        "{{c1::z}}",
        "{{type:Answer}}",
        "\\(\\href{javascript:x}{y}\\)",
    ),
    *("\\[\\require{x}\\]", "<anki-mathjax>q</anki-mathjax>", "[sound\u200b:x.mp3]", "}}::{{", "[[sound:x.mp3]]"),
]


# The parser allows no marks in the answer of a cloze note.
@pytest.mark.parametrize(
    ("attack", "cloze"),
    [(attack, cloze) for attack in HOSTILE for cloze in (False, True) if not (cloze and "{{c" in attack)],
)
def test_printed_and_quoted_text_cannot_act(anki_app: Anki, attack: str, cloze: bool) -> None:
    """In code, output and code spans, what Anki acts on elsewhere is shown as it is, and plays nothing."""
    head = "## A {{c1::b}}?\n<!-- id: a -->\n\n### Answer\n" if cloze else "## Q?\n<!-- {id: a, cloze: false} -->\n"
    answer_name = "Back" if cloze else "Answer"
    topic = f"{head}\nSee `{attack}`.\n\n```python\nprint({attack!r})\n```\n\n```output\n{attack}\n```\n"
    product, found = rendered(topic)
    assert errors(found) == []
    for _, answer, sounds in anki_app.cards(product):
        assert sounds == []
        assert f"<code>{attack}</code>" in unescape(answer)
        assert text(answer).count(attack) >= 2
        assert "[anki:play" not in answer
    assert_inert(dict(product.notes[0].fields)[answer_name])


def assert_inert(html: str) -> None:
    """Nothing in a field that Anki's own scanners look for."""
    assert not re.search(r"\[/?(sound:|anki:|latex|\$)", html, re.IGNORECASE)
    assert "{{" not in html
    assert "<script" not in html
    assert not re.search(r"\\[(\[]", html)


@pytest.mark.parametrize(
    "attack", ["\\\\(x\\\\)", "\\\\\\[x\\\\\\]", "\\\\<!-- -->(x\\\\)", "\\\\<wbr>(x\\\\<wbr>)", "&#92;(x&#92;)"]
)
def test_mathjax_delimiters_in_text_are_kept_apart(attack: str) -> None:
    """MathJax joins text over comments and `<wbr>`; each backslash in prose is an element of its own."""
    html = field(one(f"## Q?\n<!-- id: a -->\n\n{attack}\n"), "Answer")
    assert "<span>&#92;</span>" in html
    assert "\\" not in html


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "a", " ", "*", "`", "\\", "[", "]", "$", "{", "}", ":", "<b>x</b>"]), max_size=8
    ).map("".join)
)
def test_prose_cannot_act(anki_app: Anki, words: str) -> None:
    """However it is mixed, prose plays no sound but files of the deck and makes no math but checked formulas."""
    topic = f"---\ndeck: T\n---\n## Q?\n<!-- {{id: a, cloze: false}} -->\n\nx {words} y\n"
    deck, _ = parse_deck(DeckFolder(Path("deck"), "deck", CONFIG.encode(), (("01.md", topic.encode()),), MEDIA))
    if deck is None:
        return
    product, _ = render_deck(deck, {})
    for note in product.notes:
        html = field(note, "Answer")
        assert "{{" not in html
        assert not re.search(r"\[/?(anki:|latex|\$)", html, re.IGNORECASE)
        assert "href{" not in html.replace("&#123;", "{") or "\\(" not in html
    for _, _, sounds in anki_app.cards(product):
        assert set(sounds) <= {"bell-0a1b.mp3"}


def test_sound_of_the_deck_plays(anki_app: Anki) -> None:
    """`[sound:file]` in prose, for a file in media/, plays its packed name; the note carries the file."""
    topic = "## Q?\n<!-- id: a -->\n\nhear [sound:bell.mp3] it\n"
    ((_, _, sounds),) = cards(anki_app, topic)
    assert sounds == ["bell-0a1b.mp3"]
    assert [file.name for file in one(topic).media] == ["bell.mp3"]


def test_reverse_card_exists_only_where_asked_for(anki_app: Anki) -> None:
    """The Reverse template asks for the question by the answer, under its condition."""
    topic = "## Capital of France?\n<!-- {id: a, reversed: true} -->\n\nParis\n"
    forward, reverse = cards(anki_app, topic)
    assert "Paris" in text(reverse[0])
    assert "France" not in text(reverse[0])
    assert "France" in text(reverse[1])
    assert "Paris" not in text(forward[0])
    assert len(cards(anki_app, topic.replace(", reversed: true", ""))) == 1


def test_faces_show_sub_deck_badge_notice_and_source(anki_app: Anki) -> None:
    """What surrounds question and answer, on real cards."""
    topic = '## Q?\n<!--\nid: a\npython: ">=3.12"\nretired: "gone in `3.14`"\n-->\n\nA.\n\n### Extra\n\nMore.\n'
    deck = parsed(topic, config='repository: "https://github.com/o/r"\n')
    product, _ = render_deck(deck, {})
    ((front, back, _),) = anki_app.cards(product)
    assert "02 Tasks" in front
    assert "3.12+" in front
    assert "Retired." in front
    assert "More." in back.split("<details")[1]
    assert "More." not in front
    assert "Report this card" in back
