"""Identities: the slug by which a draft is known until it has an id, and ids that occur twice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt

from generator.diagnostics import Diagnostic, Rule, Severity, Span

BAD_ID = Rule("N030", "an id has another form than ids have")
REPEATED = Rule("N031", "two notes have the same id")
DRAFT = Rule("N032", "a note has no id yet", Severity.WARNING)
NO_SLUG = Rule("N033", "no id can be made from a question")
BAD_GUID = Rule("N034", "a GUID cannot be used")
REPEATED_GUID = Rule("N035", "two notes have the same GUID")

RULES = (BAD_ID, REPEATED, DRAFT, NO_SLUG, BAD_GUID, REPEATED_GUID)

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_LONGEST_HEADING = 500  # a longer one has no slug of 80 characters
_INLINE = MarkdownIt("commonmark")


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def slug(question: str) -> str:
    """The anchor GitHub gives a heading, within the grammar of ids; empty or too long where it makes no id.

    GitHub takes the heading's text, lowers it, drops all but letters, digits, `-`, `_` and spaces, and writes `-` for
    each space. An id has no `_` and no letters beyond ASCII: the one becomes `-`, the others lose their accents or go.
    """
    if len(question) > _LONGEST_HEADING:
        return ""
    text = unicodedata.normalize("NFKD", _plain(question)).lower()
    text = re.sub(r"[^a-z0-9_ -]", "", text)
    return re.sub(r"[ _]", "-", text.strip()).strip("-")


def shortened(made: str) -> str:
    """The first words of a slug that is too long for an id; empty where that is none either."""
    words = made[:60].rpartition("-")[0].strip("-")
    return words if is_id(words) else ""


def _plain(markdown: str) -> str:
    """The words of one line of Markdown, without marks, addresses and tags."""
    (inline,) = _INLINE.parseInline(markdown)
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a note claims to be. `span` is the id in the metadata, or the heading where `stamped` is false."""

    id: str
    stamped: bool
    span: Span
    guid: str
    guid_span: Span


def repeated(identities: Iterable[Identity]) -> list[tuple[Identity, Diagnostic]]:
    """The notes of a deck whose id or GUID another has too, each with its fault.

    Where one of two has its id from its question only, that one is reported: it needs an id. Else the later one.
    """
    by_id: dict[str, Identity] = {}
    by_guid: dict[str, Identity] = {}
    faults = []
    for identity in identities:
        first = by_id.setdefault(identity.id, identity)
        if first is not identity:
            wrong, other = (first, identity) if identity.stamped and not first.stamped else (identity, first)
            by_id[identity.id] = other
            faults.append((wrong, _same_id(wrong, other)))
            continue
        twin = by_guid.setdefault(identity.guid, identity)
        if twin is not identity:
            message = f"the GUID `{identity.guid}` is also that of the note `{twin.id}`"
            fault = REPEATED_GUID.at(identity.guid_span, message, "Take `guid:` away from one of them.")
            faults.append((identity, replace(fault, related=(twin.guid_span,), note=identity.id)))
    return faults


def _same_id(wrong: Identity, other: Identity) -> Diagnostic:
    place = f"{other.span.file}:{other.span.line}"
    if wrong.stamped:
        message = f"the id `{wrong.id}` is already that of the note in {place}"
        fault = REPEATED.at(wrong.span, message, "Give this note another id.")
    else:
        message = f"this question makes the id `{wrong.id}`, which the note in {place} has too"
        fault = REPEATED.at(wrong.span, message, "Give it an id: `<!-- id: … -->` below the question.")
    return replace(fault, related=(other.span,), note=wrong.id)
