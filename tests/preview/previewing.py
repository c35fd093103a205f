"""Decks and pages for the tests of this folder."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from generator import parse, preview, read, render
from generator.diagnostics import Diagnostic
from generator.notes import DeckFolder, MediaFile, RenderedDeck, Verdict

CONFIG = "format: 1\nname: Root\nnamespace: test.preview\ntags: [all]\n"
SOUND, PICTURE = b"not really a sound", b"not really a picture"
MEDIA = {
    "bell.mp3": MediaFile("bell.mp3", Path("media/bell.mp3"), "bell-0a1b.mp3"),
    "loop.png": MediaFile("loop.png", Path("media/loop.png"), "loop-0a1b.png"),
}
CONTENTS = {"bell.mp3": SOUND, "loop.png": PICTURE}

KINDS = """\
---
deck: Kinds
tags: [kinds]
---

## What is a [task](https://docs.python.org/3/library/asyncio-task.html)?
<!-- {id: plain, tags: [task, all], python: ">=3.12"} -->

A coroutine that *runs* by itself, `a < b` & "so" on.

### Extra

![A loop](media/loop.png) and [sound:bell.mp3]

## Which word opens a coroutine?
<!-- {id: turned, reversed: true, corrected: "It said *await*."} -->

`async`

## A {{c1::task}} and a {{c3::future::what else?}} are {{c2::**awaitable**}}, with $x < {{c1::y}}$.
<!-- id: cloze -->

They have `__await__`.

## Fill in the call.
<!-- id: cloze-code -->

```python
import asyncio
x = asyncio.{{c1::gather}}({{c2::*[asyncio.sleep(0, {"é": 1}) for _ in range(2)]::what?}})
```

## What does it print?
<!-- id: predict -->

```python
print("</script><script>alert(1)</script>")
```

### Answer

```output
</script><script>alert(1)</script>
```
"""

BROKEN = """\
---
deck: Broken
---

## A good one?
<!-- id: good-one -->

Yes.

## Has this an answer?
<!-- id: no-answer -->

## What is wrong here?
<!-- id: two-languages -->

```py
print(1)
```
"""


def parsed(**topics: str) -> tuple[RenderedDeck, list[Diagnostic]]:
    """The rendered deck of some topic files, `kinds="…"` makes `kinds.md`, and all diagnostics."""
    files = tuple((f"{name}.md", text.encode()) for name, text in topics.items())
    media = {name: file for name, file in MEDIA.items() if any(name in text for text in topics.values())}
    deck, found = parse.parse_deck(DeckFolder(Path("deck"), "deck", CONFIG.encode(), files, media))
    assert deck is not None
    verdicts = {note.id: Verdict.VERIFIED if note.programs else Verdict.NO_CODE for note in deck.notes}
    rendered, problems = render.render_deck(deck, verdicts)
    return rendered, [*found, *problems]


def read_media(file: MediaFile) -> bytes:
    return CONTENTS[file.name]


def page(live: bool = False, *, ran: bool = True, **topics: str) -> str:
    """The page of some topic files; every note with code counts as verified on two Pythons."""
    rendered, found = parsed(**topics)
    verified_on = {item.note.id: ("3.11.9", "3.13.0") for item in rendered.notes if item.verdict is Verdict.VERIFIED}
    shown = preview.Preview("deck", rendered, found, verified_on, ran)
    return preview.preview_page(shown, read_media).html(live=live)


def data_of(html: str) -> Any:
    """The data that a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def policy_of(html: str) -> dict[str, str]:
    """The page's content security policy: directive -> its sources."""
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert found
    return dict(part.split(" ", 1) for part in unescape(found[1]).split("; "))


def own_deck() -> RenderedDeck:
    """The deck of this repository, with nothing run."""
    root = Path(__file__).parents[2]
    found, _ = read.read_deck(root / "source_notes" / "asyncio", root)
    deck, _ = parse.parse_deck(found)
    assert deck is not None
    rendered, _ = render.render_deck(deck, {note.id: Verdict.NOT_RUN for note in deck.notes})
    return rendered
