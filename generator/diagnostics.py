"""Where a piece of text stands, and what is wrong with it.

The ground floor: every other module may import this one, and it imports none of them. Line and column numbers are
computed here and nowhere else.
"""

from __future__ import annotations

import bisect
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

WORKFLOW_BREAK = "\u200b"  # zero-width space: keeps printed text from being read as a command of a CI runner
_COMMAND = re.compile(r"(\{\{c\d+::[^{}\n]*)|:(?=:)|##(?=[A-Za-z]*\[)")
"""GitHub's `::cmd::` and `##[cmd]`, Azure's `##vso[cmd]`, TeamCity's `##teamcity[cmd]`. A cloze mark, which an author
may copy from a hint, is none: a line that begins with a command begins with its colons."""


class Severity(Enum):
    """How grave a diagnostic is. Only errors stop a build; `--strict` makes warnings errors."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of problem. `code` is a letter for the stage and three digits, never reused; `summary` is one line."""

    code: str
    summary: str
    severity: Severity = Severity.ERROR

    def at(
        self, span: Span, message: str, hint: str = "", *, note: str | None = None, finding: str | None = None
    ) -> Diagnostic:
        """A diagnostic of this kind at `span`. `hint` is the way out, one sentence."""
        return Diagnostic(self.code, self.severity, span, message, hint, note, finding)


@dataclass(frozen=True)
class Source:
    """A text file as read: `path` is POSIX and relative to the project root, `text` has `\\n` line ends only.

    `bom` and `newline` remember what was read, so that an edit can write the file back as its author keeps it.
    """

    path: str
    text: str
    bom: bool = False
    newline: str = "\n"

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of the first character of every line; line `n` (from 1) starts at `line_starts[n - 1]`."""
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at != -1:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset; both count from 1, columns in code points."""
        line = bisect.bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """Text of line `line` (from 1) without its line end; empty past the last line."""
        if not 1 <= line <= len(self.line_starts):
            return ""
        return self.text[self.line_starts[line - 1] : self._line_end(line)]

    def _line_end(self, line: int) -> int:
        """Offset of the line end of `line`, or of the end of the text."""
        return self.line_starts[line] - 1 if line < len(self.line_starts) else len(self.text)

    def offset(self, line: int, column: int = 1) -> int:
        """Offset of a position; clamped into the line and the file, so that the result is always valid."""
        if line > len(self.line_starts):
            return len(self.text)
        line = max(line, 1)
        start = self.line_starts[line - 1]
        return start if column <= 1 else min(start + column - 1, self._line_end(line))

    def span(self, start: int, end: int | None = None) -> Span:
        """The span of offsets `start` to `end` (exclusive); clamped into the text."""
        size = len(self.text)
        start = min(max(start, 0), size)
        return Span(self, start, start if end is None else min(max(end, start), size))

    def line_span(self, line: int, last: int | None = None) -> Span:
        """The span of line `line` up to the end of line `last`, without leading blanks and the last line end."""
        text = self.line_text(line)
        start = self.offset(line) + (len(text) - len(text.lstrip()))
        end = self.offset(last or line, 1 << 40)
        return self.span(min(start, end), end)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source: offsets `start` to `end` (exclusive), with its positions on demand."""

    source: Source
    start: int
    end: int

    @property
    def file(self) -> str:
        return self.source.path

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.source.position(self.end)[0]

    @property
    def end_column(self) -> int:
        return self.source.position(self.end)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __repr__(self) -> str:
        return f"<Span {self.file}:{self.line}:{self.column}>"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem at one place.

    `hint` is the way out. `note` is the id of the note it is in, `finding` the verifier's name for it; either may be
    None.
    """

    code: str
    severity: Severity
    span: Span
    message: str
    hint: str = ""
    note: str | None = None
    finding: str | None = None
    related: tuple[Span, ...] = field(default=(), kw_only=True)
    """Further places that belong to the problem, shown below it: the other of two equal ids, say."""

    def as_error(self) -> Diagnostic:
        return replace(self, severity=Severity.ERROR)


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics by file, line, column and code, each one once."""
    unique: dict[tuple[str, int, int, str, str, str], Diagnostic] = {}
    for item in diagnostics:
        span = item.span
        unique.setdefault((span.file, span.line, span.column, item.code, item.message, item.note or ""), item)
    return [unique[key] for key in sorted(unique)]


def visible(text: str) -> str:
    """`text` fit for a terminal or a log: control, bidi and invisible characters as escapes; tabs and newlines stay.

    Anything a snippet printed or an author wrote may come through here; no terminal acts on the result.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in "\n\t" or not _acts(char) else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _acts(char: str) -> bool:
    """Whether a character is a control, format, surrogate or private one, or a line end other than `\\n`."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def harmless(text: str) -> str:
    """`text` made `visible`, and without commands that a CI runner reads from a log (`::cmd::`, `##[cmd]`)."""
    return _COMMAND.sub(lambda found: found[0] if found[1] else found[0] + WORKFLOW_BREAK, visible(text))


# --- the three forms -------------------------------------------------------------------------------------------------


def as_text(diagnostic: Diagnostic) -> str:
    """`file:line:column: CODE message`, the line with a caret below it, further places, and the way out."""
    span = diagnostic.span
    kind = "" if diagnostic.severity is Severity.ERROR else "warning: "
    message = harmless(diagnostic.message).replace("\n", "\n    ")  # no line of it can pose as another diagnostic
    lines = [f"{_place(span)}: {diagnostic.code} {kind}{message}"]
    lines += _excerpt(span)
    for other in diagnostic.related:
        lines.append(f"  see {_place(other)}")
        lines += _excerpt(other)
    if diagnostic.hint:
        lines.append(f"  = {harmless(diagnostic.hint)}")
    return "\n".join(lines)


def _place(span: Span) -> str:
    return f"{harmless(span.file)}:{span.line}:{span.column}"


def _excerpt(span: Span, width: int = 100) -> list[str]:
    """The source line and a caret line below it; a long line is cut around the place."""
    line = span.source.line_text(span.line)
    if not line.strip():
        return []
    first = span.column - 1
    last = span.end_column - 1 if span.end_line == span.line else len(line)
    cut = max(0, first - width // 2)
    shown = line[cut : cut + width].replace("\t", " ")
    before, marked = shown[: first - cut], shown[first - cut : max(last, first + 1) - cut]
    number = str(span.line)
    gutter = " " * len(number)
    carets = "^" * max(1, _cells(marked))
    return [
        f"  {number} | {'…' if cut else ''}{harmless(shown)}",
        f"  {gutter} | {' ' if cut else ''}{' ' * _cells(before)}{carets}",
    ]


def _cells(text: str) -> int:
    """Columns a terminal needs for `text`, as `harmless` shows it."""
    wide = sum(1 for char in text if unicodedata.east_asian_width(char) in "WF")
    combining = sum(1 for char in text if unicodedata.combining(char))
    return len(visible(text)) + wide - combining


def as_github(diagnostic: Diagnostic) -> str:
    """A workflow command that GitHub shows as an annotation in the pull request."""
    span = diagnostic.span
    message = harmless(diagnostic.message + (f"\n{diagnostic.hint}" if diagnostic.hint else ""))
    properties = {
        "file": span.file,
        "line": span.line,
        "col": span.column,
        "endLine": span.end_line,
        "endColumn": max(span.end_column, span.column),
        "title": diagnostic.code,
    }
    if span.end_line != span.line:  # GitHub refuses columns on an annotation of several lines
        del properties["col"], properties["endColumn"]
    listed = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity.value} {listed}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(visible(text)).replace(":", "%3A").replace(",", "%2C")


def as_dict(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    """The JSON form of one diagnostic; keys and meanings are stable from the first release on."""
    span = diagnostic.span
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "note": diagnostic.note,
        "finding": diagnostic.finding,
    }


def as_json(diagnostics: Sequence[Diagnostic], summary: dict[str, object]) -> str:
    """One JSON object with all diagnostics and the summary of the run."""
    text = json.dumps({"diagnostics": [as_dict(item) for item in diagnostics], "summary": summary}, indent=1)
    return _COMMAND.sub(lambda found: f"\\u{ord(found[0][0]):04x}{found[0][1:]}", text)  # the same to a reader of JSON
