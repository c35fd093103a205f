"""The three forms of a diagnostic, and that no text of an author or program can act through them."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.diagnostics import (
    Diagnostic,
    Rule,
    Severity,
    Source,
    as_dict,
    as_github,
    as_json,
    as_text,
    harmless,
    ordered,
    visible,
)

RULE = Rule("N999", "a rule of these tests")
MILD = Rule("N998", "a mild rule of these tests", Severity.WARNING)


def fault(text: str, start: int, end: int, message: str = "wrong", hint: str = "") -> Diagnostic:
    return RULE.at(Source("notes/a.md", text).span(start, end), message, hint)


def carets(diagnostic: Diagnostic) -> tuple[str, str]:
    """The excerpt's line and the caret line, without the gutter."""
    _, line, marks, *_ = as_text(diagnostic).split("\n")
    return line.partition("| ")[2], marks.partition("| ")[2]


# --- places ---


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (3, (3, 1)), (5, (3, 3)), (6, (3, 4))]
)
def test_lines_and_columns_count_from_one(offset: int, place: tuple[int, int]) -> None:
    """In code points; the end of a text has a place too."""
    source = Source("a", "x\n\né🎉z")
    assert source.position(offset) == place
    assert source.offset(*place) == offset


@given(st.text(st.sampled_from("a\né🎉\t\r\u2028"), max_size=40), st.integers(-5, 50), st.integers(-5, 50))
def test_every_place_is_in_the_text(text: str, one: int, other: int) -> None:
    """Offsets and places are clamped; a place and its offset go back and forth."""
    source = Source("a", text)
    span = source.span(one, other)
    assert 0 <= span.start <= span.end <= len(text)
    assert source.offset(*source.position(span.start)) == span.start
    assert 0 <= source.offset(one, other) <= len(text)
    line = source.line_span(max(one, 1), max(other, 1))
    assert 0 <= line.start <= line.end <= len(text)
    assert "\n".join(source.line_text(number) for number in range(1, len(source.line_starts) + 1)) == text


def test_a_line_span_leaves_out_the_indentation() -> None:
    """It goes to the end of its last line."""
    source = Source("a", "x\n  one\n\ttwo \nend")
    assert source.line_span(2).text == "one"
    assert source.line_span(2, 3).text == "one\n\ttwo "
    assert source.line_text(0) == source.line_text(9) == ""


# --- text ---


def test_text_names_place_code_and_way_out() -> None:
    """The whole form, once."""
    diagnostic = fault("one\ntwo words\n", 8, 13, "`words` is wrong", "Write `word`.")
    assert as_text(diagnostic) == (
        "notes/a.md:2:5: N999 `words` is wrong\n"
        "  2 | two words\n"
        "    |     ^^^^^\n"
        "  = Write `word`."
    )  # fmt: skip


def test_a_warning_says_so_and_related_places_follow() -> None:
    """An error is the rule and is not named."""
    source = Source("a.md", "one\ntwo")
    mild = MILD.at(source.span(0, 3), "mild")
    assert as_text(mild).startswith("a.md:1:1: N998 warning: mild\n")
    assert "warning" not in as_text(mild.as_error())
    twice = Diagnostic("N999", Severity.ERROR, source.span(0, 3), "twice", related=(source.span(4, 7),))
    assert as_text(twice).split("\n")[3:] == ["  see a.md:2:1", "  2 | two", "    | ^^^"]


@pytest.mark.parametrize(
    ("text", "word", "indent", "width"),
    [
        ("ab cd", "cd", 3, 2),
        ("日本 語", "語", 5, 2),
        ("日本 語", "日", 0, 2),
        ("é e\u0301 x", "x", 4, 1),
        ("\tif x", "if", 1, 2),
        ("a\t\tb", "b", 3, 1),
        ("\uff21\uff22 cd", "cd", 5, 2),
        ("a\x1b[31m b", "b", 10, 1),
        ("\u202eab", "b", 7, 1),
    ],
)
def test_carets_stand_below_what_they_mean(text: str, word: str, indent: int, width: int) -> None:
    """Wide, combining, invisible characters and tabs each take the columns that a terminal gives them."""
    start = text.index(word)
    _, marks = carets(fault(text, start, start + len(word)))
    assert marks == " " * indent + "^" * width


def test_a_span_of_nothing_and_one_of_lines_have_carets() -> None:
    """One caret; the rest of the first line."""
    assert carets(fault("abc", 1, 1)) == ("abc", " ^")
    assert carets(fault("abc\ndef", 1, 6)) == ("abc", " ^^")
    assert as_text(fault("abc\n\nx", 4, 4)) == "notes/a.md:2:1: N999 wrong"


def test_a_long_line_is_cut_around_the_place() -> None:
    """A megabyte in one line gives a short excerpt with the place in it."""
    line, marks = carets(fault("x" * 500_000 + "HERE" + "y" * 500_000, 500_000, 500_004))
    assert len(line) <= 101
    assert line[marks.index("^") : marks.rindex("^") + 1] == "HERE"
    _, marks = carets(fault("x" * 1000, 0, 1000))
    assert len(marks) <= 101


# --- nothing acts ---

HOSTILE = [
    "::error file=x::y",
    "::set-output name=a::b",
    "##[error]x",
    "##[set-env name=a]b",
    "\x1b]0;title\x07",
    "\x1b[2J",
    "a\r::stop-commands::x",
    "\u202e\u2066txt",
    "\u2028::warning::x",
    "\x9b31m",
    "\udc80",
    "\ue000\u200b\ufeff",
    "\x00\x08",
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_nothing_that_an_author_wrote_acts_on_a_terminal_or_runner(hostile: str) -> None:
    """Wherever it stands: in the line, the message, the hint, the file's name."""
    source = Source(hostile, f"a {hostile} b")
    diagnostic = Diagnostic(
        "N999", Severity.ERROR, source.span(0, 1), hostile, hostile, related=(source.span(0, len(hostile)),)
    )
    text = as_text(diagnostic)
    assert "::" not in text
    assert "##[" not in text
    assert all(char.isprintable() or char in "\n\u200b" for char in text)
    text.encode()


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_an_annotation_is_one_command_and_no_other(hostile: str) -> None:
    """Line ends are escaped, and what separates properties is too."""
    source = Source(f"{hostile},line=9", "abc")
    line = as_github(RULE.at(source.span(1, 2), f"x\n{hostile}", hostile))
    assert "\n" not in line
    assert "\r" not in line
    properties = line.removeprefix("::error ").partition("::")[0]
    assert [item.partition("=")[0] for item in properties.split(",")] == [
        "file",
        "line",
        "col",
        "endLine",
        "endColumn",
        "title",
    ]
    line.encode()


@given(st.text())
def test_visible_text_is_printable_and_says_what_was_there(text: str) -> None:
    """Escapes can be read back; plain text is left as it is."""
    shown = visible(text)
    acting = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not any(unicodedata.category(char) in acting and char not in "\n\t" for char in shown)
    if text.isprintable():
        assert shown == text


def test_harmless_text_looks_as_it_did() -> None:
    """Only a character without width stands between the colons."""
    assert harmless("a::b").replace("\u200b", "") == "a::b"
    assert harmless("a:b #[x]") == "a:b #[x]"


@pytest.mark.parametrize("command", ["::error::x", ":::error:::x", "##[error]x", "##vso[task.x]y", "##teamcity[x]"])
def test_no_ci_reads_a_command_in_any_form(command: str) -> None:
    """GitHub, Azure and TeamCity each have a form; none is left, and JSON still says what was there."""
    for text in (harmless(command), as_text(fault(command, 0, 1, command)), as_json([fault("x", 0, 1, command)], {})):
        assert not re.search(r"::|##[A-Za-z]*\[", text.replace("\u200b", "|"))
    assert json.loads(as_json([fault("x", 0, 1, command)], {}))["diagnostics"][0]["message"] == command


def test_a_cloze_mark_can_be_copied_from_a_hint() -> None:
    """No CI reads its colons, and nothing invisible is put between them."""
    text = "Write `{{c1::word}}` or `{{c2::word::hint}}`."
    assert harmless(text) == text
    assert harmless("{{c1::a}}\n::error::x") == "{{c1::a}}\n:\u200b:error:\u200b:x"


def test_no_line_of_a_message_poses_as_another_diagnostic() -> None:
    """Its further lines are set in."""
    lines = as_text(fault("abc", 0, 1, "a\nb.md:1:1: N001 c", "")).split("\n")
    assert [line for line in lines if not line.startswith("  ")] == [lines[0]]


# --- github and json ---


def test_an_annotation_has_columns_only_within_a_line() -> None:
    """GitHub refuses them for a place of several lines."""
    one = as_github(fault("abc\ndef", 1, 3, "100% wrong\nhere", "a, b: c"))
    assert one == (
        "::error file=notes/a.md,line=1,col=2,endLine=1,endColumn=4,title=N999::100%25 wrong%0Ahere%0Aa, b: c"
    )
    assert as_github(fault("abc\ndef", 1, 6)) == "::error file=notes/a.md,line=1,endLine=2,title=N999::wrong"
    assert as_github(MILD.at(Source("a:b,c", "x").span(0, 1), "m")).startswith("::warning file=a%3Ab%2Cc,line=1,")


def test_the_json_form_has_the_documented_keys() -> None:
    """Columns count from 1, ends are exclusive, and text comes as it is."""
    span = Source("a.md", "é\x1b🎉\n").span(1, 3)
    diagnostic = RULE.at(span, "m\u202e", "h", note="my-note", finding="timeout")
    data = json.loads(as_json([diagnostic], {"notes": 1}))
    assert data == {
        "diagnostics": [
            {
                "file": "a.md",
                "line": 1,
                "column": 2,
                "end_line": 1,
                "end_column": 4,
                "code": "N999",
                "severity": "error",
                "message": "m\u202e",
                "hint": "h",
                "note": "my-note",
                "finding": "timeout",
            }
        ],
        "summary": {"notes": 1},
    }
    assert as_dict(fault("x", 0, 1))["note"] is None


@given(st.lists(st.text(), max_size=3))
def test_json_is_ascii_whatever_it_holds(texts: list[str]) -> None:
    """So that no terminal acts on it and no locale breaks it."""
    text = as_json([fault(item, 0, 1, item, item) for item in texts], {})
    assert text.isascii()
    assert [item["message"] for item in json.loads(text)["diagnostics"]] == texts


def test_diagnostics_are_sorted_and_each_is_there_once() -> None:
    """By file, line, column, code."""
    first, second = Source("a", "x\ny\n" * 6), Source("b", "x")
    spans = [second.span(0), first.span(20), first.span(4), first.span(5)]
    found = [rule.at(span, "m") for span in spans for rule in (RULE, MILD)]
    expected = [(span.file, span.line, span.column) for span in (spans[2], spans[3], spans[1], spans[0])]
    result = ordered([*found, *found])
    assert [(item.span.file, item.span.line, item.span.column) for item in result[::2]] == expected
    assert [item.code for item in result] == ["N998", "N999"] * 4
