"""Verifies one deck once and prints what it took, as JSON: a process of its own for `benchmarks/verify.py`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from generator import parse, read
from generator.verify import Options, verify_deck


def main(folder: str, workers: str, cache: str) -> None:
    """Verify the deck in `folder`; `cache` is the cache's folder, empty for none."""
    path = Path(folder)
    deck, problems = parse.parse_deck(read.read_deck(path, path.parent)[0])
    if deck is None or problems:
        raise SystemExit(f"the deck has problems: {problems[:3]}")
    options = Options(jobs=int(workers), cache=bool(cache), cache_folder=Path(cache) if cache else None)
    begun = time.perf_counter()
    verification, problems = verify_deck(deck, options)
    seconds = time.perf_counter() - begun
    if problems:
        raise SystemExit("\n".join(f"{item.span.file}:{item.span.line}: {item.message}" for item in problems[:10]))
    print(
        json.dumps(
            {
                "seconds": seconds,
                "verified": verification.verified,
                "cached": verification.cached,
                "sandbox": verification.sandbox,
                "runner": verification.runner,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
