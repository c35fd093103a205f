"""The parent's side of the fork servers: hands out jobs, keeps time, collects what comes back.

One loop over descriptors serves all workers. It owns the clock, the byte limits and the nonce; the servers only fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generator.verify.judge import Execution, Stop
from generator.verify.plan import Job, Site
from generator.verify.sandbox import Launch

REPORT_LIMIT = 1 << 20  # bytes
START_LIMIT = 30.0  # seconds for a server to say that it is ready
ANSWER_LIMIT = 5.0  # seconds between asking for a program's end and its end, before the whole worker goes
DRAIN_LIMIT = 1.0  # seconds for pipes to close after everything was killed
_STOP_LIMIT = 1 << 16  # bytes
_PLACE = re.compile(rb'(File|Printed by) "([^"\n]+)", line (\d{1,9})')

Done = tuple[Job, str, Execution]
"""A job, the nonce it ran under, and what was seen."""


class WorkerError(Exception):
    """A server could not be started; the text says why, with its last words."""


@dataclass(frozen=True, slots=True)
class Started:
    """A server process: `process` is what to wait for, `control` the socket to it."""

    process: subprocess.Popen[bytes]
    control: socket.socket


Starter = Callable[[socket.socket], subprocess.Popen[bytes]]
"""Starts a server that talks on the given end of a socket pair."""


@dataclass(eq=False)
class _Running:
    """A job that a worker is at."""

    job: Job
    nonce: str
    deadline: float
    pipes: dict[int, str]
    buffers: dict[str, bytearray] = field(
        default_factory=lambda: {"output": bytearray(), "errors": bytearray(), "report": bytearray()}
    )
    stopped: str = ""
    asked: float = 0.0
    answer: dict[str, Any] | None = None
    answered: float = 0.0

    def over(self, name: str) -> bool:
        """Whether a pipe brought more than it may. Marks between the steps don't count."""
        limit = REPORT_LIMIT if name == "report" else int(self.job.limits["output"]) + 64 * (len(self.job.steps) + 1)
        return len(self.buffers[name]) > limit


class Worker:
    """One fork server and the job it is at."""

    def __init__(self, start: Starter, selector: selectors.BaseSelector) -> None:
        self._start, self._selector = start, selector
        self.running: _Running | None = None
        self._server: Started | None = None
        self._ready = False

    @property
    def alive(self) -> bool:
        return self._ready

    @property
    def _live(self) -> Started:
        if self._server is None:
            raise WorkerError("the runner has ended")
        return self._server

    def start(self) -> None:
        """Start the server; several can be starting at once. Raises WorkerError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = self._start(theirs)
        except OSError as error:
            ours.close()
            raise WorkerError(f"the runner could not be started: {error}") from error
        finally:
            theirs.close()
        self._server = Started(process, ours)

    def open(self) -> None:
        """Wait until the server, started now if need be, is ready. Raises WorkerError."""
        if self._server is None:
            self.start()
        ours = self._live.control
        ours.settimeout(START_LIMIT)
        try:
            told = ours.recv(65_536)
        except TimeoutError:
            told = b""
        if not told:
            words = self._last_words()
            self.close()
            raise WorkerError(f"the runner did not start{': ' + words if words else ''}")
        ours.settimeout(None)
        self._selector.register(ours, selectors.EVENT_READ, self)
        self._ready = True

    def _last_words(self) -> str:
        Launch.kill(self._live.process)
        _, errors = self._live.process.communicate()
        return errors.decode("utf-8", "replace").strip()[-500:] if errors else ""

    def close(self) -> None:
        if self._server is None:
            return
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self._server.control)
        self._server.control.close()
        Launch.kill(self._server.process)
        self._server.process.wait()
        if self._server.process.stderr is not None:
            self._server.process.stderr.close()
        self._server, self._ready = None, False

    def assign(self, job: Job) -> None:
        """Give the server a job; it must be alive and idle."""
        nonce = secrets.token_hex(16)
        message = json.dumps({**job.as_wire(), "nonce": nonce}).encode()
        ends = [os.pipe() for _ in range(3)]
        text = _in_memory(message)
        try:
            socket.send_fds(self._live.control, [b"job"], [text, *(write for _, write in ends)])
        except OSError:
            pass  # the server is gone: its pipes close, and its socket tells
        finally:
            os.close(text)
            for _, write in ends:
                os.close(write)
        pipes = dict(zip((read for read, _ in ends), ("output", "errors", "report"), strict=True))
        self.running = _Running(job, nonce, time.monotonic() + job.limits["wall"], pipes)
        for descriptor in pipes:
            self._selector.register(descriptor, selectors.EVENT_READ, self)

    def on_ready(self, descriptor: Any) -> None:
        """Take what has come on a pipe or on the control socket."""
        if self._server is not None and descriptor is self._server.control:
            self._on_answer()
            return
        run = self.running
        if run is None or descriptor not in run.pipes:
            return
        data = os.read(descriptor, 65_536)
        name = run.pipes[descriptor]
        if not data:
            self._close_pipe(run, descriptor)
        elif not run.over(name):
            run.buffers[name] += data
            if run.over(name):
                self._stop(run, "too-much-output")

    def _on_answer(self) -> None:
        run = self.running
        try:
            told = self._live.control.recv(65_536)
        except OSError:
            told = b""
        answer = json.loads(told) if told else {"gone": True}
        if answer.get("gone"):
            self.close()
        if run is not None:
            run.answer, run.answered = answer, time.monotonic()

    def _close_pipe(self, run: _Running, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        del run.pipes[descriptor]

    def _stop(self, run: _Running, reason: str) -> None:
        server = self._server
        if run.stopped or run.answer is not None:
            return
        run.stopped, run.asked = reason, time.monotonic()
        if server is not None:
            with contextlib.suppress(OSError):
                server.control.send(b"stop")

    @property
    def due(self) -> float:
        """When `tick` must be called at the latest, on time.monotonic's scale."""
        run = self.running
        if run is None:
            return float("inf")
        if run.answer is not None:
            return run.answered + DRAIN_LIMIT
        return run.asked + ANSWER_LIMIT if run.stopped else run.deadline

    def tick(self) -> Done | None:
        """The finished job, if it has finished; enforces the limits of time."""
        run = self.running
        if run is None:
            return None
        now = time.monotonic()
        if run.answer is None and now >= run.deadline and not run.stopped:
            self._stop(run, "timeout")
        if run.answer is None and run.stopped and now >= run.asked + ANSWER_LIMIT:
            self.close()
            run.answer, run.answered = {"gone": True}, now
        if run.answer is None or (run.pipes and now < run.answered + DRAIN_LIMIT):
            return None
        for descriptor in list(run.pipes):
            self._close_pipe(run, descriptor)
        self.running = None
        execution = _execution(run, run.answer)
        # A port chosen by number may stay taken in this worker's network; who ends without a report does not say.
        if not run.answer.get("clean", True) or execution.report is None or execution.report.get("fixed_port"):
            self.close()
        return run.job, run.nonce, execution


def _in_memory(message: bytes) -> int:
    """A descriptor to read `message` from."""
    descriptor = os.memfd_create("job")
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _execution(run: _Running, answer: Mapping[str, Any]) -> Execution:
    gone = bool(answer.get("gone"))
    stopped = run.stopped or {"asked": "timeout", "": ""}.get(
        str(answer.get("stopped", "")), str(answer.get("stopped"))
    )
    killed = bool(stopped) or gone
    told = bytes(run.buffers["report"])
    report = None if killed else parse_report(told, run.nonce)
    return Execution(
        status=signal.SIGKILL if gone else int(answer["status"]),
        output=bytes(run.buffers["output"]),
        errors=bytes(run.buffers["errors"]),
        report=report,
        stopped=stopped,
        left=0 if killed else int(answer["left"]),
        cpu=0.0 if gone else float(answer["cpu"]),
        stop=read_stop(told) if report is None else Stop(),
        trouble="; it took its runner with it" if gone and not run.stopped else "",
    )


def read_stop(told: bytes) -> Stop:
    """What a program told when it was stopped (`inside.whereabouts`), in place of a report."""
    lines: dict[bytes, list[Site]] = {b"File": [], b"Printed by": []}
    for kind, name, line in _PLACE.findall(told[:_STOP_LIMIT]):
        lines[kind].append((name.decode("ascii", "replace"), int(line)))
    return Stop(tuple(lines[b"File"]), tuple(lines[b"Printed by"]))


def parse_report(frame: bytes, nonce: str) -> dict[str, Any] | None:
    """The report in `frame`, if it is exactly one well-formed frame under this nonce."""
    head = f"{nonce} ".encode()
    if not frame.startswith(head) or not frame.endswith(b"\n") or frame.count(b"\n") != 1:
        return None
    try:
        report = json.loads(frame[len(head) :])
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def run_jobs(jobs: Sequence[Job], workers: int, start: Starter, stop_at: float) -> Iterator[Done]:
    """Run `jobs` on at most `workers` fork servers; each job once, as it ends.

    `stop_at` (time.monotonic) is when no further job is begun. Raises WorkerError if no server can be started.
    """
    waiting = deque(jobs)
    with selectors.DefaultSelector() as selector:
        crew = [Worker(start, selector) for _ in range(max(1, min(workers, len(jobs))))]

        def begin(worker: Worker) -> None:
            if worker.running is None and waiting and time.monotonic() < stop_at:
                if not worker.alive:
                    worker.open()
                worker.assign(waiting.popleft())

        try:
            for worker in crew:
                worker.start()
            for worker in crew:
                begin(worker)
            while True:
                if all(worker.running is None for worker in crew):
                    return
                pause = min(worker.due for worker in crew) - time.monotonic()
                for key, _ in selector.select(max(pause, 0.0)):
                    key.data.on_ready(key.fileobj)
                for worker in crew:
                    done = worker.tick()
                    if done is not None:
                        begin(worker)  # it runs on while this one is judged
                        yield done
        finally:
            for worker in crew:
                worker.close()
