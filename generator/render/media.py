"""Which files of `media/` a note shows, and where a picture or link may lead."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from generator.diagnostics import Span
from generator.notes import MediaFile
from generator.render.problems import BAD_LINK, MISSING_IMAGE, NO_ALT, NO_PICTURE, OUTSIDE_MEDIA, REMOTE_IMAGE, Problems

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PICTURES = ("avif", "gif", "jpeg", "jpg", "png", "svg", "webp")
_LINK_SCHEMES = ("http", "https", "mailto")
_URL_SAFE = "-_.+!*'(),%#@?=;:/,+&$~"


@dataclass(slots=True)
class Media:
    """The deck's media files by name; `used` are those that one note shows, in order."""

    files: Mapping[str, MediaFile]
    used: dict[str, MediaFile] = field(default_factory=dict)

    def use(self, name: str) -> MediaFile | None:
        found = self.files.get(name)
        if found is not None:
            self.used[name] = found
        return found

    def image(self, address: str, alt: str, span: Span, problems: Problems) -> str | None:
        """The packed name of the picture at `address`, or None where it cannot be shown."""
        shown = address or "(nothing)"
        if _SCHEME.match(address) or address.startswith("//"):
            hint = "Put the file into the deck's media/ folder and write `media/NAME`."
            problems.add(REMOTE_IMAGE, span, f"the picture `{shown}` is not in the deck", hint)
            return None
        path = posixpath.normpath(unquote(address).replace("\\", "/"))
        if not path.startswith("media/") or "/../" in f"/{address}/":
            hint = "Pictures lie in the deck's media/ folder: write `media/NAME`."
            problems.add(OUTSIDE_MEDIA, span, f"the picture `{shown}` is not in media/", hint)
            return None
        found = self.use(path.removeprefix("media/"))
        if found is None:
            hint = "Add the file, or mend its name; upper and lower case count."
            problems.add(MISSING_IMAGE, span, f"there is no file `{path}`", hint)
            return None
        if found.name.rpartition(".")[2].lower() not in _PICTURES:
            hint = f"A sound is played by `[sound:{found.name}]`; a picture is one of {', '.join(_PICTURES)}."
            problems.add(NO_PICTURE, span, f"`{path}` is no picture", hint)
            return None
        if not alt.strip():
            hint = "Say in the brackets what it shows: `![a task waiting](media/NAME)`."
            problems.add(NO_ALT, span, f"the picture `{path}` has no description", hint)
            return None
        return found.packed


def check_link(address: str, span: Span, problems: Problems) -> None:
    """Report an address that a card cannot follow: a card has no folder that a path could start from."""
    scheme = _SCHEME.match(address)
    if scheme and scheme.group()[:-1].lower() in _LINK_SCHEMES:
        return
    hint = "Link to an https:// address. A link to another file or heading does not work on a card."
    problems.add(BAD_LINK, span, f"a card cannot follow the link to `{address}`", hint)


def encode_url(address: str) -> str:
    """An address with everything escaped that addresses may not hold, and what is escaped left alone."""
    return quote(address, safe=_URL_SAFE)
