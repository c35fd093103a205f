"""`make-deck preview`: the cards as a page."""

from __future__ import annotations

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
    own_target,
    sandbox_required,
    shown,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Checked, Options
    from generator.preview import Page
    from generator.selection import Job


@click.command()
@PATHS
@click.option("--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--serve", is_flag=True, help="Open the page in the browser, and follow what is saved.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --serve: this port, not any free one.")
@click.option("--no-run", is_flag=True, help="Run no snippet: show the cards alone.")
@PYTHON
@NO_CACHE
@SANDBOX
@QUIET
def preview(
    paths: tuple[Path, ...],
    output: Path | None,
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

    required = require_sandbox or sandbox_required()
    running = Running(pythons=pythons, run=not no_run, cache=not no_cache, require_sandbox=required)
    jobs = jobs_of(paths)
    if (serve or output) and len(jobs) > 1:
        asked = "--serve" if serve else "--output"
        raise click.UsageError(f"{asked} takes one deck, and these are {len(jobs)}: name one")
    if not serve:
        written = [(job, output or own_target(job.target.with_suffix(".html"), job.root)) for job in jobs]
        return max(_write_preview(job, target, options_of(running, files=job.files), quiet) for job, target in written)
    return _serve_preview(jobs[0], options_of(running, files=jobs[0].files), port, quiet)


def _preview_page(job: Job, options: Options, quiet: bool) -> tuple[Page, Checked]:
    """The page of a deck; problems are printed on the way."""
    from generator.diagnostics import as_text
    from generator.pipeline import check_deck, preview_deck

    with checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    for item in checked.diagnostics:
        say(as_text(item))
    return preview_deck(checked, job.folder.name, options), checked


def _write_preview(job: Job, target: Path, options: Options, quiet: bool) -> int:
    from generator.export import write_atomically
    from generator.report import exit_status

    page, checked = _preview_page(job, options, quiet)
    place = shown(target, job.root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, page.html().encode())
    except OSError as error:
        raise MachineError(f"cannot write {place}: {error.strerror or error}") from error
    if not quiet:
        say(f"{place}: {counted(checked.diagnostics)}")
    return exit_status(checked.diagnostics)


def _serve_preview(job: Job, options: Options, port: int, quiet: bool) -> int:
    from generator.serve import open_browser, serve

    def build() -> Page:
        page, checked = _preview_page(job, options, quiet=True)
        if not quiet:
            say(f"make-deck: read {shown(job.folder, job.folder.parent)}: {counted(checked.diagnostics)}", error=True)
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
