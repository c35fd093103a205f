"""A new deck: the files that `make-deck init` writes, as text. Nothing here touches the disk."""

from __future__ import annotations

import json
import re
import unicodedata

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""Names that Windows gives to no file or folder ("Naming Files, Paths, and Namespaces", Microsoft)."""

_DECK_YAML = """\
# What all notes in this folder share. The notes are in the *.md files beside it, one sub-deck a file.
format: 1
name: {name}
# Never change the namespace: it is how Anki knows your notes again after an update.
namespace: {namespace}
# mark: a note whose code could not be proved ships with a small "not run" label.
# strict: it is an error. off: nothing is run.
verify: mark
# Before every snippet, and on no card.
prelude: "import asyncio"
"""

_FIRST_NOTES = """\
---
deck: First notes
---
# First notes

A note is a question behind `## ` and what follows it. This paragraph is on no card.

## What does `sorted` return?
<!-- id: sorted-returns-a-list -->

A new list; what it was given stays as it was.

```python
numbers = (3, 1, 2)
print(sorted(numbers))  #> [1, 2, 3]
print(numbers)  #> (3, 1, 2)
```

## What does this print?
<!-- id: await-runs-the-coroutine -->

```python
async def greet():
    return "hello"

print(await greet())
```

### Answer

`await` runs the coroutine and gives what it returned.

```output
hello
```
"""


def deck_name(folder: str) -> str:
    """The deck's name in Anki for a folder of that name: one line without `"`, which Anki drops, and without `::`,
    which would make sub-decks of it.
    """
    normal = unicodedata.normalize("NFC", folder)
    printable = "".join(char if char.isprintable() and char != '"' else " " for char in normal)
    return " ".join(re.sub(":{2,}", ":", printable).split())[:80].strip(" :") or "My deck"


def folder_name(name: str) -> str:
    """A folder name for a deck of that name that every file system takes: letters, digits and single hyphens."""
    lowered = unicodedata.normalize("NFC", name).lower()
    words = "".join(char if char.isalnum() or unicodedata.combining(char) else "-" for char in lowered)
    slug = re.sub("-+", "-", words)[:40].strip("-") or "deck"
    return f"{slug}-deck" if _RESERVED.fullmatch(slug) else slug


def new_deck(name: str, random: str) -> dict[str, str]:
    """File name -> content of a new deck. `random` makes the namespace unlike any other: lower-case letters, digits."""
    return {
        "deck.yaml": _DECK_YAML.format(name=json.dumps(name, ensure_ascii=False), namespace=f"deck-{random}"),
        "01-first-notes.md": _FIRST_NOTES,
    }
