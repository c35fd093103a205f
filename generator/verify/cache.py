"""Remembers which programs passed, in the user's cache folder.

A key is a hash of everything that can change a verdict. Only passes are kept: a failure is looked at again. SQLite
makes it safe under two runs at once and a kill at any moment. A cache that cannot be used is no error: everything is
run again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

_KEPT = 60 * 86_400  # seconds after its last use that an entry is kept
_MOST = 200_000  # entries
_NAME = "verdicts-1.sqlite"


def default_folder() -> Path:
    """The folder where verdicts are kept; `XDG_CACHE_HOME` and its like are honoured."""
    return Path(platformdirs.user_cache_dir("make-deck", appauthor=False))


@functools.cache
def runner_digest() -> str:
    """A hash of the verifier's own code: another verifier may judge otherwise."""
    digest = hashlib.sha256()
    for file in _sources(files("generator.verify")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(folder: Traversable) -> Iterable[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.name.endswith(".py"):
            yield entry


def key(*parts: object) -> bytes:
    """The key of a verdict that rests on `parts` (values that JSON can hold)."""
    text = json.dumps([runner_digest(), *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


class Cache:
    """Passes by key. `folder` None means no cache: nothing is found and nothing kept."""

    def __init__(self, folder: Path | None) -> None:
        self._base: sqlite3.Connection | None = None
        self._passed: list[bytes] = []
        self._used: list[bytes] = []
        if folder is not None:
            self._base = _opened(folder)

    def known(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of `keys` that passed before."""
        wanted = list(keys)
        if self._base is None:
            return set()
        found: set[bytes] = set()
        try:
            for at in range(0, len(wanted), 500):
                part = wanted[at : at + 500]
                marks = ",".join("?" * len(part))
                rows = self._base.execute(f"SELECT key FROM passed WHERE key IN ({marks})", part)  # noqa: S608 - only marks
                found.update(row[0] for row in rows)
        except sqlite3.Error:
            return set()
        self._used += found
        return found

    def passed(self, key: bytes) -> None:
        """Remember a pass; it is on disk after `save`."""
        self._passed.append(key)

    def save(self) -> None:
        """Write what was learned, and drop what nobody has used for long."""
        if self._base is None:
            return
        now = int(time.time())
        with contextlib.suppress(sqlite3.Error), self._base:
            self._base.executemany(
                "INSERT OR REPLACE INTO passed VALUES (?, ?)", [(item, now) for item in self._passed]
            )
            self._base.executemany(
                "UPDATE passed SET used = ? WHERE key = ? AND used < ?",
                [(now, item, now - 86_400) for item in self._used],
            )
            self._base.execute("DELETE FROM passed WHERE used < ?", (now - _KEPT,))
            self._base.execute(
                "DELETE FROM passed WHERE key IN (SELECT key FROM passed ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (_MOST,),
            )
        self._passed, self._used = [], []

    def close(self) -> None:
        if self._base is not None:
            self._base.close()


def _opened(folder: Path) -> sqlite3.Connection | None:
    """The cache's database, made anew where it is damaged; None where there can be none."""
    path = folder / _NAME
    for attempt in range(2):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(path, timeout=10)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            base.execute(
                "CREATE TABLE IF NOT EXISTS passed (key BLOB PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID"
            )
            base.execute("SELECT 1 FROM passed LIMIT 1")
            return base
        except sqlite3.DatabaseError as error:
            damaged = not isinstance(error, sqlite3.OperationalError)
            if attempt or not damaged:
                return None
            for name in (path, *folder.glob(f"{_NAME}-*")):
                with contextlib.suppress(OSError):
                    Path(name).unlink()
        except OSError:
            return None
    return None
