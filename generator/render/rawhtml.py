"""HTML that an author wrote into Markdown.

What GitHub's own sanitiser shows is let through. All else is an error at its place: GitHub would drop it without a
word, and with it, perhaps, what the author meant.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from markdown_it.common import html_re

from generator.diagnostics import Span
from generator.render.marks import SpanOf, plain
from generator.render.media import Media, check_link, encode_url
from generator.render.problems import BROKEN_HTML, UNKNOWN_ATTRIBUTE, UNKNOWN_TAG, Problems

VOID = frozenset({"br", "hr", "img", "wbr", "input"})
_NAMES = (
    "a abbr b bdo blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 "
    "hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strike strong sub summary sup table tbody td "
    "tfoot th thead tr tt u ul var wbr"
)
AUTHOR_TAGS = frozenset(_NAMES.split())
"""What an author may write, and the sanitiser lets through."""
AUTHOR_ATTRIBUTES = {
    "*": {"title", "lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start", "reversed", "type"},
    "li": {"value"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align"},
    "details": {"open"},
    **{tag: {"align"} for tag in ("div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "table")},
}
_OPTIONAL_END = frozenset({"li", "p", "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "rp", "rt"})
_TOKEN = re.compile(f"(?P<comment><!---?>|<!--.*?-->)|{html_re.HTML_TAG_RE.pattern}|<(?=[A-Za-z/!?])|<", re.DOTALL)
_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)")
_ATTRIBUTE = re.compile(rf"\s+({html_re.attr_name})(?:\s*=\s*({html_re.attr_value}))?")


@dataclass(slots=True)
class RawHtml:
    """The raw HTML of one side of a note, chunk by chunk, in order."""

    media: Media
    problems: Problems
    open: list[tuple[str, Span, object]] = field(default_factory=list)
    """Tags without their end, where they were written, and the block that they may not leave."""
    block: object = None

    def clean(self, source: str, span: SpanOf, block: object) -> str:
        """A chunk as it may stand on a card: comments gone, addresses in place. `block` is what it stands in."""
        self.block = block
        parts: list[str] = []
        done = 0
        for match in _TOKEN.finditer(source):
            parts += [source[done : match.start()], self._token(match, span)]
            done = match.end()
        return "".join([*parts, source[done:]])

    def finish(self) -> None:
        """Report tags that are still open where the side ends."""
        for tag, where, _ in self.open:
            self.problems.add(BROKEN_HTML, where, f"`<{tag}>` is never closed", f"Write `</{tag}>` where it ends.")
        self.open.clear()

    def _token(self, match: re.Match[str], span: SpanOf) -> str:
        source, where = match.group(), span(match.start(), match.end())
        if match.group("comment"):
            return ""
        if source == "<":
            return self._lone(match, where)
        named = _NAME.match(source)
        if named is None:
            hint = "Write it in backticks if it is meant to be read, or take it out."
            self.problems.add(UNKNOWN_TAG, where, f"`{_short(source)}` is read as HTML and vanishes", hint)
            return ""
        tag = named.group(1).lower()
        if tag not in AUTHOR_TAGS:
            self._unknown(source, named.group(1), where)
            return ""
        return self._closing(tag, where) if source.startswith("</") else self._opening(tag, source, where)

    def _lone(self, match: re.Match[str], where: Span) -> str:
        follows = match.string[match.end() : match.end() + 1]
        if follows.isascii() and (follows.isalpha() or (follows and follows in "/!?")):
            hint = "Finish the tag, or write `&lt;` for the character itself."
            self.problems.add(BROKEN_HTML, where, "this `<` begins a tag that never ends", hint)
        return "&lt;"

    def _unknown(self, source: str, name: str, where: Span) -> None:
        shown = _short(source)
        if name.lower() in ("script", "style", "iframe", "object", "embed", "svg", "math", "form", "input", "button"):
            hint = "Cards hold no such element; take it out, or write it in backticks to show it."
        else:
            hint = f"Write `{shown}` in backticks or as `\\{shown}` to show it."
        self.problems.add(UNKNOWN_TAG, where, f"`{shown}` is read as an HTML tag and vanishes", hint)

    def _closing(self, tag: str, where: Span) -> str:
        if tag in VOID:
            return ""
        position = next((at for at in range(len(self.open) - 1, -1, -1) if self.open[at][0] == tag), None)
        if position is not None and self.open[position][2] is self.block:
            for other, begun, _ in self.open[position + 1 :]:
                hint = f"Write `</{other}>` before `</{tag}>`."
                self.problems.add(BROKEN_HTML, begun, f"`<{other}>` is not closed inside `<{tag}>`", hint)
            del self.open[position:]
        elif position is not None:
            hint = f"Open and close `<{tag}>` in the same paragraph, item or cell."
            self.problems.add(BROKEN_HTML, where, f"`</{tag}>` closes what another block opened", hint)
            del self.open[position]
        elif tag not in _OPTIONAL_END:
            hint = f"Write `<{tag}>` where it begins, or take this out."
            self.problems.add(BROKEN_HTML, where, f"`</{tag}>` closes nothing", hint)
        return f"</{tag}>"

    def _opening(self, tag: str, source: str, where: Span) -> str:
        attributes: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(source):
            name = match.group(1).lower()
            value = plain(html.unescape((match.group(2) or "").strip("\"'")))
            if name not in AUTHOR_ATTRIBUTES["*"] | AUTHOR_ATTRIBUTES.get(tag, set()):
                hint = "Take it out: the look of cards is the deck's, and nothing in them acts."
                self.problems.add(UNKNOWN_ATTRIBUTE, where, f"`{name}` cannot stand on `<{tag}>`", hint)
            else:
                attributes.setdefault(name, value)
        if tag == "a" and "href" in attributes:
            check_link(attributes["href"], where, self.problems)
            attributes["href"] = encode_url(attributes["href"])
        if tag == "img":
            alt = attributes.get("alt", "")
            packed = self.media.image(attributes.get("src", ""), alt, where, self.problems)
            attributes["src"] = packed or ""
        if tag not in VOID and tag not in _OPTIONAL_END:
            self.open.append((tag, where, self.block))
        shown = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
        return f"<{tag}{shown}>"


def _short(source: str) -> str:
    text = plain(source).replace("\n", " ")
    return text if len(text) <= 40 else text[:39] + "…"
