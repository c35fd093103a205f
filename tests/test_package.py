"""Reading packages: ours, Anki's old and current ones, and everything that only pretends to be one."""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from anki_real import Learner
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_decks import NOW, build, sample

from generator import package
from generator.notes import PackedNote
from generator.package import PackageError, content_digest, read_package

SAMPLE = build(sample())


def test_what_was_built_is_read_back() -> None:
    """Notes come back with fields, tags, deck, time, content hash and place; note types with time and digest."""
    found = read_package(SAMPLE)
    assert {note.guid: note for note in found.notes} == {
        rendered.note.guid: PackedNote(
            guid=rendered.note.guid,
            mod=NOW,
            fields=rendered.fields,
            tags=tuple(sorted(rendered.tags)),
            deck=rendered.deck_name,
            notetype="Root Cloze" if rendered.cloze else "Root Basic",
            content=rendered.content,
            due=1000 * number,
        )
        for number, rendered in enumerate(sample().notes, 1)
    }
    assert {(notetype.name, notetype.mod) for notetype in found.notetypes} == {("Root Basic", NOW), ("Root Cloze", NOW)}
    assert all(notetype.digest for notetype in found.notetypes)


@pytest.mark.parametrize("legacy", [True, False])
def test_what_anki_exports_is_read(legacy: bool, tmp_path: Path) -> None:
    """A deck that went through Anki is the same deck, in either format, but for our hashes."""
    with Learner(tmp_path / "a") as learner:
        learner.import_package(SAMPLE)
        data = learner.export_package(legacy=legacy, deck="Root")
    names = zipfile.ZipFile(BytesIO(data)).namelist()
    assert ("collection.anki21b" in names) is not legacy
    ours, theirs = (read_package(item) for item in (SAMPLE, data))
    assert {replace(note, content=None) for note in ours.notes} == set(theirs.notes)
    assert [(t.id, t.name, t.digest) for t in theirs.notetypes if t.name.startswith("Root")] == [
        (t.id, t.name, None) for t in ours.notetypes
    ]


@pytest.mark.parametrize("legacy", [True, False])
def test_the_way_through_anki_does_no_harm(legacy: bool, tmp_path: Path) -> None:
    """A learner may export our deck to another, who can import our package after it: same notes, nothing twice."""
    with Learner(tmp_path / "a") as first:
        first.import_package(SAMPLE)
        data = first.export_package(legacy=legacy, deck="Root")
    with Learner(tmp_path / "b") as second:
        assert len(second.import_package(data).new) == 5
        log = second.import_package(SAMPLE)
        assert (log.new, log.updated, log.refused) == ([], [], [])
        report = second.report()
        assert (report.notes, report.cards, report.problems) == (5, 8, [])
        assert (report.missing_media, report.unused_media, report.empty_cards) == ([], [], [])


def test_the_newest_database_counts() -> None:
    """A package in a newer format holds an older database too, as a stub; it is not read."""
    stub = _database(lambda connection: connection.execute("DELETE FROM notes"))
    member = zipfile.ZipFile(BytesIO(SAMPLE)).read("collection.anki2")
    found = read_package(_zip({"collection.anki2": stub, "collection.anki21": member}))
    assert found == read_package(SAMPLE)
    assert read_package(_zip({"collection.anki2": stub})).notes == ()


def test_the_first_card_says_where_a_note_is() -> None:
    """A note is in the deck of its first card, the one it came from if that card is in a filtered deck."""
    moved = _changed(
        "UPDATE cards SET did = 1, due = 7 WHERE ord = 1",
        "UPDATE cards SET odid = did, did = 1, type = 2 WHERE ord = 0",
    )
    assert {(note.deck, note.due) for note in read_package(moved).notes} == {
        (note.deck_name, 0) for note in sample().notes
    }


def test_a_package_needs_its_zstd_package_only_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zstd module an old package is read, and a current one is refused with the way out."""
    for name in ("backports", "compression"):
        monkeypatch.setitem(sys.modules, name, None)
    assert read_package(SAMPLE).notes
    with pytest.raises(PackageError, match=r"backports\.zstd"):
        read_package(_zip({"collection.anki21b": b"x"}))


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _database(change: Callable[[sqlite3.Connection], object]) -> bytes:
    """The sample's database with a change made to it."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(zipfile.ZipFile(BytesIO(SAMPLE)).read("collection.anki2"))
    change(connection)
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


def _changed(*statements: str) -> bytes:
    def change(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return _zip({"collection.anki2": _database(change)})


def _encrypted() -> bytes:
    data = bytearray(_zip({"collection.anki2": b"x" * 100}, zipfile.ZIP_STORED))
    struct.pack_into("<H", data, 6, 1)
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 8, 1)
    return bytes(data)


def _flipped() -> bytes:
    data = bytearray(SAMPLE)
    data[len(data) // 3] ^= 0xFF
    return bytes(data)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
VIEW = f"CREATE VIEW cards AS {ENDLESS} AS nid, 1 AS did, 0 AS odid, 0 AS type, 0 AS due, 0 AS ord FROM n"
BROKEN = {
    "empty": b"",
    "text": b"not a package",
    "html": b"<html>404</html>" * 100,
    "half": SAMPLE[: len(SAMPLE) // 2],
    "no end": SAMPLE[:-30],
    "flipped": _flipped(),
    "no database": _zip({"readme.txt": b"x"}),
    "database in a folder": _zip({"a/collection.anki2": b"x", "../collection.anki2": b"x"}),
    "no sqlite": _zip({"collection.anki2": b"x" * 5000}),
    "empty database": _zip({"collection.anki2": b""}),
    "header alone": _zip({"collection.anki2": b"SQLite format 3\0"}),
    "cut database": _zip({"collection.anki2": _database(lambda connection: None)[:9000]}),
    "no zstd": _zip({"collection.anki21b": b"x" * 5000}),
    "encrypted": _encrypted(),
    "no table": _changed("DROP TABLE notes"),
    "no row": _changed("DELETE FROM col"),
    "null": _changed("UPDATE col SET models = 'null'"),
    "list": _changed("UPDATE col SET decks = '[]'"),
    "no json": _changed("UPDATE col SET conf = '{'"),
    "deep json": _changed("UPDATE col SET conf = '" + "[" * 100_000 + "'"),
    "models of text": _changed("""UPDATE col SET models = '{"1": "x"}'"""),
    "hashes of text": _changed("""UPDATE col SET conf = '{"makeDeck": {"notes": "x", "notetypes": "x"}}'"""),
    "unknown note type": _changed("UPDATE notes SET mid = 7"),
    "too few fields": _changed("UPDATE notes SET flds = 'x'"),
    "blob": _changed("UPDATE notes SET flds = x'00ff'"),
    "no utf-8": _changed("UPDATE notes SET flds = cast(x'ff1fff' AS TEXT)"),
    "time of text": _changed("UPDATE notes SET mod = 'soon'"),
    "generated": _changed(
        "ALTER TABLE notes RENAME TO n",
        "CREATE TABLE notes (id, guid, mid, mod, tags, text, flds AS (text))",
        "INSERT INTO notes SELECT id, guid, mid, mod, tags, flds FROM n",
    ),
    "view without end": _changed("DROP TABLE cards", VIEW),
}


@pytest.mark.parametrize("name", BROKEN)
def test_whatever_is_no_package_is_told_in_a_sentence(name: str) -> None:
    """Nothing but PackageError leaves the reader, and its message is a sentence."""
    with pytest.raises(PackageError, match=r"^The .*\.$"):
        read_package(BROKEN[name])


def test_a_bomb_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that unpacks past the limit is refused, whatever size the archive claims, in zip and in zstd."""
    monkeypatch.setattr(package, "MAX_DATABASE", 100_000)
    bomb = _zip({"collection.anki2": bytes(5_000_000)})
    with pytest.raises(PackageError, match="unpacks to more than"):
        read_package(bomb)
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    with pytest.raises(PackageError, match="unpacks to more than"):
        read_package(_zip({"collection.anki21b": zstd.compress(bytes(5_000_000))}))


def test_reading_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that lead out of the archive are never used: no file appears."""
    monkeypatch.chdir(tmp_path)
    member = zipfile.ZipFile(BytesIO(SAMPLE)).read("collection.anki2")
    read_package(_zip({"../up": b"x", "/abs": b"x", "collection.anki2": member, "0": b"x"}))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=40))
def test_damaged_databases_never_crash(at: int, noise: bytes) -> None:
    """A database with bytes overwritten anywhere is read or refused; no other error comes out."""
    data = bytearray(zipfile.ZipFile(BytesIO(SAMPLE)).read("collection.anki2"))
    at %= len(data)
    data[at : at + len(noise)] = noise
    try:
        read_package(_zip({"collection.anki2": bytes(data)}))
    except PackageError:
        return


def test_the_content_digest_sees_content_alone() -> None:
    """Another compression, member order or page layout keeps the digest; any change of content moves it."""
    expected = content_digest(SAMPLE)
    archive = zipfile.ZipFile(BytesIO(SAMPLE))
    members = {name: archive.read(name) for name in archive.namelist()}
    shuffled = dict(reversed(members.items()))
    assert content_digest(_zip(shuffled, zipfile.ZIP_STORED)) == expected

    def relayout(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("VACUUM")

    assert content_digest(_zip(members | {"collection.anki2": _database(relayout)})) == expected
    for changed in (
        members | {"0": b"other"},
        members | {"1": b"more"},
        members
        | {"collection.anki2": _database(lambda c: c.execute("UPDATE notes SET tags = 'x' WHERE rowid IS NOT NULL"))},
        members | {"media": json.dumps({"0": "other.png"}).encode()},
    ):
        assert content_digest(_zip(changed)) != expected
    with pytest.raises(PackageError):
        content_digest(b"x")
