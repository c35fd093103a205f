"""Bytes of a file to its Source: encoding, line ends, and characters that have no business in a note."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from generator.diagnostics import Diagnostic, Rule, Source

NOT_UTF8 = Rule("N001", "a file is not UTF-8")
CONTROL = Rule("N002", "a control character stands in a file")
DIRECTION = Rule("N003", "an invisible character changes the direction of the text")
OTHER_ENCODING = Rule("N004", "a file is in another encoding than UTF-8")

RULES = (NOT_UTF8, CONTROL, DIRECTION, OTHER_ENCODING)

REPLACEMENT = "\ufffd"
_REPORTS = 20  # of each rule in a file; a picture named .md is one fault, not a million
_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}

_UNDECODED = re.compile("[\udc80-\udcff]+")
# Line ends of other standards count as controls: YAML breaks lines there and Markdown does not.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
# The characters of "Trojan Source" (CVE-2021-42574): code that shows in another order than it runs.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")

UNFIT = re.compile(f"{_CONTROLS.pattern}|{_DIRECTIONS.pattern}|[\ud800-\udfff]")
"""Characters that no text of a note may hold, however they came into it."""


def decode(path: str, data: bytes) -> tuple[Source, list[Diagnostic]]:
    """The text of a file, `path` being its shown name.

    The BOM goes, line ends become `\\n`, both are remembered. A byte or character that cannot stay is replaced by
    U+FFFD, one for one, so that every position stays true.
    """
    for bom, name in _OTHER_BOMS.items():
        if data.startswith(bom):
            source = Source(path, "")
            return source, [OTHER_ENCODING.at(source.span(0), f"the file is in {name}", "Save it as UTF-8.")]
    has_bom = data.startswith(_UTF8_BOM)
    # Each byte that is not UTF-8 becomes one lone surrogate, which no valid UTF-8 decodes to.
    text = (
        data[len(_UTF8_BOM) :].decode("utf-8", "surrogateescape")
        if has_bom
        else data.decode("utf-8", "surrogateescape")
    )
    newline = _newline(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    clean = _UNDECODED.sub(lambda match: REPLACEMENT * len(match[0]), text)
    clean = _DIRECTIONS.sub(REPLACEMENT, _CONTROLS.sub(REPLACEMENT, clean))
    source = Source(path, clean, has_bom, newline)
    return source, [*_undecoded(source, text), *_controls(source, text), *_directions(source, text)]


def _newline(text: str) -> str:
    """The line end the file has most of."""
    both = text.count("\r\n")
    counts = {"\n": text.count("\n") - both, "\r\n": both, "\r": text.count("\r") - both}
    return max(counts, key=lambda end: counts[end])


def _some(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """The first matches, the last of them with a word on how many more there are."""
    matches = list(pattern.finditer(text))
    for index, match in enumerate(matches[:_REPORTS], start=1):
        rest = len(matches) - index
        yield match, f" (and {rest} more in this file)" if index == _REPORTS and rest else ""


def _undecoded(source: Source, text: str) -> Iterator[Diagnostic]:
    for match, more in _some(_UNDECODED, text):
        shown = " ".join(f"{ord(char) - 0xDC00:02x}" for char in match[0][:8])
        message = f"byte {shown} is not UTF-8{more}" if len(match[0]) == 1 else f"bytes {shown} are not UTF-8{more}"
        yield NOT_UTF8.at(source.span(match.start(), match.end()), message, "Save the file as UTF-8.")


def _controls(source: Source, text: str) -> Iterator[Diagnostic]:
    for match, more in _some(_CONTROLS, text):
        code = f"U+{ord(match[0]):04X}"
        hint = "Remove it; in code write an escape such as `\\x{:02x}` or `\\u{:04x}`.".format(*[ord(match[0])] * 2)
        message = f"{code} is a control character{more}"
        yield CONTROL.at(source.span(match.start(), match.end()), message, hint)


def _directions(source: Source, text: str) -> Iterator[Diagnostic]:
    for match, more in _some(_DIRECTIONS, text):
        name = unicodedata.name(match[0]).lower()
        message = f"U+{ord(match[0]):04X} ({name}) makes text show in another order than it is read{more}"
        hint = f"Remove it; in code write `\\u{ord(match[0]):04x}`."
        yield DIRECTION.at(source.span(match.start(), match.end()), message, hint)
