"""`make-deck preview`: the cards as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from generator.cli.shared import (
    NO_RUN,
    OUTPUT,
    Asked,
    MachineError,
    checking,
    counted,
    named_target,
    options_of,
    own_target,
    reads_notes,
    shown,
    tell,
    write,
)
from generator.terminal import say

if TYPE_CHECKING:
    from generator.pipeline import Checked, Options
    from generator.preview import Page
    from generator.selection import Job


@click.command()
@OUTPUT
@click.option("--serve", is_flag=True, help="Open the page in the browser, and follow what is saved.")
@click.option(
    "--port", metavar="NUMBER", type=click.IntRange(0, 65535), help="With --serve: this port, not any free one."
)
@NO_RUN
@reads_notes
def preview(asked: Asked, output: Path | None, serve: bool, port: int | None, no_run: bool) -> int:
    """Show the cards as a web page.

    They look as in Anki, with what is wrong beside its note. Each deck's page is one file, output/FOLDER.html. It is
    written whatever is wrong; the exit status tells.
    """
    running = asked.running(run=not no_run)
    if serve and output:
        raise click.UsageError("--serve writes no file: leave out --output, or --serve")
    if port is not None and not serve:
        raise click.UsageError("--port is for --serve: add that, or leave out --port")
    if serve:
        job = asked.one_job("--serve")
        return _serve_preview(job, options_of(running, files=job.files), port or 0, asked.quiet)
    if output:
        targets = [(asked.one_job("--output"), named_target(output, ".html", b"<!doctype html>"))]
    else:
        targets = [(job, own_target(job.target.with_suffix(".html"), job.root)) for job in asked.jobs()]
    return max(_write_preview(job, file, options_of(running, files=job.files), asked.quiet) for job, file in targets)


def _preview_page(job: Job, options: Options, quiet: bool) -> tuple[Page, Checked]:
    """The page of a deck; problems are printed on the way."""
    from generator.pipeline import check_deck, preview_deck

    with checking(job, quiet) as advance:
        checked = check_deck(job.folder, job.root, options, advance)
    tell(checked.diagnostics)
    return preview_deck(checked, job.folder.name, options), checked


def _write_preview(job: Job, target: Path, options: Options, quiet: bool) -> int:
    from generator.report import exit_status

    page, checked = _preview_page(job, options, quiet)
    place = shown(target, job.root)
    write(target, page.html().encode(), job.root)
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
