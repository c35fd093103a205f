"""The page is one file that asks for nothing, and holds every card and every fault."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

import pytest
from previewing import BROKEN, KINDS, PICTURE, SOUND, data_of, own_deck, page, parsed, policy_of, read_media

from generator import preview
from generator.diagnostics import Rule, Severity, Source
from generator.notes import MediaFile
from generator.preview.data import plain
from generator.preview.faults import excerpt

RULE = Rule("N999", "a fault for a test")


class Elements(HTMLParser):
    """Elements with their attributes, and the content of `style` and `script`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.raw.append((self.cdata_elem, data))


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def notes_of(**topics: str) -> dict[str, dict[str, object]]:
    return {note["id"]: note for note in data_of(page(**topics))["notes"]}


def test_policy_allows_the_pages_own_script_and_no_other() -> None:
    """Nothing loads from anywhere, and the hashes are those of what stands in the page."""
    html = page(kinds=KINDS)
    policy = policy_of(html)
    raw = Elements(html).raw
    scripts = [text for tag, text in raw if tag == "script"]
    (style,) = [text for tag, text in raw if tag == "style"]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == sha256(scripts[1])
    assert policy["style-src"] == f"{sha256(style)} {sha256(data_of(html)['css'])}"
    assert policy["connect-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["img-src"] == policy["media-src"] == "data:"


def test_only_a_served_page_may_ask_its_server() -> None:
    """The file never connects; the served page connects to where it came from."""
    assert policy_of(page(live=True, kinds=KINDS))["connect-src"] == "'self'"
    assert 'data-live="live"' in page(live=True, kinds=KINDS)
    assert 'data-live=""' in page(kinds=KINDS)


def test_page_refers_to_nothing_outside_itself() -> None:
    """No address but `data:` and places in the page, and no handler in an attribute."""
    for tag, attributes in Elements(page(kinds=KINDS)).found:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                assert value is not None
                assert value.startswith(("#", "data:")), (tag, value)


def test_cards_run_no_script_in_their_frame() -> None:
    """The sandbox does not allow scripts, forms or the page around to be replaced."""
    (frame,) = [attributes for tag, attributes in Elements(page(kinds=KINDS)).found if tag == "iframe"]
    allowed = (frame["sandbox"] or "").split()
    assert not {"allow-scripts", "allow-forms", "allow-top-navigation"} & set(allowed)


def test_text_cannot_end_the_data() -> None:
    """A card that shows `</script>` is data to the end, and comes out as it went in."""
    html = page(kinds=KINDS, more='---\ndeck: "</script><!--<script>"\n---\n## A <!--?\n\n`</script>`\n')
    assert [tag for tag, _ in Elements(html).found if tag == "script"] == ["script", "script"]
    predict = notes_of(kinds=KINDS)["predict"]
    assert "&lt;/script&gt;" in predict["cards"][0]["back"]  # type: ignore[index]
    assert "</script><script>alert(1)</script>" in predict["text"]  # type: ignore[operator]


def test_title_is_text() -> None:
    """Where there is no deck the folder's name stands in, and no name is markup."""
    html = preview.preview_page(preview.Preview("<b>&deck", None), read_media).html()
    assert "<title>&lt;b&gt;&amp;deck" in html
    assert '<h1 id="title">&lt;b&gt;&amp;deck</h1>' in html
    assert "<b>" not in html


def test_the_same_deck_gives_the_same_page() -> None:
    """Byte by byte, and its version changes with its content only."""
    assert page(kinds=KINDS) == page(kinds=KINDS)
    assert data_of(page(kinds=KINDS))["version"] != data_of(page(kinds=KINDS + "\nMore.\n"))["version"]


def test_every_note_says_what_is_known_of_it() -> None:
    """Sub-deck, tags, verdict, the Pythons it was verified on, its place, and its cards' names."""
    notes = notes_of(kinds=KINDS)
    code, words = notes["cloze-code"], notes["plain"]
    assert (code["verdict"], code["pythons"]) == ("verified", ["3.11.9", "3.13.0"])
    assert (words["verdict"], words["pythons"]) == ("no-code", [])
    assert words["deck"] == "Root::Kinds"
    assert words["tags"] == ["all", "kinds", "task"]
    assert words["place"] == "deck/kinds.md:6"
    names = {name: [card["name"] for card in note["cards"]] for name, note in notes.items()}  # type: ignore[attr-defined]
    assert names == {
        "plain": [""],
        "turned": ["", "Reversed"],
        "cloze": ["Cloze 1", "Cloze 2", "Cloze 3"],
        "cloze-code": ["Cloze 1", "Cloze 2"],
        "predict": [""],
    }


def test_search_text_is_what_a_reader_sees() -> None:
    """Question, answer, extra, id and tags, without markup, and with what a cloze hides."""
    notes = notes_of(kinds=KINDS)
    for words in ("what is a task?", 'runs by itself, a < b & "so" on.', "plain", "kinds"):
        assert words in notes["plain"]["text"]  # type: ignore[operator]
    assert "https://docs" not in notes["plain"]["text"]  # type: ignore[operator]
    assert "asyncio.gather(*[asyncio.sleep" in notes["cloze-code"]["text"]  # type: ignore[operator]


def test_list_shows_a_card_by_what_it_asks() -> None:
    """A cloze by its gap, a reversed card by its answer."""
    notes = notes_of(kinds=KINDS)
    labels = {name: [card["label"] for card in note["cards"]] for name, note in notes.items()}  # type: ignore[attr-defined]
    assert labels["turned"] == ["Which word opens a coroutine?", "async"]
    assert labels["cloze"][2] == r"A task and a [what else?] are awaitable, with \(x < y\). They have __await__."


def test_media_are_in_the_page() -> None:
    """Pictures and sounds as `data:`, a player in place of `[sound:…]`."""
    data = data_of(page(kinds=KINDS))
    encoded = {name: address.partition(",")[2] for name, address in data["media"].items()}
    assert encoded == {
        "bell-0a1b.mp3": base64.b64encode(SOUND).decode(),
        "loop-0a1b.png": base64.b64encode(PICTURE).decode(),
    }
    assert data["media"]["loop-0a1b.png"].startswith("data:image/png;base64,")
    back = data["notes"][0]["cards"][0]["back"]
    assert '<audio controls preload="none" aria-label="sound bell-0a1b.mp3" src="bell-0a1b.mp3"></audio>' in back
    assert "[sound:" not in back


def test_media_that_cannot_be_read_are_left_out() -> None:
    """The build reports them; the page shows their alternative text."""

    def fail(file: MediaFile) -> bytes:
        raise PermissionError(file.name)

    deck, _ = parsed(kinds=KINDS)
    html = preview.preview_page(preview.Preview("deck", deck), fail).html()
    assert data_of(html)["media"] == {}


def test_notes_that_could_not_be_read_stand_in_their_place() -> None:
    """In the order of the file, under their heading, with code, message, hint and the line."""
    notes = data_of(page(broken=BROKEN))["notes"]
    assert [(note["id"], note["verdict"]) for note in notes] == [
        ("good-one", "no-code"),
        ("no-answer", "no-card"),
        ("two-languages", "no-card"),
    ]
    assert [note.get("title") for note in notes[1:]] == ["Has this an answer?", "What is wrong here?"]
    fault = next(fault for fault in notes[2]["faults"] if "py" in fault["message"])
    assert fault["severity"] == "error"
    assert fault["place"].startswith("deck/broken.md:")
    assert "python" in fault["hint"]
    assert any("```" in before and marked.startswith("py") for _, before, marked, _ in fault["lines"])


def test_fault_of_a_note_with_a_card_stands_beside_the_card() -> None:
    """By the note's id where the diagnostic has one, else by its place in the file."""
    deck, _ = parsed(kinds=KINDS)
    turned = deck.notes[1].note
    elsewhere = Source("deck/deck.yaml", "prelude: x\n").span(0, 7)
    inside = turned.span.source.span(turned.span.start + 5)
    found = [
        RULE.at(elsewhere, "by id", note="turned", finding="never-awaited"),
        RULE.at(inside, "by place"),
        RULE.at(elsewhere, "of the deck"),
    ]
    data = data_of(preview.preview_page(preview.Preview("deck", deck, found), read_media).html())
    faults = {note["id"]: [fault["message"] for fault in note["faults"]] for note in data["notes"]}
    assert faults["turned"] == ["by id", "by place"]
    assert faults[""] == ["of the deck"]
    assert data["notes"][0]["title"] == "deck.yaml"


def test_without_a_deck_the_faults_are_shown() -> None:
    """A deck.yaml that cannot be read leaves the page with what is wrong."""
    found = [RULE.at(Source("deck/deck.yaml", "").span(0), "it is missing")]
    data = data_of(preview.preview_page(preview.Preview("deck", None, found), read_media).html())
    assert [fault["message"] for note in data["notes"] for fault in note["faults"]] == ["it is missing"]
    assert data["title"] == "deck"


def test_faults_before_the_first_note_belong_to_the_file() -> None:
    """And a heading inside a fence opens no note."""
    text = "---\ndeck: A\n---\nfirst\n\n```text\n## no note\n```\nlast\n\n## Note #\nx\n"
    source = Source("deck/a.md", text)
    found = [RULE.at(source.span(text.rindex(word)), word) for word in ("first", "last", "x")]
    data = data_of(preview.preview_page(preview.Preview("deck", None, found), read_media).html())
    assert [(note["title"], note["place"], len(note["faults"])) for note in data["notes"]] == [
        ("a.md", "deck/a.md:1", 2),
        ("Note", "deck/a.md:11", 1),
    ]


def test_excerpt_marks_the_place() -> None:
    """The line with one above and below; of a long stretch the first lines; control characters as escapes."""
    source = Source("a.md", "one\ntwo \x1b[31m three\nfour\nfive")
    assert excerpt(source.span(8, 12)) == [
        (1, "one", "", ""),
        (2, "two ", "\\x1b[31", "m three"),
        (3, "four", "", ""),
    ]
    assert excerpt(source.span(0, 20))[1] == (2, "", "two \\x1b[31m three", "")
    assert len(excerpt(Source("a.md", "x\n" * 50).span(0, 80))) == 9
    assert excerpt(Source("a.md", "").span(0)) == []


def test_excerpt_of_a_long_line_is_short() -> None:
    """It is cut around the place."""
    text = "x" * 5000 + "here" + "y" * 5000
    ((_, before, marked, after),) = excerpt(Source("a.md", text).span(5000, 5004))
    assert marked == "here"
    assert before.startswith("…")
    assert len(before) + len(after) < 600


def test_warnings_and_errors_are_told_apart() -> None:
    """And further places are shown with the fault."""
    source = Source("deck/a.md", "## A\n\n## A\n")
    warning = Rule("N998", "a warning", Severity.WARNING).at(source.span(6, 10), "twice", "Once is enough.")
    related = type(warning)(
        warning.code, warning.severity, warning.span, warning.message, warning.hint, related=(source.span(0, 4),)
    )
    data = data_of(preview.preview_page(preview.Preview("deck", None, [related]), read_media).html())
    (fault,) = data["notes"][0]["faults"]
    assert fault["severity"] == "warning"
    assert fault["related"] == [{"place": "deck/a.md:1:1", "lines": [[1, "", "## A", ""], [2, "", "", ""]]}]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b</p>", "a b"),
        ("a<b>c</b>", "ac"),
        ("<!-- x > y -->z", "z"),
        ("&lt;T&gt; &amp;amp;", "<T> &amp;"),
        ('<img alt="x" src="y">a<br>b', "a b"),
    ],
)
def test_plain_text(html: str, text: str) -> None:
    """Tags go, blocks are apart, entities are characters."""
    assert plain(html) == text


def test_a_deck_nothing_of_which_was_run_says_so() -> None:
    """The page tells by `ran`."""
    assert data_of(page(ran=False, kinds=KINDS))["ran"] is False
    assert data_of(page(kinds=KINDS))["ran"] is True


def test_our_own_deck_has_a_page() -> None:
    """With all its cards, each of which asks something."""
    html = preview.preview_page(preview.Preview("asyncio", own_deck()), read_media).html()
    cards = [card for note in data_of(html)["notes"] for card in note["cards"]]
    assert len(cards) > 100
    assert all(card["label"] and plain(card["front"]) for card in cards)
