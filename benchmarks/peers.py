"""Other ways of running the same snippets: a fresh interpreter for each, and tools that run Markdown under pytest."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import corpus

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")

EXAMPLES_TEST = """\
from pathlib import Path

import pytest
from pytest_examples import find_examples


@pytest.mark.parametrize("example", find_examples(Path(__file__).parent / "notes"), ids=str)
def test_snippet(example, eval_example):
    eval_example.run(example)
"""

SYBIL_CONFTEST = """\
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"]).pytest()
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another way. `prepare` writes what it needs into a folder and returns its command; `compares` the output?"""

    name: str
    distribution: str
    form: str
    compares: bool
    prepare: Callable[[Path, list[corpus.Snippet]], Sequence[str]]

    @property
    def title(self) -> str:
        version = f" {importlib.metadata.version(self.distribution)}" if self.distribution else ""
        return f"{self.name}{version}"

    @property
    def missing(self) -> bool:
        try:
            self.title  # noqa: B018 - it asks for the version
        except importlib.metadata.PackageNotFoundError:
            return True
        return False


def passed(output: str) -> int:
    """How many snippets passed, by the last line of pytest or of `fresh`."""
    found = re.findall(r"(\d+) passed", output)
    return int(found[-1]) if found else 0


def _fresh(folder: Path, snippets: list[corpus.Snippet]) -> Sequence[str]:
    folder.mkdir(parents=True)
    return (sys.executable, str(Path(__file__)), str(len(snippets)))


def fresh(count: int) -> None:
    """Run `count` snippets, each in an interpreter of its own, and compare what they print."""
    right = 0
    for snippet in corpus.snippets(count):
        command = [sys.executable, "-c", snippet.wrapped]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - from our corpus
        right += done.returncode == 0 and done.stdout.strip() == snippet.output
    print(f"{right} passed")


def _examples(folder: Path, snippets: list[corpus.Snippet]) -> Sequence[str]:
    corpus.write_markdown(folder / "notes", snippets)
    (folder / "test_notes.py").write_text(EXAMPLES_TEST, encoding="utf-8")
    return (*PYTEST, "test_notes.py")


def _markdown_docs(folder: Path, snippets: list[corpus.Snippet]) -> Sequence[str]:
    corpus.write_markdown(folder / "notes", snippets)
    return (*PYTEST, "--markdown-docs", "notes")


def _sybil(folder: Path, snippets: list[corpus.Snippet]) -> Sequence[str]:
    corpus.write_markdown(folder / "notes", snippets)
    (folder / "conftest.py").write_text(SYBIL_CONFTEST, encoding="utf-8")
    return (*PYTEST, "notes")


PEERS = (
    Peer("a fresh interpreter each", "", "wrapped", True, _fresh),
    Peer("pytest-examples", "pytest-examples", "wrapped", False, _examples),
    Peer("pytest-markdown-docs", "pytest-markdown-docs", "wrapped", False, _markdown_docs),
    Peer("sybil", "sybil", "wrapped", False, _sybil),
)

if __name__ == "__main__":
    fresh(int(sys.argv[1]))
