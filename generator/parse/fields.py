"""What the values of keys must be: texts, lists, tags, ranges, names of decks. Shared by notes and deck.yaml."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from generator.diagnostics import Diagnostic, Span
from generator.parse.metadata import Value, YamlRules, did_you_mean, listed

# Anki sets and removes these itself: https://docs.ankiweb.net/editing.html#using-tags
_ACTS_ON_A_CARD = re.compile(r"[<>\[\]{}\\]|&#?\w+;")  # Anki puts a deck's name into a card's HTML as it stands
_ANKIS_TAGS = {"leech", "marked"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of one mapping. Each method reads one value, reports what is wrong with it, and gives None then."""

    entries: Mapping[str, tuple[Span, Value]]
    rules: YamlRules
    found: list[Diagnostic]

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __getitem__(self, key: str) -> Value:
        return self.entries[key][1]

    def spans(self) -> dict[str, Span]:
        """Where each key stands, with its value."""
        return {key: span.source.span(span.start, value.span.end) for key, (span, value) in self.entries.items()}

    def check_keys(self, known: Iterable[str], where: str) -> None:
        known = tuple(known)
        for key, (span, _) in self.entries.items():
            if key not in known:
                hint = f"{did_you_mean(key, known)}Keys of {where} are {listed(known)}."
                self.found.append(self.rules.unknown.at(span, f"`{key}` is no key of {where}", hint))

    def refuse(self, value: Value, message: str, hint: str) -> None:
        self.found.append(self.rules.value.at(value.span, message, hint))

    def text(self, key: str, example: str, *, empty: bool = False, lines: bool = False) -> str | None:
        """A text, stripped; `empty` and `lines` allow none and several lines. None also where the key is absent."""
        if key not in self.entries:
            return None
        value = self[key]
        if value.broken:
            return None
        if value.text is None:
            self.refuse(value, f"`{key}` takes a text, not a list or mapping", f"Write `{key}: {example}`.")
        elif not value.text.strip() and not empty:
            self.refuse(value, f"`{key}` has no value", f"Write `{key}: {example}`, or leave the key out.")
        elif "\n" in value.text.strip() and not lines:
            self.refuse(value, f"`{key}` takes one line", f"Write `{key}: {example}`.")
        else:
            return value.text if lines else value.text.strip()
        return None

    def boolean(self, key: str) -> bool | None:
        """`true` or `false`; a text of another form is refused, so that `no` is never taken for a word or a choice."""
        if key not in self.entries or self[key].broken:
            return None
        value = self[key]
        if value.text in ("true", "false"):
            return value.text == "true"
        self.refuse(value, f"`{key}` takes `true` or `false`", f"Write `{key}: true` or `{key}: false`.")
        return None

    def items(self, key: str, example: str) -> list[Value] | None:
        """A list of texts; one text stands for a list of one."""
        if key not in self.entries or self[key].broken:
            return None
        value = self[key]
        if value.entries is not None or value.is_empty:
            self.refuse(value, f"`{key}` takes a list", f"Write `{key}: [{example}]`.")
            return None
        items = [value] if value.items is None else [item for item in value.items if not item.broken]
        bad = [item for item in items if item.text is None or item.is_empty]
        for item in bad:
            self.refuse(item, f"`{key}` takes a list of words", f"Write `{key}: [{example}]`.")
        return [item for item in items if item not in bad]

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        text = self.text(key, choices[0])
        if text is None or text in choices:
            return text
        hint = f"{did_you_mean(text, choices)}It takes {listed(choices)}."
        self.refuse(self[key], f"`{key}: {text}` is not known", hint)
        return None

    def choices(self, key: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        """Several of `choices`, as a list or with commas between."""
        chosen = []
        for item in self.items(key, choices[0]) or ():
            for word in (word.strip() for word in (item.text or "").split(",")):
                if word in choices:
                    chosen.append(word)
                else:
                    hint = f"{did_you_mean(word, choices)}It takes {listed(choices)}."
                    self.refuse(item, f"`{key}: {word}` is not known", hint)
        return tuple(dict.fromkeys(chosen))

    def tags(self, key: str = "tags") -> tuple[str, ...]:
        good = []
        for item in self.items(key, "asyncio") or ():
            tag = unicodedata.normalize("NFC", item.text or "")
            fault = tag_fault(tag)
            if fault:
                self.found.append(self.rules.tag.at(item.span, *fault))
            else:
                good.append(tag)
        return merge_tags(good)

    def python(self) -> tuple[SpecifierSet, str] | None:
        """`python`: a range of versions, and how it was written."""
        written = self.text("python", '">=3.11"')
        if written is None:
            return None
        try:
            found = SpecifierSet(written)
            found.contains("3.11")  # a number of thousands of digits is refused only when it is read
            return found, written
        except (InvalidSpecifier, ValueError):
            hint = 'Write a range such as `python: ">=3.11"` or `python: ">=3.11,<3.14"`.'
            span = self["python"].span
            self.found.append(self.rules.python.at(span, f"`{written}` is no range of Python versions", hint))
            return None

    def deck_name(self, key: str, example: str) -> str | None:
        """The name of a deck; `::` stands between the names of a deck and its sub-deck."""
        name = self.text(key, example)
        if name is None:
            return None
        parts = [part.strip() for part in unicodedata.normalize("NFC", name).split("::")]
        if _ACTS_ON_A_CARD.search(name):
            hint = "Leave out `<`, `>`, brackets, braces, backslashes and HTML entities."
            self.refuse(self[key], f"`{name}` holds what would act on a card, which shows the name as it is", hint)
        elif not all(parts):
            self.refuse(self[key], f"`{name}` has an empty part", "Write a name on both sides of `::`.")
        elif not name.isprintable():  # Anki drops such characters, and two decks would become one
            hint = "Use letters, digits, spaces and punctuation."
            self.refuse(self[key], f"`{name}` holds a character that cannot be seen", hint)
        else:
            return "::".join(parts)
        return None

    def url(self, key: str, *, text_allowed: bool = False) -> str | None:
        """An http(s) address; with `text_allowed` also words that are no address at all."""
        text = self.text(key, "https://docs.python.org/3/library/asyncio.html")
        if text is None or (text_allowed and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S", text)):
            return text
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s<>\"\\]", text)
        except ValueError:
            good = False
        if good:
            return text
        self.refuse(self[key], f"`{text}` is no web address", "Write an address that starts with `https://`.")
        return None


def tag_fault(tag: str) -> tuple[str, str] | None:
    """What is wrong with a tag, and the way out. Anki separates tags by spaces and makes a tree of `::`."""
    if any(char.isspace() for char in tag) or not tag.isprintable():
        return f"`{tag}` holds a space", "Write a `-` for it; several tags are a list: `[one, two]`."
    if "," in tag:
        return f"`{tag}` holds a comma", "Several tags are a list: `[one, two]`."
    if not all(tag.split("::")):
        return f"`{tag}` has an empty part", "Write a name on both sides of `::`."
    if tag.casefold() in _ANKIS_TAGS:
        return f"`{tag}` is a tag that Anki sets itself", "Choose another word."
    return None


def merge_tags(*groups: Iterable[str]) -> tuple[str, ...]:
    """All tags, each once. To Anki `Tasks` and `tasks` are one tag: the first spelling stays."""
    merged: dict[str, str] = {}
    for tag in (tag for group in groups for tag in group):
        merged.setdefault(tag.casefold(), tag)
    return tuple(merged.values())
