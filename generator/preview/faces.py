"""A note's cards as Anki makes them: fields put into templates, one deletion hidden at a time.

This knows what our templates use, and nothing else of Anki's language. Anki's own rules are in
https://github.com/ankitects/anki/blob/main/rslib/src/template.rs and `cloze.rs`; the tests compare every card of a
deck with what the real Anki shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.notes import NoteTemplate, RenderedDeck, RenderedNote

_TAG = re.compile(r"<!--.*?-->|\{\{\s*([#^/]?)\s*(.*?)\s*\}\}", re.DOTALL)
_EMPTY_FIELD = re.compile(r"(?:[ \t\n\v\f\r]|</?(?:br|div) ?/?>)*", re.IGNORECASE)
_CLOZE_MARK = re.compile(r"\{\{c([0-9,]+)::|\}\}")
_MATH = re.compile(r"(\\[(\[])(.*?)(\\[\])])", re.DOTALL)
_HTML_TAG = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)
_ESCAPED_BY_NAME = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


@dataclass(frozen=True, slots=True)
class Face:
    """A card of a note: what a learner calls it, its number from 1, and its HTML."""

    name: str
    number: int
    front: str
    back: str


def faces(deck: RenderedDeck, note: RenderedNote) -> list[Face]:
    """The cards of a note, in Anki's order. Raises ValueError where a template asks for what is not known here."""
    if note.cloze:
        (template,) = deck.cloze
        return [_face(note, template, number, f"Cloze {number}") for number in sorted(note.note.deletions)]
    names = ("", "Reversed") if note.note.reversed else ("",)
    return [
        _face(note, template, number, name)
        for number, (template, name) in enumerate(zip(deck.basic, names, strict=False), 1)
    ]


def _face(note: RenderedNote, template: NoteTemplate, number: int, name: str) -> Face:
    values = dict(note.fields) | {
        "Tags": " ".join(sorted(note.tags, key=str.lower)),
        "Deck": note.deck_name,
        "Subdeck": note.deck_name.rpartition("::")[2],
        "Card": template.name,
        f"c{number}": "1",  # what a template for clozes may ask for
    }
    front = fill(template.front, values, number, answer=False)
    back = fill(template.back, values | {"FrontSide": front}, number, answer=True)
    return Face(name, number, front, back)


def fill(template: str, values: Mapping[str, str], number: int, *, answer: bool) -> str:
    """A side of a card: `values` are HTML by field name, `number` is the deletion that a cloze hides."""
    parts: list[str] = []
    conditions: list[bool] = []
    end = 0
    for tag in _TAG.finditer(template):
        shown = all(conditions)
        if shown:
            parts.append(template[end : tag.start()])
        end = tag.end()
        mark, name = tag[1], tag[2]
        if name is None:  # a comment, in which Anki replaces nothing
            parts += [tag[0]] if shown else []
        elif mark == "/":
            conditions.pop()
        elif mark:
            conditions.append((_EMPTY_FIELD.fullmatch(values.get(name, "")) is None) == (mark == "#"))
        elif shown:
            parts.append(_replacement(name, values, number, answer=answer))
    return "".join([*parts, template[end:]])


def _replacement(name: str, values: Mapping[str, str], number: int, *, answer: bool) -> str:
    *filters, field_name = name.split(":")
    if field_name not in values or filters not in ([], ["cloze"]):
        raise ValueError(f"a card template shows {{{{{name}}}}}, which the preview does not know")
    return cloze(values[field_name], number, answer=answer) if filters else values[field_name]


# --- deletions --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Deletion:
    """A deletion that is being read; `shown` is its HTML so far."""

    numbers: str
    shown: list[str] = field(default_factory=list)
    hint: str | None = None

    def add_text(self, text: str) -> None:
        before, mark, hint = text.partition("::")
        self.shown.append(before)
        if mark:
            self.hint = hint


def cloze(html: str, number: int, *, answer: bool) -> str:
    """Anki's filter `cloze`: deletion `number` is hidden in a question and marked in an answer.

    Empty where `html` has no such deletion. One that is never closed shows nothing.
    """
    shown: list[str] = []
    opened: list[_Deletion] = []
    found = False
    end = 0
    for mark in _CLOZE_MARK.finditer(html):
        text = html[end : mark.start()]
        end = mark.end()
        if opened:
            opened[-1].add_text(text)
        else:
            shown.append(text)
        if mark[1]:
            opened.append(_Deletion(mark[1]))
            continue
        if not opened:
            shown.append(mark[0])
            continue
        closed = opened.pop()
        active = str(number) in closed.numbers.split(",")
        found = found or active
        (opened[-1].shown if opened else shown).append(_deletion(closed, active=active, answer=answer))
    if not opened:
        shown.append(html[end:])
    return _MATH.sub(_plain_math, "".join(shown)) if found else ""


def _deletion(deletion: _Deletion, *, active: bool, answer: bool) -> str:
    html = "".join(deletion.shown)
    ordinal = f'data-ordinal="{deletion.numbers}"'
    if not active:
        return f'<span class="cloze-inactive" {ordinal}>{html}</span>'
    if answer:
        return f'<span class="cloze" {ordinal}>{html}</span>'
    hint = "..." if deletion.hint is None else deletion.hint
    return f'<span class="cloze" data-cloze="{_attribute(html)}" {ordinal}>[{hint}]</span>'


def _attribute(text: str) -> str:
    """`text` as Anki escapes it for an attribute: letters and digits stay, and what is beyond Latin-1."""
    return "".join(
        char
        if (char.isascii() and char.isalnum()) or ord(char) > 0xFF
        else _ESCAPED_BY_NAME.get(char, f"&#x{ord(char):02X};")
        for char in text
    )


def _plain_math(formula: re.Match[str]) -> str:
    """A formula without tags: MathJax would not read it with the marks of a deletion inside."""
    return formula[1] + _HTML_TAG.sub("", formula[2]) + formula[3]
