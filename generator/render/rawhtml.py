"""HTML that an author wrote into Markdown.

What GitHub's own sanitiser shows is let through. All else is an error at its place: GitHub would drop it without a
word, and with it, perhaps, what the author meant.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
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
    "img": {"src", "alt", "width", "height", "align"},
    "ol": {"start", "reversed", "type"},
    "li": {"value"},
    "td": {"colspan", "rowspan", "align", "valign", "width"},
    "th": {"colspan", "rowspan", "align", "valign", "width", "scope"},
    "tr": {"align", "valign"},
    "details": {"open"},
    **{tag: {"align"} for tag in ("div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "table")},
}
SCROLLS = {"tabindex": "0"}
"""On every table, which scrolls where it is too wide: the keyboard must reach it. GitHub does the same."""
_WITHOUT_EFFECT = {"*": {"id"}, "a": {"name", "rel", "target"}}
"""Attributes that change nothing on a card: targets of links inside a page, and how a browser opens an address."""
_OTHER_NAMES = (
    "address area article aside audio base big body button canvas center col colgroup data datalist dialog dir "
    "embed fieldset font footer form frame frameset head header hgroup html iframe input label legend link main "
    "map marquee math meta meter nav nobr noscript object option output param picture progress script search "
    "section select slot source style svg template textarea time title track video"
)
_OTHER_TAGS = frozenset(_OTHER_NAMES.split())
"""Elements of HTML that cards do not have; other names are words to an author."""
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
    refused: list[str] = field(default_factory=list)
    """Unknown tags that were reported; their ends are not, too."""

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
            hint = f"Write `</{tag}>` where it ends, or `\\<` if the character itself is meant."
            self.problems.add(BROKEN_HTML, where, f"`<{tag}>` is never closed", hint)
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
        shown, tag = _short(source), name.lower()
        if source.startswith("</") and tag in self.refused:
            self.refused.remove(tag)
            return
        if not source.startswith("</"):
            self.refused.append(tag)
        if tag in _OTHER_TAGS:
            hint = "Cards hold no such element; take it out, or write it in backticks to show it."
        else:
            hint = f"Write `{shown}` in backticks or as `\\{shown}` to show it."
        self.problems.add(UNKNOWN_TAG, where, f"`{shown}` is read as an HTML tag and vanishes", hint)

    def _closing(self, tag: str, where: Span) -> str:
        if tag in VOID:
            return "<br>" if tag == "br" else ""  # as every browser reads `</br>`
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
        written = list(_ATTRIBUTE.finditer(source))
        if _is_comparison(tag, written):
            hint = "Write `\\<`, or put it in backticks, if the character itself is meant."
            self.problems.add(UNKNOWN_TAG, where, f"`{_short(source)}` is read as an HTML tag and vanishes", hint)
            return ""
        for match in written:
            name = match.group(1).lower()
            value = plain(html.unescape((match.group(2) or "").strip("\"'")))
            if name in _allowed(AUTHOR_ATTRIBUTES, tag):
                attributes.setdefault(name, value)
            elif name not in _allowed(_WITHOUT_EFFECT, tag):
                hint = "Take it out: the look of cards is the deck's, and nothing in them acts."
                self.problems.add(UNKNOWN_ATTRIBUTE, where, f"`{name}` cannot stand on `<{tag}>`", hint)
        if tag == "a" and "href" in attributes:
            check_link(attributes["href"], where, self.problems)
            attributes["href"] = encode_url(attributes["href"])
        if tag == "table":
            attributes |= SCROLLS
        if tag == "img":
            alt = attributes.get("alt", "")
            packed = self.media.image(attributes.get("src", ""), alt, where, self.problems)
            attributes["src"] = packed or ""
        if tag not in VOID and tag not in _OPTIONAL_END:
            self.open.append((tag, where, self.block))
        shown = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
        return f"<{tag}{shown}>"


def _allowed(table: Mapping[str, set[str]], tag: str) -> set[str]:
    return table["*"] | table.get(tag, set())


def _is_comparison(tag: str, attributes: Sequence[re.Match[str]]) -> bool:
    """Whether a tag is more likely `a<b and c>d`: words without a value, none of which it may have."""
    names = {match.group(1).lower() for match in attributes if match.group(2) is None}
    return bool(names) and len(names) == len(attributes) and not names & _allowed(AUTHOR_ATTRIBUTES, tag)


def _short(source: str) -> str:
    text = plain(source).replace("\n", " ")
    return text if len(text) <= 40 else text[:39] + "…"
