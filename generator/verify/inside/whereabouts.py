"""Where a program is when it has to be stopped, so that its author need not look for the line that never ends.

Before it is killed it gets a signal: from the server, or from the kernel where there is no server. C code answers at
once, whatever Python is doing (`faulthandler`); where nothing of the program is on the stack because its loop waits, a
handler adds where its tasks stand. Both write lines of a traceback to the descriptor of the report, on which a program
that is stopped sends nothing else; the handler adds which line has printed most.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .sightings import Site

if sys.platform != "win32":
    import fcntl

SIGNAL = getattr(signal, "SIGRTMAX", None)
PATIENCE = 0.25  # seconds that a program gets for its answer


_program: list[Any] = [tuple, lambda: None]
"""What is asked of the program that runs: where its tasks stand, and which line prints most."""


def tell_of(waiting: Callable[[], Iterable[Site]], busiest: Callable[[], Site | None]) -> None:
    """Name the program that is asked from here on."""
    _program[:] = waiting, busiest


def answer(descriptor: int) -> None:
    """Be ready to be asked, or to run out of CPU time: either ends the process. In the server, for all its children.

    `descriptor` is where the report will go, opened or not.
    """
    if SIGNAL is None:
        return
    write, leave, kill, getpid, set_handler = os.write, os._exit, os.kill, os.getpid, signal.signal

    def tell(number: int, _frame: Any) -> None:
        try:
            waiting, busiest = _program
            lines = [f'  File "{name}", line {line}\n' for name, line in waiting()]
            most = busiest()
            lines += [f'  Printed by "{most[0]}", line {most[1]}\n'] if most else []
            write(descriptor, "".join(lines).encode())
        finally:
            if number == signal.SIGXCPU:  # its status tells what the end was
                set_handler(number, signal.SIG_DFL)
                kill(getpid(), number)
            leave(0)

    for number in (SIGNAL, signal.SIGXCPU):
        set_handler(number, tell)
        faulthandler.register(number, file=descriptor, all_threads=False, chain=True)


def answer_when_closed(descriptor: int) -> None:
    """Be asked by the kernel when the other end of this pipe is closed (fcntl(2), F_SETSIG: Linux alone has it)."""
    if SIGNAL is None or not hasattr(fcntl, "F_SETSIG"):
        return
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, SIGNAL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


def ask(pid: int, ended: int) -> None:
    """Have the process told of by `pid` say where it is. `ended` is its pidfd."""
    if SIGNAL is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, SIGNAL)
        select.select([ended], [], [], PATIENCE)
