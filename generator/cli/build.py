"""`make-deck build`: check the notes and write the decks."""

from __future__ import annotations

import time
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
    now,
    options_of,
    own_target,
    previous_of,
    sandbox_required,
    shown,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Options
    from generator.selection import Job


@click.command()
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

    moment = now()
    jobs = jobs_of(paths)
    if output and len(jobs) > 1:
        raise click.UsageError(f"--output takes one deck, and these are {len(jobs)}: name one")
    running = Running(pythons=pythons, cache=not no_cache, require_sandbox=require_sandbox or sandbox_required())
    worst = 0
    for job in jobs:
        options = options_of(running, allow_unverified=allow_unverified)
        status = _build(job, output or own_target(job.target, job.root), options, moment, quiet)
        worst = max(worst, status)
    return worst


def _build(job: Job, target: Path, options: Options, moment: int, quiet: bool) -> int:
    from generator.diagnostics import as_text
    from generator.export import write_atomically
    from generator.pipeline import build_deck, check_deck, has_errors
    from generator.report import exit_status, left_out_line, summary_line

    started = time.monotonic()
    with checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    place = shown(target, job.root)
    data, problems = build_deck(checked, previous_of(target), place, moment)
    problems = [*checked.diagnostics, *problems]
    for item in problems:
        say(as_text(item))
    line = f"{place}: {summary_line([checked], time.monotonic() - started)}"
    if has_errors(problems):
        say(f"make-deck: {place} was not written; {counted(problems)}", error=True)
        return exit_status(problems)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    except OSError as error:
        raise MachineError(f"cannot write {place}: {error.strerror or error}") from error
    if checked.left_out:
        say(left_out_line(checked))
    if not quiet:
        say(line)
    return 0
