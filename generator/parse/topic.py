"""One topic file: front matter, the text before the first note, and the notes.

file        = front-matter [ "# " title ] prose *( "python setup" fence ) *note
front-matter = "---" yaml "---"          from the first line on
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic, Rule, Severity, Source
from generator.notes import DeckConfig, Note, Role, Side, Snippet, TopicFile
from generator.parse.blocks import Block, BlockKind, read_blocks
from generator.parse.fences import read_fence
from generator.parse.fields import Fields, merge_tags
from generator.parse.ids import Identity
from generator.parse.metadata import NOTE_YAML, read_mapping
from generator.parse.note import (
    BAD_HEADING,
    SECOND_TITLE,
    Section,
    Surroundings,
    is_error,
    is_note_heading,
    parse_note,
)
from generator.parse.sources import decode

CODE_BEFORE_NOTES = Rule("N056", "code before the first note that nothing runs")
NO_NOTES = Rule("N057", "a topic file holds no notes", Severity.WARNING)
NO_FRONT_MATTER = Rule("N060", "a topic file has no front matter")
NOT_FIRST = Rule("N061", "front matter does not start in the first line")
OPEN_FRONT_MATTER = Rule("N062", "front matter is never closed")
NO_DECK = Rule("N063", "front matter does not name the deck")

RULES = (CODE_BEFORE_NOTES, NO_NOTES, NO_FRONT_MATTER, NOT_FIRST, OPEN_FRONT_MATTER, NO_DECK)

RETIRED = "_retired.md"
_FRONT_KEYS = ("deck", "tags", "python")
_EXAMPLE = "Start the file with `---`, `deck: Tasks` and `---`, each on its own line."


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """`lines` is how many lines of the file it takes, `title` None where it names no deck."""

    lines: int = 0
    title: str | None = None
    tags: tuple[str, ...] = ()
    python: tuple[SpecifierSet, str] | None = None


@dataclass(frozen=True, slots=True)
class ParsedNote:
    """A note, who it claims to be, and whether it is without error."""

    note: Note
    identity: Identity | None
    good: bool


def parse_topic(path: str, data: bytes, config: DeckConfig) -> tuple[TopicFile, list[ParsedNote], list[Diagnostic]]:
    """A topic file without its notes, those notes with their faults marked, and all diagnostics."""
    source, found = decode(path, data)
    name = path.rpartition("/")[2]
    number = re.match(r"[0-9]*", name)
    of_front: list[Diagnostic] = []
    front = _front_matter(source, of_front, is_read=bool(source.text or not found))
    blocks, definitions, faults = read_blocks(source, front.lines)
    found += faults
    preamble, sections = _sections(blocks, source)
    setup = _preamble(preamble, source, found)
    file = TopicFile(
        source=source,
        title=front.title or name.removesuffix(".md"),
        number=number[0] if number else "",
        notes=(),
        setup=setup,
        link_definitions=definitions,
        is_retired=name == RETIRED,
    )
    if not sections and not any(is_error(fault) for fault in found + of_front):
        found.append(
            NO_NOTES.at(source.span(0), "this file holds no notes", "Write one: `## question`, then its answer.")
        )
    around = Surroundings(
        source=source,
        namespace=config.namespace,
        tags=merge_tags(config.tags, front.tags),
        python=front.python[0] if front.python else config.python,
        own_python=front.python[1] if front.python else "",
        setup=(config.prelude, *setup) if config.prelude else setup,
        is_retired=file.is_retired,
    )
    notes, faults = _notes(sections, around, found)
    return file, notes, of_front + found + faults


def _notes(
    sections: Sequence[Section], around: Surroundings, of_file: Sequence[Diagnostic]
) -> tuple[list[ParsedNote], list[Diagnostic]]:
    wrong = sorted(fault.span.line for fault in of_file if is_error(fault))
    notes = []
    found: list[Diagnostic] = []
    for section in sections:
        note, identity, faults = parse_note(section, around)
        inside = any(section.heading.first <= line <= section.last for line in wrong)
        notes.append(ParsedNote(note, identity, not inside and not any(is_error(fault) for fault in faults)))
        found += faults
    return notes, found


def _sections(blocks: Sequence[Block], source: Source) -> tuple[list[Block], list[Section]]:
    starts = [index for index, block in enumerate(blocks) if is_note_heading(block, source)]
    edges = [*starts, len(blocks)]
    sections = []
    for start, end in itertools.pairwise(edges):
        last = blocks[end].first - 1 if end < len(blocks) else len(source.line_starts)
        sections.append(Section(blocks[start], tuple(blocks[start + 1 : end]), last))
    return list(blocks[: edges[0]]), sections


def _preamble(blocks: Sequence[Block], source: Source, found: list[Diagnostic]) -> tuple[Snippet, ...]:
    """The file's set-up: what stands before the first note is on no card, so only set-up may be code that is run."""
    setup = []
    titles = 0
    for block in blocks:
        line = source.line_span(block.first)
        if block.kind is BlockKind.HEADING and block.level == 1:
            titles += 1
            if titles > 1:
                found.append(
                    SECOND_TITLE.at(line, "this is a second title", "A topic file has one; a note is `## question`.")
                )
        elif block.kind is BlockKind.HEADING and block.level in (2, 3):
            found.append(_heading_fault(block, source))
        elif block.kind is BlockKind.FENCE:
            snippet = read_fence(source, block, Side.FILE, False, found)
            if snippet.role is Role.SETUP:
                setup.append(snippet)
            elif snippet.role is not Role.TEXT:
                hint = "Write `python setup` if the notes rest on it, `text` if it is only to be read."
                found.append(CODE_BEFORE_NOTES.at(line, "nothing runs or shows this block: it stands in no note", hint))
    return tuple(setup)


def _heading_fault(block: Block, source: Source) -> Diagnostic:
    line = source.line_span(block.first)
    if block.markup == "-":
        hint = "Put a blank line before the `---` if a line is meant; a note is `## question`."
        return BAD_HEADING.at(line, "text with `---` below it is a heading of level 2", hint)
    if block.level == 3:
        hint = "Write the note's `## question` above it, or `####` for a heading in the text."
        return BAD_HEADING.at(line, f"`### {block.content}` stands in no note", hint)
    hint = "Put it into column 1, outside lists and quotes, if it is a note."
    return BAD_HEADING.at(line, f"`## {block.content}` opens no note here", hint)


def _front_matter(source: Source, found: list[Diagnostic], *, is_read: bool) -> FrontMatter:
    lines = len(source.line_starts)
    first = next((line for line in range(1, lines + 1) if source.line_text(line).strip()), 1)
    if source.line_text(first).rstrip() != "---":
        if is_read:
            found.append(NO_FRONT_MATTER.at(source.line_span(first), "this file has no front matter", _EXAMPLE))
        return FrontMatter()
    if first > 1:
        found.append(NOT_FIRST.at(source.line_span(first), "front matter starts in the first line only", _EXAMPLE))
    end = next((line for line in range(first + 1, lines + 1) if source.line_text(line).rstrip() == "---"), None)
    if end is None:
        found.append(OPEN_FRONT_MATTER.at(source.line_span(first), "the front matter is never closed", _EXAMPLE))
        return FrontMatter(first)
    start = source.offset(first + 1)
    entries = read_mapping(source, source.text[start : source.offset(end)], start, NOTE_YAML, found)
    if entries is None:
        return FrontMatter(end)
    fields = Fields(entries, NOTE_YAML, found)
    fields.check_keys(_FRONT_KEYS, "front matter")
    if "deck" not in fields:
        found.append(NO_DECK.at(source.line_span(first), "the front matter names no deck", "Add `deck: Tasks`."))
    return FrontMatter(end, fields.deck_name("deck", "Tasks"), fields.tags(), fields.python())
