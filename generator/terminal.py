"""The rim towards the terminal: text out, progress, and what happens when something goes wrong here."""

from __future__ import annotations

import errno
import io
import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from generator import __version__

INTERRUPTED, OUR_FAULT, MACHINE = 130, 3, 4
_PLACE_AND_CODE = re.compile(r"\A(.*?:\d+:\d+:) ([A-Z]\d{3})\b")
_CARETS = re.compile(r"\^+$", re.MULTILINE)
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
ISSUES = "https://github.com/make-deck/make-deck/issues"


def use_utf8() -> None:
    """Write UTF-8 whatever the locale is; what cannot be encoded (half of a pair, say) comes out as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str, *, error: bool = False) -> None:
    """Print a line: results to stdout, all else to stderr. A reader who went away is no fault, and ends nothing."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)


def painted(text: str, *, error: bool) -> str:
    """A diagnostic's text for stdout: on a terminal with its place in bold, its code and carets in red or yellow.

    As it is elsewhere, and where NO_COLOR is set (no-color.org).
    """
    if not _shows_colors():
        return text
    color, bold, plain = "\x1b[31m" if error else "\x1b[33m", "\x1b[1m", "\x1b[0m"
    text = _PLACE_AND_CODE.sub(lambda found: f"{bold}{found[1]}{plain} {color}{found[2]}{plain}", text)
    return _CARETS.sub(lambda found: f"{color}{found[0]}{plain}", text)


def _shows_colors() -> bool:
    has_old_console = sys.platform == "win32" and "WT_SESSION" not in os.environ  # it prints the sequences as text
    is_terminal = sys.stdout and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return bool(is_terminal and not has_old_console and not os.environ.get("NO_COLOR"))


def _silence(stream: TextIO) -> None:
    """Send the rest nowhere, also what is still in the buffer: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def guard(work: Callable[[], int]) -> int:
    """The exit status of `work`; 130 where it is interrupted, 4 where the disk is full (FULL), 3 with a report where it
    raises anything else.
    """
    try:
        return work()
    except KeyboardInterrupt:
        say("make-deck: interrupted", error=True)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            return _full(error)
        say(_fault(error), error=True)
        return OUR_FAULT


def _full(error: OSError) -> int:
    """Tell that something cannot be written, where that can be; it may be the output itself."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            if stream is sys.stderr:
                print(f"make-deck: cannot write {error.filename or 'the output'}: {error.strerror}", file=stream)
            stream.flush()
        except OSError:
            _silence(stream)
    return MACHINE


def _fault(error: Exception) -> str:
    """What to tell of an exception that nobody expected: a sentence, and a file to send."""
    told = "".join(traceback.format_exception(error))
    what = traceback.format_exception_only(error)[-1].strip()
    system = f"make-deck {__version__}, Python {platform.python_version()}, {platform.platform()}"
    with tempfile.NamedTemporaryFile(
        "w", prefix="make-deck-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(f"{system}\n{told}")
    lines = [
        f"make-deck: this is a fault of make-deck, not of your notes: {what}",
        f"  {system}",
        f"  Please report it at {ISSUES}, with this file: {file.name}",
    ]
    return "\n".join([*lines, told] if os.environ.get("MAKE_DECK_TRACEBACK") == "1" else lines)


@contextmanager
def progress(title: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback for the numbers of programs done and of all: a bar on a terminal, elsewhere a line for every quarter.

    None where `quiet`.
    """
    if quiet:
        yield None
    elif sys.stderr and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":  # closed by `2>&-`: None
        with _bar(title) as advance:
            yield advance
    else:
        say(f"make-deck: {title}", error=True)
        yield _lines(title)


def _lines(title: str) -> Callable[[int, int], None]:
    quarter = 0

    def advance(done: int, total: int) -> None:
        nonlocal quarter
        reached = 4 * done // total if total else 4
        if reached > quarter:
            quarter = reached
            say(f"make-deck: {title}: {done} of {total} runs", error=True)

    return advance


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
