"""Small projects for the tests of the pipeline and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOOD = """\
---
deck: First
---

## What does it print?
<!-- id: prints-three -->

```python
print(1 + 2)  #> 3
```

## What is a coroutine?
<!-- id: plain -->

An object that `await` runs.
"""

WRONG = """\
## What does this one print?
<!-- id: wrong -->

```python
print("this")  #> that
```
"""

NOWHERE = """\
## What does pandas say?
<!-- id: nowhere -->

```python
import a_package_that_nobody_has
```
"""


def write_project(root: Path, *, verify: str = "strict", name: str = "deck", **files: str) -> Path:
    """A project with one deck; `files` are its topic files, `first="…"` makes `first.md`. Returns the deck's folder."""
    folder = root / "source_notes" / name
    folder.mkdir(parents=True)
    config = f"format: 1\nname: Deck\nnamespace: test.{name}\nprelude: import asyncio\nverify: {verify}\n"
    (folder / "deck.yaml").write_text(config)
    for stem, text in (files or {"first": GOOD}).items():
        (folder / f"{stem}.md").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Ran:
    """A finished command. `out` and `err` are decoded as UTF-8."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def make_deck(cwd: Path, *arguments: str | Path, **variables: str) -> Ran:
    """Run the command line in `cwd` with further environment variables."""
    run = subprocess.run(
        [sys.executable, "-m", "generator", *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return Ran(run.returncode, run.stdout.decode("utf-8"), run.stderr.decode("utf-8"))


def environment(cwd: Path, **variables: str) -> dict[str, str]:
    """This process's environment without what the tests set themselves, and with a cache that `cwd` has for itself."""
    ours = ("SOURCE_DATE_EPOCH", "MAKE_DECK_SANDBOX", "MAKE_DECK_TRACEBACK", "NO_COLOR")
    variables = {"XDG_CACHE_HOME": str(cwd / ".cache"), **variables}
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **variables}


def run_python(program: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in `cwd` with further environment variables."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=environment(cwd, **variables),
        capture_output=True,
        encoding="utf-8",
    )
