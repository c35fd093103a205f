"""The system call filter, run by a small model of the kernel's BPF machine. `test_sandbox` tries it on the kernel."""

from __future__ import annotations

import errno
import struct

import pytest

from generator.verify import seccomp
from generator.verify.seccomp import ARCHITECTURES, machine_filter

ALLOWED, KILLED = "allowed", "killed"
MACHINES = list(ARCHITECTURES)


def run(program: bytes, number: int, audit: int, arguments: tuple[int, ...] = ()) -> str:
    """What the kernel answers to a call: allowed, killed, or the name of the error."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number, audit, 0, *(word & (1 << 64) - 1 for word in words))
    code = list(struct.iter_unpack("=HBBI", program))
    at = word = 0
    while True:
        operation, true, false, value = code[at]
        at += 1
        if operation == 0x20:
            (word,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            word &= value
        elif operation in {0x15, 0x25, 0x45}:
            passed = {0x15: word == value, 0x25: word > value, 0x45: bool(word & value)}[operation]
            at += true if passed else false
        elif operation == 0x06:
            action = value & 0xFFFF0000
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(action) or errno.errorcode[value & 0xFFFF]
        else:
            raise AssertionError(f"no such instruction: {operation:#x}")


def answer(machine: str, name: str, *arguments: int, namespaces: bool = True) -> str:
    architecture = ARCHITECTURES[machine]
    calls = architecture.refused | architecture.beyond_landlock | architecture.by_argument
    program = machine_filter(machine, namespaces=namespaces)
    assert program is not None
    return run(program, calls[name], architecture.audit, arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused(machine: str) -> None:
    """Each name of the list answers EPERM, whatever its arguments."""
    for name in ARCHITECTURES[machine].refused:
        assert answer(machine, name) == "EPERM", name


@pytest.mark.parametrize("machine", MACHINES)
def test_only_without_namespaces_modes_and_sockets_are_refused(machine: str) -> None:
    """With a file system and a network of its own a snippet may use them; behind Landlock alone it may not."""
    for name in ARCHITECTURES[machine].beyond_landlock:
        assert answer(machine, name) == ALLOWED, name
        assert answer(machine, name, namespaces=False) == "EPERM", name


@pytest.mark.parametrize("machine", MACHINES)
def test_every_other_call_is_allowed(machine: str) -> None:
    """No number but those of the lists is refused, up to the newest one that was looked at."""
    architecture = ARCHITECTURES[machine]
    program = machine_filter(machine)
    assert program is not None
    listed = {*architecture.refused.values(), *architecture.by_argument.values()}
    for number in set(range(seccomp.LAST + 1)) - listed:
        assert run(program, number, architecture.audit) == ALLOWED, number


@pytest.mark.parametrize("machine", MACHINES)
def test_unknown_calls_do_not_exist(machine: str) -> None:
    """Calls of newer kernels, and the x32 ones, answer as if the kernel were older."""
    program = machine_filter(machine)
    assert program is not None
    for number in (seccomp.LAST + 1, 0x40000000, 0x40000000 + 41, -1):
        assert run(program, number, ARCHITECTURES[machine].audit) == "ENOSYS"


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_killed(machine: str) -> None:
    """A 32-bit call has other numbers: the filter would read it wrongly."""
    program = machine_filter(machine)
    assert program is not None
    assert run(program, 1, 0x40000003) == KILLED


UNIX, INET, INET6, STREAM, DATAGRAM, CLOEXEC = 1, 2, 10, 1, 2, 0o2000000
SOCKETS = [
    ((UNIX, STREAM, 0), ALLOWED),
    ((UNIX, 5, 0), ALLOWED),
    ((INET, STREAM | CLOEXEC, 0), ALLOWED),
    ((INET6, DATAGRAM, 17), ALLOWED),
    ((INET, STREAM, 6), ALLOWED),
    ((INET, 3, 1), "EPERM"),  # raw
    ((INET, 5, 0), "EPERM"),  # SCTP, by its type
    ((INET, STREAM, 132), "EPERM"),  # SCTP, by its number
    ((0, STREAM, 0), "EPERM"),
    ((16, 3, 0), "EPERM"),  # netlink
    ((38, 5, 0), "EPERM"),  # the kernel's crypto
    ((40, STREAM, 0), "EPERM"),  # vsock
    (((1 << 32) | 38, 5, 0), "EPERM"),  # the kernel ignores the upper half
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("arguments", "expected"), SOCKETS)
def test_sockets_are_unix_tcp_and_udp(machine: str, arguments: tuple[int, ...], expected: str) -> None:
    """Other families and protocols are refused; all are where there is no network namespace."""
    assert answer(machine, "socket", *arguments) == expected
    assert answer(machine, "socket", *arguments, namespaces=False) == "EPERM"


@pytest.mark.parametrize("machine", MACHINES)
def test_pairs_of_sockets(machine: str) -> None:
    """Streams always, for asyncio's own use; a datagram socket can be aimed elsewhere, so not without namespaces."""
    assert answer(machine, "socketpair", UNIX, STREAM | CLOEXEC, namespaces=False) == ALLOWED
    assert answer(machine, "socketpair", UNIX, DATAGRAM) == ALLOWED
    assert answer(machine, "socketpair", UNIX, DATAGRAM, namespaces=False) == "EPERM"
    assert answer(machine, "socketpair", 16, STREAM) == "EPERM"


ARGUMENTS = [
    ("clone", (0x11,), ALLOWED),
    ("clone", (0x3D0F00,), ALLOWED),  # a thread, as glibc starts one
    ("clone", (0x10000011,), "EPERM"),
    ("clone", (0x40000011,), "EPERM"),
    ("clone3", (), "ENOSYS"),
    ("ioctl", (0, 0x5412), "EPERM"),
    ("ioctl", (0, (1 << 32) | 0x5412), "EPERM"),
    ("ioctl", (0, 0x541C), "EPERM"),
    ("ioctl", (0, 0x5401), ALLOWED),
    ("prlimit64", (0,), ALLOWED),
    ("prlimit64", (1,), "EPERM"),
    ("sched_setaffinity", (0,), ALLOWED),
    ("sched_setaffinity", (1,), "EPERM"),
    ("setpriority", (0, 0), ALLOWED),
    ("setpriority", (0, 1), "EPERM"),
    ("setpriority", (2, 0), "EPERM"),
    ("ioprio_set", (1, 0), ALLOWED),
    ("ioprio_set", (3, 0), "EPERM"),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "expected"), ARGUMENTS)
def test_calls_that_depend_on_their_arguments(
    machine: str, name: str, arguments: tuple[int, ...], expected: str
) -> None:
    """Namespaces, typing into the terminal and other processes are refused; the rest of the call works."""
    assert answer(machine, name, *arguments) == expected


def test_the_filter_fits_the_kernel() -> None:
    """At most 4096 instructions (BPF_MAXINSNS), and 64 KiB in the pipe that bubblewrap reads it from."""
    for machine in MACHINES:
        for namespaces in (True, False):
            program = machine_filter(machine, namespaces=namespaces)
            assert program is not None
            assert len(program) < 4096 * 8


def test_an_unknown_processor_has_no_filter() -> None:
    """Better none than one with another processor's numbers."""
    assert machine_filter("pdp11") is None
