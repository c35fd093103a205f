"""A timeline's text becomes a picture: what is drawn, where it stands, and what cannot be drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.render.timeline import ENDS, MOST_EVENTS, MOST_ROWS, STATES, picture, problems

GATHER = "main: 0 wait, 200 end\ntea: 0 sleep, 200 end\ntoast: 0 sleep, 100 end"
LEFT, RIGHT = 8.0, 312.0
STEP = re.compile(r"([MmLlhz])((?:-?[\d.]+[ ,]?)*)")
Point = tuple[float, float]


def parts(text: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The SVG and the folded text of a picture, parsed as XML."""
    html = picture(text)
    assert html is not None, problems(text)
    svg, details = ElementTree.fromstring(f"<figure>{html}</figure>")  # noqa: S314 - our own output
    return svg, details


def rows(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return svg.findall("g[@class='row']")


def words(element: ElementTree.Element, name: str) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter("text") if text.get("class") == name]


def x_of(element: ElementTree.Element) -> float:
    """The middle of a sign: a stroke, a circle, a square or a triangle."""
    if element.tag == "circle":
        return float(element.attrib["cx"])
    if element.tag == "rect":
        return float(element.attrib["x"]) + float(element.attrib["width"]) / 2
    xs = [x for x, _ in points(element)]
    return (min(xs) + max(xs)) / 2


def signs(row: ElementTree.Element, name: str) -> list[float]:
    return [x_of(element) for element in row.iter() if element.get("class") == name]


def bars(row: ElementTree.Element, name: str) -> list[tuple[float, float]]:
    """Left and right end of each box of a row, or of its line, label or not."""
    found = [element for element in row.iter() if element.get("class") == name]
    spans = [(min(x for x, _ in points(one)), max(x for x, _ in points(one))) for one in found]
    if found and found[0].tag == "path" and len(spans) == 2:
        return [(spans[0][0], spans[1][1])]
    return spans


def ticks(svg: ElementTree.Element) -> dict[str, float]:
    return {"".join(text.itertext()): float(text.attrib["x"]) for text in svg.findall("text[@class='time']")}


def points(element: ElementTree.Element) -> Iterator[Point]:
    """Every point that an element is drawn through."""
    get = {key: float(value) for key, value in element.attrib.items() if re.fullmatch(r"-?[\d.]+", value)}
    if element.tag == "rect":
        yield get["x"], get["y"]
        yield get["x"] + get["width"], get["y"] + get["height"]
    elif element.tag == "circle":
        yield get["cx"] - get["r"], get["cy"] - get["r"]
        yield get["cx"] + get["r"], get["cy"] + get["r"]
    elif element.tag == "text":
        width = sum(2 if ord(char) > 0x1100 else 1 for char in "".join(element.itertext())) * 7.2
        left = get["x"] - {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")] * width
        yield left, get["y"]
        yield left + (width if element.get("class") != "name" else 0), get["y"]
    elif element.tag == "path":
        yield from path_points(element.attrib["d"])


def path_points(data: str) -> Iterator[Point]:
    assert re.fullmatch(rf"(?:{STEP.pattern})+", data), data
    x = y = 0.0
    for letter, numbers in STEP.findall(data):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if letter == "h":
            values = [values[0], 0.0]
        for across, down in zip(values[::2], values[1::2], strict=True):
            x, y = (across, down) if letter in "ML" else (x + across, y + down)
            yield x, y


# --- what is drawn ---------------------------------------------------------------------------------------------------


def test_gather_is_drawn_to_scale() -> None:
    """A row for each task, in order, with its name and its end; bars and ends stand at their times."""
    svg, _ = parts(GATHER)
    main, tea, toast = rows(svg)
    assert [words(row, "name") for row in rows(svg)] == [["main"], ["tea"], ["toast"]]
    assert [words(row, "outcome") for row in (main, toast)] == [["ends at 200 ms"], ["ends at 100 ms"]]
    middle = (LEFT + RIGHT) / 2
    assert bars(main, "wait") == [(LEFT, RIGHT)]
    assert bars(tea, "sleep") == [(LEFT, RIGHT)]
    assert bars(toast, "sleep") == [(LEFT, middle)]
    assert [signs(row, "end") for row in rows(svg)] == [[RIGHT], [RIGHT], [middle]]
    assert signs(tea, "runs") == [LEFT]


def test_axis_names_every_moment_that_fits() -> None:
    """The axis tells the times of the events, the last with its unit."""
    svg, _ = parts(GATHER)
    assert ticks(svg) == {"0": LEFT, "100": 160, "200 ms": RIGHT}
    assert list(ticks(parts("main: 0 sleep, 250 sleep, 2000 end")[0])) == ["0", "0.25", "2 s"]


def test_many_moments_get_round_ticks() -> None:
    """Where the labels would touch, the axis tells round times instead, at their places, but none beside the last."""
    svg, _ = parts("main: " + ", ".join(f"{time} sleep" for time in range(0, 590, 10)) + ", 600 end")
    found = ticks(svg)
    assert list(found) == ["0", "100", "200", "300", "400", "600 ms"]
    assert found["300"] == 160


def test_what_happens_in_one_moment_stands_side_by_side() -> None:
    """Events of one moment follow each other from left to right, in a band that is marked and explained."""
    svg, _ = parts("main: 0 sleep, 100 cancel, 100 sleep, 150 cancelled\nother: 0 sleep, 100 end")
    main, other = rows(svg)
    (band,) = svg.findall("rect[@class='now']")
    left, right = (x for x, _ in points(band))
    (asked,), (slept,) = signs(main, "cancel"), signs(main, "runs")[1:]
    assert left < asked < slept < right
    assert bars(main, "run") == [(asked, slept)]
    assert signs(other, "end") == [asked]
    assert "at one moment" in words(svg, "state")
    assert words(main, "outcome") == ["cancelled at 150 ms"]


def test_a_single_moment_is_as_wide_as_it_needs() -> None:
    """Where no time passes, the events stand apart all the same."""
    svg, _ = parts("main: 0 wait, 0 end")
    assert signs(rows(svg)[0], "end") == [LEFT + 60]
    assert ticks(svg) == {"0 ms": LEFT + 30}


def test_crowded_moments_are_not_widened() -> None:
    """With so many busy moments that widening each would show nothing, the axis is even, without bands."""
    some, _ = parts("main: " + ", ".join(f"{time} yield, {time} sleep" for time in range(30)))
    lines = (
        f"task {at}: " + ", ".join(f"{time} yield, {time} wait" for time in range(at, 720, MOST_ROWS))
        for at in range(MOST_ROWS)
    )
    crowded, _ = parts("\n".join(lines))
    assert some.findall("rect[@class='now']")
    assert not crowded.findall("rect[@class='now']")


def test_long_empty_stretches_are_broken_visibly() -> None:
    """A stretch that would squeeze the rest is left out, with torn bars, a torn axis and a word; no other is."""
    svg, _ = parts("main: 0 sleep, 100 sleep, 200 sleep, 60000 end\nshort: 0 sleep, 200 end")
    main, short = rows(svg)
    widths = [right - left for left, right in bars(main, "sleep")]
    assert widths[0] == pytest.approx(widths[1], abs=0.2)
    assert widths[0] > 100
    assert len(signs(main, "torn")) == 1
    assert not signs(short, "torn")
    assert "time left out" in words(svg, "state")
    even, _ = parts("main: 0 sleep, 100 sleep, 1000 end")
    assert not [element for element in even.iter() if element.get("class") == "torn"]


def test_a_failure_tells_the_exception() -> None:
    """The exception's name is written, and has a sign of its own."""
    svg, _ = parts("bad: 0 sleep, 1500 fail ValueError")
    assert words(svg, "outcome") == ["fails at 1.5 s: ValueError"]
    assert signs(rows(svg)[0], "fail") == [RIGHT]


def test_a_task_that_has_not_ended_goes_on_to_the_border() -> None:
    """A row whose last event is no end is drawn as far as the picture goes."""
    svg, _ = parts("main: 0 sleep, 100 wait\nother: 0 wait, 200 end")
    assert words(rows(svg)[0], "outcome") == ["has not ended"]
    assert bars(rows(svg)[0], "wait") == [(160, RIGHT)]


def test_running_takes_time_where_it_does() -> None:
    """A task that holds the loop is drawn as a block."""
    svg, _ = parts("busy: 0 run, 5000 end")
    assert bars(rows(svg)[0], "run") == [(LEFT, RIGHT)]


@pytest.mark.parametrize(("state", "meaning"), [("sleep", "sleeps"), ("wait", "waits"), ("yield", "yields: sleep(0)")])
def test_states_are_told_in_words_too(state: str, meaning: str) -> None:
    """No state is told by colour alone: a wide bar has its word in it, and the legend explains its shape."""
    svg, _ = parts(f"main: 0 {state}, 100 end")
    assert words(rows(svg)[0], "state") == [state]
    assert words(svg, "state")[1:] == ["runs", meaning]


def test_the_text_is_the_alternative() -> None:
    """The picture is one image with a name; its text stands folded behind it, line by line."""
    svg, details = parts(GATHER)
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Timeline of 3 tasks over 200 ms; its text follows"
    assert details.tag == "details"
    assert len(details.findall("pre/code/span[@class='line']")) == 3
    assert "".join(details.find("pre").itertext()) == GATHER  # type: ignore[union-attr]


def test_nothing_in_a_picture_clashes_or_colours() -> None:
    """No ids, no styles, no colours, no addresses, no scripts: classes and places only."""
    html = picture(GATHER) or ""
    names = set(re.findall(r' ([a-z-]+|viewBox)="', html))
    assert names <= {
        *("viewBox", "role", "aria-label", "class", "font-size", "text-anchor"),
        *("x", "y", "width", "height", "d", "cx", "cy", "r"),
    }
    assert set(re.findall(r"<([a-z]+)", html)) == {
        *("svg", "g", "rect", "path", "circle", "text"),
        *("details", "summary", "pre", "code", "span"),
    }


def test_text_is_no_smaller_than_12_pixels_on_a_phone() -> None:
    """At 360 px a card is 334 px wide: no size of text, scaled to that, is below 12 px."""
    svg, _ = parts(GATHER)
    width = float(svg.attrib["viewBox"].split()[2])
    sizes = [float(element.attrib["font-size"]) for element in svg.iter() if element.get("font-size")]
    assert min(sizes) * 334 / width >= 12


# --- names that would act --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["<b>&amp;", '"><script>', "]]>", "{{c1", "[sound", r"\(x\)", "\U000f0000", "\x07", "\ufffe"]
)
def test_names_are_inert(name: str) -> None:
    """A name is shown as it is, or as what it holds, and neither the browser, Anki nor MathJax acts on it."""
    text = f"{name}: 0 sleep, 100 fail {name}"
    html = picture(text) or ""
    svg, _ = parts(text)
    assert not re.search(r"<(b|script)\b|\{\{|\[|\\|[\U000f0000-\U0010ffff]", html)
    (shown,) = words(svg, "name")
    assert shown == {"\U000f0000": "\ufffd", "\x07": "⟨U+0007⟩", "\ufffe": "\ufffd"}.get(name, name)


def test_a_backslash_does_not_end_the_picture() -> None:
    """What keeps a formula apart is an element of SVG: an HTML one would close the picture in a browser."""
    html = picture(r"\(x\): 0 end") or ""
    svg = html[: html.index("</svg>")]
    assert "<tspan>&#92;</tspan>(x<tspan>" in svg
    assert "<span" not in svg


def test_long_names_are_cut() -> None:
    """A long name leaves room for how the task ends, and keeps its number."""
    svg, _ = parts(f"{'worker ' * 9}17: 0 sleep, 100 fail {'Very' * 9}Error")
    (name,), (outcome,) = words(svg, "name"), words(svg, "outcome")
    assert re.fullmatch(r"worker.*… 17", name)
    assert outcome.startswith("fails at 100 ms: VeryVery")
    assert len(name) * 7.9 + len(outcome) * 7.2 <= 320


# --- what cannot be drawn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "offender"),
    [
        ("", 1, "no task"),
        ("main: 0 end\nnonsense", 2, "`nonsense`"),
        (": 0 end", 1, "`: 0 end`"),
        ("main:", 1, "no event"),
        ("main: 0 wait, end", 1, "`end`"),
        ("main: 0 wait,, 1 end", 1, "``"),
        ("main: -1 wait", 1, "`-1 wait`"),
        ("main: 0 waits", 1, "`waits`"),
        ("main: 0 fail", 1, "exception"),
        ("main: 0 end ValueError", 1, "exception"),
        ("main: 5 wait, 4 end", 1, "`4 end` goes back"),
        ("main: 5 end, 6 wait", 1, "`6 wait` comes after"),
        ("main: 0 end\n\nmain: 0 end", 3, "`main` has a line"),
        ("main: 99999999999999999999 end", 1, "too long"),
        ("...", 1, "`...`"),
        ("\n".join(f"t{number}: 0 end" for number in range(MOST_ROWS + 1)), MOST_ROWS + 1, "tasks"),
        (f"main: {', '.join(['0 yield'] * (MOST_EVENTS + 1))}", 1, "events"),
    ],
)
def test_nonsense_is_told_at_its_line(text: str, line: int, offender: str) -> None:
    """What a timeline does not say is no picture, and each fault is told once, with its line and the words at fault."""
    assert picture(text) is None
    ((found, message),) = problems(text)
    assert found == line
    assert offender in message


# --- any text --------------------------------------------------------------------------------------------------------

TIMES = st.one_of(st.integers(0, 300), st.integers(0, 10**7).map(lambda time: time * 100))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":,\n"), min_size=1, max_size=60).filter(
    lambda name: name.strip() == name
)


@st.composite
def timelines(draw: st.DrawFn) -> str:
    """Texts as the verifier writes them, with times that crowd and times that lie far apart."""
    lines = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=MOST_ROWS, unique=True)):
        times = sorted(draw(st.lists(TIMES, min_size=1, max_size=draw(st.sampled_from([1, 4, MOST_EVENTS])))))
        states = [draw(st.sampled_from(STATES)) for _ in times]
        states[-1] = draw(st.sampled_from([*STATES, *ENDS])).replace("fail", "fail ValueError")
        lines.append(f"{name}: {', '.join(f'{time} {state}' for time, state in zip(times, states, strict=True))}")
    return "\n".join(lines)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(timelines())
def test_every_timeline_is_drawn_inside_its_picture(text: str) -> None:
    """Any timeline is valid XML with a row for each task, and nothing in it reaches beyond the viewBox."""
    svg, _ = parts(text)
    assert len(rows(svg)) == len(text.split("\n"))
    _, _, width, height = (float(number) for number in svg.attrib["viewBox"].split())
    for element in svg.iter():
        for x, y in points(element):
            assert -0.1 <= x <= width + 0.1, ElementTree.tostring(element)
            assert 0 <= y <= height, ElementTree.tostring(element)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(timelines())
def test_time_never_runs_backwards(text: str) -> None:
    """In every row and on the axis, what comes later never stands further left."""
    svg, _ = parts(text)
    for row in rows(svg):
        places = signs(row, "runs")
        assert places == sorted(places)
    labels = [float(label.split()[0]) for label in ticks(svg)]
    assert labels == sorted(labels)


LINES = st.lists(st.sampled_from(["main", ":", ",", " ", "0", "7", "sleep", "end", "fail", "E", "\n", "...", "²"]))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(LINES.map("".join), st.text()))
def test_any_text_is_drawn_or_told(text: str) -> None:
    """No text crashes it; either there is a picture, or there are problems at lines that exist."""
    found = problems(text)
    assert (picture(text) is None) == bool(found)
    assert all(1 <= line <= text.count("\n") + 1 and message for line, message in found)
