"""Which programs passed before. Only passes are kept: a failure is looked at again."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from generator.store import Store, digest_of_code

_NAME = "verdicts-2.sqlite"
_MOST = 200_000  # entries


def passes(folder: Path | None) -> Store:
    """The store of passes in `folder`; it holds no values, only keys."""
    return Store(folder and folder / _NAME, _MOST)


@functools.cache
def runner_digest() -> str:
    """A hash of the verifier's own code: another verifier may judge otherwise."""
    return digest_of_code("verify")


def key(*parts: object) -> bytes:
    """The key of a verdict that rests on `parts` (values that JSON can hold)."""
    text = json.dumps([runner_digest(), *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()
