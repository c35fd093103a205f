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


WATCHED_BY_THE_SERVER = ("id: inodes", "id: memory-tree")
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
