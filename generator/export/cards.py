"""Which cards Anki makes from a note.

genanki guesses this by other rules and can end at no card without a word, so it is computed here, as Anki does:
https://github.com/ankitects/anki/blob/main/rslib/src/template.rs (`renders_with_fields`) and `cloze.rs`. The tests
compare it with the real Anki.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from generator.notes import NoteTemplate

MAX_CLOZE = 500
"""Anki puts every deletion with a higher number on the card of this one."""

_ALWAYS_FILLED = frozenset({"Deck", "Subdeck", "Type", "Card", "CardFlag", "CardID"})
"""Names that Anki itself fills on a front, in its eyes always."""
_LARGEST_NUMBER = 2**16 - 1  # the mark of a larger one is text

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"\{\{\s*([#^/]?)(.*?)\}\}", re.DOTALL)
_EMPTY_FIELD = re.compile(r"(?:[ \t\n\v\f\r]|</?(?:br|div) ?/?>)*", re.IGNORECASE)
_CLOZE_MARK = re.compile(r"\{\{c([0-9,]+)::|\}\}")


def is_empty(html: str) -> bool:
    """Whether Anki takes a field for empty: blanks, `<br>` and `<div>` alone."""
    return _EMPTY_FIELD.fullmatch(html) is not None


def card_numbers(templates: Sequence[NoteTemplate], fields: Mapping[str, str], cloze: bool) -> frozenset[int]:
    """Numbers (from 0; Anki's `ord`) of the cards that Anki makes from a note.

    `fields` are HTML by name; the note's tags, joined, count as a field "Tags".
    """
    if cloze:
        texts = [fields.get(name, "") for name in _cloze_fields(templates[0].front)]
        numbers = frozenset[int]().union(*map(cloze_numbers, texts))
        return frozenset(min(number, MAX_CLOZE) - 1 for number in numbers)
    filled = _ALWAYS_FILLED | {name for name, html in fields.items() if not is_empty(html)}
    return frozenset(number for number, template in enumerate(templates) if _shows(template.front, filled))


def _shows(front: str, filled: frozenset[str]) -> bool:
    """Whether a front shows at least one of the filled fields."""
    conditions: list[bool] = []
    for mark, text in _TAG.findall(_COMMENT.sub("", front)):
        name = text.strip()
        if mark == "/":
            conditions.pop()
        elif mark:
            conditions.append((name in filled) == (mark == "#"))
        elif all(conditions) and name.rpartition(":")[2] in filled:
            return True
    return False


def required_fields(front: str, names: Sequence[str]) -> tuple[str, list[int]]:
    """Anki's old summary of a front: it needs "all" of these fields (by number), or "any" of them, or shows "none"."""
    every = frozenset(names)
    needed = [number for number, name in enumerate(names) if not _shows(front, every - {name})]
    if needed and _shows(front, every):
        return "all", needed
    enough = [number for number, name in enumerate(names) if _shows(front, frozenset({name}))]
    return ("any", enough) if enough else ("none", [])


def _cloze_fields(front: str) -> list[str]:
    """Names of the fields that a front shows through the filter `cloze`."""
    parts = (text.strip().split(":") for mark, text in _TAG.findall(_COMMENT.sub("", front)) if not mark)
    return [names[-1] for names in parts if "cloze" in names[:-1]]


def cloze_numbers(html: str) -> frozenset[int]:
    """Numbers of the deletions in a field. One that is never closed is text, and so is all that stands inside it."""
    found: set[int] = set()
    opened: list[set[int]] = []
    for mark in _CLOZE_MARK.finditer(html):
        if mark[1]:
            digits = (number.lstrip("0") for number in mark[1].split(","))
            opened.append({int(number) for number in digits if 0 < len(number) < 6 and int(number) <= _LARGEST_NUMBER})
        elif opened:
            closed = opened.pop()
            (opened[-1] if opened else found).update(closed)
    return frozenset(found)
