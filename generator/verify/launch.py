"""Starts the processes that programs run in, behind the best walls that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Literal

from generator.verify.detection import detect
from generator.verify.interpreters import Interpreter
from generator.verify.sandbox import Launch, Sandbox

Runner = Literal["fork", "spawn"]


class MachineError(Exception):
    """The machine cannot do what was asked; the text says what is missing, and what to do."""


@dataclass(frozen=True)
class Launcher:
    """Starts servers and single programs on one interpreter. `state` is the sandbox's, `note` its reason and fix."""

    interpreter: Interpreter
    sandbox: Sandbox
    runner: Runner
    hash_seed: int = 0

    @property
    def state(self) -> str:
        return self.sandbox.state

    @property
    def note(self) -> str:
        return ": ".join(part for part in (self.sandbox.reason, self.sandbox.fix) if part)

    @property
    def wrapped(self) -> bool:
        """Whether another process stands between us and a single program, and passes its end on."""
        return self.sandbox.way.program is not None or sys.platform.startswith("linux")

    @property
    def _environ(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": str(self.hash_seed), "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def identity(self) -> list[str]:
        """What of it can change a verdict: part of the cache's key."""
        return [self.interpreter.identity, self.interpreter.path, self.runner, self.state, str(self.hash_seed)]

    def start_server(self, control: socket, *, jobs: int) -> subprocess.Popen[bytes]:
        """A fork server that talks on `control` and may get this many jobs. Raises OSError."""
        arguments = [str(control.fileno()), str(jobs)]
        launch = self.sandbox.launch("inside.server:main", arguments, environ=self._environ)
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        return _started(launch, {**launch.options(control.fileno()), **streams})

    def start_once(self, report: int) -> subprocess.Popen[bytes]:
        """An interpreter for one program, which reports on the descriptor `report`. Raises OSError."""
        number, handles = _passed_on(report)
        # The program itself must not be process 1, to which the kernel delivers no signal that it does not handle.
        launch = self.sandbox.launch("inside.once:main", [str(number)], environ=self._environ, as_pid_1=False)
        options = {**launch.options(*([] if handles else [report])), **handles}
        return _started(launch, {**options, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE})


def _started(launch: Launch, options: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start it; what it leaves on the disk is removed when nobody holds the process any more."""
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(launch.argv, stderr=subprocess.PIPE, **options)  # noqa: S603
    except BaseException:
        launch.close()
        raise
    launch.started()
    weakref.finalize(process, launch.close)
    return process


def _passed_on(descriptor: int) -> tuple[int, dict[str, Any]]:
    """The number under which a child finds a descriptor, and the Popen options that Windows needs for it."""
    if sys.platform != "win32":
        return descriptor, {}
    import msvcrt

    handle = msvcrt.get_osfhandle(descriptor)
    os.set_handle_inheritable(handle, True)
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    return handle, {"startupinfo": startup, "close_fds": True}


def _repository() -> list[Path]:
    """The one that make-deck runs in: where it lies below /usr, as in a container, a snippet would see it."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return []
    return [folder for folder in (here, *here.parents) if (folder / ".git").exists()][:1]


def launcher(
    interpreter: Interpreter, hash_seed: int = 0, *, require_sandbox: bool, hidden: tuple[Path, ...] = ()
) -> Launcher:
    """The way to run programs on `interpreter` here. Raises MachineError without a full sandbox where one is required.

    `MAKE_DECK_RUNNER=spawn` in the environment asks for a fresh interpreter for each program.
    """
    try:
        sandbox = detect(Path(interpreter.path), environ=os.environ, hidden=(*hidden, *_repository()))
    except (OSError, ValueError) as error:
        raise MachineError(str(error)) from error
    if require_sandbox and sandbox.state != "full":
        raise MachineError(
            f"a full sandbox is required, and this machine has `{sandbox.state}`: {sandbox.reason}. {sandbox.fix}"
        )
    forks = sys.platform.startswith("linux") and os.environ.get("MAKE_DECK_RUNNER", "fork") != "spawn"
    return Launcher(interpreter, sandbox, "fork" if forks else "spawn", hash_seed)
