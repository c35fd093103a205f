"""The rim towards the terminal: text out, progress, and what happens when something goes wrong here."""

from __future__ import annotations

import io
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generator import __version__

INTERRUPTED, OUR_FAULT = 130, 3
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def guard(work: Callable[[], int]) -> int:
    """The exit status of `work`; 130 where it is interrupted, 3 with a report where it raises anything else."""
    try:
        return work()
    except KeyboardInterrupt:
        say("make-deck: interrupted", error=True)
        return INTERRUPTED
    except Exception as error:
        say(_fault(error), error=True)
        return OUR_FAULT


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
    elif sys.stderr.isatty():
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
