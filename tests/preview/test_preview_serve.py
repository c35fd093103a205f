"""`make-deck preview --serve`: to this machine alone, live, and whatever is wrong."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser import MODES, chromium, open_page
from projects import GOOD, environment, make_deck, write_project

from generator import preview
from generator.preview import Page
from generator.serve import HOST, Board, serve, serving, snapshot

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium"]

PATIENCE = 20.0  # seconds that a test waits before it fails


def page_of(title: str) -> Page:
    return preview.preview_page(preview.Preview(title, None), lambda media: b"")


def ask(address: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and content of an answer. `Host` stands for itself, or is left out where it is empty."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


class Events:
    """What the server tells, as it comes."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=PATIENCE)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()

    def next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE  # signs of life keep the connection from falling silent
        while time.monotonic() < deadline:
            line = self.answer.readline().decode()
            assert line, "the server ended"
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))  # type: ignore[no-any-return]
        raise TimeoutError("the server told nothing new")

    def until(self, state: str) -> dict[str, Any]:
        while True:
            found = self.next()
            if found["state"] == state:
                return found

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


@contextmanager
def followed(folder: Path, build: Any) -> Iterator[tuple[str, Events]]:
    """The server that follows a folder, in a thread, and its news; it must end when it is told to."""
    stop, up = threading.Event(), threading.Event()
    addresses: list[str] = []

    def ready(address: str) -> None:
        addresses.append(address)
        up.set()

    thread = threading.Thread(target=serve, args=(folder, build, ready), kwargs={"stop": stop})
    thread.start()
    assert up.wait(PATIENCE)
    events = Events(addresses[0])
    try:
        yield addresses[0], events
    finally:
        events.close()
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_page_and_data_are_served_and_no_file() -> None:
    """Two addresses and the news; a path into the disk leads nowhere, and nothing is listed."""
    with serving(Board(page_of("one"))) as address:
        status, headers, html = ask(address)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert html == page_of("one").html(live=True)
        status, headers, data = ask(address, "/data")
        assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
        assert json.loads(data)["title"] == "one"
        for path in ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/", "/deck.yaml", "/data/", "/?x", "*"):
            assert ask(address, path)[0] == 404, path
        assert ask(address, method="POST")[0] == 501


def test_answers_are_for_this_page_alone() -> None:
    """Not kept, not framed, not read by another origin, not guessed at."""
    with serving(Board(page_of("one"))) as address:
        for path in ("/", "/data", "/nothing"):
            headers = ask(address, path)[1]
            assert headers["Cache-Control"] == "no-store"
            assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in headers


def test_only_who_calls_it_by_its_name_is_answered() -> None:
    """A name that somebody else made point here is refused, at every address (DNS rebinding)."""
    with serving(Board(page_of("secret"))) as address:
        port = address.rstrip("/").rpartition(":")[2]
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            assert ask(address, Host=host)[0] == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{port}.evil", ""):
            for path in ("/", "/data", "/events"):
                status, _, text = ask(address, path, Host=host)
                assert status == 421, host
                assert "secret" not in text


def test_nobody_else_can_connect() -> None:
    """The socket is bound to the loopback address."""
    with serving(Board(page_of("one"))) as address:
        assert address.startswith(f"http://{HOST}:")
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.socket() as other, pytest.raises(OSError, match=r".+"):
            other.bind((HOST, port))
        with socket.socket() as other:
            other.settimeout(PATIENCE)
            assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_change_is_read_and_told(tmp_path: Path) -> None:
    """First that it is read, then the version that is ready; the page served is the new one."""
    topic = tmp_path / "topic.md"
    topic.write_text("one")
    told = threading.Event()

    def build() -> Page:
        text = topic.read_text()
        if text == "two":
            assert told.wait(PATIENCE)  # or the reader might be told only of the end
        return page_of(text)

    with followed(tmp_path, build) as (address, events):
        assert events.next()["state"] == "ready"
        topic.write_text("two")
        assert events.next()["state"] == "busy"
        told.set()
        news = events.until("ready")
        data = json.loads(ask(address, "/data")[2])
        assert (data["title"], data["version"]) == ("two", news["version"])


def test_several_writes_are_one_change(tmp_path: Path) -> None:
    """An editor that writes in steps makes the notes read once, when it is done."""
    built: list[int] = []

    def build() -> Page:
        built.append(len(list(tmp_path.iterdir())))
        return page_of(str(built[-1]))

    with followed(tmp_path, build) as (_, events):
        events.next()
        for number in range(20):
            (tmp_path / f"{number}.md").write_text("x")
        while built[-1] != 20:
            events.until("ready")
    assert len(built) <= 5  # not one for each: a busy machine may pause in between


def test_a_change_before_the_watch_begins_is_not_lost(tmp_path: Path) -> None:
    """What is saved while the deck is read for the first time is read again."""
    topic = tmp_path / "topic.md"
    topic.write_text("one")

    def build() -> Page:
        page = page_of(topic.read_text())
        if topic.read_text() == "one":
            topic.write_text("written meanwhile")
        return page

    with followed(tmp_path, build) as (address, events):
        while json.loads(ask(address, "/data")[2])["title"] != "written meanwhile":
            events.next()


def test_whatever_goes_wrong_the_last_page_stays(tmp_path: Path) -> None:
    """The reader is told, and the next change is tried again."""
    topic = tmp_path / "topic.md"
    topic.write_text("one")

    def build() -> Page:
        text = topic.read_text()
        if text == "bad":
            raise RuntimeError("no interpreter")
        return page_of(text)

    with followed(tmp_path, build) as (address, events):
        topic.write_text("bad")
        assert "no interpreter" in events.until("failed")["text"]
        assert json.loads(ask(address, "/data")[2])["title"] == "one"
        topic.write_text("good again")
        events.until("ready")
        assert json.loads(ask(address, "/data")[2])["title"] == "good again"


def test_a_folder_that_comes_back_is_followed(tmp_path: Path) -> None:
    """A checkout may take the deck away and bring it back."""
    folder = tmp_path / "deck"
    folder.mkdir()
    (folder / "a.md").write_text("one")

    def build() -> Page:
        return page_of(" ".join(sorted(path.read_text() for path in folder.glob("*.md"))) or "nothing")

    def wait_for(title: str) -> None:
        while json.loads(ask(address, "/data")[2])["title"] != title:
            events.next()

    with followed(folder, build) as (address, events):
        shutil.rmtree(folder)
        wait_for("nothing")
        folder.mkdir()
        (folder / "b.md").write_text("back")
        wait_for("back")
        (folder / "b.md").write_text("changed")
        wait_for("changed")


def test_snapshot_sees_notes_and_media(tmp_path: Path) -> None:
    """And a folder that is not there has an empty one."""
    assert snapshot(tmp_path / "nowhere") == frozenset()
    (tmp_path / "media").mkdir()
    before = snapshot(tmp_path)
    (tmp_path / "media" / "loop.png").write_bytes(b"x")
    after = snapshot(tmp_path)
    assert before != after
    (tmp_path / "media" / "loop.png").write_bytes(b"yz")
    assert snapshot(tmp_path) != after


# --- the command -----------------------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`make-deck preview --serve` in a project, with its address. It is killed where the test did not end it."""
    command = [sys.executable, "-m", "generator", "preview", "--serve", *arguments]
    variables = {name: value for name, value in environment(folder).items() if name not in ("DISPLAY", "BROWSER")}
    process = subprocess.Popen(
        command, cwd=folder, env=variables, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    try:
        address = next((line for line in process.stdout if line.startswith("http://")), "")
        assert address, process.stderr.read()
        yield address.strip(), process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_page_is_written_whatever_is_wrong(tmp_path: Path) -> None:
    """One file beside the package; the status tells of faults."""
    write_project(tmp_path, first=GOOD, second="---\ndeck: Second\n---\n\n## No answer?\n<!-- id: none -->\n")
    ran = make_deck(tmp_path, "preview", "--no-run")
    assert ran.status == 1
    html = (tmp_path / "output" / "deck.html").read_text(encoding="utf-8")
    assert '"id":"prints-three"' in html
    assert '"id":"none"' in html
    assert "output/deck.html: " in ran.out
    assert "second.md:5:1: N" in ran.out


def test_a_path_chooses_what_is_shown(tmp_path: Path) -> None:
    """The notes and the faults of one file."""
    deck = write_project(tmp_path, first=GOOD, second="---\ndeck: Second\n---\n\n## No answer?\n<!-- id: none -->\n")
    assert make_deck(tmp_path, "preview", "--no-run", deck / "first.md").status == 0
    html = (tmp_path / "output" / "deck.html").read_text(encoding="utf-8")
    assert '"id":"prints-three"' in html
    assert '"id":"none"' not in html


def test_without_running_no_note_counts_as_verified(tmp_path: Path) -> None:
    """With --no-run the page says that nothing was run; without it, what ran where."""
    write_project(tmp_path)
    make_deck(tmp_path, "preview", "--no-run")
    html = (tmp_path / "output" / "deck.html").read_text(encoding="utf-8")
    assert '"ran":false' in html
    assert '"verdict":"verified"' not in html
    make_deck(tmp_path, "preview")
    html = (tmp_path / "output" / "deck.html").read_text(encoding="utf-8")
    assert '"ran":true' in html
    assert f'"pythons":["{sys.version_info[0]}.{sys.version_info[1]}' in html


def test_one_deck_is_served(tmp_path: Path) -> None:
    """Of several the reader must name one."""
    write_project(tmp_path, name="one")
    write_project(tmp_path, name="two")
    ran = make_deck(tmp_path, "preview", "--serve", "--no-run")
    assert ran.status == 2
    assert "name one" in ran.err


def test_a_port_that_is_taken_is_the_machines_fault(tmp_path: Path) -> None:
    """Status 4, and the port is named."""
    write_project(tmp_path)
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = make_deck(tmp_path, "preview", "--serve", "--no-run", "--port", port)
    assert ran.status == 4
    assert port in ran.err


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a process")
def test_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    """Ctrl-C: status 130 and no traceback, even with a reader connected."""
    write_project(tmp_path)
    with served(tmp_path, "--no-run") as (address, process):
        events = Events(address)
        events.next()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        events.close()
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "interrupted" in errors


@pytest.mark.browser
def test_the_page_in_the_browser_follows(chromium: Browser, tmp_path: Path) -> None:
    """A saved change shows in the open page, faults too, at the card that was being looked at; nothing is reloaded."""
    deck = write_project(tmp_path)
    topic = deck / "first.md"
    with served(tmp_path, "--no-run") as (address, _):
        page = open_page(chromium, MODES["desktop light"])
        page.goto(address)
        page.evaluate("window.kept = true")
        page.keyboard.press("j")
        card = page.frame_locator("#frame")
        card.locator("#qa", has_text="What is a coroutine?").wait_for()
        topic.write_text(GOOD.replace("What is a coroutine?", "What is a coroutine object?"))
        card.locator("#qa", has_text="What is a coroutine object?").wait_for()
        topic.write_text(GOOD + "\n## And this?\n<!-- id: broken -->\n")
        page.locator("[role=option]", has_text="And this?").wait_for()
        assert page.locator("#name").inner_text() == "plain"
        (deck / "deck.yaml").write_text("nonsense")
        page.locator("[role=option]", has_text="deck.yaml").wait_for()
        write = "format: 1\nname: Deck\nnamespace: test.deck\nprelude: import asyncio\n"
        (deck / "deck.yaml").write_text(write)
        page.locator("[role=option]", has_text="What does it print?").wait_for()
        assert page.evaluate("window.kept") is True
        page.context.close()
