"""Notes that mean harm: each is refused or harmless, and the next one runs as if nothing had happened."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from decks import deck_of
from test_findings import expected, places

from generator.diagnostics import as_github, as_text
from generator.notes import Deck
from generator.verify import Options, verify_deck

pytestmark = pytest.mark.sandbox
HOSTILE = Path(__file__).parent / "hostile"
CANARY = """
## canary {number}
<!-- id: canary-{number} -->
A
```python
import os

await asyncio.sleep(1)
print(os.environ.get("CANARY"), sorted(os.listdir(os.environ["HOME"])), os.listdir(os.environ["TMPDIR"]))
print([os.listxattr(path) for path in ("..", os.environ["HOME"], os.environ["TMPDIR"])])
```
```output
None [] []
[[], [], []]
```
"""
SECRET = secrets.token_hex(16)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home with a secret, a port and a socket to be reached: what the notes are after, by placeholder."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
        (folder / "secret").write_text(SECRET, encoding="utf-8")
        (folder / "secret").chmod(0o644)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GITHUB_TOKEN", f"SECRET-{SECRET}")
    name = f"make-deck-{secrets.token_hex(4)}"
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield {"HOME": str(home), "PROJECT": str(project), "PORT": str(port.getsockname()[1]), "SOCKET": name}


WATCHED_BY_THE_SERVER = ("id: inodes", "id: memory-tree", "id: memory-shared")
"""What no kernel limit stops and the fork server looks for; a program without a server is stopped by its wall time."""


def hostile_deck(folder: Path, machine: dict[str, str], *, server: bool) -> Path:
    """The hostile notes with their placeholders filled in, a canary behind each."""
    target = folder / "hostile"
    target.mkdir()
    (target / "deck.yaml").write_bytes((HOSTILE / "deck.yaml").read_bytes())
    text = (HOSTILE / "01-hostile.md").read_text(encoding="utf-8")
    for name, value in machine.items():
        text = text.replace(f"@{name}@", value)
    head, *notes = re.split(r"(?m)^(?=## )", text)
    if not server:
        notes = [note for note in notes if not any(name in note for name in WATCHED_BY_THE_SERVER)]
    notes = [note + CANARY.format(number=number) for number, note in enumerate(notes)]
    (target / "01-hostile.md").write_text(head + "\n".join(notes), encoding="utf-8")
    return target


def small_deck(folder: Path, *programs: str) -> Deck:
    """A deck of a note for each program, a0, a1 ..."""
    target = folder / "small"
    target.mkdir()
    (target / "deck.yaml").write_text("format: 1\nname: Small\nnamespace: tests.small\n", encoding="utf-8")
    notes = [f"## Q {n}\n<!-- id: a{n} -->\nA\n```python\n{code.strip()}\n```\n" for n, code in enumerate(programs)]
    (target / "01-small.md").write_text("---\ndeck: Small\n---\n" + "\n".join(notes), encoding="utf-8")
    return deck_of(target)


@pytest.mark.parametrize("runner", ["fork", "spawn"])
def test_hostile_notes(runner: str, tmp_path: Path, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly what the notes say is found, every canary sings, no secret is told, nothing is left behind."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", runner)
    folder = hostile_deck(tmp_path, machine, server=runner == "fork")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    verification, diagnostics = verify_deck(deck_of(folder), Options(cache=False, jobs=1))
    assert verification.sandbox == "full"
    assert places(diagnostics) == expected(folder)
    told = "\n".join(as_text(item) + as_github(item) for item in diagnostics)
    assert SECRET not in told
    assert "\x1b" not in told
    assert not any(line.lstrip().startswith("::set-output") or "##[error]" in line for line in told.split("\n"))
    assert list(temporary.iterdir()) == []
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True, check=False
    )
    assert "bwrap" not in children.stdout


ESCAPE = """
import os

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{seconds}"])
    os._exit(0)
os.wait()
{end}
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("runner", ["fork", "spawn"])
@pytest.mark.parametrize("state", ["full", "partial", "none"])
def test_nothing_outlives_the_run(
    state: str, runner: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has left its parent, session and group is ended, with and without walls around it."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", runner)
    monkeypatch.setenv("MAKE_DECK_SANDBOX", state)
    seconds = str(secrets.randbelow(10**6) + 10**6)
    deck = small_deck(tmp_path, ESCAPE.format(seconds=seconds, end=end))
    verification, diagnostics = verify_deck(deck, Options(cache=False, jobs=1))
    assert (verification.sandbox, verification.runner) == (state, runner)
    assert [item.finding for item in diagnostics] == ["no-result" if "_exit" in end else "crashed"]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"sleep {seconds}" not in running


def test_a_port_left_behind_is_free_again(tmp_path: Path) -> None:
    """A snippet that ends without a report may have used one: the next one finds it free."""
    use = """
import socket

server = socket.create_server(("127.0.0.1", 50007))
client = socket.create_connection(("127.0.0.1", 50007))
server.accept()[0].close()
client.close()
server.close()
"""
    bind = """
import socket

with socket.socket() as one:
    one.bind(("127.0.0.1", 50007))
"""
    _, diagnostics = verify_deck(
        small_deck(tmp_path, use + "import os\nos._exit(0)", bind), Options(cache=False, jobs=1)
    )
    assert [(item.note, item.finding) for item in diagnostics] == [("a0", "no-result")]


@pytest.mark.parametrize("runner", ["fork", "spawn"])
def test_a_partial_sandbox_verifies_what_needs_no_more(
    runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the verifier itself looks at there, and may not, is no attempt of the snippet."""
    monkeypatch.setenv("MAKE_DECK_RUNNER", runner)
    monkeypatch.setenv("MAKE_DECK_SANDBOX", "partial")
    plain = "import asyncio\n\nawait asyncio.sleep(1)\nawait asyncio.to_thread(print, 1)"
    child = "import asyncio\n\nprocess = await asyncio.create_subprocess_exec('true')\nawait process.wait()"
    verification, diagnostics = verify_deck(small_deck(tmp_path, plain, child), Options(cache=False, jobs=1))
    assert diagnostics == []
    assert {verdict.name for verdict in verification.verdicts.values()} == {"VERIFIED"}
