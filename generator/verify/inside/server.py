"""Forks a child for each program. Trusted code only: it reads jobs and exit statuses, never what a program says.

Single-threaded, warmed up and frozen, so that a child costs a few milliseconds. The parent sends four descriptors (the
job to read, then output, errors and report to write) over a Unix socket; the answer is one JSON object: the wait
status, whether the program had to be killed, how many processes were left, CPU seconds, whether the scratch folder is
clean again. A message without descriptors means: kill the program that runs now.
"""

from __future__ import annotations

# What snippets of an asyncio deck import most: a child need not load them again.
import asyncio.events
import asyncio.subprocess
import collections  # noqa: F401
import gc
import json
import os
import random  # noqa: F401
import select
import signal
import socket
import traceback
from collections.abc import Callable
from typing import Any

from . import clock, confine, jumping, program, refusals, whereabouts
from .watch import Watch

MANY = 300  # jobs from which on a longer warm-up costs less than it saves
REPORT = 200 + os.urandom(1)[0] % 50
"""The number of the descriptor that a child reports on: another one in every server."""
LOOK_EVERY = 0.05  # seconds between two looks at the limits that no kernel keeps


def main(config: confine.Config, control_fd: str, jobs: str) -> None:
    """Serve jobs from the control socket, named by its number, until the parent closes it; `jobs` says how many."""
    control = socket.socket(fileno=int(control_fd))
    control.set_inheritable(False)
    confine.harden_server(config)
    walls = confine.prepare(config)
    watch = Watch(refusals.of(config, os.getpid()))
    clock.install()
    jumping.install()
    watch.install()
    whereabouts.answer(REPORT)
    _warm_up(watch, rehearsals=12 if int(jobs) > MANY else 1)
    if not walls.clean_scratch():
        raise OSError("the scratch folder cannot be used")
    control.send(json.dumps({"ready": os.getpid(), **walls.describe()}).encode())
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 64, 4)
        except OSError:
            return
        if not message:
            return
        if descriptors:
            with open(descriptors.pop(0), "rb", buffering=0) as job:
                text = job.read()
            _serve(control, json.loads(text), descriptors, walls, watch)


def _warm_up(watch: Watch, rehearsals: int) -> None:
    """What every child would do again is done here; then the heap is left out of collection."""
    program.rehearse(watch, rehearsals)
    # A policy remembers that a loop was set, and get_event_loop() makes none any more: programs start without one.
    asyncio.events._event_loop_policy = None  # type: ignore[attr-defined]
    clock.CLOCK.reset()
    gc.collect()
    gc.freeze()


def _serve(
    control: socket.socket, job: dict[str, Any], descriptors: list[int], walls: confine.Walls, watch: Watch
) -> None:
    pid = os.fork()
    if pid == 0:
        _child(job, descriptors, walls, watch)
    for descriptor in descriptors:
        os.close(descriptor)
    stopped = _wait(pid, control, lambda: walls.overrun(job["limits"]))
    _, status, usage = os.wait4(pid, 0)
    left = confine.kill_everything()
    answer = {
        "status": status,
        "stopped": stopped,
        "left": left,
        "clean": left >= 0 and walls.clean_scratch(),
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss << 10,
    }
    control.send(json.dumps(answer).encode())


def _wait(pid: int, control: socket.socket, overrun: Callable[[], str]) -> str:
    """Until the child ends, or has to: why it had to be killed ("asked", or what `overrun` says), else ""."""
    watched, asked = os.pidfd_open(pid), control.fileno()
    try:
        while True:
            ready, _, _ = select.select([watched, asked], [], [], LOOK_EVERY)
            if watched in ready:
                return ""
            reason = "asked" if asked in ready else overrun()
            if reason == "asked":
                control.recv(64)
            if reason:
                whereabouts.ask(pid, watched)
                os.kill(pid, signal.SIGKILL)
                return reason
    finally:
        os.close(watched)


def _child(job: dict[str, Any], descriptors: list[int], walls: confine.Walls, watch: Watch) -> None:
    """In the child: put descriptors in place, go behind the walls, run. Never returns."""
    leave = os._exit
    try:
        output, errors, report = descriptors
        os.dup2(report, REPORT, inheritable=False)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.setsid()
        walls.enter(job["limits"])
        os.closerange(3, REPORT)
        os.closerange(REPORT + 1, 1024)
        program.run(job, REPORT, watch)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        leave(71)
