"""Parsing texts in tests, and what came of it as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.diagnostics import Diagnostic, Span, ordered
from generator.lint import lint_deck
from generator.notes import Deck, DeckFolder, Note, Part, Snippet
from generator.parse import parse_deck

NOTES = Path(__file__).parent.parent / "notes"
CONFIG = b"format: 1\nname: Root\nnamespace: test.parse\nprelude: import asyncio\n"
FRONT = "---\ndeck: Deck\n---\n\n"


def folder(*files: tuple[str, bytes], config: bytes | None = CONFIG) -> DeckFolder:
    return DeckFolder(Path("deck"), "source_notes/deck", config, files)


def parse_all(*files: tuple[str, bytes], config: bytes | None = CONFIG) -> tuple[Deck | None, list[Diagnostic]]:
    """The deck and all diagnostics, those of the lint too."""
    deck, found = parse_deck(folder(*files, config=config))
    return deck, ordered([*found, *(lint_deck(deck) if deck else [])])


def parse_text(text: str | bytes, name: str = "01-topic.md") -> tuple[Deck, list[Diagnostic]]:
    """The deck of one file with a good deck.yaml."""
    deck, found = parse_all((name, text if isinstance(text, bytes) else text.encode()))
    assert deck is not None
    return deck, found


def one_note(body: str) -> Note:
    """The only note of a text without front matter, which must be free of faults."""
    deck, found = parse_text(FRONT + body)
    assert [fault.message for fault in found] == []
    (note,) = deck.notes
    return note


def codes(found: list[Diagnostic]) -> list[str]:
    """`N031 12:5` for each diagnostic."""
    return [f"{fault.code} {fault.span.line}:{fault.span.column}" for fault in found]


def all_spans(deck: Deck | None, found: list[Diagnostic]) -> Iterator[Span]:
    """Every span in a deck and its diagnostics."""
    for fault in found:
        yield fault.span
        yield from fault.related
    for file in deck.files if deck else ():
        for note in file.notes:
            yield note.span
            yield note.heading
            yield from note.metadata.values()
            yield from (part.span for part in (note.question, note.answer, note.extra) if part)
            for snippet in note.snippets:
                yield snippet.span
                yield from (snippet.locate(line) for line in range(snippet.code.count("\n") + 2))


# --- as plain data ---


def dump(deck: Deck) -> Any:
    """A deck as JSON data: what an author would call the same, and where it stands."""
    return [
        {
            "title": file.title,
            "number": file.number,
            "retired": file.is_retired,
            "setup": [_snippet(snippet) for snippet in file.setup],
            "link_definitions": file.link_definitions.split("\n") if file.link_definitions else [],
            "notes": [_note(note) for note in file.notes],
        }
        for file in deck.files
    ]


def _note(note: Note) -> dict[str, Any]:
    data = {
        "id": note.id,
        "stamped": note.stamped,
        "guid": note.guid,
        "kind": note.kind.value,
        "cards": note.cards,
        "lines": _lines(note.span),
        "heading": note.heading.text,
        "question": _part(note.question),
        "answer": _part(note.answer),
        "extra": _part(note.extra),
        "snippets": [_snippet(snippet) for snippet in note.snippets],
        "programs": [
            {
                "setup": [snippet.span.line for snippet in program.setup],
                "steps": [step.span.line for step in program.steps],
                "expected": [[index, expected.span.line] for index, expected in program.expected],
            }
            for program in note.programs
        ],
        "tags": list(note.tags),
        "python": [*sorted(map(str, note.python)), note.own_python],
        "platform": list(note.platform),
        "reversed": note.reversed,
        "cloze": note.cloze,
        "deletions": sorted(note.deletions),
        "source": note.source,
        "since": note.since,
        "real_clock": note.real_clock,
        "retired": note.retired,
        "corrected": note.corrected,
        "allow": sorted(note.allow),
        "metadata": {key: f"{span.line}:{span.column} {span.text}" for key, span in note.metadata.items()},
    }
    silent = ("", [], {}, None, False)  # what is absent; `cloze` is true unless it is switched off
    return {key: value for key, value in data.items() if value not in silent or key in ("stamped", "cloze")}


def _snippet(snippet: Snippet) -> dict[str, Any]:
    data = {
        "role": snippet.role.value,
        "language": snippet.language,
        "side": snippet.side.value,
        "lines": _lines(snippet.span),
        "code": snippet.code.split("\n"),
        "stands": [f"{place.line}:{place.column}" for place in _places(snippet)],
        "deletions": [
            [deletion.number, snippet.code[deletion.start : deletion.end], deletion.hint]
            for deletion in snippet.deletions
        ],
        "script": snippet.script,
        "raises": snippet.raises,
        "bugs": sorted(snippet.bugs),
        "norun": snippet.norun,
    }
    return {key: value for key, value in data.items() if value not in ([], None, False)}


def _places(snippet: Snippet) -> list[Span]:
    """Where the first character of each line stands that is not blank."""
    lines = snippet.code.split("\n")
    return [snippet.locate(number) for number, line in enumerate(lines, start=1) if line.strip()]


def _part(part: Part | None) -> Any:
    return None if part is None else [_lines(part.span), *part.text.split("\n")]


def _lines(span: Span) -> str:
    return f"{span.line}-{span.end_line}"
