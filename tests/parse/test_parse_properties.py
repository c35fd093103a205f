"""Claims about all texts: hypothesis looks for one that breaks them."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parsing import CONFIG, FRONT, NOTES, all_spans, dump, parse_all, parse_text

PIECES = [
    "---\n", "deck: X\n", "# T\n", "## ", "## Q\n", "### Answer\n", "### Extra\n", "<!-- id: q -->\n", "<!--", "-->",
    "{", "}", "```python\n", "```output\n", "```\n", "~~~ python setup\n", "```python continue\n", "raises=", "bug=a,",
    'norun="x"', "{{c1::", "{{c2::", "::", "}}", "- ", "  ", "\t", "> ", "1. ", "|a|\n|-|\n", "[a]: b\n", "<div>\n",
    "\n",
    "\n\n", "text", "print(1)", "é", "🎉", "\u2028", "\ufeff", "\x00", "\x1b", "\u202e", "&#115;", "\\", "`", "$", "*",
    "id: ", "tags: [a, b]\n", "python: '>=3.11'\n", "reversed: true\n", "&a ", "*a", "!!t ", "? ", "'", '"', "==\n",
    "--\n",
    "\r", "\r\n",
]  # fmt: skip

texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=60).map("".join)
GOOD = [(path.name, path.read_bytes()) for path in sorted((NOTES / "good").glob("*.md"))]


def check(data: bytes, config: bytes = CONFIG) -> None:
    deck, found = parse_all(("01.md", data), config=config)
    for span in all_spans(deck, found):
        assert 0 <= span.start <= span.end <= len(span.source.text)
        assert 1 <= span.line <= len(span.source.line_starts)
    for fault in found:
        assert fault.message
        assert fault.hint
    for note in deck.notes if deck else ():
        assert note.id
        assert note.guid
        assert note.span.start <= note.heading.start <= note.heading.end <= note.span.end
        for snippet in note.snippets:
            assert note.span.start <= snippet.span.start < snippet.span.end <= note.span.end


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00")
@example(b"\xef\xbb\xbf\xef\xbb\xbf---\r\ndeck: X\r---\n## Q\xed\xa0\x80")
def test_any_bytes_parse(data: bytes) -> None:
    """No file raises, as notes or as deck.yaml, and every place lies in it."""
    check(data)
    check(FRONT.encode() + b"## Q\n<!-- id: q -->\n\n" + data)
    check(b"", config=data)


@settings(max_examples=300, deadline=None)
@given(texts)
@example("## Q\n<!-- id: q -->\n\n- > - > - > ```python\n")
@example("## {{c1::a::}}\n\n\t```python\n\t{{c1::b}}\n")
@example("##\t##\n")
@example("##  \x00 ##")
def test_any_text_of_our_marks_parses(text: str) -> None:
    """However fences, marks, headings, comments and YAML are mixed."""
    check(text.encode("utf-8", "surrogatepass"))
    check((FRONT + text).encode("utf-8", "surrogatepass"))


@settings(deadline=None)
@given(texts)
def test_any_deck_yaml_of_our_marks_parses(text: str) -> None:
    """As for notes."""
    check(FRONT.encode(), config=text.encode("utf-8", "surrogatepass"))


@settings(deadline=None)
@given(texts)
def test_any_metadata_parses(text: str) -> None:
    """Whatever stands in the comment, or as the value of a key."""
    check(f"{FRONT}## Q\n<!-- {text} -->\n\nA.\n".encode("utf-8", "surrogatepass"))
    check(f"{FRONT}## Q\n<!--\nid: q\nretired: {text}\n-->\n\nA.\n".encode("utf-8", "surrogatepass"))


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
@pytest.mark.parametrize(("name", "data"), GOOD, ids=[name for name, _ in GOOD])
def test_the_order_of_notes_changes_no_guid(name: str, data: bytes, shuffle: random.Random) -> None:
    """A learner keeps what they learned when notes are put in another order."""
    head, *notes = re.split(r"(?m)^(?=## (?!not|nor))", data.decode())
    expected = _guids(data, name)
    shuffle.shuffle(notes)
    assert _guids("".join([head, *(note.rstrip("\n") + "\n\n" for note in notes)]).encode(), name) == expected


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs", "P", "S"]), min_size=1, max_size=40))
@example("`code` and {c1}")
def test_new_words_change_no_guid_where_there_is_an_id(words: str) -> None:
    """Neither the question's nor the answer's; nor a move to another file and sub-deck."""
    question = "Why " + words.replace("{{", "").replace("\\", "").replace("<", "")
    before, _ = parse_text(f"{FRONT}## Why?\n<!-- id: why -->\n\nA.\n")
    after, _ = parse_text(f"---\ndeck: Other\n---\n## {question}\n<!-- id: why -->\n\nB, at last.\n", "99-other.md")
    assert [(note.id, note.guid) for note in after.notes] == [(note.id, note.guid) for note in before.notes]


@settings(deadline=None)
@given(st.integers(0, 12), st.sampled_from(["\n", "\r\n", "\r"]))
@pytest.mark.parametrize(("name", "data"), GOOD, ids=[name for name, _ in GOOD])
def test_blank_lines_between_notes_change_nothing_but_places(name: str, data: bytes, blanks: int, newline: str) -> None:
    """Parts, code, ids and values stay as they are."""
    head, *notes = re.split(r"(?m)^(?=## (?!not|nor))", data.decode())
    spread = ("\n" * blanks).join([head, *notes]).replace("\n", newline)
    assert _placeless(spread.encode(), name) == _placeless(data, name)


def _guids(data: bytes, name: str) -> set[tuple[str, str]]:
    deck, _ = parse_text(data, name)
    return {(note.id, note.guid) for note in deck.notes}


def _placeless(data: bytes, name: str) -> object:
    deck, _ = parse_text(data, name)
    return _without_places(dump(deck))


def _without_places(data: object) -> object:
    if isinstance(data, dict):
        places = ("lines", "stands", "metadata", "programs")
        return {key: _without_places(value) for key, value in data.items() if key not in places}
    if isinstance(data, list):
        return [
            _without_places(item) for item in data if not (isinstance(item, str) and re.fullmatch(r"\d+-\d+", item))
        ]
    return data
