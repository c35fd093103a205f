"""`pytest tests/parse --regenerate` writes the expected parses of tests/notes/good anew: read the diff then."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the .json beside tests/notes/good/*.md anew")
