"""The stage: interpreters, ranges, cache, clocks and limits, on small decks made for each test."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from generator import parse, read
from generator.notes import Deck, Verdict
from generator.verify import MachineError, Options, Verification, cache, verify_deck
from generator.verify.rewrite import applied

HEAD = "---\ndeck: A\n---\n"
Maker = Callable[..., Deck]


@pytest.fixture
def deck(tmp_path: Path) -> Maker:
    """Makes a deck from notes, each (id, body), and lines for deck.yaml."""

    def make(*notes: tuple[str, str], config: str = "") -> Deck:
        folder = tmp_path / "deck"
        folder.mkdir(exist_ok=True)
        settings = f'format: 1\nname: A\nnamespace: a\nprelude: "import asyncio"\n{config}'
        (folder / "deck.yaml").write_text(settings, encoding="utf-8")
        text = HEAD + "".join(f"\n## Question {name}?\n<!--\nid: {name}\n-->\n\n{body}\n" for name, body in notes)
        (folder / "01-a.md").write_text(text, encoding="utf-8")
        found, problems = read.read_deck(folder, tmp_path)
        made, more = parse.parse_deck(found)
        assert made is not None
        assert [*problems, *more] == []
        return made

    return make


def python(code: str, words: str = "") -> str:
    return f"```python {words}".rstrip() + f"\n{code}\n```"


def codes(found: tuple[Verification, Sequence[object]]) -> list[str]:
    return [item.code for item in found[1]]  # type: ignore[attr-defined]


def test_passes_are_kept_and_failures_are_not(deck: Maker, tmp_path: Path) -> None:
    """The second run takes the pass from the cache and runs the failure again."""
    made = deck(("good", python("print(1)  #> 1")), ("bad", python("1 / 0")))
    options = Options(cache_folder=tmp_path / "cache")
    first, _ = verify_deck(made, options)
    second, problems = verify_deck(made, options)
    assert (first.cached, second.cached) == (0, 1)
    assert second.verdicts == {"good": Verdict.VERIFIED, "bad": Verdict.FAILED}
    assert [item.finding for item in problems] == ["exception"]


@pytest.mark.parametrize("change", ["code", "output", "prelude", "setup", "limits", "words"])
def test_whatever_can_change_a_verdict_changes_the_key(deck: Maker, tmp_path: Path, change: str) -> None:
    """Another code, expectation, prelude, set-up, limit or word on the fence is run anew."""
    options = Options(cache_folder=tmp_path / "cache")

    def body(changed: str) -> str:
        setup = python("x = 2" if changed == "setup" else "x = 1", "setup")
        shown = python("print(6 - 3)" if changed == "code" else "print(3)", "script" if changed == "words" else "")
        return f"{setup}\n\n{shown}\n\n```output\n{'...' if changed == 'output' else '3'}\n```"

    verify_deck(deck(("a", body(""))), options)
    assert verify_deck(deck(("a", body(""))), options)[0].cached == 1
    config = {"limits": "limits: {wall: 9}\n", "prelude": ""}.get(change, "")
    made = deck(("a", body(change)), config=config)
    if change == "prelude":
        path = made.folder / "deck.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("import asyncio", "import time"), encoding="utf-8")
        reread, _ = parse.parse_deck(read.read_deck(made.folder, tmp_path)[0])
        assert reread is not None
        made = reread
    verification, problems = verify_deck(made, options)
    assert problems == []
    assert verification.cached == 0


def test_a_damaged_cache_is_made_anew(deck: Maker, tmp_path: Path) -> None:
    """Rubbish where the cache should be costs a run, not an error; afterwards the cache works again."""
    made = deck(("good", python("print(1)")))
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "verdicts-2.sqlite").write_bytes(b"rubbish" * 1000)
    options = Options(cache_folder=folder)
    assert [verify_deck(made, options)[0].cached for _ in range(2)] == [0, 1]


def test_a_cache_that_cannot_be_written_is_no_error(deck: Maker, tmp_path: Path) -> None:
    """Where a file stands in the way of the folder, everything is run."""
    (tmp_path / "cache").write_text("", encoding="utf-8")
    verification, problems = verify_deck(deck(("good", python("print(1)"))), Options(cache_folder=tmp_path / "cache"))
    assert problems == []
    assert verification.verified == 1


def test_old_entries_are_dropped(tmp_path: Path) -> None:
    """An entry that nobody has asked for in two months goes with the next save."""
    keys = [cache.key("a"), cache.key("b")]
    with cache.passes(tmp_path) as store:
        for key in keys:
            store.put(key)
    with sqlite3.connect(tmp_path / "verdicts-2.sqlite") as base:
        base.execute("UPDATE kept SET used = 1 WHERE key = ?", (keys[0],))
    base.close()
    with cache.passes(tmp_path):
        pass
    with cache.passes(tmp_path) as store:
        assert store.known(keys) == {keys[1]: b""}


def test_a_note_out_of_range_is_told_and_not_run(deck: Maker) -> None:
    """It is counted, warned of, and gets its own verdict."""
    found = verify_deck(
        deck(("new", "<!-- x -->\n\n" + python("1 / 0")), config='python: ">=3.99"\n'), Options(cache=False)
    )
    assert found[0].verdicts == {"new": Verdict.OUT_OF_RANGE}
    assert found[0].out_of_range == 1
    assert codes(found) == ["V034"]


def test_a_range_is_proved_from_outside(deck: Maker) -> None:
    """A range that leaves out a version on which the note passes is too narrow; one that must leave it out is not."""
    made = deck(("a", python("print(1)")), ("b", python("import nowhere")))
    path = made.folder / "01-a.md"
    text = path.read_text(encoding="utf-8")
    for name in ("a", "b"):
        text = text.replace(f"id: {name}\n", f'id: {name}\npython: ">=3.99"\n')
    path.write_text(text, encoding="utf-8")
    ranged, _ = parse.parse_deck(read.read_deck(made.folder, made.folder.parent)[0])
    assert ranged is not None
    _, problems = verify_deck(ranged, Options(cache=False, prove_ranges=True))
    assert [item.note for item in problems if item.code == "V037"] == ["a"]


def test_an_interpreter_that_is_not_there(deck: Maker) -> None:
    """It is the machine's fault, named as such."""
    with pytest.raises(MachineError, match=r"3\.99"):
        verify_deck(deck(("a", python("print(1)"))), Options(cache=False, pythons=("3.99",)))


def test_each_python_has_its_own_count(deck: Maker) -> None:
    """Of two names for interpreters of one version there is one count; notes out of its range don't count."""
    made = deck(("a", python("print(1)")), ("b", python("1 / 0")))
    verification, _ = verify_deck(made, Options(cache=False))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert verification.by_python == {version: (1, 2)}


def test_limits_of_the_deck_hold(deck: Maker) -> None:
    """A lower limit of output in deck.yaml stops a program that the default would let pass."""
    made = deck(("a", python('print("x" * 3000)')), config="limits: {output: 1000}\n")
    assert [item.finding for item in verify_deck(made, Options(cache=False))[1]] == ["too-much-output"]


@pytest.mark.parametrize("real", [False, True])
def test_both_clocks_tell_the_same(deck: Maker, real: bool) -> None:
    """A sleep takes the time it says, on the virtual clock without waiting."""
    code = (
        "import time\nstart = time.perf_counter()\nawait asyncio.sleep(0.2)\n"
        "print(0.19 < time.perf_counter() - start < 5)  #> True"
    )
    assert verify_deck(deck(("a", python(code))), Options(cache=False, real_clock=real))[1] == []


def test_selected_notes_alone_are_run(deck: Maker) -> None:
    """The others have no verdict at all."""
    made = deck(("a", python("1 / 0")), ("b", python("print(1)")))
    verification, problems = verify_deck(made, Options(cache=False), selected={"b"})
    assert problems == []
    assert verification.verdicts == {"b": Verdict.VERIFIED}


def test_nothing_is_run_on_request(deck: Maker) -> None:
    """`run=False` looks at a stranger's note without running it."""
    verification, problems = verify_deck(deck(("a", python("1 / 0"))), Options(run=False))
    assert problems == []
    assert (verification.verdicts, verification.not_run) == ({"a": Verdict.NOT_RUN}, 1)


def test_norun_is_counted(deck: Maker) -> None:
    """Code that its author says cannot run is told apart from code that was proved."""
    made = deck(("a", python("import pandas", 'norun="needs pandas"')), ("b", python("print(1)")))
    verification, problems = verify_deck(made, Options(cache=False))
    assert problems == []
    assert (verification.norun, verification.verified) == (1, 1)
    assert verification.verdicts == {"a": Verdict.NORUN, "b": Verdict.VERIFIED}


def test_set_up_must_not_print(deck: Maker) -> None:
    """What it printed would be on no card."""
    made = deck(("a", python('print("x")', "setup") + "\n\n" + python("print(1)  #> 1")))
    assert codes(verify_deck(made, Options(cache=False))) == ["V032"]


def test_a_bug_that_is_gone_is_an_error(deck: Maker) -> None:
    """A bug card whose bug is gone is a false card."""
    made = deck(("a", python("await asyncio.sleep(0)", "bug=never-awaited")))
    assert codes(verify_deck(made, Options(cache=False))) == ["V030"]


def test_a_promised_exception_must_come(deck: Maker) -> None:
    """`raises=` on code that ends well is an error."""
    made = deck(("a", python("print(1)", "raises=ValueError")))
    assert codes(verify_deck(made, Options(cache=False))) == ["V031"]


def test_blocks_share_a_program_and_each_has_its_own_output(deck: Maker) -> None:
    """A continued block sees the names and the loop of the one before; output is cut where the next block begins."""
    body = (
        python(
            "async def later():\n    await asyncio.sleep(1)\n    print('late')\n\n\n"
            "print('first')\ntask = asyncio.create_task(later())"
        )
        + "\n\n```output\nfirst\n```\n\n"
        + python("await task", "continue")
        + "\n\n```output\nlate\n```\n\n"
        + python("assert task.done()", "check")
    )
    assert verify_deck(deck(("a", body)), Options(cache=False))[1] == []


def test_rewrites_say_what_was_printed(deck: Maker) -> None:
    """Only expectations are rewritten: kept where they match by `...`, more lines below a comment, fewer in a fence."""
    body = python('print("a", 1)  #> a ...\nfor n in range(2):\n    print(n)  #> 7') + "\n\n```output\nx\ny\nz\nz\n```"
    made = deck(("a", body))
    verification, _ = verify_deck(made, Options(cache=False))
    source = made.files[0].source
    wanted = body.replace("#> 7", "#> 0\n    #> 1").replace("x\ny\nz\nz", "a 1\n0\n1")
    assert applied(source.text, verification.rewrites) == source.text.replace(body, wanted)


@pytest.mark.parametrize("end", ["\\r", "\\x0b", "\\x85", "\\u2028", "\\x1b[2J"])
@pytest.mark.parametrize("expectation", ["  #> b", "\n```\n\n```output\nb"])
def test_what_would_end_a_line_is_not_written_down(deck: Maker, end: str, expectation: str) -> None:
    """A printed line end that is none of ours would make code of what follows, or act in a terminal."""
    made = deck(("a", python(f'print("a{end}import os"){expectation}')))
    verification, diagnostics = verify_deck(made, Options(cache=False))
    assert [item.finding for item in diagnostics] == ["wrong-output"]
    assert verification.rewrites == frozenset()


def test_code_with_another_fault_is_not_rewritten(deck: Maker) -> None:
    """What a faulty program prints is no truth to write down."""
    made = deck(("a", python('asyncio.sleep(1)\nprint("a")  #> b')))
    assert verify_deck(made, Options(cache=False))[0].rewrites == frozenset()


def test_an_interpreter_in_the_project_is_not_started_unasked(deck: Maker, tmp_path: Path) -> None:
    """deck.yaml may come from a stranger: what it names inside the project runs only when a person names it."""
    proof = tmp_path / "started"
    script = tmp_path / "deck" / "python"
    made = deck(("a", python("print(1)")), config="interpreter: ./python\n")
    script.write_text(f"#!/bin/sh\ntouch {proof}\n", encoding="utf-8")
    script.chmod(0o755)
    with pytest.raises(MachineError, match=r"--python \./python"):
        verify_deck(made, Options(cache=False))
    assert not proof.exists()


def test_the_deck_names_its_interpreter(deck: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter elsewhere on the machine is used without being named on the command line."""
    monkeypatch.chdir(tmp_path)
    made = deck(
        ("a", python("import sys\nprint(sys.version_info >= (3, 11))  #> True")),
        config=f"interpreter: {sys.executable}\n",
    )
    verification, problems = verify_deck(made, Options(cache=False))
    assert problems == []
    assert verification.verified == 1


def test_the_order_of_a_set_is_no_output(deck: Maker) -> None:
    """An order that holds under one hash seed only is wrong output, whichever order the card shows."""
    orders = [
        "['a', 'b', 'c']",
        "['a', 'c', 'b']",
        "['b', 'a', 'c']",
        "['b', 'c', 'a']",
        "['c', 'a', 'b']",
        "['c', 'b', 'a']",
    ]
    code = "print(list({'a', 'b', 'c'}))\n#> "
    made = deck(
        *((f"n{number}", python(code + order)) for number, order in enumerate(orders)),
        ("s", python("print(len({'a', 'b'}))  #> 2")),
    )
    verification, problems = verify_deck(made, Options(cache=False))
    assert {item.finding for item in problems} == {"wrong-output"}
    assert {name for name, verdict in verification.verdicts.items() if verdict is Verdict.VERIFIED} == {"s"}


@pytest.mark.parametrize("name", ["evil", "./evil", "{here}/evil"])
def test_no_file_of_the_checkout_is_an_interpreter(
    deck: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A name, a relative path and an absolute one: what came with the notes is never started unasked."""
    proof = tmp_path / "started"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {proof}\n", encoding="utf-8")
    evil.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    made = deck(("a", python("print(1)")), config=f"interpreter: {name.format(here=tmp_path)}\n")
    with pytest.raises(MachineError):
        verify_deck(made, Options(cache=False))
    assert not proof.exists()


def test_a_version_is_no_file_of_the_folder(deck: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--python 3.11` finds an interpreter, not a file called 3.11 in the folder where it is asked for."""
    evil = tmp_path / "3.11"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n", encoding="utf-8")
    evil.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    evil.rename(tmp_path / version)
    assert verify_deck(deck(("a", python("print(1)"))), Options(cache=False, pythons=(version,)))[1] == []
    assert not (tmp_path / "started").exists()


def test_what_was_not_run_is_not_kept_as_passed(deck: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial sandbox refuses what a program needs: it is not run, today and from the cache."""
    monkeypatch.setenv("MAKE_DECK_SANDBOX", "partial")
    code = "import socket\ntry:\n    socket.socket()\nexcept OSError:\n    pass\nasyncio.sleep(1)"
    made = deck(("a", python(code)))
    options = Options(cache_folder=tmp_path / "cache")
    assert [verify_deck(made, options)[0].verdicts["a"] for _ in range(2)] == [Verdict.NOT_RUN] * 2


@pytest.mark.parametrize("report", ['{"seen": {"x": 5}}', '{"error": {"kind": "exception", "sites": 5}}', "[" * 60_000])
def test_a_forged_report_is_no_report(deck: Maker, report: str) -> None:
    """A program that speaks in our place, and badly, is found out; nothing of ours falls over."""
    code = (
        "import gc, os\n"
        "nonce = next(o['nonce'] for o in gc.get_objects() if isinstance(o, dict) and 'nonce' in o and 'steps' in o)\n"
        f"text = {report[:40]!r} * {max(len(report) // 40, 1)}\n"
        "for number in range(200, 256):\n"
        "    try:\n        os.write(number, f'{nonce} {text}\\n'.encode())\n    except OSError:\n        pass\n"
        "os._exit(0)"
    )
    found = verify_deck(deck(("a", python(code, "script"))), Options(cache=False))[1]
    assert {item.finding for item in found} <= {"no-result", "exception", "crashed"}
    assert found


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("import pandas_is_not_here", 'norun="why"'),
        (">>> 1 + 1\n2", 'norun="a session"'),
        ("time.sleep(0)", 'prelude: "import time"'),
        ("1 / 0", "raises=Name"),
    ],
)
def test_the_way_out_fits_what_is_wrong(deck: Maker, code: str, way_out: str) -> None:
    """A module that is not here, a session, a forgotten import: each has a likely cause, and its own way out."""
    (problem,) = verify_deck(deck(("a", python(code))), Options(cache=False))[1]
    assert way_out in problem.hint


def test_a_note_out_of_range_is_told_where_to_run(deck: Maker) -> None:
    """The first version of its range, as the command takes it; or that another machine is needed."""
    made = deck(("a", python("print(1)")), config='python: ">=3.98"\n')
    (problem,) = verify_deck(made, Options(cache=False))[1]
    assert (problem.code, problem.hint) == ("V034", "Run it there too: `make-deck check --python 3.98`.")
    note = replace(next(made.notes), platform=("windows",))
    made = replace(made, files=(replace(made.files[0], notes=(note,)),))
    (problem,) = verify_deck(made, Options(cache=False))[1]
    assert (problem.code, problem.hint) == ("V034", "Check it on such a machine too.")


ENDLESS = {
    "a loop": ("x = 1\n\ndef spin():\n    while True: pass\n\nspin()", 4),
    "one call in C": ("print(1)\n\nsum(range(10**12))", 3),
    "a loop that only yields": (
        "async def spin():\n    while True:\n        await asyncio.sleep(0)\n\nawait spin()",
        3,
    ),
    "a subprocess": (
        "import sys\nasync def run():\n    process = await asyncio.create_subprocess_exec(\n"
        '        sys.executable, "-c", "input()", stdin=-1)\n    await process.wait()\n\nawait run()',
        5,
    ),
    "output": ('print(1)\n\nwhile True:\n    print("x" * 1000)', 4),
}


@pytest.mark.parametrize("runner", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_what_must_be_stopped_is_told_at_its_line(
    deck: Maker, kind: str, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the program is then: in Python, in C, or nowhere because its loop waits."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", runner)
    code, line = ENDLESS[kind]
    made = deck(("a", python(code)), config="limits: {wall: 1, cpu: 1}\n")
    (problem,) = verify_deck(made, Options(cache=False))[1]
    assert problem.finding == ("too-much-output" if kind == "output" else "timeout")
    assert problem.span.text.strip() == code.split("\n")[line - 1].strip()
