"""The hash of what a note rests on: when it changes, learners get the note anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from generator.notes import Deck, MediaFile, Note, Part


def content_hash(
    deck: Deck, note: Note, references: Mapping[str, Mapping[str, str]], media: Iterable[MediaFile]
) -> str:
    """Hex SHA-256 of everything the author wrote that the note rests on.

    `references` are the link definitions it uses. Neither places, neighbours, names of files and decks, nor what any
    interpreter did with the code has a part in it.
    """
    prelude = deck.config.prelude
    content = {
        "heading": note.heading.text.strip(),
        "question": _text(note.question),
        "answer": _text(note.answer),
        "extra": _text(note.extra),
        "tags": sorted({*note.tags, *deck.config.tags}),
        "kind": note.kind.value,
        "reversed": note.reversed,
        "cloze": note.cloze,
        "python": note.own_python,
        "source": note.source,
        "retired": note.retired,
        "corrected": note.corrected,
        "prelude": prelude.code if prelude and note.programs else "",
        "setup": [snippet.code for snippet in note.setups if snippet is not prelude],
        "links": {label: [link["href"], link["title"]] for label, link in sorted(references.items())},
        "media": sorted(file.packed for file in media),
        "repository": deck.config.repository,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(part: Part | None) -> str | None:
    """A part's lines without trailing blanks, which no card shows, and without blank lines around it."""
    if part is None:
        return None
    lines = [line.rstrip() + ("  " if line.endswith("  ") and line.strip() else "") for line in part.text.split("\n")]
    return "\n".join(lines).strip("\n")
