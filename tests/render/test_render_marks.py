"""Cloze marks of prose become single characters, and everything else stays where it was."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from generator.diagnostics import Source
from generator.parse.cloze import find_marks
from generator.render.marks import FILLER, Marks, Piece, mark_clozes

PIECES = st.sampled_from(
    ["{{c1::", "{{c2::", "}}", "}", "{", "::", ":", "'", '"', "`", "(", ")", "[", "]", "a", "f'", "\\", " ", "don't"]
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("{{c2::xs[::2]}} {{c1::f'{{a}}'::a}}}} {{c1::(b::c}}")
def test_deletions_of_the_parser_get_their_characters(text: str) -> None:
    """In every text that the parser accepts: an opening and a closing for each deletion, at the places it found."""
    found, faults = find_marks(text)
    if faults:
        return
    marks = Marks()
    marked = mark_clozes(text, marks, Source("a.md", text).span)
    expected = list(text)
    for cloze in found:
        expected[cloze.start : cloze.inner] = FILLER * (cloze.inner - cloze.start)
        expected[cloze.inner_end : cloze.end] = FILLER * (cloze.end - cloze.inner_end)
    assert [FILLER if marks.get(char) else char for char in marked] == expected
    shown = [(mark.piece, mark.number, mark.text) for mark in map(marks.get, marked) if mark]
    pairs = [[(Piece.OPEN, cloze.number, None), (Piece.CLOSE, cloze.number, cloze.hint)] for cloze in found]
    assert shown == [piece for pair in pairs for piece in pair]
