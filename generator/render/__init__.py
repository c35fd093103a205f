"""Notes -> HTML fields and card templates.

Markdown means what GitHub means, and nothing that an author wrote or a program printed acts on a learner's machine.
`markdown` is the way through; `inert` is the last step of every field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

from generator.diagnostics import Diagnostic, ordered
from generator.notes import Deck, MediaFile, Note, NoteTemplate, RenderedDeck, RenderedNote, Verdict
from generator.render.content import content_hash
from generator.render.description import deck_description, deck_file
from generator.render.fields import NoteRenderer
from generator.render.markdown import read_references
from generator.render.media import Media
from generator.render.problems import RULES, UNUSED_MEDIA, Problems

__all__ = ["RULES", "render_deck"]


def render_deck(
    deck: Deck, verdicts: Mapping[str, Verdict], *, version: str = ""
) -> tuple[RenderedDeck, list[Diagnostic]]:
    """The deck as Anki gets it, and what is wrong with its text.

    `verdicts` are by note id; a note without one has no code. `version` is the release's, for the tag of corrected
    notes. Notes with errors are left out of the product. No file is read but the package's own templates.
    """
    found: list[Diagnostic] = []
    notes: list[RenderedNote] = []
    used: set[str] = set()
    for file in deck.files:
        references = read_references(file.link_definitions)
        for note in file.notes:
            renderer = NoteRenderer(deck, file, note, references)
            verdict = verdicts.get(note.id, Verdict.NO_CODE)
            fields = renderer.fields(verdict)
            found += renderer.problems.found
            used |= set(renderer.media.used)
            if renderer.problems.has_errors:
                continue
            media = tuple(sorted(renderer.media.used.values(), key=lambda item: item.packed))
            content = content_hash(deck, note, renderer.used_links, media)
            name = file.deck_name(deck.config.name)
            notes.append(RenderedNote(note, name, fields, note_tags(deck, note, version), media, content, verdict))
    problems = Problems(None)
    media_of_deck = Media(deck.media)
    description = deck_description(deck, media_of_deck, problems)
    _report_unused(deck, used, problems)
    product = RenderedDeck(
        deck.config.name,
        deck.config.namespace,
        description,
        tuple(notes),
        basic=(_template("Forward", "forward"), _template("Reverse", "reverse")),
        cloze=(_template("Cloze", "cloze"),),
        css=_read("card.css"),
    )
    return product, ordered([*found, *problems.found])


def note_tags(deck: Deck, note: Note, version: str) -> tuple[str, ...]:
    """The note's tags, and those that say it was retired or corrected."""
    folder = _tag_safe(deck.folder.name)
    tags = list(note.tags)
    if note.retired is not None:
        tags.append(f"{folder}::retired")
    if note.corrected is not None:
        tags.append("::".join(filter(None, [folder, "corrected", _tag_safe(version)])))
    return tuple(dict.fromkeys(tags))


def _tag_safe(text: str) -> str:
    """`text` as one part of a tag: Anki splits tags at blanks and levels at `::`."""
    return re.sub(r"[\s:\"*\x00-\x1f]+", "-", text).strip("-")


def _report_unused(deck: Deck, used: set[str], problems: Problems) -> None:
    for name in sorted(set(deck.media) - used):
        file: MediaFile = deck.media[name]
        hint = "Show it in a note or delete it; it is not packed."
        problems.add(UNUSED_MEDIA, deck_file(deck, f"media/{file.name}").span(0), f"no note shows `{file.name}`", hint)


def _template(name: str, stem: str) -> NoteTemplate:
    return NoteTemplate(name, _read(f"{stem}_front.html"), _read(f"{stem}_back.html"))


def _read(name: str) -> str:
    return (resources.files("generator") / "templates" / name).read_text(encoding="utf-8")
