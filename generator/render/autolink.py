"""Bare addresses become links by GitHub's rules, which are those of cmark-gfm's autolink extension.

Lengths and limits count UTF-8 bytes where cmark-gfm does, so that odd addresses end where they end on GitHub.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SCHEMES = (b"http://", b"https://", b"ftp://")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_END = re.compile(r"[ \t\n\v\f\r<]")
_NEVER_LAST = frozenset(b"?!.,:*_~'\"")
_MAILBOX = re.compile(r"(?:[A-Za-z0-9.+_-]*(?<![A-Za-z0-9])(mailto:|xmpp:))?[A-Za-z0-9.+_-]+\Z")
_ALNUM = re.compile(r"[A-Za-z0-9]")


def is_punctuation(char: str) -> bool:
    """ASCII punctuation, or Unicode category P: CommonMark 0.29, which GitHub's parser follows."""
    return char in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" or unicodedata.category(char).startswith("P")


def is_space(char: str) -> bool:
    """ASCII white space or Unicode category Zs."""
    return char in " \t\n\v\f\r" or unicodedata.category(char) == "Zs"


def url_end(text: str, colon: int) -> tuple[int, int] | None:
    """Start and end of the address whose `://` stands at `colon`, or None."""
    if not text.startswith("://", colon):
        return None
    start = colon
    while start > 0 and text[start - 1].isascii() and text[start - 1].isalpha():
        start -= 1
    data, rest = _segment(text, colon)
    scheme = text[start:colon].lower().encode() + b"://"
    if scheme not in _SCHEMES or not _host_char(data[3:]):
        return None
    domain = _domain_length(data[3:], short=True)
    if not domain:
        return None
    length = _without_trailing(data, _run_length(data, rest, 3 + domain))
    return (start, colon + _characters(data, length)) if length else None


def www_end(text: str, start: int) -> int | None:
    """End of the address that begins with `www.` at `start`, or None."""
    if not text.startswith("www.", start):
        return None
    if start and text[start - 1] not in "*_~( \t\n\v\f\r":
        return None
    data, rest = _segment(text, start)
    domain = _domain_length(data, short=False)
    if not domain:
        return None
    length = _without_trailing(data, _run_length(data, rest, domain))
    return start + _characters(data, length) if length else None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail address in a text, from `start` to `end`, and the address it links to."""

    start: int
    end: int
    href: str


def mail_addresses(text: str) -> list[Mail]:
    """The mail addresses (and `mailto:`, `xmpp:` ones) in a text, in order."""
    found: list[Mail] = []
    floor = dots = 0
    at = text.find("@")
    while at != -1:
        mail, floor, dots = _mail_at(text, at, floor, dots)
        if mail:
            found.append(mail)
        at = text.find("@", floor)
    return found


def _mail_at(text: str, at: int, floor: int, dots: int) -> tuple[Mail | None, int, int]:
    """The address around the `@` at `at`, if there is one, and where to go on looking.

    `dots` are those before an `@` that another one followed: cmark-gfm counts them on.
    """
    before = _MAILBOX.search(text, max(floor, at - 1000), at)
    if before is None or before.start() == before.end():
        return None, at + 1, 0
    scheme = before.group(1) or ""
    end = at + 1
    while end < len(text):
        char = text[end]
        if char == "@":
            return None, at + 1, dots
        if char == "." and _ALNUM.match(text, end + 1):
            dots += 1
        elif not (_ALNUM.match(char) or char in "-_" or (char == "/" and scheme == "xmpp:")):
            break
        end += 1
    last = text[end - 1]
    if end - at < 2 or not dots or not (last.isascii() and last.isalpha()):
        return None, end, 0
    data = text[at:end].encode()
    end = at + _without_trailing(data, len(data))
    start = before.start()
    return Mail(start, end, ("" if scheme else "mailto:") + text[start:end]), end, 0


def _segment(text: str, start: int) -> tuple[bytes, int]:
    """What an address at `start` can reach, as bytes with the character behind it; and its length without that."""
    end = _END.search(text, start)
    stop = end.start() if end else len(text)
    return text[start : stop + 1].encode(), len(text[start:stop].encode())


def _run_length(data: bytes, rest: int, least: int) -> int:
    return max(rest, least)


def _characters(data: bytes, length: int) -> int:
    return len(data[:length].decode(errors="ignore"))


def _host_char(data: bytes) -> bool:
    """Whether a host may have the character with which `data` begins."""
    if not data:
        return False
    if data[0] < 0x80:
        char = chr(data[0])
    else:
        size = 2 if data[0] < 0xE0 else 3 if data[0] < 0xF0 else 4
        char = data[:size].decode(errors="ignore")
    return bool(char) and not is_space(char) and not is_punctuation(char)


def _domain_length(data: bytes, *, short: bool) -> int:
    """Length of the host name at the start of `data`; 0 where it is none: an underscore in its last two parts."""
    dots = before_last = last = 0
    size = len(data)
    at = 1
    while at < size - 1:
        byte = data[at : at + 1]
        if byte == b"\\" and at < size - 2:
            at += 1
            byte = data[at : at + 1]
        if byte == b"_":
            last += 1
        elif byte == b".":
            before_last, last = last, 0
            dots += 1
        elif byte != b"-" and not _host_char(data[at : at + 4]):
            break
        at += 1
    if (before_last or last) and dots <= 10:
        return 0
    return at if short or dots else 0


def _without_trailing(data: bytes, length: int) -> int:
    """Length of an address without the punctuation and unmatched brackets that end the sentence around it."""
    opening, closing = data.count(b"(", 0, length), data.count(b")", 0, length)
    while length:
        last = data[length - 1]
        if last == ord(")"):
            if closing <= opening:
                return length
            closing -= 1
            length -= 1
        elif last in _NEVER_LAST:
            length -= 1
        elif last == ord(";"):
            start = length - 2
            while start > 0 and data[start] in _LETTERS:
                start -= 1
            length = start if 0 <= start < length - 2 and data[start] == ord("&") else length - 1
        else:
            return length
    return 0
