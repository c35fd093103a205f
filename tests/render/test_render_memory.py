"""Notes that did not change are not rendered again, and no card is ever an old one."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from rendering import MEDIA, parsed

from generator import render
from generator.notes import Deck, RenderedDeck, Verdict
from generator.render.memory import Memory
from generator.store import Store

TOPIC = """---
deck: Tasks
python: ">=3.11"
---

```python setup
x = 1
```

## What does [gather] return?
<!--
id: gather
tags: [results]
source: https://docs.python.org/3/library/asyncio-task.html
-->

![a loop](media/loop.png)

### Answer

```python
print(x)
```

```output
1
```

## A {{c1::future}} is awaited
<!-- id: future -->

### Answer

It has a result later.

[gather]: https://docs.python.org/3/
"""
CONFIG = "verify: mark\nrepository: https://example.com/deck\n"
CHANGES = {
    "nothing": ("", "", ""),
    "the answer": ("topic", "print(x)", "print(x + 0)"),
    "the question": ("topic", "return?", "give back?"),
    "a tag": ("topic", "results", "values"),
    "the source": ("topic", "asyncio-task.html", "asyncio-future.html"),
    "a link's definition": ("topic", "/3/\n", "/3.12/\n"),
    "a set-up": ("topic", "x = 1", "x = 1.0"),
    "the file's range": ("topic", ">=3.11", ">=3.12"),
    "a notice": ("topic", "tags: [results]", "tags: [results]\ncorrected: it was another"),
    "a reversed card": ("topic", "tags: [results]", "tags: [results]\nreversed: true"),
    "literal marks": ("topic", "id: future -->", "id: future\ncloze: false -->"),
    "the deck's policy": ("config", "verify: mark", "verify: off"),
    "the deck's repository": ("config", "example.com", "example.org"),
    "the deck's tags": ("config", "verify: mark", "verify: mark\ntags: [python]"),
    "the deck's description": ("config", "verify: mark", "verify: mark\ndescription: More about it"),
    "the prelude": ("config", "verify: mark", "verify: mark\nprelude: import time"),
}


def changed(what: str) -> Deck:
    part, old, new = CHANGES[what]
    topic = TOPIC.replace(old, new) if part == "topic" else TOPIC
    config = CONFIG.replace(old, new) if part == "config" else CONFIG
    assert not part or (topic, config) != (TOPIC, CONFIG)
    return parsed(topic, config=config)


def rendered(deck: Deck, folder: Path | None, verdict: Verdict = Verdict.VERIFIED) -> RenderedDeck:
    verdicts = {note.id: verdict for note in deck.notes if note.programs}
    with render.rendered_notes(folder) as store:
        return render.render_deck(deck, verdicts, store=store)[0]


def test_there_is_a_change_for_every_sort_of_input() -> None:
    """The changes below change what is rendered, or what it rests on: else they would prove nothing."""

    def product(what: str) -> tuple[object, ...]:
        deck = rendered(changed(what), None)
        return deck.description, *((note.fields, note.content) for note in deck.notes)

    same = [what for what in CHANGES if product(what) == product("nothing")]
    assert same == ["nothing", "the deck's policy"]  # which shows only where a note was not run


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_remembered_is_what_would_be_rendered(tmp_path: Path, what: str) -> None:
    """After any change the deck is the same with and without the memory of how it was before."""
    rendered(changed("nothing"), tmp_path)
    assert rendered(changed(what), tmp_path) == rendered(changed(what), None)


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.NOT_RUN, Verdict.OUT_OF_RANGE, Verdict.NORUN])
def test_another_verdict_is_another_card(tmp_path: Path, verdict: Verdict) -> None:
    """A card that was verified once and is not now is labelled as not run."""
    deck = changed("nothing")
    before, after = rendered(deck, tmp_path), rendered(deck, tmp_path, verdict)
    assert after == rendered(deck, None, verdict)
    assert after.notes[0].fields != before.notes[0].fields


def test_other_media_are_other_cards(tmp_path: Path) -> None:
    """A picture with another content has another name in the package."""
    deck = changed("nothing")
    rendered(deck, tmp_path)
    media = {**MEDIA, "loop.png": replace(MEDIA["loop.png"], packed="loop-ffff.png")}
    after = rendered(replace(deck, media=media), tmp_path)
    assert "loop-ffff.png" in dict(after.notes[0].fields)["Question"]


def test_a_note_without_change_is_not_rendered_again(tmp_path: Path) -> None:
    """What comes out is what lies in the store: it is put there by hand here, in the place of a rendered note."""
    deck = changed("nothing")
    first, other = rendered(deck, tmp_path).notes, changed("the question")
    rendered(other, tmp_path)
    with sqlite3.connect(tmp_path / "cards-1.sqlite") as base:
        assert base.execute("SELECT count(*) FROM kept").fetchone() == (
            4,
        )  # the description, two notes, and one of them changed
        (changed_value,) = base.execute("SELECT value FROM kept WHERE key = ?", (_key(other),)).fetchone()
        base.execute("UPDATE kept SET value = ? WHERE key = ?", (changed_value, _key(deck)))
    base.close()
    again = rendered(deck, tmp_path).notes
    assert again[0].fields == rendered(other, None).notes[0].fields
    assert again[1] == first[1]


def test_rubbish_in_the_store_is_rendered_anew(tmp_path: Path) -> None:
    """A value that cannot be read costs the time of rendering, nothing else."""
    deck = changed("nothing")
    first = rendered(deck, tmp_path)
    with sqlite3.connect(tmp_path / "cards-1.sqlite") as base:
        base.execute("UPDATE kept SET value = ?", (b"rubbish",))
    base.close()
    assert rendered(deck, tmp_path) == first


def test_a_note_with_a_problem_is_not_remembered(tmp_path: Path) -> None:
    """Its problem is told each time."""
    deck = parsed("## Q?\n<!-- id: a -->\n\n### Answer\n\n![x](media/none.png)\n")
    for _ in range(2):
        with render.rendered_notes(tmp_path) as store:
            product, problems = render.render_deck(deck, {}, store=store)
        assert product.notes == ()
        assert "N205" in [item.code for item in problems]


def _key(deck: Deck) -> bytes:
    return Memory(deck, Store(None, 0)).key(deck.files[0], next(deck.notes), Verdict.VERIFIED)
