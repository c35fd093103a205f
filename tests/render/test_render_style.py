"""The style sheet: readable in light and dark, whole on a small screen."""

from __future__ import annotations

import re
import subprocess
from importlib import resources
from pathlib import Path

import pytest
from rendering import field, one

from generator.render.highlight import TOKEN_CLASSES

CSS = (resources.files("generator") / "templates" / "card.css").read_text(encoding="utf-8")


def palette(selector: str) -> dict[str, str]:
    """The custom colours of a rule."""
    body = re.search(rf"^{selector}[^{{]*\{{([^}}]*)\}}", CSS, re.MULTILINE)
    assert body
    return dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6});", body.group(1)))


LIGHT = palette(r"\.card ")
DARK = LIGHT | palette(r"\.card\.nightMode")


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one_colour: str, other: str) -> float:
    high, low = sorted((luminance(one_colour), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def colour_of(css_class: str) -> str:
    """The variable that a token class is coloured with."""
    rule = re.search(
        rf"^(?:[^{{}}]*[,\s])?\.{css_class}(?:,[^{{}}]*)? \{{[^}}]*color: var\((--[a-z-]+)\)", CSS, re.MULTILINE
    )
    assert rule, css_class
    return rule.group(1)


def test_contrast_is_computed_right() -> None:
    """Black on white is 21:1, and #767676 on white is the lightest grey that passes."""
    assert round(contrast("#000000", "#ffffff"), 1) == 21.0
    assert 4.5 <= contrast("#767676", "#ffffff") < 4.6


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("css_class", sorted(TOKEN_CLASSES))
def test_every_token_class_is_readable_on_code(css_class: str, colours: dict[str, str]) -> None:
    """At least 4.5:1 on the ground of code blocks, and on that of a deletion shown in them."""
    for ground in ("--code-ground", "--hidden-ground"):
        assert contrast(colours[colour_of(css_class)], colours[ground]) >= 4.5


PAIRS = [
    *(("--text", ground) for ground in ("--ground", "--code-ground", "--hidden-ground")),
    *(("--quiet", ground) for ground in ("--ground", "--code-ground")),
    *(("--accent", ground) for ground in ("--ground", "--hidden-ground", "--warn-ground")),
    *(("--warn-text", "--warn-ground"), ("--error", "--ground"), ("--error", "--code-ground")),
]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), PAIRS)
def test_text_is_readable_on_its_ground(front: str, ground: str, colours: dict[str, str]) -> None:
    """At least 4.5:1."""
    assert contrast(colours[front], colours[ground]) >= 4.5


def test_dark_defines_every_colour() -> None:
    """No colour of the light set shines through in the dark one, and none stands outside the two sets."""
    assert set(palette(r"\.card\.nightMode")) == set(LIGHT)
    rules = CSS.split("@media")[0].split(".note {", 1)[1]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?!\s*\{)", re.sub(r"#answer", "", rules))


def test_every_class_of_a_field_has_a_style() -> None:
    """Classes that the renderer gives are known to the style sheet; `span` wrappers aside."""
    topic = "## Q?\n<!-- id: a -->\n\n| a |\n|:-:|\n| b |\n\n```python\n@d\nclass A:\n    x = 1  #> 2\n```\n"
    names = set(" ".join(re.findall(r'class="([^"]*)"', field(one(topic), "Answer"))).split())
    assert {name for name in names - {"code"} if f".{name}" not in CSS} == set()


def test_body_text_is_large_enough() -> None:
    """At least 16 px, on small screens too."""
    sizes = [float(size) for size in re.findall(r"\.card \{[^}]*font-size: ([\d.]+)px", CSS)]
    assert len(sizes) == 2
    assert min(sizes) >= 16


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows_a_small_screen(browser: str, tmp_path: Path, dark: bool) -> None:
    """In a frame of 360 px: long code, a wide table, a long address and a deep list stay inside."""
    topic = (
        "## What does `asyncio.get_running_loop().create_task(work(), name='a-very-long-name')` do?\n<!-- id: a -->\n\n"
        "https://example.org/a/very/long/path/without/any/blank/in/it/at/all/and/more/of/it?query=value&other=value\n\n"
        "- a\n  - b\n    - c\n      - `averylongnamewithoutanyblankinitatallandmore`\n\n"
        "| one | two | three | four | five |\n|---|---|---|---|---|\n"
        "| `asyncio.create_task` | something | something | something | `asyncio.gather(*aws)` |\n\n"
        "```python\nif True:\n    if True:\n        x = 'averylongstringwithoutanyblankinitatallandmoreandmore'\n```\n"
    )
    note = one(topic)
    body = f'<article class="note">{field(note, "Question")}<hr id="answer">{field(note, "Answer")}</article>'
    night = " nightMode night_mode" if dark else ""
    inner = f"<!doctype html><meta charset=utf-8><style>{CSS}</style><body class='card{night}'>{body}"
    (tmp_path / "card.html").write_text(inner, encoding="utf-8")
    outer = (
        "<!doctype html><iframe id=f src=card.html width=360 height=1200 style='border:0'></iframe>"
        "<script>onload=()=>{const d=document.getElementById('f').contentDocument;"
        "const wide=[...d.querySelectorAll('.note *')].filter(e=>!e.closest('table')&&"
        "e.getBoundingClientRect().right>361);"
        "document.title='width '+d.documentElement.scrollWidth+' wide '+wide.length+' size '"
        "+parseFloat(getComputedStyle(d.body).fontSize)}</script>"
    )
    (tmp_path / "frame.html").write_text(outer, encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *(
                "--no-first-run",
                "--allow-file-access-from-files",
                "--virtual-time-budget=5000",
                "--window-size=800,1300",
            ),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "frame.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert re.search("<title>([^<]*)", done.stdout), done.stderr
    assert re.search("<title>([^<]*)", done.stdout)[1] == "width 360 wide 0 size 17"
