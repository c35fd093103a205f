"""What the commands share: their options, and the way from the surroundings to values and back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator.terminal import progress

if TYPE_CHECKING:
    from generator.pipeline import Options, Progress
    from generator.selection import Job

PATHS = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print problems only.")
PYTHON = click.option("--python", "pythons", multiple=True, metavar="VERSION", help="Run on this Python; may repeat.")
NO_CACHE = click.option("--no-cache", is_flag=True, help="Run everything, also what passed before.")
SANDBOX = click.option(
    "--require-sandbox", is_flag=True, help="Run nothing outside a full sandbox: exit 4 where there is none."
)


class MachineError(click.ClickException):
    """The machine cannot do what was asked."""

    exit_code = 4


def jobs_of(paths: Sequence[Path]) -> list[Job]:
    from generator.selection import SelectionError, select

    try:
        return select(paths, Path.cwd())
    except SelectionError as error:
        raise click.UsageError(str(error)) from error


def options_of(running: Any, **chosen: Any) -> Options:
    from generator.pipeline import Options

    return Options(running, **chosen)


def sandbox_required() -> bool:
    return os.environ.get("MAKE_DECK_SANDBOX") == "require"


def now() -> int:
    """Unix seconds: SOURCE_DATE_EPOCH where it is set (reproducible-builds.org/docs/source-date-epoch), else now."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return int(time.time())
    if not (given.isascii() and given.isdigit() and int(given) < 2**32):
        raise click.UsageError(f"SOURCE_DATE_EPOCH is {given!r}; it takes seconds since 1970, a whole number")
    return int(given)


def previous_of(target: Path) -> bytes | None:
    """What the last build wrote; None where there is no file."""
    try:
        return target.read_bytes() if target.is_file() else None
    except OSError as error:
        raise MachineError(f"cannot read {target}: {error.strerror or error}") from error


def shown(path: Path, root: Path) -> str:
    """A path as the reader sees it: POSIX, and from `root` where it lies in there. No terminal acts on it."""
    from generator.diagnostics import harmless

    path = path.absolute()
    return harmless(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix())


def own_target(target: Path, root: Path) -> Path:
    """The file to write unless the reader names one. A link there may have come with a stranger's change."""
    if target.is_symlink() or target.parent.is_symlink():
        raise MachineError(f"{shown(target, root)} is a link, or in one; to write there, name the file with --output")
    return target


def counted(problems: Sequence[Any]) -> str:
    errors = sum(item.severity.value == "error" for item in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"


@contextmanager
def checking(job: Job, quiet: bool) -> Iterator[Progress | None]:
    """Around the work on a deck: shows its progress, and tells what the machine cannot do."""
    from generator.diagnostics import harmless
    from generator.verify import MachineError as CannotRun

    try:
        with progress(f"checking {harmless(job.folder.name)}", quiet) as advance:
            yield advance
    except CannotRun as error:
        raise MachineError(str(error)) from error
