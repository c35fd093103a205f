"""Rendered deck -> one HTML page that shows its cards as a learner sees them, and what is wrong with them.

`faces` makes cards as Anki does, `faults` puts diagnostics beside their notes, `data` turns both into JSON, and `page`
puts that into the files `templates/preview.*`. Nothing here touches the disk but to read those.
"""

from __future__ import annotations

from collections.abc import Callable

from generator.notes import MediaFile
from generator.preview.data import Preview, preview_data
from generator.preview.page import Page

__all__ = ["Page", "Preview", "preview_page"]


def preview_page(preview: Preview, read_media: Callable[[MediaFile], bytes]) -> Page:
    """The page of a deck. `read_media` returns a file's content and may raise OSError."""
    return Page(preview_data(preview, read_media))
