"""The system calls that Python has no function for: process controls, capabilities, Landlock, seccomp. Linux only.

Numbers are the kernel's own, from the headers named beside them; every function raises OSError when a call is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import struct
from collections.abc import Mapping
from typing import Any

# linux/prctl.h
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_KEEPCAPS, _GET_SECCOMP, _SET_SECCOMP, _CAPBSET_DROP = 1, 4, 8, 21, 22, 24
_SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS, _CAP_AMBIENT, _CAP_AMBIENT_RAISE = 36, 38, 39, 47, 2
_MODE_FILTER = 2
_CAPABILITY_VERSION_3, _CAP_DAC_READ_SEARCH = 0x20080522, 2  # linux/capability.h

# linux/landlock.h; the three calls have the same numbers on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _MAKE_CHAR, _MAKE_BLOCK = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_FILES_BY_ABI = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_TCP = 3  # bind and connect, from ABI 4 on
_SCOPES = 3  # abstract unix sockets and signals, from ABI 6 on
_PATH_BENEATH = 1

READ = _EXECUTE | _READ_FILE | _READ_DIR
WRITE = 0xFFFF & ~_MAKE_CHAR & ~_MAKE_BLOCK
USE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, *arguments: int | bytes) -> int:
    values = [value if isinstance(value, bytes) else ctypes.c_ulong(value) for value in [*arguments, 0, 0, 0, 0][:4]]
    return _checked(_libc().prctl(option, *values), f"prctl {option}")


def die_with_parent() -> None:
    """From now on this process is killed when the thread that started it ends. A change of user undoes it."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def inherit_orphans() -> None:
    """Processes below this one become its children when their parent ends."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def forbid_inspection() -> None:
    """No process of the same user may read this one's memory, descriptors or environment."""
    _prctl(_SET_DUMPABLE, 0)


def gain_no_rights() -> None:
    """No program started from here gets more rights than this process has: set-user-ID bits are without effect."""
    _prctl(_SET_NO_NEW_PRIVS, 1)


def gains_no_rights() -> bool:
    return _prctl(_GET_NO_NEW_PRIVS) == 1


def drop_rights(uid: int | None, *, search: bool) -> None:
    """Becomes the user and group `uid`, without other groups, and gives up every capability.

    `search` keeps one: reading and entering any file and folder. Only Landlock still stands before them then.
    """
    kept = 1 << _CAP_DAC_READ_SEARCH if search else 0
    capability = 0
    with contextlib.suppress(OSError):  # EINVAL past the last one; EPERM for an ordinary user, who has none
        while True:
            if not kept >> capability & 1:
                _prctl(_CAPBSET_DROP, capability)
            capability += 1
    if uid is not None:
        _prctl(_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc().capset(header, struct.pack("=6I", kept, kept, kept, 0, 0, 0)), "capset")
    if kept:
        _prctl(_CAP_AMBIENT, _CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)


def capabilities() -> int:
    """The effective capabilities of this process, one bit each."""
    data = ctypes.create_string_buffer(24)
    _checked(_libc().capget(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), data), "capget")
    words = struct.unpack("=6I", data.raw)
    return int(words[0] | words[3] << 32)


def landlock_abi() -> int:
    """The version of Landlock that the kernel speaks; 0 without Landlock."""
    return max(int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)), 0)


def landlock_rules(rights: Mapping[str, int], *, network: bool) -> int:
    """A descriptor of rules: only `rights` on the trees below their paths, no signal outwards, TCP only with `network`.

    A path that is missing is left out.
    """
    abi = landlock_abi()
    handled = _FILES_BY_ABI[min(abi, 5)]
    rules = _new_ruleset(abi, handled, 0 if network else _TCP)
    for path, allowed in rights.items():
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            granted = allowed & handled & (0xFFFF if os.path.isdir(path) else _FILE_RIGHTS)
            rule = struct.pack("=Qi", granted, descriptor)
            _checked(_libc().syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0), f"landlock: {path}")
        finally:
            os.close(descriptor)
    return rules


def keep_signals_inside() -> bool:
    """From now on signals reach this process and those below it alone. False where the kernel cannot (ABI below 6)."""
    abi = landlock_abi()
    if abi < 6:
        return False
    landlock_enter(_new_ruleset(abi, 0, 0))
    return True


def _new_ruleset(abi: int, files: int, network: int) -> int:
    attributes = struct.pack("=QQQ", files, network, _SCOPES)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    made = _libc().syscall(_CREATE_RULESET, attributes[:size], ctypes.c_size_t(size), 0)
    return _checked(int(made), "landlock_create_ruleset")


def landlock_enter(rules: int) -> None:
    """Puts this process under `rules` for good, and closes their descriptor. Needs `gain_no_rights`."""
    _checked(_libc().syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    os.close(rules)


def filter_calls(program: bytes) -> None:
    """Loads a seccomp filter for good. Needs `gain_no_rights`."""
    buffer = ctypes.create_string_buffer(program, len(program))
    _prctl(_SET_SECCOMP, _MODE_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))


def filters_calls() -> bool:
    return _prctl(_GET_SECCOMP) == _MODE_FILTER
