"""The time axis of a timeline: where a moment stands, in the units of the picture.

Time runs evenly from left to right, with two exceptions that the picture marks. A moment in which a task does several
things is a band, with a slot for each of them. A long stretch in which nothing happens, beside which the rest could
not be told apart, is broken: it has a fixed width.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

_SLOT, _ALONE, _LEAST_SLOT = 22.0, 60.0, 1.5
"""Width of a slot where it can be had, in a picture of one single moment, and the least that is worth while."""
_BANDS = 0.4
"""The part of the axis that bands may take."""
_BREAK, _MOST_BREAKS = 60.0, 2
_TELLABLE = 8.0
"""The least distance between two moments that a reader tells apart."""
_LONG = 0.25
"""A stretch is long if it takes this part of the time that is drawn evenly."""
_LABEL_GAP = 9.0
_CHARACTER = 7.2
_STEPS = tuple(lead * 10**power for power in range(12) for lead in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled moment: the label's text is centred at `x`, or ends or starts there (SVG's `anchor`)."""

    x: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Axis:
    """`times` are all moments in ms, ascending, from 0; moment `i` goes from `starts[i]` to `ends[i]`."""

    times: tuple[int, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    slot: float
    broken: frozenset[int]
    """The stretches that are broken; stretch `i` follows moment `i`."""

    def x(self, time: int, slot: int = 0) -> float:
        """The place of a slot of a moment; between two moments, the place of that time."""
        at = bisect.bisect_right(self.times, time) - 1
        if self.times[at] == time:
            return self.starts[at] + slot * self.slot
        begin, end = self.times[at : at + 2]
        return self.ends[at] + (time - begin) / (end - begin) * (self.starts[at + 1] - self.ends[at])

    @property
    def bands(self) -> list[tuple[float, float]]:
        return [(start, end) for start, end in zip(self.starts, self.ends, strict=True) if end > start]

    @property
    def breaks(self) -> list[tuple[float, float]]:
        return [(self.ends[at], self.starts[at + 1]) for at in sorted(self.broken)]

    def ticks(self) -> list[Tick]:
        """A label for every moment, if there is room for all; else for round times."""
        ends = [self.times[0], self.times[-1], *(self.times[at + side] for at in self.broken for side in (0, 1))]
        every = self._fitting([*ends, *self.times])
        if len(every) == len(self.times):
            return every
        return self._fitting([*ends, *self._round_times()])

    def _round_times(self) -> list[int]:
        even = [pair for at, pair in enumerate(pairwise(self.times)) if at not in self.broken]
        width = sum(self.x(end) - self.x(begin) for begin, end in even)
        count = max(int(width / 48), 1)
        total = sum(end - begin for begin, end in even)
        step = next((step for step in _STEPS if step * count >= total), _STEPS[-1])
        times: list[int] = []
        for begin, end in even:
            first = -(-begin // step) * step
            times.extend(range(first, end + 1, step))
        return times

    def _fitting(self, times: list[int]) -> list[Tick]:
        """Ticks of `times` from left to right, without those whose label would touch that of one named before."""
        taken: dict[int, tuple[float, float, Tick]] = {}
        for time in dict.fromkeys(times):
            tick = self._tick(time)
            width = len(tick.label) * _CHARACTER
            left = tick.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[tick.anchor] * width
            if all(left + width + _LABEL_GAP <= begin or end + _LABEL_GAP <= left for begin, end, _ in taken.values()):
                taken[time] = left, left + width, tick
        return [tick for _, (_, _, tick) in sorted(taken.items())]

    def _tick(self, time: int) -> Tick:
        left, right = self.starts[0], self.ends[-1]
        last = time == self.times[-1]
        label = duration(time, self.times[-1], unit=last)
        at = bisect.bisect_left(self.times, time)
        known = self.times[at] == time
        x = (self.starts[at] + self.ends[at]) / 2 if known else self.x(time)
        half = len(label) * _CHARACTER / 2
        if x - half < left - 6:
            return Tick(self.starts[at] if known else x, label, "start")
        if x + half > right + 6:
            return Tick(self.ends[at] if known else x, label, "end")
        return Tick(x, label)


def make_axis(slots: Mapping[int, int], left: float, right: float) -> Axis:
    """The axis from `left` to `right` for moments (ms from 0) with the slots that each needs, at least one."""
    times = tuple(sorted({0, *slots}))
    extra = [slots.get(time, 1) - 1 for time in times]
    width = right - left
    stretches = [end - begin for begin, end in pairwise(times)]
    most = width * _BANDS if stretches else width
    slot = min(_SLOT if stretches else _ALONE, most / max(sum(extra), 1))
    slot = slot if slot >= _LEAST_SLOT else 0.0
    room = width - slot * sum(extra)
    broken = _broken(stretches, room)
    total = sum(length for at, length in enumerate(stretches) if at not in broken)
    scale = (room - _BREAK * len(broken)) / max(total, 1)
    starts, ends, x = [], [], left
    for at, more in enumerate(extra):
        starts.append(x)
        x += slot * more
        ends.append(x)
        if at < len(stretches):
            x += _BREAK if at in broken else stretches[at] * scale
    return Axis(times, tuple(starts), tuple(ends), slot, broken)


def _broken(stretches: list[int], room: float) -> frozenset[int]:
    """Which stretches to break: the longest ones, as long as they leave others too narrow."""
    rest = dict(enumerate(stretches))
    while len(rest) > 1 and len(stretches) - len(rest) < _MOST_BREAKS:
        total = sum(rest.values())
        at = max(rest, key=rest.__getitem__)
        narrow = min(rest.values()) * room / total < _TELLABLE
        if not narrow or rest[at] < _LONG * total:
            break
        del rest[at]
        room -= _BREAK
    return frozenset(range(len(stretches))) - frozenset(rest)


def duration(time: int, longest: int, *, unit: bool = True) -> str:
    """A time in ms as text, in seconds if the longest of the picture is a second or more."""
    if longest < 1000:
        return f"{time} ms" if unit else str(time)
    seconds = f"{time // 1000}.{time % 1000:03}".rstrip("0").rstrip(".")
    return f"{seconds} s" if unit else seconds
