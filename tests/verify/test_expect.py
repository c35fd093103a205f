"""Expectations: how an output is compared, and which lines a `#>` comment speaks of."""

from __future__ import annotations

import pytest

from generator.diagnostics import Source
from generator.notes import Role, Side, Snippet
from generator.verify import expect


def snippet(code: str) -> Snippet:
    source = Source("a.md", code)
    starts = [0] + [at + 1 for at, char in enumerate(code) if char == "\n"]
    return Snippet(
        Role.PROGRAM, "python", code, source.span(0, len(code)), Side.ANSWER, tuple((at, at) for at in starts)
    )


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("", ""),
        ("", "\n\n"),
        ("a", "a\n"),
        ("a  \nb", "a\nb   \n\n"),
        ("<f at 0x1>", "<f at 0x7fffdead>"),
        ("hex is 0xff", "hex is 0xff"),
        ("Task-3 done", "Task-41 done"),
        ("a...z", "abcz"),
        ("...", "anything\nat all"),
        ("...", ""),
        ("a\n...\nz", "a\nz"),
        ("a\n...\nz", "a\nb\nc\nz"),
        ("a\n...\nm\n...\nz", "a\nm\nx\nm\ny\nz"),
        ("...x...y...", "1x2y3"),
    ],
)
def test_matches(expected: str, printed: str) -> None:
    """Blanks at ends, addresses and task numbers don't count; `...` stands for any text or any lines."""
    assert expect.matches(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("a", ""),
        ("", "a"),
        ("a", "A"),
        (" a", "a"),
        ("a\n\nb", "a\nb"),
        ("a...z", "abc"),
        ("ab...bc", "abc"),
        ("a\n...", "b"),
        ("a\n...\nz", "a\nb"),
        ("...x...y", "yx"),
        ("<f at 0x1>", "<g at 0x1>"),
        ("hex is 0xdead", "hex is 0xff"),
    ],
)
def test_does_not_match(expected: str, printed: str) -> None:
    """Anything else must be equal, and `...` invents nothing."""
    assert not expect.matches(expected, printed)


def test_many_wildcards_are_quick() -> None:
    """A hundred `...` over thousands of lines end: the comparison never goes back further than the last one."""
    wanted = "\n".join(["...", "a"] * 100 + ["z"])
    assert not expect.matches(wanted, "a\n" * 5000)


def test_comments_belong_to_the_statement_before() -> None:
    """Behind a statement, on lines below it, and inside a block: each speaks of the statement before it."""
    code = 'print("a")  #> a\nfor n in range(2):\n    print(\n        n,\n    )\n    #> 0\n    #> 1\nx = "#> no"\n'
    found = [(item.first, item.last, item.text) for item in expect.comments(snippet(code))]
    assert found == [(1, 1, ("a",)), (3, 5, ("0", "1"))]


def test_a_comment_knows_its_place() -> None:
    """The span of an expectation is the comment itself."""
    code = 'print("a")  #> a\n'
    (only,) = expect.comments(snippet(code))
    assert only.span.text == "#> a"
    assert (only.span.line, only.span.column) == (1, 13)


def test_printed_by_looks_at_every_frame() -> None:
    """A print inside a called function counts for the call as well."""
    code = "def show():\n    print(1)\n\n\nshow()  #> 1\n"
    (only,) = expect.comments(snippet(code))
    printed = [([("snippet.py", 12), ("snippet.py", 15)], "1\n"), ([("setup-1.py", 15)], "x\n")]
    assert expect.printed_by(only, "snippet.py", 11, printed) == "1\n"


def test_code_of_a_newer_python_keeps_its_expectations() -> None:
    """What this Python cannot parse another may run: there every row with code is a statement."""
    code = 'type Number = int\nprint(f"{dict(a=1)["a"]}")  #> 1\n# prose\n#> 2\nnonsense = =\n'
    found = [(item.first, item.last, item.text) for item in expect.comments(snippet(code))]
    assert found == [(2, 2, ("1", "2"))]


def test_a_comment_without_a_print_is_never_met() -> None:
    """Behind a line that opens a block, or above all code, an expectation speaks of that line alone."""
    found = [
        (item.first, item.last) for item in expect.comments(snippet("#> 1\nfor n in (1, 2):  #> 2\n    print(n)\n"))
    ]
    assert found == [(1, 1), (2, 2)]


def test_an_expectation_may_not_take_for_ever() -> None:
    """Ten thousand lines behind `...`, held against thirty thousand, would keep the verifier busy for minutes."""
    assert not expect.matches("...\n" + "a\n" * 10_000 + "b", "a\n" * 30_000)
    assert expect.matches("...\n" + "a\n" * 10_000, "a\n" * 10_000)
