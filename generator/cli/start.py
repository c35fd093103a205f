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
    """Start a deck of your own.

    FOLDER becomes the project (without one, the folder you are in), with a deck in source_notes/ and first notes to
    change. Name a folder in source_notes/ to start another deck there: `make-deck init source_notes/second`. Where
    notes are already, only the deck.yaml that they lack is written.
    """
    from generator.read import CONFIG, NOTES
    from generator.scaffold import deck_name, folder_name, new_deck

    place = folder.resolve()
    if place.name == NOTES:
        place = place.parent
    name = deck_name(place.name)
    if place.parent.name == NOTES:
        place, deck = place.parent.parent, place
        present = [deck] if (deck / CONFIG).exists() else []
    else:
        deck = place / NOTES / folder_name(name)
        present = [path.parent for path in sorted((place / NOTES).glob(f"*/{CONFIG}"))]
    if present:
        raise click.UsageError(
            f"there is a deck already, {shown(present[0], place)}; nothing was changed "
            f"(`make-deck init {NOTES}/NAME` starts another one)"
        )
    files = new_deck(name, secrets.token_hex(8))
    if any(deck.glob("*.md")):
        files = {CONFIG: files[CONFIG]}
    try:
        deck.mkdir(parents=True, exist_ok=True)
        for file_name, text in files.items():
            with (deck / file_name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise MachineError(f"cannot write {deck}: {error.strerror or error}") from error
    if quiet:
        return 0
    for file_name in files:
        say(f"wrote {shown(deck / file_name, Path.cwd())}")
    where = "" if place == Path.cwd() else f" in {shown(place, Path.cwd())}"
    say(f"Change the notes, then run `make-deck`{where}: it writes output/{deck.name}.apkg.", error=True)
    return 0


@click.command()
def doctor() -> int:
    """Tell what this machine offers.

    Versions, interpreters, the sandbox: to read, or to paste into a report.
    """
    from generator.doctor import report

    say(report())
    return 0
