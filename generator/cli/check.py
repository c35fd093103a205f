"""`make-deck check`: everything but the writing of decks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from generator.cli.shared import (
    NO_CACHE,
    PATHS,
    PYTHON,
    QUIET,
    SANDBOX,
    MachineError,
    checking,
    counted,
    jobs_of,
    options_of,
    sandbox_required,
    shown,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Checked, Options
    from generator.selection import Job


@click.command()
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
        require_sandbox=require_sandbox or sandbox_required(),
        prove_ranges=prove_ranges,
    )
    started = time.monotonic()
    checked = []
    for job in jobs_of(paths):
        options = options_of(running, files=job.files, strict=strict)
        if update:
            _update(job, options, quiet)
        with checking(job, quiet) as advance:
            checked.append(check_deck(job.folder, job.root, options, advance))
    return _report(checked, form, time.monotonic() - started, quiet)


def _update(job: Job, options: Options, quiet: bool) -> None:
    """Write what the code prints into the expectations of a deck, and say where. What it refuses is left to see."""
    from generator.diagnostics import as_text
    from generator.export import write_atomically
    from generator.pipeline import update_deck

    with checking(job, quiet) as advance:
        edits, refused = update_deck(job.folder, job.root, options, advance)
    for edit in edits:
        try:
            write_atomically(edit.path, edit.data)
        except OSError as error:
            raise MachineError(f"cannot write {shown(edit.path, job.root)}: {error.strerror or error}") from error
        say(f"{shown(edit.path, job.root)}: {edit.count} expectation{'' if edit.count == 1 else 's'} updated")
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
        say(f"{counted(problems)}; {summary_line(checked, seconds)}", error=True)
    return exit_status(problems)
