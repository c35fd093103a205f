"""The rim of `make-deck preview --serve`: a page on this machine that follows what is saved in a deck's folder.

The server answers at the loopback address only and to nobody who calls it by another name, so that no web page can
read it through a name of its own (DNS rebinding). It serves three addresses and no file:

    /        the page
    /data    its data, as JSON
    /events  server-sent events: `{"state": "busy" | "ready" | "failed", "version": …, "text": …}`
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from watchfiles import watch

from generator.preview import Page
from generator.read import MEDIA

HOST = "127.0.0.1"
QUIET_TIME = 150
"""Milliseconds without a further change after which the notes are read again: editors save in several steps."""
FOLLOWING = "Follows what you save"
_HEARTBEAT = 15.0  # seconds between signs of life, by which a reader who went away is found out
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Board:
    """What is being served, and the news about it. Any thread may read and write it."""

    def __init__(self, page: Page) -> None:
        self._changed = threading.Condition()
        self._page = page
        self._state, self._text = "ready", FOLLOWING
        self._count = 0
        self.closed = False

    @property
    def page(self) -> Page:
        return self._page

    def tell(self, state: str, text: str, page: Page | None = None) -> None:
        with self._changed:
            self._page = page or self._page
            self._state, self._text = state, text
            self._count += 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def news(self) -> Iterator[str | None]:
        """The state now and each one that follows, as JSON; None where nothing happened for a while."""
        seen = -1
        while not self.closed:
            with self._changed:
                if seen == self._count:
                    self._changed.wait(_HEARTBEAT)
                if self.closed:
                    return
                fresh, seen = seen != self._count, self._count
                message = {"state": self._state, "version": self._page.data.version, "text": self._text}
            yield json.dumps(message) if fresh else None


@contextmanager
def serving(board: Board, port: int = 0) -> Iterator[str]:
    """Serve the board while the block runs; the value is the page's address. Port 0 stands for any free one.

    Raises OSError where the port is taken.
    """
    server = _Server((HOST, port), _Handler)
    server.board = board
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        board.close()
        server.shutdown()
        server.server_close()


def serve(
    folder: Path,
    build: Callable[[], Page],
    ready: Callable[[str], None],
    *,
    port: int = 0,
    stop: threading.Event | None = None,
) -> None:
    """Serve what `build` makes of `folder` and make it anew after every change, until interrupted or `stop` is set.

    `ready` gets the page's address once it can be opened. Whatever the first `build` raises comes through; later on
    what was served before stays, and the page tells what went wrong.
    """
    seen = snapshot(folder)
    board = Board(build())
    with serving(board, port) as address:
        ready(address)
        for now in _snapshots(folder, stop or threading.Event()):
            if now == seen:
                continue
            seen = now
            board.tell("busy", "Reading the notes…")
            try:
                board.tell("ready", FOLLOWING, build())
            except Exception as error:
                board.tell("failed", f"The notes could not be read again: {str(error) or type(error).__name__}")


Snapshot = frozenset[tuple[str, int, int]]


def snapshot(folder: Path) -> Snapshot:
    """Name, size and time of change of all that a deck is read from; empty where the folder is not there."""
    found = set()
    for place in (folder, folder / MEDIA):
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:
                continue  # a link to nowhere, or gone meanwhile
            found.add((entry.path, status.st_size, status.st_mtime_ns))
    return frozenset(found)


def _snapshots(folder: Path, stop: threading.Event) -> Iterator[Snapshot]:
    """A snapshot after every change, and one a second besides: some drives tell of no changes, and a folder that was
    taken away may come back, by a checkout say."""
    while not stop.is_set():
        if not folder.is_dir():
            time.sleep(QUIET_TIME / 1000)
            yield snapshot(folder)
            continue
        for _ in watch(folder, step=QUIET_TIME, rust_timeout=1000, yield_on_timeout=True, stop_event=stop):
            yield snapshot(folder)
            if not folder.is_dir():
                break


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    board: Board

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who went away is no event; anything else is a fault of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30
    server_version = "make-deck"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_called_right():
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "This server has another name.\n")
        elif self.path == "/":
            self._send(HTTPStatus.OK, "text/html", self.server.board.page.html(live=True))
        elif self.path == "/data":
            self._send(HTTPStatus.OK, "application/json", self.server.board.page.data.json)
        elif self.path == "/events":
            self._send_events()
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "There is nothing here.\n")

    def _is_called_right(self) -> bool:
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        return self.headers.get_all("Host", []) in [[name] for name in names]

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self._send_head(status, kind, {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def _send_head(self, status: HTTPStatus, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8", **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_events(self) -> None:
        self._send_head(HTTPStatus.OK, "text/event-stream", {})
        for message in self.server.board.news():
            self.wfile.write(b": still here\n\n" if message is None else f"data: {message}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """The terminal is for what concerns the notes."""


def open_browser(address: str) -> None:
    """Open a page in the reader's browser; not where there is no screen, for a text browser would take the terminal."""
    has_screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if has_screen or sys.platform in ("darwin", "win32"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
