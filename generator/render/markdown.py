"""Markdown -> HTML of a card, in Python-Markdown with GitHub's grammar.

`CardMarkdown` is Python-Markdown with its parser exchanged: the element tree comes from tokens of `grammar`. Its tree
processors, each one class below, turn what is the author's into what a card shows. `inert.finish` comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.etree import ElementTree

import markdown
from markdown.blockparser import BlockParser
from markdown.treeprocessors import Treeprocessor
from markdown.util import Registry
from markdown_it import MarkdownIt
from markdown_it.token import Token

from generator.diagnostics import Span
from generator.notes import Role, Side, Snippet
from generator.render import timeline
from generator.render.formulas import check_math
from generator.render.grammar import TooDeepError, github_parser
from generator.render.highlight import code_element
from generator.render.inert import math_text
from generator.render.marks import Mark, Marks, Piece, SpanOf, mark_clozes, plain, without_private
from generator.render.media import Media, check_link, encode_url
from generator.render.odd import footnotes, oddities, report_alerts
from generator.render.places import Origin
from generator.render.problems import (
    BAD_TIMELINE,
    EMOJI,
    EMPTY_TASK,
    FOOTNOTE,
    MISSING_SOUND,
    TOO_DEEP,
    TOO_LARGE,
    Problems,
)
from generator.render.rawhtml import VOID, RawHtml
from generator.render.tree import Builder, Element, Places

_INLINE = frozenset({"em", "strong", "del", "a"})
MAX_TEXT = 100_000
MAX_PARAGRAPH = 10_000
MAX_BRACKETS = 300


@dataclass(slots=True)
class Job:
    """One text on its way to HTML, with everything its rules need."""

    origin: Origin
    marks: Marks
    media: Media
    problems: Problems
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Link definitions, as markdown-it keeps them."""
    snippets: Mapping[int, Snippet] = field(default_factory=dict)
    """The note's fences by the line they open on."""
    cloze: bool = False
    """Whether cloze marks mean deletions here."""
    inline: bool = False
    """Whether the text is the words of a heading: no paragraphs, no lists."""
    places: Places = field(default_factory=Places)
    raw: RawHtml = field(init=False)

    def __post_init__(self) -> None:
        self.raw = RawHtml(self.media, self.problems)


def to_html(job: Job) -> str:
    """The HTML of a job's text, marks in it, not yet sanitised; "" where it is too large or too deep."""
    origin = job.origin
    if len(origin.text) > MAX_TEXT:
        hint = "Split the note."
        job.problems.add(TOO_LARGE, _start(origin), f"more than {MAX_TEXT:,} characters for one side of a card", hint)
        return ""
    try:
        html = CardMarkdown(job).convert(without_private(origin.text))
    except TooDeepError:
        hint = "Take some of the levels away; for brackets that are text, write them in backticks."
        job.problems.add(TOO_DEEP, _start(origin), "lists, quotes, brackets or emphasis are nested too deeply", hint)
        return ""
    job.raw.finish()
    return html


def _start(origin: Origin) -> Span:
    first = origin.span
    return first.source.span(first.start, min(first.end, first.source.offset(first.line, 1 << 40)))


class CardMarkdown(markdown.Markdown):
    """Python-Markdown for one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__()
        self.serializer = serialise
        self.stripTopLevelTags = False

    def build_parser(self) -> CardMarkdown:
        """Python-Markdown's hook for another parser: our tokens, our tree processors, and none of its own rules."""
        self.preprocessors = Registry()
        self.parser = TokenParser(self)
        self.inlinePatterns = Registry()
        self.treeprocessors = Registry()
        self.postprocessors = Registry()
        processors = (GitHubOnly, Fences, Pictures, Links, RawTags, Formulas, Sounds)
        for priority, processor in enumerate(reversed(processors)):
            self.treeprocessors.register(processor(self), processor.__name__, priority)
        return self


class TokenParser(BlockParser):
    """In place of Python-Markdown's block parser."""

    def __init__(self, md: CardMarkdown) -> None:
        super().__init__(md)
        self.job = md.job

    def parseDocument(self, lines: Iterable[str]) -> ElementTree.ElementTree:  # noqa: N802 - Python-Markdown's name
        parser = _shared_parser()
        odd = oddities(self.job.origin, self.job.problems)
        env: dict[str, Any] = {"references": dict(self.job.references), "prepare": self._prepare, "odd": odd}
        text = "\n".join(lines)
        tokens = parser.parseInline(text, env) if self.job.inline else parser.parse(text.rstrip("\n") + "\n", env)
        report_alerts(tokens, self.job.problems)
        root = Builder(self.job.origin, self.job.places).build(tokens)
        return ElementTree.ElementTree(root)

    def _prepare(self, token: Token) -> str:
        """A text before its inline parsing: learns its place, and has its cloze marks made characters."""
        job = self.job
        token.meta["span"] = span = job.origin.of(token)
        text = token.content
        if len(text) > MAX_PARAGRAPH or text.count("[") > MAX_BRACKETS:
            what = f"more than {MAX_PARAGRAPH:,} characters or {MAX_BRACKETS} brackets in one paragraph"
            job.problems.add(TOO_LARGE, span(0, 1), what, "Split it, or show it as code in a `text` fence.")
            return ""
        return mark_clozes(text, job.marks, span) if job.cloze else text


_PARSERS: list[MarkdownIt] = []


def _shared_parser() -> MarkdownIt:
    """Made on first use and kept: it holds rules and no state."""
    if not _PARSERS:
        _PARSERS.append(github_parser())
    return _PARSERS[0]


def read_references(definitions: str) -> dict[str, Mapping[str, str]]:
    """The link definitions of a file."""
    env: dict[str, Any] = {}
    _shared_parser().parse(definitions, env)
    return dict(env.get("references", {}))


# --- tree processors -------------------------------------------------------------------------------------------------


class JobProcessor(Treeprocessor):
    """A tree processor that knows the job."""

    md: CardMarkdown

    def __init__(self, md: CardMarkdown) -> None:
        super().__init__(md)
        self.job = md.job


class GitHubOnly(JobProcessor):
    """Footnotes and emoji codes: GitHub shows something else than the text, and cards cannot yet."""

    def run(self, root: Element) -> None:
        job = self.job
        for element in root.iter("footnote"):
            if (element.text or "").casefold() in footnotes(job.origin.span.source.text):
                hint = "Put it into the text or into Extra; cards have no footnotes yet."
                job.problems.add(FOOTNOTE, job.places.spans[element], f"`{element.text}` is a footnote on GitHub", hint)
        for element in root.iter("emoji"):
            hint = "Put the emoji itself, or the code in backticks."
            job.problems.add(EMOJI, job.places.spans[element], f"`{element.text}` is an emoji on GitHub", hint)
        for element in root.iter("task"):
            hint = "Write plain words behind the box, on its line."
            job.problems.add(EMPTY_TASK, job.places.spans[element], "this task box has no words", hint)
        _unwrap(root, {"footnote", "emoji", "task"})


class Fences(JobProcessor):
    """Fences: highlighted, with a caption where their role asks for one, or left out."""

    def run(self, root: Element) -> None:
        for parent in list(root.iter()):
            for index, element in reversed(list(enumerate(parent))):
                if element.tag != "fence":
                    continue
                shown = self._shown(element)
                if shown is not None:
                    shown.tail = element.tail
                    parent[index] = shown
                else:
                    parent.remove(element)

    def _shown(self, element: Element) -> Element | None:
        snippet = self.job.snippets.get(int(element.get("line", "0")))
        if snippet is None:
            words = (element.get("info") or "").split()
            return self._figure("code", "", element.text or "", words[0] if words else "text", None)
        if not snippet.shown:
            return None
        if snippet.role is Role.OUTPUT:
            caption = "Output" if snippet.code.strip() else "No output"
            return self._figure("output", caption, snippet.code, "text", snippet)
        if snippet.role is Role.TIMELINE:
            return self._timeline(snippet)
        if snippet.language == "math":
            return self._math(snippet)
        buggy = bool(snippet.bugs) and snippet.side is Side.QUESTION
        return self._figure(
            "bug" if buggy else "code", "This code has a bug" if buggy else "", snippet.code, "", snippet
        )

    def _timeline(self, snippet: Snippet) -> Element:
        """A timeline as a picture. One with a deletion in it, or that is still to be written, stays text."""
        drawn = None if snippet.deletions else timeline.picture(snippet.code)
        if drawn is None:
            for line, message in (
                [] if snippet.deletions or not snippet.code.strip() else timeline.problems(snippet.code)
            ):
                hint = "Leave the fence empty: `make-deck check --update` writes it."
                self.job.problems.add(BAD_TIMELINE, snippet.locate(line), message, hint)
            return self._figure("timeline", "Timeline", snippet.code, "text", snippet)
        figure = self._figure("timeline", "Timeline", "", "text", snippet)
        figure[0].tail = self.job.marks.add(Mark(Piece.TEXT, snippet.span, text=drawn))
        return figure

    def _figure(self, css: str, caption: str, code: str, language: str, snippet: Snippet | None) -> Element:
        figure = Element("figure", {"class": css})
        if caption:
            ElementTree.SubElement(figure, "figcaption").text = caption
        span = _inside_code(snippet) if snippet else lambda start, end: self.job.origin.span
        deletions = snippet.deletions if snippet and self.job.cloze else ()
        language = language or (snippet.language if snippet else "text")
        if code.strip("\n") or not caption:
            figure.append(code_element(code, language, deletions, self.job.marks, span))
        return figure

    def _math(self, snippet: Snippet) -> Element:
        element = Element("math", {"display": "yes"})
        element.text = snippet.code
        self.job.places.insides[element] = _inside_code(snippet)
        paragraph = Element("p")
        paragraph.append(element)
        return paragraph


def _inside_code(snippet: Snippet) -> SpanOf:
    """How to find places in a fence's code."""

    def span(start: int, end: int) -> Span:
        first = snippet.source_offset(start)
        return snippet.span.source.span(first, max(first, snippet.source_offset(max(end - 1, start)) + 1))

    return span


class Pictures(JobProcessor):
    """`<img>` from Markdown: files of media/ only, by their packed names."""

    def run(self, root: Element) -> None:
        job = self.job
        for element in root.iter("img"):
            alt = plain(element.get("alt", ""))
            packed = job.media.image(plain(element.get("src", "")), alt, job.places.spans[element], job.problems)
            element.set("src", packed or "")
            element.set("alt", alt)


class Links(JobProcessor):
    """`<a>` from Markdown: addresses of the web and of mail only."""

    def run(self, root: Element) -> None:
        for element in root.iter("a"):
            address = plain(element.get("href", ""))
            check_link(address, self.job.places.spans[element], self.job.problems)
            element.set("href", encode_url(address))


class RawTags(JobProcessor):
    """HTML that the author wrote, checked tag by tag."""

    def run(self, root: Element) -> None:
        self._walk(root, root)

    def _walk(self, element: Element, block: Element) -> None:
        """Clean the raw HTML inside `element`; `block` is the block it belongs to, which its tags may not leave."""
        for child in element:
            if child.tag == "raw":
                child.text = self.job.raw.clean(child.text or "", self.job.places.insides[child], block)
            else:
                self._walk(child, block if child.tag in _INLINE else child)


class Formulas(JobProcessor):
    """Math, as MathJax in Anki wants it: `\\(…\\)` and `\\[…\\]`."""

    def run(self, root: Element) -> None:
        job = self.job
        for element in root.iter("math"):
            source = element.text or ""
            inside = job.places.insides[element]
            check_math(source, inside, job.problems, inline=not element.get("display"))
            left, right = ("\\[", "\\]") if element.get("display") else ("\\(", "\\)")
            text = f"{left}{math_text(source)}{right}"
            element.text = job.marks.add(Mark(Piece.TEXT, inside(0, len(source)), text=text))
        _unwrap(root, {"math"})


class Sounds(JobProcessor):
    """`[sound:file]`: plays a file of media/, and is text where there is none of the name."""

    def run(self, root: Element) -> None:
        job = self.job
        for element in root.iter("sound"):
            name = plain(element.text or "")[len("[sound:") : -1].strip().removeprefix("media/")
            span = job.places.spans[element]
            found = job.media.use(name)
            if found is None:
                hint = "Add the file to media/, or write the tag in backticks."
                job.problems.add(MISSING_SOUND, span, f"there is no sound `media/{name}`: the tag stays text", hint)
            else:
                element.text = job.marks.add(Mark(Piece.TEXT, span, text=f"[sound:{found.packed}]"))
        _unwrap(root, {"sound"})


def _unwrap(root: Element, tags: set[str]) -> None:
    """Replace elements that hold nothing but text with that text."""
    for parent in list(root.iter()):
        for index in range(len(parent) - 1, -1, -1):
            child = parent[index]
            if child.tag not in tags:
                continue
            text = (child.text or "") + (child.tail or "")
            del parent[index]
            if index:
                parent[index - 1].tail = (parent[index - 1].tail or "") + text
            else:
                parent.text = (parent.text or "") + text


# --- serialising -----------------------------------------------------------------------------------------------------


def serialise(root: Element) -> str:
    """HTML of what is inside `root`. Python-Markdown's own leaves `&copy;` as it is, which GitHub shows as text."""
    parts: list[str] = []
    _inside(root, parts)
    return "".join(parts)


def _inside(element: Element, parts: list[str]) -> None:
    parts.append(escape(element.text or "", quote=False))
    for child in element:
        if child.tag == "raw":
            parts.append(child.text or "")
        else:
            attributes = "".join(f' {name}="{escape(value)}"' for name, value in child.items())
            parts.append(f"<{child.tag}{attributes}>")
            if child.tag not in VOID:
                _inside(child, parts)
                parts.append(f"</{child.tag}>")
        parts.append(escape(child.tail or "", quote=False))
