"""The product on one page: a folder of notes becomes a package for Anki.

    read -> parse -> lint -> verify -> render -> export

Every stage takes values and returns `(product, diagnostics)`. No stage prints, and none raises for a fault in a note:
all faults come at once. Files, clock and terminal come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator import lint, parse, read, render, verify
from generator.diagnostics import Diagnostic, Rule, Severity, Source, ordered
from generator.notes import Deck, Note, Package, Policy, RenderedDeck, Verdict
from generator.store import default_folder
from generator.verify.findings import NOT_RUN

if TYPE_CHECKING:
    from generator.preview import Page

BROKEN_PREVIOUS = Rule("D200", "the package of the last build cannot be read", Severity.WARNING)

Progress = Callable[[int, int], None]
"""Called with the number of programs done and the number of all."""


@dataclass(frozen=True, slots=True)
class Options:
    """`files` are the topic files (paths from the project root) to run and report; None stands for all of them."""

    verify: verify.Options = field(default_factory=verify.Options)
    files: frozenset[str] | None = None
    strict: bool = False
    """Warnings are errors."""
    allow_unverified: bool = False
    """Leave out the notes in whose code something was found, and build the others."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that is known about a deck before it is written. `rendered` is None where there is nothing to write.

    `left_out` are the notes that `allow_unverified` left out.
    """

    deck: Deck | None
    verification: verify.Verification | None
    rendered: RenderedDeck | None
    left_out: tuple[Note, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        return has_errors(self.diagnostics)


@dataclass(frozen=True, slots=True)
class Edit:
    """A file to write: its path, its new content, and how many expectations changed."""

    path: Path
    data: bytes
    count: int


def check_deck(folder: Path, root: Path, options: Options, progress: Progress | None = None) -> Checked:
    """Everything but the export, for the deck in `folder`. Paths in diagnostics are relative to `root`.

    Raises verify.MachineError where the machine cannot do what was asked: run an interpreter that is not there, say.
    """
    found, diagnostics = read.read_deck(folder, root)
    deck, problems = parse.parse_deck(found)
    diagnostics = [*diagnostics, *problems]
    if deck is None:
        return Checked(None, None, None, (), _reported(diagnostics, options))
    diagnostics += lint.lint_deck(deck)
    running = replace(options.verify, run=options.verify.run and deck.config.verify is not Policy.OFF)
    verification, findings = verify.verify_deck(deck, running, _selected(deck, options), progress)
    findings = [_weighed(item, deck.config.verify) for item in findings]
    left_out: tuple[Note, ...] = ()
    if options.allow_unverified:
        refused = {item.note for item in findings if item.severity is Severity.ERROR}
        failed = verification.verdicts
        left_out = tuple(n for n in deck.notes if n.id in refused or failed.get(n.id) is Verdict.FAILED)
        findings = [_as_warning(item) if item.note else item for item in findings]
    with render.rendered_notes(_cache_folder(options)) as store:
        rendered, problems = render.render_deck(_without(deck, left_out), verification.verdicts, store=store)
    diagnostics += [*findings, *problems]
    return Checked(deck, verification, rendered, left_out, _reported(diagnostics, options))


def build_deck(checked: Checked, previous: bytes | None, target: str, now: int) -> tuple[bytes, list[Diagnostic]]:
    """The package of a checked deck, `b""` where there are errors; nothing is written.

    `previous` is what the last build wrote, from which unchanged notes keep their time of change; `target` is its
    path, for diagnostics. `now` is in Unix seconds.
    """
    from generator import export  # loads genanki, which no check needs

    if checked.failed or checked.rendered is None:
        return b"", []
    before, diagnostics = _read_previous(previous, target)
    times = export.times(checked.rendered, before, now)
    data, problems = export.build_package(checked.rendered, times, lambda media: media.path.read_bytes())
    return data, ordered([*diagnostics, *problems])


def update_deck(
    folder: Path, root: Path, options: Options, progress: Progress | None = None
) -> tuple[list[Edit], list[Diagnostic]]:
    """What `check --update` writes: expectations (`output`, `#>`, `timeline`) as the code really prints them.

    Only where nothing else is wrong with a note, and two runs with different hash seeds print the same. Returns the
    files to write, and a diagnostic for each expectation that is not written because its output differs.
    """
    deck, _ = parse.parse_deck(read.read_deck(folder, root)[0])
    if deck is None:
        return [], []
    selected = _selected(deck, options)
    seeds = (0, 1)
    first, second = (
        verify.verify_deck(deck, replace(options.verify, cache=False, hash_seed=seed), selected, progress)[0].rewrites
        for seed in seeds
    )
    unstable = {item.place: item.note for item in first ^ second}
    stable = frozenset(item for item in first if item.note not in unstable.values())
    hint = "Show what does not change from run to run; `...` stands for any text."
    refused = [
        verify.UNSTABLE.at(place, "not written: the output differs from run to run", hint, note=note)
        for place, note in unstable.items()
    ]
    edits = [_edited(file.source, stable, root) for file in deck.files]
    return [edit for edit in edits if edit is not None], ordered(refused)


def _edited(source: Source, rewrites: frozenset[verify.Rewrite], root: Path) -> Edit | None:
    """A file with its rewrites made, in the line ends and with the byte-order mark that its author keeps."""
    own = [item for item in rewrites if item.span.source == source]
    if not own:
        return None
    text = verify.applied(source.text, own).replace("\n", source.newline)
    return Edit(root / source.path, ("\ufeff" + text if source.bom else text).encode("utf-8"), len(own))


def preview_deck(checked: Checked, title: str, options: Options) -> Page:
    """The page that shows a checked deck, or of `options.files` the notes. `title` is for a deck that has no name."""
    from generator import preview

    deck, rendered, chosen = checked.deck, checked.rendered, options.files
    if rendered is not None and chosen is not None:
        rendered = replace(rendered, notes=tuple(item for item in rendered.notes if item.note.span.file in chosen))
    ran = options.verify.run and not (deck and deck.config.verify is Policy.OFF)
    verified_on = checked.verification.verified_on if checked.verification else {}
    shown = preview.Preview(title, rendered, checked.diagnostics, verified_on, ran)
    return preview.preview_page(shown, lambda media: media.path.read_bytes())


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(item.severity is Severity.ERROR for item in diagnostics)


def _selected(deck: Deck, options: Options) -> frozenset[str] | None:
    """Ids of the notes to run."""
    if options.files is None:
        return None
    return frozenset(note.id for file in deck.files if file.source.path in options.files for note in file.notes)


def _cache_folder(options: Options) -> Path | None:
    return (options.verify.cache_folder or default_folder()) if options.verify.cache else None


def _without(deck: Deck, notes: tuple[Note, ...]) -> Deck:
    """The deck without these notes."""
    ids = {note.id for note in notes}
    files = (replace(file, notes=tuple(note for note in file.notes if note.id not in ids)) for file in deck.files)
    return replace(deck, files=tuple(files)) if ids else deck


def _weighed(finding: Diagnostic, policy: Policy) -> Diagnostic:
    """A finding as grave as the deck's policy has it: `mark` ships what is not proved, `strict` does not."""
    if policy is Policy.MARK and finding.note:
        return _as_warning(finding)
    return finding.as_error() if policy is Policy.STRICT and finding.code == NOT_RUN.code else finding


def _as_warning(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, severity=Severity.WARNING)


def _reported(diagnostics: Iterable[Diagnostic], options: Options) -> tuple[Diagnostic, ...]:
    """What the reader asked for: the problems of the chosen files, and those of no topic file."""
    chosen = options.files
    if chosen is not None:
        places = [(item, {item.span.file, *(span.file for span in item.related)}) for item in diagnostics]
        diagnostics = [item for item, files in places if files & chosen or not item.span.file.endswith(".md")]
    return tuple(ordered(item.as_error() if options.strict else item for item in diagnostics))


def _read_previous(previous: bytes | None, target: str) -> tuple[Package | None, list[Diagnostic]]:
    """The package of the last build. One that cannot be read counts as none, and is warned of."""
    from generator import package

    if previous is None:
        return None, []
    try:
        return package.read_package(previous), []
    except package.PackageError as error:
        place = Source(target, "").span(0)
        hint = "it is replaced, and every note counts as changed now: learners get the author's text and tags again"
        return None, [BROKEN_PREVIOUS.at(place, str(error).rstrip("."), hint)]
