"""Code blocks: highlighted line by line, with cloze deletions that nest in the lines.

Each line is an element of its own, so that a long one wraps with its continuation indented. A deletion of several
lines takes them into one element: Anki hides what stands between its marks, and elements must not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from xml.etree import ElementTree

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token as Kind
from pygments.token import _TokenType
from pygments.util import ClassNotFound

from generator.notes import Deletion
from generator.render.marks import Mark, Marks, Piece, SpanOf, without_private

Element = ElementTree.Element

_PLAIN = frozenset({"", "text", "txt", "plain", "plaintext"})
_CLASSES = {
    Kind.Comment: "c",
    Kind.Keyword: "k",
    Kind.Keyword.Constant: "kc",
    Kind.Literal.String: "s",
    Kind.Literal.String.Interpol: "si",
    Kind.Literal.String.Escape: "se",
    Kind.Literal.Number: "m",
    Kind.Name.Function: "nf",
    Kind.Name.Class: "nc",
    Kind.Name.Decorator: "nd",
    Kind.Name.Builtin: "nb",
    Kind.Name.Exception: "ne",
    Kind.Name.Tag: "nt",
    Kind.Name.Attribute: "na",
    Kind.Operator.Word: "ow",
    Kind.Generic.Deleted: "gd",
    Kind.Generic.Inserted: "gi",
    Kind.Generic.Heading: "gh",
    Kind.Generic.Subheading: "gh",
    Kind.Generic.Prompt: "gp",
}
_BY_NAMES = {tuple(kind): css for kind, css in _CLASSES.items()}
TOKEN_CLASSES = frozenset(_CLASSES.values()) | {"expect"}
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Bit:
    """A stretch of code of one class, or a mark (`text` is its character then, `mark` true)."""

    text: str
    css: str = ""
    mark: bool = False


def code_element(code: str, language: str, deletions: Iterable[Deletion], marks: Marks, span: SpanOf) -> Element:
    """`<pre>` with the code; `span` finds the source of a stretch of it, for deletions."""
    pre = Element("pre")
    block = ElementTree.SubElement(pre, "code")
    deletions = [_inside_lines(code, deletion) for deletion in deletions]
    bits = _with_marks(_bits(without_private(code).rstrip("\n"), language), deletions, marks, span)
    for group in _groups(bits):
        block.append(_line_element(group))
    if len(block):
        _without_last_newline(block[-1])
    return pre


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _bits(code: str, language: str) -> list[Bit]:
    """The code in stretches, each inside one line: a newline is a stretch of its own."""
    lexer = None if language.lower() in _PLAIN else _lexer(language.lower())
    tokens = [(Kind.Text, code)] if lexer is None else list(lexer.get_tokens(code))
    if "".join(text for _, text in tokens) != code:  # a lexer that changes the text: show what is there
        tokens = [(Kind.Text, code)]
    bits = []
    for kind, text in tokens:
        css = _css(kind, text)
        for number, line in enumerate(text.split("\n")):
            bits += [Bit("\n")] if number else []
            if bits and bits[-1].css == css and bits[-1].text != "\n":
                line = bits.pop().text + line
            bits += [Bit(line, css)] if line else []
    return bits


def _css(kind: _TokenType, text: str) -> str:
    if text.startswith("#>") and kind[:1] == Kind.Comment[:1]:
        return "expect"
    names = tuple(kind)
    found = (_BY_NAMES.get(names[:size]) for size in range(len(names), 0, -1))
    return next((css for css in found if css), "")


def _inside_lines(code: str, deletion: Deletion) -> Deletion:
    """The deletion without line ends at its own ends: hidden, they would join what stands before and behind it."""
    hidden = code[deletion.start : deletion.end]
    start = deletion.start + len(hidden) - len(hidden.lstrip("\n"))
    return replace(deletion, start=start, end=start + len(hidden.strip("\n")))


def _with_marks(bits: list[Bit], deletions: Iterable[Deletion], marks: Marks, span: SpanOf) -> list[Bit]:
    """The stretches with the marks of deletions between them; a stretch that a mark cuts becomes two."""
    borders: list[tuple[int, str]] = []
    for deletion in sorted(deletions, key=lambda item: item.start):
        where = span(deletion.start, deletion.end)
        opening = Mark(Piece.OPEN, where, deletion.number)
        closing = Mark(Piece.CLOSE, where, deletion.number, deletion.hint)
        borders += [(deletion.start, marks.add(opening)), (deletion.end, marks.add(closing))]
    result: list[Bit] = []
    at = 0
    for bit in bits:
        text = bit.text
        while borders and borders[0][0] < at + len(text):
            border, char = borders.pop(0)
            if border > at:
                result.append(Bit(text[: border - at], bit.css))
                text = text[border - at :]
                at = border
            result.append(Bit(char, mark=True))
        result.append(Bit(text, bit.css))
        at += len(text)
    return [*result, *(Bit(char, mark=True) for _, char in borders)]


def _groups(bits: Sequence[Bit]) -> Iterator[list[Bit]]:
    """The stretches line by line, newline included; lines that a deletion joins stay together."""
    group: list[Bit] = []
    inside = False
    for bit in bits:
        group.append(bit)
        if bit.mark:
            inside = not inside
        elif bit.text == "\n" and not inside:
            yield group
            group = []
    if group:
        yield group


def _line_element(group: list[Bit]) -> Element:
    several = any(bit.text == "\n" for bit in group[:-1])
    text = "".join(bit.text for bit in group if not bit.mark)
    depth = min((len(text) - len(text.lstrip(" "))) // 4, _DEEPEST)
    css = "lines" if several else f"line d{depth}" if depth else "line"
    element = Element("span", {"class": css})
    for bit in group:
        if bit.css:
            ElementTree.SubElement(element, "span", {"class": bit.css}).text = bit.text
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + bit.text
        else:
            element.text = (element.text or "") + bit.text
    return element


def _without_last_newline(element: Element) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "").removesuffix("\n") or None
    else:
        element.text = (element.text or "").removesuffix("\n")
