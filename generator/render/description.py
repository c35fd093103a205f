"""What Anki shows on the deck's page: the author's words, and what a learner may count on."""

from __future__ import annotations

from generator.notes import Deck
from generator.render.inert import finish
from generator.render.markdown import Job, to_html
from generator.render.marks import Marks
from generator.render.media import Media
from generator.render.places import Origin
from generator.render.problems import DESCRIPTION_MEDIA, Problems

PROMISE = (
    "<p><small>Updates of this deck keep your progress: cards that did not change are never touched, a changed card "
    "keeps its schedule, nothing is duplicated and nothing disappears.</small></p>"
)


def deck_description(deck: Deck) -> tuple[str, Problems]:
    """HTML of deck.yaml's `description` and the promise to learners, and what is wrong with the text."""
    marks, media, problems = Marks(), Media(deck.media), Problems(None)
    text, span = deck.config.description, deck.config.description_span
    html = ""
    if text and span is not None:
        html = to_html(Job(Origin(text, span, exact=False), marks, media, problems))
        for name in media.used:  # a package holds what its notes show, and Anki calls anything else unused
            hint = "Show it in a note; a description is words and links."
            problems.add(DESCRIPTION_MEDIA, span, f"the deck's description shows `{name}`", hint)
    return finish(f"{html}\n{PROMISE}", marks, problems).strip(), problems
