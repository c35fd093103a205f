"""YAML with the place of every key and value: front matter, a note's comment, deck.yaml.

The YAML of notes is small: a mapping of texts and lists, for deck.yaml one mapping in it. Every scalar is its text, so
`3.10` is no float and `no` no boolean. Anchors, aliases and tags are refused: nothing here needs them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from generator.diagnostics import Diagnostic, Rule, Source, Span
from generator.parse.sources import UNFIT

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same events, fast where libyaml is at hand
_DEPTH = 8
_NULLS = {"~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class YamlRules:
    """The rules of one place where YAML is written; notes and deck.yaml have codes of their own."""

    syntax: Rule
    refused: Rule
    duplicate: Rule
    unknown: Rule
    value: Rule
    tag: Rule
    python: Rule
    size: int
    """Longest text that is read, in characters."""


NOTE_YAML = YamlRules(
    syntax=Rule("N010", "metadata or front matter is not readable as YAML"),
    refused=Rule("N011", "metadata uses an anchor, an alias or a tag of YAML"),
    duplicate=Rule("N012", "metadata gives a key twice"),
    unknown=Rule("N013", "metadata has an unknown key"),
    value=Rule("N014", "a key of the metadata has a value it does not take"),
    tag=Rule("N015", "a tag cannot be used in Anki"),
    python=Rule("N016", "a range of Python versions is not readable"),
    size=16 << 10,
)
DECK_YAML = YamlRules(
    syntax=Rule("D030", "deck.yaml is not readable as YAML"),
    refused=Rule("D031", "deck.yaml uses an anchor, an alias or a tag of YAML"),
    duplicate=Rule("D032", "deck.yaml gives a key twice"),
    unknown=Rule("D033", "deck.yaml has an unknown key"),
    value=Rule("D034", "a key of deck.yaml has a value it does not take"),
    tag=Rule("D035", "a tag of deck.yaml cannot be used in Anki"),
    python=Rule("D036", "deck.yaml's range of Python versions is not readable"),
    size=64 << 10,
)


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, sequence or mapping. `text` is None unless it is a scalar; `broken` says its fault is reported."""

    span: Span
    text: str | None = None
    items: tuple[Value, ...] | None = None
    entries: Mapping[str, tuple[Span, Value]] | None = None
    broken: bool = False

    @property
    def is_empty(self) -> bool:
        return self.text is not None and not self.text.strip()


@dataclass(slots=True)
class _Open:
    """A sequence or mapping whose end has not come yet."""

    start: int
    is_mapping: bool
    broken: bool
    items: list[Value] = field(default_factory=list)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean …? `, or nothing where no known word is near."""
    near = difflib.get_close_matches(word[:80].casefold(), list(known), 1)
    return f"Did you mean `{near[0]}`? " if near else ""


def listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def read_mapping(
    source: Source, text: str, base: int, rules: YamlRules, found: list[Diagnostic]
) -> Mapping[str, tuple[Span, Value]] | None:
    """Keys of a YAML mapping with their spans and values, in order; None where it is not readable at all.

    `base` is the source's offset of the first character of `text`. Faults go to `found`.
    """
    if len(text) > rules.size:
        message = f"this is longer than {rules.size} characters"
        found.append(rules.syntax.at(source.span(base), message, "Keep it to a few short lines."))
        return None
    try:
        root = _Builder(source, base, rules, found).build(text)
    except (_NotReadable, yaml.YAMLError) as error:
        problem, index = _problem(error)
        at = base + min(index, len(text.rstrip()))
        hint = "Write one `key: value` a line, each as far indented; put a value with `: `, `#` or quotes into quotes."
        if text[index : index + 1] == "\t":
            problem = "a tab stands where a value or a key begins"
            hint = "YAML is indented with spaces: replace the tab."
        found.append(rules.syntax.at(source.span(at, at + 1), f"not readable as YAML: {problem}", hint))
        return None
    if root is None:
        return {}
    if root.entries is None:
        if not root.broken:
            hint = "Write `key: value`, with a space after the colon."
            found.append(rules.syntax.at(root.span, "this is no mapping of keys to values", hint))
        return None
    return root.entries


class _NotReadable(Exception):  # noqa: N818 - it never leaves this module
    """What YAML allows and we do not. Arguments: the problem and its index in the text."""


def _problem(error: Exception) -> tuple[str, int]:
    """What the YAML reader says, and where."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return str(error.problem), mark.index if mark else 0
    if isinstance(error, yaml.reader.ReaderError):
        return error.reason, error.position
    return (error.args[0], error.args[1]) if isinstance(error, _NotReadable) else (str(error), 0)


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _end(event: yaml.Event) -> int:
    return event.end_mark.index if event.end_mark else 0


class _Builder:
    """Values from the parser's events, without recursion."""

    def __init__(self, source: Source, base: int, rules: YamlRules, found: list[Diagnostic]) -> None:
        self.source = source
        self.base = base
        self.rules = rules
        self.found = found
        self.stack: list[_Open] = []
        self.root: Value | None = None

    def build(self, text: str) -> Value | None:
        documents = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _NotReadable("a second document begins here", _start(event))
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(self.stack) == _DEPTH:
                    raise _NotReadable("nested too deep", _start(event))
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                self.stack.append(_Open(_start(event), is_mapping, self._refuse(event)))
            elif isinstance(event, yaml.CollectionEndEvent):
                opened = self.stack.pop()
                self._put(self._collection(opened, _end(event)))
            elif isinstance(event, yaml.NodeEvent):
                self._put(self._scalar(event))
        return self.root

    def _span(self, start: int, end: int) -> Span:
        text = self.source.text[self.base + start : self.base + end]
        return self.source.span(self.base + start, self.base + start + max(len(text.rstrip()), 1))

    def _refuse(self, event: yaml.NodeEvent) -> bool:
        tag = getattr(event, "tag", None)
        if event.anchor is None and tag is None:
            return False
        what = "an alias" if isinstance(event, yaml.AliasEvent) else "an anchor" if event.anchor else "a tag"
        span = self._span(_start(event), _end(event))
        hint = "Write the value itself; put it into quotes if it starts with `&`, `*` or `!`."
        self.found.append(self.rules.refused.at(span, f"{what} of YAML is not allowed here", hint))
        return True

    def _scalar(self, event: yaml.NodeEvent) -> Value:
        span = self._span(_start(event), _end(event))
        if self._refuse(event) or not isinstance(event, yaml.ScalarEvent):
            return Value(span, "", broken=True)
        text = event.value
        if not event.style and text in _NULLS:  # plain: the readers write None or nothing
            text = ""
        if UNFIT.search(text):
            message = "an escape in this value gives a control character"
            self.found.append(self.rules.value.at(span, message, "Write plain text."))
            return Value(span, "", broken=True)
        return Value(span, text)

    def _put(self, value: Value) -> None:
        if self.stack:
            self.stack[-1].items.append(value)
        else:
            self.root = value

    def _collection(self, opened: _Open, end: int) -> Value:
        span = self._span(opened.start, end)
        if not opened.is_mapping:
            return Value(span, items=tuple(opened.items), broken=opened.broken)
        entries: dict[str, tuple[Span, Value]] = {}
        for key, value in zip(opened.items[::2], opened.items[1::2], strict=True):
            if key.text is None or (key.is_empty and not key.broken):
                self.found.append(self.rules.syntax.at(key.span, "a key must be a word", "Write `key: value`."))
            elif key.text in entries and not key.broken:
                first, _ = entries[key.text]
                message = f"`{key.text}` is given twice; first in line {first.line}"
                self.found.append(self.rules.duplicate.at(key.span, message, "Keep one of them."))
            elif not key.broken:
                entries[key.text] = key.span, value
        return Value(span, entries=entries, broken=opened.broken)
