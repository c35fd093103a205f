"""Reads an `.apkg` file: a zip archive with an SQLite database in it.

The file may come from anywhere, so it is read as a stranger's: nothing is written to the disk, no name in the archive
is used as a path, sizes are limited while unpacking, and only plain tables are read.

The three databases a package can hold, newest first: `collection.anki21b` (zstd, schema 18), `collection.anki21` and
`collection.anki2` (schema 11, note types and decks as JSON in the row `col`). Anki writes the older names beside a
newer one as a stub, so the newest counts.
https://github.com/ankitects/anki/blob/main/rslib/src/import_export/package/meta.rs
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator

from generator.notes import Package, PackedNote, PackedNotetype

MAX_DATABASE = 512 * 1024 * 1024
"""Largest database that is read, in bytes: far more than 100,000 notes need."""
CONFIG_KEY = "makeDeck"
"""Key in the package's own configuration under which this tool keeps its hashes. No Anki imports that column."""

_NEWEST, _NEWER, _OLDEST = "collection.anki21b", "collection.anki21", "collection.anki2"
_SQLITE_MAGIC = b"SQLite format 3\0"
_FIELD_SEPARATOR = "\x1f"


class PackageError(Exception):
    """The data is no package that can be read. The message is one plain sentence for the user."""


def read_package(data: bytes) -> Package:
    """The notes and note types of a package, both in the order of their ids.

    Raises PackageError for everything that is not a package, broken ones included.
    """
    name, database = _database(data)
    connection = _open(database)
    try:
        tables = _Current(connection) if _has_table(connection, "notetypes") else _Legacy(connection)
        return Package(tuple(tables.notes()), tuple(tables.types.values()))
    except sqlite3.Error as error:
        raise PackageError(f"The database {name!a} in the package cannot be read: {error}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise PackageError(f"The database {name!a} in the package does not hold what Anki stores there.") from error
    finally:
        connection.close()


def content_digest(data: bytes) -> str:
    """SHA-256 (hex) of what the package says: every member's content, the database by its rows.

    Equal for two packages that differ only in how zlib or SQLite laid out the same content. Raises PackageError.
    """
    digest = hashlib.sha256()
    with _archive(data) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            content = _read(archive, info)
            if content.startswith(_SQLITE_MAGIC):
                content = "\n".join(_rows(content)).encode()
            size = len(content)
            digest.update(f"{info.filename}\0{size}\0".encode())
            digest.update(content)
    return digest.hexdigest()


# --- the archive -----------------------------------------------------------------------------------------------------


def _archive(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error) as error:
        raise PackageError("The file is no Anki package: it is not a whole zip archive.") from error


def _database(data: bytes) -> tuple[str, bytes]:
    """Name and content of the newest database in the package."""
    with _archive(data) as archive:
        members = {info.filename: info for info in archive.infolist()}
        for name in (_NEWEST, _NEWER, _OLDEST):
            if name in members:
                content = _read(archive, members[name])
                return name, _unpack_zstd(name, content) if name == _NEWEST else content
    raise PackageError("The file is no Anki package: the archive holds no collection.")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's content. The size in the archive's directory is not believed."""
    try:
        with archive.open(info) as member:
            content = member.read(MAX_DATABASE + 1)
    except NotImplementedError as error:
        raise PackageError(
            f"The file {info.filename!a} in the package is compressed in a way Anki does not use."
        ) from error
    except RuntimeError as error:
        raise PackageError(f"The file {info.filename!a} in the package is encrypted.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error) as error:
        raise PackageError(f"The file {info.filename!a} in the package is damaged.") from error
    return _within_limit(info.filename, content)


def _within_limit(name: str, content: bytes) -> bytes:
    if len(content) > MAX_DATABASE:
        raise PackageError(f"The file {name!a} in the package unpacks to more than {MAX_DATABASE // 1024 // 1024} MiB.")
    return content


def _unpack_zstd(name: str, content: bytes) -> bytes:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise PackageError(
            "The package is in Anki's current format, which needs the Python package backports.zstd; install it, or "
            "export from Anki with “Support older Anki versions”."
        ) from error
    try:
        unpacked: bytes = zstd.ZstdDecompressor().decompress(content, max_length=MAX_DATABASE + 1)
    except (zstd.ZstdError, EOFError, ValueError, MemoryError) as error:
        raise PackageError(f"The file {name!a} in the package is damaged.") from error
    return _within_limit(name, unpacked)


# --- the database ----------------------------------------------------------------------------------------------------


def _open(database: bytes) -> sqlite3.Connection:
    """The database in memory, read as one that a stranger wrote: https://www.sqlite.org/security.html"""
    if not database.startswith(_SQLITE_MAGIC) or len(database) < 512:
        raise PackageError("The collection in the package is no SQLite database.")
    # A database in memory knows no write-ahead log; Anki leaves that mode in the header (bytes 18 and 19).
    # https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    database = database[:18] + b"\1\1" + database[20:]
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(database)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
    except (sqlite3.Error, MemoryError) as error:
        connection.close()
        raise PackageError("The collection in the package is a damaged SQLite database.") from error
    return connection


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a plain table of that name exists.

    A view, a virtual table and a generated column compute when they are read, for as long and as much as their
    author likes: ValueError.
    """
    row = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    if row is None:
        return False
    if not str(row[0]).upper().startswith("CREATE TABLE"):
        raise ValueError(name)
    columns = connection.execute(f"PRAGMA table_xinfo({_quoted(name)})")
    if any(hidden for *_, hidden in columns):
        raise ValueError(name)
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rows(database: bytes) -> Iterator[str]:
    """Every table's definition and rows as text, in an order that does not depend on the file's layout."""
    connection = _open(database)
    try:
        master = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        for kind, name, sql in master:
            yield f"{kind} {name}: {sql}"
            if kind == "table" and _has_table(connection, name):
                yield from sorted(map(repr, connection.execute(f"SELECT * FROM {_quoted(name)}")))  # noqa: S608
    except (sqlite3.Error, ValueError) as error:
        raise PackageError(f"A database in the package cannot be read: {error}.") from error
    finally:
        connection.close()


class _Legacy:
    """Schema 11: note types, decks and configuration are JSON in the one row of `col`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        for table in ("col", "notes", "cards"):
            if not _has_table(connection, table):
                raise ValueError(table)
        self.read_types()

    def read_types(self) -> None:
        conf, models, decks = map(json.loads, self.connection.execute("SELECT conf, models, decks FROM col").fetchone())
        own = conf.get(CONFIG_KEY) if isinstance(conf.get(CONFIG_KEY), dict) else {}
        self.content: dict[str, str] = own.get("notes", {})
        digests: dict[str, str] = own.get("notetypes", {})
        self.decks = {int(key): str(deck["name"]) for key, deck in decks.items()}
        self.types = {
            int(key): PackedNotetype(int(key), str(model["name"]), int(model["mod"]), digests.get(key))
            for key, model in sorted(models.items(), key=lambda item: int(item[0]))
        }
        self.fields = {
            int(key): [str(field["name"]) for field in sorted(model["flds"], key=lambda field: int(field["ord"]))]
            for key, model in models.items()
        }

    def notes(self) -> Iterator[PackedNote]:
        """Notes by id. The first card of a note says in which deck it is, and where among the new ones."""
        places = {
            nid: (self.decks.get(odid or did, ""), due if kind == 0 else 0)
            for nid, did, odid, kind, due in self.connection.execute(
                "SELECT nid, did, odid, type, due FROM cards ORDER BY nid, ord DESC"
            )
        }
        query = "SELECT id, guid, mid, mod, tags, flds FROM notes ORDER BY id"
        for nid, guid, mid, mod, tags, values in self.connection.execute(query):
            if not isinstance(values, str) or not isinstance(mod, int):
                raise ValueError(guid)
            deck, due = places.get(nid, ("", 0))
            yield PackedNote(
                guid=str(guid),
                mod=mod,
                fields=tuple(zip(self.fields[mid], values.split(_FIELD_SEPARATOR), strict=True)),
                tags=tuple(str(tags).split()),
                deck=deck,
                notetype=self.types[mid].name,
                content=self.content.get(guid),
                due=due,
            )


class _Current(_Legacy):
    """Schema 18: note types, their fields and decks have tables of their own; deck names are parted by U+001F."""

    def read_types(self) -> None:
        for table in ("notetypes", "fields", "decks"):
            if not _has_table(self.connection, table):
                raise ValueError(table)
        self.content = {}
        self.decks = {
            int(key): "::".join(str(name).split("\x1f"))
            for key, name in self.connection.execute("SELECT id, name FROM decks")
        }
        self.types = {
            int(key): PackedNotetype(int(key), str(name), int(mod), None)
            for key, name, mod in self.connection.execute("SELECT id, name, mtime_secs FROM notetypes ORDER BY id")
        }
        self.fields: dict[int, list[str]] = {key: [] for key in self.types}
        for key, name in self.connection.execute("SELECT ntid, name FROM fields ORDER BY ntid, ord"):
            if key in self.fields:  # Anki leaves fields of note types that it did not export
                self.fields[key].append(str(name))
