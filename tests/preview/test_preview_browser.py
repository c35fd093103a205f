"""The preview in a browser: search, turn, theme, phone, filters, all by keyboard, and readable for everybody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import MODES, Mode, chromium, load_measures, open_page, page, violations
from previewing import BROKEN, KINDS, own_deck
from previewing import page as make_page

from generator import preview

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

__all__ = ["chromium", "page"]

pytestmark = pytest.mark.browser

MANY = 2000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of a deck with every kind of card and, in a second file, with faults."""
    return write(tmp_path_factory.mktemp("page"), make_page(kinds=KINDS, zbroken=BROKEN))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of two thousand cards in twenty sub-decks; the last is like no other."""
    files = {}
    for number in range(20):
        notes = "".join(
            f"## Question {number}-{index}?\n<!-- id: n-{number}-{index} -->\n\nAnswer {number * index}.\n\n"
            for index in range(MANY // 20)
        )
        files[f"f{number:02}"] = f"---\ndeck: Part {number}\n---\n{notes}"
    files["f19"] = files["f19"].replace("Answer 1881.", "The needle.")
    return write(tmp_path_factory.mktemp("many"), make_page(**files))


def write(folder: Path, html: str) -> str:
    path = folder / "deck.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


def card(page: Page) -> FrameLocator:
    return page.frame_locator("#frame")


def shown(page: Page) -> list[str]:
    """Texts of the cards in the list, in order."""
    return page.locator("[role=option] .label").all_inner_texts()


def expect_card(page: Page, text: str) -> None:
    """Wait until the frame shows a card with this text."""
    card(page).locator("#qa", has_text=text).wait_for(timeout=5000)


def test_page_asks_for_nothing(chromium: Browser, address: str) -> None:
    """One request, for the page itself, however much is looked at; media come from inside it."""
    page = open_page(chromium, MODES["desktop light"])
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.keyboard.press("Space")
    card(page).locator("audio").wait_for(state="attached")
    assert card(page).locator("img").get_attribute("src", timeout=5000) is not None
    for _ in range(12):
        page.keyboard.press("j")
        page.keyboard.press("Space")
    page.wait_for_timeout(200)
    asked = {url.split("#")[0] for url in requests if not url.startswith(("data:", "about:"))}
    assert asked == {address}
    page.context.close()


def test_what_is_wrong_is_told_on_every_card(page: Page, address: str, tmp_path: Path) -> None:
    """A button counts errors and warnings and goes to the next note that has any, whatever was searched for; a deck
    without faults has none.
    """
    page.goto(address)
    problems = page.get_by_role("button", name="2 errors")
    page.locator("#query").fill("awaitable")
    problems.click()
    page.get_by_role("region", name="Problems of this note").wait_for()
    assert page.locator("#name").inner_text() == "no-answer"
    problems.click()
    assert page.locator("#name").inner_text() == "two-languages"
    page.goto(write(tmp_path, make_page(kinds=KINDS)))
    assert page.locator("#problems").is_hidden()
    page.locator("#query").fill("awaitable")
    page.locator("#list").focus()
    page.keyboard.press("f")
    assert page.locator("#query").input_value() == "awaitable"


def test_card_turns_and_shows_what_anki_shows(page: Page, address: str) -> None:
    """First the question alone, then the answer, in the frame whose body Anki's classes are on."""
    page.goto(address)
    expect_card(page, "What is a task?")
    assert card(page).locator("body").get_attribute("class") == "card card1"
    assert card(page).locator("#answer").count() == 0
    page.get_by_role("button", name="Show answer").click()
    expect_card(page, "runs by itself")
    page.get_by_role("button", name="Show question").click()
    card(page).locator("#answer").wait_for(state="detached")


def test_every_card_of_a_note_is_in_the_list(page: Page, address: str) -> None:
    """The reversed card and each deletion are cards of their own; a note that could not be read has its place."""
    page.goto(address)
    assert len(shown(page)) == 1 + 2 + 3 + 2 + 1 + 1 + 2
    page.locator("[role=option]", has_text="Cloze 3").click()
    expect_card(page, "[what else?]")
    assert card(page).locator("body").get_attribute("class") == "card card3"
    page.keyboard.press("Space")
    card(page).locator(".cloze", has_text="future").wait_for()


def test_picture_comes_from_the_page(page: Page, address: str) -> None:
    """Its address is `data:`, and it is not asked for elsewhere."""
    page.goto(address)
    page.keyboard.press("Space")
    card(page).locator("img").wait_for(state="attached")
    assert str(card(page).locator("img").get_attribute("src")).startswith("data:image/png;base64,")
    assert str(card(page).locator("audio").get_attribute("src")).startswith("data:audio/mpeg;base64,")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("TASK", ["What is a task?", "A [...] and a future are", "A task and a [what", "A task and a future are"]),
        ("awaitable future", ["A [...] and", "A task and a [what", "A task and a future are [...]"]),
        ("cloze-code", ["Fill in the call", "Fill in the call"]),
        ("__await__", ["A [...] and", "A task and a [what", "A task and a future are [...]"]),
        ("no-answer", ["Has this an answer?"]),
    ],
)
def test_search_looks_into_everything(page: Page, address: str, words: str, found: list[str]) -> None:
    """Question, answer, id and tags, all words in any order, in any case."""
    page.goto(address)
    page.get_by_role("searchbox", name="Search").fill(words)
    texts = shown(page)
    assert len(texts) == len(found)
    for start in found:
        assert any(text.startswith(start) for text in texts), (start, texts)


def test_search_that_finds_nothing_says_so(page: Page, address: str) -> None:
    """And Escape brings everything back."""
    page.goto(address)
    page.get_by_role("searchbox").fill("no such words")
    page.get_by_text("No card matches.").wait_for()
    assert page.locator("#count").inner_text() == "0 of 10 cards"
    page.keyboard.press("Escape")
    assert page.locator("#count").inner_text() == "10 cards"
    expect_card(page, "What is a task?")


def test_filters_narrow_the_list(page: Page, address: str) -> None:
    """By sub-deck, tag and verdict, together with each other."""
    page.goto(address)
    page.get_by_label("Sub-deck").select_option("Broken")
    assert page.locator("#count").inner_text() == "1 of 10 cards"
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Tag").select_option("task")
    assert shown(page) == ["What is a task?"]
    page.get_by_label("Tag").select_option("")
    page.get_by_label("Verdict").select_option("verified")
    assert page.locator("#count").inner_text() == "3 of 10 cards"
    page.get_by_label("Tag").select_option("task")
    assert page.locator("#count").inner_text() == "0 of 10 cards"
    page.get_by_label("Tag").select_option("")
    page.get_by_label("Verdict").select_option("faulty")
    assert shown(page) == ["Has this an answer?", "What is wrong here?"]


def test_verdict_names_the_pythons(page: Page, address: str) -> None:
    """Beside the card, in words."""
    page.goto(address)
    page.get_by_role("searchbox").fill("predict")
    assert "Verified on Python 3.11.9, 3.13.0" in page.locator("#facts").inner_text()


def test_fault_stands_beside_its_note(page: Page, address: str) -> None:
    """With code, message, the marked place and the way out, and no card to turn."""
    page.goto(address)
    page.get_by_role("searchbox").fill("two-languages")
    faults = page.get_by_role("region", name="Problems of this note")
    faults.wait_for()
    text = faults.inner_text()
    assert re.search(r"Error N\d{3}", text)
    assert "deck/zbroken.md:16:4" in text
    assert "py" in faults.locator("mark").first.inner_text()
    assert page.get_by_role("button", name="Show answer").is_disabled()


def test_theme_changes_page_and_card(page: Page, address: str) -> None:
    """Automatic follows the system; t goes on to light and to dark, and the card gets Anki's class."""
    page.goto(address)
    page.emulate_media(color_scheme="dark")
    card(page).locator("body.nightMode").wait_for()
    page.keyboard.press("t")
    card(page).locator("body:not(.nightMode)").wait_for()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    card(page).locator("body.nightMode").wait_for()
    assert page.get_by_role("button", name="Theme: dark").count() == 1
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_phone_is_360_pixels_wide(page: Page, address: str) -> None:
    """The card lays itself out for that width; a second p takes it back."""
    page.goto(address)
    width = "document.getElementById('frame').contentWindow.innerWidth"
    wide = page.evaluate(width)
    page.keyboard.press("p")
    assert page.evaluate(width) == 360
    assert page.get_by_role("button", name="Phone").get_attribute("aria-pressed") == "true"
    page.keyboard.press("p")
    assert page.evaluate(width) == wide > 600


def test_everything_works_by_keyboard_alone(page: Page, address: str) -> None:
    """From the page's start: move, turn, search, leave the search, go to the next problem, read the keys."""
    page.goto(address)
    page.keyboard.press("j")
    expect_card(page, "Which word opens a coroutine?")
    page.keyboard.press("ArrowDown")
    expect_card(page, "async")
    page.keyboard.press("k")
    expect_card(page, "Which word opens a coroutine?")
    page.keyboard.press("Space")
    card(page).locator("#answer").wait_for()
    page.keyboard.press("j")
    card(page).locator("#answer").wait_for(state="detached")
    page.keyboard.press("/")
    page.keyboard.type("fill in j")
    assert page.get_by_role("searchbox").input_value() == "fill in j"
    page.keyboard.press("Backspace")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "list"
    page.keyboard.press("Enter")
    card(page).locator(".cloze", has_text="range").wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("searchbox").input_value() == ""
    page.keyboard.press("f")
    page.get_by_role("region", name="Problems of this note").wait_for()
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog", name="Keys").is_visible()


def test_keys_work_inside_the_card(page: Page, address: str) -> None:
    """A click into the card takes no key away, and a folded part opens by its own."""
    page.goto(address)
    page.keyboard.press("Space")
    card(page).locator("summary").click()
    page.keyboard.press("Space")
    assert card(page).locator("details").get_attribute("open") is None
    page.keyboard.press("j")
    expect_card(page, "Which word opens a coroutine?")
    page.keyboard.press("j")
    card(page).locator("body.card2").wait_for()


def test_letters_can_be_switched_off_as_keys(page: Page, address: str) -> None:
    """For who speaks to the page (WCAG 2.1.4); arrows and space stay."""
    page.goto(address)
    page.keyboard.press("?")
    page.get_by_label("Letters alone are keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.get_by_role("button", name="Theme: auto").count() == 1
    page.keyboard.press("ArrowDown")
    expect_card(page, "Which word opens a coroutine?")


def test_tab_reaches_every_control_and_shows_where_it_is(page: Page, address: str) -> None:
    """In the order of the page, each with a name and an outline of enough contrast and width."""
    page.goto(address)
    load_measures(page)
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => {
              const element = document.activeElement;
              const outline = getComputedStyle(element.id === "frame" ? element.parentElement : element);
              const ratio = contrast(channels(outline.outlineColor), ground(document.body));
              return [element.id || element.className || element.tagName, outline.outlineStyle,
                      parseFloat(outline.outlineWidth), ratio];
            }"""
        )
        if state[0] in ("BODY", *(name for name, *_ in reached)):
            break
        reached.append(state)
    names = [name for name, *_ in reached]
    assert [name for name in names if name != "frame"] == [
        "skip", "problems", "phone", "theme", "help", "query", "deck", "tag", "verdict", "list", "flip", "after",
    ]  # fmt: skip
    for name, style, width, ratio in reached:
        assert style not in ("none", ""), name
        assert width >= 2, name
        assert ratio >= 3, name


STATES = {
    "question": [],
    "answer": ["Space"],
    "fault": ["f"],
    "keys": ["?"],
    "list": ["Escape", "/"],
    "nothing in the list": ["q", "q", "q", "q"],
}
"""What is looked at, one after the other, and the keys that lead there from the one before."""


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_page_is_accessible(chromium: Browser, address: str, mode: Mode) -> None:
    """In no state finds axe-core a violation, reaches anything over the page, or is a text hard to read."""
    page = open_page(chromium, mode)
    page.goto(address)
    load_measures(page)
    found = {}
    for state, keys in STATES.items():
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(250)  # for colours that change slowly
        over = page.evaluate("overflowing(document.querySelector('.bar')).concat(overflowing(stage))")
        texts = page.evaluate("texts(document.body)")
        assert len(texts) > 10
        faint = [text for text in texts if text["contrast"] < text["needed"]]
        found[state] = [*violations(page), *over, *faint]
    assert found == {state: [] for state in STATES}
    page.context.close()


def test_page_works_on_a_phone(chromium: Browser, address: str) -> None:
    """The list opens over the card, and a choice closes it; the card is 360 pixels wide by itself."""
    page = open_page(chromium, MODES["phone light"])
    page.goto(address)
    expect_card(page, "What is a task?")
    assert page.evaluate("document.getElementById('frame').contentWindow.innerWidth") == 360
    assert not page.get_by_role("searchbox").is_visible()
    page.get_by_role("button", name="Cards").click()
    page.get_by_role("searchbox").fill("coroutine async")
    page.locator("[role=option]", has_text="Reversed").click()
    assert not page.get_by_role("searchbox").is_visible()
    expect_card(page, "async")
    page.context.close()


def test_two_thousand_cards_are_searched(page: Page, many: str) -> None:
    """All are there, the last can be found and reached, and the list grows only as far as it is looked at."""
    page.goto(many)
    assert page.locator("#count").inner_text() == "2,000 cards"
    assert 50 < page.locator("[role=option]").count() < 500
    page.get_by_role("searchbox").fill("needle")
    assert shown(page) == ["Question 19-99?"]
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    page.locator("[role=option][aria-selected=true]", has_text="Question 19-99?").wait_for()
    assert page.locator("[role=option]").last.get_attribute("aria-posinset") == "2000"


def test_list_grows_when_it_is_scrolled(page: Page, many: str) -> None:
    """So that no card needs a search to be seen."""
    page.goto(many)
    before = page.locator("[role=option]").count()
    page.locator("#list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    page.locator("[role=option]").nth(before).wait_for(state="attached")  # its policy forbids a script that waits


def test_the_policy_lets_our_cards_look_as_in_anki(page: Page, tmp_path: Path) -> None:
    """Both sides of every tenth, and of each with a picture of a run, show without a complaint of the browser's."""
    deck = own_deck()
    html = preview.preview_page(preview.Preview("deck", deck), lambda media: media.path.read_bytes()).html()
    page.goto(write(tmp_path, html))
    sides = page.evaluate(
        """async () => {
          const seen = [];
          const frame = document.getElementById("frame");
          const wait = () => new Promise((done) => frame.addEventListener("load", done, {once: true}));
          for (const {index, card} of entries) {
            if (index % 10 && !card.back.includes("<svg")) continue;
            for (const step of [() => select(index), flip]) {
              const loaded = wait();
              step();
              await loaded;
              seen.push(frame.contentDocument.body.innerText.length);
            }
            flip();
            await wait();
          }
          return seen;
        }"""
    )
    assert len(sides) > 2 * sum(note.note.cards for note in deck.notes) // 10
    assert min(sides) > 10


def test_address_leads_to_a_card(page: Page, address: str) -> None:
    """The page names the card that is shown in its address, and opens there again."""
    page.goto(address)
    page.locator("[role=option]", has_text="Cloze 2").first.click()
    expect_card(page, "[...]")
    assert page.url.endswith("#cloze/Cloze%202") or page.url.endswith("#cloze/Cloze 2")
    page.reload()
    card(page).locator("body.card2").wait_for()


def test_a_hostile_card_does_nothing(chromium: Browser, tmp_path: Path) -> None:
    """Where a script came through the sanitiser, the frame and the policy still do not let it act."""
    question = r"Which word opens a coroutine?\u003c/div>"
    script = "parent.document.title = 1; fetch(`http://127.0.0.1:9/`)"
    attack = rf"\u003cimg src=http://127.0.0.1:9/ onerror='{script}'>\u003cscript>{script}\u003c/script>"
    html = make_page(kinds=KINDS)
    assert question in html
    page = open_page(chromium, MODES["desktop light"])
    failed: list[str] = []
    page.on("requestfinished", lambda request: failed.append(request.url))
    page.goto(write(tmp_path, html.replace(question, attack + question)))
    page.keyboard.press("j")
    expect_card(page, "Which word opens a coroutine?")
    assert card(page).locator("script").count() == 1
    page.wait_for_timeout(100)
    assert page.title().startswith("Root")
    assert [url for url in failed if url.startswith("http")] == []
    page.context.close()
