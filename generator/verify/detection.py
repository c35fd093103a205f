"""Which walls this machine has for an interpreter: they are tried out, the strongest first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.verify import advice, bubblewrap, seccomp
from generator.verify.bubblewrap import Bubblewrap
from generator.verify.installation import examine
from generator.verify.sandbox import Sandbox, Way

PROBE_SECONDS = 30
_found: dict[tuple[object, ...], Sandbox] = {}


def detect(interpreter: Path, *, environ: Mapping[str, str], hidden: Sequence[Path] = ()) -> Sandbox:
    """The best walls that hold for `interpreter` on this machine, tried out by starting it behind them.

    `hidden` are folders that a snippet must not see even where they lie below /usr: the project's; the home folder
    always is one. `MAKE_DECK_SANDBOX=partial` or `none` in `environ` asks for less. Raises OSError or ValueError if
    the interpreter does not run at all. The answer is kept for the life of this process.
    """
    names = ("HOME", "LD_LIBRARY_PATH", "MAKE_DECK_SANDBOX", "PATH")
    key = (interpreter, tuple(hidden), *(environ.get(name) for name in names))
    if key not in _found:
        _found[key] = _detect(interpreter, environ, tuple(hidden))
    return _found[key]


def _detect(interpreter: Path, environ: Mapping[str, str], hidden: tuple[Path, ...]) -> Sandbox:
    installation = examine(interpreter, environ)
    home = environ.get("HOME", "")
    hidden = (*hidden, Path(home)) if home else hidden
    programs = bubblewrap.installed(environ) if sys.platform == "linux" else []
    asked = environ.get("MAKE_DECK_SANDBOX", "")
    failures: list[str] = []
    for way in _ways(programs, asked):
        candidate = Sandbox(way.state, installation, way, _landlock_abi(), hidden=hidden)
        failure = _try(candidate)
        if not failure:
            return _explained(candidate, asked, programs, failures)
        failures.append(failure)
    raise OSError(f"{interpreter} does not run: {failures[-1]}")


def _ways(programs: Sequence[Bubblewrap], asked: str) -> Iterator[Way]:
    """Every way that may work here, the strongest first."""
    root = os.name == "posix" and os.geteuid() == 0
    known = sys.platform == "linux" and os.uname().machine in seccomp.ARCHITECTURES
    if known and asked not in {"partial", "none"}:
        for program in programs:
            if root:
                yield Way("full", program, "inside")
                yield Way("full", program, "before")
            else:
                yield Way("full", program)
    if known and asked != "none" and _landlock_abi():
        if root:
            yield Way("partial", None, "inside")
            yield Way("partial", None, "inside", search=True)
        yield Way("partial")
    if root and sys.platform == "linux":
        yield Way("none", None, "inside")
        yield Way("none", None, "inside", search=True)
    yield Way("none")


def _landlock_abi() -> int:
    if sys.platform != "linux":
        return 0
    from generator.verify.inside import kernel

    return kernel.landlock_abi()


def _try(candidate: Sandbox) -> str:
    """Starts the probe behind the walls of `candidate`; what went wrong, or "" if all of them stand."""
    if sys.platform == "win32" or (candidate.state == "none" and candidate.way.drop == "no"):
        return ""  # `examine` has run the interpreter already
    with tempfile.TemporaryDirectory(prefix="make-deck-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - only the walls shall be in the way
        secret = Path(folder, "secret")
        secret.write_text("", encoding="utf-8")
        launch = candidate.launch("inside.confine:probe", [str(secret)])
        try:
            done = subprocess.run(  # noqa: S603 - our own probe
                launch.argv,
                **launch.options(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        finally:
            launch.close()
    try:
        rights = json.loads(done.stdout)
    except ValueError:
        return done.stderr.decode(errors="replace").strip() or f"it ended with status {done.returncode}"
    return ", ".join(_missing(candidate, rights))


def _missing(candidate: Sandbox, rights: Mapping[str, Any]) -> Iterator[str]:
    """The walls that a probe found missing."""
    way = candidate.way
    if not rights["scratch"] or not rights["home"]:
        yield "the scratch folder cannot be written"
    if way.drop == "inside" and rights["uid"] == 0:
        yield "the snippet is root"
    if not rights["gains_no_rights"]:
        yield "programs may gain rights"
    if candidate.state == "none":
        return
    if not rights["hidden"]:
        yield "the machine's files can be read"
    if not rights["filters_calls"]:
        yield "system calls are not filtered"
    if rights["capabilities"] and not way.search:
        yield "the snippet has capabilities"
    if candidate.state == "full" and rights["parent"] != 1:
        yield "processes are not in a namespace of their own"


def _explained(found: Sandbox, asked: str, programs: Sequence[Bubblewrap], failures: Sequence[str]) -> Sandbox:
    if found.state == "full":
        return found
    if asked == found.state:
        return replace(found, reason="MAKE_DECK_SANDBOX asks for it", fix="unset MAKE_DECK_SANDBOX")
    reason, fix = advice.why_not_full([program.path for program in programs], failures)
    if found.state == "partial" and os.geteuid() == 0 and found.way.drop == "no":
        reason += "; the snippets run as root without root's rights, and the number of processes is not limited"
    return replace(found, reason=reason, fix=fix)
