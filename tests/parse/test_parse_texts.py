"""Where code stands, who a note is, what bytes become: claims about single texts."""

from __future__ import annotations

import pytest
from parsing import CONFIG, FRONT, codes, folder, one_note, parse_all, parse_text

from generator.notes import Kind, Role, Snippet, guid
from generator.parse import parse_deck
from generator.parse.blocks import link_definitions, read_blocks
from generator.parse.cloze import find_marks
from generator.parse.ids import slug
from generator.parse.sources import decode
from generator.render import render_deck


def only_snippet(fence: str, heading: str = "## Q") -> Snippet:
    (snippet,) = one_note(f"{heading}\n<!-- id: q -->\n\n{fence}\n").snippets
    return snippet


# --- where code stands ---

FENCES = {
    "plain": "```python\na = 1\n  b = 2\n\nc\n```",
    "indented": "  ```python\n  a = 1\n b = 2\n      c\n  ```",
    "in a list": "- x\n\n  ```python\n  a = 1\n\n    b = 2\n  ```",
    "behind the bullet": "1. ```python\n   a = 1\n     b = 2\n   ```",
    "in a list in a list": "- x\n  - y\n\n    ```python\n    a = 1\n    b\n    ```",
    "tabs in a list": "-\tx\n\n\t```python\n\ta = 1\n\t\tb = 2\n\t ```",
    "half a tab": "1. x\n\n   ```python\n\ta = 1\n\t\tb = 2\n   ```",
    "wide and combining": "- é̂\n\n  ```python\n  a = '日本' + \"e\u0301\"  # 🎉\n  b = 2\n  ```",
    "never ending blanks": "- x\n\n  ```python\n  a = 1   \n     \n \n  b = 2\n  ```",
    "cloze": "```python\nx = {{c1::await f(}}1) + {{c2::g()\n  [2]::hint}} + 3\ny\n```",
    "cloze in a list": "- x\n\n  ```python\n  x = {{c1::{1: {2}}}}\n  {{c2::y\n    z}}\n  ```",
    "cloze side by side": "```python\n{{c1::print}}{{c2::()}}\n{{c3::\n1\n}}\n```",
}


@pytest.mark.parametrize("fence", FENCES.values(), ids=FENCES)
def test_every_character_of_code_is_found_in_the_file(fence: str) -> None:
    """Each visible character of what runs stands in the source where the segments say."""
    snippet = only_snippet(fence)
    text = snippet.span.source.text
    assert "{{c" not in snippet.code
    for offset, char in enumerate(snippet.code):
        if not char.isspace():
            assert text[snippet.source_offset(offset)] == char
    for number, line in enumerate(snippet.code.split("\n"), start=1):
        if line.strip():
            assert snippet.locate(number).text.startswith(line.split()[0][:1])


@pytest.mark.parametrize("fence", FENCES.values(), ids=FENCES)
def test_segments_have_a_piece_for_each_line(fence: str) -> None:
    """They ascend, and a line's end is where the source's line ends: a tool can write at any of them."""
    snippet = only_snippet(fence)
    starts = [start for start, _ in snippet.segments]
    assert starts == sorted(set(starts))
    lines = [offset + 1 for offset, char in enumerate(snippet.code[:-1]) if char == "\n"]
    assert {0, *lines} <= set(starts)
    for offset, char in enumerate(snippet.code):
        if char == "\n":
            assert snippet.span.source.text[snippet.source_offset(offset)] == "\n"


def test_a_tab_that_a_list_cuts_becomes_spaces_as_in_commonmark() -> None:
    """A tab reaches to the next stop of four; what a list item does not take of it stays, as spaces."""
    snippet = only_snippet(FENCES["half a tab"])
    assert snippet.code == " a = 1\n \tb = 2\n"
    assert snippet.source_offset(0) == snippet.span.source.text.index("\ta = 1")
    assert snippet.locate(1).text == "a = 1"


def test_deletions_are_offsets_in_the_code_that_runs() -> None:
    """With the marks taken out; hints are kept apart."""
    snippet = only_snippet(FENCES["cloze"])
    assert snippet.code == "x = await f(1) + g()\n  [2] + 3\ny\n"
    found = [(item.number, snippet.code[item.start : item.end], item.hint) for item in snippet.deletions]
    assert found == [(1, "await f(", None), (2, "g()\n  [2]", "hint")]
    place = snippet.locate(2, 7, 8)
    assert (place.line, place.column, place.text) == (10, 15, "+")


def test_an_empty_fence_has_a_place_too() -> None:
    """An `output` without a line says that nothing is printed."""
    note = one_note("## Q\n<!-- id: q -->\n\n```python\na = 1\n```\n\n```output\n```\n")
    output = note.snippets[1]
    assert (output.role, output.code, output.segments) == (Role.OUTPUT, "", ())
    assert output.first_line == output.locate(1).line == 12


def test_one_blank_line_of_output_is_not_none() -> None:
    """A program that prints one empty line differs from one that prints nothing."""
    note = one_note("## Q\n<!-- id: q -->\n\n```python\nprint()\n```\n\n```output\n\n```\n")
    assert note.snippets[1].code == "\n"


# --- cloze marks ---

MARKS = {
    "{{c1::a}}": [("a", None)],
    "{{c1::a::b}}": [("a", "b")],
    "{{c1::a::b::c}}": [("a", "b::c")],
    "{{c1::xs[::2]}} {{c2::xs[1::2]::slice}}": [("xs[::2]", None), ("xs[1::2]", "slice")],
    "{{c1::\"a::b\"}}{{c2::f'::'::h}}": [('"a::b"', None), ("f'::'", "h")],
    "{{c1::it doesn't::don't}}": [("it doesn't", "don't")],
    "{{c1::`std::move`::C++}}": [("`std::move`", "C++")],
    '{{c1::"\\"::"::h}}': [('"\\"::"', "h")],
    "{{c1::{}}}": [("{}", None)],
    '{{c1::{"a": {"b": 1}}}}}': [('{"a": {"b": 1}}', None)],
    "{{c1::f(x::hint}}": [("f(x", "hint")],
    "{{c1::(a::b)}}": [("(a::b)", None)],
    "{{c1::$\\frac{1}{2}$}}": [("$\\frac{1}{2}$", None)],
    "{{c1::a} b}}": [("a} b", None)],
    "{{c1::a}}}": [("a", None)],
    "{{c1::a\nb}}": [("a\nb", None)],
}


@pytest.mark.parametrize("text", MARKS)
def test_a_deletion_ends_and_its_hint_begins_where_the_format_says(text: str) -> None:
    """At the first `}}` outside its own braces; at the first `::` outside brackets and quotes."""
    marks, faults = find_marks(text)
    assert faults == []
    assert [(text[mark.inner : mark.inner_end], mark.hint) for mark in marks] == MARKS[text]


@pytest.mark.parametrize("text", ["{{c:>8}}", "{{count::x}}", "{ {c1::x}}", "{c1::x}", "{{}}", "{{ x }}", "c1::x"])
def test_what_only_looks_like_a_mark_is_text(text: str) -> None:
    """Braces of f-strings, templates and prose are left alone."""
    assert find_marks(text) == ([], [])


# --- identity ---

SLUGS = {
    "What does `asyncio.gather()` do?": "what-does-asynciogather-do",
    "create_task or ensure_future": "create-task-or-ensure-future",
    "a - b": "a---b",
    "  Spaces   inside ": "spaces---inside",
    "[text](https://example.org/path) *and* **more**": "text-and-more",
    "Straße für Ägypten": "strae-fur-agypten",
    "<b>bold</b> &amp; `<T>`": "bold--t",
    "-- dashes --": "dashes",
    "Что это": "",
    "🎉": "",
    "C++ & C#": "c--c",
    r"\*escaped\*": "escaped",
}


@pytest.mark.parametrize("question", SLUGS)
def test_the_slug_is_githubs_within_the_grammar_of_ids(question: str) -> None:
    """A draft's id is the anchor of its heading on GitHub, as far as an id may be one."""
    assert slug(question) == SLUGS[question]


def test_the_slug_of_a_cloze_heading_is_of_its_words() -> None:
    """Numbering the deletions anew must not make another note."""
    deck, _ = parse_text(f"{FRONT}## The {{{{c1::event loop::what?}}}} runs\n")
    assert [note.id for note in deck.notes] == ["the-event-loop-runs"]


# Worked out by hand from SHA-256, without this project's code. They must never change: learners' schedules hang on
# them.
GUIDS = {
    ("make-deck.asyncio", "create-named-task"): "yb&.4+`y!.",
    ("test.parse", "q"): "y1!GatWMBm",
    ("n", "é"): "xskHl+$#.>",
}


@pytest.mark.parametrize("key", GUIDS, ids=str)
def test_guids_are_pinned(key: tuple[str, str]) -> None:
    """GUID = base 91 of the first 8 bytes of SHA-256(namespace NUL id)."""
    assert guid(*key) == GUIDS[key]


def test_a_note_has_the_guid_of_its_namespace_and_id() -> None:
    """And its own where it names one."""
    assert one_note("## Q\n<!-- id: q -->\n\nA.\n").guid == "y1!GatWMBm"
    assert one_note("## Q\n<!-- {id: q, guid: Abc} -->\n\nA.\n").guid == "Abc"


# --- values ---


def test_the_nearest_python_range_holds() -> None:
    """The note's before the file's before the deck's; only the first two are shown on the card."""
    config = CONFIG + b"python: '>=3.11'\ntags: [deck]\n"
    text = (
        "---\ndeck: D\npython: '>=3.12'\ntags: [file]\n---\n"
        "## A\n<!-- {id: a, python: '>=3.13', tags: [note, DECK]} -->\nx\n## B\n<!-- id: b -->\nx\n"
    )
    plain = "---\ndeck: D\n---\n## C\n<!-- id: c -->\nx\n"
    deck, found = parse_all(("1.md", text.encode()), ("2.md", plain.encode()), config=config)
    assert deck is not None
    assert found == []
    ranges = {note.id: (str(note.python), note.own_python, note.tags) for note in deck.notes}
    assert ranges == {
        "a": (">=3.13", ">=3.13", ("deck", "file", "note")),
        "b": (">=3.12", ">=3.12", ("deck", "file")),
        "c": (">=3.11", "", ("deck",)),
    }


def test_two_files_may_share_a_deck_and_the_number_is_kept_as_written() -> None:
    """`02-a.md` and `02-b.md` are one sub-deck; a name without digits has no number."""
    files = [(name, f"---\ndeck: A::B\n---\n## Q {name}\n\nA.\n".encode()) for name in ("02-a.md", "02-b.md", "x.md")]
    deck, _ = parse_all(*files)
    assert deck is not None
    assert [file.deck_name("Root") for file in deck.files] == ["Root::02 A::B", "Root::02 A::B", "Root::A::B"]


def test_ids_are_unique_over_all_files() -> None:
    """The second of two is reported, with the place of the first, and left out."""
    one, two = (f"{FRONT}## {word}\n<!-- id: same -->\n\nA.\n".encode() for word in ("One", "Two"))
    deck, found = parse_all(("1.md", one), ("2.md", two))
    assert deck is not None
    assert [(fault.code, fault.span.file, fault.note) for fault in found] == [
        ("N031", "source_notes/deck/2.md", "same")
    ]
    assert [(span.file, span.line) for span in found[0].related] == [("source_notes/deck/1.md", 6)]
    assert [note.heading.text for note in deck.notes] == ["One"]


def test_an_id_of_a_note_with_other_faults_is_taken_all_the_same() -> None:
    """Mending the one fault must not bring up the other."""
    _, found = parse_text(f"{FRONT}## One\n<!-- {{id: same, since: x}} -->\n\nA.\n\n## Two\n<!-- id: same -->\n\nA.\n")
    assert [fault.code for fault in found] == ["N014", "N031"]


def test_a_deck_without_usable_deck_yaml_is_none_but_its_notes_are_checked() -> None:
    """All faults come at once."""
    bad = f"{FRONT}## Q\n\n"
    for config in (None, b"name: X\n", b"[", b"\xff\xfe"):
        deck, found = parse_deck(folder(("1.md", bad.encode()), config=config))
        assert deck is None
        assert "N054" in [fault.code for fault in found]


def test_a_file_without_a_title_keeps_its_notes() -> None:
    """Its front matter is wrong, not they: they are linted and run with the rest."""
    deck, found = parse_text("## Q\n<!-- id: q -->\n\nA.\n", "03-topic.md")
    assert codes(found) == ["N060 1:1"]
    assert [file.title for file in deck.files] == ["03-topic"]
    assert [note.id for note in deck.notes] == ["q"]


def test_link_definitions_give_the_same_links_again() -> None:
    """A part rendered alone, with them below it, has the links it has in its file."""
    text = (
        '[a]: <x y&lt;> "say \\"hi\\" &copy; \\\\ end"\n\n> [b\\]c]: /u(1)*2*\n\n'
        "- [d]: http://ä.de/?q=ü&amp;p 'two\n  lines'\n\n"
        "[A]: second\n"
    )
    source, _ = decode("a.md", text.encode())
    _, once, _ = read_blocks(source)
    again, _ = decode("b.md", once.encode())
    blocks, twice, _ = read_blocks(again)
    assert blocks == []
    assert once.count("\n") == 2
    assert twice == once
    assert link_definitions({}) == ""


@pytest.mark.parametrize("space", ["\xa0", "\u3000", "\u200b"])
def test_a_line_of_other_white_space_is_text(space: str) -> None:
    """To Markdown only blanks and tabs are nothing."""
    deck, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n{space}\n\n \t\n")
    (note,) = deck.notes
    assert found == []
    assert note.answer
    assert note.answer.text == space


def test_a_key_may_have_a_blank_before_its_colon() -> None:
    """Else an id would be lost without a word; other words with a colon behind a blank are prose."""
    assert one_note("## Q\n<!-- id : other -->\n\nA.\n").id == "other"
    assert one_note("## Q\n<!-- id: q -->\n<!-- Mind : this -->\n\nA.\n").id == "q"


def test_an_id_in_capitals_is_one_fault() -> None:
    """It is not missing too."""
    _, found = parse_text(f"{FRONT}## Q\n<!-- ID: q -->\n\nA.\n")
    assert codes(found) == ["N013 6:6"]


def test_a_formula_in_a_fence_is_no_unknown_language() -> None:
    """It is shown as one."""
    assert only_snippet("```math\nx^2\n```").language == "math"


@pytest.mark.parametrize(
    ("written", "language"), [("mjs", "js"), ("JSONC", "json"), ("patch", "diff"), ("txt", "text")]
)
def test_other_names_of_a_language_are_known(written: str, language: str) -> None:
    """GitHub and authors have more names for languages than Pygments; none of them is worth a warning."""
    deck, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n```{written}\nx\n```\n")
    assert found == []
    assert [snippet.language for note in deck.notes for snippet in note.snippets] == [language]


def test_a_question_too_long_for_an_id_gets_one_to_paste() -> None:
    """Its first words; where there are none in these letters, the author must find some."""
    question = "What is the difference between a list and a tuple, and when would you rather take the one or the other?"
    _, found = parse_text(f"{FRONT}## {question}\n\nA.\n\n## {'食' * 90}\n\nA.\n")
    assert codes(found) == ["N033 5:4", "N033 9:4"]
    assert "`<!-- id: what-is-the-difference-between-a-list-and-a-tuple-and-when -->`" in found[0].hint
    assert "`<!-- id: … -->`" in found[1].hint


def test_a_diagram_of_github_is_named_as_one() -> None:
    """The card cannot draw it; that is said, with what to do."""
    _, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n```mermaid\ngraph\n```\n")
    assert codes(found) == ["N089 8:4"]
    assert "picture" in found[0].hint


def test_an_unknown_language_is_one_warning_with_a_suggestion() -> None:
    """The note is built all the same, its code plain."""
    deck, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n```javascrpt\nx\n```\n")
    assert codes(found) == ["N089 8:4"]
    assert "`javascript`" in found[0].hint
    assert [*codes(render_deck(deck, {})[1]), found[0].severity.value] == ["warning"]
    assert len(list(deck.notes)) == 1


def test_an_escape_in_an_info_string_is_one_fault() -> None:
    """What was meant is guessed, so that the fences behind it bring no others."""
    _, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n```&#112;ython\nprint(1)\n```\n\n```output\n1\n```\n")
    assert codes(found) == ["N090 8:4"]


def test_a_list_after_a_paragraph_is_no_fault() -> None:
    """Nor are nested lists, tables, strike-through, and h4 headings: they are GitHub's Markdown."""
    note = one_note(
        "## Q\n<!-- id: q -->\n\ntext\n- a\n  - b\n1. c\n3. d\n\n"
        "| x |\n|---|\n| ~~y~~ |\n\n#### h4\n\na < b, <T>\\\nend\n"
    )
    assert note.kind is Kind.QUESTION


# --- the file as read ---


@pytest.mark.parametrize(
    ("data", "text", "bom", "newline"),
    [
        (b"a\nb", "a\nb", False, "\n"),
        (b"\xef\xbb\xbfa\r\nb\r\n", "a\nb\n", True, "\r\n"),
        (b"a\rb", "a\nb", False, "\r"),
        (b"a\r\nb\r\nc\n", "a\nb\nc\n", False, "\r\n"),
        (b"\ta\t\n", "\ta\t\n", False, "\n"),
        (b"", "", False, "\n"),
    ],
)
def test_bom_and_line_ends_are_taken_off_and_remembered(data: bytes, text: str, bom: bool, newline: str) -> None:
    """An edit can write the file back as its author keeps it. Tabs stay."""
    source, found = decode("a.md", data)
    assert found == []
    assert (source.text, source.bom, source.newline) == (text, bom, newline)


def test_bad_bytes_are_reported_some_times_and_counted() -> None:
    """A picture named .md is no flood of a million lines."""
    _, found = decode("a.md", b"\xff.\x00." * 100)
    assert [fault.code for fault in found] == ["N001"] * 20 + ["N002"] * 20
    assert "80 more" in found[19].message


def test_a_place_after_a_bad_byte_is_still_true() -> None:
    """Each bad byte counts as one character."""
    source, found = decode("a.md", "é".encode() + b"\xed\xa0\x80\xff\nx\x1b".replace(b"\n", b"\r\n"))
    assert source.text == "é\ufffd\ufffd\ufffd\ufffd\nx\ufffd"
    assert codes(found) == ["N001 1:2", "N002 2:2"]


# --- size and depth ---


def test_a_megabyte_of_notes_parses() -> None:
    """Every note is there, each with its code."""
    count = 10_000
    body = "".join(
        f"## Question {i} about `x`?\n<!-- id: q-{i} -->\n\nAn answer in words.\n\n"
        f"```python\nprint({i})\n```\n\n```output\n{i}\n```\n\n"
        for i in range(count)
    )
    assert len(body) > 1 << 20
    deck, found = parse_text(FRONT + body)
    assert found == []
    assert sum(len(note.programs) for note in deck.notes) == count


def test_a_fence_of_ten_thousand_lines_parses() -> None:
    """Its last line is where it is."""
    snippet = only_snippet("- x\n\n  ```python\n" + "  x = {1: 2}\n" * 10_000 + "  ```")
    assert snippet.code.count("\n") == 10_000
    assert snippet.locate(10_000).line == 10_010


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (">" * 100_000, "N045"),
        ("- " * 100_000 + "a", "N045"),
        ("1. " * 50_000 + "a", "N045"),
        ("[" * 100_000, ""),
        ("[\n" * 50_000, ""),
        ("*a_" * 50_000, ""),
        ("a <!-- x " * 50_000, ""),
        ("<!--\n" * 50_000, "N054"),
        ("{{c1::" * 50_000, "N121"),
        ("{{c1::" + "[::'" * 50_000 + "}}", ""),
        ("{{c1::" + '"\\' * 100_000 + "::x}}", ""),
        ("```python " + "=" * 100_000 + "\n```", "N084"),
        ("```python\n" + "(" * 50_000 + "\n```", ""),
        ("```python\n" + "```python continue\n".join(["x\n```\n"] * 5000), ""),
    ],
    ids=lambda text: text[:16].strip(),
)
def test_text_without_measure_is_read_to_its_end(text: str, fault: str) -> None:
    """It is a note or a fault; it neither stops the parser nor hides the next note."""
    deck, found = parse_text(f"{FRONT}## Q\n<!-- id: q -->\n\n{text}\n-->\n\n## Next\n<!-- id: next -->\n\nA.\n")
    assert [item.code for item in found] == [fault] * bool(fault)
    assert [note.id for note in deck.notes] == ["next"] if fault else ["q", "next"]


@pytest.mark.parametrize("value", ["[" * 10_000, "{a: " * 3_000, "- " * 5_000, "a" * 100_000, "&a [*a]" * 500])
def test_metadata_without_measure_is_a_fault(value: str) -> None:
    """Depth, length and aliases of YAML cannot stop the parser."""
    deck, found = parse_text(f"{FRONT}## Q\n<!--\nid: {value}\n-->\n\nA.\n\n## Next\n<!-- id: next -->\n\nA.\n")
    assert {fault.code for fault in found} <= {"N010", "N011"}
    assert found
    assert [note.id for note in deck.notes] == ["next"]


def test_a_tab_in_yaml_is_called_a_tab() -> None:
    """YAML's own words name no tab, and an editor shows none."""
    _, found = parse_text(FRONT + "## Q?\n<!--\nid: q\ntags:\n\t- a\n-->\n\nA.\n")
    assert [item.code for item in found][:1] == ["N010"]
    assert "a tab" in found[0].message
    assert "spaces" in found[0].hint
