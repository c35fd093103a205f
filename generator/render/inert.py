"""The last step of every field: an allow-list for its HTML, and nothing left in it that Anki or MathJax acts on.

Anki acts on `[sound:`, `[anki:`, `[latex]`, `[$]` and `[$$]` anywhere in a field, code included, and on `{{c1::` in
cloze notes; it reads the HTML as written, so an entity makes each inert. MathJax reads the text that a browser
decoded, joins it across comments and `<wbr>`, and leaves out `code` and `pre`; only the border of another element
keeps `\\(` apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from html import escape

import nh3

from generator.render.marks import FILLER, PRIVATE, Mark, Marks, Piece, without_private
from generator.render.problems import CROSSING_CLOZE, LOST_CLOZE, Problems
from generator.render.rawhtml import AUTHOR_ATTRIBUTES, AUTHOR_TAGS, SCROLLS, VOID

_CLASSES = {
    "span": {
        *("line", "lines", "badge", "notrun", "task", "done", "expect", "c", "k", "kc", "s", "se", "si", "m", "nf"),
        *("nc", "nd", "nb", "ne", "nt", "na", "ow", "gd", "gi", "gh", "gp", *(f"d{depth}" for depth in range(1, 7))),
    },
    "figure": {"code", "output", "timeline", "bug"},
    "div": {"prompt", "scroll", "banner", "retired", "corrected"},
    "td": {"left", "center", "right"},
    "th": {"left", "center", "right"},
    "ul": {"tasks"},
}
_SCHEMES = {"http", "https", "mailto"}
_PART = re.compile(r"""<(?P<close>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?:[^"'>]|"[^"]*"|'[^']*')*>|[^<]+|<""")
_ACTIVE = re.compile(rf"[\[\]{{}}\\]|:(?=[:\U000f0000-\U0010ffff])|(?<=[:\U000f0000-\U0010ffff]):|{PRIVATE.pattern}")
_VERBATIM = frozenset({"code", "pre"})
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_HIDDEN = re.compile(f"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_BIDI}\ufeff]")


def inert_text(text: str) -> str:
    """Plain text as HTML that shows it and does nothing else."""
    return finish(escape(without_private(text), quote=False), Marks(), Problems(None))


def sanitise(html: str) -> str:
    """`html` with the tags, attributes and classes of the allow-list only, well formed."""
    attributes = {tag: set(names) for tag, names in AUTHOR_ATTRIBUTES.items()}
    attributes["table"] |= set(SCROLLS)
    attributes["input"] = {"type", "checked", "disabled", "aria-label"}
    return nh3.clean(
        html,
        tags=AUTHOR_TAGS | {"input"},
        attributes=attributes,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel=None,
    )


def finish(html: str, marks: Marks, problems: Problems) -> str:
    """A field's HTML as it goes into Anki: sanitised, inert, and with every mark in its place.

    A cloze deletion must open and close in the same element, once each; else Anki would make misnested HTML of it.
    """
    return _Finish(marks, problems).run(sanitise(html))


@dataclass(slots=True)
class _Finish:
    marks: Marks
    problems: Problems
    open: list[tuple[str, int]] = field(default_factory=list)
    count: int = 0
    deletion: tuple[Mark, tuple[tuple[str, int], ...]] | None = None
    seen: set[Mark] = field(default_factory=set)
    faulty: set[Mark] = field(default_factory=set)

    def run(self, html: str) -> str:
        result = "".join(self._part(match) for match in _PART.finditer(html))
        for mark in self.marks.known:
            if mark.piece is not Piece.TEXT and mark not in self.seen | self.faulty:
                self._report(mark)
        return result

    def _part(self, match: re.Match[str]) -> str:
        part, name = match.group(), match.group("name")
        if name is None:
            return self._text(part)
        if match.group("close"):
            if self.open:
                self.open.pop()
        elif name not in VOID:
            self.count += 1
            self.open.append((name, self.count))
        return _ACTIVE.sub(lambda found: _entity(found.group()), _shown(part))

    def _text(self, text: str) -> str:
        verbatim = any(name in _VERBATIM for name, _ in self.open)

        def piece(found: re.Match[str]) -> str:
            char = found.group()
            if char == "\\" and not verbatim:
                return "<span>&#92;</span>"
            return self._mark(char) if PRIVATE.match(char) else _entity(char)

        result = _ACTIVE.sub(piece, _shown(text))
        return _kept_apart(result) if verbatim else result

    def _mark(self, char: str) -> str:
        mark = None if char == FILLER else self.marks.get(char)
        if mark is None:
            return ""
        if mark.piece is Piece.TEXT:
            return self._whole(mark.text or "")
        self.seen.add(mark)
        if mark.piece is Piece.OPEN:
            if self.deletion:
                self._report(mark)
            self.deletion = mark, tuple(self.open)
            return f"{{{{c{mark.number}::"
        if self.deletion is None or self.deletion[1] != tuple(self.open):
            self._report(mark)
        self.deletion = None
        return "}}" if mark.text is None else f"::{inert_text(mark.text)}}}}}"

    def _whole(self, text: str) -> str:
        """A piece of math or a sound: final HTML, in which only cloze marks are still to be put in place."""
        return PRIVATE.sub(lambda found: self._mark(found.group()), text)

    def _report(self, mark: Mark) -> None:
        twin = next((other for other in self.faulty if other.span == mark.span), None)
        self.faulty.add(mark)
        if twin:
            return
        if mark in self.seen:
            hint = "Let it open and close inside the same words: `**{{c1::bold}}**` or `{{c1::**bold**}}`."
            self.problems.add(CROSSING_CLOZE, mark.span, "this deletion cuts through formatting", hint)
        else:
            hint = "Put it around words that are shown; in an address or a description it cannot work."
            self.problems.add(LOST_CLOZE, mark.span, "this deletion stands where the card shows no text", hint)


def _entity(char: str) -> str:
    return "" if PRIVATE.match(char) else f"&#{ord(char)};"


def _shown(text: str) -> str:
    """`text` with control and direction characters written out, as a reader would not see them act."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def _kept_apart(text: str) -> str:
    """Code with entities for what Anki would compose: it stores all text in NFC, where two strings may become one."""
    if unicodedata.is_normalized("NFC", text):
        return text
    return "".join(f"&#{ord(char)};" if _may_compose(char) else char for char in text)


def _may_compose(char: str) -> bool:
    jamo = "\u1160" <= char <= "\u11ff"
    return jamo or bool(unicodedata.combining(char)) or not unicodedata.is_normalized("NFC", char)


def math_text(source: str) -> str:
    """The source of a formula as HTML text, marks kept: braces and colons as entities, so that clozes stay apart."""
    return re.sub(r"[{}\[\]:]", lambda found: f"&#{ord(found.group())};", escape(source, quote=False))


def is_blank(html: str) -> bool:
    """Whether HTML shows nothing: no text, no picture."""
    if re.search(r"<(img|hr|input)\b", html):
        return False
    return all(unicodedata.category(char)[0] in "ZC" for char in re.sub("<[^>]*>", "", html).replace("&nbsp;", ""))
