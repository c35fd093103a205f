"""Remakes the pictures of the README: `.venv/bin/python .github/pictures/make.py`. Needs Chromium."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from generator.pipeline import Options, check_deck
from generator.preview.faces import faces

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from generator.notes import RenderedDeck

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HEAD = "---\ndeck: Orders\n---\n# Orders\n\n## What does this program print?\n<!-- id: order -->\n\n"
CODE = """\
async def save(order):
    await asyncio.sleep(0.1)
    print("saved", order)

async def main():
    {call}
    print("done")

asyncio.run(main())
"""
REFUSED = ("save(17)", "done")
MENDED = ("await save(17)", "saved 17\ndone")
CARDS = {
    "card-predict": "gather-error-leaves-others-running",
    "card-bug": "queue-put-not-awaited",
    "card-timeline": "order-timeout-waits-for-clean-up",
}

SCENE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 28px; width: 1144px; background: #eef0f3; color: #23262d;
  font: 15px/1.45 system-ui, sans-serif; display: grid; grid-template-columns: 610px 1fr; gap: 28px; }}
h2 {{ margin: 0 0 10px; font-size: 17px; font-weight: 600; }}
pre {{ margin: 0; padding: 18px 20px; border-radius: 10px; background: #1d2026; color: #dfe3ea;
  font: 13.5px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; }}
b {{ color: #9fd0ff; font-weight: 400; }} i {{ color: #ff9c9c; font-style: normal; }}
section {{ display: flex; flex-direction: column; }} pre {{ flex: 1; }}
iframe {{ flex: 1; min-height: 490px; border: 0; border-radius: 10px; background: #fff; }}
</style>
<section><h2>It exits 0 and prints the right text. It is refused.</h2><pre>{terminal}</pre></section>
<section><h2>The mended card</h2><iframe srcdoc="{card}"></iframe></section>"""


def main() -> int:
    """Make every picture; the exit status."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        refused(browser, Path(folder))
        deck = _deck(ROOT, "asyncio")
        for name, note in CARDS.items():
            card(browser, deck, note, name, dark=name == "card-timeline")
        preview(browser)
        browser.close()
    return 0


def refused(browser: Browser, folder: Path) -> None:
    """The first picture: a refused note beside the mended card."""
    call, printed = REFUSED
    _project(folder, call, printed)
    program = "import asyncio\n\n" + CODE.format(call=call)
    (folder / "order.py").write_text(program, encoding="utf-8")
    plain = _run(folder, "order.py")
    checked = _run(folder, "-m", "generator", "check")
    if (plain.stdout.strip(), plain.returncode, checked.returncode) != (printed, 0, 1):
        raise SystemExit(f"the picture would not be true: {plain} {checked}")
    words = html.escape(checked.stdout.strip()).replace("never-awaited", "<i>never-awaited</i>")
    terminal = (
        f"<b>$</b> cat order.py\n{html.escape(program)}\n<b>$</b> python order.py 2>/dev/null; echo $?\n"
        f"{plain.stdout.strip()}\n0\n\n<b>$</b> make-deck check\n{words}"
    )
    _project(folder, *MENDED)
    deck = _deck(folder, "orders")
    (face,) = faces(deck, deck.notes[0])
    scene = SCENE.format(terminal=terminal, card=html.escape(_document(deck, face.back, dark=False)))
    page = browser.new_page(viewport={"width": 1200, "height": 400}, device_scale_factor=1.5)
    page.set_content(scene, wait_until="load")
    page.screenshot(path=HERE / "refused.png", full_page=True)
    page.close()


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def _deck(root: Path, name: str) -> RenderedDeck:
    checked = check_deck(root / "source_notes" / name, root, Options())
    if checked.rendered is None or checked.failed:
        raise SystemExit(f"the deck {name} has errors: run `make-deck check`")
    return checked.rendered


def _project(folder: Path, call: str, printed: str) -> None:
    notes = folder / "source_notes" / "orders"
    notes.mkdir(parents=True, exist_ok=True)
    settings = 'format: 1\nname: Orders\nnamespace: example.orders\nprelude: "import asyncio"\nverify: strict\n'
    (notes / "deck.yaml").write_text(settings, encoding="utf-8")
    code = CODE.format(call=call).rstrip()
    answer = f"### Answer\n\n```output\n{printed}\n```\n"
    (notes / "01-orders.md").write_text(f"{HEAD}```python\n{code}\n```\n\n{answer}", encoding="utf-8")


def card(browser: Browser, deck: RenderedDeck, note: str, name: str, *, dark: bool) -> None:
    """One card as a phone shows it, question and answer."""
    (rendered,) = (item for item in deck.notes if item.note.id == note)
    face = faces(deck, rendered)[0]
    page = browser.new_page(viewport={"width": 400, "height": 300}, device_scale_factor=1.5)
    page.set_content(_document(deck, face.back, dark=dark), wait_until="load")
    page.screenshot(path=HERE / f"{name}.png", full_page=True)
    page.close()


def _document(deck: RenderedDeck, body: str, *, dark: bool) -> str:
    night = "nightMode night_mode" if dark else ""
    head = f'<!doctype html><meta charset="utf-8"><style>{deck.css} body {{ margin: 0 }}</style>'
    return f'{head}<body class="card card1 {night}">{body}</body>'


def preview(browser: Browser) -> None:
    """The preview of our deck."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "asyncio.html"
        made = _run(ROOT, "-m", "generator", "preview", "source_notes/asyncio", "-o", str(target))
        if made.returncode:
            raise SystemExit(made.stdout + made.stderr)
        page = browser.new_page(viewport={"width": 1200, "height": 760}, device_scale_factor=1)
        page.goto(target.as_uri())
        page.wait_for_timeout(500)
        page.keyboard.press("Space")
        page.wait_for_timeout(300)
        page.screenshot(path=HERE / "preview.png")
        page.close()


if __name__ == "__main__":
    sys.exit(main())
