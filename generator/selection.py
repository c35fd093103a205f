"""Which decks a command works on, and which of their files: the PATH arguments of the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator import read


class SelectionError(Exception):
    """A path that stands for no deck, or no deck at all; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """A deck's folder, the project it belongs to, and the chosen topic files (paths from the project; None = all)."""

    folder: Path
    root: Path
    files: frozenset[str] | None = None

    @property
    def target(self) -> Path:
        """Where its package is written unless the reader says otherwise."""
        return self.root / "output" / f"{self.folder.name}.apkg"


def select(paths: Sequence[Path], start: Path) -> list[Job]:
    """The decks that `paths` stand for, each once, in the order given; without paths, those of the project of `start`.

    A path is a topic file, a deck's folder, `source_notes/`, or a project. Raises SelectionError.
    """
    start = _absolute(start)
    chosen: dict[Path, frozenset[str] | None] = {}
    roots: dict[Path, Path] = {}
    for path in [_absolute(path) for path in paths] or [_project(start)]:
        for folder in _decks(path):
            root = roots.setdefault(folder, _root(folder, start))
            files = _files(path, folder, root)
            known = chosen.get(folder, frozenset())
            chosen[folder] = None if files is None or known is None else known | files
    return [Job(folder, roots[folder], files) for folder, files in chosen.items()]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # links stay: a deck's folder is called what its author calls it


def _project(start: Path) -> Path:
    project = read.find_project(start)
    if project is None:
        raise SelectionError(f"no {read.NOTES}/ in {start} or above it; `make-deck init` starts a deck here")
    return project


def _decks(path: Path) -> list[Path]:
    """Deck folders that a path stands for."""
    project = path.parent if path.name == read.NOTES else path
    if (project / read.NOTES).is_dir():
        decks = read.deck_folders(project)
        if not decks:
            raise SelectionError(f"no deck in {project / read.NOTES}; `make-deck init` starts one")
        return decks
    folder = path if path.is_dir() else path.parent
    if not (folder / read.CONFIG).is_file():
        raise SelectionError(
            f"{path} belongs to no deck: {folder} has no {read.CONFIG}; name a deck's folder or an *.md file in one"
        )
    return [folder]


def _root(folder: Path, start: Path) -> Path:
    """The project of a deck; for a deck outside any, the folder where the command was started, or else its parent."""
    project = read.find_project(folder)
    if project is not None:
        return project
    return start if folder.is_relative_to(start) and folder != start else folder.parent


def _files(path: Path, folder: Path, root: Path) -> frozenset[str] | None:
    """The topic files of `folder` that a path stands for; None for all."""
    if folder.is_relative_to(path) or path.name == read.CONFIG:
        return None
    if not read.is_topic(path.name):
        raise SelectionError(f"{path} is no topic file: those are the *.md files of a deck, but README.md and _*.md")
    return frozenset([path.relative_to(root).as_posix()])
