"""The nouns. A Deck is a folder of TopicFiles; a TopicFile holds Notes; a Note holds Snippets, grouped into Programs.

Everything is frozen: a stage takes values of this page and returns others, and nothing is filled in later.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Source, Span

_BASE91 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+,-./:;<=>?@[]^_`{|}~"


def guid(namespace: str, note_id: str) -> str:
    """Anki's GUID of a note: base 91 of the first 8 bytes of SHA-256 of namespace, NUL and id.

    It depends on nothing else, so rewording, reordering or moving a note keeps the learner's history.
    """
    number = int.from_bytes(hashlib.sha256(f"{namespace}\0{note_id}".encode()).digest()[:8], "big")
    digits = []
    while True:
        number, digit = divmod(number, 91)
        digits.append(_BASE91[digit])
        if not number:
            return "".join(reversed(digits))


class Policy(Enum):
    """deck.yaml's `verify`: what becomes of a note whose code was not proved."""

    STRICT = "strict"  # it is an error
    MARK = "mark"  # it ships with a small "not run" label, and is counted
    OFF = "off"  # nothing is run


@dataclass(frozen=True, slots=True)
class DeckConfig:
    """deck.yaml, checked. Limits are in seconds and bytes; None means the verifier's default."""

    name: str
    namespace: str
    description: str = ""
    description_span: Span | None = None
    """Where the description stands in deck.yaml; None where there is none."""
    tags: tuple[str, ...] = ()
    python: SpecifierSet = field(default_factory=SpecifierSet)
    prelude: Snippet | None = None
    verify: Policy = Policy.STRICT
    repository: str = ""
    interpreter: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)


class Side(Enum):
    """Which part of a note a piece of text belongs to. FILE is a topic file's own text, before its first note."""

    FILE = "file"
    QUESTION = "question"
    ANSWER = "answer"
    EXTRA = "extra"


class Role(Enum):
    """What a fence is for."""

    PROGRAM = "program"  # python: starts a program of its own
    CONTINUE = "continue"  # python continue: goes on in the note's last program
    SETUP = "setup"  # python setup: hidden, runs before the programs after it
    CHECK = "check"  # python check: hidden asserts at this point of the last program
    OUTPUT = "output"  # what the block above printed
    TIMELINE = "timeline"  # how the block above ran
    TEXT = "text"  # any other language: shown, never run


@dataclass(frozen=True, slots=True)
class Deletion:
    """A cloze deletion: characters `start` to `end` of the text it stands in, with the marks taken out."""

    number: int
    start: int
    end: int
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fence.

    `code` is its content, dedented and without cloze marks: what runs. `segments` maps offsets of `code` to offsets
    of the source, piece by piece: (offset in code, offset in source), ascending, a piece for each line and one after
    each cloze mark.
    """

    role: Role
    language: str
    code: str
    span: Span
    side: Side
    segments: tuple[tuple[int, int], ...]
    deletions: tuple[Deletion, ...] = ()
    script: bool = False
    raises: str | None = None
    bugs: frozenset[str] = frozenset()
    norun: str | None = None

    @property
    def is_python(self) -> bool:
        return self.language == "python"

    @property
    def shown(self) -> bool:
        return self.role not in (Role.SETUP, Role.CHECK)

    @property
    def first_line(self) -> int:
        """Line of the source on which the first line of `code` stands."""
        return self.span.source.position(self.segments[0][1])[0] if self.segments else self.span.line

    def source_offset(self, offset: int) -> int:
        """The offset in the source of an offset in `code`."""
        at = bisect.bisect_right(self.segments, (offset, 1 << 62)) - 1
        if at < 0:
            return self.span.start
        begin, origin = self.segments[at]
        return origin + (offset - begin)

    def locate(self, line: int, column: int = 1, end_column: int | None = None) -> Span:
        """Span of a position in `code` (line and columns from 1, in code points); clamped into the fence."""
        lines = self.code.split("\n")
        line = min(max(line, 1), len(lines))
        begin = sum(len(text) + 1 for text in lines[: line - 1])
        text = lines[line - 1]
        if end_column is None:
            column = max(column, 1 + len(text) - len(text.lstrip()))
            end_column = len(text.rstrip()) + 1
        start = self.source_offset(begin + min(column - 1, len(text)))
        end = self.source_offset(begin + max(min(end_column - 1, len(text)) - 1, 0)) + 1
        return self.span.source.span(start, max(start, end))


@dataclass(frozen=True, slots=True)
class Program:
    """Snippets that share one process, namespace and loop.

    `setup` runs first (the deck's prelude, the file's set-up, the note's), then `steps` in order: the block that
    starts the program, its continuations, and checks where they stand. `expected` pairs the index of a block in
    `steps` with the `output` or `timeline` fences that belong to it.
    """

    setup: tuple[Snippet, ...]
    steps: tuple[Snippet, ...]
    expected: tuple[tuple[int, Snippet], ...] = ()

    @property
    def head(self) -> Snippet:
        return self.steps[0]

    @property
    def blocks(self) -> tuple[Snippet, ...]:
        """What the learner sees of it."""
        return tuple(step for step in self.steps if step.shown)

    @property
    def raises(self) -> tuple[Snippet, str] | None:
        """The block that must end with an exception, and that exception's name."""
        return next(((step, step.raises) for step in self.steps if step.raises), None)

    @property
    def bugs(self) -> frozenset[str]:
        """Names of the findings that are the lesson."""
        return frozenset().union(*(step.bugs for step in self.steps))

    @property
    def norun(self) -> str | None:
        return self.head.norun


@dataclass(frozen=True, slots=True)
class Part:
    """The Markdown of one side of a note: whole lines of the source, fences included, headings left out.

    `deletions` are the cloze marks in its prose; those inside fences belong to the Snippets.
    """

    span: Span

    @property
    def text(self) -> str:
        return self.span.text


class Kind(Enum):
    """What sort of card it is. Only CLOZE uses the cloze note type; the others differ in look alone."""

    QUESTION = "question"
    PREDICT = "predict"
    BUG = "bug"
    CLOZE = "cloze"


@dataclass(frozen=True, slots=True)
class Note:
    """One `## ` section.

    `heading` is the span of the question's own words (Markdown, one line); `question`, `answer` and `extra` are what
    follows, None where absent. `id` is the author's, or GitHub's slug of the question when `stamped` is false.
    `snippets` holds every fence in source order, `programs` those that make programs.
    """

    id: str
    stamped: bool
    guid: str
    span: Span
    heading: Span
    question: Part | None
    answer: Part | None
    extra: Part | None
    kind: Kind
    snippets: tuple[Snippet, ...] = ()
    programs: tuple[Program, ...] = ()
    tags: tuple[str, ...] = ()
    python: SpecifierSet = field(default_factory=SpecifierSet)
    own_python: str = ""
    """The note's own or its file's range as written, for the version badge; empty where only the deck sets one."""
    platform: tuple[str, ...] = ()
    reversed: bool = False
    cloze: bool = True
    """False keeps cloze marks literal."""
    deletions: frozenset[int] = frozenset()
    """Numbers of all cloze deletions, in prose and code."""
    source: str = ""
    since: str = ""
    real_clock: bool = False
    retired: str | None = None
    corrected: str | None = None
    allow: frozenset[str] = frozenset()
    metadata: Mapping[str, Span] = field(default_factory=dict)
    """Where each metadata key stands, for diagnostics about its value."""

    @property
    def cards(self) -> int:
        """How many cards Anki makes from it."""
        if self.kind is Kind.CLOZE:
            return len(self.deletions)
        return 2 if self.reversed else 1

    @property
    def setups(self) -> tuple[Snippet, ...]:
        """Every set-up its programs rest on, each once, in order."""
        return tuple(dict.fromkeys(snippet for program in self.programs for snippet in program.setup))


@dataclass(frozen=True, slots=True)
class TopicFile:
    """One Markdown file: a sub-deck. `title` is its front matter's `deck`, `number` the digits its name starts with."""

    source: Source
    title: str
    number: str
    notes: tuple[Note, ...]
    setup: tuple[Snippet, ...] = ()
    link_definitions: str = ""
    """Link reference definitions of the whole file, as Markdown: GitHub resolves them anywhere in it."""
    is_retired: bool = False
    """True for `_retired.md`: its notes are shipped with a banner and never run."""

    def deck_name(self, root: str) -> str:
        """The sub-deck's full name in Anki, `Root::02 Title`."""
        head, *rest = self.title.split("::")
        numbered = f"{self.number} {head}".strip()
        return "::".join([root, numbered, *rest])


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A picture or sound in the deck's `media/`. `packed` is its name in the package, with a hash of its content."""

    name: str
    path: Path
    packed: str


@dataclass(frozen=True, slots=True)
class Deck:
    """A folder of notes, read and parsed."""

    folder: Path
    config: DeckConfig
    files: tuple[TopicFile, ...]
    media: Mapping[str, MediaFile] = field(default_factory=dict)

    @property
    def notes(self) -> Iterator[Note]:
        return (note for file in self.files for note in file.notes)


class Verdict(Enum):
    """What is known about a note's code."""

    NO_CODE = "no-code"  # nothing to run
    VERIFIED = "verified"  # every program ran and nothing was found
    FAILED = "failed"  # something was found
    NORUN = "norun"  # the author says it cannot run, and why
    NOT_RUN = "not-run"  # it could not be run here, or running was switched off
    OUT_OF_RANGE = "out-of-range"  # no interpreter asked for is in its range


@dataclass(frozen=True, slots=True)
class RenderedNote:
    """A note as Anki gets it.

    `fields` are (name, HTML) in the note type's order; `content` is the hash of everything the author wrote that the
    note rests on; `media` are the files its fields refer to.
    """

    note: Note
    deck_name: str
    fields: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    media: tuple[MediaFile, ...]
    content: str
    verdict: Verdict

    @property
    def cloze(self) -> bool:
        return self.note.kind is Kind.CLOZE


@dataclass(frozen=True, slots=True)
class NoteTemplate:
    """HTML of a card template: its name in Anki, front and back."""

    name: str
    front: str
    back: str


@dataclass(frozen=True, slots=True)
class RenderedDeck:
    """A deck as Anki gets it: `description` is HTML, `css` the style of both note types."""

    name: str
    namespace: str
    description: str
    notes: tuple[RenderedNote, ...]
    basic: tuple[NoteTemplate, ...]
    cloze: tuple[NoteTemplate, ...]
    css: str


@dataclass(frozen=True, slots=True)
class DeckFolder:
    """A deck's folder as read from the disk, before parsing.

    `shown` is its path from the project root, POSIX; `config` is deck.yaml's bytes, None where there is none; `files`
    are (name, bytes) of the topic files in code-point order; `media` what lies in `media/`, by name.
    """

    path: Path
    shown: str
    config: bytes | None
    files: tuple[tuple[str, bytes], ...]
    media: Mapping[str, MediaFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackedNote:
    """A note as a package holds it.

    `mod` is when it last changed, in Unix seconds: Anki takes an update only where it is newer. `fields` are
    (name, HTML), `deck` is the full name of its first card's deck, `notetype` the note type's name. `content` is the
    hash that this tool stored, None in a package of somebody else's; `due` is the place of its cards among the new
    ones, 0 where its first card is not new.
    """

    guid: str
    mod: int
    fields: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    deck: str
    notetype: str
    content: str | None
    due: int = 0


@dataclass(frozen=True, slots=True)
class PackedNotetype:
    """A note type in a package. `mod` as in PackedNote; `digest` is the hash that this tool stored, or None."""

    id: int
    name: str
    mod: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """What an `.apkg` file holds, media left out."""

    notes: tuple[PackedNote, ...]
    notetypes: tuple[PackedNotetype, ...] = ()
