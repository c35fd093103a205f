"""What a program should print: `output` fences and `#>` comments, and how they are compared."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.diagnostics import Span
from generator.notes import Snippet

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_TASK_NUMBER = re.compile(r"\bTask-\d+\b")
_MARK = "#>"
_ANY = "..."


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
    position, at, star, resume = 0, 0, -1, 0
    while at < len(got):
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
    """Every `#>` expectation of a snippet, in order. Code that does not parse has none."""
    if _MARK not in snippet.code:
        return []
    try:
        tree = compile(snippet.code, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    statements = sorted(_simple_statements(tree), key=lambda node: node.lineno)
    grouped: dict[tuple[int, int], list[tuple[int, int, str]]] = {}
    for row, column, text in _marked_comments(snippet.code):
        owner = [node for node in statements if node.lineno <= row]
        if owner:
            key = owner[-1].lineno, owner[-1].end_lineno or owner[-1].lineno
            grouped.setdefault(key, []).append((row, column, text))
    found = []
    for (first, last), rows in grouped.items():
        row, column, _ = rows[0]
        span = snippet.locate(row, column + 1, column + 1 + len(rows[0][2]) + len(_MARK) + 1)
        found.append(Comment(first, last, tuple(text for _, _, text in rows), tuple(row for row, _, _ in rows), span))
    return found


def _simple_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body"))


def _marked_comments(code: str) -> Iterator[tuple[int, int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT and token.string.startswith(_MARK):
                yield *token.start, token.string[len(_MARK) :].removeprefix(" ")
    except (tokenize.TokenError, IndentationError):
        return


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
