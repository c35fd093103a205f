"""`make-deck check`: everything but the writing of decks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from generator.cli.shared import (
    NO_RUN,
    Asked,
    checking,
    counted,
    options_of,
    reads_notes,
    shown,
    tell,
    write,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Checked, Options
    from generator.selection import Job


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github", "json"]),
    default="text",
    show_default=True,
    help="For a person, for annotations on GitHub, for a script.",
)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("--update", is_flag=True, help="First write what the code prints into `output`, `#>` and `timeline`.")
@NO_RUN
@click.option(
    "--clock",
    type=click.Choice(["virtual", "real"]),
    default="virtual",
    show_default=True,
    help="virtual: sleeping takes no time; real: it does.",
)
@click.option("--prove-ranges", is_flag=True, help="Run snippets also on Pythons outside their range: they must fail.")
@reads_notes
def check(asked: Asked, form: str, strict: bool, update: bool, no_run: bool, clock: str, prove_ranges: bool) -> int:
    """Do everything but write: what a contributor and a CI run.

    A PATH is a deck's folder or a topic file: only its notes are run and reported. The whole deck is always parsed.
    """
    from generator.pipeline import check_deck

    if update and no_run:
        raise click.UsageError("--update writes what the code prints, so the code must run: leave out --no-run")
    running = asked.running(run=not no_run, real_clock=clock == "real", prove_ranges=prove_ranges)
    started = time.monotonic()
    checked = []
    for job in asked.jobs():
        options = options_of(running, files=job.files, strict=strict)
        if update:
            _update(job, options, asked.quiet)
        with checking(job, asked.quiet) as advance:
            checked.append(check_deck(job.folder, job.root, options, advance))
    return _report(checked, form, time.monotonic() - started, asked.quiet)


def _update(job: Job, options: Options, quiet: bool) -> None:
    """Write what the code prints into the expectations of a deck, and say where. What it refuses is left to see."""
    from generator.pipeline import update_deck

    with checking(job, quiet) as advance:
        edits, refused = update_deck(job.folder, job.root, options, advance)
    for edit in edits:
        write(edit.path, edit.data, job.root, way_out="")
        say(f"{shown(edit.path, job.root)}: {edit.count} expectation{'' if edit.count == 1 else 's'} updated")
    tell(refused)


def _report(checked: Sequence[Checked], form: str, seconds: float, quiet: bool) -> int:
    """Print what `check` found, in one of its forms; the exit status."""
    from generator.diagnostics import as_github, as_json, ordered
    from generator.report import exit_status, summary, summary_line

    problems = ordered(item for deck in checked for item in deck.diagnostics)
    if form == "json":
        say(as_json(problems, summary(checked, seconds)))
    elif form == "github":
        for item in problems:
            say(as_github(item))
    else:
        tell(problems)
    if not quiet and form != "json":
        say(f"{counted(problems)}; {summary_line(checked, seconds)}", error=True)
    return exit_status(problems)
