"""Wall time, CPU time and memory of a command and of every process below it. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY = 0.5  # seconds between two looks at the tree of processes
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds of wall and CPU, the most memory (MB) of all its processes together, and what it printed."""

    wall: float
    cpu: float
    memory: float
    output: str


def measure(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Measured:
    """Run `command` to its end. Raises RuntimeError, with its last words, if it fails."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what the command leaves becomes ours to wait for
    begun, before = time.perf_counter(), os.times()
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watched = _Watched(process.pid)
    output, _ = process.communicate()
    wall = time.perf_counter() - begun
    watched.end()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {process.returncode}:\n{output[-3000:]}")
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, cpu, watched.memory / 1e6, output)


class _Watched(threading.Thread):
    """Looks at the memory of a tree of processes while it lives."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root, self._ended = root, threading.Event()
        self.memory = 0
        self.start()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            self.memory = max(self.memory, sum(map(_memory, _tree(self._root))))


def _tree(root: int) -> list[int]:
    """`root` and the processes below it."""
    parents = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _memory(pid: int) -> int:
    """Bytes of a process: its share (PSS), or all it has (RSS) where that is hidden from us; 0 when it has ended."""
    for name, word in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            lines = Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").splitlines()
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(word))
    return 0
