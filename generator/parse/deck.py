"""A folder's bytes to a Deck: all files, then what only shows across them."""

from __future__ import annotations

from dataclasses import replace

from generator.diagnostics import Diagnostic
from generator.notes import Deck, DeckConfig, DeckFolder
from generator.parse.config import parse_config
from generator.parse.ids import DRAFT, repeated
from generator.parse.sources import decode
from generator.parse.topic import ParsedNote, parse_topic

CONFIG = "deck.yaml"


def parse_deck(folder: DeckFolder) -> tuple[Deck | None, list[Diagnostic]]:
    """The deck of a folder and everything that is wrong with its text.

    Notes with an error are left out of the deck. It is None only where deck.yaml is missing or says neither name nor
    namespace; the notes' faults are found all the same. A missing deck.yaml is reported by whoever reads the folder.
    """
    found: list[Diagnostic] = []
    config = None
    if folder.config is not None:
        source, faults = decode(_shown(folder, CONFIG), folder.config)
        found += faults
        if source.text or not faults:
            config, faults = parse_config(source)
            found += faults
    topics = []
    for name, data in folder.files:
        file, notes, faults = parse_topic(_shown(folder, name), data, config or DeckConfig("", ""))
        topics.append((file, notes))
        found += faults
    twins = repeated(parsed.identity for _, notes in topics for parsed in notes if parsed.identity)
    wrong = {id(identity) for identity, _ in twins}
    unnamed = {id(identity.span) for identity, _ in twins}  # told to take another id: not this one, too
    found = [fault for fault in found if not (fault.code == DRAFT.code and id(fault.span) in unnamed)]
    found += [fault for _, fault in twins]
    if config is None:
        return None, found
    files = tuple(
        replace(file, notes=tuple(parsed.note for parsed in notes if _is_good(parsed, wrong))) for file, notes in topics
    )
    return Deck(folder.path, config, files, folder.media), found


def _is_good(parsed: ParsedNote, wrong: set[int]) -> bool:
    return parsed.good and id(parsed.identity) not in wrong


def _shown(folder: DeckFolder, name: str) -> str:
    return name if folder.shown in ("", ".") else f"{folder.shown}/{name}"
