"""Emphasis and strikethrough by the rules of GitHub's parser.

CommonMark's algorithm, https://spec.commonmark.org/0.29/#an-algorithm-for-parsing-nested-emphasis-and-links, as
cmark-gfm has it: a run of marks that found no opener keeps later runs of its kind and length (modulo 3) from looking
further back, whether or not it can open itself; and two runs of tildes pair only as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

_TILDE = ord("~")


@dataclass(slots=True)
class _Run:
    """Marks side by side. `closes` and `opens` are the sizes of the pairs they belong to, in the order of finding."""

    marks: Delimiter
    left: int
    closes: list[int] = field(default_factory=list)
    opens: list[int] = field(default_factory=list)

    def matches(self, opener: _Run) -> bool:
        """Whether it can close what `opener` opens."""
        mine, its = self.marks, opener.marks
        if not its.open or its.marker != mine.marker:
            return False
        return not (mine.open or its.close) or mine.length % 3 == 0 or (mine.length + its.length) % 3 != 0


def emphasis(state: StateInline, silent: bool) -> bool:
    """The rule for a run of `*` or `_`: text, until `pair` knows better."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    add_run(state, scanned.length, opens=scanned.can_open, closes=scanned.can_close)
    return True


def add_run(state: StateInline, length: int, *, opens: bool, closes: bool) -> None:
    """Take in the run of `length` marks at `state.pos`."""
    end = state.pos + length
    state.push("text", "", 0).content = state.src[state.pos : end]
    marker = ord(state.src[state.pos])
    if opens or closes:
        at = len(state.tokens) - 1
        state.delimiters.append(Delimiter(marker=marker, length=length, token=at, end=-1, open=opens, close=closes))
    state.pos = end


def pair(state: StateInline) -> None:
    """The rule for the end: runs that belong together become tags."""
    levels = [state.delimiters]
    levels += [meta["delimiters"] for meta in state.tokens_meta if meta and "delimiters" in meta]
    runs = {run.marks.token: run for level in levels for run in _paired(level)}
    tokens: list[Token] = []
    for index, token in enumerate(state.tokens):
        tokens += _shown(runs[index], token) if index in runs else [token]
    state.tokens[:] = tokens


def _paired(delimiters: Sequence[Delimiter]) -> list[_Run]:
    """The runs of one level, each with the pairs it belongs to."""
    runs = [_Run(marks, marks.length) for marks in delimiters]
    before, behind = list(range(-1, len(runs) - 1)), list(range(1, len(runs) + 1))

    def drop(at: int) -> None:
        if before[at] >= 0:
            behind[before[at]] = behind[at]
        if behind[at] < len(runs):
            before[behind[at]] = before[at]

    bottoms: dict[tuple[int, int], int] = {}
    at = 0
    while at < len(runs):
        run, following = runs[at], behind[at]
        kind = run.marks.marker, run.marks.length % 3
        opener = before[at]
        while run.marks.close and opener >= bottoms.get(kind, 0) and not run.matches(runs[opener]):
            opener = before[opener]
        if not run.marks.close:
            at = following
        elif opener < bottoms.get(kind, 0):
            bottoms[kind] = at
            if not run.marks.open:
                drop(at)
            at = following
        else:
            before[at], behind[opener] = opener, at
            _join(runs[opener], run)
            if not runs[opener].left:
                drop(opener)
            if not run.left:
                drop(at)
                at = following
    return runs


def _join(opener: _Run, closer: _Run) -> None:
    """Make a pair of two runs, or of one or two marks of each."""
    if opener.marks.marker != _TILDE:
        size = min(2, opener.left, closer.left)
        opener.left -= size
        closer.left -= size
    else:
        size = opener.left if opener.left == closer.left else 0
        opener.left = closer.left = 0
    if size:
        opener.opens.append(size)
        closer.closes.append(size)


def _shown(run: _Run, token: Token) -> Iterator[Token]:
    """The tokens of a run: the tags it closes, marks that stay text, the tags it opens."""
    mark = chr(run.marks.marker)
    used = sum(run.closes) + sum(run.opens)
    yield from (_tag(mark, size, -1) for size in run.closes)
    if used < run.marks.length:
        token.content = mark * (run.marks.length - used)
        token.meta["at"] = token.meta.get("at", 0) + sum(run.closes)
        yield token
    yield from (_tag(mark, size, 1) for size in reversed(run.opens))


def _tag(mark: str, size: int, nesting: Literal[-1, 1]) -> Token:
    tag = "del" if mark == "~" else "strong" if size == 2 else "em"
    return Token(f"{tag}_{'open' if nesting == 1 else 'close'}", tag, nesting, markup=mark * size)
