"""The parser, specified by two folders of files: notes/good with what they parse to, notes/bad with what is wrong.

A bad file says what must be found, and nothing else may be, in comments `expect: CODE line:column`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
from parsing import CONFIG, FRONT, NOTES, all_spans, codes, dump, parse_all, parse_text

import generator.lint
import generator.parse
from generator.diagnostics import Rule, Severity
from generator.parse.metadata import YamlRules

GOOD = sorted((NOTES / "good").glob("*.md"))
BAD = sorted((NOTES / "bad").glob("*.md"))
BAD_DECKS = sorted((NOTES / "bad").glob("*.yaml"))
PLAIN_NOTE = f"{FRONT}## Q\n<!-- id: q -->\n\nA.\n".encode()

BYTES = {
    "not UTF-8": (b"caf\xe9", "N001 9:4"),
    "a control character": (b"a\x00b", "N002 9:2"),
    "a change of direction": ("a\u202eb".encode(), "N003 9:2"),
}
"""What no text editor writes: bytes in an answer, and what is found."""


def expectations(path: Path) -> list[str]:
    return re.findall(r"expect: ([A-Z]\d{3} \d+:\d+)", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_parses_to_what_stands_beside_it(path: Path, pytestconfig: pytest.Config) -> None:
    """Each note, its parts, code, programs and values, and where everything stands, are as the .json says."""
    deck, found = parse_text(path.read_bytes(), path.name)
    assert [fault for fault in found if fault.severity is Severity.ERROR] == []
    data = {"files": dump(deck), "warnings": codes(found)}
    golden = path.with_suffix(".json")
    if pytestconfig.getoption("--regenerate", False):
        golden.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert data == json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gives_exactly_the_faults_it_says(path: Path) -> None:
    """Each fault stands at its line and column, none hides another, none brings others with it."""
    _, found = parse_text(path.read_bytes(), path.name)
    assert codes(found) == sorted(expectations(path), key=_place)
    assert all(fault.hint for fault in found)


@pytest.mark.parametrize("path", BAD_DECKS, ids=lambda path: path.stem)
def test_a_bad_deck_yaml_gives_exactly_the_faults_it_says(path: Path) -> None:
    """As with notes; the good note beside it brings no fault."""
    _, found = parse_all(("01.md", PLAIN_NOTE), config=path.read_bytes())
    assert codes(found) == sorted(expectations(path), key=_place)
    assert {fault.span.file for fault in found} == {"source_notes/deck/deck.yaml"}
    assert all(fault.hint for fault in found)


@pytest.mark.parametrize(("data", "expected"), BYTES.values(), ids=BYTES)
def test_bad_bytes_are_found_where_they_stand(data: bytes, expected: str) -> None:
    """Columns count characters, and the note with the bad byte is left out, the others are not."""
    text = PLAIN_NOTE.replace(b"A.\n", b"A.\n" + data + b"\n") + b"\n## R\n<!-- id: r -->\n\nA.\n"
    deck, found = parse_text(text)
    assert codes(found) == [expected]
    assert [note.id for note in deck.notes] == ["r"]


@pytest.mark.parametrize("bom", ["utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_one_fault(bom: str) -> None:
    """Not one for every second byte."""
    _, found = parse_text("\ufeff---\ndeck: X\n---\n".encode(bom))
    assert codes(found) == ["N004 1:1"]


def test_a_note_with_an_error_is_left_out_and_the_others_stay() -> None:
    """A deck is not lost with one note: its other notes are linted, run and shown."""
    deck, _ = parse_text((NOTES / "bad" / "guids.md").read_bytes())
    assert [note.id for note in deck.notes] == ["one"]


def test_every_rule_is_provoked() -> None:
    """No rule of this stage is without a file, or a row of the table above, that breaks it."""
    provoked = {expected.split()[0] for path in [*BAD, *BAD_DECKS] for expected in expectations(path)}
    provoked |= {expected.split()[0] for _, expected in BYTES.values()} | {"N004"}
    assert provoked == {rule.code for rule in stage_rules()}


def test_no_two_rules_have_the_same_code() -> None:
    """A code means one thing; those of parsing lie below N200, D100 and L100."""
    rules = stage_rules()
    assert len({rule.code for rule in rules}) == len(rules)
    assert all(rule.code < limit for rule in rules for limit in ("N200", "D100", "L100") if rule.code[0] == limit[0])


@pytest.mark.parametrize("path", [*GOOD, *BAD], ids=lambda path: path.stem)
def test_every_place_lies_in_its_file(path: Path) -> None:
    """Whatever a span belongs to, it is a stretch of the text it names."""
    deck, found = parse_text(path.read_bytes(), path.name)
    for span in all_spans(deck, found):
        assert 0 <= span.start <= span.end <= len(span.source.text)


@pytest.mark.parametrize("path", [*GOOD, *BAD], ids=lambda path: path.stem)
def test_line_ends_change_nothing(path: Path) -> None:
    """A file with `\\r\\n`, with a BOM or with both gives the same notes and faults at the same places."""
    data = path.read_bytes()
    expected = _comparable(data, path.name)
    assert _comparable(data.replace(b"\n", b"\r\n"), path.name) == expected
    assert _comparable(b"\xef\xbb\xbf" + data, path.name) == expected
    assert _comparable(data.replace(b"\n", b"\r"), path.name) == expected


def _comparable(data: bytes, name: str) -> object:
    deck, found = parse_text(data, name)
    return dump(deck), codes(found)


def _place(expected: str) -> tuple[int, int, str]:
    code, place = expected.split()
    line, column = place.split(":")
    return int(line), int(column), code


def stage_rules() -> set[Rule]:
    """Every Rule that a module of the parse or lint stage declares."""
    rules = set()
    for package in (generator.parse, generator.lint):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            values = list(vars(importlib.import_module(module.name)).values())
            rules |= {value for value in values if isinstance(value, Rule)}
            for yaml_rules in (value for value in values if isinstance(value, YamlRules)):
                fields = (getattr(yaml_rules, name) for name in yaml_rules.__slots__)
                rules |= {field for field in fields if isinstance(field, Rule)}
        rules |= {value for value in vars(package).values() if isinstance(value, Rule)}
    return rules


def test_the_config_of_these_tests_is_good() -> None:
    """A fault in it would stand in every result."""
    assert parse_all(("01.md", PLAIN_NOTE), config=CONFIG)[1] == []
