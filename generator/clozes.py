"""The grammar of cloze marks, `{{c1::text}}` and `{{c1::text::hint}}`: where the deletions of a text are.

A deletion ends at the first `}}` at which every `{` opened inside it is closed, so that code with braces can be hidden.
Its hint starts at the first `::` outside brackets and quotes, so that `xs[::2]` can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HIGHEST = 500  # Anki counts no further

OPENING = re.compile(r"\{\{c([1-9][0-9]{0,2})::")
_COMMENT = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|(?P<comment><!---?>|<!--.*?-->)", re.DOTALL)
_BRACE = re.compile(r"[{}]")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_STRING_PREFIX = re.compile(r"(?:^|\W)[rbfutRBFUT]{1,2}$")


@dataclass(frozen=True, slots=True)
class Cloze:
    """One deletion in a text: the whole of it from `start` to `end`, what it hides from `inner` to `inner_end`."""

    number: int
    start: int
    inner: int
    inner_end: int
    end: int
    hint: str | None = None


def without_comments(text: str) -> str:
    """`text` with spaces in place of its comments, so that offsets stay; what stands in backticks is no comment."""
    if "<!--" not in text:
        return text
    return _COMMENT.sub(lambda found: " " * len(found[0]) if found["comment"] else found[0], text)


def openings(text: str, start: int = 0, end: int | None = None) -> Iterator[re.Match[str]]:
    """Every `{{c1::` of a stretch of a text, with a number that Anki counts to."""
    matches = OPENING.finditer(text, start, len(text) if end is None else end)
    return (match for match in matches if int(match[1]) <= HIGHEST)


def find_clozes(text: str) -> tuple[list[Cloze], re.Match[str] | None]:
    """The deletions of a text in order, and the opening of the first one that is never closed.

    What follows an opening that is never closed is text.
    """
    found: list[Cloze] = []
    at = 0
    while match := next(openings(text, at), None):
        end = _closing(text, match.end())
        if end is None:
            return found, match
        found.append(_cloze(text, match, end))
        at = end + 2
    return found, None


def _closing(text: str, at: int) -> int | None:
    """Offset of the `}}` that ends a deletion whose text starts at `at`."""
    depth = 0
    for brace in _BRACE.finditer(text, at):
        if brace[0] == "{":
            depth += 1
        elif depth:
            depth -= 1
        elif text.startswith("}}", brace.start()):
            return brace.start()
    return None


def _cloze(text: str, match: re.Match[str], end: int) -> Cloze:
    inner = text[match.end() : end]
    split = _hint_at(inner)
    number = int(match[1])
    if split is None:
        return Cloze(number, match.start(), match.end(), end, end + 2)
    return Cloze(number, match.start(), match.end(), match.end() + split, end + 2, inner[split + 2 :])


def _hint_at(inner: str) -> int | None:
    """Offset of the first `::` outside brackets and quotes."""
    if "::" not in inner:
        return None
    covered = _covered(inner)
    at = inner.find("::")
    while at != -1:
        if not covered[at]:
            return at
        at = inner.find("::", at + 1)
    return None


def _covered(text: str) -> list[bool]:
    """For each character whether it stands in quotes or in a pair of brackets. What is not closed covers nothing."""
    edges = [0] * (len(text) + 1)
    stack: list[tuple[str, int]] = []
    never_closed = set()
    at = 0
    while at < len(text):
        char = text[at]
        if char in "\"'`" and char not in never_closed and _opens_quote(text, at):
            close = _quote_end(text, at)
            if close is None:
                never_closed.add(char)
            else:
                edges[at] += 1
                edges[close] -= 1
                at = close
        elif char in "([{":
            stack.append((char, at))
        elif char in _PAIRS and stack and stack[-1][0] == _PAIRS[char]:
            _, opened = stack.pop()
            edges[opened] += 1
            edges[at] -= 1
        at += 1
    covered = []
    depth = 0
    for edge in edges:
        depth += edge
        covered.append(depth > 0)
    return covered


def _opens_quote(text: str, at: int) -> bool:
    """Whether the quote at `at` opens one: the apostrophe of a word does not, that of `f'…'` does."""
    before = text[at - 1] if at else " "
    return text[at] != "'" or not before.isalnum() or _STRING_PREFIX.search(text[max(0, at - 3) : at]) is not None


def _quote_end(text: str, at: int) -> int | None:
    close = text.find(text[at], at + 1)
    while close != -1 and text[close - 1] == "\\" and text[at] != "`":
        close = text.find(text[at], close + 1)
    return None if close == -1 else close
