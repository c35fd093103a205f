"""Every finding is found, by name, on its line, and nothing else is; under fork and in fresh interpreters."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from decks import deck_of
from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic
from generator.parse.info import BUGS
from generator.verify import Options, verify_deck
from generator.verify.findings import FINDINGS, OUT_OF_RANGE

pytestmark = pytest.mark.sandbox  # a partial sandbox refuses sockets, which some of the programs need
BAD = Path(__file__).parent / "bad"
EXPECTATION = re.compile(r"# finds: ([a-z, -]+)$")
RANGE = re.compile(r'python: "(.+)"$')
THIS = ".".join(map(str, sys.version_info[:3]))


def expected(folder: Path) -> list[tuple[str, int, str]]:
    """(file, line, finding) of every `# finds:` comment, but for notes that are not for this Python."""
    found = []
    for path in sorted(folder.glob("*.md")):
        in_range = True
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            asked = RANGE.match(line)
            if line.startswith("## ") or asked:
                in_range = asked is None or SpecifierSet(asked[1]).contains(THIS, prereleases=True)
            match = EXPECTATION.search(line)
            for name in match[1].split(",") if match and in_range else ():
                found.append((f"{folder.name}/{path.name}", number, name.strip()))
    return sorted(found)


def places(diagnostics: list[Diagnostic]) -> list[tuple[str, int, str]]:
    return sorted(
        (item.span.file, item.span.line, item.finding or item.code)
        for item in diagnostics
        if item.code != OUT_OF_RANGE.code
    )


@pytest.mark.parametrize("runner", ["fork", "spawn"])
def test_every_bad_program_is_found_out(runner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found is exactly what the notes say, in both ways of running."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", runner)
    verification, diagnostics = verify_deck(deck_of(BAD), Options(cache=False))
    assert verification.runner == runner
    assert places(diagnostics) == expected(BAD)


def test_every_finding_has_a_bad_program() -> None:
    """No name in the list of findings goes untested; `timeout` is named by `bug=`."""
    named = {name for _, _, name in expected(BAD)}
    assert named | {"timeout"} == set(FINDINGS)


def test_the_notes_may_name_every_finding_that_can_be_a_lesson() -> None:
    """The parser's list of bug names and the verifier's are one; neither stage imports the other."""
    assert set(BUGS) == {name for name, known in FINDINGS.items() if known.nameable}
