"""The command line as a person or a script meets it: what is printed where, what is written, which exit status."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from projects import GOOD, WRONG, make_deck, run_python, write_project

HEAVY = ("genanki", "markdown", "pygments", "markdown_it", "nh3", "rich", "yaml", "anki")

THREE_FILES = {
    "a": "---\ndeck: A\n---\n\n## First?\n<!-- id: Wrong_Id -->\n\nAnswer.\n\n## Second?\n<!-- id: second -->\n",
    "b": "---\ndeck: B\n---\n\n## Third?\n<!-- id: third -->\n\n```py\n1\n```\n\n### Ansver\n\nText.\n",
    "c": "---\ndeck: C\n---\n\n" + WRONG,
}
FIVE_PLACES = ["a.md:6:6", "a.md:10:1", "b.md:8:4", "b.md:12:1", "c.md:9:16"]


def places(text: str) -> list[str]:
    return re.findall(r"^source_notes/deck/(\S+:\d+:\d+): [NDVL]\d{3} ", text, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["build", "-h"], ["check", "--help"], ["init"], ["--version"]]
)
def test_starting_is_light(tmp_path: Path, arguments: list[str]) -> None:
    """Help, the version and `init` import nothing of what only a build needs."""
    program = (
        "import sys; from generator.cli import run\n"
        f"status = run({arguments!r})\n"
        f"print(status, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    run = run_python(program, tmp_path)
    assert run.stdout.splitlines()[-1] == "0 []", run.stdout + run.stderr


def test_the_default_command_is_build(tmp_path: Path) -> None:
    """`make-deck`, `make-deck PATH` and `make-deck build` do the same; the summary names the file and the counts."""
    write_project(tmp_path)
    for arguments in ([], ["source_notes/deck"], ["source_notes/deck/first.md"], ["build"]):
        target = tmp_path / "output" / "deck.apkg"
        run = make_deck(tmp_path, *arguments)
        assert run.status == 0, run.out + run.err
        assert run.out.startswith("output/deck.apkg: 2 notes, 2 cards; 1 of 1 snippet verified"), run.out
        assert target.read_bytes()[:2] == b"PK"
        target.unlink()


def test_it_works_from_anywhere_in_the_project(tmp_path: Path) -> None:
    """The project is the nearest parent with source_notes/, and output/ is there too."""
    folder = write_project(tmp_path)
    assert make_deck(folder).status == 0
    assert (tmp_path / "output" / "deck.apkg").exists()


def test_five_faults_in_three_files(tmp_path: Path) -> None:
    """All five come at once, each at its line and column; nothing is written, and the last good deck stays."""
    write_project(tmp_path, **THREE_FILES)
    target = tmp_path / "output" / "deck.apkg"
    assert make_deck(tmp_path).status == 1
    assert not target.exists()
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"the last good deck")
    run = make_deck(tmp_path)
    assert (run.status, places(run.out)) == (1, FIVE_PLACES), run.out
    assert target.read_bytes() == b"the last good deck"
    assert "was not written; 5 errors" in run.err


def test_the_same_epoch_gives_the_same_bytes(tmp_path: Path) -> None:
    """SOURCE_DATE_EPOCH is the time of the build: equal ones give equal files, a later one another."""
    write_project(tmp_path)
    files = []
    for number, epoch in enumerate(["1800000000", "1800000000", "1800000100"]):
        assert make_deck(tmp_path, "-o", f"{number}.apkg", SOURCE_DATE_EPOCH=epoch).status == 0
        files.append((tmp_path / f"{number}.apkg").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "٣", "9" * 30])
def test_a_bad_epoch_is_wrong_usage(tmp_path: Path, epoch: str) -> None:
    """A time that is no time stops with its text, and nothing is built."""
    write_project(tmp_path)
    run = make_deck(tmp_path, SOURCE_DATE_EPOCH=epoch)
    assert (run.status, "SOURCE_DATE_EPOCH" in run.err) == (2, True)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("command", ["build", "check", "preview"])
def test_a_misspelt_demand_for_the_sandbox_is_told(tmp_path: Path, command: str) -> None:
    """What was meant to demand a sandbox never runs without one because of a slip: exit 2 names the values."""
    write_project(tmp_path)
    run = make_deck(tmp_path, command, MAKE_DECK_SANDBOX="required")
    assert (run.status, run.out) == (2, "")
    assert "MAKE_DECK_SANDBOX is 'required'; it takes require, partial or none" in run.err


def test_allow_unverified_says_what_it_left_out(tmp_path: Path) -> None:
    """The deck is written without the note, which is named, and the exit status is 0."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG)
    assert make_deck(tmp_path).status == 1
    run = make_deck(tmp_path, "--allow-unverified")
    assert run.status == 0
    assert "left out as unverified: wrong\n" in run.out
    assert "2 notes, 2 cards; 1 of 2 snippets verified (1 from cache); 1 left out as unverified" in run.out


def test_a_broken_last_deck_is_replaced_with_a_warning(tmp_path: Path) -> None:
    """It cannot say when notes changed: that is told, and a good deck takes its place."""
    write_project(tmp_path)
    target = tmp_path / "output" / "deck.apkg"
    target.parent.mkdir()
    target.write_bytes(b"broken")
    run = make_deck(tmp_path)
    assert run.status == 0
    assert run.out.startswith("output/deck.apkg:1:1: D200 warning: ")
    assert target.read_bytes()[:2] == b"PK"


@pytest.mark.parametrize("target", ["file/deck.apkg", "folder/deck.apkg", "x" * 300])
def test_what_cannot_be_written_is_the_machines_fault(tmp_path: Path, target: str) -> None:
    """A target below a file, where a folder is, or with too long a name: exit 4 and the path."""
    write_project(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "source_notes" / "deck").rename(tmp_path / "deck")
    (tmp_path / "output" / "deck.apkg").mkdir(parents=True)
    run = make_deck(tmp_path, "deck") if target.startswith("folder") else make_deck(tmp_path, "deck", "-o", target)
    assert (run.status, run.out) == (4, "")
    assert target.removeprefix("folder/") in run.err
    assert "Traceback" not in run.err


def test_the_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """Where output/ should be there is a file: that is what the message says."""
    write_project(tmp_path)
    (tmp_path / "output").write_text("mine")
    for command in ("build", "preview"):
        run = make_deck(tmp_path, command)
        assert (run.status, ": output is no folder; --output names another place\n" in run.err) == (4, True), run.err
    assert (tmp_path / "output").read_text() == "mine"


@pytest.mark.parametrize("command", ["build", "preview"])
def test_output_takes_the_place_of_its_own_kind_alone(tmp_path: Path, command: str) -> None:
    """A note, a deck.yaml or any other file that `-o` names by a slip stays; an older deck or page is replaced."""
    folder = write_project(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for path in before:
        run = make_deck(tmp_path, command, "-o", path)
        assert run.status == 2
        assert f"--output would replace source_notes/deck/{path.name}, which is no ." in run.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for _ in range(2):
        assert make_deck(tmp_path, command, "-o", "without-a-suffix").status == 0
    assert make_deck(tmp_path, command, "-o", "folder/without-a-suffix").status == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chekc"], "did you mean `check`?"),
        (["no-such-file.md"], "there is no command and no path 'no-such-file.md'"),
        (["check", "no-such-file.md"], "no-such-file.md"),
        (["check", "outside.md"], "belongs to no deck"),
        (["check", "source_notes/deck/README.md"], "is no topic file"),
        (["check", "source_notes/deck/media"], "belongs to no deck"),
        (["--no-such-option"], "--no-such-option"),
        (["check", "--format", "xml"], "xml"),
        (["check", "--python", ""], "--python is empty"),
        (["preview", "--port", "8000"], "--port is for --serve"),
        (["preview", "--serve", "-o", "x.html"], "--serve writes no file"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], told: str) -> None:
    """Exit 2 with a sentence on stderr that names what is wrong."""
    folder = write_project(tmp_path)
    (folder / "media").mkdir()
    (folder / "README.md").write_text("# For readers\n")
    (tmp_path / "outside.md").write_text(GOOD)
    run = make_deck(tmp_path, *arguments)
    assert (run.status, run.out) == (2, "")
    assert told in run.err


def test_without_a_project_the_way_out_is_told(tmp_path: Path) -> None:
    """No source_notes/ above: exit 2, and `make-deck init` is named."""
    run = make_deck(tmp_path)
    assert (run.status, "make-deck init" in run.err) == (2, True)


def test_several_decks(tmp_path: Path) -> None:
    """Each gets a file of its own; a fault in one keeps only that one back; -o takes one deck alone."""
    write_project(tmp_path, name="one")
    write_project(tmp_path, name="two", first=WRONG.join(["---\ndeck: X\n---\n\n", ""]))
    run = make_deck(tmp_path)
    assert run.status == 1
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["one.apkg"]
    assert make_deck(tmp_path, "-o", "x.apkg").status == 2
    assert make_deck(tmp_path, "source_notes/one", "-o", "x.apkg").status == 0


def test_a_deck_outside_a_project_is_built_by_its_path(tmp_path: Path) -> None:
    """Its package goes to output/ beside where the command was started."""
    folder = write_project(tmp_path / "project")
    alone = folder.rename(tmp_path / "alone")
    run = make_deck(tmp_path, alone)
    assert run.status == 0, run.err
    assert (tmp_path / "output" / "alone.apkg").exists()


def test_check_writes_nothing_and_prints_problems_alone(tmp_path: Path) -> None:
    """Diagnostics are the result and go to stdout; progress and the summary go to stderr."""
    write_project(tmp_path, **THREE_FILES)
    run = make_deck(tmp_path, "check")
    assert (run.status, places(run.out)) == (1, FIVE_PLACES)
    assert "5 errors, 0 warnings; " in run.err
    assert not (tmp_path / "output").exists()
    quiet = make_deck(tmp_path, "check", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (1, run.out, "")


def test_check_of_one_file(tmp_path: Path) -> None:
    """A PATH chooses what is run and reported: faults in other files are not its business."""
    write_project(tmp_path, good=GOOD, **THREE_FILES)
    assert make_deck(tmp_path, "check", "source_notes/deck/good.md").status == 0
    run = make_deck(tmp_path / "source_notes", "check", "deck/c.md", "deck/a.md")
    assert (run.status, places(run.out)) == (1, [FIVE_PLACES[0], FIVE_PLACES[1], FIVE_PLACES[4]])


def test_check_as_json(tmp_path: Path) -> None:
    """One object on stdout, with the keys that scripts rely on."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG)
    run = make_deck(tmp_path, "check", "--format", "json")
    assert run.status == 1
    assert list(run.json) == ["diagnostics", "summary"]
    (problem,) = run.json["diagnostics"]
    assert (problem["note"], problem["finding"], problem["severity"]) == ("wrong", "wrong-output", "error")
    summary = run.json["summary"]
    assert list(summary) == [
        "notes", "cards", "kinds", "snippets", "verified", "cached", "failed", "norun", "not_run", "out_of_range",
        "seconds", "pythons", "sandbox",
    ]  # fmt: skip
    assert (summary["notes"], summary["cards"], summary["kinds"]) == (3, 3, {"question": 3})
    assert (summary["snippets"], summary["verified"], summary["failed"]) == (2, 1, 1)
    assert summary["pythons"]


def test_check_for_github(tmp_path: Path) -> None:
    """A workflow command for each problem, at its place."""
    write_project(tmp_path, first="---\ndeck: X\n---\n\n" + WRONG)
    run = make_deck(tmp_path, "check", "--format", "github")
    assert run.status == 1
    assert run.out.startswith("::error file=source_notes/deck/first.md,line=9,col=")


def test_no_run_runs_nothing(tmp_path: Path) -> None:
    """Wrong code is not found, and everything is counted as not run."""
    write_project(tmp_path, first=GOOD + "\n" + WRONG)
    run = make_deck(tmp_path, "check", "--no-run", "--format", "json")
    assert run.status == 0
    assert (run.json["summary"]["not_run"], run.json["summary"]["verified"]) == (2, 0)


def test_warnings_and_strict(tmp_path: Path) -> None:
    """A draft without an id is a warning and exit 0; with --strict it is an error and exit 1."""
    write_project(tmp_path, first="---\ndeck: First\n---\n\n## A draft?\n\nAnswer.\n")
    assert (make_deck(tmp_path, "check").status, make_deck(tmp_path, "check", "--strict").status) == (0, 1)


@pytest.mark.parametrize("link", ["output", "output/deck.apkg"])
def test_a_link_in_place_of_the_output_is_not_followed(tmp_path: Path, link: str) -> None:
    """It may have come with a stranger's change; who means it names the file."""
    root = tmp_path / "project"
    write_project(root, first=GOOD)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "deck.apkg").write_bytes(b"mine")
    (root / "output").mkdir() if "/" in link else None
    (root / link).symlink_to(victim if link == "output" else victim / "deck.apkg")
    ran = make_deck(root)
    assert ran.status == 4
    assert "--output" in ran.err
    assert (victim / "deck.apkg").read_bytes() == b"mine"


def test_json_holds_no_command_for_a_runner(tmp_path: Path) -> None:
    """`##[cmd]` in a note reaches a reader of JSON, and no runner that reads the log."""
    write_project(tmp_path, first="---\ndeck: A\n---\n## ##[error]x\n<!--\nid: a\nodd: ##[add-path]y\n-->\n\nA.\n")
    ran = make_deck(tmp_path, "check", "--format", "json")
    assert "##[" not in ran.out
    assert ran.json["diagnostics"]


def test_update_writes_what_is_printed(tmp_path: Path) -> None:
    """Expectations alone change; what differs from run to run is refused and told."""
    note = "## Q {0}?\n<!-- id: {0} -->\n\nA.\n\n```python\nprint({1})  #> x\n```\n\n"
    notes = "---\ndeck: A\n---\n" + note.format("a", 1) + note.format("b", "{'a', 'b', 'c', 'd'}")
    path = write_project(tmp_path, first=notes) / "first.md"
    before = path.read_text(encoding="utf-8")
    ran = make_deck(tmp_path, "check", "--update")
    assert path.read_text(encoding="utf-8") == before.replace("print(1)  #> x", "print(1)  #> 1")
    assert "1 expectation updated" in ran.out
    assert "V040" in ran.out
    assert ran.status == 1


def test_doctor_tells_of_the_sandbox(tmp_path: Path) -> None:
    """Versions, interpreters, the sandbox and the way out, on a machine with a weaker one as well."""
    full = make_deck(tmp_path, "doctor")
    weak = make_deck(tmp_path, "doctor", MAKE_DECK_SANDBOX="none")
    assert (full.status, weak.status) == (0, 0)
    assert "sandbox: none" in weak.out
    assert "why: MAKE_DECK_SANDBOX asks for it" in weak.out
    assert f"Python {sys.version.split()[0]}" in full.out
