"""Rendered deck -> `.apkg` bytes. Only this folder knows genanki.

`times` says what a build keeps of the package before it, `build_package` makes the bytes, `write_atomically` puts
them in their place. The first two touch neither disk nor clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from generator.diagnostics import Diagnostic, Severity, ordered
from generator.export.archive import write_atomically, zip_members
from generator.export.checks import check_media, check_notes
from generator.export.collection import database
from generator.export.times import Times, times
from generator.notes import MediaFile, RenderedDeck

__all__ = ["Times", "build_package", "times", "write_atomically"]


def build_package(
    deck: RenderedDeck, times: Times, read_media: Callable[[MediaFile], bytes]
) -> tuple[bytes, list[Diagnostic]]:
    """The package of a deck, and what is wrong with it; `b""` where anything is an error.

    Equal arguments give equal bytes, on any day, place and locale. `read_media` returns a file's content and may
    raise OSError. `times` must cover every note and note type (KeyError). Notes of one kind must have the same field
    names in the same order (ValueError): they share a note type.

    The format is Anki's oldest, which every Anki reads: `collection.anki2`, `media` (JSON: number -> name), and the
    media files under their numbers.
    """
    diagnostics = check_notes(deck)
    contents, media_diagnostics = check_media(deck, read_media)
    diagnostics = ordered([*diagnostics, *media_diagnostics])
    if any(item.severity is Severity.ERROR for item in diagnostics):
        return b"", diagnostics
    names = sorted(contents)
    numbered = {str(number): name for number, name in enumerate(names)}
    members = [("collection.anki2", database(deck, times)), ("media", json.dumps(numbered).encode())]
    members += [(number, contents[name]) for number, name in numbered.items()]
    return zip_members(members), diagnostics
