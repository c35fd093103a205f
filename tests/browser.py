"""A headless Chromium for the tests of the group `browser`, and what they measure in it.

`chromium` is a fixture: import it, and `page` beside it. Playwright drives the Chromium of the system; it downloads
none. Accessibility is judged by axe-core, whose file MAKE_DECK_AXE names.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "make-deck"


def find_browser() -> str | None:
    """Path of a Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def find_axe() -> Path | None:
    """axe-core's script, None where it is not installed."""
    named = os.environ.get("MAKE_DECK_AXE")
    path = Path(named) if named else CACHE / "axe" / "node_modules" / "axe-core" / "axe.min.js"
    return path if path.is_file() else None


def lacking() -> str:
    """What the group `browser` needs and this machine lacks; empty where nothing is missing."""
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is not installed"
    if find_browser() is None:
        return "Chromium is not installed"
    return "" if find_axe() else "axe-core is not installed (npm install axe-core; MAKE_DECK_AXE names its axe.min.js)"


@dataclass(frozen=True, slots=True)
class Mode:
    """How a page is looked at."""

    width: int
    height: int
    scheme: str

    @property
    def dark(self) -> bool:
        return self.scheme == "dark"


MODES = {
    "desktop light": Mode(1280, 800, "light"),
    "desktop dark": Mode(1280, 800, "dark"),
    "phone light": Mode(360, 740, "light"),
    "phone dark": Mode(360, 740, "dark"),
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module: as long as Playwright runs, no other test of this process could start an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh page as wide as a desktop's. A script that fails in it, or complains, fails the test."""
    opened = open_page(chromium, MODES["desktop light"])
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    opened.context.close()
    assert complaints == []


def open_page(chromium: Browser, mode: Mode) -> Page:
    """A page in a context of its own: nothing is remembered from another."""
    scheme: Any = mode.scheme
    context = chromium.new_context(viewport={"width": mode.width, "height": mode.height}, color_scheme=scheme)
    return context.new_page()


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on a page, or of it the findings of some rules: `rule: element`. Frames are left out."""
    load_axe(page)
    return page.evaluate("rules => audit(document, rules)", list(rules))  # type: ignore[no-any-return]


def load_axe(page: Page) -> None:
    """Make `axe` and `audit` known to the page, whatever its policy says."""
    if page.evaluate("typeof axe === 'undefined'"):
        script = find_axe()
        assert script, lacking()
        _run(page, script.read_text(encoding="utf-8"))
        _run(page, _AUDIT)


def load_measures(page: Page) -> None:
    """Make `texts`, `overflowing` and `acting` known to the page; see MEASURES."""
    _run(page, MEASURES)


def _run(page: Page, script: str) -> None:
    """Run statements. Playwright would call what they come to, where that is a function."""
    page.evaluate(f"{script}\n;null")


_AUDIT = """
window.audit = async (place, rules) => {
  const options = {iframes: false, resultTypes: ["violations"]};
  if (rules.length) options.runOnly = {type: "rule", values: rules};
  const found = await axe.run(place, options);
  return found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html}`));
}
"""

MEASURES = """
window.channels = (colour) => {
  // Any CSS colour as [red, green, blue, alpha]: a canvas knows them all.
  window.brush ??= Object.assign(document.createElement("canvas"), {width: 1, height: 1})
    .getContext("2d", {willReadFrequently: true});
  window.known ??= new Map();
  if (!known.has(colour)) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
    known.set(colour, [red, green, blue, alpha / 255]);
  }
  return known.get(colour);
};
window.over = (front, ground) =>
  [0, 1, 2].map((at) => front[at] * front[3] + ground[at] * (1 - front[3])).concat(1);
window.ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const layer = channels(getComputedStyle(at).backgroundColor);
    if (layer[3] > 0) layers.push(layer);
    if (layer[3] === 1) break;
  }
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  return layers.reduceRight((ground, layer) => over(layer, ground), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
};
// In a picture what lies under a text are the shapes that were drawn before it.
window.groundOfShape = (element) => {
  const box = element.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const svg = element.ownerSVGElement;
  let result = ground(svg);
  for (const shape of svg.querySelectorAll("rect, circle, ellipse, polygon, path")) {
    if (!(shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
    const {left, right, top, bottom} = shape.getBoundingClientRect();
    const fill = getComputedStyle(shape).fill;
    if (fill.startsWith("url") || fill === "none" || x < left || x > right || y < top || y > bottom) continue;
    const [red, green, blue, alpha] = channels(fill);
    result = over([red, green, blue, alpha * Number(getComputedStyle(shape).fillOpacity)], result);
  }
  return result;
};
window.luminance = (colour) => {
  const [red, green, blue] = colour.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
window.contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

// Every text that is shown in an element: the text, its size in pixels, its contrast, and the one it needs (WCAG 2).
window.texts = (place) => {
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  const found = [];
  const seen = new Map();
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility()) continue;
    if (!seen.has(element)) {
      const style = getComputedStyle(element);
      const isSvg = element instanceof SVGElement;
      const size = parseFloat(style.fontSize) * (isSvg ? element.getScreenCTM().a : 1);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const under = isSvg ? groundOfShape(element) : ground(element);
      const colour = over(channels(isSvg ? style.fill : style.color), under);
      let opacity = 1;
      for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
      const shown = over([...colour.slice(0, 3), opacity], under);
      const path = [];
      for (let at = element; at && at !== place; at = at.parentElement) {
        path.unshift(at.tagName.toLowerCase() + [...at.classList].map((name) => `.${name}`).join(""));
      }
      seen.set(element, {path: path.join(" "), size, contrast: contrast(shown, under), needed: large ? 3 : 4.5});
    }
    found.push({text: node.data.trim(), ...seen.get(element)});
  }
  return found;
};

// Elements that reach over the right edge of the page, and boxes whose content does not fit their width.
window.overflowing = (place) => {
  const found = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) found.push(`page: ${root.scrollWidth} of ${root.clientWidth}`);
  for (const element of place.querySelectorAll("*")) {
    if (!element.checkVisibility() || element instanceof SVGElement) continue;
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    const tooWide = element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
    if (tooWide && scrolls && !element.matches("table")) found.push(`scrolls: ${element.outerHTML.slice(0, 200)}`);
    const box = element.getBoundingClientRect();
    if (!element.closest("table") && box.right > root.clientWidth + 0.5) {
      found.push(`reaches over: ${element.outerHTML.slice(0, 200)}`);
    }
  }
  return found;
};

// What could act: scripts, handlers in attributes, and addresses that are code.
window.acting = (place) => [...place.querySelectorAll("*")].filter((element) =>
  ["SCRIPT", "IFRAME", "OBJECT", "EMBED"].includes(element.tagName.toUpperCase()) ||
  [...element.attributes].some(({name, value}) =>
    name.startsWith("on") || /^\\s*(javascript|vbscript|data:text)/i.test(value))).map((element) => element.outerHTML);
"""
