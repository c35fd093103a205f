"""What the page knows, as JSON: the notes in the order of their files, each with its cards and its faults."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from generator.diagnostics import Diagnostic
from generator.notes import MediaFile, RenderedDeck, RenderedNote
from generator.preview.faces import Face, cloze, faces
from generator.preview.faults import Stray, as_data, place_faults

LABEL = 160  # characters of a card's text in the list
NO_CARD = "no-card"
"""The verdict of what has faults and no card."""

_TAG = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)
_BREAK = re.compile(r"<(?:br|hr|/?(?:p|div|li|ul|ol|pre|table|tr|td|th|figure|figcaption|h[1-6]|blockquote))\b[^<>]*>")
_MATH = re.compile(r"\\[(\[]")
_SOUND = re.compile(r"\[sound:([^\[\]]*)\]")
_SEARCHED = ("Question", "Text", "Answer", "Back", "Extra", "Notice")


@dataclass(frozen=True, slots=True)
class Preview:
    """What is to be shown: a deck, or nothing of it, and all that is wrong with it.

    `title` names the deck where nothing else does. `verified_on` tells for each verified note the Python versions;
    `ran` is false where nothing was run.
    """

    title: str
    deck: RenderedDeck | None
    diagnostics: Sequence[Diagnostic] = ()
    verified_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Data:
    """The page's data. `json` holds all of it, the cards' style `css` and the hash `version` included."""

    title: str
    css: str
    version: str
    json: str


def preview_data(preview: Preview, read_media: Callable[[MediaFile], bytes]) -> Data:
    """The data of a page. A media file that cannot be read (OSError) is left out: the build reports it."""
    deck = preview.deck
    notes = deck.notes if deck else ()
    placed, strays = place_faults(preview.diagnostics, notes)
    entries: list[tuple[tuple[bool, str, int], RenderedNote | Stray]]
    entries = [(_position(item.note.span.file, item.note.span.line), item) for item in notes]
    entries += [(_position(item.file, item.line), item) for item in strays]
    entries.sort(key=lambda entry: entry[0])
    title, css = (deck.name, deck.css) if deck else (preview.title, "")
    content: dict[str, object] = {
        "title": title,
        "css": css,
        "ran": preview.ran,
        "notes": [_entry(item, preview, placed) for _, item in entries],
        "media": _media(notes, read_media),
    }
    version = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    text = json.dumps(content | {"version": version}, ensure_ascii=False, separators=(",", ":"))
    return Data(title, css, version, text)


def _position(file: str, line: int) -> tuple[bool, str, int]:
    """Where an entry stands in the list: what belongs to no topic file comes first."""
    return file.endswith(".md"), file, line


def _entry(item: RenderedNote | Stray, preview: Preview, placed: Mapping[str, list[Diagnostic]]) -> dict[str, object]:
    if isinstance(item, Stray):
        return _stray(item)
    assert preview.deck is not None  # noqa: S101 - where there are rendered notes there is their deck
    return _note(item, preview.deck, preview.verified_on, placed.get(item.note.id, []))


def _note(
    rendered: RenderedNote,
    deck: RenderedDeck,
    verified_on: Mapping[str, tuple[str, ...]],
    faults: Iterable[Diagnostic],
) -> dict[str, object]:
    note = rendered.note
    values = dict(rendered.fields)
    searched = [plain(_unmarked(values.get(name, ""))) for name in _SEARCHED]
    return {
        "id": note.id,
        "stamped": note.stamped,
        "kind": note.kind.value,
        "deck": rendered.deck_name,
        "tags": list(rendered.tags),
        "verdict": rendered.verdict.value,
        "pythons": list(verified_on.get(note.id, ())),
        "place": f"{note.span.file}:{note.span.line}",
        "math": any(_MATH.search(text) for text in values.values()),
        "text": " ".join([note.id, *rendered.tags, *searched]).lower(),
        "faults": [as_data(item) for item in faults],
        "cards": [_card(face, rendered, values) for face in faces(deck, rendered)],
    }


def _card(face: Face, rendered: RenderedNote, values: Mapping[str, str]) -> dict[str, object]:
    shown = values.get("Answer" if face.name == "Reversed" else "Question", "")
    if rendered.cloze:
        shown = cloze(values["Text"], face.number, answer=False)
    return {
        "name": face.name,
        "number": face.number,
        "label": _shortened(plain(shown)),
        "front": playable(face.front),
        "back": playable(face.back),
    }


def _stray(stray: Stray) -> dict[str, object]:
    text = " ".join([stray.note, stray.title, stray.file, *(item.message for item in stray.faults)])
    return {
        "id": stray.note,
        "stamped": True,
        "kind": "",
        "deck": stray.file,
        "tags": [],
        "verdict": NO_CARD,
        "pythons": [],
        "place": f"{stray.file}:{stray.line}",
        "math": False,
        "text": text.lower(),
        "title": stray.title,
        "faults": [as_data(item) for item in stray.faults],
        "cards": [],
    }


def plain(markup: str) -> str:
    """What a reader sees of some HTML, on one line."""
    text = _TAG.sub("", _BREAK.sub(" ", markup))
    return " ".join(html.unescape(text).split())


def _unmarked(text: str) -> str:
    """A field without the marks of its deletions."""
    return re.sub(r"\{\{c[0-9,]+::|\}\}", "", text)


def _shortened(text: str) -> str:
    return text if len(text) <= LABEL else f"{text[: LABEL - 1].rstrip()}…"


def playable(markup: str) -> str:
    """A card's HTML with a player for every `[sound:…]`, in whose place Anki shows its own."""

    def player(sound: re.Match[str]) -> str:
        name = html.escape(html.unescape(sound[1]))
        return f'<audio controls preload="none" aria-label="sound {name}" src="{name}"></audio>'

    return _SOUND.sub(player, markup)


def _media(notes: Iterable[RenderedNote], read_media: Callable[[MediaFile], bytes]) -> dict[str, str]:
    """The media files as `data:` addresses, by their name in the package."""
    found: dict[str, str] = {}
    for file in {item.packed: item for note in notes for item in note.media}.values():
        try:
            content = read_media(file)
        except OSError:
            continue
        kind = mimetypes.guess_type(file.packed)[0] or "application/octet-stream"
        found[file.packed] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return found
