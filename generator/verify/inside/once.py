"""Runs a single program in a fresh interpreter: where forking is not safe, and where it is asked for.

The job comes on standard input, as a line; the end of the input asks where the program is (`whereabouts`). The report
goes to the descriptor (on Windows: the handle) named on the command line.
"""

from __future__ import annotations

import json
import os
import sys

from . import clock, confine, jumping, program, refusals, whereabouts
from .watch import Watch


def main(config: confine.Config, report: str) -> None:
    """Read the job, run it, exit."""
    job = json.loads(sys.stdin.buffer.readline())
    descriptor = _descriptor(int(report))
    asked = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    confine.harden_server(config)
    walls = confine.prepare(config)
    if not walls.clean_scratch():
        raise OSError("the scratch folder cannot be used")
    if confine.LINUX and not config["namespaces"]:
        confine.go_on_guarded()
    watch = Watch(refusals.of(config, os.getppid()))
    clock.install()
    jumping.install()
    watch.install()
    walls.enter(job["limits"])
    whereabouts.answer(descriptor)
    whereabouts.answer_when_closed(asked)
    program.run(job, descriptor, watch, leftovers=confine.kill_everything)


def _descriptor(number: int) -> int:
    """The descriptor to report on: on Windows what is passed on is a handle."""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.open_osfhandle(number, os.O_WRONLY)
    os.set_inheritable(number, False)
    return number
