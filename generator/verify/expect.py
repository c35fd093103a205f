"""What a program should print: `output` fences and `#>` comments, and how they are compared."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

from generator.diagnostics import Span
from generator.notes import Snippet

_ADDRESS = re.compile(r"(?<=\bat )0x[0-9a-fA-F]+")
_TASK_NUMBER = re.compile(r"\bTask-\d+\b")
_MARK = "#>"
_ANY = "..."
MOST_COMPARISONS = 1_000_000
"""Lines compared before an expectation counts as not met: a second or so. Each `...` tries again from every line."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#> text` expectation: the lines of code whose prints it tells (from 1, in its snippet), the text expected,
    and for each line of the text the line of code that its comment stands on."""

    first: int
    last: int
    text: tuple[str, ...]
    rows: tuple[int, ...]
    span: Span


def masked(line: str) -> str:
    """A line without what differs from run to run: memory addresses and the numbers of tasks; no blanks at its end."""
    return _TASK_NUMBER.sub("Task-N", _ADDRESS.sub("0x…", line)).rstrip()


def as_lines(text: str) -> list[str]:
    """The lines of an output; blank lines at its end don't count."""
    lines = [masked(line) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is what `expected` says. `...` stands for any text in a line, alone on a line for any lines."""
    wanted, got = as_lines(expected), as_lines(printed)
    position, at, star, resume, tried = 0, 0, -1, 0, 0
    while at < len(got):
        tried += 1
        if tried > MOST_COMPARISONS:
            return False
        if position < len(wanted) and wanted[position].strip() == _ANY:
            star, resume = position, at
            position += 1
        elif position < len(wanted) and _line_matches(wanted[position], got[at]):
            position, at = position + 1, at + 1
        elif star >= 0:  # give the last `...` one more line
            resume += 1
            position, at = star + 1, resume
        else:
            return False
    return all(line.strip() == _ANY for line in wanted[position:])


def _line_matches(wanted: str, got: str) -> bool:
    head, *rest = wanted.split(_ANY)
    if not rest:
        return wanted == got
    if not got.startswith(head):
        return False
    *middle, tail = rest
    at = len(head)
    for piece in middle:
        found = got.find(piece, at)
        if found == -1:
            return False
        at = found + len(piece)
    return len(got) - at >= len(tail) and got.endswith(tail)


def comments(snippet: Snippet) -> list[Comment]:
    """Every `#>` expectation of a snippet, in order.

    It speaks of the statement before it. Where there is none that could print (behind `for …:`, above all code) it
    speaks of its own line, and so is never met.
    """
    if _MARK not in snippet.code:
        return []
    statements = _statements(snippet.code)
    grouped: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for row, text in _marked_comments(snippet.code):
        owner = [(first, last) for first, last in statements if first <= row]
        grouped.setdefault(owner[-1] if owner else (row, row), []).append((row, text))
    found = []
    for (first, last), rows in grouped.items():
        texts, numbers = tuple(text for _, text in rows), tuple(row for row, _ in rows)
        found.append(Comment(first, last, texts, numbers, comment_span(snippet, numbers[0])))
    return found


def comment_span(snippet: Snippet, row: int) -> Span:
    """Where the `#>` of a row stands, to the end of its line: the last one, as an earlier one stands in a text."""
    text = snippet.code.split("\n")[row - 1]
    return snippet.locate(row, text.rindex(_MARK) + 1, len(text) + 1)


def _statements(code: str) -> list[tuple[int, int]]:
    """First and last row of every simple statement, and of every first row of a compound one.

    Code of a newer Python than this one does not parse here: then every row with code is a statement.
    """
    try:
        tree = compile(code, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        rows = enumerate(code.split("\n"), 1)
        return [(row, row) for row, text in rows if text.strip() and not text.lstrip().startswith("#")]
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return sorted(
        (node.lineno, node.lineno if hasattr(node, "body") else node.end_lineno or node.lineno) for node in nodes
    )


def _marked_comments(code: str) -> list[tuple[int, str]]:
    """Row and text of every `#>` comment."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
        found = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    except (tokenize.TokenError, SyntaxError):
        rows = enumerate(code.split("\n"), 1)
        found = [(row, text[text.rindex(_MARK) :]) for row, text in rows if _MARK in text]
    return [(row, text[len(_MARK) :].removeprefix(" ")) for row, text in found if text.startswith(_MARK)]


def printed_by(
    comment: Comment, name: str, first_line: int, printed: Sequence[tuple[list[tuple[str, int]], str]]
) -> str:
    """What the statement of `comment` printed. `printed` are (places on the stack, text) in order; `name` and
    `first_line` say where its snippet stands in the program."""
    first, last = comment.first + first_line - 1, comment.last + first_line - 1
    return "".join(
        text for sites, text in printed if any(site[0] == name and first <= site[1] <= last for site in sites)
    )


def difference(expected: str, printed: str, limit: int = 8) -> str:
    """The first lines in which both differ, for a message."""
    wanted, got = as_lines(expected), as_lines(printed)
    at = next(
        (i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if not _line_matches(a, b)),
        min(len(wanted), len(got)),
    )
    shown = got[at : at + limit] or ["(nothing)"]
    more = f" … and {len(got) - at - limit} lines more" if len(got) - at > limit else ""
    where = f" from line {at + 1} on" if at and got else ""
    return f"it prints{where}: " + " ⏎ ".join(shown) + more
