"""From a folder to bytes: what stops a build, what ships, and what is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from projects import GOOD, NOWHERE, WRONG, write_project

from generator import verify
from generator.notes import Verdict
from generator.package import read_package
from generator.pipeline import Checked, Options, build_deck, check_deck

NOW = 1_800_000_000
BAD_HEADING = (
    "---\ndeck: Second\n---\n\n## Question?\n<!-- id: second -->\n\nAnswer.\n\n## Empty?\n<!-- id: empty -->\n"
)


def checked(root: Path, options: Options | None = None) -> Checked:
    options = replace(options or Options(), verify=verify.Options(cache=False))
    return check_deck(root / "source_notes" / "deck", root, options)


def verdicts(result: Checked) -> dict[str, Verdict]:
    assert result.verification
    return dict(result.verification.verdicts)


def test_a_good_deck_becomes_a_package(tmp_path: Path) -> None:
    """Notes with right code come out clean, verified, and as many as there are."""
    write_project(tmp_path)
    result = checked(tmp_path)
    assert result.diagnostics == ()
    assert verdicts(result) == {"prints-three": Verdict.VERIFIED}
    data, problems = build_deck(result, None, "output/deck.apkg", NOW)
    assert problems == []
    assert len(read_package(data).notes) == 2


def test_faults_of_all_stages_come_at_once_and_nothing_is_built(tmp_path: Path) -> None:
    """A fault of form in one file and wrong code in another are both reported, in order, and no bytes come out."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG, second=BAD_HEADING)
    result = checked(tmp_path)
    assert [item.span.file.rpartition("/")[2] for item in result.diagnostics] == ["first.md", "second.md"]
    assert {item.code[0] for item in result.diagnostics} == {"V", "N"}
    assert build_deck(result, None, "output/deck.apkg", NOW) == (b"", [])


def test_allow_unverified_leaves_out_what_was_found_wrong(tmp_path: Path) -> None:
    """The other notes are built; the finding stays on the page as a warning, and the note is named."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG)
    result = checked(tmp_path, Options(allow_unverified=True))
    assert [note.id for note in result.left_out] == ["wrong"]
    assert [item.severity.value for item in result.diagnostics] == ["warning"]
    data, _ = build_deck(result, None, "output/deck.apkg", NOW)
    assert len(read_package(data).notes) == 2


def test_allow_unverified_forgives_no_other_fault(tmp_path: Path) -> None:
    """A fault of form stops the build all the same."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG, second=BAD_HEADING)
    result = checked(tmp_path, Options(allow_unverified=True))
    assert result.failed
    assert build_deck(result, None, "output/deck.apkg", NOW)[0] == b""


@pytest.mark.parametrize("note", [WRONG, NOWHERE])
def test_mark_ships_what_could_not_be_proved_with_a_label(tmp_path: Path, note: str) -> None:
    """Under `verify: mark` every note ships; the unproved one is warned of and carries a label, the others do not."""
    write_project(tmp_path, verify="mark", first=GOOD + "\n" + note)
    result = checked(tmp_path)
    assert not result.failed
    assert {item.severity.value for item in result.diagnostics} == {"warning"}
    data, _ = build_deck(result, None, "output/deck.apkg", NOW)
    labelled = ["not run" in dict(packed.fields)["Badge"].lower() for packed in read_package(data).notes]
    assert sorted(labelled) == [False, False, True]


def test_off_runs_nothing(tmp_path: Path) -> None:
    """Under `verify: off` code that would fail ships, and is counted as not run."""
    write_project(tmp_path, verify="off", first=GOOD + "\n" + WRONG)
    result = checked(tmp_path)
    assert not result.failed
    assert result.verification
    assert (result.verification.not_run, result.verification.verified) == (2, 0)


def test_chosen_files_alone_are_run_and_reported_but_all_are_parsed(tmp_path: Path) -> None:
    """A fault in another file is not reported, unless it is about a chosen one: two notes with one id, say."""
    same = "---\ndeck: Third\n---\n\n## Plain?\n<!-- id: plain -->\n\nAnswer.\n"
    write_project(tmp_path, first=GOOD, second="---\ndeck: Second\n---\n\n" + WRONG)
    chosen = Options(files=frozenset(["source_notes/deck/first.md"]))
    result = checked(tmp_path, chosen)
    assert result.diagnostics == ()
    assert verdicts(result)["prints-three"] is Verdict.VERIFIED
    assert verdicts(result).get("wrong", Verdict.NOT_RUN) is Verdict.NOT_RUN
    (tmp_path / "source_notes/deck/third.md").write_text(same)
    assert checked(tmp_path, chosen).failed


def test_strict_makes_errors_of_warnings(tmp_path: Path) -> None:
    """A draft without an id is a warning, and under `strict` an error."""
    write_project(tmp_path, first="---\ndeck: First\n---\n\n## A draft?\n\nAnswer.\n")
    assert not checked(tmp_path).failed
    assert checked(tmp_path, Options(strict=True)).failed


def test_unchanged_notes_keep_their_time(tmp_path: Path) -> None:
    """The package of the last build says when each note changed; a later build moves only the edited one."""
    write_project(tmp_path)
    first, _ = build_deck(checked(tmp_path), None, "output/deck.apkg", NOW)
    (tmp_path / "source_notes/deck/first.md").write_text(GOOD.replace("that `await` runs", "which `await` runs"))
    second, _ = build_deck(checked(tmp_path), first, "output/deck.apkg", NOW + 100)
    assert sorted(note.mod for note in read_package(second).notes) == [NOW, NOW + 100]


@pytest.mark.parametrize("previous", [b"", b"not a package", b"PK\x05\x06" + bytes(18)])
def test_a_last_package_that_cannot_be_read_is_replaced(tmp_path: Path, previous: bytes) -> None:
    """It is warned of at its path, and the build goes on as if there were none."""
    write_project(tmp_path)
    result = checked(tmp_path)
    data, problems = build_deck(result, previous, "output/deck.apkg", NOW)
    assert [(item.code, item.span.file, item.severity.value) for item in problems] == [
        ("D200", "output/deck.apkg", "warning")
    ]
    assert data == build_deck(result, None, "output/deck.apkg", NOW)[0]


def test_progress_ends_at_all_programs(tmp_path: Path) -> None:
    """The callback hears of every program, and last of the last."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG)
    heard: list[tuple[int, int]] = []
    check_deck(tmp_path / "source_notes" / "deck", tmp_path, Options(), lambda done, total: heard.append((done, total)))
    assert heard[-1] == (2, 2)
