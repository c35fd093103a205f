"""RenderedDeck values made by hand: what the render stage hands to the export."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from generator import export
from generator.diagnostics import Diagnostic, Source
from generator.notes import (
    Kind,
    MediaFile,
    Note,
    NoteTemplate,
    Package,
    RenderedDeck,
    RenderedNote,
    Verdict,
    guid,
)

NAMESPACE = "test.sample"
NOW = 1_700_000_000
LATER = NOW + 86_400
IDS = ["both-ways", "create-task", "dict", "gaps", "loop-picture"]  # of sample()
SPARE = tuple(f"Spare{number}" for number in range(1, 5))
BASIC_FIELDS = (
    "Id", "Question", "Answer", "Extra", "Reverse", "TypeAnswer", "Notice", "Source", "Badge", "Kind", *SPARE,
)  # fmt: skip
CLOZE_FIELDS = ("Id", "Text", "Back", "Extra", "Notice", "Source", "Badge", "Kind", *SPARE)
BASIC = (
    NoteTemplate("Forward", "{{Notice}}<main>{{Question}}</main>", "{{FrontSide}}<hr>{{Answer}}{{Extra}}{{Source}}"),
    NoteTemplate("Reverse", "{{#Reverse}}<main>{{Answer}}</main>{{/Reverse}}", "{{FrontSide}}<hr>{{Question}}"),
)
CLOZE = (NoteTemplate("Cloze", "{{Notice}}<main>{{cloze:Text}}</main>", "{{cloze:Text}}<hr>{{Back}}{{Extra}}"),)
CSS = ".card { color: black }"


def basic(
    note_id: str,
    question: str = "<p>Q</p>",
    answer: str = "<p>A</p>",
    *,
    topic: str = "Root::01 Tasks",
    tags: Sequence[str] = ("asyncio",),
    reverse: bool = False,
    media: Sequence[MediaFile] = (),
    namespace: str = NAMESPACE,
) -> RenderedNote:
    """A question-and-answer note."""
    fields = dict.fromkeys(BASIC_FIELDS, "")
    fields |= {"Id": note_id, "Question": question, "Answer": answer, "Reverse": "1" if reverse else ""}
    return _rendered(note_id, fields, topic, tags, media, namespace, Kind.QUESTION, frozenset(), reverse=reverse)


def cloze(
    note_id: str,
    text: str,
    deletions: Sequence[int] = (1,),
    *,
    topic: str = "Root::01 Tasks",
    tags: Sequence[str] = ("asyncio",),
    namespace: str = NAMESPACE,
) -> RenderedNote:
    """A cloze note; `deletions` are the numbers its author wrote."""
    fields = dict.fromkeys(CLOZE_FIELDS, "") | {"Id": note_id, "Text": text}
    return _rendered(note_id, fields, topic, tags, (), namespace, Kind.CLOZE, frozenset(deletions))


def _rendered(
    note_id: str,
    fields: dict[str, str],
    topic: str,
    tags: Sequence[str],
    media: Sequence[MediaFile],
    namespace: str,
    kind: Kind,
    deletions: frozenset[int],
    *,
    reverse: bool = False,
) -> RenderedNote:
    source = Source(f"source_notes/sample/{note_id}.md", f"## {note_id}\n\nAnswer.\n")
    note = Note(
        id=note_id,
        stamped=True,
        guid=guid(namespace, note_id),
        span=source.span(0, len(source.text)),
        heading=source.span(3, 3 + len(note_id)),
        question=None,
        answer=None,
        extra=None,
        kind=kind,
        reversed=reverse,
        deletions=deletions,
    )
    content = hashlib.sha256(repr((fields, sorted(tags))).encode()).hexdigest()
    return RenderedNote(note, topic, tuple(fields.items()), tuple(tags), tuple(media), content, Verdict.VERIFIED)


def deck(*notes: RenderedNote, name: str = "Root", namespace: str = NAMESPACE, css: str = CSS) -> RenderedDeck:
    """A deck of these notes, with the sample's templates."""
    return RenderedDeck(name, namespace, "<p>All about it</p>", notes, BASIC, CLOZE, css)


def media(name: str, packed: str) -> MediaFile:
    return MediaFile(name, Path("media") / name, packed)


def content_of(file: MediaFile) -> bytes:
    """A reader of media that needs no disk."""
    return f"content of {file.name}".encode()


def sample() -> RenderedDeck:
    """Five notes, eight cards, two sub-decks (one of two levels), four tags, one picture."""
    picture = media("loop.png", "loop-0f3a9c2b.png")
    return deck(
        basic("create-task", "<p>How is a task made?</p>", "<p><code>create_task(a &lt; b)</code></p>"),
        basic("loop-picture", '<p>What is this?</p><img src="loop-0f3a9c2b.png">', media=[picture], tags=["loop"]),
        basic(
            "both-ways",
            "<p>TaskGroup</p>",
            "<p>waits for all</p>",
            reverse=True,
            tags=["tasks::group", "loop", "asyncio"],
        ),
        cloze("gaps", "<p>{{c1::await}} a {{c2::coroutine::what?}} in a {{c3::loop}}</p>", [1, 2, 3]),
        cloze("dict", "<pre>x = {{c1::{&quot;a&quot;: 1&#125;}}</pre>", topic="Root::02 Deep::Inside", tags=["deep"]),
    )


def edit(rendered: RenderedNote, *, tags: Sequence[str] | None = None, **fields: str) -> RenderedNote:
    """The note with other fields or tags, and so with another content hash."""
    changed = dict(rendered.fields) | fields
    kept = tuple(rendered.tags if tags is None else tags)
    content = hashlib.sha256(repr((changed, sorted(kept))).encode()).hexdigest()
    return replace(rendered, fields=tuple(changed.items()), tags=kept, content=content)


def change(before: RenderedDeck, **edited: RenderedNote) -> RenderedDeck:
    """The deck with some notes replaced; a note is named by its id, with `_` for `-`."""
    by_id = {note_id.replace("_", "-"): rendered for note_id, rendered in edited.items()}
    return replace(before, notes=tuple(by_id.get(rendered.note.id, rendered) for rendered in before.notes))


def faults(rendered: RenderedDeck) -> list[Diagnostic]:
    """What the export says against a deck; nothing may have been built then."""
    data, diagnostics = export.build_package(rendered, export.times(rendered, None, NOW), content_of)
    assert (data == b"") is bool(diagnostics)
    return diagnostics


def build(rendered: RenderedDeck, previous: Package | None = None, now: int = NOW) -> bytes:
    """The package of a deck without faults."""
    data, diagnostics = export.build_package(rendered, export.times(rendered, previous, now), content_of)
    assert diagnostics == []
    return data
