"""Warnings, seen below the filters: what a program hides from itself is not hidden from the watch."""

from __future__ import annotations

import re
import sys
import types
import warnings
from typing import Any

from .sightings import Sightings, Site
from .wire import clipped

_getframe = sys._getframe
_ASYNC_METHOD = re.compile(r"coroutine method '(\w+)' of '(.+)' was never awaited$")  # of an asynchronous generator
_DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning)


class _Action(str):
    """An action of a warning filter that tells by its identity whose filter it is."""


_ALWAYS = _Action("always")


class Warned(Sightings):
    """Coroutines that nobody awaited, things left open, deprecated calls, and other warnings that would be printed."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[int] = set()  # ids of coroutines already reported

    def _insist(self) -> None:
        """Filters of ours are put in front of those that a program adds, also for warnings that C code gives.

        ResourceWarnings come whatever filters stand; deprecations where a filter of the program ignores them.
        """
        home: Any = sys.modules.get("_py_warnings", warnings)  # where it lives from 3.14 on
        add = home._add_filter

        def insisting(*item: Any, append: bool) -> None:
            twins = [(_ALWAYS, item[1], kind, *item[3:]) for kind in _ignored_deprecations(item[0], item[2])]
            for filters in (twins, [item]) if append else ([item], twins):
                for one in filters:
                    add(*one, append=append)
            if not append:
                add(_ALWAYS, None, ResourceWarning, None, 0, append=False)

        for module in {home, warnings}:
            if hasattr(module, "_add_filter"):
                module._add_filter = insisting
        add(_ALWAYS, None, ResourceWarning, None, 0, append=False)

    def _never_awaited(self, coroutine: Any) -> None:
        if id(coroutine) in self._told:
            return
        self._told.add(id(coroutine))
        origin = getattr(coroutine, "cr_origin", None) or ()
        site = next(((name, line) for name, line, _ in origin if name in self.own), None)
        self.note("never_awaited", site or self.coroutine_site(coroutine), name=coroutine.__qualname__)
        if self._recording():
            text = f"coroutine '{coroutine.__qualname__}' was never awaited"
            warnings.warn(text, RuntimeWarning, stacklevel=2, source=coroutine)

    def _show_warning(self, plain: Any) -> Any:
        def show(message: Any) -> None:
            site = (message.filename, message.lineno) if message.filename in self.own else None
            if issubclass(message.category, RuntimeWarning) and (method := _ASYNC_METHOD.match(str(message.message))):
                self.note("never_awaited", site or self.site(_getframe(1)), name=f"{method[2]}.{method[1]}")
                if self._recording():
                    plain(message)
                return
            if issubclass(message.category, ResourceWarning):
                self.note("unclosed", site or self.site(_getframe(1)), text=message.message)
                if self._recording():
                    plain(message)
                return
            if issubclass(message.category, _DEPRECATIONS) and _is_ignored(message):
                if site is not None and not self._recording():
                    self._note_deprecated(site, message.message)
                return
            with self.quiet() as texts:
                plain(message)
            if not texts or (
                site is None and issubclass(message.category, DeprecationWarning | PendingDeprecationWarning)
            ):
                return
            if issubclass(message.category, DeprecationWarning | PendingDeprecationWarning):
                self._note_deprecated(site, message.message)
            else:
                self.note("stderr", site, text=f"{message.category.__name__}: {clipped(message.message)}")

        return show

    def _warn(self, plain: Any) -> Any:
        """Below the filters: a DeprecationWarning that a program ignores is a deprecated call all the same.

        One that a filter makes an error is seen where it is caught, or ends the program.
        """

        def warn(message: Any, category: Any = None, stacklevel: int = 1, source: Any = None, **more: Any) -> None:
            plain(message, category, stacklevel + 1, source, **more)
            kind = type(message) if isinstance(message, Warning) else category or UserWarning
            if isinstance(kind, type) and issubclass(kind, DeprecationWarning | PendingDeprecationWarning):
                site = self._warned_site(stacklevel, more.get("skip_file_prefixes", ()))
                if site is not None and not self._recording():
                    self._note_deprecated(site, message)

        return warn

    def _note_deprecated(self, site: Site | None, message: Any) -> None:
        text = clipped(message)
        if not any(item["site"] == site and item["text"] == text for item in self.seen.get("deprecated", ())):
            self.note("deprecated", site, text=text)

    def _warned_site(self, stacklevel: int, skipped: tuple[str, ...]) -> Site | None:
        """The place a warning is attributed to, counted as `warnings.warn` counts, if it is in the program."""
        frame: types.FrameType | None = _getframe(2)
        for _ in range(max(stacklevel, 1) - 1):
            frame = frame and frame.f_back
        while frame is not None and skipped and frame.f_code.co_filename.startswith(tuple(skipped)):
            frame = frame.f_back
        if frame is None or frame.f_code.co_filename not in self.own:
            return None
        return frame.f_code.co_filename, frame.f_lineno

    @staticmethod
    def _recording() -> bool:
        """Whether the program records warnings, to look at them itself (`catch_warnings(record=True)`)."""
        context = getattr(sys.modules.get("_py_warnings"), "_get_context", None)
        if context is not None and getattr(context(), "log", None) is not None:
            return True
        shown = getattr(warnings, "_showwarnmsg_impl", None)
        return isinstance(shown, types.BuiltinMethodType) and isinstance(shown.__self__, list)


def _ignored_deprecations(action: str, category: Any) -> list[Any]:
    """The kinds of deprecation that a filter ignores."""
    if action != "ignore":
        return []
    wide = [kind for kind in _DEPRECATIONS if issubclass(kind, category)]
    return wide or ([category] if issubclass(category, _DEPRECATIONS) else [])


def _is_ignored(message: Any) -> bool:
    """Whether a deprecation comes only because of our filters."""
    home: Any = sys.modules.get("_py_warnings", warnings)
    filters = home._get_filters() if hasattr(home, "_get_filters") else warnings.filters
    for action, text, category, _module, line in filters:
        if (
            issubclass(message.category, category)
            and (text is None or text.match(str(message.message)))
            and line in (0, message.lineno)
        ):
            return action is _ALWAYS
    return False
