"""Reading a deck's folder from a real disk, and what is refused there."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import read
from generator.diagnostics import Diagnostic, as_text
from generator.notes import DeckFolder
from generator.parse import parse_deck
from generator.read import RULES, deck_folders, find_project, packed_name, read_deck

CONFIG = b"name: X\nnamespace: n\n"
NOTE = b"---\ndeck: D\n---\n\n## Q\n<!-- id: q -->\n\nA.\n"


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    """A good deck's folder in a project, `tmp_path`."""
    folder = tmp_path / "source_notes" / "deck"
    folder.mkdir(parents=True)
    (folder / "deck.yaml").write_bytes(CONFIG)
    (folder / "01-a.md").write_bytes(NOTE)
    return folder


def read_from(deck: Path) -> tuple[DeckFolder, list[str]]:
    """What is read, and the faults as `D001 path`."""
    read, found = read_deck(deck, deck.parent.parent)
    return read, [f"{fault.code} {fault.span.file}" for fault in found]


# --- where decks are ---


def test_the_project_is_the_nearest_parent_with_source_notes(tmp_path: Path, deck: Path) -> None:
    """From inside a deck too; the folder itself counts."""
    inner = tmp_path / "inner"
    (inner / "source_notes").mkdir(parents=True)
    assert find_project(tmp_path) == tmp_path
    assert find_project(deck) == tmp_path
    assert find_project(inner / "not" / "there") == inner


def test_there_may_be_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named source_notes makes none. A relative path is looked up from here."""
    (tmp_path / "source_notes").write_text("")
    assert find_project(tmp_path) is None
    (tmp_path / "source_notes").unlink()
    (tmp_path / "source_notes").mkdir()
    monkeypatch.chdir(tmp_path / "source_notes")
    assert find_project(Path(".")) == tmp_path


def test_decks_are_the_folders_with_a_deck_yaml_or_notes(tmp_path: Path, deck: Path) -> None:
    """Sorted by name; files, hidden folders and folders of pictures are no decks."""
    for name, file in (("b", "x.md"), ("A", "deck.yaml"), ("pictures", "a.png"), (".git", "x.md")):
        (deck.parent / name).mkdir()
        (deck.parent / name / file).write_text("")
    (deck.parent / "README.md").write_text("")
    assert [folder.name for folder in deck_folders(tmp_path)] == ["A", "b", "deck"]
    assert deck_folders(tmp_path / "nowhere") == []


# --- what is read ---


def test_topic_files_are_read_in_code_point_order(deck: Path) -> None:
    """Only `*.md` directly in the folder, without the README and other `_` files than the retired notes."""
    for name in ("10-b.md", "2-c.md", "B.md", "a.md", "é.md", "README.md", "readme.md", "_draft.md", "_retired.md"):
        (deck / name).write_bytes(NOTE)
    for name in ("notes.txt", "x.markdown", ".hidden.md", "deck.lock"):
        (deck / name).write_bytes(b"")
    (deck / "sub").mkdir()
    (deck / "sub" / "x.md").write_bytes(NOTE)
    folder, found = read_from(deck)
    expected = ["01-a.md", "10-b.md", "2-c.md", "B.md", "_retired.md", "a.md", "é.md"]
    assert [name for name, _ in folder.files] == expected
    assert found == []
    assert folder.config == CONFIG
    assert dict(folder.files)["01-a.md"] == NOTE


def test_paths_are_shown_from_the_project(deck: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """POSIX and relative, wherever one stands; a deck elsewhere is shown by its whole path."""
    monkeypatch.chdir(deck)
    assert read_deck(Path("."), tmp_path)[0].shown == "source_notes/deck"
    assert read_deck(deck, deck / "elsewhere")[0].shown == deck.as_posix()
    assert read_deck(deck, deck)[0].shown == "."
    (deck / "deck.yaml").unlink()
    assert read_deck(deck, deck)[1][0].span.file == "deck.yaml"


def test_media_are_the_files_directly_in_media(deck: Path) -> None:
    """By name, with the path they lie at; what systems leave behind is passed over."""
    media = deck / "media"
    media.mkdir()
    for name in ("loop.png", "Ton ä.MP3", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (media / name).write_bytes(name.encode())
    folder, found = read_from(deck)
    assert found == []
    assert sorted(folder.media) == ["Ton ä.MP3", "loop.png"]
    picture = folder.media["loop.png"]
    assert picture.path == media / "loop.png"
    assert picture.packed == f"loop-{hashlib.sha256(b'loop.png').hexdigest()[:12]}.png"


def test_a_media_name_is_found_in_either_unicode_form(deck: Path) -> None:
    """macOS writes `é` as two characters into file names, notes have one."""
    (deck / "media").mkdir()
    (deck / "media" / "e\u0301.png").write_bytes(b"x")
    assert list(read_from(deck)[0].media) == ["\u00e9.png"]


def test_a_link_within_the_folder_is_followed(deck: Path) -> None:
    """Notes and media may share a file."""
    (deck / "02-b.md").symlink_to("01-a.md")
    (deck / "media").mkdir()
    (deck / "pool").mkdir()
    (deck / "pool" / "x.png").write_bytes(b"x")
    (deck / "media" / "y.png").symlink_to("../pool/x.png")
    folder, found = read_from(deck)
    assert found == []
    assert dict(folder.files)["02-b.md"] == NOTE
    assert "y.png" in folder.media


def test_a_deck_reached_by_a_link_is_read(deck: Path, tmp_path: Path) -> None:
    """Its folder is where the link leads; from there nothing leads out."""
    (tmp_path / "link").symlink_to(deck)
    assert read_deck(tmp_path / "link", tmp_path)[1] == []


def test_a_deck_outside_by_a_link_is_not_read(deck: Path, tmp_path: Path) -> None:
    """A link in the notes, as a pull request may bring it, leads to no folder of the machine."""
    private = tmp_path.parent / f"{tmp_path.name}-private"
    private.mkdir()
    (private / "a.md").write_bytes(NOTE)
    link = deck.parent / "linked"
    link.symlink_to(private)
    folder, found = read_deck(link, deck.parents[1])
    assert ([item.code for item in found], folder.files, folder.config) == (["D002"], (), None)


def test_a_deck_with_a_name_that_acts_on_a_terminal_is_not_read(deck: Path) -> None:
    """Its name would be printed, and become a file's."""
    odd = deck.with_name("b\n::set-env name=X::evil")
    deck.rename(odd)
    assert [item.code for item in read_deck(odd, deck.parents[1])[1]] == ["D006"]


# --- what is refused ---


def _link(path: str, target: str, *, is_folder: bool = False) -> Callable[[Path], None]:
    def build(deck: Path) -> None:
        secret = deck.parent / "secret"
        secret.mkdir()
        for name in ("x.md", "x.png", "deck.yaml"):
            (secret / name).write_bytes(CONFIG)
        (deck / path).unlink(missing_ok=True)
        (deck / path).parent.mkdir(exist_ok=True)
        (deck / path).symlink_to(target, target_is_directory=is_folder)

    return build


def _file(path: str, data: bytes = b"") -> Callable[[Path], None]:
    def build(deck: Path) -> None:
        (deck / path).parent.mkdir(exist_ok=True)
        (deck / path).write_bytes(data)

    return build


def _sparse(path: str, size: int) -> Callable[[Path], None]:
    def build(deck: Path) -> None:
        (deck / path).parent.mkdir(exist_ok=True)
        with (deck / path).open("wb") as file:
            file.truncate(size)

    return build


def _socket(deck: Path) -> None:
    here = os.getcwd()
    os.chdir(deck)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s.md")
    finally:
        os.chdir(here)


def _twins(deck: Path) -> None:
    _file("media/é.png", b"1")(deck)
    _file("media/e\u0301.png", b"2")(deck)


def _look_alike(deck: Path) -> None:
    (deck.parent / "deck-2").mkdir()
    (deck / "media").symlink_to("../deck-2")


def _loop(deck: Path) -> None:
    (deck / "a.md").symlink_to("b.md")
    (deck / "b.md").symlink_to("a.md")


def _unnamed(deck: Path) -> None:
    with open(os.fsencode(deck) + b"/\xff.md", "wb") as file:
        file.write(NOTE)


D = "source_notes/deck"
REFUSED: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "no deck.yaml": (lambda deck: (deck / "deck.yaml").unlink(), [f"D001 {D}/deck.yaml"]),
    "a topic file outside": (_link("x.md", "../secret/x.md"), [f"D002 {D}/x.md"]),
    "an absolute link": (_link("x.md", "/etc/passwd"), [f"D002 {D}/x.md"]),
    "deck.yaml outside": (_link("deck.yaml", "../secret/deck.yaml"), [f"D002 {D}/deck.yaml"]),
    "a media file outside": (_link("media/x.png", "../../secret/x.png"), [f"D002 {D}/media/x.png"]),
    "media outside": (_link("media", "../secret", is_folder=True), [f"D002 {D}/media"]),
    "media outside, by its look-alike": (_look_alike, [f"D002 {D}/media"]),
    "a device": (_link("x.md", "/dev/zero"), [f"D002 {D}/x.md"]),
    "a link to nowhere": (_link("x.md", "nowhere.md"), [f"D005 {D}/x.md"]),
    "links in a ring": (_loop, [f"D005 {D}/a.md", f"D005 {D}/b.md"]),
    "a pipe": (lambda deck: os.mkfifo(deck / "x.md"), [f"D003 {D}/x.md"]),
    "a pipe in media": (
        lambda deck: ((deck / "media").mkdir(), os.mkfifo(deck / "media" / "x.png"))[0],
        [f"D003 {D}/media/x.png"],
    ),
    "a socket": (_socket, [f"D003 {D}/s.md"]),
    "a folder named as a file": (lambda deck: (deck / "x.md").mkdir(), [f"D003 {D}/x.md"]),
    "deck.yaml is a folder": (
        lambda deck: ((deck / "deck.yaml").unlink(), (deck / "deck.yaml").mkdir())[0],
        [f"D003 {D}/deck.yaml"],
    ),
    "a huge topic file": (_sparse("x.md", read.NOTES_LIMIT + 1), [f"D004 {D}/x.md"]),
    "a huge deck.yaml": (_sparse("deck.yaml", read.CONFIG_LIMIT + 1), [f"D004 {D}/deck.yaml"]),
    "a huge picture": (_sparse("media/x.png", read.MEDIA_LIMIT + 1), [f"D004 {D}/media/x.png"]),
    "a program in media": (_file("media/x.exe", b"MZ"), [f"D010 {D}/media/x.exe"]),
    "a playlist that poses as a sound": (_file("media/x.mp3", b"#EXTM3U\nhttp://a.b/c"), [f"D010 {D}/media/x.mp3"]),
    "media is a file": (_file("media"), [f"D005 {D}/media"]),
    "a name that is not UTF-8": (_unnamed, [f"D006 {D}/\udcff.md"]),
    "a name with a line end": (_file("x\ny.md"), [f"D006 {D}/x\ny.md"]),
    "a name that reads backwards": (_file("media/\u202egnp.exe"), [f"D006 {D}/media/\u202egnp.exe"]),
    "a name with a backslash": (_file("x\\y.md"), [f"D006 {D}/x\\y.md"]),
    "a folder in media": (lambda deck: (deck / "media" / "x").mkdir(parents=True), [f"D007 {D}/media/x"]),
    "no topic file": (lambda deck: (deck / "01-a.md").unlink(), [f"D008 {D}"]),
    "two names that look the same": (_twins, [f"D009 {D}/media/é.png"]),
}


@pytest.mark.parametrize(("build", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_left_out_and_named(
    build: Callable[[Path], object], expected: list[str], deck: Path
) -> None:
    """Nothing outside the folder is read, nothing but regular files is opened, and the rest of the deck is there."""
    build(deck)
    folder, found = read_from(deck)
    assert found == expected
    lost = {line.partition(" ")[2].removeprefix(f"{D}/") for line in found}
    assert not lost & {name for name, _ in folder.files}
    assert not {f"media/{name}" for name in folder.media} & lost - {"media/é.png"}
    assert [name for name, _ in folder.files] == [name for name in ["01-a.md"] if (deck / name).exists()]
    _, diagnostics = read_deck(deck, deck.parent.parent)
    for fault in diagnostics:
        assert fault.hint
        as_text(fault).encode()  # also where the name is not UTF-8


def test_every_rule_is_provoked() -> None:
    """No rule of reading is without a row in the table above."""
    provoked = {line.split()[0] for _, expected in REFUSED.values() for line in expected}
    assert provoked == {rule.code for rule in RULES}


@pytest.mark.parametrize("name", ["nowhere", "deck/01-a.md"])
def test_a_path_that_is_no_folder_is_a_fault(name: str, deck: Path) -> None:
    """Its product is an empty deck, its parse none."""
    folder, found = read_deck(deck.parent / name, deck.parent.parent)
    assert [fault.code for fault in found] == ["D005"]
    assert (folder.config, folder.files, dict(folder.media)) == (None, (), {})
    assert parse_deck(folder) == (None, [])


def test_a_file_that_may_not_be_read_is_a_fault(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is the system's, in words."""

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)  # a test that runs as root may read everything
    _, found = read_deck(deck, deck.parent.parent)
    assert {fault.code for fault in found} == {"D005"}
    assert "permission denied" in found[0].message


def test_a_missing_deck_yaml_names_the_command_that_writes_one(deck: Path) -> None:
    """And it is reported once, not by the parser too."""
    (deck / "deck.yaml").unlink()
    folder, found = read_deck(deck, deck.parent.parent)
    assert "make-deck init" in found[0].hint
    assert parse_deck(folder) == (None, [])


def test_reading_works_where_a_system_has_fewer_flags(deck: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no O_NONBLOCK and no O_NOFOLLOW."""
    for flag in ("O_NONBLOCK", "O_NOFOLLOW"):
        monkeypatch.delattr(os, flag)
    assert read_from(deck)[1] == []


# --- names in the package ---

DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in range(10))}


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300), st.binary(max_size=8))
def test_packed_names_are_safe_everywhere(name: str, data: bytes) -> None:
    """ASCII, no device of Windows, not long, bound to the content."""
    packed = packed_name(name, data)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", packed)
    assert packed.split(".")[0].lower() not in DEVICES
    assert len(packed) <= 90
    assert hashlib.sha256(data).hexdigest()[:12] in packed
    assert packed != packed_name(name, data + b"!")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loop.png", "loop-2d711642b726.png"),
        ("Ein Bild (2).PNG", "Ein-Bild-2-2d711642b726.png"),
        ("con.x.gif", "con-x-2d711642b726.gif"),
        ("é.svg", "e-2d711642b726.svg"),
        ("日本.jpg", "media-2d711642b726.jpg"),
        ("none", "none-2d711642b726"),
        ("a.b c", "a-b-c-2d711642b726"),
        ("../../x.png", "x-2d711642b726.png"),
    ],
)
def test_packed_names_are_pinned(name: str, expected: str) -> None:
    """A name that changed would be a new file to every learner's collection."""
    assert packed_name(name, b"x") == expected


def test_faults_are_about_files_that_one_can_name(deck: Path) -> None:
    """A fault of reading stands at the beginning of its file."""
    (deck / "x.md").mkdir()
    found: list[Diagnostic] = read_deck(deck, deck.parent.parent)[1]
    assert [(fault.span.line, fault.span.column) for fault in found] == [(1, 1)]
