"""What this machine offers: a report to read, or to paste where a problem is told."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

from generator import __version__
from generator.store import default_folder
from generator.verify import interpreters
from generator.verify.launch import MachineError, launcher

PACKAGES = ("genanki", "markdown", "markdown-it-py", "pygments", "nh3", "click", "pyyaml")
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


def report() -> str:
    """Versions, interpreters, the state of the sandbox with its reason and fix, the cache's folder."""
    return "\n".join([*_program(), *_interpreters(), *_sandbox(), f"cache: {default_folder()}"])


def _program() -> Iterator[str]:
    yield f"make-deck {__version__} on Python {platform.python_version()} ({sys.executable})"
    yield f"machine: {platform.platform()}"
    yield "packages: " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _interpreters() -> Iterator[str]:
    found = []
    for version in VERSIONS:
        try:
            interpreter = interpreters.find(version)
        except interpreters.InterpreterError:
            continue
        found.append(f"{interpreter.version} ({interpreter.path})")
    yield "interpreters for `--python`: " + (", ".join(found) or "none but the running one")


def _sandbox() -> Iterator[str]:
    try:
        way = launcher(interpreters.find(""), require_sandbox=False)
    except (MachineError, interpreters.InterpreterError) as error:
        yield f"sandbox: snippets cannot be run here: {error}"
        return
    yield f"sandbox: {way.sandbox.describe()}, {way.runner}"
    if way.sandbox.reason:
        yield f"  why: {way.sandbox.reason}"
        yield f"  fix: {way.sandbox.fix}"
