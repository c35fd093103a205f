"""Notes -> HTML fields and card templates.

Markdown means what GitHub means, and nothing that an author wrote or a program printed acts on a learner's machine.
`markdown` is the way through; `inert` is the last step of every field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath

from generator.diagnostics import Diagnostic, Source, ordered
from generator.notes import Deck, MediaFile, Note, NoteTemplate, RenderedDeck, RenderedNote, TopicFile, Verdict
from generator.render.content import content_hash
from generator.render.memory import Memory, Shown, rendered_notes
from generator.render.problems import RULES, UNUSED_MEDIA, Problems
from generator.store import Store

__all__ = ["RULES", "render_deck", "rendered_notes"]


def render_deck(
    deck: Deck, verdicts: Mapping[str, Verdict], *, version: str = "", store: Store | None = None
) -> tuple[RenderedDeck, list[Diagnostic]]:
    """The deck as Anki gets it, and what is wrong with its text.

    `verdicts` are by note id; a note without one has no code. `version` is the release's, for the tag of corrected
    notes. Notes with errors are left out of the product. `store` (of `rendered_notes`) remembers what became of the
    others. No file is read beside it but the package's own templates.
    """
    memory = Memory(deck, store or Store(None, 0))
    wanted = [(file, note, verdicts.get(note.id, Verdict.NO_CODE)) for file in deck.files for note in file.notes]
    keys = [memory.key(*item) for item in wanted]
    known = memory.recall([memory.key_of_description, *keys])
    found: list[Diagnostic] = []
    notes: list[RenderedNote] = []
    used: set[str] = set()
    for key, (file, note, verdict) in zip(keys, wanted, strict=True):
        shown, problems = known.get(key), Problems(note.id)
        if shown is None:
            shown, problems = _render_note(deck, file, note, verdict)
            memory.keep(key, shown, problems)
        found += problems.found
        used |= set(shown.media)
        if problems.has_errors:
            continue
        media = tuple(sorted((deck.media[name] for name in shown.media), key=lambda item: item.packed))
        name, tags = file.deck_name(deck.config.name), note_tags(deck, note, version)
        notes.append(RenderedNote(note, name, shown.fields, tags, media, shown.content, verdict))
    about, problems = known.get(memory.key_of_description), Problems(None)
    if about is None:
        about, problems = _render_description(deck)
        memory.keep(memory.key_of_description, about, problems)
    _report_unused(deck, used, problems)
    product = RenderedDeck(
        deck.config.name,
        deck.config.namespace,
        dict(about.fields)["Description"],
        tuple(notes),
        basic=(_template("Forward", "forward"), _template("Reverse", "reverse")),
        cloze=(_template("Cloze", "cloze"),),
        css=_read("card.css"),
    )
    return product, ordered([*found, *problems.found])


# The engines (Markdown, Pygments, nh3) are loaded where something has to be rendered: an unchanged deck needs none.


def _render_note(deck: Deck, file: TopicFile, note: Note, verdict: Verdict) -> tuple[Shown, Problems]:
    """What the note becomes, and what is wrong with its text."""
    from generator.render.fields import NoteRenderer

    renderer = NoteRenderer(deck, file, note)
    fields = renderer.fields(verdict)
    used = renderer.media.used
    content = content_hash(deck, note, renderer.used_links, used.values())
    return Shown(fields, tuple(used), content), renderer.problems


def _render_description(deck: Deck) -> tuple[Shown, Problems]:
    from generator.render.description import deck_description

    html, problems = deck_description(deck)
    return Shown((("Description", html),), (), ""), problems


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
        problems.add(UNUSED_MEDIA, _deck_file(deck, f"media/{file.name}").span(0), f"no note shows `{file.name}`", hint)


def _deck_file(deck: Deck, name: str) -> Source:
    """A file in the deck's folder, for diagnostics about it as a whole: without its text."""
    topics = [PurePosixPath(file.source.path).parent for file in deck.files]
    folder = topics[0] if topics else PurePosixPath(deck.folder.name)
    return Source(str(folder / name), "")


def _template(name: str, stem: str) -> NoteTemplate:
    return NoteTemplate(name, _read(f"{stem}_front.html"), _read(f"{stem}_back.html"))


def _read(name: str) -> str:
    return (resources.files("generator") / "templates" / name).read_text(encoding="utf-8")
