"""What the commands share: their options, and the way from the surroundings to values and back."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator.terminal import painted, progress, say

if TYPE_CHECKING:
    from generator.diagnostics import Diagnostic
    from generator.pipeline import Options, Progress
    from generator.selection import Job
    from generator.verify import Options as Running

QUIET = click.option("--quiet", "-q", is_flag=True, help="Print problems only.")
OUTPUT = click.option(
    "--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write here."
)
NO_RUN = click.option("--no-run", is_flag=True, help="Run no snippet: look at the notes alone.")
_NOTES = (
    click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path)),
    click.option("--python", "pythons", multiple=True, metavar="VERSION", help="Run on this Python; may repeat."),
    click.option("--no-cache", is_flag=True, help="Run everything, also what passed before."),
    click.option(
        "--require-sandbox", is_flag=True, help="Run nothing outside a full sandbox: exit 4 where there is none."
    ),
    QUIET,
)


class MachineError(click.ClickException):
    """The machine cannot do what was asked."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """What `build`, `check` and `preview` are all asked: which decks, how their code is run, how much is said."""

    paths: tuple[Path, ...]
    pythons: tuple[str, ...]
    cache: bool
    require_sandbox: bool
    quiet: bool

    def jobs(self) -> list[Job]:
        """The decks that the paths stand for."""
        from generator.selection import SelectionError, select

        try:
            return select(self.paths, Path.cwd())
        except SelectionError as error:
            raise click.UsageError(str(error)) from error

    def one_job(self, because: str) -> Job:
        """The deck that the paths stand for, where `because`, an option, takes no more than one."""
        jobs = self.jobs()
        if len(jobs) > 1:
            raise click.UsageError(f"{because} takes one deck, and these are {len(jobs)}: name one")
        return jobs[0]

    def running(self, **chosen: Any) -> Running:
        """How snippets are to be run; `chosen` is what only one command asks."""
        from generator.verify import Options as Running

        return Running(pythons=self.pythons, cache=self.cache, require_sandbox=self.require_sandbox, **chosen)


def reads_notes(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the argument and the options that all need which read notes. It gets them as one `Asked`.

    To stand below the command's own options, which `--help` then lists first.
    """

    @functools.wraps(command)
    def asked(
        paths: tuple[Path, ...],
        pythons: tuple[str, ...],
        no_cache: bool,
        require_sandbox: bool,
        quiet: bool,
        **own: Any,
    ) -> int:
        if not all(python.strip() for python in pythons):
            raise click.UsageError("--python is empty: give a version, such as 3.13, or a path")
        required = require_sandbox or _sandbox_wanted() == "require"
        return command(Asked(paths, pythons, not no_cache, required, quiet), **own)

    for parameter in reversed(_NOTES):
        asked = parameter(asked)
    return asked


def _sandbox_wanted() -> str:
    """MAKE_DECK_SANDBOX: a slip of a key there must not take the sandbox away unnoticed."""
    wanted = os.environ.get("MAKE_DECK_SANDBOX", "")
    if wanted not in ("", "require", "partial", "none"):
        raise click.UsageError(f"MAKE_DECK_SANDBOX is {wanted!r}; it takes require, partial or none")
    return wanted


def options_of(running: Running, **chosen: Any) -> Options:
    from generator.pipeline import Options

    return Options(running, **chosen)


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


def named_target(target: Path, suffix: str, start: bytes) -> Path:
    """The file that `--output` names. What is there must be what such a file replaces: no note takes a slip of a key.

    `suffix` ends the name of such files, and `start` begins their content.
    """
    try:
        if not target.exists() or (target.is_file() and target.suffix.lower() == suffix):
            return target
        if target.is_file():  # a pipe would have to be waited for
            with target.open("rb") as file:
                if file.read(len(start)) == start:
                    return target
    except OSError:
        return target  # what cannot be looked at cannot be written either, and `write` tells why
    raise click.UsageError(
        f"--output would replace {shown(target, Path.cwd())}, which is no {suffix} file: give another name"
    )


def write(target: Path, data: bytes, root: Path, way_out: str = "--output names another place") -> None:
    """Write a file whole or not at all, and the folders above it."""
    from generator.export import write_atomically

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = f"{shown(target.parent, root)} is no folder"
        told = "; ".join(filter(None, [f"cannot write {shown(target, root)}: {reason}", way_out]))
        raise MachineError(told) from error


def counted(problems: Sequence[Any]) -> str:
    errors = sum(item.severity.value == "error" for item in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"


def tell(problems: Iterable[Diagnostic]) -> None:
    """Print diagnostics for a person."""
    from generator.diagnostics import Severity, as_text

    for item in problems:
        say(painted(as_text(item), error=item.severity is Severity.ERROR))


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
