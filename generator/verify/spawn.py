"""A fresh interpreter for each program: where forking is not safe (Windows, macOS), or where it is asked for.

The same job, the same report, the same judge as with the fork servers; slower.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import IO, Any

from generator.verify.judge import Execution, Stop
from generator.verify.plan import Job
from generator.verify.pool import REPORT_LIMIT, Done, WorkerError, parse_report, read_stop
from generator.verify.sandbox import Launch

PATIENCE = 0.25  # seconds that a program gets to say where it is, before it is killed

Starter = Callable[[int], subprocess.Popen[bytes]]
"""Starts an interpreter that runs one program and reports on the given descriptor; its streams are pipes."""


def run_jobs(jobs: Sequence[Job], workers: int, start: Starter, stop_at: float, *, wrapped: bool) -> Iterator[Done]:
    """Run `jobs`, at most `workers` at once; each as it ends. No job is begun after `stop_at` (time.monotonic).

    `wrapped` tells that a program around the interpreter passes on its end, a signal as 128 and its number.
    """
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        pending = [pool.submit(_run, job, start, stop_at, wrapped) for job in jobs]
        for future in as_completed(pending):
            done = future.result()
            if done is not None:
                yield done


class _Pipe(threading.Thread):
    """Reads a pipe to its end and keeps at most `limit` bytes; beyond them it calls `on_over` once and goes on."""

    def __init__(self, pipe: IO[bytes], limit: int, on_over: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._pipe, self._limit, self._on_over = pipe, limit, on_over
        self.data = bytearray()
        self.start()

    def run(self) -> None:
        over = False
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._pipe.fileno(), 65_536):
                if not over:
                    self.data += chunk
                    over = len(self.data) > self._limit
                    if over:
                        self._on_over()


def _run(job: Job, start: Starter, stop_at: float, wrapped: bool) -> Done | None:
    if time.monotonic() >= stop_at:
        return None
    nonce, begun = secrets.token_hex(16), time.monotonic()
    read, write = os.pipe()
    try:
        process = start(write)
    except OSError as error:
        os.close(read)
        raise WorkerError(f"the interpreter could not be started: {error}") from error
    finally:
        os.close(write)
    stopped: list[str] = []

    def stop(reason: str) -> None:
        stopped.append(reason)
        _ask(process)
        _kill(process)

    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise WorkerError("the interpreter was started without pipes")
    limit = int(job.limits["output"]) + 64 * (len(job.steps) + 1)
    with open(read, "rb", buffering=0) as report_pipe, process.stdout, process.stderr:
        over = lambda: stop("too-much-output")  # noqa: E731
        output, errors = _Pipe(process.stdout, limit, over), _Pipe(process.stderr, limit, over)
        report = _Pipe(report_pipe, REPORT_LIMIT, over)
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({**job.as_wire(), "nonce": nonce}).encode() + b"\n")
            process.stdin.flush()
        status = _wait(process, job, stop)
        _kill(process)
        with contextlib.suppress(OSError):
            process.stdin.close()
        for pipe in (output, errors, report):
            pipe.join(1.0)
    told: dict[str, Any] | None = None if stopped else parse_report(bytes(report.data), nonce)
    if wrapped and status >> 8 > 128:
        status = (status >> 8) - 128
    # How much CPU it used is not known here; killed after so long, it was the limit of that.
    seconds = time.monotonic() - begun
    return (
        job,
        nonce,
        Execution(
            status,
            bytes(output.data),
            bytes(errors.data),
            told,
            "".join(stopped[:1]),
            cpu=seconds,
            stop=read_stop(bytes(report.data)) if told is None else Stop(),
        ),
    )


def _wait(process: subprocess.Popen[bytes], job: Job, stop: Callable[[str], None]) -> int:
    """The wait status, in POSIX's form, of a process that gets its wall time and no more. Starting it costs extra."""
    try:
        code = process.wait(job.limits["wall"] + 5.0)
    except subprocess.TimeoutExpired:
        stop("timeout")
        code = process.wait()
    return -code if code < 0 else (code & 0xFF) << 8


def _ask(process: subprocess.Popen[bytes]) -> None:
    """Let the program say where it is: the end of its input asks."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and, where there are process groups, what it has left in its own."""
    if process.poll() is None:
        Launch.kill(process)
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
