"""The system calls a snippet may not make: a seccomp filter as the bytes that Linux and bubblewrap take.

A filter is a program for the kernel's classic BPF machine, run on every system call (see seccomp(2)). Everything is
allowed but for the lists below: they hold what no asyncio lesson needs and what widens the kernel's surface or reaches
other processes. Calls newer than `LAST` were never looked at; they answer ENOSYS, as on an older kernel.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LAST = 462
"""Number of the newest system call that was looked at (mseal, Linux 6.10); the same on every architecture."""

# Name -> its number on x86_64 and on aarch64, from Linux's asm/unistd_64.h and asm-generic/unistd.h.
_REFUSED = {
    # Other processes: their memory, descriptors and behaviour.
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    # Namespaces and mounts.
    "chroot": (161, 51),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "listmount": (458, 458),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "statmount": (457, 457),
    "umount2": (166, 39),
    "unshare": (272, 97),
    # Files by handle, and watching the files of others.
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "lookup_dcookie": (212, 18),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # Parts of the kernel with a long list of holes.
    "add_key": (248, 217),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
    # Memory that no limit counts.
    "mbind": (237, 235),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    # System V and POSIX objects: they outlive the process that made them.
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    # The machine.
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "nfsservctl": (180, 42),
    "personality": (135, 92),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "vhangup": (153, 58),
}
_BY_ARGUMENT = {
    "bpf": (321, 280),
    "clone": (56, 220),
    "clone3": (435, 435),
    "ioctl": (16, 29),
    "ioprio_set": (251, 30),
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setpriority": (141, 140),
    "socket": (41, 198),
    "socketpair": (53, 199),
}
_BEYOND_LANDLOCK = {
    "bind": (49, 200),
    "connect": (42, 203),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "inotify_add_watch": (254, 27),
    "listen": (50, 201),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "setxattr": (188, 5),
    "utimensat": (280, 88),
}
"""What Landlock does not cover: refused where it is the only wall around the machine's files and sockets."""

_X86_REFUSED = {
    "_sysctl": 156,
    "create_module": 174,
    "get_kernel_syms": 177,
    "ioperm": 173,
    "iopl": 172,
    "modify_ldt": 154,
    "query_module": 178,
    "sysfs": 139,
    "uselib": 134,
    "ustat": 136,
}
_X86_BEYOND_LANDLOCK = {
    "chmod": 90,
    "chown": 92,
    "futimesat": 261,
    "lchown": 94,
    "utime": 132,
    "utimes": 235,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A processor that a filter can be built for; the system calls by name and number."""

    audit: int
    """The kernel's number for it (`AUDIT_ARCH_…` in linux/audit.h)."""
    refused: dict[str, int]
    beyond_landlock: dict[str, int]
    by_argument: dict[str, int]


def _architecture(audit: int, column: int, refused: dict[str, int], beyond_landlock: dict[str, int]) -> Architecture:
    own = ({name: pair[column] for name, pair in table.items()} for table in (_REFUSED, _BEYOND_LANDLOCK, _BY_ARGUMENT))
    first, second, third = own
    return Architecture(audit, first | refused, second | beyond_landlock, third)


ARCHITECTURES = {
    "x86_64": _architecture(0xC000003E, 0, _X86_REFUSED, _X86_BEYOND_LANDLOCK),
    "aarch64": _architecture(0xC00000B7, 1, {}, {}),
}
"""By the name that `os.uname().machine` gives."""

# linux/filter.h and linux/seccomp.h
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE = [(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_UNIX, _INET, _INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _TYPE = 1, 2, 0xF  # SOCK_NONBLOCK and SOCK_CLOEXEC are above the type's four bits
_TCP, _UDP = 6, 17
_CLONE_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag that clone(2) takes
_PROCESS_OR_GROUP = {"setpriority": (0, 1), "ioprio_set": (1, 2)}  # their other value means all processes of a user
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX: typing into the terminal


@dataclass(slots=True)
class _Program:
    """BPF instructions in the making. Every test jumps over the instruction after it, so no jump is ever too long."""

    code: list[tuple[int, int, int, int]] = field(default_factory=list)

    def load(self, offset: int) -> None:
        self.code.append((_LOAD, 0, 0, offset))

    def argument(self, index: int) -> None:
        """Loads the lower half of an argument: the kernel reads no more of the ints compared here."""
        self.load(_ARGUMENTS + 8 * index)

    def answer(self, value: int) -> None:
        self.code.append((_RETURN, 0, 0, value))

    def when(self, test: int, value: int, block: Sequence[tuple[int, int, int, int]]) -> None:
        """Runs `block` if the loaded word passes the test."""
        self.code += [(test, 0, len(block), value), *block]

    def unless_one_of(self, values: Iterable[int]) -> None:
        """Refuses when the loaded word is none of `values`."""
        values = tuple(values)
        self.code += [(_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
        self.code += _REFUSE

    def bytes(self) -> bytes:
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in self.code)


def machine_filter(machine: str, *, namespaces: bool = True) -> bytes | None:
    """The filter for `machine` (as `os.uname().machine` names it); None for a processor that is not known here.

    `namespaces` says that the snippet has a network and a file system of its own. Without them, every socket but a
    connected pair is refused, and so is what Landlock lets through: modes, owners, times and attributes of files.
    """
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        return None
    program = _Program()
    program.load(_ARCHITECTURE)
    program.code.append((_EQUAL, 1, 0, architecture.audit))
    program.answer(_KILL)
    program.load(_NUMBER)
    # x86_64 also has the x32 calls, all from 0x40000000 on: beyond LAST as well.
    program.when(_GREATER, LAST, [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)])
    refused = architecture.refused if namespaces else architecture.refused | architecture.beyond_landlock
    for number in refused.values():
        program.when(_EQUAL, number, _REFUSE)
    # glibc falls back to clone, whose flags can be looked at: clone3 keeps them in memory.
    program.when(_EQUAL, architecture.by_argument["clone3"], [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)])
    for name, block in _argument_blocks(namespaces).items():
        block.answer(_ALLOW)
        program.when(_EQUAL, architecture.by_argument[name], block.code)
    program.answer(_ALLOW)
    return program.bytes()


def _argument_blocks(namespaces: bool) -> dict[str, _Program]:
    """What is refused by the arguments of a call; a block that reaches its end allows the call."""
    clone = _Program()
    clone.argument(0)
    clone.when(_ANY_BIT, _CLONE_NAMESPACES, _REFUSE)
    ioctl = _Program()
    ioctl.argument(1)
    for request in _TERMINAL_INPUT:
        ioctl.when(_EQUAL, request, _REFUSE)
    blocks = {"clone": clone, "ioctl": ioctl, "socket": _socket(namespaces), "socketpair": _socketpair(namespaces)}
    for name in sorted(_BY_ARGUMENT.keys() - blocks.keys() - {"clone3"}):
        blocks[name] = _on_itself(name)
    return blocks


def _on_itself(name: str) -> _Program:
    """A call on the caller alone, which it may name by 0 only: the server runs as the same user."""
    block = _Program()
    if name in _PROCESS_OR_GROUP:
        block.argument(0)
        block.unless_one_of(_PROCESS_OR_GROUP[name])
        block.argument(1)
    else:
        block.argument(0)
    block.unless_one_of([0])
    return block


def _socket(namespaces: bool) -> _Program:
    """Unix, TCP and UDP sockets. Other protocols would make the kernel load modules that hardly anybody uses."""
    block = _Program()
    if not namespaces:
        block.code += _REFUSE
        return block
    block.argument(0)
    block.when(_EQUAL, _UNIX, [(_RETURN, 0, 0, _ALLOW)])
    block.unless_one_of([_INET, _INET6])
    block.argument(1)
    block.code.append((_AND, 0, 0, _TYPE))
    block.unless_one_of([_STREAM, _DATAGRAM])
    block.argument(2)
    block.unless_one_of([0, _TCP, _UDP])
    return block


def _socketpair(namespaces: bool) -> _Program:
    """Pairs of unix sockets; where the machine's own sockets are near, only streams: a datagram one can be aimed."""
    block = _Program()
    block.argument(0)
    block.unless_one_of([_UNIX])
    if not namespaces:
        block.argument(1)
        block.code.append((_AND, 0, 0, _TYPE))
        block.unless_one_of([_STREAM])
    return block
