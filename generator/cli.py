"""The command line: assembles, prints, chooses the exit status. No rule of the product is here.

Exit status: 0 clean or warnings; 1 faults in the notes; 2 wrong usage; 3 a fault of this program; 4 the machine
cannot do it; 130 interrupted. Results go to stdout, all else to stderr. Everything heavy is imported by the command
that needs it, so that `--help` stays quick.
"""

from __future__ import annotations

import difflib
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator import __version__
from generator.terminal import guard, progress, say, use_utf8

if TYPE_CHECKING:
    from generator.pipeline import Checked, Options, Progress
    from generator.preview import Page
    from generator.selection import Job

DEFAULT = "build"


class MachineError(click.ClickException):
    """The machine cannot do what was asked."""

    exit_code = 4


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit status; without arguments, that of the process."""
    use_utf8()
    return guard(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        status = main.main(arguments, prog_name="make-deck", standalone_mode=False)
    except click.ClickException as problem:
        if isinstance(problem, click.UsageError) and problem.ctx is not None:
            say(problem.ctx.get_usage(), error=True)
        say(f"make-deck: {problem.format_message()}", error=True)
        return problem.exit_code
    except click.Abort as stopped:  # click's form of KeyboardInterrupt
        raise KeyboardInterrupt from stopped
    return status if isinstance(status, int) else 0


class DefaultGroup(click.Group):
    """A group that takes `make-deck PATH` and `make-deck -o FILE` for the command DEFAULT."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ("--help", "--version"):
            close = difflib.get_close_matches(first, self.commands, n=1)
            if first and not first.startswith("-") and not os.path.exists(first):
                hint = f"; did you mean `{close[0]}`?" if close else "; `make-deck --help` lists the commands"
                raise click.UsageError(f"there is no command and no path {first!r}{hint}", ctx)
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup, epilog="`make-deck` alone is `make-deck build`.")
@click.version_option(__version__, message="make-deck %(version)s")
def main() -> None:
    """Turn notes in Markdown into an Anki deck whose every Python snippet was run."""


PATHS = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print problems only.")
PYTHON = click.option("--python", "pythons", multiple=True, metavar="VERSION", help="Run on this Python; may repeat.")
NO_CACHE = click.option("--no-cache", is_flag=True, help="Run everything, also what passed before.")
SANDBOX = click.option(
    "--require-sandbox", is_flag=True, help="Run nothing outside a full sandbox: exit 4 where there is none."
)


@main.command()
@PATHS
@click.option("--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--allow-unverified", is_flag=True, help="Leave out notes in whose code something was found.")
@PYTHON
@NO_CACHE
@SANDBOX
@QUIET
def build(
    paths: tuple[Path, ...],
    output: Path | None,
    allow_unverified: bool,
    pythons: tuple[str, ...],
    no_cache: bool,
    require_sandbox: bool,
    quiet: bool,
) -> int:
    """Check the notes and write the decks.

    A PATH chooses a deck: its folder, or a file in it. Without one, all decks of the project are built, each into
    output/FOLDER.apkg. Where there are errors nothing is written, and the last good deck stays.
    """
    from generator.verify import Options as Running

    now = _now()
    jobs = _jobs(paths)
    if output and len(jobs) > 1:
        raise click.UsageError(f"--output takes one deck, and these are {len(jobs)}: name one")
    running = Running(pythons=pythons, cache=not no_cache, require_sandbox=require_sandbox or _sandbox_required())
    worst = 0
    for job in jobs:
        status = _build(job, output or job.target, _options(running, allow_unverified=allow_unverified), now, quiet)
        worst = max(worst, status)
    return worst


def _build(job: Job, target: Path, options: Options, now: int, quiet: bool) -> int:
    from generator.diagnostics import as_text
    from generator.export import write_atomically
    from generator.pipeline import build_deck, check_deck, has_errors
    from generator.report import exit_status, left_out_line, summary_line

    started = time.monotonic()
    with _checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    shown = _shown(target, job.root)
    data, problems = build_deck(checked, _previous(target), shown, now)
    problems = [*checked.diagnostics, *problems]
    for item in problems:
        say(as_text(item))
    line = f"{shown}: {summary_line([checked], time.monotonic() - started)}"
    if has_errors(problems):
        say(f"make-deck: {shown} was not written; {_counted(problems)}", error=True)
        return exit_status(problems)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    except OSError as error:
        raise MachineError(f"cannot write {shown}: {error.strerror or error}") from error
    if checked.left_out:
        say(left_out_line(checked))
    if not quiet:
        say(line)
    return 0


@main.command()
@PATHS
@click.option("--format", "form", type=click.Choice(["text", "github", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("--update", is_flag=True, help="First write what the code prints into `output`, `#>` and `timeline`.")
@click.option("--no-run", is_flag=True, help="Run no snippet: look at the notes alone.")
@PYTHON
@NO_CACHE
@click.option(
    "--clock",
    type=click.Choice(["virtual", "real"]),
    default="virtual",
    show_default=True,
    help="Let time jump where all wait, or wait.",
)
@click.option("--prove-ranges", is_flag=True, help="Run snippets also on Pythons outside their range: they must fail.")
@SANDBOX
@QUIET
def check(
    paths: tuple[Path, ...],
    form: str,
    strict: bool,
    update: bool,
    no_run: bool,
    pythons: tuple[str, ...],
    no_cache: bool,
    clock: str,
    prove_ranges: bool,
    require_sandbox: bool,
    quiet: bool,
) -> int:
    """Do everything but write: what a contributor and a CI run.

    A PATH is a deck's folder or a topic file: only its notes are run and reported. The whole deck is always parsed.
    """
    from generator.pipeline import check_deck
    from generator.verify import Options as Running

    if update and no_run:
        raise click.UsageError("--update writes what the code prints, so the code must run: leave out --no-run")
    running = Running(
        pythons=pythons,
        run=not no_run,
        cache=not no_cache,
        real_clock=clock == "real",
        require_sandbox=require_sandbox or _sandbox_required(),
        prove_ranges=prove_ranges,
    )
    started = time.monotonic()
    checked = []
    for job in _jobs(paths):
        options = _options(running, files=job.files, strict=strict)
        if update:
            _update(job, options, quiet)
        with _checking(job, quiet) as advance:
            checked.append(check_deck(job.folder, job.root, options, advance))
    return _report(checked, form, time.monotonic() - started, quiet)


def _update(job: Job, options: Options, quiet: bool) -> None:
    """Write what the code prints into the expectations of a deck, and say where. What it refuses is left to see."""
    from generator.diagnostics import as_text
    from generator.export import write_atomically
    from generator.pipeline import update_deck

    with _checking(job, quiet) as advance:
        edits, refused = update_deck(job.folder, job.root, options, advance)
    for edit in edits:
        try:
            write_atomically(edit.path, edit.data)
        except OSError as error:
            raise MachineError(f"cannot write {_shown(edit.path, job.root)}: {error.strerror or error}") from error
        say(f"{_shown(edit.path, job.root)}: {edit.count} expectation{'' if edit.count == 1 else 's'} updated")
    for item in refused:
        say(as_text(item))


def _report(checked: Sequence[Checked], form: str, seconds: float, quiet: bool) -> int:
    """Print what `check` found, in one of its forms; the exit status."""
    from generator.diagnostics import as_github, as_json, as_text, ordered
    from generator.report import exit_status, summary, summary_line

    problems = ordered(item for deck in checked for item in deck.diagnostics)
    if form == "json":
        say(as_json(problems, summary(checked, seconds)))
    for item in problems if form != "json" else []:
        say(as_github(item) if form == "github" else as_text(item))
    if not quiet and form != "json":
        say(f"{_counted(problems)}; {summary_line(checked, seconds)}", error=True)
    return exit_status(problems)


@main.command()
@PATHS
@click.option("--serve", is_flag=True, help="Open the page in the browser, and follow what is saved.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --serve: this port, not any free one.")
@click.option("--no-run", is_flag=True, help="Run no snippet: show the cards alone.")
@PYTHON
@NO_CACHE
@SANDBOX
@QUIET
def preview(
    paths: tuple[Path, ...],
    serve: bool,
    port: int,
    no_run: bool,
    pythons: tuple[str, ...],
    no_cache: bool,
    require_sandbox: bool,
    quiet: bool,
) -> int:
    """Show the cards as a web page: as Anki shows them, with what is wrong beside its note.

    Each deck's page is one file, output/FOLDER.html. It is written whatever is wrong; the exit status tells.
    """
    from generator.verify import Options as Running

    required = require_sandbox or _sandbox_required()
    running = Running(pythons=pythons, run=not no_run, cache=not no_cache, require_sandbox=required)
    jobs = _jobs(paths)
    if not serve:
        return max(_write_preview(job, _options(running, files=job.files), quiet) for job in jobs)
    if len(jobs) > 1:
        raise click.UsageError(f"--serve takes one deck, and these are {len(jobs)}: name one")
    return _serve_preview(jobs[0], _options(running, files=jobs[0].files), port, quiet)


def _preview_page(job: Job, options: Options, quiet: bool) -> tuple[Page, Checked]:
    """The page of a deck; problems are printed on the way."""
    from generator.diagnostics import as_text
    from generator.pipeline import check_deck, preview_deck

    with _checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    for item in checked.diagnostics:
        say(as_text(item))
    return preview_deck(checked, job.folder.name, options), checked


def _write_preview(job: Job, options: Options, quiet: bool) -> int:
    from generator.export import write_atomically
    from generator.report import exit_status

    page, checked = _preview_page(job, options, quiet)
    target = job.target.with_suffix(".html")
    shown = _shown(target, job.root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, page.html().encode())
    except OSError as error:
        raise MachineError(f"cannot write {shown}: {error.strerror or error}") from error
    if not quiet:
        say(f"{shown}: {_counted(checked.diagnostics)}")
    return exit_status(checked.diagnostics)


def _serve_preview(job: Job, options: Options, port: int, quiet: bool) -> int:
    from generator.serve import open_browser, serve

    def build() -> Page:
        page, checked = _preview_page(job, options, quiet=True)
        if not quiet:
            say(f"make-deck: read {job.folder.name}: {_counted(checked.diagnostics)}", error=True)
        return page

    def ready(address: str) -> None:
        say(address)
        if not quiet:
            say("make-deck: the page follows what you save; Ctrl-C ends it", error=True)
        open_browser(address)

    try:
        serve(job.folder, build, ready, port=port)
    except OSError as error:
        raise MachineError(f"cannot serve on port {port}: {error.strerror or error}") from error
    return 0


@main.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), default=Path())
@QUIET
def init(folder: Path, quiet: bool) -> int:
    """Start a deck of your own in FOLDER (here, if not given), with a first note to change."""
    from generator.scaffold import deck_name, folder_name, new_deck

    place = folder.resolve()
    name = deck_name(place.name)
    deck = place / "source_notes" / folder_name(name)
    present = sorted(path.parent for path in (place / "source_notes").glob("*/deck.yaml"))
    if present or deck.exists():
        raise click.UsageError(f"there is a deck already, {_shown((present or [deck])[0], place)}; nothing was changed")
    files = new_deck(name, secrets.token_hex(8))
    try:
        deck.mkdir(parents=True)
        for file_name, text in files.items():
            (deck / file_name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise MachineError(f"cannot write {deck}: {error.strerror or error}") from error
    for file_name in files:
        say(f"wrote {_shown(deck / file_name, Path.cwd())}")
    if not quiet:
        where = "" if place == Path.cwd() else f" in {_shown(place, Path.cwd())}"
        say(f"Change the notes, then run `make-deck`{where}: it writes output/{deck.name}.apkg.", error=True)
    return 0


@main.command()
def doctor() -> int:
    """Tell what this machine offers: versions, interpreters, the sandbox. To read, or to paste into a report."""
    from generator.doctor import report

    say(report())
    return 0


# --- from the surroundings to values, and back -----------------------------------------------------------------------


def _jobs(paths: Sequence[Path]) -> list[Job]:
    from generator.selection import SelectionError, select

    try:
        return select(paths, Path.cwd())
    except SelectionError as error:
        raise click.UsageError(str(error)) from error


def _options(running: Any, **chosen: Any) -> Options:
    from generator.pipeline import Options

    return Options(running, **chosen)


def _sandbox_required() -> bool:
    return os.environ.get("MAKE_DECK_SANDBOX") == "require"


def _now() -> int:
    """Unix seconds: SOURCE_DATE_EPOCH where it is set (reproducible-builds.org/docs/source-date-epoch), else now."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return int(time.time())
    if not (given.isascii() and given.isdigit() and int(given) < 2**32):
        raise click.UsageError(f"SOURCE_DATE_EPOCH is {given!r}; it takes seconds since 1970, a whole number")
    return int(given)


def _previous(target: Path) -> bytes | None:
    """What the last build wrote; None where there is no file."""
    try:
        return target.read_bytes() if target.is_file() else None
    except OSError as error:
        raise MachineError(f"cannot read {target}: {error.strerror or error}") from error


def _shown(path: Path, root: Path) -> str:
    """A path as the reader sees it: POSIX, and from `root` where it lies in there."""
    path = path.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _counted(problems: Sequence[Any]) -> str:
    errors = sum(item.severity.value == "error" for item in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"


@contextmanager
def _checking(job: Job, quiet: bool) -> Iterator[Progress | None]:
    """Around the work on a deck: shows its progress, and tells what the machine cannot do."""
    from generator.verify import MachineError as CannotRun

    try:
        with progress(f"checking {job.folder.name}", quiet) as advance:
            yield advance
    except CannotRun as error:
        raise MachineError(str(error)) from error
