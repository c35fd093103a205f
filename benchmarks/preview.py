"""How long the preview of two thousand cards takes to make, to load and to search, in headless Chromium.

    python benchmarks/preview.py [CARDS]

Prints the medians of several rounds in milliseconds. A search is measured from the key stroke until the browser has
painted what it found; loading from the request for the file until the first card is painted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from generator import parse, preview, read, render
from generator.notes import RenderedDeck, Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browser import find_browser

ROOT = Path(__file__).parents[1]
ROUNDS = 7
WORDS = ("g", "gather", "create_task", "asyncio await", "no such words", "")

SEARCH = """
words => new Promise((resolve) => {
  const field = document.getElementById("query");
  const start = performance.now();
  field.value = words;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
})
"""
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"


def many(cards: int) -> RenderedDeck:
    """Our own deck, again and again under other ids, until it has so many cards."""
    found, _ = read.read_deck(ROOT / "source_notes" / "asyncio", ROOT)
    deck, _ = parse.parse_deck(found)
    if deck is None:
        raise SystemExit("our own deck cannot be read")
    rendered, _ = render.render_deck(deck, {note.id: Verdict.VERIFIED for note in deck.notes if note.programs})
    notes = []
    made = copy = 0
    while made < cards:
        for item in rendered.notes:
            if made >= cards:
                break
            renamed = replace(item.note, id=f"{item.note.id}-{copy}")
            notes.append(replace(item, note=renamed, deck_name=f"{item.deck_name} {copy}"))
            made += item.note.cards
        copy += 1
    return replace(rendered, notes=tuple(notes))


def measure(page: Page, address: str) -> tuple[float, dict[str, float]]:
    """Milliseconds of loading, and of each search."""
    page.goto(address)
    loaded = page.evaluate(PAINTED)
    return loaded, {words: page.evaluate(SEARCH, words) for words in WORDS}


def main(cards: int) -> None:
    deck = many(cards)
    started = time.perf_counter()
    html = preview.preview_page(preview.Preview("benchmark", deck), lambda media: media.path.read_bytes()).html()
    print(f"{cards} cards: made in {1000 * (time.perf_counter() - started):.0f} ms, {len(html) / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "deck.html"
        path.write_text(html, encoding="utf-8")
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        rounds = []
        for _ in range(ROUNDS):
            page = chromium.new_page()
            rounds.append(measure(page, path.as_uri()))
            page.close()
        chromium.close()
    print(f"load: {statistics.median(loaded for loaded, _ in rounds):.0f} ms")
    for words in WORDS:
        times = [searches[words] for _, searches in rounds]
        print(f"search {words!r}: {statistics.median(times):.0f} ms, at most {max(times):.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
