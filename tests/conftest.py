"""Groups of tests that need something which a machine may lack.

A test joins a group by its marker (`pytest.mark.browser`, say). Groups whose need is missing are left out, and named
at the end of the run. With MAKE_DECK_TEST_GROUPS=all, as `.ci/run` has it, a missing need is an error instead.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import find_browser, lacking


def _lacks_sandbox() -> str:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "bubblewrap is not installed"
    tried = subprocess.run([bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    return f"bubblewrap makes no sandbox here: {tried.stderr.strip()}" if tried.returncode else ""


def _lacks_cmarkgfm() -> str:
    return "" if importlib.util.find_spec("cmarkgfm") else "the package cmarkgfm is not to be had for this Python"


NEEDS: dict[str, Callable[[], str]] = {
    "browser": lacking,
    "sandbox": _lacks_sandbox,
    "cmarkgfm": _lacks_cmarkgfm,
}
"""Group -> why it cannot run here, an empty text if it can."""


@functools.cache
def left_out() -> dict[str, str]:
    """The groups that cannot run here, and why."""
    reasons = {group: lacks() for group, lacks in NEEDS.items()}
    return {group: reason for group, reason in reasons.items() if reason}


def pytest_configure(config: pytest.Config) -> None:
    demanded = set(NEEDS) if os.environ.get("MAKE_DECK_TEST_GROUPS") == "all" else set[str]()
    if sys.version_info >= (3, 15):
        demanded.discard("cmarkgfm")  # pyproject.toml does not ask for it there
    missing = [f"{group}: {reason}" for group, reason in left_out().items() if group in demanded]
    if missing:
        raise pytest.UsageError("MAKE_DECK_TEST_GROUPS=all, but a group cannot run. " + "; ".join(missing))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """A test file that imports cmarkgfm cannot even be read without it."""
    if "cmarkgfm" not in left_out() or collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    return "import cmarkgfm" in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [item for item in items if any(item.get_closest_marker(group) for group in left_out())]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for group, reason in left_out().items():
        terminalreporter.write_line(f"left out the group {group}: {reason}")


@pytest.fixture
def browser() -> str:
    """Path of a Chromium; for tests of the group `browser`."""
    found = find_browser()
    assert found, "a test that uses `browser` has the marker pytest.mark.browser"
    return found
