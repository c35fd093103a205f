"""Where in a program something was seen, and the list of what was seen."""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Iterator
from typing import Any

from .wire import LIST_LIMIT, clipped

Site = tuple[str, int]  # file name and line, as in `steps` of the job

_ident = threading.get_ident


class Sightings:
    """What was seen of one program. `own` are its file names, which tell its frames from library frames."""

    def __init__(self) -> None:
        self.own: frozenset[str] = frozenset()
        self.seen: dict[str, list[dict[str, Any]]] = {}
        self._quiet: dict[int, list[str]] = {}  # thread ident -> what it wrote to standard error meanwhile

    def note(self, kind: str, site: Site | None = None, **facts: Any) -> None:
        """Keep one observation; only the first few of a kind."""
        kept = self.seen.setdefault(kind, [])
        if len(kept) < LIST_LIMIT:
            kept.append({"site": site, **{name: clipped(value) for name, value in facts.items()}})

    def site(self, frame: types.FrameType | None) -> Site | None:
        """The nearest place in the program, from `frame` outwards."""
        while frame is not None:
            if frame.f_code.co_filename in self.own:
                return frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back
        return None

    def sites(self, frame: types.FrameType | None) -> list[Site]:
        """Every place in the program on the stack, innermost first; at most eight."""
        found: list[Site] = []
        while frame is not None and len(found) < 8:
            if frame.f_code.co_filename in self.own:
                found.append((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        return found

    def coroutine_site(self, coroutine: Any) -> Site | None:
        """Where a coroutine stands now: the innermost own frame of the chain that it awaits; else its definition."""
        found = None
        for _ in range(100):
            frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
            if frame is not None and frame.f_code.co_filename in self.own:
                found = (frame.f_code.co_filename, frame.f_lineno)
            following = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
            if following is None:
                break
            coroutine = following
        if found is None:
            code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "ag_code", None)
            if code is not None and code.co_filename in self.own:
                found = (code.co_filename, code.co_firstlineno)
        return found

    def traceback_sites(self, error: BaseException) -> list[Site]:
        """The program's frames of a traceback, outermost first."""
        found = []
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename in self.own:
                found.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
            traceback = traceback.tb_next
        return found

    @contextlib.contextmanager
    def quiet(self) -> Iterator[list[str]]:
        """What this thread writes to standard error meanwhile is kept in the list, not written."""
        ident = _ident()
        texts: list[str] = []
        outer = self._quiet.get(ident)
        self._quiet[ident] = texts
        try:
            yield texts
        finally:
            if outer is None:
                del self._quiet[ident]
            else:
                self._quiet[ident] = outer

    def swallow(self, text: str) -> bool:
        """Whether standard error's `text` is accounted for already, and so not written."""
        texts = self._quiet.get(_ident())
        if texts is None:
            return False
        texts.append(text)
        return True
