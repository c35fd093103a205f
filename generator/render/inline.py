"""Rules of inline parsing in which GitHub differs from markdown-it, and those for math and for Anki's sounds.

A rule of markdown-it looks at `state.pos`, and either consumes text there and returns true, or leaves all as it was.
In `silent` mode it makes no tokens.
"""

from __future__ import annotations

import re
from typing import Literal

from markdown_it.rules_inline import StateInline, link
from markdown_it.rules_inline import entity as markdown_it_entity
from markdown_it.rules_inline import escape as markdown_it_escape
from markdown_it.rules_inline import html_inline as markdown_it_html
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from rich.emoji import Emoji, NoEmoji

from generator.render.autolink import is_punctuation, is_space, url_end, www_end
from generator.render.emphasis import add_run

_ESCAPABLE = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")
_SOUND = re.compile(r"\[sound:[^\[\]\n]+\]")
_LONG_ENTITY = re.compile(r"&#(?:(\d{8})|[xX]([0-9A-Fa-f]{7,8}));")
_EMOJI = re.compile(r"(?<!:):([a-z0-9+_-]+):(?!:(?![a-z0-9+_-]+:))")


class Inline(StateInline):
    """The state of inline parsing. Tokens learn where they began: `meta["at"]`, an offset in the text."""

    brackets = 0
    """Open brackets that are no link's: inside them, GitHub makes no address a link."""

    unclosed: frozenset[str] = frozenset()
    """Markers of math that nothing closes from here on."""

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        token.meta["at"] = self.pos
        return token

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803 - markdown-it's names
        """What a run of `*` or `_` may do. GitHub looks through `~` beside it."""
        marker = self.src[start]
        end = start
        while end < self.posMax and self.src[end] == marker:
            end += 1
        before, after = start - 1, end
        while before > 0 and self.src[before] == "~":
            before -= 1
        while self.src.startswith("~", after):
            after += 1
        last = self.src[before] if before >= 0 and self.src[before] != "~" else "\n"
        following = self.src[after : after + 1] or "\n"
        left, right = _flanking(last, following)
        if marker == "_":
            return Scanned(
                left and (not right or is_punctuation(last)),
                right and (not left or is_punctuation(following)),
                end - start,
            )
        return Scanned(left, right, end - start)


def _flanking(last: str, following: str) -> tuple[bool, bool]:
    """Whether a run of delimiters between these characters is left- and right-flanking."""
    left = not is_space(following) and (not is_punctuation(following) or is_space(last) or is_punctuation(last))
    right = not is_space(last) and (not is_punctuation(last) or is_space(following) or is_punctuation(following))
    return left, right


def escape(state: StateInline, silent: bool) -> bool:
    """`\\` before anything but punctuation is text, and leaves alone what follows."""
    behind = state.pos + 1
    if state.src[state.pos] == "\\" and (behind >= state.posMax or state.src[behind] not in _ESCAPABLE):
        return False
    return markdown_it_escape(state, silent)


def entity(state: StateInline, silent: bool) -> bool:
    """`&name;` and `&#1;`. By number GitHub takes up to eight digits, most of which are no character."""
    match = _LONG_ENTITY.match(state.src, state.pos, state.posMax)
    if match is None:
        return markdown_it_entity(state, silent)
    number = int(match[1] or match[2], 10 if match[1] else 16)
    if not silent:
        is_character = 0 < number < 0x110000 and not 0xD800 <= number < 0xE000
        state.pending += chr(number) if is_character else "\ufffd"
    state.pos = match.end()
    return True


def html_inline(state: StateInline, silent: bool) -> bool:
    """A tag. An `<a>` does not keep GitHub from making links of the addresses behind it."""
    level = state.linkLevel
    found = markdown_it_html(state, silent)
    state.linkLevel = level
    return found


def strike(state: StateInline, silent: bool) -> bool:
    """One or two tildes; three and more are text. Both ends must have as many."""
    start = state.pos
    if state.src[start] != "~" or silent:
        return False
    end = start
    while end < state.posMax and state.src[end] == "~" and end - start < 100:
        end += 1
    last = state.src[start - 1] if start else "\n"
    opens, closes = _flanking(last, state.src[end : end + 1] or "\n")
    pairs = end - start <= 2
    add_run(state, end - start, opens=opens and pairs, closes=closes and pairs)
    return True


def bracket(state: StateInline, silent: bool) -> bool:
    """Count brackets that turned out to be text; consumes nothing."""
    if not silent and isinstance(state, Inline):
        if state.src[state.pos] == "[":
            state.brackets += 1
        elif state.src[state.pos] == "]" and state.brackets:
            state.brackets -= 1
    return False


def _may_link(state: StateInline, silent: bool) -> bool:
    return not (silent or state.linkLevel or (isinstance(state, Inline) and state.brackets))


def url(state: StateInline, silent: bool) -> bool:
    """`http://…`, `https://…` and `ftp://…`"""
    if state.src[state.pos] != ":" or not _may_link(state, silent):
        return False
    found = url_end(state.src[: state.posMax], state.pos)
    if found is None:
        return False
    start, end = found
    if start < state.pos:
        state.pending = state.pending[: start - state.pos]
    _push_link(state, state.src[start:end], state.src[start:end], start)
    state.pos = end
    return True


def www(state: StateInline, silent: bool) -> bool:
    """`www.…`"""
    if state.src[state.pos] != "w" or not _may_link(state, silent):
        return False
    end = www_end(state.src[: state.posMax], state.pos)
    if end is None:
        return False
    address = state.src[state.pos : end]
    _push_link(state, "http://" + address, address, state.pos)
    state.pos = end
    return True


def _push_link(state: StateInline, href: str, text: str, at: int) -> None:
    token = state.push("link_open", "a", 1)
    token.meta["at"] = at
    token.attrs = {"href": href}
    token.markup = "linkify"
    state.push("text", "", 0).content = text
    state.push("link_close", "a", -1)


def footnote(state: StateInline, silent: bool) -> bool:
    """`[^label]` that has a definition in the file: GitHub makes it a footnote. Without one it is text."""
    match = _FOOTNOTE.match(state.src, state.pos)
    if silent or match is None:
        return False
    state.push("footnote", "", 0).content = match.group()
    state.pos = match.end()
    return True


def sound(state: StateInline, silent: bool) -> bool:
    """`[sound:file]`, which is Anki's; to GitHub it is text, unless it is the text of a link."""
    match = _SOUND.match(state.src, state.pos, state.posMax)
    if silent or match is None or _is_link(state):
        return False
    state.push("sound", "", 0).content = match.group()
    state.pos = match.end()
    return True


def _is_link(state: StateInline) -> bool:
    """Whether a link begins at `state.pos`, which stays."""
    at = state.pos
    found = link(state, True)
    state.pos = at
    return found


def emoji(state: StateInline, silent: bool) -> bool:
    """`:name:`, which GitHub turns into a picture."""
    match = _EMOJI.match(state.src, state.pos)
    if silent or match is None or not _is_emoji(match.group(1)):
        return False
    state.push("emoji", "", 0).content = match.group()
    state.pos = match.end()
    return True


def _is_emoji(name: str) -> bool:
    try:
        Emoji(name)
    except NoEmoji:
        return False
    return True


def math_inline(state: StateInline, silent: bool) -> bool:
    """`$…$`, `$$…$$` and ``$`…`$``. A code span wins over math, whichever way they overlap."""
    if state.src[state.pos] != "$" or not state.env.get("math", True) or not isinstance(state, Inline):
        return False
    marker = _math_marker(state.src, state.pos)
    if marker is None or marker in state.unclosed:
        return False
    start = state.pos + len(marker)
    end = _math_end(state.src, start, state.posMax, marker)
    if end is None:
        if state.posMax == len(state.src):
            state.unclosed |= {marker}  # no later one finds an end either
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content = state.src[start:end]
        token.markup = marker
        token.meta["content_at"] = start
    state.pos = end + len(marker)
    return True


def _math_marker(text: str, at: int) -> str | None:
    """The marker that may open a formula at `at`."""
    if at and (text[at - 1] in "$\\" or text[at - 1].isalnum()):
        return None
    marker = "$$" if text.startswith("$$", at) else "$`" if text.startswith("$`", at) else "$"
    return None if marker == "$" and text[at + 1 : at + 2].strip() == "" else marker


def _math_end(text: str, start: int, limit: int, marker: str) -> int | None:
    """Where the formula whose source begins at `start` ends."""
    if marker == "$`":
        end = text.find("`$", start, limit)
        return end if end > start else None
    end = start
    while end < limit:
        char = text[end]
        if char == "\\":
            end += 2
            continue
        if char == "`":
            end = _code_end(text, end, limit)
            continue
        if text.startswith(marker, end) and _closes(text, start, end, end + len(marker), marker, limit):
            return end
        end += 1
    return None


def _code_end(text: str, at: int, limit: int) -> int:
    """Behind the code span at `at`, or behind its backticks where none closes."""
    end = at
    while end < limit and text[end] == "`":
        end += 1
    ticks = text[at:end]
    close = re.compile(rf"(?<!`){ticks}(?!`)").search(text, end, limit)
    return close.end() if close else end


def _closes(text: str, start: int, end: int, behind: int, marker: str, limit: int) -> bool:
    """Whether the marker at `end` can close a formula: GitHub wants no blank before `$` and no word behind it."""
    if end == start or not text[start:end].strip():
        return False
    if marker == "$$":
        return True
    follows = text[behind] if behind < limit else " "
    return not text[end - 1].isspace() and not follows.isalnum() and follows != "$"
