"""A small server to try the walls with: it runs one piece of code after another, each in a forked child behind them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.verify import bubblewrap, detection, sandbox
from generator.verify.installation import examine
from generator.verify.sandbox import Limits, Sandbox, Way

SERVER = """\
import json, os, select, signal, socket, sys, time
from . import confine, refusals


def main(config, number):
    control = socket.socket(fileno=int(number))
    walls = confine.prepare(config)
    confine.harden_server(config)
    watch = refusals.of(config, os.getpid())
    control.send(b"ready")
    while code := control.recv(1 << 20):
        control.send(json.dumps(serve(walls, watch, code.decode(), config)).encode())


def serve(walls, watch, code, config):
    if not walls.clean_scratch():
        return {"clean": False}
    reading, writing = os.pipe()
    telling, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            child(walls, watch, code, config, writing, told)
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(1)
    os.close(writing), os.close(told)
    output, over, end = b"", "", time.monotonic() + 60
    while True:
        ready, _, _ = select.select([reading], [], [], 0.02)
        over = over or walls.overrun()
        if over or time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            break
        if ready:
            data = os.read(reading, 65536)
            if not data or b"--END--" in output + data:
                output += data
                break
            output += data
    status = os.waitpid(pid, 0)[1]
    left = confine.kill_everything()
    with open(telling, "rb") as pipe:
        notes = pipe.read()
    os.close(reading)
    text = output.decode(errors="replace").replace("--END--", "").strip()
    answer = {"output": text, "status": status, "over": over, "left": left, "clean": walls.clean_scratch()}
    return {**answer, **json.loads(notes or b"{}")}


def child(walls, watch, code, config, writing, told):
    os.dup2(writing, 1), os.dup2(writing, 2)
    os.chdir(config["scratch"] + "/home")
    os.set_inheritable(told, False)
    walls.enter()
    watch.install()
    me = os.getpid()
    with open("note.py", "w") as file:
        file.write(code)
    try:
        scope = {"__name__": "__main__", "__file__": "note.py"}
        sys.modules["__main__"].__dict__.update(scope)
        exec(compile(code, "note.py", "exec"), sys.modules["__main__"].__dict__)
    except BaseException as error:
        print(repr(error), flush=True)
    watch.stop()
    sys.stdout.flush()
    if os.getpid() != me:
        os._exit(1)
    os.write(told, json.dumps({"attempts": watch.attempts, "fixed_port": watch.fixed_port}).encode())
    os.write(1, b"--END--")
    os._exit(0)
"""


def open_folder() -> Path:
    """A new folder that every user of the machine can enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="make-deck-test-"))
    folder.chmod(0o755)
    return folder


@dataclass(frozen=True)
class Ran:
    """What came of one piece of code."""

    output: str = ""
    status: int = 0
    over: str = ""
    left: int = 0
    clean: bool = True
    attempts: tuple[str, ...] = ()
    fixed_port: bool = False


class Box:
    """One server behind the walls of `walls`."""

    def __init__(self, walls: Sandbox, limits: Limits | None = None) -> None:
        self.folder = open_folder()
        app = self.folder / "inside"
        shutil.copytree(sandbox.INSIDE, app, ignore=shutil.ignore_patterns("__pycache__"))
        (app / "tiny.py").write_text(SERVER, encoding="utf-8")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        self.launch = walls.launch("inside.tiny:main", [str(number)], app=app, limits=limits)
        self.uid = self.launch.config["uid"] or self.launch.settings.get("user") or os.getuid()
        if os.getuid() == 0:
            for path in [app, *app.iterdir()]:
                os.chown(path, self.uid, self.uid)
        self.process = subprocess.Popen(self.launch.argv, **self.launch.options(number), stdin=subprocess.DEVNULL)
        self.launch.started()
        theirs.close()
        self.control.settimeout(90)
        if self.control.recv(10) != b"ready":
            self.close()
            raise AssertionError("the server did not start")

    def run(self, code: str) -> Ran:
        self.control.send(code.encode())
        answer: dict[str, Any] = json.loads(self.control.recv(1 << 20))
        if "attempts" in answer:
            answer["attempts"] = tuple(answer["attempts"])
        return Ran(**answer)

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self.launch.close()
            shutil.rmtree(self.folder)


@contextlib.contextmanager
def box(walls: Sandbox, limits: Limits | None = None) -> Iterator[Box]:
    opened = Box(walls, limits)
    try:
        yield opened
    finally:
        opened.close()


def _detected(asked: str) -> Sandbox:
    return detection.detect(Path(sys.executable), environ={**os.environ, "MAKE_DECK_SANDBOX": asked})


def _before() -> dict[str, Sandbox]:
    """As an ordinary user starts it; root can imitate that with an interpreter that everybody can read."""
    system = Path("/usr/bin/python3")
    if os.getuid() or not system.exists():
        return {}
    programs = bubblewrap.installed(os.environ)
    if not programs:
        return {}
    way = Way("full", programs[0], "before")
    return {"full, ordinary user": Sandbox("full", examine(system, os.environ), way, _detected("").landlock)}


FULL = {"full": _detected(""), **_before()}
PARTIAL = {"partial": _detected("partial")}
NONE = {"none": _detected("none")}
