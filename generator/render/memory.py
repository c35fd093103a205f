"""Remembers what became of a note, so that only what changed is rendered again."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from generator.notes import Deck, Note, TopicFile, Verdict
from generator.render.problems import Problems
from generator.store import Store, digest_of_code

_NAME = "cards-1.sqlite"
_MOST = 50_000  # entries, of a few KiB each
_CODE = ("blockrules", "clozes.py", "diagnostics.py", "notes.py", "parse", "render")
_LIBRARIES = ("markdown", "markdown-it-py", "nh3", "pygments", "rich")


def rendered_notes(folder: Path | None) -> Store:
    """The store of rendered notes in `folder`."""
    return Store(folder and folder / _NAME, _MOST)


@dataclass(frozen=True, slots=True)
class Shown:
    """What rendering makes of a note, or of a deck's description, which has one field and no hash.

    (name, HTML) of the fields, names of the files in `media/` that they use, and the hash of what the note rests on.
    """

    fields: tuple[tuple[str, str], ...]
    media: tuple[str, ...]
    content: str


class Memory:
    """What became of one deck's notes, and of its description, in earlier runs."""

    def __init__(self, deck: Deck, store: Store) -> None:
        config = deck.config
        media = sorted((file.name, file.packed) for file in deck.media.values())
        settings = (config.name, config.namespace, config.repository, config.verify.value, sorted(config.tags))
        self._store = store
        self._deck = _hash(_tools(), *settings, media)
        self.key_of_description = hashlib.sha256(_text(self._deck, config.description)).digest()

    def key(self, file: TopicFile, note: Note, verdict: Verdict) -> bytes:
        """A hash of all that the fields of `note` rest on."""
        place = (self._deck, file.source.path, file.link_definitions)
        metadata = (note.id, note.kind.value, note.reversed, note.cloze, note.tags, note.own_python, note.source)
        notices = (note.retired, note.corrected, verdict.value)
        setups = [snippet.code for snippet in note.setups]
        return hashlib.sha256(_text(*place, note.span.text, *metadata, *notices, setups)).digest()

    def recall(self, keys: Iterable[bytes]) -> dict[bytes, Shown]:
        found = {key: _read(value) for key, value in self._store.known(keys).items()}
        return {key: shown for key, shown in found.items() if shown is not None}

    def keep(self, key: bytes, shown: Shown, problems: Problems) -> None:
        """Remember what came of it, unless something is wrong: that is to be told each time."""
        if problems.found:
            return
        self._store.put(key, zlib.compress(_text(shown.fields, shown.media, shown.content), 1))


@functools.cache
def _tools() -> str:
    """A hash of the code that renders, and of the versions of what it uses."""
    return _hash(digest_of_code(*_CODE), sys.version, *(version(name) for name in _LIBRARIES))


def _hash(*values: object) -> str:
    return hashlib.sha256(_text(*values)).hexdigest()


def _text(*values: object) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _read(value: bytes) -> Shown | None:
    """What was kept; None where the disk gives back something else."""
    try:
        fields, media, content = json.loads(zlib.decompress(value).decode("utf-8", "surrogatepass"))
        return Shown(tuple((name, html) for name, html in fields), tuple(media), content)
    except (zlib.error, ValueError, TypeError):
        return None
