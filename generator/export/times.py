"""What a package keeps of the one before it, so that a learner's Anki touches the changed notes and no others."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator.export.notetypes import note_types
from generator.notes import Package, RenderedDeck

STEP = 1000
"""Distance of two notes in the order of new cards: room for those that come between them later."""
_LAST_POSITION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Times:
    """When things last changed, in Unix seconds, and the study order.

    `notes`: GUID -> time of change. `notetypes`: note-type id -> time of change. `due`: GUID -> place among the new
    cards.
    """

    notes: Mapping[str, int]
    notetypes: Mapping[int, int]
    due: Mapping[str, int]


def times(deck: RenderedDeck, previous: Package | None, now: int) -> Times:
    """Times for a build at `now` (Unix seconds) that follows the package `previous`.

    Equal content keeps its time; changed content gets the later of `now` and one second after its old time, as Anki
    takes nothing that is not newer; new content gets `now`. Note types likewise, by fields, templates and style.
    """
    before = {note.guid: note for note in previous.notes} if previous else {}
    types_before = {notetype.id: notetype for notetype in previous.notetypes} if previous else {}
    notes = {}
    for rendered in deck.notes:
        old = before.get(rendered.note.guid)
        notes[rendered.note.guid] = _time(old.mod, old.content == rendered.content, now) if old else now
    types = {}
    for notetype in note_types(deck):
        known = types_before.get(notetype.model_id)
        types[notetype.model_id] = _time(known.mod, known.digest == notetype.digest, now) if known else now
    order = [rendered.note.guid for rendered in deck.notes]
    return Times(notes, types, positions(order, {guid: note.due for guid, note in before.items() if note.content}))


def _time(old: int, same: bool, now: int) -> int:
    return old if same else max(now, old + 1)


def positions(order: Sequence[str], previous: Mapping[str, int]) -> dict[str, int]:
    """Places for GUIDs in study order, in steps of 1,000.

    As many as possible keep their place in `previous`; a new or moved one takes the middle between its neighbours.
    Where there is no room left, all are numbered anew.
    """
    order = list(dict.fromkeys(order))
    kept = _longest_ascending([(guid, previous[guid]) for guid in order if previous.get(guid, 0) > 0])
    placed: dict[str, int] = {}
    waiting: list[str] = []
    low = 0
    for guid in order:
        high = kept.get(guid)
        if high is None:
            waiting.append(guid)
            continue
        step = (high - low) // (len(waiting) + 1)
        if waiting and step < 1:
            return {guid: STEP * number for number, guid in enumerate(order, 1)}
        placed |= {guid: low + step * number for number, guid in enumerate(waiting, 1)}
        placed[guid] = low = high
        waiting.clear()
    placed |= {guid: low + STEP * number for number, guid in enumerate(waiting, 1)}
    if max(placed.values(), default=0) > _LAST_POSITION:
        return {guid: STEP * number for number, guid in enumerate(order, 1)}
    return placed


def _longest_ascending(items: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The longest run of items, not necessarily neighbours, whose numbers ascend."""
    ends: list[int] = []  # ends[n]: the smallest number at which a run of n + 1 items can end
    lengths = []
    for _, number in items:
        at = bisect.bisect_left(ends, number)
        ends[at : at + 1] = [number]
        lengths.append(at)
    wanted, limit = len(ends) - 1, _LAST_POSITION + 1
    chosen = []
    for (guid, number), length in zip(reversed(items), reversed(lengths), strict=True):
        if length == wanted and number < limit:
            chosen.append((guid, number))
            wanted, limit = wanted - 1, number
    return dict(reversed(chosen))
