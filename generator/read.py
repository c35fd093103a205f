"""Folders to bytes: the only place before verification where the disk is touched.

Nothing outside a deck's folder is read: a link that leads out of it is refused, and only regular files are opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import unicodedata
from pathlib import Path

from generator.diagnostics import Diagnostic, Rule, Severity, Source, Span
from generator.notes import DeckFolder, MediaFile

NO_CONFIG = Rule("D001", "a deck's folder has no deck.yaml")
LINK_OUT = Rule("D002", "a link leads out of the deck's folder")
NOT_A_FILE = Rule("D003", "something that is not a regular file stands where a file is read")
TOO_BIG = Rule("D004", "a file is larger than make-deck reads")
UNREADABLE = Rule("D005", "a file or folder cannot be read")
BAD_NAME = Rule("D006", "a file's name cannot be used")
MEDIA_FOLDER = Rule("D007", "a folder in media/ is not read", Severity.WARNING)
NO_FILES = Rule("D008", "a deck's folder holds no topic files")
SAME_MEDIA = Rule("D009", "two media files have names that only look different")
MEDIA_KIND = Rule("D010", "a file in media/ that is no picture, sound or film")

RULES = (NO_CONFIG, LINK_OUT, NOT_A_FILE, TOO_BIG, UNREADABLE, BAD_NAME, MEDIA_FOLDER, NO_FILES, SAME_MEDIA, MEDIA_KIND)

NOTES = "source_notes"
CONFIG = "deck.yaml"
MEDIA = "media"
RETIRED = "_retired.md"

NOTES_LIMIT = 8 << 20  # bytes of one topic file
CONFIG_LIMIT = 256 << 10
MEDIA_LIMIT = 100 << 20
_MEDIA_KINDS = frozenset(
    "avif gif jpeg jpg png svg webp aac flac m4a mp3 oga ogg opus wav mp4 ogv webm".split()  # noqa: SIM905 - one line
)
_PLAYLISTS = (b"#EXTM3U", b"[playlist]", b"[Reference]")  # a player follows the addresses in them
_DESKTOP_FILES = {"thumbs.db", "desktop.ini"}


def find_project(start: Path) -> Path | None:
    """The nearest folder, `start` or a parent of it, that has `source_notes/`; None where there is none."""
    start = Path(os.path.abspath(start))
    return next((folder for folder in (start, *start.parents) if (folder / NOTES).is_dir()), None)


def deck_folders(project: Path) -> list[Path]:
    """The folders in `source_notes/` that have a deck.yaml or a `*.md`, sorted by name."""
    try:
        folders = [folder for folder in (project / NOTES).iterdir() if folder.is_dir()]
        return sorted((folder for folder in folders if _is_deck(folder)), key=lambda folder: folder.name)
    except OSError:
        return []


def _is_deck(folder: Path) -> bool:
    if folder.name.startswith("."):
        return False
    try:
        return any(name == CONFIG or name.endswith(".md") for name in os.listdir(folder))
    except OSError:
        return True  # read_deck will say why it cannot be read


def read_deck(folder: Path, root: Path) -> tuple[DeckFolder, list[Diagnostic]]:
    """Everything a deck is made of, read from `folder`; `root` is the project, from which paths are shown.

    Of the Markdown files only those directly in the folder are read, but not README.md, and of those whose name
    starts with `_` only `_retired.md`. What cannot be read is left out and reported.
    """
    folder = Path(os.path.abspath(folder))
    reader = _Reader(folder, _shown(folder, root))
    if not reader.is_own_folder(root):
        return DeckFolder(folder, reader.shown, None, ()), reader.found
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        reader.report(
            UNREADABLE, "", f"the deck's folder cannot be read: {_reason(error)}", "Give the path of a folder."
        )
        return DeckFolder(folder, reader.shown, None, ()), reader.found
    config = reader.read(CONFIG, CONFIG_LIMIT) if CONFIG in names else None
    if CONFIG not in names:
        command = shlex.join(["make-deck", "init", reader.shown or "."])
        reader.report(NO_CONFIG, CONFIG, "this deck has no deck.yaml", f"Run `{command}` to write one.")
    topics = [name for name in names if is_topic(name)]
    if not topics:
        reader.report(
            NO_FILES, "", "this deck has no notes", "Add a file like `01-first-steps.md`: one file, one sub-deck."
        )
    files = []
    for name in topics:
        data = reader.read(name, NOTES_LIMIT) if reader.usable(name) else None
        if data is not None:
            files.append((name, data))
    media = reader.media() if MEDIA in names else {}
    return DeckFolder(folder, reader.shown, config, tuple(files), media), reader.found


def is_topic(name: str) -> bool:
    """Whether a file of this name in a deck's folder holds notes."""
    if not name.endswith(".md") or name.startswith(".") or name.casefold() == "readme.md":
        return False
    return name == RETIRED or not name.startswith("_")


def _shown(folder: Path, root: Path) -> str:
    """`folder` as diagnostics name it: POSIX, from the project's root where it lies below it."""
    try:
        return folder.relative_to(os.path.abspath(root)).as_posix()
    except ValueError:
        return folder.as_posix()


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


class _Reader:
    """Reads files below one folder and collects what is wrong with them in `found`."""

    def __init__(self, folder: Path, shown: str) -> None:
        self.folder = folder
        self.shown = shown
        self.found: list[Diagnostic] = []
        self._real = os.path.realpath(folder)

    def report(self, rule: Rule, name: str, message: str, hint: str) -> None:
        path = "/".join(part for part in (self.shown, name) if part and part != ".") or "."
        self.found.append(rule.at(Span(Source(path, ""), 0, 0), message, hint))

    def is_own_folder(self, root: Path) -> bool:
        """Whether the deck's folder has a usable name and is no link that leads out of the project; reports if not."""
        if not (self.folder.name.isprintable() and "\\" not in self.folder.name):
            hint = "Give it a name of letters, digits, `-`, `_`, `.` and spaces."
            self.report(BAD_NAME, "", "the folder's name holds characters that cannot be used", hint)
            return False
        project = os.path.realpath(root)
        if self.folder.is_symlink() and os.path.commonpath([project, self._real]) != project:
            self.report(LINK_OUT, "", "the deck's folder is a link that leads out of the project", "Put a copy there.")
            return False
        return True

    def usable(self, name: str) -> bool:
        """Whether diagnostics can name the file and other systems can hold it; reports where not."""
        # A name that is not UTF-8 comes with lone surrogates, which are not printable either.
        if name.isprintable() and "\\" not in name:
            return True
        hint = "Give it a name of letters, digits, `-`, `_`, `.` and spaces."
        self.report(BAD_NAME, name, "the file's name holds characters that cannot be used", hint)
        return False

    def read(self, name: str, limit: int) -> bytes | None:
        """The bytes of a file, by its path in the folder; None, and a report, where it may not or cannot be read."""
        try:
            handle = self._open(name)
            if handle is None:
                return None
            with os.fdopen(handle, "rb") as file:
                data = file.read(limit + 1)
        except (OSError, RuntimeError, ValueError) as error:
            self.report(UNREADABLE, name, f"the file cannot be read: {_reason(error)}", "Look at its permissions.")
            return None
        if len(data) > limit:
            hint = "Split it: one file, one sub-deck." if name.endswith(".md") else "Use a smaller file."
            self.report(TOO_BIG, name, f"the file is larger than {limit >> 10} KiB", hint)
            return None
        return data

    def _open(self, name: str) -> int | None:
        """A descriptor of a regular file inside the folder. Links are followed first, so that none is followed late."""
        real = os.path.realpath(self.folder / name, strict=True)
        if not self._inside(real):
            self.report(
                LINK_OUT, name, "the link leads out of the deck's folder", "Put a copy into the folder instead."
            )
            return None
        if stat.S_ISREG(os.stat(real).st_mode):
            # A pipe put here in the meantime must not make us wait, nor a new link lead us away.
            flags = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"))
            handle = os.open(real, flags)
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return handle
            os.close(handle)
        self.report(NOT_A_FILE, name, "this is not a regular file", "Only regular files are read; rename or remove it.")
        return None

    def _inside(self, real: str) -> bool:
        try:
            return os.path.commonpath([self._real, real]) == self._real
        except ValueError:  # another drive
            return False

    def media(self) -> dict[str, MediaFile]:
        """The files directly in `media/`, by name. Names are in NFC, as notes spell them on every system."""
        try:
            if not self._inside(os.path.realpath(self.folder / MEDIA, strict=True)):
                hint = "Put a real folder there instead."
                self.report(LINK_OUT, MEDIA, "the link leads out of the deck's folder", hint)
                return {}
            entries = sorted(os.scandir(self.folder / MEDIA), key=lambda entry: entry.name)
        except (OSError, RuntimeError, ValueError) as error:
            self.report(UNREADABLE, MEDIA, f"the folder cannot be read: {_reason(error)}", "Make `media` a folder.")
            return {}
        files: dict[str, MediaFile] = {}
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.casefold() not in _DESKTOP_FILES:
                self._add_media(entry, files)
        return files

    def _add_media(self, entry: os.DirEntry[str], files: dict[str, MediaFile]) -> None:
        shown = f"{MEDIA}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            self.report(MEDIA_FOLDER, shown, "this folder is not read", "Put its files directly into `media/`.")
            return
        data = self.read(shown, MEDIA_LIMIT) if self.usable(shown) else None
        if data is None:
            return
        kind = entry.name.rpartition(".")[2].casefold()
        if kind not in _MEDIA_KINDS or data.lstrip()[:16].startswith(_PLAYLISTS):
            hint = "Pictures: png, jpg, gif, webp, svg, avif. Sounds: mp3, ogg, opus, m4a, wav, flac. Films: mp4, webm."
            self.report(MEDIA_KIND, shown, "this is no picture, sound or film that cards show", hint)
            return
        name = unicodedata.normalize("NFC", entry.name)
        if name in files:
            self.report(SAME_MEDIA, shown, f"`{name}` is there twice, in two Unicode forms", "Rename one of them.")
            return
        files[name] = MediaFile(name, Path(entry.path), packed_name(name, data))


def packed_name(name: str, data: bytes) -> str:
    """A media file's name in the package: its stem in ASCII, 12 hex digits of its content's SHA-256, its extension.

    It matches `[A-Za-z0-9][A-Za-z0-9._-]*`, has no dot but the extension's, and so is never one of Windows' device
    names. Equal names mean equal content.
    """
    stem, dot, extension = name.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,10}", extension):
        stem, extension = name, ""
    ascii_stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_]+", "-", ascii_stem).strip("-_")[:60] or "media"
    suffix = f".{extension.lower()}" if extension else ""
    return f"{safe}-{hashlib.sha256(data).hexdigest()[:12]}{suffix}"
