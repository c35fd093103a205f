"""deck.yaml that is good. What is wrong in one stands in notes/bad/*.yaml."""

from __future__ import annotations

import pytest
from parsing import CONFIG, FRONT, folder, parse_all

from generator.notes import DeckConfig, Policy, Role
from generator.parse import parse_deck
from generator.parse.config import LIMITS

FULL = """\
# every key
format: 1
name: "AsyncIO::Part one"
namespace: make-deck.asyncio
description: |
  Two *lines*
  of Markdown.
tags: [asyncio, Asyncio, python::async]
python: ">=3.11,!=3.12.0"
prelude: |
  import asyncio

  import math
verify: mark
repository: "https://example.org/repo"
interpreter: python3.13
limits:
  wall: 5
  cpu: 500 ms
  memory: 256 MiB
  output: 16KiB
  processes: 8
  scratch: 1024
"""


def config(text: str) -> DeckConfig:
    deck, found = parse_all(("1.md", f"{FRONT}## Q\n<!-- id: q -->\n\nA.\n".encode()), config=text.encode())
    assert found == []
    assert deck is not None
    return deck.config


def test_every_key_is_read() -> None:
    """Limits come out in seconds, bytes and a number."""
    read = config(FULL)
    assert (read.name, read.namespace) == ("AsyncIO::Part one", "make-deck.asyncio")
    assert read.description == "Two *lines*\nof Markdown."
    assert read.tags == ("asyncio", "python::async")
    assert set(map(str, read.python)) == {">=3.11", "!=3.12.0"}
    assert (read.verify, read.repository, read.interpreter) == (Policy.MARK, "https://example.org/repo", "python3.13")
    assert read.limits == {
        "wall": 5.0,
        "cpu": 0.5,
        "memory": 2.0**28,
        "output": 2.0**14,
        "processes": 8.0,
        "scratch": 1024.0,
    }


def test_name_and_namespace_are_enough() -> None:
    """The rest has defaults; JSON is YAML too."""
    read = config('{"name": "X", "namespace": "n"}')
    assert (read.description, read.tags, str(read.python), read.prelude) == ("", (), "", None)
    assert (read.verify, read.repository, read.interpreter, dict(read.limits)) == (Policy.STRICT, "", "", {})


def test_a_default_is_a_limit_that_may_be_given() -> None:
    """Lowering starts at the default itself."""
    lines = "".join(f"  {key}: {value:.0f}\n" for key, value in LIMITS.items())
    assert config(f"name: X\nnamespace: n\nlimits:\n{lines}").limits == LIMITS


PRELUDES = {
    "literal": "prelude: |\n  import asyncio\n\n  import math\n",
    "quoted": 'prelude: "import asyncio\\n\\nimport math"\n',
    "plain": "prelude: import asyncio; import math\n",
    "folded to one line": "prelude: >-\n  import asyncio;\n  import math\n",
}


@pytest.mark.parametrize("text", PRELUDES.values(), ids=PRELUDES)
def test_the_prelude_is_a_set_up_that_knows_its_place(text: str) -> None:
    """A fault in it can be shown in deck.yaml, at the line it stands in."""
    prelude = config(f"name: X\nnamespace: n\n{text}").prelude
    assert prelude is not None
    assert (prelude.role, prelude.language, prelude.span.file) == (Role.SETUP, "python", "source_notes/deck/deck.yaml")
    assert prelude.code.endswith("\n")
    assert prelude.first_line == text[: text.index("import")].count("\n") + 3
    place = prelude.source_offset(prelude.code.index("import"))
    assert prelude.span.source.text[place:].startswith("import asyncio")


@pytest.mark.parametrize("name", ["literal", "quoted"])
def test_a_later_line_of_the_prelude_is_found_too(name: str) -> None:
    """Line 3 of the code is where `import math` is written."""
    prelude = config(f"name: X\nnamespace: n\n{PRELUDES[name]}").prelude
    assert prelude is not None
    assert prelude.locate(3).text == "import math"


def test_the_prelude_runs_before_every_program() -> None:
    """Before the file's set-up and the note's; checked and judged nowhere by itself."""
    text = (
        f"{FRONT}```python setup\na = 1\n```\n\n## Q\n<!-- id: q -->\n\n"
        "```python setup\nb = 1\n```\n\n```python\nb\n```\n"
    )
    deck, _ = parse_all(("1.md", text.encode()), config=CONFIG)
    assert deck is not None
    (note,) = deck.notes
    assert [snippet.code for snippet in note.programs[0].setup] == ["import asyncio\n", "a = 1\n", "b = 1\n"]
    assert note.programs[0].setup[0] is deck.config.prelude


def test_names_of_files_are_shown_from_the_root() -> None:
    """Also where the deck is the root itself."""
    _, found = parse_deck(folder(("1.md", b"")))
    assert {fault.span.file for fault in found} == {"source_notes/deck/1.md"}
