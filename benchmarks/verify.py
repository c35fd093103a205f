"""Measures the verifier against other ways of running the same snippets, all in one run.

    python benchmarks/verify.py             everything: ten minutes or more, nearly all of it the others' sleeping
    python benchmarks/verify.py --quick     100 snippets, without the others
    python benchmarks/verify.py --write     as the first, and put the table into benchmarks/README.md

Ours runs in several rounds, with the others between them; its numbers are the medians. What counts is the ratio of
two rows of one table: another machine, or the same one at another hour, is another number.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import corpus
from measure import Measured, measure
from peers import PEERS, Peer, passed

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "benchmarks" / "README.md"
SAMPLE = 100  # snippets for the slow forms of ours


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `seconds` is what the verifier itself took, where that is known apart from its process."""

    name: str
    snippets: int
    workers: int
    wall: float
    cpu: float
    memory: float
    seconds: float | None = None
    compares: bool = True
    note: str = ""

    @property
    def per_snippet(self) -> float:
        """Milliseconds of wall time for a snippet and worker."""
        return 1000 * (self.seconds if self.seconds is not None else self.wall) * self.workers / self.snippets


class Bench:
    """The folder that everything runs in, and what was measured so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = {"XDG_CACHE_HOME": str(folder / "caches"), "PYTHONPATH": str(ROOT)}
        self.sandbox = ""

    def deck(self, count: int) -> Path:
        """The folder of a deck of `count` snippets, in a project of its own."""
        folder = self._folder / f"project-{count}" / "source_notes" / "benchmark"
        if not folder.exists():
            corpus.write_deck(folder, corpus.snippets(count))
        return folder

    def ours(self, name: str, count: int, workers: int, *, cached: bool = False, spawn: bool = False) -> Row:
        """One run of the verifier, in a fresh process."""
        cache = str(self._folder / f"cache-{count}") if cached else ""
        command = [sys.executable, str(ROOT / "benchmarks" / "ours.py"), str(self.deck(count)), str(workers), cache]
        done = self._measure(command, ROOT, MAKE_DECK_RUNNER="spawn" if spawn else "fork")
        told = json.loads(done.output.splitlines()[-1])
        _expect(told["verified"], count, name)
        self.sandbox = told["sandbox"]
        return _row(name, count, workers, done, seconds=told["seconds"])

    def check(self, name: str, count: int, workers: int) -> Row:
        """The whole command `make-deck check`, with the cache of the machine's user in our folder."""
        project = self.deck(count).parent.parent
        command = [sys.executable, "-m", "generator", "check", "source_notes/benchmark"]
        return _row(name, count, workers, self._measure(command, project))

    def peer(self, peer: Peer, count: int) -> Row:
        """One run of another tool over the same snippets."""
        folder = self._folder / re.sub(r"\W+", "-", peer.name)
        command = peer.prepare(folder, corpus.snippets(count))
        done = self._measure(command, folder)
        _expect(passed(done.output), count, peer.name)
        return replace(_row(peer.title, count, 1, done), compares=peer.compares, note=peer.form)

    def _measure(self, command: Sequence[str], cwd: Path, **env: str) -> Measured:
        return measure(command, cwd, {**self._env, **env})


def _expect(done: int, count: int, name: str) -> None:
    if done != count:
        raise RuntimeError(f"{name}: {done} of {count} snippets passed")


def _row(name: str, count: int, workers: int, done: Measured, seconds: float | None = None) -> Row:
    return Row(name, count, workers, done.wall, done.cpu, done.memory, seconds)


def _rounds(bench: Bench, count: int) -> Iterator[list[Row]]:
    """Ours, once more with every step.

    Before each round it runs once unmeasured: while the others sleep for minutes, a virtual machine gives its free
    memory back, and whoever comes next pays for every page anew.
    """
    cores = len(os.sched_getaffinity(0))
    while True:
        bench.ours("to warm up", count, cores)
        yield [
            bench.ours("ours, 1 worker", count, 1),
            bench.ours("ours, 2 workers", count, 2),
            bench.ours("ours, from cache: verifying", count, cores, cached=True),
            bench.check("ours, from cache: `make-deck check`", count, cores),
        ]


def _median(rows: Sequence[Row]) -> Row:
    """The rows of one name as one: the medians, and the most memory."""
    middle = {
        name: statistics.median(getattr(row, name) for row in rows)
        for name in ("wall", "cpu", "seconds")
        if getattr(rows[0], name) is not None
    }
    return replace(rows[0], **middle, memory=max(row.memory for row in rows))


def run(bench: Bench, options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Every row of the table, and the remarks below it."""
    count = options.snippets
    others = [peer for peer in PEERS if not options.no_peers and not peer.missing]
    rounds, found = _rounds(bench, count), []
    fill = [bench.ours("to fill the cache", count, 2, cached=True), bench.check("to fill the cache", count, 2)]
    say(f"warm: {fill[0].wall:.1f} s")
    peers = []
    for turn in range(max(options.rounds, len(others))):
        if turn < options.rounds:
            found.append(next(rounds))
            say(", ".join(f"{row.wall:.2f}" for row in found[-1]) + " s")
        if turn < len(others):
            peers.append(bench.peer(others[turn], count))
            say(f"{peers[-1].name}: {peers[-1].wall:.1f} s")
    ours = [_median(rows) for rows in zip(*found, strict=True)]
    slow = min(SAMPLE, count)
    ours.append(replace(bench.ours("ours, `MAKE_DECK_RUNNER=spawn`", slow, 2, spawn=True), note="a sample"))
    remarks = []
    if options.large:
        large = bench.ours("ours, 2 workers, a larger deck", options.large, 2)
        ours.insert(2, large)
        growth = large.per_snippet / ours[1].per_snippet
        remarks.append(
            f"A snippet in a deck of {options.large:,} costs {growth:.2f} times what it costs in one of {count:,}."
        )
    if peers:
        best = min(peers, key=lambda row: row.wall)
        remarks.append(
            f"With 2 workers ours is {best.wall / ours[1].wall:.0f} times as fast as the best other, {best.name}."
        )
    memory = max(row.memory for row in ours)
    remarks.append(f"All our processes together took {memory:.0f} MB at most.")
    missing = [peer.name for peer in PEERS if peer.missing]
    remarks += [f"Not installed: {', '.join(missing)}."] if missing and not options.no_peers else []
    return [*ours, *peers], remarks


def table(rows: Sequence[Row], remarks: Sequence[str], sandbox: str, loads: Sequence[float], count: int) -> str:
    """The report, in Markdown."""
    corpus_made = corpus.snippets(count)
    asleep = sum(item.seconds for item in corpus_made)
    lines = [
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {platform.python_implementation()} "
        f"{platform.python_version()}, Linux {platform.release().split('-')[0]}, {platform.machine()}, "
        f"{len(os.sched_getaffinity(0))} cores; load average {loads[0]:.1f} before, {loads[1]:.1f} after; "
        f"sandbox: {sandbox}. {count:,} snippets of {len(corpus.KINDS)} kinds, "
        f"{sum(item.seconds > 0 for item in corpus_made)} of them sleeping, {asleep:.0f} s in all.",
        "",
        "| | snippets | wall s | verifying s | CPU s | ms per snippet and worker | times ours | MB | compares output |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    ours = next(row for row in rows if row.name == "ours, 2 workers")
    for row in rows:
        verifying = "" if row.seconds is None else f"{row.seconds:.2f}"
        times = (row.wall / row.snippets) / (ours.wall / ours.snippets)
        name = f"{row.name} ({row.note})" if row.note else row.name
        lines.append(
            f"| {name} | {row.snippets:,} | {row.wall:.2f} | {verifying} | {row.cpu:.2f} | {row.per_snippet:.2f} "
            f"| {times:.2g} | {row.memory:.0f} | {'yes' if row.compares else 'no'} |"
        )
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks)]) + "\n"


def say(text: str) -> None:
    """To standard error: the table alone is on standard output."""
    print(text, file=sys.stderr, flush=True)


def write(text: str) -> None:
    """Put the report between the marks of the README."""
    readme = README.read_text(encoding="utf-8")
    made, times = re.subn(
        r"(<!-- table of verify\.py -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{text}\n{match[2]}",
        readme,
        flags=re.DOTALL,
    )
    if times != 1:
        raise SystemExit("the README has no place for the table")
    README.write_text(made, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 snippets, one round, no others, no large deck")
    parser.add_argument("--snippets", type=int, default=1000, metavar="N")
    parser.add_argument("--large", type=int, default=10_000, metavar="N", help="a deck to compare with; 0 for none")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of ours")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    if options.quick:
        options.snippets, options.rounds, options.large, options.no_peers = 100, 1, 0, True
    return options


def main() -> None:
    """Measure and report."""
    options = arguments()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="make-deck-bench-") as folder:
        bench = Bench(Path(folder))
        rows, remarks = run(bench, options)
        loads = (before, os.getloadavg()[0])
    report = table(rows, remarks, bench.sandbox, loads, options.snippets)
    print(report)
    if options.json:
        told: dict[str, Any] = {"rows": [asdict(row) for row in rows], "remarks": remarks, "load": loads}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write(report)


if __name__ == "__main__":
    main()
