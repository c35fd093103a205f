"""From a place in a text that markdown-it took apart back to the place in the author's file."""

from __future__ import annotations

from dataclasses import dataclass, field

from markdown_it.token import Token

from generator.diagnostics import Source, Span
from generator.render.marks import SpanOf


@dataclass(slots=True)
class Origin:
    """Where a text comes from: `span` is its place in the file.

    Where it does not stand there `exact`ly so, it is a value of YAML: of its characters those that are not blank are
    looked for in turn. Where the value is written with escapes, `span` is the place of all.
    """

    text: str
    span: Span
    exact: bool = True
    _read: Origin | None = field(default=None, init=False)
    """The text of a value, as if it were a file."""
    _places: dict[int, int] = field(default_factory=dict, init=False)
    """For characters of that text: their offsets in the file."""
    _cell: tuple[int, int] = field(default=(-1, 0), init=False)
    """The line of the last table cell, and the offset in it behind that cell."""

    def __post_init__(self) -> None:
        if not self.exact:
            self._read = Origin(self.text, Source(self.span.file, self.text).span(0, len(self.text)))
            self._places = _written(self.text, self.span)

    @property
    def first_line(self) -> int:
        return self.span.line

    def line(self, number: int) -> Span:
        """Line `number` of the text, from 0."""
        if self._read is not None:
            return self._outside(self._read.line(number))
        return self.span.source.line_span(self.first_line + number)

    def of(self, token: Token) -> SpanOf:
        """For a token with lines of its own: the span of offsets in its `content`."""
        content = token.content
        if token.map is None:
            return lambda start, end: self.span
        if self._read is not None:
            read = self._read.of(token)
            return lambda start, end: self._outside(read(start, end))
        lines = content.split("\n")
        starts: list[int] = []  # for each line of the content: the offset in the file that its first character has
        number = token.map[0]
        for index, line in enumerate(lines):
            starts.append(self._line_start(number + index, line, cell=bool(token.meta.get("cell"))))
        begins = [0]
        for line in lines:
            begins.append(begins[-1] + len(line) + 1)

        def span(start: int, end: int) -> Span:
            return self.span.source.span(*(self._offset(lines, begins, starts, offset) for offset in (start, end)))

        return span

    def _outside(self, read: Span) -> Span:
        """The place in the file of a place in the text of a value."""
        places = [self._places[at] for at in range(read.start, read.end) if at in self._places]
        return self.span.source.span(places[0], places[-1] + 1) if places else self.span

    def of_child(self, whole: SpanOf, token: Token, length: int) -> Span:
        """For a token inside a paragraph: `length` characters from where it began."""
        at = token.meta.get("at", 0)
        return whole(at, at + length)

    def _line_start(self, number: int, line: str, *, cell: bool) -> int:
        """Offset in the file of the first character of `line`, which is all or the end of a line of the source."""
        source = self.span.source
        own = self.span.line + number
        text = source.line_text(own)
        base = source.offset(own)
        if own == self.span.line:  # the text may begin inside its first line
            base, text = self.span.start, text[self.span.column - 1 :]
        words = line.strip()
        lead = len(line) - len(line.lstrip())
        if cell:
            floor = self._cell[1] if self._cell[0] == own else 0
            at, size = _find_cell(text, words, floor)
            self._cell = (own, at + size)
        else:
            at = max(text.rfind(words), 0) if words else 0
        return base + at - lead

    def _offset(self, lines: list[str], begins: list[int], starts: list[int], offset: int) -> int:
        index = max(at for at, begin in enumerate(begins[: len(lines)]) if begin <= offset)
        within = offset - begins[index]
        start = starts[index]
        text = self.span.source.text
        seen = 0
        while seen < within and start < len(text):  # a table cell has `\|` in the file where its text has `|`
            if lines[index][seen : seen + 1] == "|" and text.startswith("\\|", start):
                start += 1
            start += 1
            seen += 1
        return start


def _written(text: str, span: Span) -> dict[int, int]:
    """Where the characters of a YAML value stand in the file, blanks left out; empty where they do not."""
    start = span.text.find("\n") + 1 if span.text[:1] in ("|", ">") else int(span.text[:1] in ("'", '"'))
    file = span.source.text
    shown = [at for at, char in enumerate(text) if not char.isspace()]
    places = [at for at in range(span.start + start, span.end) if not file[at].isspace()][: len(shown)]
    found = dict(zip(shown, places, strict=False))
    return found if "".join(text[at] for at in shown) == "".join(file[at] for at in places) else {}


def _find_cell(text: str, words: str, floor: int) -> tuple[int, int]:
    for form in (words, words.replace("|", "\\|")):
        at = text.find(form, floor)
        if at != -1:
            return at, len(form)
    return floor, 0
