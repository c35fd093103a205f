"""The export as bytes: the same wherever they are made, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from sample_decks import (
    build,
    sample,
)

from generator import export
from generator.export.image import clear_unused, image
from generator.package import content_digest

# --- the same bytes --------------------------------------------------------------------------------------------------

BUILD = """
import hashlib, sys
sys.path[:0] = {path!r}
from sample_decks import build, sample
from generator.package import content_digest
data = build(sample())
print(hashlib.sha256(data).hexdigest(), content_digest(data))
"""


def test_the_bytes_depend_on_the_deck_alone(tmp_path: Path) -> None:
    """Another process with another hash seed, time zone, locale and folder makes the same file."""
    data = build(sample())
    assert data == build(sample())
    expected = f"{hashlib.sha256(data).hexdigest()} {content_digest(data)}"
    script = BUILD.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[1])])
    for seed, zone, locale in (("1", "Asia/Tokyo", "C"), ("2", "America/New_York", "tr_TR.UTF-8")):
        settings = {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": locale, "LC_ALL": locale}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_no_trace_of_day_or_machine_is_in_the_archive() -> None:
    """Members come in one order, with one date and mode, deflated."""
    infos = zipfile.ZipFile(BytesIO(build(sample()))).infolist()
    assert [info.filename for info in infos] == ["collection.anki2", "media", "0"]
    assert {(i.date_time, i.create_system, i.external_attr, i.compress_type) for i in infos} == {
        ((1980, 1, 1, 0, 0, 0), 3, 0o100644 << 16, zipfile.ZIP_DEFLATED)
    }


def test_a_database_has_one_image() -> None:
    """Databases of equal content but unlike pasts have equal bytes, which SQLite finds whole."""

    def made(*, churn: bool) -> bytes:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("CREATE INDEX i ON t (v)")
        if churn:
            for number in range(2000):
                connection.execute("INSERT INTO t VALUES (?, ?)", (number, f"old {number}" * 9))
                connection.commit()
            connection.execute("DELETE FROM t")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"value {n}" * (n % 90)) for n in range(900)])
        data = image(connection)
        connection.close()
        return data

    assert made(churn=True) == made(churn=False)
    header = made(churn=False)[:100]
    assert header[24:28] == header[92:96] == struct.pack(">I", 1)
    assert header[96:] == struct.pack(">I", 3_040_000)
    connection = sqlite3.connect(":memory:")
    connection.deserialize(made(churn=True))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count() FROM t").fetchone() == (900,)
    connection.close()


def test_unused_bytes_of_a_page_are_cleared() -> None:
    """What an SQLite page keeps of deleted rows, in its gap or in a free block, does not reach the file."""
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE t (v TEXT)")
    connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in ("keep", "secret", "kept", "hidden")])
    connection.execute("DELETE FROM t WHERE v IN ('secret', 'hidden')")
    connection.commit()
    data = bytearray(connection.serialize())
    connection.close()
    assert b"secret" in data
    for start in range(0, len(data), 4096):
        clear_unused(data, start)
    assert b"keep" in data
    assert b"cret" not in data
    assert b"idden" not in data
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(data))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


# --- into its place --------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_with_the_usual_mode(tmp_path: Path) -> None:
    """A new file gets the mode the umask gives, an old one keeps its own; nothing else is left in the folder."""
    path = tmp_path / "ä deck.apkg"
    export.write_atomically(path, b"one")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    export.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, "plain"}


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(
    call: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails, and at whichever step: the old package is whole, and no temporary file remains."""

    def fail(*_: object, **__: object) -> None:
        raise error

    path = tmp_path / "deck.apkg"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(error)):
        export.write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["deck.apkg"]


def test_folders_that_are_absent_or_in_the_way_are_os_errors(tmp_path: Path) -> None:
    """The caller gets an OSError, and nothing is made."""
    with pytest.raises(FileNotFoundError):
        export.write_atomically(tmp_path / "absent" / "deck.apkg", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        export.write_atomically(tmp_path / "folder", b"x")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["folder"]


def test_links_and_pipes_are_written_through(tmp_path: Path) -> None:
    """A symbolic link stays one and its target changes; a pipe gets the bytes and stays a pipe."""
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"old")
    link.symlink_to(target)
    export.write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    export.write_atomically(pipe, b"through")
    reader.join(30)
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
