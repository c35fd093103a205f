"""Rules about what a note teaches, beyond its form. One function per rule; its docstring is the rule's explanation.

A note that knows better says `allow: [L001]`, or the rule's name, in its metadata.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Iterable, Iterator

from generator.diagnostics import Diagnostic, Rule, Span
from generator.lint.names import Names, Use, read_names
from generator.lint.replaced import replacements
from generator.notes import Deck, Note, Program, Side, Snippet

HIDDEN_NAME = Rule("L001", "code in a question uses a name that the card does not show")
UNKNOWN_RULE = Rule("L002", "`allow` names no rule")
REPLACED_NAME = Rule("L003", "code that no card shows changes what the shown code means")

RULES = (HIDDEN_NAME, UNKNOWN_RULE, REPLACED_NAME)

_BUILTINS = {
    *dir(builtins),
    # a module's own, and those that class bodies and methods have
    *("__annotations__", "__builtins__", "__class__", "__file__", "__module__", "__qualname__", "__firstlineno__"),
    *("__annotate__", "__conditional_annotations__"),
    # newer than the oldest Python that may run this: 3.13, 3.13, 3.14
    *("PythonFinalizationError", "_IncompleteInputError", "__lazy_import__"),
}


def lint_deck(deck: Deck) -> list[Diagnostic]:
    """What the rules find in a deck's notes. Retired notes are left in peace: nobody will mend them."""
    notes = [note for file in deck.files if not file.is_retired for note in file.notes]
    found: list[Diagnostic] = []
    for name, (rule, check) in CHECKS.items():
        for note in notes:
            if not note.allow & {rule.code, name}:
                found += check(note, deck)
    return found


def hidden_name(note: Note, deck: Deck) -> Iterator[Diagnostic]:
    """Code in a question uses a name that the card does not show.

    A question can be answered from what the learner knows of Python, the deck's prelude, and the card itself. What a
    set-up defines is hidden: nobody can tell what it does. Answers may rest on set-up.

    Bad:

        ```python setup
        async def job(n): return n * 2
        ```

        ## What does this print?

        ```python
        print(await job(1))
        ```

    Good, because the question shows `job`:

        ## What does this print?

        ```python
        async def job(n): return n * 2

        print(await job(1))
        ```
    """
    asked = [snippet for snippet in note.snippets if _is_asked(snippet)]
    prelude = read_names(deck.config.prelude.code) if deck.config.prelude else Names()
    known = _BUILTINS | (prelude.bound.keys() if prelude else set())
    read = [read_names(snippet.code) for snippet in asked]
    pages = [names for names in read if names is not None]
    if len(pages) < len(read):
        return  # what does not parse may bind anything; that it does not parse is found where it is run
    shown = set().union(*(names.bound for names in pages))
    open_ended = prelude is None or prelude.star or any(names.star for names in pages)
    before: set[str] = set()
    reported: set[str] = set()
    for snippet, names in zip(asked, pages, strict=True):
        hidden, may_be_missing = _around(snippet, note.programs)
        for use in names.uses:
            if use.name in known or use.name in reported:
                continue
            if use.name in shown:
                early = use.at_once and use.name not in before and names.bound.get(use.name, use.order) >= use.order
                if not (early and use.name in hidden):
                    continue
            elif use.name not in hidden and (open_ended or may_be_missing or use.guarded):
                continue
            reported.add(use.name)
            message = f"`{use.name}` is not shown in the question"
            hint = f"Show what `{use.name}` is, or ask without it: the learner knows built-ins and the prelude's names."
            yield HIDDEN_NAME.at(_place(use, snippet), message, hint, note=note.id)
        before |= names.bound.keys()


def unknown_rule(note: Note, deck: Deck) -> Iterator[Diagnostic]:
    """`allow` names no rule, so it allows nothing.

    Bad:

        <!-- allow: [hidden-names] -->

    Good:

        <!-- allow: [hidden-name] -->
    """
    codes = {rule.code for rule in RULES}
    for word in sorted(note.allow):
        near = difflib.get_close_matches(word, CHECKS, 1) if word not in CHECKS else []
        if near or (re.fullmatch(r"L\d{3}", word) and word not in codes):
            rules = ", ".join(f"`{rule.code}` ({name})" for name, (rule, _) in CHECKS.items())
            hint = (f"Did you mean `{near[0]}`? " if near else "") + f"Rules are {rules}."
            yield UNKNOWN_RULE.at(note.metadata.get("allow", note.heading), f"`{word}` is no rule", hint, note=note.id)


def replaced_name(note: Note, deck: Deck) -> Iterator[Diagnostic]:
    """Code that no card shows changes what the shown code means.

    A learner reads `print` and `asyncio.sleep` as what they are. A set-up, a check or the deck's prelude that binds a
    built-in's name which the shown code reads, or changes a module, makes a card true that is false everywhere else.

    Bad:

        ```python setup
        def print(*values): ...

        asyncio.sleep = quick
        ```

    Good, because the learner sees it and under a name of its own:

        ```python
        def show(*values): ...
        ```
    """
    prelude = deck.config.prelude
    known = read_names(prelude.code) if prelude else None
    for snippet, read in _hidden_steps(note).items():
        within = note.span.start <= snippet.span.start < note.span.end and snippet.span.source is note.span.source
        for found in replacements(snippet.code, _BUILTINS, Names() if snippet is prelude else known or Names(), read):
            hint = "Use a name of its own, or show the code; where this is the lesson, `allow: [L003]` in the note."
            place = snippet.locate(found.line, found.column, found.column + len(found.text))
            message = f"hidden code {found.what}"
            yield REPLACED_NAME.at(place, message, hint, note=note.id if within else None)


CHECKS: dict[str, tuple[Rule, Callable[[Note, Deck], Iterator[Diagnostic]]]] = {
    "hidden-name": (HIDDEN_NAME, hidden_name),
    "unknown-rule": (UNKNOWN_RULE, unknown_rule),
    "replaced-name": (REPLACED_NAME, replaced_name),
}


def _is_asked(snippet: Snippet) -> bool:
    return snippet.side is Side.QUESTION and snippet.is_python and snippet.shown


def _around(snippet: Snippet, programs: Iterable[Program]) -> tuple[set[str], bool]:
    """Names that run before or around a block without being shown, and whether a name may be missing on purpose."""
    for program in programs:
        if snippet in program.steps:
            unseen = [other for other in (*program.setup, *program.steps) if not other.shown]
            names = [read_names(other.code) for other in unseen]
            hidden = set().union(*(found.bound for found in names if found))
            raises = program.raises[1] if program.raises else ""
            return hidden, raises in ("NameError", "UnboundLocalError") or "exception" in program.bugs
    return set(), False


def _hidden_steps(note: Note) -> dict[Snippet, set[str] | None]:
    """What runs before a note's shown code and is on no card, with the names that the shown code reads after it.

    None where that cannot be told.
    """
    found: dict[Snippet, set[str] | None] = {}
    for program in note.programs:
        read = _read_by_shown(program)
        for step in _unseen_before(program):
            before = found.get(step, set())
            found[step] = None if read is None or before is None else before | read
    return found


def _read_by_shown(program: Program) -> set[str] | None:
    """The names that a program's shown code reads before it binds them itself."""
    bound: set[str] = set()
    read: set[str] = set()
    for step in (*program.setup, *program.steps):
        if step.shown:
            names = read_names(step.code)
            if names is None:
                return None
            early = (use for use in names.uses if names.bound.get(use.name, use.order) >= use.order)
            read |= {use.name for use in early} - bound
            bound |= names.bound.keys()
    return read


def _unseen_before(program: Program) -> Iterator[Snippet]:
    """What runs before a program's last block and is on no card."""
    last = program.steps.index(program.blocks[-1]) if program.blocks else 0
    return (step for step in (*program.setup, *program.steps[:last]) if not step.shown)


def _place(use: Use, snippet: Snippet) -> Span:
    lines = snippet.code.split("\n")
    text = lines[use.line - 1] if use.line <= len(lines) else ""
    column = len(text.encode()[: use.byte].decode(errors="ignore"))
    if not text.startswith(use.name, column):  # before 3.12 some positions inside f-strings are off
        match = re.search(rf"\b{re.escape(use.name)}\b", text)
        column = match.start() if match else 0
    return snippet.locate(use.line, column + 1, column + 1 + len(use.name))
