"""`make-deck init` and `make-deck doctor`: a new deck; what this machine offers."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from generator.cli.shared import QUIET, MachineError, shown
from generator.terminal import say


@click.command()
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
        raise click.UsageError(f"there is a deck already, {shown((present or [deck])[0], place)}; nothing was changed")
    files = new_deck(name, secrets.token_hex(8))
    try:
        deck.mkdir(parents=True)
        for file_name, text in files.items():
            (deck / file_name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise MachineError(f"cannot write {deck}: {error.strerror or error}") from error
    for file_name in files:
        say(f"wrote {shown(deck / file_name, Path.cwd())}")
    if not quiet:
        where = "" if place == Path.cwd() else f" in {shown(place, Path.cwd())}"
        say(f"Change the notes, then run `make-deck`{where}: it writes output/{deck.name}.apkg.", error=True)
    return 0


@click.command()
def doctor() -> int:
    """Tell what this machine offers: versions, interpreters, the sandbox. To read, or to paste into a report."""
    from generator.doctor import report

    say(report())
    return 0
