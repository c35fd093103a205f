"""What a run came to, in numbers: the summary line and its JSON form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from generator.diagnostics import Diagnostic, Severity
from generator.notes import Kind
from generator.pipeline import Checked
from generator.verify.findings import NOT_RUN

COUNTS = ("snippets", "verified", "cached", "failed", "norun", "not_run", "out_of_range")
"""What the verifier counts, under the names of the JSON form; the unit is a program; `verified` includes `cached`.
"""


def summary(checked: Sequence[Checked], seconds: float) -> dict[str, object]:
    """The summary of several decks together, as the JSON form has it; its keys are stable from the first release on."""
    notes = [note for item in checked if item.deck for note in item.deck.notes if note not in item.left_out]
    kinds = Counter(note.kind for note in notes)
    runs = [item.verification for item in checked if item.verification]
    counts = {name: sum(getattr(run, name) for run in runs) for name in COUNTS}
    return {
        "notes": len(notes),
        "cards": sum(note.cards for note in notes),
        "kinds": {kind.value: kinds[kind] for kind in Kind if kinds[kind]},
        **counts,
        "seconds": round(seconds, 2),
        "pythons": list(dict.fromkeys(python for run in runs for python in run.pythons)),
        "sandbox": next((run.sandbox for run in runs if run.sandbox), ""),
    }


def summary_line(checked: Sequence[Checked], seconds: float) -> str:
    """The same for a person, on one line; what is zero and good to be zero is left out."""
    numbers = summary(checked, seconds)
    count = {name: _number(numbers[name]) for name in ("notes", "cards", *COUNTS)}
    left_out = sum(len(item.left_out) for item in checked)
    parts = [f"{_of(count['notes'], 'note')}, {_of(count['cards'], 'card')}"]
    verified = f"{count['verified']} of {_of(count['snippets'], 'snippet')} verified"
    parts.append(verified + (f" ({count['cached']} from cache)" if count["cached"] else ""))
    parts += [f"{left_out} left out as unverified"] if left_out else []
    told = {"failed": "failed", "norun": "not meant to run", "not_run": "not run", "out_of_range": "out of range"}
    parts += [f"{count[name]} {words}" for name, words in told.items() if count[name]]
    return "; ".join([*parts, *_how(checked), f"{seconds:.1f} s"])


def _how(checked: Sequence[Checked]) -> list[str]:
    """How snippets were run: interpreters, sandbox with its reason, and the slower of the two ways to start one."""
    run = next((item.verification for item in checked if item.verification and item.verification.pythons), None)
    if run is None:
        return []
    note = f" ({run.sandbox_note})" if run.sandbox_note else ""
    spawned = ["a fresh interpreter for every snippet"] if run.runner == "spawn" else []
    versions = list(run.pythons)
    if len(versions) > 1:
        versions = [f"{name} ({run.by_python[name][0]} of {run.by_python[name][1]})" for name in versions]
    return [f"Python {', '.join(versions)}", f"sandbox {run.sandbox}{note}", *spawned]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def exit_status(diagnostics: Iterable[Diagnostic]) -> int:
    """0 without errors, 4 where code could not be run here and no note is to blame for anything, else 1."""
    codes = {item.code for item in diagnostics if item.severity is Severity.ERROR}
    if not codes:
        return 0
    return 4 if codes == {NOT_RUN.code} else 1


def left_out_line(checked: Checked) -> str:
    """Which notes `--allow-unverified` left out."""
    return f"left out as unverified: {', '.join(note.id for note in checked.left_out)}"
