"""Cards under the style of Anki's own page, which is around every card on the desktop, and in ways stronger than ours.

The rules are those of Anki 26.9 that meet ours: `_aqt/data/web/css/webview.css` and `reviewer.css` in its wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser import MODES, Mode, chromium, load_measures, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

CSS = (Path(__file__).parents[2] / "generator" / "templates" / "card.css").read_text(encoding="utf-8")
ANKI = """
html { font-size: 15px; }
hr { background-color: #737373; margin: 1em 0; border: none; height: 1px; }
body { margin: 20px; color: #020202; background: #f5f5f5; overflow-wrap: break-word; }
body.nightMode { background-color: #2c2c2c; color: #fcfcfc; }
img { max-width: 100%; max-height: 95vh; }
"""
CARD = """
<article class="note">
<header class="top"><span class="topic">Tasks</span> <span class="badge">3.12+</span></header>
<aside class="notice"><div class="banner corrected"><strong>Corrected.</strong> It said <code>3</code>.</div></aside>
<section class="question"><div class="prompt">What does <code>await</code> do?</div></section>
</article>
<hr id="answer">
<article class="note back">
<section class="answer"><p>It waits.</p><h4>Why</h4><table><tr><th>a</th><td><code>b</code></td></tr></table>
<figure class="output"><figcaption>Output</figcaption><pre><code>1</code></pre></figure></section>
<details class="extra" open><summary>More</summary><p>Words.</p></details>
<footer class="source"><a href="https://example.org">Source of this card</a></footer>
</article>
"""
PARTS = (
    *("body", ".note", ".top", ".badge", ".banner", ".banner code", ".prompt", "h4"),
    *("table", "td", "figcaption", "pre", "summary", "footer"),
)
STYLE = """
(part) => {
  const style = getComputedStyle(document.querySelector(part));
  return [style.backgroundColor, style.color, style.fontSize, style.maxWidth];
}
"""


def drawn(chromium: Browser, mode: Mode, anki: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the parts of a card look like, and its texts; with Anki's style before ours, as in its reviewer."""
    page = open_page(chromium, mode)
    classes = f"card card1{' nightMode night_mode' if mode.dark else ''}"
    page.set_content(
        f"<!doctype html><html><head><style>{anki}</style></head>"
        f'<body class="{classes}"><div id="qa"><style>{CSS}</style>{CARD}</div></body></html>'
    )
    load_measures(page)
    looks = {part: page.evaluate(STYLE, part) for part in PARTS}
    texts = page.evaluate("texts(document.body)")
    page.context.close()
    return looks, texts


@pytest.mark.parametrize("name", MODES)
def test_a_card_looks_the_same_in_anki(chromium: Browser, name: str) -> None:
    """Colours and sizes are ours, in light and dark: Anki's page changes neither."""
    alone, _ = drawn(chromium, MODES[name], "")
    within, texts = drawn(chromium, MODES[name], ANKI)
    assert within == alone
    assert within["body"][0] == ("rgb(30, 33, 38)" if MODES[name].dark else "rgb(251, 250, 248)")
    assert [text["path"] for text in texts if text["contrast"] < text["needed"]] == []


def test_code_reads_from_left_to_right_in_any_language(chromium: Browser) -> None:
    """Brackets at the end of code stay there between Arabic words."""
    page = open_page(chromium, MODES["desktop light"])
    page.set_content(
        f'<style>{CSS}</style><body class="card"><article class="note"><section class="answer">'
        "<p>مرحبا <code>run()</code> مرحبا</p></section></article></body>"
    )
    left, right = page.evaluate(
        """() => {
          const text = document.querySelector("code").firstChild;
          return [0, 4].map((at) => {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at + 1);
            return range.getBoundingClientRect().left;
          });
        }"""
    )
    page.context.close()
    assert left < right
