"""What the renderer finds wrong with a note: every rule, and the bag that findings go into."""

from __future__ import annotations

from dataclasses import dataclass, field

from generator.diagnostics import Diagnostic, Rule, Severity, Span

UNKNOWN_TAG = Rule("N200", "an HTML tag that a card cannot show")
UNKNOWN_ATTRIBUTE = Rule("N201", "an HTML attribute that a card cannot have")
BROKEN_HTML = Rule("N202", "HTML that is not well formed")
BAD_LINK = Rule("N203", "a link that leads nowhere from a card")
REMOTE_IMAGE = Rule("N204", "a picture from the network")
MISSING_IMAGE = Rule("N205", "a picture that is not in media/")
NO_ALT = Rule("N206", "a picture without a description")
OUTSIDE_MEDIA = Rule("N207", "a path that leaves media/")
UNUSED_MEDIA = Rule("N208", "a media file that no note shows", Severity.WARNING)
MISSING_SOUND = Rule("N209", "a sound that is not in media/", Severity.WARNING)
MATH_COMMAND = Rule("N210", "a math command that is not on the list of safe ones")
MATH_BRACES = Rule("N211", "math whose braces do not match")
FOOTNOTE = Rule("N212", "a footnote")
ALERT = Rule("N213", "an alert")
EMOJI = Rule("N214", "an emoji code")
CROSSING_CLOZE = Rule("N215", "a cloze deletion that cuts through formatting")
LOST_CLOZE = Rule("N216", "a cloze deletion that does not reach the card")
TOO_DEEP = Rule("N217", "nesting that is too deep")
TOO_LARGE = Rule("N218", "text that is too large for a card")
MATH_DOLLAR = Rule("N219", "a formula that holds a dollar sign")
NOTHING_SHOWN = Rule("N220", "a side of a card that shows nothing")
EMPTY_TASK = Rule("N221", "a task box without plain words behind it")
ODD_QUOTE = Rule("N222", "a quote mark that is indented too far")
BAD_TIMELINE = Rule("N223", "a timeline that cannot be drawn")
ODD_TABLE = Rule("N224", "a table whose dashes or header are indented in an odd way")
ODD_DEFINITION = Rule("N225", "a link definition in an odd place")
EMPTY_ITEM = Rule("N226", "an empty list item above a blank line")
NO_PICTURE = Rule("N227", "a picture that is a file of another kind")
DESCRIPTION_MEDIA = Rule("N230", "a picture or sound in a deck's description")

RULES = (
    *(UNKNOWN_TAG, UNKNOWN_ATTRIBUTE, BROKEN_HTML, BAD_LINK, REMOTE_IMAGE, MISSING_IMAGE, NO_ALT, OUTSIDE_MEDIA),
    *(UNUSED_MEDIA, MISSING_SOUND, MATH_COMMAND, MATH_BRACES, FOOTNOTE, ALERT, EMOJI, CROSSING_CLOZE, LOST_CLOZE),
    *(TOO_DEEP, TOO_LARGE, MATH_DOLLAR, NOTHING_SHOWN, EMPTY_TASK, ODD_QUOTE, BAD_TIMELINE, ODD_TABLE),
    *(ODD_DEFINITION, EMPTY_ITEM, NO_PICTURE, DESCRIPTION_MEDIA),
)


@dataclass(slots=True)
class Problems:
    """Findings about one note, or about the deck where `note` is None."""

    note: str | None
    found: list[Diagnostic] = field(default_factory=list)

    def add(self, rule: Rule, span: Span, message: str, hint: str) -> None:
        self.found.append(rule.at(span, message, hint, note=self.note))

    @property
    def has_errors(self) -> bool:
        return any(item.severity is Severity.ERROR for item in self.found)
