"""The renderer and the parser read cloze marks alike."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from generator.parse.cloze import find_marks
from generator.render.marks import find_clozes

PIECES = st.sampled_from(
    ["{{c1::", "{{c2::", "}}", "}", "{", "::", ":", "'", '"', "`", "(", ")", "[", "]", "a", "f'", "\\", " ", "don't"]
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_parser_and_renderer_agree_on_deletions(text: str) -> None:
    """In every text that the parser accepts: the same deletions, at the same places, with the same hints."""
    marks, faults = find_marks(text)
    if faults:
        return
    found = [(cloze.number, cloze.start, cloze.inner, cloze.stop, cloze.end, cloze.hint) for cloze in find_clozes(text)]
    assert found == [(mark.number, mark.start, mark.inner, mark.inner_end, mark.end, mark.hint) for mark in marks]
