"""The command line and the terminal: streams that are closed, full or of another encoding, colours, Ctrl-C, and
what is told of a fault of our own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from projects import WRONG, environment, make_deck, run_python, write_project


def test_output_is_utf8_in_any_locale(tmp_path: Path) -> None:
    """Also where the locale says ASCII and Python would follow it."""
    write_project(tmp_path, first="---\ndeck: Ü\n---\n\n## Größe?\n<!-- id: größe -->\n\nAntwort — 答え.\n")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    run = make_deck(tmp_path, "check", **ascii_only)
    assert run.status == 1
    assert "größe" in run.out


def test_a_reader_who_leaves_is_no_fault(tmp_path: Path) -> None:
    """With stdout closed at the other end, the work is done and the status is the work's."""
    write_project(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "generator"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert run.returncode == 0
    assert "Error" not in run.stderr
    assert (tmp_path / "output" / "deck.apkg").exists()


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while snippets run: exit 130 without a traceback, and nothing is written."""
    quick = '## Quick?\n<!-- id: quick -->\n\nYes.\n\n```python\nprint("quick")  #> quick\n```\n\n'
    endless = "## Endless?\n<!-- id: endless -->\n\nYes.\n\n```python script\nwhile True:\n    pass\n```\n"
    write_project(tmp_path, first="---\ndeck: X\n---\n\n" + quick + endless)
    command = [sys.executable, "-m", "generator"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    assert process.stderr
    said = [process.stderr.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[1]
    assert said[1].endswith("1 of 2 runs\n")
    assert (process.returncode, rest.lstrip()) == (130, "make-deck: interrupted\n")
    assert not (tmp_path / "output").exists()


def test_a_fault_of_ours_is_told_as_ours(tmp_path: Path) -> None:
    """Exit 3, no traceback on the terminal, and a file to send that has it; MAKE_DECK_TRACEBACK=1 shows it."""
    program = (
        "from generator import cli, selection\n"
        "def fail(*arguments): raise RuntimeError('something impossible')\n"
        "selection.select = fail\n"
        "raise SystemExit(cli.run(['check']))"
    )
    run = run_python(program, tmp_path, TMPDIR=str(tmp_path))
    assert (run.returncode, run.stdout) == (3, "")
    assert "a fault of make-deck, not of your notes: RuntimeError: something impossible" in run.stderr
    assert "Traceback" not in run.stderr
    (report,) = tmp_path.glob("make-deck-*.txt")
    assert str(report) in run.stderr
    assert "Traceback" in report.read_text()
    assert "Traceback" in run_python(program, tmp_path, TMPDIR=str(tmp_path), MAKE_DECK_TRACEBACK="1").stderr


def test_interrupted_at_the_very_start(tmp_path: Path) -> None:
    """Ctrl-C while the command line is still being loaded: exit 130 and a sentence as well."""
    program = (
        "import sys, generator.__main__\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'generator.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "generator.__main__.main()"
    )
    run = run_python(program, tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "make-deck: interrupted\n")


@pytest.mark.parametrize("arguments", [["--help"], ["check"], ["check", "--format", "json"], ["doctor"]])
def test_a_full_disk_is_the_machines_fault(tmp_path: Path, arguments: list[str]) -> None:
    """Where the output cannot be kept, exit 4 says so, and why."""
    write_project(tmp_path, first="---\ndeck: X\n---\n\n" + WRONG)
    command = [sys.executable, "-m", "generator", *arguments]
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            command, cwd=tmp_path, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (run.returncode, run.stderr.splitlines()[-1]) == (
        4,
        "make-deck: cannot write the output: No space left on device",
    )


@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
def test_closed_streams_are_no_fault(tmp_path: Path, closed: str) -> None:
    """Started with stdout or stderr closed (`>&-`), it works and says what it still can."""
    write_project(tmp_path)
    shell = " ".join([f'exec "{sys.executable}" -m generator', *(f"{number}>&-" for number in closed.split())])
    run = subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert run.returncode == 0
    assert "fault" not in run.stderr
    assert (tmp_path / "output" / "deck.apkg").exists()


@pytest.mark.parametrize(("terminal", "has_bar"), [("xterm", True), ("dumb", False)])
def test_a_bar_on_a_terminal_that_can_show_it(tmp_path: Path, terminal: str, has_bar: bool) -> None:
    """A dumb terminal gets the plain lines that a pipe gets, and no control sequence."""
    write_project(tmp_path)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "generator", "check"]
    run = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path, TERM=terminal), stderr=theirs)
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert run.returncode == 0
    assert ("\x1b" in said, "make-deck: checking deck: 1 of 1 runs" in said) == (has_bar, not has_bar), said


@pytest.mark.parametrize(
    ("variables", "has_colors"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colors_on_a_terminal_alone(tmp_path: Path, variables: dict[str, str], has_colors: bool) -> None:
    """Place, code and carets stand out where colours can be shown and are wanted; the text is that of a pipe."""
    write_project(tmp_path, first="---\ndeck: X\n---\n\n" + WRONG)
    plain = make_deck(tmp_path, "check", **variables).out
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "generator", "check", "-q"]
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path, **variables), stdout=theirs, check=False)
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode().replace("\r\n", "\n")
    os.close(ours)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", said) == plain
    colored = ["\x1b[1msource_notes/deck/first.md:9:16:\x1b[0m \x1b[31mV003\x1b[0m ", "\x1b[31m^^^^^^^\x1b[0m\n"]
    assert [part in said for part in colored] == [has_colors] * 2, said
