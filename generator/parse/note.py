"""One `## ` section to a Note.

note      = heading [ metadata ] ( body / question answer-heading answer ) [ extra-heading extra ]
heading   = "## " question                      in column 1; closing #s go
metadata  = the first comment below it, if it starts with `word:` or `{`
body      = the answer; for a cloze note, the question
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet

from generator.clozes import without_comments
from generator.diagnostics import Diagnostic, Rule, Severity, Source, Span
from generator.notes import Kind, Note, Part, Program, Role, Side, Snippet, guid
from generator.parse import cloze
from generator.parse.blocks import Block, BlockKind, comment_text
from generator.parse.fences import read_fence
from generator.parse.fields import merge_tags
from generator.parse.ids import BAD_ID, DRAFT, NO_SLUG, Identity, is_id, shortened, slug
from generator.parse.metadata import did_you_mean
from generator.parse.notedata import Metadata, looks_like_metadata, read_metadata
from generator.parse.programs import group

BAD_HEADING = Rule("N050", "a heading that has no place in a topic file")
SECOND_TITLE = Rule("N051", "a second title")
PARTS = Rule("N052", "Answer or Extra is repeated or out of order")
NO_QUESTION = Rule("N053", "a note has no question")
NO_ANSWER = Rule("N054", "a note has no answer")
EMPTY_PART = Rule("N055", "Answer or Extra is empty")
OUT_OF_PLACE = Rule("N070", "metadata does not stand directly below the heading")
NOT_REVERSIBLE = Rule("N072", "`reversed` on a note that cannot be turned round")
NO_REASON = Rule("N073", "a note in _retired.md does not say why")
NOT_MENDED = Rule("N074", "a bug note's answer has no mended code")

RULES = (
    BAD_HEADING,
    SECOND_TITLE,
    PARTS,
    NO_QUESTION,
    NO_ANSWER,
    EMPTY_PART,
    OUT_OF_PLACE,
    NOT_REVERSIBLE,
    NO_REASON,
    NOT_MENDED,
)

_LEVELS = (
    "A note is `## question`; in it only `### Answer` and `### Extra` may stand, and `####` for headings in the text."
)
_BLANK = " \t"  # Markdown's blanks: a line of other white space is text
_PART_NAMES = {"Answer": Side.ANSWER, "Extra": Side.EXTRA}


@dataclass(frozen=True, slots=True)
class Section:
    """A note's heading, the blocks below it, and the last line before the next note."""

    heading: Block
    blocks: tuple[Block, ...]
    last: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a note takes from its file and deck."""

    source: Source
    namespace: str
    tags: tuple[str, ...]
    python: SpecifierSet
    own_python: str
    setup: tuple[Snippet, ...]
    is_retired: bool


def is_note_heading(block: Block, source: Source) -> bool:
    """Whether a note begins here: an ATX heading of level 2 in column 1, in no list and no quote."""
    at_start = source.line_text(block.first).startswith("##")
    return block.kind is BlockKind.HEADING and block.markup == "##" and at_start


def parse_note(section: Section, around: Surroundings) -> tuple[Note, Identity | None, list[Diagnostic]]:
    """The note of a section and its faults. With an error among them the note is a best guess, not to be used.

    The identity is None where the note has none that could be compared with others'.
    """
    found: list[Diagnostic] = []
    note, identity = _Parser(section, around, found).note()
    return note, identity, [replace(fault, note=note.id or None) for fault in found]


class _Parser:
    def __init__(self, section: Section, around: Surroundings, found: list[Diagnostic]) -> None:
        self.around = around
        self.source = around.source
        self.found = found
        self.heading = _heading_span(section.heading, self.source)
        self.section = section
        first = section.blocks[0] if section.blocks else None
        self.comment = first if first and _is_metadata(first, self.source) else None
        self.blocks = section.blocks[1:] if self.comment else section.blocks
        self.metadata = read_metadata(self.comment, self.source, found) if self.comment else Metadata()
        self.sides: dict[Side, list[Block]] = {Side.QUESTION: [], Side.ANSWER: [], Side.EXTRA: []}
        self.part_headings: dict[Side, Block] = {}
        self.has_stray_metadata = False
        self.has_stray_heading = False
        self.meant_for_cloze = "{{" in self.heading.text and self.metadata.cloze

    def note(self) -> tuple[Note, Identity | None]:
        if not self.heading.text:
            self._report(NO_QUESTION, self.section.heading, "this note has no question", "Write it behind the `##`.")
        self._divide()
        snippets, deletions = self._snippets()
        numbers = self._numbers(deletions)
        programs = group(snippets, self.around.setup, self.found)
        parts = {side: self._part(side, snippets) for side in self.sides}
        kind = _kind(snippets, programs, numbers)
        self._check_parts(parts, kind)
        self._check_kind(kind, snippets)
        note_id, identity = self._identity()
        data = self.metadata
        note = Note(
            id=note_id,
            stamped=bool(data.id),
            guid=identity.guid if identity else "",
            span=self.source.line_span(self.section.heading.first, self.section.last),
            heading=self.heading,
            question=parts[Side.QUESTION],
            answer=parts[Side.ANSWER],
            extra=parts[Side.EXTRA],
            kind=kind,
            snippets=tuple(snippets),
            programs=programs,
            tags=merge_tags(self.around.tags, data.tags),
            python=data.python[0] if data.python else self.around.python,
            own_python=data.python[1] if data.python else self.around.own_python,
            platform=data.platform,
            reversed=data.reversed,
            cloze=data.cloze,
            deletions=frozenset(numbers),
            source=data.source,
            since=data.since,
            real_clock=data.real_clock,
            retired=data.retired,
            corrected=data.corrected,
            allow=data.allow,
            metadata=data.spans,
        )
        return note, identity

    # --- the parts ---

    def _divide(self) -> None:
        """Gives every block its side."""
        markers: list[tuple[int, Side]] = []
        for index, block in enumerate(self.blocks):
            if block.kind is BlockKind.HEADING and block.level <= 3:
                side = self._part_heading(block)
                self.has_stray_heading |= side is None
                if side and self._in_order(block, side):
                    markers.append((index, side))
            elif block.kind is BlockKind.COMMENT:
                self._check_comment(block)
        has_answer = any(side is Side.ANSWER for _, side in markers)
        body_end = markers[0][0] if markers else len(self.blocks)
        self.meant_for_cloze = self.meant_for_cloze or self._is_cloze(self.blocks[:body_end])
        side = Side.QUESTION if has_answer or self.meant_for_cloze else Side.ANSWER
        starts = dict(markers)
        for index, block in enumerate(self.blocks):
            if index in starts:
                side = starts[index]
            elif block.kind is not BlockKind.HEADING or block.level > 3:
                self.sides[side].append(block)

    def _part_heading(self, block: Block) -> Side | None:
        """The side that a heading of level 1 to 3 opens; reports one that may not stand here."""
        if block.level == 1:
            self._report(SECOND_TITLE, block, "a title stands once, before the first note", _LEVELS)
            return None
        if block.markup == "-":
            hint = "Put a blank line before the `---` if a line is meant. " + _LEVELS
            self._report(BAD_HEADING, block, "text with `---` below it is a heading of level 2", hint)
            return None
        in_place = self.source.line_text(block.first).startswith("#") and not block.nested
        if block.level == 2 or not in_place:
            message = f"`{block.markup} {block.content}` does not stand in column 1, outside lists and quotes"
            self._report(BAD_HEADING, block, message, _LEVELS)
            return None
        if block.content not in _PART_NAMES:
            near = did_you_mean(block.content.title(), _PART_NAMES)
            self._report(BAD_HEADING, block, f"`### {block.content}` has no place in a note", near + _LEVELS)
            return next((side for name, side in _PART_NAMES.items() if name in near), None)
        return _PART_NAMES[block.content]

    def _in_order(self, block: Block, side: Side) -> bool:
        name = "Answer" if side is Side.ANSWER else "Extra"
        if side in self.part_headings:
            first = self.part_headings[side].first
            message = f"`### {name}` stands in line {first} already"
            self._report(PARTS, block, message, f"Keep one `### {name}`; write `####` for a heading in the text.")
            return False
        if side is Side.ANSWER and Side.EXTRA in self.part_headings:
            self._report(PARTS, block, "`### Answer` stands below `### Extra`", "Put Extra last.")
            return False
        self.part_headings[side] = block
        return True

    def _check_comment(self, block: Block) -> None:
        word = re.match(r"\s*([a-z]+):(?!//)", comment_text(block, self.source).text)
        if word and word[1] in Metadata.KEYS:
            self.has_stray_metadata = True
            hint = "Move it directly below the `## ` line, into the first comment there."
            self._report(OUT_OF_PLACE, block, f"`{word[1]}:` is not read here", hint)

    def _part(self, side: Side, snippets: Sequence[Snippet]) -> Part | None:
        """The lines of a side, without blank lines around; None where the card would show nothing."""
        blocks = self.sides[side]
        hidden = {snippet.span.line for snippet in snippets if not snippet.shown}
        if not any(_is_content(block, hidden) for block in blocks):
            return None
        opening = self.part_headings.get(side) or self.comment or self.section.heading
        later = [self.part_headings[other].first for other in _after(side) if other in self.part_headings]
        first, last = opening.last + 1, min(later, default=self.section.last + 1) - 1
        while not self.source.line_text(first).strip(_BLANK):
            first += 1
        while not self.source.line_text(last).strip(_BLANK):
            last -= 1
        return Part(self.source.span(self.source.offset(first), self.source.offset(last, 1 << 40)))

    def _check_parts(self, parts: dict[Side, Part | None], kind: Kind) -> None:
        for side, block in self.part_headings.items():
            if parts[side] is None:
                name = "Answer" if side is Side.ANSWER else "Extra"
                hint = "Write below it what the card shall show, or take the heading away."
                self._report(EMPTY_PART, block, f"`### {name}` is empty", hint)
        missing = parts[Side.ANSWER] is None and Side.ANSWER not in self.part_headings and not self.has_stray_heading
        if missing and kind is not Kind.CLOZE and not self.meant_for_cloze and self.heading.text:
            hint = "Write the answer below the question, or hide a word of it: `{{c1::word}}`."
            self._report(NO_ANSWER, self.section.heading, "this note has no answer", hint)

    # --- cloze ---

    def _is_cloze(self, body: Iterable[Block]) -> bool:
        if not self.metadata.cloze:
            return False
        return cloze.has_marks(self.heading.text) or any(cloze.has_marks(self._prose(block)[0]) for block in body)

    def _prose(self, block: Block) -> tuple[str, int]:
        """The text of a block in which marks are looked for, and its offset; comments are blanked out."""
        if block.kind is BlockKind.COMMENT:
            return "", 0
        span = self.source.span(self.source.offset(block.first), self.source.offset(block.last, 1 << 40))
        text = span.text
        if "<!--" in text and block.kind is not BlockKind.FENCE:
            text = without_comments(text)
        return text, span.start

    def _snippets(self) -> tuple[list[Snippet], list[tuple[int, Span]]]:
        """All fences in order, and all deletions of the note as (number, place)."""
        snippets = []
        literal = not self.metadata.cloze
        deletions = [] if literal else self._marks(self.heading.text, self.heading.start, None)
        for side, blocks in self.sides.items():
            for block in blocks:
                if block.kind is BlockKind.FENCE:
                    snippet = read_fence(self.source, block, side, literal, self.found)
                    snippets.append(snippet)
                    deletions += [(deletion.number, snippet.span) for deletion in snippet.deletions]
                elif not literal:
                    is_body = side is Side.QUESTION or (side is Side.ANSWER and side not in self.part_headings)
                    where = None if is_body else f"the {side.value}"
                    deletions += self._marks(*self._prose(block), where)
        return snippets, deletions

    def _marks(self, text: str, base: int, where: str | None) -> list[tuple[int, Span]]:
        """Deletions of a piece of prose; `where` names a part in which none may stand."""
        if "{" not in text:
            return []
        marks, faults = cloze.find_marks(text) if where is None else ([], cloze.misplaced(text, where))
        self.found += [fault.at(lambda start, end: self.source.span(base + start, base + end)) for fault in faults]
        return [(mark.number, self.source.span(base + mark.start, base + mark.end)) for mark in marks]

    def _numbers(self, deletions: Sequence[tuple[int, Span]]) -> set[int]:
        numbers = {number for number, _ in deletions}
        missing = cloze.gap(numbers)
        if missing is not None:
            number, span = next(pair for pair in deletions if pair[0] > missing)
            hint = "Count from c1 without gaps; deletions with the same number are hidden together."
            self.found.append(cloze.GAP.at(span, f"there is a c{number} but no c{missing}", hint))
        return numbers

    # --- what sort of note it is, and who ---

    def _check_kind(self, kind: Kind, snippets: Sequence[Snippet]) -> None:
        metadata = self.metadata
        if metadata.reversed and kind is not Kind.QUESTION:
            message = f"`reversed` does not go with a {kind.value} note"
            hint = "Only a plain question and answer can be asked both ways: take `reversed` away."
            self.found.append(NOT_REVERSIBLE.at(metadata.spans["reversed"], message, hint))
        if self.around.is_retired and "retired" not in metadata.spans:
            hint = 'Write `retired: "why"` into its metadata: the card shows it.'
            self._report(NO_REASON, self.section.heading, "this retired note does not say why", hint)
        answers = [snippet for snippet in snippets if snippet.side is Side.ANSWER and snippet.is_python]
        if kind is Kind.BUG and not any(
            snippet.shown and not snippet.bugs and not snippet.norun for snippet in answers
        ):
            bug = next(snippet for snippet in snippets if snippet.bugs)
            hint = "Put the mended code into the answer, in a `python` fence that runs."
            message = "the bug of this block is mended nowhere in the answer"
            self.found.append(NOT_MENDED.at(self.source.line_span(bug.span.line), message, hint))

    def _identity(self) -> tuple[str, Identity | None]:
        data = self.metadata
        note_id, span = data.id, data.spans.get("id", self.heading)
        made = "" if is_id(note_id) else slug("".join(_without_marks(self.heading.text, not data.cloze)))
        if data.id and not is_id(data.id):
            hint = "An id is 1 to 80 characters of a-z, 0-9 and `-`" + (f", such as `{made}`." if is_id(made) else ".")
            self.found.append(BAD_ID.at(span, f"`{data.id}` is no id", hint))
            return data.id, None
        if not data.id:
            if "id" in data.spans or not self.heading.text:
                return made if is_id(made) else "", None  # its fault is reported
            if not is_id(made):
                what = "the id made from this question is too long" if made else "no id can be made from this question"
                short = shortened(made) or "…"
                hint = f"Give it an id of 1 to 80 of a-z, 0-9 and `-`: `<!-- id: {short} -->` below the question."
                self.found.append(NO_SLUG.at(span, what, hint))
                return "", None
            is_misspelt = any(key.casefold() == "id" for key in data.spans)
            if not is_misspelt and not self.has_stray_metadata:  # which may hold the id
                hint = f"Write `<!-- id: {made} -->` below the question."
                message = "this note has no id: changing the question would make it a new note"
                self.found.append(DRAFT.at(span, message, hint))
            note_id = made
        computed = data.guid or guid(self.around.namespace, note_id)
        return note_id, Identity(note_id, bool(data.id), span, computed, data.spans.get("guid", span))

    def _report(self, rule: Rule, block: Block, message: str, hint: str) -> None:
        self.found.append(rule.at(self.source.line_span(block.first), message, hint))


def _heading_span(block: Block, source: Source) -> Span:
    """The question's own words: without the `##` and the closing #s."""
    start = source.offset(block.first)
    at = source.line_text(block.first).find(block.content, len(block.markup)) if block.content else len(block.markup)
    return source.span(start + at, start + at + len(block.content))


def _is_metadata(block: Block, source: Source) -> bool:
    is_comment = block.kind is BlockKind.COMMENT and not block.nested
    return is_comment and looks_like_metadata(comment_text(block, source).text)


def _after(side: Side) -> tuple[Side, ...]:
    return {Side.QUESTION: (Side.ANSWER, Side.EXTRA), Side.ANSWER: (Side.EXTRA,)}.get(side, ())


def _is_content(block: Block, hidden: set[int]) -> bool:
    """Whether the card shows something of a block."""
    if block.kind in (BlockKind.COMMENT, BlockKind.HTML):
        return bool(without_comments(block.content).strip())
    if block.kind is BlockKind.FENCE:
        return block.first not in hidden
    return block.kind is not BlockKind.RULE


def _without_marks(text: str, literal: bool) -> Iterable[str]:
    marks = [] if literal else cloze.find_marks(text)[0]
    at = 0
    for mark in marks:
        yield text[at : mark.start]
        yield text[mark.inner : mark.inner_end]
        at = mark.end
    yield text[at:]


def _kind(snippets: Sequence[Snippet], programs: Sequence[Program], numbers: set[int]) -> Kind:
    if numbers:
        return Kind.CLOZE
    if any(snippet.bugs and snippet.side is Side.QUESTION for snippet in snippets):
        return Kind.BUG
    for program in programs:
        for index, expected in program.expected:
            asked = program.steps[index].side is Side.QUESTION
            if asked and expected.role is Role.OUTPUT and expected.side is Side.ANSWER:
                return Kind.PREDICT
    return Kind.QUESTION


def is_error(fault: Diagnostic) -> bool:
    return fault.severity is Severity.ERROR
