"""What would make Anki lose, merge or alter a note. Found before anything is written; all of it at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace

from generator.diagnostics import Diagnostic, Rule
from generator.export.cards import card_numbers, is_empty
from generator.notes import MediaFile, RenderedDeck, RenderedNote

CARDS = Rule("D100", "Anki would make other cards from the note than its author wrote")
SAME_IDENTITY = Rule("D101", "two notes have one identity")
EMPTY_KEY = Rule("D102", "the note's first field is empty")
CHARACTER = Rule("D103", "a field holds a character that Anki cannot store")
TAG = Rule("D104", "Anki would alter a tag")
TAG_CASE = Rule("D105", "two spellings of one tag")
DECK_NAME = Rule("D106", "Anki would alter the name of a deck")
DECK_CASE = Rule("D107", "two spellings of one deck's name")
EMPTY_QUESTION = Rule("D108", "the question shows nothing")
MEDIA_UNREADABLE = Rule("D110", "a media file cannot be read")
MEDIA_EMPTY = Rule("D111", "a media file is empty")
MEDIA_NAME = Rule("D112", "Anki would alter the name of a media file")
MEDIA_COLLISION = Rule("D113", "two media files have one name in Anki")

_UNSTORABLE = re.compile("[\0\x1f\ud800-\udfff]")
_UNSEEN = re.compile(r"<(?!(?:img|svg|math|audio|video|input)\b)[^<>]*>|\s|&nbsp;|&#160;", re.IGNORECASE)
_SPECIAL_TAGS = {"leech", "marked"}
_MEDIA_NAME_LIMIT = 120  # bytes
_BAD_MEDIA_NAME = re.compile(r'[\x00-\x1f\x7f\[\]<>:"/?*\\|^]|[. ]$|^\s|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)', re.I)


def check_notes(deck: RenderedDeck) -> list[Diagnostic]:
    """Faults in notes, tags and deck names. Spans are the note's heading."""
    diagnostics = [item for note in deck.notes for item in _check_note(deck, note)]
    diagnostics += _check_identities(deck)
    diagnostics += _check_spellings(deck)
    return diagnostics


def check_media(
    deck: RenderedDeck, read_media: Callable[[MediaFile], bytes]
) -> tuple[dict[str, bytes], list[Diagnostic]]:
    """Contents of the media files by their name in the package, each file read once, and what is wrong with them."""
    contents: dict[str, bytes] = {}
    diagnostics: list[Diagnostic] = []
    seen: set[MediaFile] = set()
    taken: dict[str, MediaFile] = {}
    for rendered in deck.notes:
        for file in rendered.media:
            if file in seen:
                continue
            seen.add(file)
            try:
                content = read_media(file)
            except OSError as error:
                message = f"The media file {file.name!r} cannot be read: {error.strerror or error}."
                diagnostics.append(_at(MEDIA_UNREADABLE, rendered, message, "Put it into the deck's media/ folder."))
                continue
            other = taken.setdefault(_filename_key(file.packed), file)
            if other.packed != file.packed or contents.setdefault(file.packed, content) != content:
                message = f"The media files {other.name!r} and {file.name!r} would be one file in Anki."
                diagnostics.append(_at(MEDIA_COLLISION, rendered, message, "Rename one of them."))
            diagnostics += _check_media_file(rendered, file, content)
    return contents, diagnostics


def _at(rule: Rule, rendered: RenderedNote, message: str, hint: str) -> Diagnostic:
    return rule.at(rendered.note.heading, message, hint, note=rendered.note.id)


def _check_media_file(rendered: RenderedNote, file: MediaFile, content: bytes) -> Iterator[Diagnostic]:
    if not content:
        message = f"The media file {file.name!r} is empty; Anki does not import it."
        yield _at(MEDIA_EMPTY, rendered, message, "Save it again, or take the reference out of the note.")
    name = file.packed
    if (
        not name
        or _BAD_MEDIA_NAME.search(name)
        or len(name.encode("utf-8", "replace")) > _MEDIA_NAME_LIMIT
        or unicodedata.normalize("NFC", name) != name
    ):
        message = f"Anki would give the media file {file.name!r} another name than the note uses."
        yield _at(
            MEDIA_NAME, rendered, message, "Name it with letters, digits, '-' and '_', shorter than 100 characters."
        )


def _filename_key(name: str) -> str:
    """Equal for names that are one file on some learner's disk: macOS and Windows ignore case and composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _check_note(deck: RenderedDeck, rendered: RenderedNote) -> Iterator[Diagnostic]:
    name, key = rendered.fields[0]
    if is_empty(key):
        yield _at(EMPTY_KEY, rendered, f"The note's field {name} is empty; Anki would not take it.", "Give it an id.")
    for name, html in rendered.fields:
        if bad := _UNSTORABLE.search(html):
            message = f"The field {name} holds the character U+{ord(bad[0]):04X}, which Anki cannot store."
            yield _at(CHARACTER, rendered, message, "Write it as an escape, or print its repr().")
    question = rendered.fields[1][1] if len(rendered.fields) > 1 else key
    if _UNSEEN.sub("", question):
        yield from _check_cards(deck, rendered)
    else:
        message = "The question of this note shows nothing."
        yield _at(EMPTY_QUESTION, rendered, message, "Write a question that shows text or a picture.")
    for tag in rendered.tags:
        if problem := _tag_problem(tag):
            message = f"The tag {tag!r} {problem}."
            yield _at(
                TAG, rendered, message, "Use letters, digits, '-' and '_', and '::' between a tag and its sub-tag."
            )
    if problem := _deck_name_problem(rendered.deck_name):
        message = f"The deck name {rendered.deck_name!r} {problem}."
        yield _at(DECK_NAME, rendered, message, "Write it without control characters and with text around each '::'.")


def _check_cards(deck: RenderedDeck, rendered: RenderedNote) -> Iterator[Diagnostic]:
    fields = dict(rendered.fields) | {"Tags": " ".join(rendered.tags)}
    made = card_numbers(deck.cloze if rendered.cloze else deck.basic, fields, rendered.cloze)
    if rendered.cloze:
        wanted = frozenset(number - 1 for number in rendered.note.deletions)
        if not made:
            message = "Anki would make no card from this note: it finds no cloze deletion in it."
            yield _at(CARDS, rendered, message, "Mark what is to be recalled as {{c1::…}}.")
        elif made != wanted:
            message = f"Anki would make cards for {_listed(made)}, but the note marks {_listed(wanted)}."
            yield _at(CARDS, rendered, message, "Number the deletions from 1 to 500, and close each with }}.")
    elif not made:
        message = "Anki would make no card from this note: no front of its templates shows anything."
        yield _at(CARDS, rendered, message, "Look at the templates: a front must show a field that this note fills.")
    elif len(made) != rendered.note.cards:
        message = f"Anki would make {len(made)} cards from this note, not {rendered.note.cards}."
        yield _at(CARDS, rendered, message, "Look at the metadata `reversed`; both sides need text or a picture.")


def _listed(numbers: frozenset[int]) -> str:
    return ", ".join(f"c{number + 1}" for number in sorted(numbers)) or "nothing"


def _check_identities(deck: RenderedDeck) -> Iterator[Diagnostic]:
    """Notes with one GUID are one note for Anki; notes with one first field it shows as duplicates."""
    guids: dict[str, RenderedNote] = {}
    keys: dict[str, RenderedNote] = {}
    for rendered in deck.notes:
        other = guids.setdefault(rendered.note.guid, rendered)
        if other is rendered:
            other = keys.setdefault(rendered.fields[0][1], rendered)
        if other is not rendered:
            message = f"The notes {other.note.id!r} and {rendered.note.id!r} would be one note in Anki."
            found = _at(SAME_IDENTITY, rendered, message, "Give this note an id of its own.")
            yield replace(found, related=(other.note.heading,))


def _check_spellings(deck: RenderedDeck) -> Iterator[Diagnostic]:
    """Anki ignores case in tags and deck names, level by level, and keeps the spelling it met first."""
    tags: dict[str, str] = {}
    decks: dict[str, str] = {}
    for rendered in deck.notes:
        for rule, what, names, spellings in (
            (TAG_CASE, "tag", rendered.tags, tags),
            (DECK_CASE, "deck", (rendered.deck_name,), decks),
        ):
            for name in names:
                first = _first_spelling(name, spellings)
                if first != name:
                    message = f"The {what} {name!r} is also written {first!r}; Anki takes both for one."
                    yield _at(rule, rendered, message, f"Write {first!r} everywhere.")


def _first_spelling(name: str, spellings: dict[str, str]) -> str:
    """The name, every level of it as it was first met."""
    first, *parts = name.split("::")
    spelled = spellings.setdefault(first.lower(), first)
    for part in parts:
        candidate = f"{spelled}::{part}"
        spelled = spellings.setdefault(candidate.lower(), candidate)
    return spelled


def _tag_problem(tag: str) -> str:
    """What Anki would do to a tag, "" for nothing.

    https://github.com/ankitects/anki/blob/main/rslib/src/tags/mod.rs (`normalize_tag_name`, `is_tag_separator`)
    """
    if tag.lower() in _SPECIAL_TAGS:
        return "is Anki's own; it is dropped on import"
    if any(char.isspace() for char in tag):
        return "holds a blank, which parts two tags in Anki"
    if any(unicodedata.category(char) == "Cc" for char in tag):
        return "holds a control character, which Anki removes"
    if unicodedata.normalize("NFC", tag) != tag:
        return "is written with combining characters, which Anki composes"
    if not all(tag.split("::")):
        return "has an empty part, which Anki calls 'blank'" if tag else "is empty; Anki drops it"
    return ""


def _deck_name_problem(name: str) -> str:
    """What Anki would do to a deck's name, "" for nothing; decks are matched by name from build to build.

    https://github.com/ankitects/anki/blob/main/rslib/src/decks/name.rs (`normalized_deck_name_component`)
    """
    parts = name.split("::")
    if any(unicodedata.category(char) == "Cc" for char in name):
        return "holds a control character, which Anki removes"
    if not all(part.strip() for part in parts):
        return "has an empty part, which Anki calls 'blank'"
    if any(part != part.strip() for part in parts):
        return "has blanks around a part, which Anki removes"
    if unicodedata.normalize("NFC", name) != name:
        return "is written with combining characters, which Anki composes"
    return ""
