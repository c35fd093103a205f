"""A program's standard streams: as Python's own, and it is known which line wrote what."""

from __future__ import annotations

import io
import sys
from typing import Any

from .watch import Watch

NAMES = ("stdin", "stdout", "stderr")
_opened: list[Any] = []
"""The three once they are made: in the server, whose children have other files behind the same descriptors."""


class Stream(io.TextIOWrapper):
    """Standard output or error of a program: as the real one, and it remembers which line wrote what."""

    def __init__(self, descriptor: int, watch: Watch) -> None:
        name = {1: "<stdout>", 2: "<stderr>"}[descriptor]
        raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - it lives as long as the process
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        self._watch, self._shown_name = watch, name
        self._printed: list[list[Any]] | None = None
        self._left = 0

    def remember(self, printed: list[list[Any]]) -> None:
        """Keep in `printed` what is written from here on, and by which lines."""
        self._printed, self._left = printed, 1 << 16

    @property
    def name(self) -> str:
        return self._shown_name

    @property
    def mode(self) -> str:
        return "w"

    def write(self, text: str) -> int:
        if self._printed is None:
            if self._watch.swallow(text):
                return len(text)
        elif text and self._left > 0 and isinstance(text, str):
            sites = self._watch.sites(sys._getframe(1))
            kept = text[: self._left]
            self._left -= len(kept) + 16
            if self._printed and self._printed[-1][0] == sites:
                self._printed[-1][1] += kept
            else:
                self._printed.append([sites, kept])
        return super().write(text)


def open_streams(watch: Watch, printed: list[list[Any]]) -> None:
    """The program's own standard streams, in place of this process's; what is printed is kept in `printed`."""
    if not _opened:
        stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
        _opened.extend((stdin, Stream(1, watch), Stream(2, watch)))
    _opened[1].remember(printed)
    for name, stream in zip(NAMES, _opened, strict=True):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
