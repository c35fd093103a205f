"""Every fault in a note's text is reported at its place, with a way out; nothing silently differs from GitHub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rendering import MEDIA, brief, errors, markdown, parsed, rendered, structure

from generator.notes import DeckFolder, MediaFile
from generator.parse import parse_deck
from generator.render import RULES, render_deck

CASES = {
    "unknown tag": ("Use a `List` of\nlist<T> here.\n", [("N200", 2, 5, "<T>")]),
    "script": ("a <script>alert(1)</script> </script>\n", [("N200", 1, 3, "<script>"), ("N200", 1, 29, "</script>")]),
    "comparison": ("if a<b and c>d\n", [("N200", 1, 5, "<b and c>")]),
    "element that cards lack": ("<font color='red'>a</font>\n", [("N200", 1, 1, "<font color='red'>")]),
    "declaration": ("a <?php x ?> b\n", [("N200", 1, 3, "<?php x ?>")]),
    "tag in a list in a quote": ("> - a\n>   b <T>\n", [("N200", 2, 7, "<T>")]),
    "attribute": ('a\n\n<p onclick="x">b</p>\n', [("N201", 3, 1, '<p onclick="x">')]),
    "style": ("<kbd style='x'>b</kbd>\n", [("N201", 1, 1, "<kbd style='x'>")]),
    "class": ("<div class=line>\n\nb\n\n</div>\n", [("N201", 1, 1, "<div class=line>")]),
    "never closed": ("a <b>c\n", [("N202", 1, 3, "<b>")]),
    "closes nothing": ("a </b>c\n", [("N202", 1, 3, "</b>")]),
    "closes another block's": ("a <b>c\n\nd </b>e\n", [("N202", 3, 3, "</b>")]),
    "overlapping": ("<b>a <i>b</b></i>\n", [("N202", 1, 6, "<i>"), ("N202", 1, 14, "</i>")]),
    "tag without its end": ("<div>\n<p title='x\n</div>\n", [("N202", 2, 1, "<")]),
    "relative link": ("see [a](b.md)\n", [("N203", 1, 5, "[")]),
    "script link": ("[a](javascript:alert(1))\n", [("N203", 1, 1, "[")]),
    "data link in HTML": ("<a href='data:x'>a</a>\n", [("N203", 1, 1, "<a href='data:x'>")]),
    "mail scheme behind a mark": ("-mailto:a@b.c\n", [("N203", 1, 1, "-")]),
    "ftp address": ("at ftp://a.b\n", [("N203", 1, 4, "f")]),
    "remote picture": ("a\n![x](https://a.b/c.png)\n", [("N204", 2, 1, "![")]),
    "missing picture": ("![x](media/nope.png)\n", [("N205", 1, 1, "![")]),
    "picture without alt": ("![](media/loop.png)\n", [("N206", 1, 1, "![")]),
    "picture outside": ("![x](../loop.png)\n", [("N207", 1, 1, "![")]),
    "picture outside by a detour": ("![x](media/../../loop.png)\n", [("N207", 1, 1, "![")]),
    "picture outside by an escape": ("![x](media/%2e%2e/loop.png)\n", [("N207", 1, 1, "![")]),
    "picture in HTML": ("<img src='x.png' alt='a'>\n", [("N207", 1, 1, "<img src='x.png' alt='a'>")]),
    "math command": ("so $a + \\href{x}{y}$\n", [("N210", 1, 9, "\\href")]),
    "math command that Anki lacks": ("$a \\dag b$\n", [("N210", 1, 4, "\\dag")]),
    "math that ends before a letter": ("the $n$th, so $m$\n", [("N219", 1, 7, "$")]),
    "money beside math": ("for $5. Not $6, $x$\n", [("N219", 1, 13, "$")]),
    "math environment": ("$$\n\\begin{CD}\n$$\n", [("N210", 2, 1, "\\begin{CD}")]),
    "MathJax delimiter in math": ("$a \\) b$\n", [("N210", 1, 4, "\\)")]),
    "math braces": ("$$\na_{b\n$$\n", [("N211", 2, 3, "{")]),
    "footnote": ("a[^1]\n\n[^1]: word\n", [("N212", 1, 2, "[^1]"), ("N212", 3, 1, "[^1]")]),
    "alert": ("> [!NOTE]\n> text\n", [("N213", 1, 3, "[!NOTE]")]),
    "emoji": ("ok :tada: now\n", [("N214", 1, 4, ":tada:")]),
    "emoji in a table cell": ("| a | b |\n|---|---|\n| x | `\\|` :tada: |\n", [("N214", 3, 12, ":tada:")]),
    "empty task": ("- a\n- [ ] \n", [("N221", 2, 3, "[ ]")]),
    "footnote in a list": ("a[^1]\n\n- [^1]: word\n", [("N212", 1, 2, "[^1]"), ("N212", 3, 3, "[^1]")]),
    "footnote in a quote": ("a[^B]\n\n> 1. [^b]: word\n", [("N212", 1, 2, "[^B]"), ("N212", 3, 6, "[^b]")]),
    "emoji beside another": (":tada::heart:\n", [("N214", 1, 1, ":tada:")]),
    "task box in a table": ("- [ ] t\n  |---|\n  | u |\n", [("N221", 1, 3, "[ ]")]),
    "header indented too far": ("p\n      a | b\n---|---\n", [("N224", 3, 1, "---|---")]),
    "dashes indented too far": ("- | a |\n      |---|\n", [("N224", 2, 7, "|---|")]),
    "dashes below a list": ("- a\n:-:\n\t|---|\n", [("N224", 2, 1, ":-:"), ("N224", 3, 2, "|---|")]),
    "dashes below a quote": ("> a | b\n---|---\n", [("N224", 2, 1, "---|---")]),
    "table without rows in a list": ("- | a |\n  |---|\n- b\n", [("N224", 1, 1, "- | a |")]),
    "definition above dashes": ("[r]: https://u\n---|---\n", [("N225", 2, 1, "---|---")]),
    "definition in a loose item": ("- a\n\n  [r]: https://u\n- b\n", [("N225", 3, 3, "[r]: https://u")]),
    "definition split at an underline": ("[a\n===\nb]: https://u\n", [("N225", 2, 1, "===")]),
    "definition split at an item": ("[s]:\n1.\n", [("N225", 2, 1, "1.")]),
    "empty item": ("-\n\n\n- b\n", [("N226", 1, 1, "-")]),
    "sound as a picture": ("![x](media/bell.mp3)\n", [("N227", 1, 1, "![")]),
    "odd quote": ("> a\n>\n    > b\n", [("N222", 3, 5, "> b")]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_fault_is_found_at_its_place(text: str, expected: list[tuple[str, int, int, str]]) -> None:
    """Code, line, column and the text that it is about."""
    _, found = markdown(text)
    assert brief(found) == expected
    assert all(item.hint.endswith(".") and item.message for item in found)


QUIET = {
    "footnote without definition": "a regex [^a-z] and [^1]",
    "emoji code in code": "`:tada:`",
    "word between colons": "10:30:45 and a::b::c",
    "alert in code": "`[!NOTE]`",
    "escaped tag": "\\<T> and `<T>`",
    "comment": "a <!-- <T> --> b",
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_no_fault_where_github_shows_text(text: str) -> None:
    """What GitHub leaves alone is no fault."""
    assert markdown(text)[1] == []


INSTEAD = {
    "$\\ce{H2O}$": "`\\mathrm{H_2O}`",
    "$90\\degree$": "`^\\circ`",
    "$\\color{red}x$": "`\\boxed{…}`",
    "<center>a</center>": "Cards hold no such element",
    "List<word>": "`\\<word>`",
}


@pytest.mark.parametrize(("text", "way_out"), INSTEAD.items(), ids=INSTEAD)
def test_way_out_fits_what_was_written(text: str, way_out: str) -> None:
    """What many authors write gets a hint of its own."""
    (found,) = markdown(text)[1]
    assert way_out in found.hint


def test_every_rule_is_provoked_by_a_test() -> None:
    """The codes are unique, in this stage's range, and each has a case in this folder's tests."""
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert all("N200" <= code <= "N299" for code in codes)
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [code for code in codes if f'"{code}"' not in tests] == []


def test_timeline_that_cannot_be_drawn() -> None:
    """Nonsense in a timeline is a fault at its line; a good one becomes a picture that keeps its text."""
    note = "## Q?\n<!-- id: a -->\n\n```python\nx = 1\n```\n\n```timeline\n{}\n```\n"
    assert [item[:3] for item in brief(rendered(note.format("main at noon"))[1])] == [("N223", 12, 1)]
    product, found = rendered(note.format("main: 0 wait, 200 end"))
    assert found == []
    answer = dict(product.notes[0].fields)["Answer"]
    assert "<svg" in answer
    assert "main: 0 wait, 200 end" in answer


def test_sound_as_the_text_of_a_link_is_a_link() -> None:
    """As on GitHub; Anki plays nothing."""
    html, found = markdown("[sound:bell.mp3](https://a.b)")
    assert (html, found) == ('<p><a href="https://a.b">sound:bell.mp3</a></p>', [])


def test_marks_of_direction_stay() -> None:
    """A text from right to left needs them, and they turn round nothing else."""
    assert markdown("\u200f\u05d0\u061c\u200e") == ("<p>\u200f\u05d0\u061c\u200e</p>", [])


def test_missing_sound_is_a_warning_and_stays_text() -> None:
    """`[sound:…]` without a file is shown as text that Anki does not act on."""
    html, found = markdown("hear [sound:nope.mp3]")
    assert brief(found) == [("N209", 1, 6, "[sound:nope.mp3]")]
    assert errors(found) == []
    assert html == "<p>hear &#91;sound:nope.mp3&#93;</p>"


def test_unused_media_are_warned_about_once() -> None:
    """One warning for each file that no note shows, at the file."""
    _, found = render_deck(parsed("## Q?\n<!-- id: a -->\n\n![x](media/loop.png)\n"), {})
    assert [(item.code, item.span.file) for item in found] == [("N208", "deck/media/bell.mp3")]


def test_notes_with_errors_are_left_out_and_the_others_stay() -> None:
    """A fault costs the note it is in, and all faults come at once, each with its note's id."""
    product, found = rendered(
        "## A?\n<!-- id: a -->\n\n<T>\n\n## B?\n<!-- id: b -->\n\nfine\n\n## C?\n<!-- id: c -->\n\n<V>\n"
    )
    assert [note.note.id for note in product.notes] == ["b"]
    assert [(item.code, item.note) for item in found] == [("N200", "a"), ("N200", "c")]


def test_side_that_shows_nothing_is_an_error() -> None:
    """An answer of hidden code only would be a blank card."""
    _, found = rendered("## Q?\n<!-- id: a -->\n\n<p></p>\n")
    assert brief(found) == [("N220", 7, 1, "<p></p>")]


CLOZE = {
    "cuts through emphasis": ("A {{c1::**b}} c**.", [("N215", 4, 6, "{{c1::**b}}")]),
    "in an address": ("A {{c1::b}} [c](https://d.e/{{c2::f}}).", [("N216", 4, 32, "{{c2::f}}")]),
    "in a description": ("A {{c1::b}} ![{{c2::f}}](media/loop.png).", [("N216", 4, 18, "{{c2::f}}")]),
}


@pytest.mark.parametrize(("heading", "expected"), CLOZE.values(), ids=CLOZE)
def test_cloze_that_cannot_work_is_an_error(heading: str, expected: list[tuple[str, int, int, str]]) -> None:
    """Anki would make broken HTML of it, or never show it."""
    _, found = rendered(f"## {heading}\n<!-- id: a -->\n")
    assert brief(found) == expected


def test_deletion_that_a_table_cuts_off_is_found_at_its_mark() -> None:
    """A `|` in it ends its cell, and the rest is dropped."""
    _, found = rendered("## Q?\n<!-- id: a -->\n\n|a|\n|-|\n|{{c1::b|c}}|\n")
    assert brief(found) == [("N216", 9, 2, "{{c1::")]


def test_deletion_in_a_comment_is_none() -> None:
    """A draft that was commented out is neither counted nor missed; backticks make no comment."""
    _, found = rendered("## A {{c1::b}}.\n<!-- id: a -->\n\n<!-- {{c2::c}} -->\n\nd <!-- {{c3::e}} -->\n")
    assert found == []
    product, found = rendered("## Q?\n<!-- id: a -->\n\n`<!--` {{c1::b}} `-->`\n")
    assert (found, product.notes[0].note.cards) == ([], 1)
    assert "{{c1::b}}" in dict(product.notes[0].fields)["Text"]


def test_deletion_without_a_place_on_the_card_is_an_error() -> None:
    """A number that the parser counted and no mark shows would be an empty card."""
    deck = parsed("## A {{c1::b}}.\n<!-- id: a -->\n")
    (file,) = deck.files
    note = replace(file.notes[0], deletions=frozenset({1, 2}))
    _, found = render_deck(replace(deck, files=(replace(file, notes=(note,)),), media={}), {})
    assert brief(found) == [("N216", 4, 4, "A {{c1::b}}.")]
    assert "c2" in found[0].message


def test_fault_in_a_metadata_value_is_found_at_the_value() -> None:
    """Banners are Markdown too."""
    _, found = rendered('## Q?\n<!-- id: a\ncorrected: "was <T>"\n-->\n\nA.\n')
    assert [(item.code, item.span.line) for item in found] == [("N200", 6)]


def test_fault_in_the_description_is_found_in_deck_yaml() -> None:
    """The description goes the same way as notes; it can show no picture, which no note would bring along."""
    note, place = "## Q?\n<!-- id: a -->\n\nA.\n", ("deck/deck.yaml", 4)
    _, found = rendered(note, config='description: "a <T>"\n')
    assert [(item.code, item.span.file, item.span.line) for item in found] == [("N200", *place)]
    for text in ("|\n  a\n\n  | <T> |\n  |---|\n", ">\n  a\n\n  b\n  <T>\n", "\n\n\n  a <T>\n", "'a\n\n  b\n  <T>'\n"):
        found = [item for item in rendered(note, config=f"description: {text}")[1] if item.code == "N200"]
        assert [(item.span.line, item.span.text) for item in found] == [
            (4 + text[: text.index("<")].count("\n"), "<T>")
        ]
    _, found = rendered(note, config='description: "![a loop](media/loop.png)"\n')
    assert [(item.code, item.span.file, item.span.line) for item in found] == [("N230", *place)]


HUGE = {
    "open brackets": "[" * 100_000,
    "brackets with words": "[a " * 3_000,
    "closed brackets": "[" * 5_000 + "]" * 5_000,
    "asterisks": "*" * 100_000,
    "emphasis": "*a _b " * 1_500,
    "deep emphasis": "*a **b " * 700 + "**" * 700,
    "quotes": ">" * 100_000,
    "quotes with blanks": "> " * 5_000 + "a",
    "less than": "<" * 100_000,
    "tags": "<a " * 30_000,
    "comments": "<!-- " * 20_000,
    "backticks": "".join("`" * size + " " for size in range(1, 130)),
    "dollars": "$a " * 3_300,
    "mail": "a@" * 4_900,
    "lists": "".join("  " * level + "- a\n" for level in range(200)),
    "wide table": "|" + "a|" * 900 + "\n|" + "-|" * 900 + "\n" + "|b|\n" * 5_000,
    "definitions": "[r]: b\n" * 14_000,
    "entities": "&" * 9_000,
    "pictures": "![" * 5_000,
    "tildes": "~a ~~b " * 1_400,
    "deletions": "{{c1::" * 1_600,
    "HTML": "<div>\n" * 300 + "\na\n",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_huge_or_deep_text_neither_crashes_nor_vanishes(text: str) -> None:
    """Either all of it is on the card, or an error says what cannot be shown."""
    html, found = markdown(text)
    if not errors(found):
        shown = "".join(part for part in structure(html) if isinstance(part, str))
        assert shown.count("a") >= min(text.count("a"), 1)
        assert html or text.startswith("[r]:")


def test_too_large_and_too_deep_are_named() -> None:
    """The two limits of size, and the one of depth."""
    assert brief(markdown("a " * 60_000)[1])[0][:3] == ("N218", 1, 1)
    assert brief(markdown("ok\n\n" + "a " * 6_000)[1])[0][:3] == ("N218", 3, 1)
    assert brief(markdown("x [" * 400)[1])[0][:3] == ("N218", 1, 1)
    assert brief(markdown(">" * 100 + "a")[1])[0][:3] == ("N217", 1, 1)
    assert brief(markdown("[" * 100 + "a" + "]" * 100)[1])[0][:3] == ("N217", 1, 1)
    assert brief(markdown("*a **b " * 100 + "** " + "b***" * 200)[1])[0][:3] == ("N217", 1, 1)


def test_media_names_are_looked_up_as_written(tmp_path: Path) -> None:
    """A name with a blank works by its escape, and upper and lower case count."""
    media = {"a b.png": MediaFile("a b.png", tmp_path / "a b.png", "a_b-1.png"), **MEDIA}
    topic = b"---\ndeck: T\n---\n## Q?\n<!-- id: a -->\n\n![x](media/a%20b.png) ![y](media/Loop.png)\n"
    config = b"format: 1\nname: A\nnamespace: n.n\n"
    deck, _ = parse_deck(DeckFolder(tmp_path, "deck", config, (("01.md", topic),), media))
    assert deck is not None
    _, found = render_deck(deck, {})
    assert [item.code for item in errors(found)] == ["N205"]
