"""Looks for false alarms: runs the correct programs of the tests again and again, under load.

    python benchmarks/stress.py [ROUNDS [JOBS]] [--load N] [--python VERSION] [--only TOPIC]

Every program is run in every round, JOBS at once, while N processes keep the cores busy. What is found is a false
alarm, for the programs are correct: each is counted, with the first message. The exit status is 1 if there was any.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from generator import parse, read
from generator.notes import Deck
from generator.verify import Options, verify_deck
from generator.verify.findings import OUT_OF_RANGE

GOOD = Path(__file__).resolve().parent.parent / "tests" / "verify" / "good"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Counts false alarms on correct programs, under load.")
    parser.add_argument("rounds", nargs="?", type=int, default=10)
    parser.add_argument("jobs", nargs="?", type=int, default=2, help="programs at once")
    parser.add_argument("--load", type=int, default=2, help="processes that keep the cores busy")
    parser.add_argument("--python", default="", help="version or path of the interpreter; without it, this one")
    parser.add_argument("--only", default="", help="the title of one topic file")
    parser.add_argument("--deck", type=Path, default=GOOD, help="folder of the programs")
    return parser.parse_args()


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Keeps that many cores busy meanwhile."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def deck_of(folder: Path) -> Deck:
    found, problems = read.read_deck(folder, folder.parent)
    deck, more = parse.parse_deck(found)
    if deck is None or problems or more:
        raise SystemExit(f"{folder} does not parse")
    return deck


def main() -> int:
    chosen = arguments()
    deck = deck_of(chosen.deck.resolve())
    selected = {note.id for file in deck.files if chosen.only in ("", file.title) for note in file.notes}
    options = Options(cache=False, jobs=chosen.jobs, pythons=(chosen.python,) if chosen.python else ())
    alarms: Counter[tuple[str, str]] = Counter()
    messages: dict[tuple[str, str], str] = {}
    runs, begun = 0, time.monotonic()
    with load(chosen.load):
        for _ in range(chosen.rounds):
            verification, diagnostics = verify_deck(deck, options, selected)
            runs += verification.verified + verification.failed
            for item in diagnostics:
                if item.code != OUT_OF_RANGE.code:
                    key = (item.note or "", item.finding or item.code)
                    alarms[key] += 1
                    messages.setdefault(key, item.message)
    for key, count in alarms.most_common():
        print(f"{count:5} of {chosen.rounds}  {key[0]}  {messages[key]}")
    print(f"{runs} runs, {alarms.total()} false alarms, {time.monotonic() - begun:.0f} s, jobs={chosen.jobs}")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
