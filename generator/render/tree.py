"""Tokens of markdown-it -> an element tree, Python-Markdown's kind.

What needs the note or the deck to be shown stays an element of ours for the tree processors: `fence`, `raw`, `math`,
`sound`, and `img` and `a` with the author's addresses. `places` says where each of them was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from markdown_it.token import Token

from generator.diagnostics import Span
from generator.render.grammar import MAX_NESTING, TooDeepError
from generator.render.marks import SpanOf
from generator.render.places import Origin
from generator.render.rawhtml import SCROLLS

Element = ElementTree.Element

_MAX_INLINE = 2 * MAX_NESTING


@dataclass(slots=True)
class Places:
    """Where elements were written; for those with text to look into, how to find a place in it."""

    spans: dict[Element, Span] = field(default_factory=dict)
    insides: dict[Element, SpanOf] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    """Labels of the link definitions that were used, as markdown-it normalises them."""


@dataclass(slots=True)
class Builder:
    """Builds one tree."""

    origin: Origin
    places: Places
    stack: list[Element] = field(default_factory=lambda: [Element("div")])

    def build(self, tokens: Sequence[Token]) -> Element:
        """The tree of a document's tokens. Raises TooDeepError."""
        for token in tokens:
            if token.type == "inline":
                whole = token.meta["span"]
                for child in token.children or ():
                    self._inline(child, whole)
            else:
                self._block(token)
        return self.stack[0]

    def _add(self, element: Element) -> Element:
        self.stack[-1].append(element)
        return element

    def _open(self, tag: str, attributes: dict[str, str]) -> Element:
        if len(self.stack) > _MAX_INLINE:
            raise TooDeepError
        self.stack.append(self._add(Element(tag, attributes)))
        return self.stack[-1]

    def _text(self, text: str) -> None:
        parent = self.stack[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text

    def _block(self, token: Token) -> None:
        attributes = {name: str(value) for name, value in token.attrs.items()}
        if token.hidden:
            if token.nesting == -1:
                self._text("\n")
        elif token.nesting == 1:
            self._open(token.tag, attributes | (SCROLLS if token.tag == "table" else {}))
        elif token.nesting == -1:
            self.stack.pop()
        elif token.type in ("fence", "code_block"):
            element = self._add(Element("fence", {"info": token.info if token.type == "fence" else ""}))
            element.text = token.content
            first = token.map[0] if token.map else 0
            element.set("line", str(self.origin.first_line + first))
        elif token.type == "html_block":
            self._text("\n")
            self._with_inside("raw", token.content, token.meta["span"])
        elif token.type == "math":
            self._with_inside("math", token.content, token.meta["span"]).set("display", "yes")
        else:
            self._add(Element(token.tag))

    def _with_inside(self, tag: str, text: str, inside: SpanOf) -> Element:
        element = self._add(Element(tag))
        element.text = text
        self.places.insides[element] = inside
        return element

    def _inline(self, token: Token, whole: SpanOf) -> None:
        handler = getattr(self, f"_{token.type}", None)
        if token.type == "text":
            self._text(token.content)
        elif handler is not None:
            handler(token, whole)
        elif token.nesting == 1 and token.tag == "strong" == self.stack[-1].tag:
            self.stack.append(self.stack[-1])  # GitHub shows strong in strong as one
        elif token.nesting == 1:
            self._open(token.tag, {})
        elif token.nesting == -1:
            self.stack.pop()
        else:
            raise AssertionError(token.type)

    def _softbreak(self, token: Token, whole: SpanOf) -> None:
        self._text("\n")

    def _hardbreak(self, token: Token, whole: SpanOf) -> None:
        self._add(Element("br"))
        self._text("\n")

    def _code_inline(self, token: Token, whole: SpanOf) -> None:
        self._add(Element("code")).text = token.content

    def _task(self, token: Token, whole: SpanOf) -> None:
        ticked = {"checked": ""} if token.meta["checked"] else {}
        label = "done" if ticked else "to do"
        box = Element("input", {"type": "checkbox", "aria-label": label, **ticked, "disabled": ""})
        if self.stack[-1].tag == "p":  # an item of a loose list: GitHub puts the box before its paragraph
            self.stack[-2].insert(len(self.stack[-2]) - 1, box)
        else:
            self._add(box)

    def _empty_task(self, token: Token, whole: SpanOf) -> None:
        self._named(Token("task", "", 0, content="[ ]"), whole)

    def _link_open(self, token: Token, whole: SpanOf) -> None:
        element = self._open("a", {name: str(value) for name, value in token.attrs.items()})
        at = token.meta.get("at", 0)
        written = not token.markup
        self.places.spans[element] = whole(at - written, at + 1 - written)
        self._label(token)

    def _image(self, token: Token, whole: SpanOf) -> None:
        attributes = {"src": str(token.attrs["src"]), "alt": _alt(token.children or [])}
        if "title" in token.attrs:
            attributes["title"] = str(token.attrs["title"])
        element = self._add(Element("img", attributes))
        self.places.spans[element] = self.origin.of_child(whole, token, 2)
        self._label(token)

    def _label(self, token: Token) -> None:
        if "label" in token.meta:
            self.places.labels.add(token.meta["label"])

    def _html_inline(self, token: Token, whole: SpanOf) -> None:
        self._with_inside("raw", token.content, _shifted(whole, token.meta["at"]))

    def _math(self, token: Token, whole: SpanOf) -> None:
        element = self._with_inside("math", token.content, _shifted(whole, token.meta["content_at"]))
        element.set("display", "yes" if token.markup == "$$" else "")

    def _named(self, token: Token, whole: SpanOf) -> None:
        element = self._add(Element(token.type))
        element.text = token.content
        self.places.spans[element] = self.origin.of_child(whole, token, len(token.content))

    _footnote = _emoji = _sound = _named


def _shifted(whole: SpanOf, at: int) -> SpanOf:
    return lambda start, end: whole(at + start, at + end)


def _alt(tokens: Sequence[Token]) -> str:
    """The text of a picture's description, without its formatting."""
    parts = []
    for token in tokens:
        if token.type == "image":
            parts.append(_alt(token.children or []))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.type == "math":
            parts.append(f"{token.markup}{token.content}{token.markup[::-1]}")
        else:
            parts.append(token.content)
    return "".join(parts)
