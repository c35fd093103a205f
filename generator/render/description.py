"""What Anki shows on the deck's page: the author's words, and what a learner may count on."""

from __future__ import annotations

from pathlib import PurePosixPath

from generator.diagnostics import Source
from generator.notes import Deck
from generator.render.inert import finish
from generator.render.markdown import Job, to_html
from generator.render.marks import Marks
from generator.render.media import Media
from generator.render.places import Origin
from generator.render.problems import Problems

PROMISE = (
    "<p><small>Updates of this deck keep your progress: cards that did not change are never touched, a changed card "
    "keeps its schedule, nothing is duplicated and nothing disappears.</small></p>"
)


def deck_file(deck: Deck, name: str) -> Source:
    """A file in the deck's folder, for diagnostics about it as a whole: without its text."""
    topics = [PurePosixPath(file.source.path).parent for file in deck.files]
    folder = topics[0] if topics else PurePosixPath(deck.folder.name)
    return Source(str(folder / name), "")


def deck_description(deck: Deck, media: Media, problems: Problems) -> str:
    """HTML of deck.yaml's `description`, and the promise to learners."""
    marks = Marks()
    origin = Origin(deck.config.description, deck_file(deck, "deck.yaml").span(0), exact=False)
    html = to_html(Job(origin, marks, media, problems)) if deck.config.description.strip() else ""
    return finish(f"{html}\n{PROMISE}", marks, problems).strip()
