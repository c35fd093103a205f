"""A `timeline` fence as a picture: an inline SVG, drawn from its text alone.

The text has a line for each task, its name and what it does from which time on (in ms):

    main: 0 wait, 200 end
    tea: 0 sleep, 200 end
    toast: 0 sleep, 100 fail ValueError

The picture is laid out for the width of a phone and grows with the page. Shapes and words carry what it says; colours
come from the classes of card.css. The text stands folded below it, for those who cannot see the picture.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from generator.render.axis import Axis, Tick, duration, make_axis
from generator.render.inert import inert_text

MOST_ROWS, MOST_EVENTS = 24, 60
"""As many as the verifier writes."""
MOST_TIME = 10**9
STATES = ("run", "sleep", "wait", "yield", "cancel")
ENDS = ("end", "fail", "cancelled")

_EVENT = re.compile(r"(?P<time>[0-9]+) +(?P<state>[a-z]+)(?: +(?P<error>\S+))?")
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")

# Units of the picture; a phone shows one as a little more than one CSS pixel.
WIDTH = 320
_LEFT, _RIGHT = 8.0, 312.0
_ROW, _BAR_TOP, _BAR = 46, 20, 16
_NAME_SIZE, _TEXT_SIZE = 13, 12
_NAME_CELL, _TEXT_CELL = 7.9, 7.2
"""Width of a character, in the widest of the fonts that a device may have."""
_LEAST_NAME = 10
"""Characters of a name that are always shown."""
_LEGEND_LINE, _LEGEND_COLUMN = 19, 158
_LABEL = {"sleep": 42, "wait": 36, "yield": 40}
"""The least width of a bar that has its state written in it."""
_FEW = 20
"""Up to so many events of a task are drawn with thick strokes."""
_TOP_AXIS = 8
"""With more rows than this the axis stands above them too."""

_MEANINGS = {
    "runs": "runs",
    "sleep": "sleeps",
    "wait": "waits",
    "yield": "yields: sleep(0)",
    "cancel": "asked to stop",
    "now": "at one moment",
    "torn": "time left out",
}


@dataclass(frozen=True, slots=True)
class Event:
    """From `time` (ms) on, a task is in `state`. `error` names the exception of a `fail`."""

    time: int
    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A task: at least one event, times ascending, nothing after an end."""

    name: str
    events: tuple[Event, ...]


def problems(text: str) -> list[tuple[int, str]]:
    """Why `picture` cannot draw the text: lines, counted from 1, and what is wrong with each."""
    return _read(text)[1]


def picture(text: str) -> str | None:
    """The text as final HTML, an SVG and its text, which does nothing in Anki; None if `problems` finds any."""
    rows, faults = _read(text)
    if faults:
        return None
    lines = [line for line in text.split("\n") if line.strip()]
    told = "\n</span>".join(f'<span class="line">{_safe(line)}' for line in lines) + "</span>"
    return f"{_svg(rows)}<details><summary>As text</summary><pre><code>{told}</code></pre></details>"


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(text: str) -> tuple[list[Row], list[tuple[int, str]]]:
    rows: list[Row] = []
    faults: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row, fault = _row(line.strip())
        if row and any(row.name == other.name for other in rows):
            fault = f"`{row.name}` has a line already"
        if fault:
            faults.append((number, fault))
        elif row:
            rows.append(row)
            if len(rows) == MOST_ROWS + 1:
                faults.append((number, f"more than {MOST_ROWS} tasks are too many for a picture"))
    if not rows and not faults:
        faults.append((1, "this timeline has no task in it"))
    return rows, faults


def _row(line: str) -> tuple[Row | None, str]:
    """The row of a line, or what is wrong with it."""
    name, colon, rest = line.partition(":")
    if not colon or not name.strip():
        return None, f"`{line}` is no task's line, such as `main: 0 wait, 200 end`"
    events: list[Event] = []
    for part in rest.split(","):
        event, fault = _event(part.strip())
        if event is None:
            return None, fault
        if events and events[-1].state in ENDS:
            return None, f"`{part.strip()}` comes after `{name.strip()}` has ended"
        if events and event.time < events[-1].time:
            return None, f"`{part.strip()}` goes back in time"
        events.append(event)
    if len(events) > MOST_EVENTS:
        return None, f"more than {MOST_EVENTS} events of one task are too many for a picture"
    return Row(name.strip(), tuple(events)), ""


def _event(text: str) -> tuple[Event | None, str]:
    found = _EVENT.fullmatch(text)
    if not found:
        return None, f"`{text}` is no event, such as `100 sleep`"
    time, state, error = found.group("time"), found.group("state"), found.group("error") or ""
    if state not in (*STATES, *ENDS):
        return None, f"`{state}` is nothing that a task does: {', '.join((*STATES, *ENDS))}"
    if (state == "fail") != bool(error):
        return None, f"`{text}`: an exception's name stands behind `fail`, and only there"
    if len(time) > 10 or int(time) > MOST_TIME:
        return None, f"`{time[:12]}` ms is too long for a picture"
    return Event(int(time), state, error), ""


# --- drawing ---------------------------------------------------------------------------------------------------------


def _svg(rows: list[Row]) -> str:
    axis = make_axis(_slots(rows), _LEFT, _RIGHT)
    ticks = axis.ticks()
    top = 22 if len(rows) > _TOP_AXIS else 2
    bottom = top + _ROW * len(rows)
    legend, height = _legend(_used(rows, axis), bottom + 34)
    pad = min(axis.slot / 4, 4)
    parts = [
        *(_rect("now", start - pad, top, end - start + 2 * pad, bottom - top) for start, end in axis.bands),
        *(_line("grid", tick.x, top, tick.x, bottom) for tick in ticks),
        *(part for at, row in enumerate(rows) for part in _draw_row(row, axis, top + at * _ROW)),
        *_draw_axis(axis, ticks, bottom, label_at=bottom + 17),
        *(_draw_axis(axis, ticks, top, label_at=top - 8) if top > 2 else ()),
        *legend,
    ]
    count = f"{len(rows)} tasks" if len(rows) > 1 else "one task"
    label = f"Timeline of {count} over {duration(axis.times[-1], axis.times[-1])}; its text follows"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" font-size="{_TEXT_SIZE}">'
        f"{''.join(parts)}</svg>"
    )


def _slots(rows: list[Row]) -> dict[int, int]:
    """How many slots each moment needs: as many as the busiest task has events in it."""
    slots: dict[int, int] = {}
    for row in rows:
        for time, count in Counter(event.time for event in row.events).items():
            slots[time] = max(slots.get(time, 1), count)
    return slots


def _placed(row: Row, axis: Axis) -> list[tuple[float, Event]]:
    """The events of a row with their places; those of one moment stand side by side."""
    placed: list[tuple[float, Event]] = []
    slot = 0
    for at, event in enumerate(row.events):
        slot = slot + 1 if at and row.events[at - 1].time == event.time else 0
        placed.append((axis.x(event.time, slot), event))
    return placed


def _draw_row(row: Row, axis: Axis, top: float) -> Iterator[str]:
    placed = _placed(row, axis)
    middle = top + _BAR_TOP + _BAR / 2
    outcome = _outcome(row.events[-1], axis.times[-1])
    room = (WIDTH - len(outcome) * _TEXT_CELL - 8) / _NAME_CELL
    name = _cut(row.name, int(room), tail=3)
    yield f'<g class="row">{_text("name", 4, top + 14, name, size=_NAME_SIZE)}'
    yield _text("outcome", WIDTH - 4, top + 14, outcome, "end")
    edges = [*(x for x, _ in placed), axis.ends[-1]]
    for at, ((x, event), until) in enumerate(zip(placed, edges[1:], strict=True)):
        if event.state not in ENDS and until > x:
            free = until - 6 if at + 2 == len(placed) and row.events[-1].state in ENDS else until
            yield from _bar("run" if event.state == "cancel" else event.state, x, until, free, middle, axis)
    for start, end in axis.breaks:
        if placed[0][0] <= start and (placed[-1][0] >= end or row.events[-1].state not in ENDS):
            yield _torn((start + end) / 2, middle, _BAR / 2 + 2)
    stroke = 3 if len(placed) <= _FEW else 1.5
    for x, event in placed:
        yield _mark(event.state, x, middle, stroke)
    yield "</g>"


def _outcome(last: Event, longest: int) -> str:
    at = f"at {duration(last.time, longest)}"
    if last.state == "fail":
        most = int((WIDTH - _LEAST_NAME * _NAME_CELL) / _TEXT_CELL) - len(f"fails {at}: ") - 1
        return f"fails {at}: {_cut(last.error, most)}"
    words = {"end": f"ends {at}", "cancelled": f"cancelled {at}"}
    return words.get(last.state, "has not ended")


def _bar(state: str, start: float, end: float, free: float, middle: float, axis: Axis) -> Iterator[str]:
    """A stretch of a row: a block that runs, a box that sleeps, a dashed line that waits, a dotted one that yields.

    Its state is written in it where there is room, left of `free` and beside the breaks.
    """
    edges = [start, free]
    for left, right in axis.breaks:
        if start <= left and right <= end:
            centre = (left + right) / 2
            edges[-1:] = [centre - 6, centre + 6, free]
    begin, until = max(zip(edges[::2], edges[1::2], strict=True), key=lambda piece: piece[1] - piece[0])
    centre = (begin + until) / 2
    labelled = until - begin >= _LABEL.get(state, WIDTH)
    if state == "run":
        yield _rect("run", start, middle - 5, end - start, 10)
    elif state == "sleep":
        yield _rect("sleep", start, middle - _BAR / 2, end - start, _BAR)
    else:
        gap = _LABEL[state] / 2 - 3 if labelled else 0
        pieces = [(start, centre - gap), (centre + gap, end)] if labelled else [(start, end)]
        yield from (_line(state, left, middle, right, middle) for left, right in pieces)
    if labelled:
        yield _text("state", centre, middle + 4, state, "middle")


def _mark(state: str, x: float, y: float, stroke: float) -> str:
    """The sign of an event: a stroke, of the given width, where a task runs for an instant; else one of its own."""
    if state == "cancel":
        return f'<path class="cancel" d="M{_n(x - 6)} {_n(y - 12)}h12l-6 11z"/>'
    if state == "end":
        tick = f'<path class="inner" d="M{_n(x - 3)} {_n(y)}l2 2.5l4 -5"/>'
        return f'<circle class="end" cx="{_n(x)}" cy="{_n(y)}" r="6.5"/>{tick}'
    if state == "fail":
        cross = f'<path class="inner" d="M{_n(x - 3)} {_n(y - 3)}l6 6m0 -6l-6 6"/>'
        return _rect("fail", x - 6.5, y - 6.5, 13, 13) + cross
    if state == "cancelled":
        slash = f'<path class="slash" d="M{_n(x - 4)} {_n(y + 4)}l8 -8"/>'
        return f'<circle class="cancelled" cx="{_n(x)}" cy="{_n(y)}" r="5.5"/>{slash}'
    return _rect("runs", x - stroke / 2, y - 9, stroke, 18)


def _torn(x: float, y: float, half: float) -> str:
    """A gap with slanted edges, across a bar or the axis, where time is left out."""
    left = f"M{_n(x - 5)} {_n(y + half)}l4 {_n(-2 * half)}"
    right = f"M{_n(x + 1)} {_n(y + half)}l4 {_n(-2 * half)}"
    inside = f"M{_n(x - 5)} {_n(y + half)}l4 {_n(-2 * half)}h6l-4 {_n(2 * half)}z"
    return f'<path class="gap" d="{inside}"/><path class="torn" d="{left}{right}"/>'


def _draw_axis(axis: Axis, ticks: list[Tick], y: float, label_at: float) -> Iterator[str]:
    yield _line("axis", axis.starts[0], y, axis.ends[-1], y)
    for tick in ticks:
        yield _line("axis", tick.x, y - 3, tick.x, y + 3)
        yield _text("time", tick.x, label_at, tick.label, tick.anchor)
    yield from (_torn((start + end) / 2, y, 5) for start, end in axis.breaks)


def _used(rows: list[Row], axis: Axis) -> list[str]:
    states = {event.state for row in rows for event in row.events}
    known = [name for name in ("sleep", "wait", "yield", "cancel") if name in states]
    return ["runs", *known, *(["now"] if axis.bands else []), *(["torn"] if axis.breaks else [])]


def _legend(used: list[str], top: float) -> tuple[list[str], int]:
    """The signs and what they mean, in two columns; and where they end."""
    parts = []
    for at, name in enumerate(used):
        x = 4 + _LEGEND_COLUMN * (at % 2)
        y = top + _LEGEND_LINE * (at // 2) + 8
        parts.append(f'<g class="legend">{_sample(name, x, y)}{_text("state", x + 28, y + 4, _MEANINGS[name])}</g>')
    return parts, int(top + _LEGEND_LINE * -(-len(used) // 2) + 2)


def _sample(name: str, x: float, y: float) -> str:
    if name == "sleep":
        return _rect("sleep", x, y - 6, 20, 12)
    if name in ("wait", "yield"):
        return _line(name, x, y, x + 20, y)
    if name == "now":
        return _rect("now", x, y - 7, 20, 14)
    if name == "torn":
        return _line("axis", x, y, x + 20, y) + _torn(x + 10, y, 5)
    return _mark("cancel", x + 10, y + 6, 3) if name == "cancel" else _rect("runs", x + 8.5, y - 7, 3, 14)


# --- pieces of SVG ---------------------------------------------------------------------------------------------------


def _n(value: float) -> str:
    return f"{round(value, 1):g}"


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{name}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"/>'


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="{name}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>'


def _text(name: str, x: float, y: float, text: str, anchor: str = "start", size: int = _TEXT_SIZE) -> str:
    where = f'x="{_n(x)}" y="{_n(y)}"'
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    height = "" if size == _TEXT_SIZE else f' font-size="{size}"'
    # A span would end the SVG; a tspan keeps a formula's backslash apart just as well.
    shown = _safe(text).replace("<span>&#92;</span>", "<tspan>&#92;</tspan>")
    return f'<text class="{name}" {where}{side}{height}>{shown}</text>'


def _safe(text: str) -> str:
    """Text as HTML that is also XML, and does nothing."""
    return inert_text(_NOT_XML.sub("\ufffd", text)).replace("&nbsp;", "&#160;")


def _cut(text: str, cells: int, tail: int = 0) -> str:
    """`text` in at most so many cells; a wide character takes two. `…` stands for what is cut before the `tail`."""
    sizes = [2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text]
    if sum(sizes) <= cells:
        return text
    end = len(text) - tail
    kept, room = 0, cells - 1 - sum(sizes[end:])
    while sizes[kept] <= room:
        room -= sizes[kept]
        kept += 1
    return f"{text[:kept]}…{text[end:]}"
