"""Ways to render a little Markdown or a little deck, for the tests of this folder."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from generator.diagnostics import Diagnostic, Severity, Source
from generator.notes import Deck, DeckFolder, MediaFile, RenderedDeck, RenderedNote, Verdict
from generator.parse import parse_deck
from generator.render import render_deck
from generator.render.inert import finish
from generator.render.markdown import Job, to_html
from generator.render.marks import Marks
from generator.render.media import Media
from generator.render.places import Origin
from generator.render.problems import Problems

CONFIG = "format: 1\nname: AsyncIO\nnamespace: make-deck.test\n"
MEDIA = {
    "loop.png": MediaFile("loop.png", Path("media/loop.png"), "loop-0a1b.png"),
    "bell.mp3": MediaFile("bell.mp3", Path("media/bell.mp3"), "bell-0a1b.mp3"),
}


def markdown(text: str, *, inline: bool = False) -> tuple[str, list[Diagnostic]]:
    """The HTML of one part of a note, as it stands in a field, and what is wrong with it."""
    problems, marks = Problems("n"), Marks()
    origin = Origin(text, Source("deck/01.md", text).span(0, len(text)))
    job = Job(origin, marks, Media(MEDIA), problems, inline=inline)
    return finish(to_html(job), marks, problems), problems.found


def errors(found: list[Diagnostic]) -> list[Diagnostic]:
    return [item for item in found if item.severity is Severity.ERROR]


def brief(found: list[Diagnostic]) -> list[tuple[str, int, int, str]]:
    """Code, line, column and the offending text of each."""
    return [(item.code, item.span.line, item.span.column, item.span.text) for item in found]


def parsed(topic: str, *, config: str = "", name: str = "02-tasks.md", folder: str = "deck") -> Deck:
    """A deck of one topic file, with MEDIA. The text must be without fault to the parser."""
    text = topic if topic.startswith("---") else f"---\ndeck: Tasks\n---\n{topic}"
    deck, found = parse_deck(
        DeckFolder(Path(folder), folder, (CONFIG + config).encode(), ((name, text.encode()),), MEDIA)
    )
    assert not errors(found), brief(found)
    assert deck is not None
    return deck


def rendered(
    topic: str, verdicts: dict[str, Verdict] | None = None, **options: str
) -> tuple[RenderedDeck, list[Diagnostic]]:
    """The rendered deck of a topic file, and diagnostics but those about unused media."""
    version = options.pop("version", "")
    product, found = render_deck(parsed(topic, **options), verdicts or {}, version=version)
    return product, [item for item in found if item.code != "N208"]


def one(topic: str, verdict: Verdict = Verdict.NO_CODE, **options: str) -> RenderedNote:
    """The only note of a topic file, rendered without fault."""
    deck = parsed(topic, **options)
    product, found = render_deck(deck, {note.id: verdict for note in deck.notes})
    assert not errors(found), brief(found)
    (note,) = product.notes
    return note


def field(note: RenderedNote, name: str) -> str:
    return dict(note.fields)[name]


# --- the structure of HTML --------------------------------------------------------------------------------------------

_NAMES = "p ul ol li blockquote h1 h2 h3 h4 h5 h6 hr pre table thead tbody tr th td br input div details"
_BLOCKS = frozenset(_NAMES.split())
_OWN = frozenset({"span", "figure"})  # elements that the card adds around what GitHub shows


def structure(html: str) -> list[object]:
    """Elements, their meaning attributes, and text, without what differs in writing alone."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.normal()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _OWN:
            return
        values = {name: value or "" for name, value in attrs if tag not in ("pre", "code")}
        values.pop("aria-label", None)  # a task's box is named on the card
        values.pop("tabindex", None)  # the keyboard reaches a table on the card
        if tag in ("td", "th") and values.get("class"):
            values["align"] = values.pop("class")
        for name in ("href", "src"):
            if name in values:
                values[name] = unquote(values[name])
        for file in MEDIA.values():
            if values.get("src") == file.packed:
                values["src"] = f"media/{file.name}"
        if "alt" in values:
            values["alt"] = " ".join(values["alt"].split())
        self.parts.append((tag, tuple(sorted(values.items()))))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _OWN | {"br", "hr", "img", "input"}:
            self.parts.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        if self.parts and isinstance(self.parts[-1], str):
            self.parts[-1] += data
        else:
            self.parts.append(data)

    def normal(self) -> list[object]:
        result: list[object] = []
        verbatim = 0
        for index, part in enumerate(self.parts):
            if not isinstance(part, str):
                verbatim += {"pre": 1, "/pre": -1}.get(part[0], 0)
                result.append(part)
                continue
            text = part.rstrip("\n") if verbatim else re.sub(r"\s+", " ", part)
            if not verbatim and self._is_block(index - 1):
                text = text.lstrip()
            if not verbatim and self._is_block(index + 1):
                text = text.rstrip()
            result += [text] if text else []
        return result

    def _is_block(self, index: int) -> bool:
        if not 0 <= index < len(self.parts):
            return True
        part = self.parts[index]
        return not isinstance(part, str) and str(part[0]).lstrip("/") in _BLOCKS
