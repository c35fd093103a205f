"""Cards as the real Anki makes them of a folder of notes: through every stage, the import, and Anki's own templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from anki_real import Learner, Report

from generator import verify
from generator.diagnostics import as_text
from generator.pipeline import Checked, Options, build_deck, check_deck

NOW = 1_800_000_000
_VOID = frozenset({"br", "hr", "img", "input"})
_NAMES = "article section header footer aside div p ul ol li figure details summary table pre h4 hr br"
_BLOCKS = frozenset(_NAMES.split())
_NOT_IN_A_PARAGRAPH = _BLOCKS - {"summary", "br"}


@dataclass(frozen=True)
class Card:
    """One card. `question` and `answer` are the whole HTML of its two sides, `sounds` what the sides play."""

    template: str
    deck: str
    question: str
    answer: str
    sounds: tuple[list[str], list[str]]

    @property
    def front(self) -> Element:
        return strict(self.question)

    @property
    def back(self) -> Element:
        return strict(self.answer)


@dataclass
class Imported:
    """A deck in a learner's Anki: its cards by the id of their note, in Anki's order."""

    checked: Checked
    report: Report
    cards: dict[str, list[Card]] = field(default_factory=dict)


def checked(folder: Path) -> Checked:
    """Every stage before the export; the programs run."""
    return check_deck(folder, folder.parent, Options(verify=verify.Options(cache=False)))


def imported(folder: Path, learner_folder: Path) -> Imported:
    """Build the deck in `folder`, which must be without fault, and import it into a new collection."""
    result = checked(folder)
    assert [as_text(item) for item in result.diagnostics] == []
    return taken_in(result, learner_folder)


def taken_in(result: Checked, learner_folder: Path) -> Imported:
    """The deck of `result`, exported, imported and rendered."""
    data, problems = build_deck(result, None, "deck.apkg", NOW)
    assert problems == []
    assert result.rendered is not None
    with Learner(learner_folder) as learner:
        log = learner.import_package(data)
        assert log.new == sorted(note.note.id for note in result.rendered.notes)
        found = Imported(result, learner.report())
        for key in log.new:
            found.cards[key] = list(_rendered(learner, key))
    return found


def _rendered(learner: Learner, key: str) -> Iterator[Card]:
    for card in learner.cards(key):
        output = card.render_output()
        sounds = [getattr(tag, "filename", "text to speech") for tag in output.question_av_tags]
        more = [getattr(tag, "filename", "text to speech") for tag in output.answer_av_tags]
        deck = learner.col.decks.name(card.did)
        yield Card(card.template()["name"], deck, output.question_text, output.answer_text, (sounds, more))


def strict(html: str) -> Element:
    """The tree of `html`, which must be well formed: no element left open or closed twice, no stray `<` or `&`."""
    reader = _Strict()
    reader.feed(html)
    reader.close()
    assert reader.rawdata == "", f"unfinished: {reader.rawdata!r}"
    assert [element.tag for element in reader.open] == ["root"], "elements left open"
    for paragraph in reader.open[0].iter("p"):
        assert {element.tag for element in paragraph.iter()} & _NOT_IN_A_PARAGRAPH == {"p"}, "blocks in a paragraph"
    return reader.open[0]


class _Strict(HTMLParser):
    """Builds a tree, and fails where a browser would have to guess."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open = [Element("root")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute stands twice: {self.get_starttag_text()}"
        element = SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:  # part of an SVG
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        assert "<" not in data, f"a stray <: {data!r}"
        assert "&" not in data, f"a stray &: {data!r}"
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        characters = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "nbsp": "\u00a0"}
        assert name in characters, f"an entity that HTML fields need not hold: {name}"
        self._add(characters[name])

    def handle_charref(self, name: str) -> None:
        self._add(chr(int(name[1:], 16) if name[0] in "xX" else int(name)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data!r}")

    def _add(self, text: str) -> None:
        parent = self.open[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text


def classed(root: Element, name: str) -> list[Element]:
    """The elements below `root` of a class, in order."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def section(root: Element, name: str) -> Element:
    """The one part of a card that has this class."""
    (found,) = classed(root, name)
    return found


def visible(root: Element) -> str:
    """What a reader sees of it: each block of text on a line of its own, and code to the letter."""
    blocks: list[str] = []
    run: list[str] = []

    def end() -> None:
        text = " ".join("".join(run).split())
        blocks.extend([text] if text else [])
        run.clear()

    def walk(element: Element) -> None:
        is_block = element.tag in _BLOCKS
        if is_block:
            end()
        if element.tag == "pre":
            blocks.append("".join(element.itertext()))
            return
        run.append(element.text or "")
        for child in element:
            walk(child)
            run.append(child.tail or "")
        if is_block:
            end()

    walk(root)
    end()
    return "\n".join(blocks)


def code_blocks(root: Element) -> list[str]:
    return ["".join(pre.itertext()) for pre in root.iter("pre")]
