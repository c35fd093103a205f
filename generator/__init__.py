"""make-deck turns a folder of question/answer notes in Markdown into an Anki deck.

Every Python snippet on a card is run under asyncio before the deck is written, and a note whose code is wrong
stops the build. Read `pipeline.py` first: it is the whole product on one page.
"""

__version__ = "0.1.0"
