"""A note's metadata: the first comment below its heading, one YAML mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic, Rule, Source, Span
from generator.parse.blocks import Block, comment_text
from generator.parse.fields import Fields
from generator.parse.ids import BAD_GUID
from generator.parse.metadata import NOTE_YAML, read_mapping

TEXT_BEHIND = Rule("N071", "text stands behind the metadata")

RULES = (TEXT_BEHIND,)

PLATFORMS = ("posix", "linux", "macos", "windows")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The values of a note's metadata; where a key is absent or faulty, what holds without it.

    `spans` says where each key stands, also of those whose value is faulty.
    """

    KEYS: ClassVar[tuple[str, ...]] = (
        "id", "guid", "tags", "python", "platform", "reversed", "cloze", "source", "since", "clock", "retired",
        "corrected", "allow",
    )  # fmt: skip

    id: str = ""
    guid: str = ""
    tags: tuple[str, ...] = ()
    python: tuple[SpecifierSet, str] | None = None
    platform: tuple[str, ...] = ()
    reversed: bool = False
    cloze: bool = True
    source: str = ""
    since: str = ""
    real_clock: bool = False
    retired: str | None = None
    corrected: str | None = None
    allow: frozenset[str] = frozenset()
    spans: dict[str, Span] = field(default_factory=dict)


def looks_like_metadata(comment: str) -> bool:
    """Whether a comment is metadata rather than words to the reader: it starts with `word:`, `{` or a key and ` :`."""
    match = re.match(r"\s*(?:\{(?!\{)|[A-Za-z_][\w-]*:(?!//)|([a-z]+)[ \t]+:)", comment)
    return match is not None and match[1] in (None, *Metadata.KEYS)


def read_metadata(block: Block, source: Source, found: list[Diagnostic]) -> Metadata:
    """The metadata in a comment; faults go to `found`."""
    inside = comment_text(block, source)
    behind = source.span(inside.end + len("-->"), source.offset(block.last, 1 << 40))
    if behind.text.strip():
        at = behind.start + len(behind.text) - len(behind.text.lstrip())
        hint = "Put it on a line of its own, with a blank line before it."
        found.append(TEXT_BEHIND.at(source.span(at, behind.end), "this text stands behind the metadata", hint))
    text, base = _yaml(inside)
    entries = read_mapping(source, text, base, NOTE_YAML, found)
    if entries is None:
        return Metadata(spans={"id": inside})  # so that a missing id is not reported too
    fields = Fields(entries, NOTE_YAML, found)
    fields.check_keys(Metadata.KEYS, "a note")
    cloze = fields.boolean("cloze")
    return Metadata(
        id=fields.text("id", "my-note") or "",
        guid=_guid(fields),
        tags=fields.tags(),
        python=fields.python(),
        platform=fields.choices("platform", PLATFORMS),
        reversed=fields.boolean("reversed") or False,
        cloze=cloze is None or cloze,
        source=fields.url("source", text_allowed=True) or "",
        since=_since(fields),
        real_clock=fields.choice("clock", ("real",)) is not None,
        retired=fields.text("retired", '"why"'),
        corrected=fields.text("corrected", '"why"'),
        allow=_allow(fields),
        spans=fields.spans(),
    )


def _yaml(inside: Span) -> tuple[str, int]:
    """A comment's YAML and its offset.

    A first key behind `<!--` may be as far indented as the keys below it, or stand alone against them.
    """
    first, *rest = inside.text.split("\n")
    column = inside.column - 1 + len(first) - len(first.lstrip())
    if any(line[:column].isspace() and line[column : column + 1].strip() for line in rest if column):
        margin = inside.column - 1
        return " " * margin + inside.text, inside.start - margin
    stripped = inside.text.lstrip(" \t")
    return stripped, inside.end - len(stripped)


def _guid(fields: Fields) -> str:
    text = fields.text("guid", '"x7Qp"') or ""
    if text and (not text.isprintable() or any(char.isspace() for char in text)):
        hint = "Write the GUID as Anki has it, without spaces."
        fields.found.append(BAD_GUID.at(fields["guid"].span, f"`{text}` is no GUID", hint))
        return ""
    return text


def _since(fields: Fields) -> str:
    text = fields.text("since", "3.12") or ""
    if text and not re.fullmatch(r"3\.\d{1,2}(?:\.\d{1,2})?", text, re.ASCII):
        fields.refuse(fields["since"], f"`{text}` is no version of Python", "Write `since: 3.12`.")
        return ""
    return text


def _allow(fields: Fields) -> frozenset[str]:
    allowed = set()
    for item in fields.items("allow", "L001") or ():
        for word in (word.strip() for word in (item.text or "").split(",")):
            if re.fullmatch(r"[A-Z]\d{3}|[a-z]+(?:-[a-z]+)*", word, re.ASCII):
                allowed.add(word)
            else:
                hint = "Write `allow: [L001]`, or the rule's name."
                fields.refuse(item, f"`{word}` is neither a rule's code nor its name", hint)
    return frozenset(allowed)
