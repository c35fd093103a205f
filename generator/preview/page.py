"""The data and the page's own files -> one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from importlib import resources
from string import Template

from generator.preview.data import Data


@dataclass(frozen=True, slots=True)
class Page:
    """A page to write or to serve."""

    data: Data

    def html(self, *, live: bool = False) -> str:
        """The page. A `live` one asks the server it came from for changes; another asks nobody for anything.

        The browser is told to run the page's own script only and to load nothing: an author's HTML could not act
        even where the sanitiser failed.
        """
        style = _read("preview.css")
        script = _read("preview_cards.js") + _read("preview.js")
        policy = {
            "default-src": "'none'",
            "script-src": _hash(script),
            "style-src": f"{_hash(style)} {_hash(self.data.css)}",
            "img-src": "data:",
            "media-src": "data:",
            "connect-src": "'self'" if live else "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        return Template(_read("preview.html")).substitute(
            policy=html.escape("; ".join(f"{name} {value}" for name, value in policy.items()), quote=False),
            title=html.escape(self.data.title),
            style=style,
            # In JSON a `<` stands in strings only; escaped, nothing can end the script element.
            data=self.data.json.replace("<", "\\u003c"),
            live="live" if live else "",
            script=script,
        )


def _read(name: str) -> str:
    return (resources.files("generator") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """An inline element's content as a policy names it (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
