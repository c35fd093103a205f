"""A note's fields: which there are, and what stands in each.

The names and their order are frozen by the first release: where they differ, Anki's import refuses every note.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from urllib.parse import quote, urlencode

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from generator.diagnostics import Span
from generator.notes import Deck, Kind, Note, Part, Policy, TopicFile, Verdict
from generator.render.inert import finish, inert_text, is_blank
from generator.render.markdown import Job, read_references, to_html
from generator.render.marks import Marks, Piece
from generator.render.media import Media
from generator.render.places import Origin
from generator.render.problems import LOST_CLOZE, NOTHING_SHOWN, Problems

SPARES = ("Spare1", "Spare2", "Spare3", "Spare4")
BASIC_FIELDS = (
    *("Id", "Question", "Answer", "Extra", "Reverse", "TypeAnswer", "Notice", "Source", "Badge", "Kind"),
    *SPARES,
)
CLOZE_FIELDS = ("Id", "Text", "Back", "Extra", "Notice", "Source", "Badge", "Kind", *SPARES)

_UNPROVED = (Verdict.FAILED, Verdict.NOT_RUN, Verdict.OUT_OF_RANGE)


_references = lru_cache(maxsize=64)(read_references)
"""A file's link definitions, read once for all its notes."""


@dataclass(slots=True)
class NoteRenderer:
    """Renders one note. Afterwards `problems`, `media.used` and `used_links` say what came up on the way."""

    deck: Deck
    file: TopicFile
    note: Note
    references: Mapping[str, Mapping[str, str]] = field(init=False)
    problems: Problems = field(init=False)
    media: Media = field(init=False)
    labels: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.problems = Problems(self.note.id)
        self.media = Media(self.deck.media)
        self.references = _references(self.file.link_definitions)

    @property
    def used_links(self) -> dict[str, Mapping[str, str]]:
        """The file's link definitions that the note uses."""
        return {label: link for label, link in self.references.items() if label in self.labels}

    def fields(self, verdict: Verdict) -> tuple[tuple[str, str], ...]:
        """(name, HTML) in the note type's order."""
        note = self.note
        question = self._question()
        answer = self._part(note.answer)
        if note.kind is not Kind.CLOZE:
            self._demand(answer, note.answer, "answer")
        extra = self._part(note.extra)
        if note.extra is not None:
            self._demand(extra, note.extra, "extra")
        values = {
            "Id": inert_text(note.id),
            "Question": question,
            "Text": question,
            "Answer": answer,
            "Back": answer,
            "Extra": extra,
            "Reverse": "1" if note.reversed else "",
            "Notice": self._notice(),
            "Source": self._source(),
            "Badge": self._badge(verdict),
            "Kind": note.kind.value,
        }
        names = CLOZE_FIELDS if note.kind is Kind.CLOZE else BASIC_FIELDS
        return tuple((name, values.get(name, "")) for name in names)

    def _question(self) -> str:
        note = self.note
        cloze = note.kind is Kind.CLOZE and note.cloze
        marks = Marks()
        heading = self._html(note.heading, marks, cloze=cloze, inline=True)
        heading = finish(heading, marks, self.problems)
        shown = {mark.number for mark in marks.known if mark.piece is Piece.OPEN}
        marks = Marks()
        body = ""
        if note.question is not None:
            body = finish(self._html(note.question.span, marks, cloze=cloze), marks, self.problems)
        shown |= {mark.number for mark in marks.known if mark.piece is Piece.OPEN}
        lost = sorted(note.deletions - shown) if cloze else []
        if lost and not self.problems.has_errors:
            numbers = ", ".join(f"c{number}" for number in lost)
            hint = "Put its marks around words or code that the card shows."
            where = self._mark(lost[0])
            self.problems.add(LOST_CLOZE, where, f"the deletion {numbers} is nowhere on the card", hint)
        prompt = f'<div class="prompt">{heading}</div>' if not is_blank(heading) else ""
        if not prompt and is_blank(body):
            self._demand("", None, "question")
        return f"{prompt}\n{body}".strip()

    def _mark(self, number: int) -> Span:
        """Where the first deletion with this number is written, as far as it can be told; else the heading."""
        source, mark = self.note.span.source, f"{{{{c{number}::"
        at = source.text.find(mark, self.note.span.start, self.note.span.end)
        return self.note.heading if at == -1 else source.span(at, at + len(mark))

    def _part(self, part: Part | None) -> str:
        if part is None:
            return ""
        marks = Marks()
        return finish(self._html(part.span, marks), marks, self.problems)

    def _html(self, span: Span, marks: Marks, *, cloze: bool = False, inline: bool = False, exact: bool = True) -> str:
        """Marked HTML of a stretch of the file."""
        return self._convert(Origin(span.text, span, exact), marks, cloze=cloze, inline=inline)

    def _convert(self, origin: Origin, marks: Marks, *, cloze: bool = False, inline: bool = False) -> str:
        job = Job(
            origin,
            marks,
            self.media,
            self.problems,
            references=self.references,
            snippets={snippet.span.line: snippet for snippet in self.note.snippets},
            cloze=cloze,
            inline=inline,
        )
        html = to_html(job)
        self.labels |= job.places.labels
        return html

    def _words(self, text: str, key: str) -> str:
        """HTML of a metadata value: Markdown of one line."""
        marks = Marks()
        origin = Origin(text, self.note.metadata.get(key, self.note.heading), exact=False)
        return finish(self._convert(origin, marks, inline=True), marks, self.problems)

    def _demand(self, html: str, part: Part | None, name: str) -> None:
        """Report a side on which nothing is left."""
        if is_blank(html) and not self.problems.has_errors:
            span = _first_line(part.span) if part else self.note.heading
            hint = "Write something that the card shows; comments and hidden code are not shown."
            self.problems.add(NOTHING_SHOWN, span, f"nothing of this {name} is on the card", hint)

    def _notice(self) -> str:
        note = self.note
        notices = []
        if note.retired is not None:
            why = self._words(note.retired, "retired")
            notices.append(f'<div class="banner retired"><strong>Retired.</strong> {why}</div>')
        if note.corrected is not None:
            why = self._words(note.corrected, "corrected")
            notices.append(f'<div class="banner corrected"><strong>Corrected.</strong> {why}</div>')
        return "".join(notices)

    def _source(self) -> str:
        """Where the card comes from, and where to report a fault."""
        note = self.note
        parts = [self._words(note.source, "source")] if note.source else []
        repository = self.deck.config.repository.rstrip("/")
        if repository:
            path = quote(self.file.source.path)
            report = urlencode(
                {"title": f"Card {note.id}", "body": f"Card: {note.id}\n\nWhat is wrong:\n"}, quote_via=quote
            )
            links = {
                "Source of this card": f"{repository}/blob/HEAD/{path}",
                "Report this card": f"{repository}/issues/new?{report}",
            }
            html = [f'<a href="{escape(address)}">{name}</a>' for name, address in links.items()]
            parts += [finish(link, Marks(), self.problems) for link in html]
        return " · ".join(parts)

    def _badge(self, verdict: Verdict) -> str:
        note = self.note
        badges = []
        version = version_badge(note.own_python)
        if version:
            badges.append(f'<span class="badge" title="Python versions">{escape(version)}</span>')
        why = next((program.norun for program in note.programs if program.norun), None)
        marked = self.deck.config.verify is Policy.MARK and verdict in _UNPROVED
        if verdict is Verdict.NORUN or marked:
            title = why if why and verdict is Verdict.NORUN else "This card's code was not proved by running it."
            badges.append(f'<span class="badge notrun" title="{escape(title)}">not run</span>')
        return finish(" ".join(badges), Marks(), self.problems)


def _first_line(span: Span) -> Span:
    line = span.source.line_span(span.line)
    return line if line.text.strip() else span


def version_badge(specifier: str) -> str:
    """A range of Python versions as a reader says it: "3.12+" for `>=3.12`, first and last for `>=3.11,<3.14`."""
    text = specifier.strip()
    try:
        bounds = {item.operator: Version(item.version) for item in SpecifierSet(text)}
        count = len(list(SpecifierSet(text)))
    except (InvalidSpecifier, ValueError):
        return text
    low, high = bounds.get(">="), bounds.get("<")
    if count != len(bounds) or low is None or set(bounds) - {">=", "<"} or len(low.release) > 2:
        return text
    if high is None:
        return f"{low}+"
    if len(high.release) != 2 or low.release[0] != high.release[0] or high.release[1] < 1 or high <= low:
        return text
    last = f"{high.release[0]}.{high.release[1] - 1}"
    return last if last == str(low) else f"{low}\N{EN DASH}{last}"
