"""Cards in a browser: whole, readable and still, on a desktop and a phone, in light and dark.

Every card of our own deck is looked at, both sides, and a note for everything that ours happen not to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser import MODES, chromium, load_axe, load_measures, open_page

from generator import parse, read, render
from generator.notes import DeckFolder, RenderedDeck, Verdict
from generator.preview.faces import faces

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
CONFIG = b'format: 1\nname: Sample\nnamespace: test.cards\nrepository: "https://example.org/deck"\nverify: mark\n'
SAMPLE = """\
---
deck: A sub-deck whose name is so long that it does not fit on one line of a phone
python: ">=3.12,<3.14"
---

## Everything?
<!--
id: everything
reversed: true
corrected: "It said `3`, see [why](https://example.org)."
source: "<https://a.example/b>"
-->

> A quote with a [link](https://example.org), `code` and ~~struck~~ words.

- [x] done
- [ ] to do
    1. A very_long_name_without_any_place_to_break_it_that_reaches_over_every_phone_there_is
    2. https://example.org/a/very/long/address/without/any/place/to/break/it/that/reaches/over/every/phone

| Name | Right | A third one with words |
| --- | ---: | --- |
| `asyncio.create_task(coroutine, name=None)` | 1 | ever so many words in one cell |

| So many columns | that a table | does not fit | on the screen | of any phone |
| --- | --- | --- | --- | --- |
| Lungenembolie | Schmerzcharakter | Koronarangiographie | unauffällig | Refluxösophagitis |

#### A heading

<kbd>Ctrl</kbd> + <kbd>C</kbd>, <mark>marked</mark>, H<sub>2</sub>O, $x^2$

```python norun="it is long"
@decorator
async def function_with_a_long_name(first_argument: dict[str, int], *, second_argument: str = "a string") -> None:
    raise RuntimeError(f"{first_argument!r} and \\n {second_argument:>{10}}") from None  # a comment, and a long one
```

```console
$ python -m asyncio --with-an-option=that-is-long --and-another=one-that-is-longer-than-a-phone
```

```diff
- removed
+ added
```

### Extra

More, with `code` and a [link](https://example.org).

## Which {{c1::word::a hint that is long enough to be wrapped on a phone}} is hidden?
<!-- {id: gap, retired: "Python has no such word."} -->

```python norun="a gap"
value = [{{c2::item::what?}} async for item in source() if item.is_not_too_long_for_this_line_of_code_on_a_phone]
```
"""

LOOK = """
async ({sides, dark, all}) => {
  const qa = document.getElementById("qa");
  const results = [];
  for (const [name, number, html] of sides) {
    document.body.className = `card card${number}${dark ? " nightMode" : ""}`;
    qa.innerHTML = html;
    for (const details of qa.querySelectorAll("details")) details.open = true;
    const scrolls = [...qa.querySelectorAll("*")].some((element) => element.scrollWidth > element.clientWidth + 1);
    const found = all ? await audit(qa, []) : scrolls ? await audit(qa, ["scrollable-region-focusable"]) : [];
    results.push({name, texts: texts(qa), overflowing: overflowing(qa), acting: acting(qa), found});
  }
  return results;
}
"""
SMALL_PRINT = re.compile(r"\b(header\.top|footer\.source|figcaption|summary|sub|sup|svg)\b")
CODE = re.compile(r"\b(pre|code|kbd|samp)\b")


@cache
def decks() -> list[RenderedDeck]:
    """Our own deck, and the sample."""
    folder, _ = read.read_deck(ROOT / "source_notes" / "asyncio", ROOT)
    sample = DeckFolder(Path("sample"), "sample", CONFIG, (("01-sample.md", SAMPLE.encode()),))
    rendered = []
    for found in (folder, sample):
        deck, _ = parse.parse_deck(found)
        assert deck is not None
        verdicts = {note.id: Verdict.NORUN if note.programs else Verdict.NO_CODE for note in deck.notes}
        rendered.append(render.render_deck(deck, verdicts)[0])
    return rendered


@cache
def sides() -> list[tuple[str, int, str]]:
    """Name, number of the card in its note, and HTML of every side of every card."""
    found = []
    for deck in decks():
        for note in deck.notes:
            for face in faces(deck, note):
                name = f"{note.note.id} {face.name}".strip()
                found += [(f"{name}, front", face.number, face.front), (f"{name}, back", face.number, face.back)]
    return found


@pytest.fixture(scope="module", params=MODES)
def looked(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[list[dict[str, Any]]]:
    """What is measured on every side in one mode; asking for anything ends the test."""
    mode = MODES[request.param]
    page = open_page(chromium, mode)
    (css,) = {deck.css for deck in decks()}
    page.set_content(
        f'<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Card</title><style>{css}</style></head><body><main id=qa></main></body></html>"
    )
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    load_axe(page)
    load_measures(page)
    # All rules of axe-core judge one mode. In the others only what depends on the width is left to it: contrast is
    # measured without it, quicker and for every text.
    yield page.evaluate(LOOK, {"sides": sides(), "dark": mode.dark, "all": request.param == "desktop light"})
    assert requests == []
    page.context.close()


def test_every_card_is_looked_at(looked: list[dict[str, Any]]) -> None:
    """Both sides of each, and none is blank."""
    count = sum(note.note.cards for deck in decks() for note in deck.notes)
    assert len(looked) == 2 * count > 200
    assert [side["name"] for side in looked if len(side["texts"]) < 2] == []


def test_nothing_reaches_over_the_page(looked: list[dict[str, Any]]) -> None:
    """No text, box or picture is wider than the screen, and nothing but a table scrolls sideways."""
    assert [(side["name"], fault) for side in looked for fault in side["overflowing"]] == []


def test_every_text_can_be_read(looked: list[dict[str, Any]]) -> None:
    """Contrast of at least 4.5:1, of large text 3:1 (WCAG 2 AA)."""
    faults = {
        (text["path"], round(text["contrast"], 2), side["name"])
        for side in looked
        for text in side["texts"]
        if text["contrast"] < text["needed"]
    }
    assert faults == set()


def test_text_is_large_enough(looked: list[dict[str, Any]]) -> None:
    """Prose has at least 16 pixels, code 14, and small print and pictures 12."""
    faults = set()
    for side in looked:
        for text in side["texts"]:
            is_small = SMALL_PRINT.search(text["path"])
            least = 12 if is_small else 14 if CODE.search(text["path"]) else 16
            if text["size"] < least:
                faults.add((text["path"], text["size"], side["name"]))
    assert faults == set()


def test_nothing_on_a_card_acts(looked: list[dict[str, Any]]) -> None:
    """No script, no handler, no address that is code."""
    assert [(side["name"], element) for side in looked for element in side["acting"]] == []


def test_cards_are_accessible(looked: list[dict[str, Any]]) -> None:
    """axe-core finds no violation."""
    assert sorted({(fault, side["name"]) for side in looked for fault in side["found"]}) == []


DRAWN = """
<article class="note"><section class="answer">
<table><tbody><tr><td>Lungenembolie</td><td>Schmerzcharakter</td><td>Koronarangiographie</td></tr></tbody></table>
<p id="arabic">مرحبا asyncio</p>
<p id="latin">asyncio مرحبا</p>
<mjx-container display="true" style="display: block"><span style="display: block; width: 700px">x</span></mjx-container>
</section></article>
"""
DRAWN_AS = """
() => {
  const lines = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getClientRects().length;
  };
  const start = (id) => {
    const range = document.createRange();
    const element = document.getElementById(id);
    range.setStart(element.firstChild, 0);
    range.setEnd(element.firstChild, element.firstChild.length);
    const box = element.getBoundingClientRect();
    const text = range.getBoundingClientRect();
    return text.left - box.left < 1 ? "left" : box.right - text.right < 1 ? "right" : "between";
  };
  return {
    lines: [...document.querySelectorAll("td")].map(lines),
    sides: ["arabic", "latin"].map(start),
    page: document.scrollingElement.scrollWidth,
  };
}
"""


def test_text_is_drawn_as_on_github(chromium: Browser) -> None:
    """Words in a table stay whole, a paragraph starts on its own side, and a wide formula scrolls in its place."""
    mode = MODES["phone light"]
    page = open_page(chromium, mode)
    (css,) = {deck.css for deck in decks()}
    page.set_content(f"<!doctype html><style>{css}</style><body class=card>{DRAWN}</body>")
    assert page.evaluate(DRAWN_AS) == {"lines": [1, 1, 1], "sides": ["right", "left"], "page": mode.width}
    page.context.close()
