"""Remembers results between runs, in the user's cache folder: one SQLite file for each kind of result.

A key is a hash of everything that the result rests on, so an entry is right as long as it is there. SQLite makes it
safe under two runs at once and a kill at any moment. A store that cannot be used is no error: nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

_KEPT = 60 * 86_400  # seconds after its last use that an entry is kept
_AT_ONCE = 500  # keys asked for in one statement


def default_folder() -> Path:
    """The folder where results are kept; `XDG_CACHE_HOME` and its like are honoured."""
    return Path(platformdirs.user_cache_dir("make-deck", appauthor=False))


def digest_of_code(*names: str) -> str:
    """A hash of the source of these modules and packages below `generator`: other code may come to other results."""
    digest = hashlib.sha256()
    for name in names:
        for file in _sources(files("generator") / name):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(entry: Traversable) -> Iterator[Traversable]:
    if not entry.is_dir():
        yield entry
        return
    for part in sorted(entry.iterdir(), key=lambda part: part.name):
        if part.is_dir() or part.name.endswith(".py"):
            yield from _sources(part)


class Store:
    """Bytes by key. `path` None means no store: nothing is found and nothing kept.

    What is put is on disk after the `with` block, however it ends. At most `most` entries are kept, those used last.
    """

    def __init__(self, path: Path | None, most: int) -> None:
        self._most = most
        self._put: dict[bytes, bytes] = {}
        self._used: list[bytes] = []
        self._base = _opened(path) if path is not None else None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        if self._base is not None:
            self._save(self._base)
            self._base.close()

    def known(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What was put before under those of `keys` that there are."""
        wanted = list(keys)
        if self._base is None:
            return {}
        found: dict[bytes, bytes] = {}
        try:
            for at in range(0, len(wanted), _AT_ONCE):
                part = wanted[at : at + _AT_ONCE]
                marks = ",".join("?" * len(part))
                found.update(self._base.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", part))  # noqa: S608 - only marks
        except sqlite3.Error:
            return {}
        self._used += found
        return found

    def put(self, key: bytes, value: bytes = b"") -> None:
        self._put[key] = value

    def _save(self, base: sqlite3.Connection) -> None:
        """Write what is new, and drop what nobody has used for long."""
        now = int(time.time())
        with contextlib.suppress(sqlite3.Error), base:
            new = [(key, value, now) for key, value in self._put.items()]
            base.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", new)
            old = [(now, key, now - 86_400) for key in self._used]
            base.executemany("UPDATE kept SET used = ? WHERE key = ? AND used < ?", old)
            base.execute("DELETE FROM kept WHERE used < ?", (now - _KEPT,))
            surplus = "SELECT key FROM kept ORDER BY used DESC LIMIT -1 OFFSET ?"
            base.execute(f"DELETE FROM kept WHERE key IN ({surplus})", (self._most,))  # noqa: S608 - no value in it


def _opened(path: Path) -> sqlite3.Connection | None:
    """The store's database, made anew where it is damaged; None where there can be none."""
    for attempt in range(2):
        base = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(path, timeout=10)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            base.execute(
                "CREATE TABLE IF NOT EXISTS kept"
                " (key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID"
            )
            base.execute("SELECT 1 FROM kept LIMIT 1")
            return base
        except (sqlite3.DatabaseError, OSError) as error:
            if base is not None:
                base.close()
            if attempt or isinstance(error, sqlite3.OperationalError | OSError):  # it is not the file that is damaged
                return None
            for name in (path, *path.parent.glob(f"{path.name}-*")):
                with contextlib.suppress(OSError):
                    Path(name).unlink()
    return None
