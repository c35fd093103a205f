"""`make-deck build`: check the notes and write the decks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from generator.cli.shared import (
    OUTPUT,
    Asked,
    checking,
    counted,
    named_target,
    now,
    options_of,
    own_target,
    previous_of,
    reads_notes,
    shown,
    tell,
    write,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Options
    from generator.selection import Job


@click.command()
@OUTPUT
@click.option("--allow-unverified", is_flag=True, help="Leave out notes in whose code something was found.")
@reads_notes
def build(asked: Asked, output: Path | None, allow_unverified: bool) -> int:
    """Check the notes and write the decks.

    A PATH chooses a deck: its folder, or a file in it. Without one, all decks of the project are built, each into
    output/FOLDER.apkg. Where there are errors nothing is written, and the last good deck stays.
    """
    moment = now()
    options = options_of(asked.running(), allow_unverified=allow_unverified)
    if output:
        job = asked.one_job("--output")
        return _build(job, named_target(output, ".apkg", b"PK"), options, moment, asked.quiet)
    return max(_build(job, own_target(job.target, job.root), options, moment, asked.quiet) for job in asked.jobs())


def _build(job: Job, target: Path, options: Options, moment: int, quiet: bool) -> int:
    from generator.pipeline import build_deck, check_deck, has_errors
    from generator.report import exit_status, left_out_line, summary_line

    started = time.monotonic()
    with checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    place = shown(target, job.root)
    data, problems = build_deck(checked, previous_of(target), place, moment)
    problems = [*checked.diagnostics, *problems]
    tell(problems)
    line = f"{place}: {summary_line([checked], time.monotonic() - started)}"
    if has_errors(problems):
        say(f"make-deck: {place} was not written; {counted(problems)}", error=True)
        return exit_status(problems)
    write(target, data, job.root)
    if checked.left_out:
        say(left_out_line(checked))
    if not quiet:
        say(line)
    return 0
