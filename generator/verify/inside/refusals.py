"""Notices what a snippet tries and the sandbox forbids, even when the snippet catches the error.

An audit hook sees the attempt before the kernel refuses it, and compares it with what is allowed here. An attempt that
would fail on any machine is none: a missing file, a folder that is not there, a name under `.invalid`. Processes that
the snippet starts are not watched; their failure shows in what the snippet prints.

The event names and their arguments are CPython's audit events table (docs.python.org, "Audit events table").
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from _thread import get_ident
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

MOST = 20
"""Attempts that are kept; the first ones tell enough."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_TRUNC
_LOCAL_ENDINGS = ("localhost", ".localhost", ".invalid")  # RFC 6761: answered without asking anybody
_STANDARD_FAMILIES = {"AF_UNIX", "AF_INET", "AF_INET6"}
_ATTRIBUTES = {"os.chmod": 2, "os.chown": 3, "os.utime": 3, "os.setxattr": None, "os.removexattr": None}
"""Event -> the place of the folder descriptor among its arguments; the path is always the first one."""
_REMOVALS = {"os.remove": (0, 1), "os.rmdir": (0, 1), "os.truncate": (0, None), "os.rename": (0, 2)}
_ADDITIONS = {"os.mkdir": (0, 2), "os.link": (1, 3), "os.symlink": (1, 2), "os.rename": (1, 3)}
"""Event -> the places of the path and of its folder descriptor."""
_CHANGES = _ATTRIBUTES.keys() | _REMOVALS.keys() | _ADDITIONS.keys()
_PRIVATE = {"environ", "mem", "maps", "smaps", "fd", "root", "cwd", "exe", "stack"}  # of a process, in /proc


class RefusalWatch:
    """The refusals of one process. `install` it once, in the server: a forked child starts with an empty list.

    `write` are the folders and devices that may be written, `read` those that may be read (None: whatever exists);
    `sockets` and `attributes` say whether sockets, and modes and times of files, may be used at all; `server` is the
    process id that no snippet may touch.
    """

    def __init__(
        self, write: Sequence[str], read: Sequence[str] | None, *, sockets: bool, attributes: bool, server: int
    ) -> None:
        self.attempts: list[str] = []
        """What was tried, in words: "open /etc/passwd for writing". At most `MOST`."""
        self.on_attempt: Callable[[str], None] = lambda what: None
        """Called with each of them, while the frames of the attempt are still there."""
        self.on_unraisable: Callable[[Any, Any], None] = lambda hook, unraisable: None
        """Called with every error that cannot be raised, before the `sys.unraisablehook` of the moment is."""
        self.fixed_port = False
        """Whether a TCP or UDP port was chosen by number: it may stay taken for a minute in this network namespace."""
        self._write = _both_names(write)
        self._read = None if read is None else _both_names([*read, *write])
        self._sockets = sockets
        self._attributes = attributes
        self._server = server
        self._active = False
        self._ours: frozenset[int] = frozenset()
        self._busy: set[int] = set()
        self._checks: dict[str, Callable[..., None]] = {
            "open": self._open,
            "os.listdir": self._list,
            "os.scandir": self._list,
            "os.kill": self._signal,
            "os.killpg": self._signal,
            "socket.__new__": self._socket,
            "socket.bind": self._bind,
            "socket.connect": self._address,
            "socket.sendto": self._address,
            "socket.sendmsg": self._address,
            "socket.getaddrinfo": self._host,
            "socket.gethostbyname": self._host,
            "socket.gethostbyaddr": self._host,
        }

    def install(self) -> None:
        """Starts watching this process and all it forks; the hook stays, and can be `stop`ped and `start`ed again.

        What this package's own modules do, all of them imported by now, is no attempt.
        """
        own = [module for name, module in sys.modules.items() if name.startswith(f"{__package__}.")]
        self._ours = frozenset(id(vars(module)) for module in own)
        sys.addaudithook(self._hook)
        self.start()

    def start(self) -> None:
        """Watches what comes now."""
        self._active = True

    def stop(self) -> None:
        """Ignores what comes now: the report's own work."""
        self._active = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sys.unraisablehook":
            self.on_unraisable(*arguments)
            return
        check = self._checks.get(event)
        if check is None and event not in _CHANGES:
            return
        thread = get_ident()
        if not self._active or thread in self._busy:  # a check's own calls are no attempts
            return
        if id(sys._getframe(1).f_globals) in self._ours:
            return
        self._busy.add(thread)
        try:
            if check is not None:
                check(*arguments)
            else:
                self._change(event, arguments)
        except Exception:  # an odd argument is the snippet's own error: the call itself will raise it
            return
        finally:
            self._busy.discard(thread)

    def _note(self, what: str) -> None:
        if len(self.attempts) < MOST and what not in self.attempts:
            self.attempts.append(what)
            self.on_attempt(what)

    # --- files -----------------------------------------------------------------------------------------------------

    def _open(self, path: Any, _mode: Any, flags: int, *_rest: Any) -> None:
        name = _name(path)
        if name is None:
            return
        if flags & _WRITING or flags & os.O_CREAT:
            creates = bool(flags & os.O_CREAT)
            if self._outside(name, self._write) and (_exists(name) or (creates and _exists(_parent(name)))):
                self._note(f"open {name} for writing")
        elif self._unreadable(name):
            self._note(f"read {name}")

    def _list(self, path: Any = ".", *_rest: Any) -> None:
        name = _name(path)
        if name is not None and self._unreadable(name):
            self._note(f"list {name}")

    def _change(self, event: str, arguments: Sequence[Any]) -> None:
        if event in _ATTRIBUTES:
            path = _name(arguments[0])
            forbidden = not self._attributes or (path and self._is_foreign(arguments, 0, _ATTRIBUTES[event]))
            if forbidden and (path is None or _exists(path)):
                self._note(f"{event} of {path or 'an open file'}")
            return
        if event in _REMOVALS:
            path = self._is_foreign(arguments, *_REMOVALS[event])
            if path and _exists(path):
                self._note(f"{event} of {path}")
        if event in _ADDITIONS:
            path = self._is_foreign(arguments, *_ADDITIONS[event])
            if path and _exists(_parent(path)) and not _exists(path):
                self._note(f"{event} to {path}")

    def _is_foreign(self, arguments: Sequence[Any], path_at: int, folder_at: int | None) -> str:
        """The path among `arguments` if its entry lies outside what may be written, else ""."""
        path = _name(arguments[path_at])
        if path is None or (folder_at is not None and arguments[folder_at] >= 0 and not os.path.isabs(path)):
            return ""
        entry = os.path.join(_real(_parent(path)), os.path.basename(path.rstrip("/")))
        return path if self._outside(entry, self._write, follow=False) else ""

    def _unreadable(self, name: str) -> bool:
        if self._read is None and "/proc" not in name:  # as good as every file that is opened
            return False
        target = _real(name)
        if target.startswith(f"/proc/{self._server}/"):
            return os.path.basename(target) in _PRIVATE
        return self._read is not None and self._outside(name, self._read) and _exists(name)

    @staticmethod
    def _outside(name: str, allowed: Iterable[str], *, follow: bool = True) -> bool:
        target = _real(name) if follow else name
        if "/fd/" in target and target.startswith("/proc/"):  # /dev/stdout and the like: already open
            return False
        return not any(target == root or target.startswith(root.rstrip("/") + "/") for root in allowed)

    # --- network and processes -------------------------------------------------------------------------------------

    def _socket(self, _self: Any, family: int, kind: int, protocol: int) -> None:
        if family == -1:
            return
        name = getattr(family, "name", None) or _family_name(family)
        wraps = not self._sockets and _wraps_descriptor()
        if (not self._sockets and not wraps) or name not in _STANDARD_FAMILIES:
            self._note(f"open a socket ({name})")

    def _bind(self, one: Any, address: Any) -> None:
        if one.family in {socket.AF_INET, socket.AF_INET6} and address[1] != 0:
            self.fixed_port = True

    def _address(self, one: Any, address: Any) -> None:
        if address is not None and one.family in {socket.AF_INET, socket.AF_INET6}:
            self._host(address[0])

    def _host(self, host: Any, *_rest: Any) -> None:
        if isinstance(host, (bytes, bytearray)):
            host = bytes(host).decode("ascii", "replace")
        if not host or not isinstance(host, str):
            return
        name = host.rstrip(".").lower()
        if not (name.endswith(_LOCAL_ENDINGS) or name == socket.gethostname().lower() or _is_local(name)):
            self._note(f"reach {host} over the network")

    def _signal(self, pid: int, number: int) -> None:
        if abs(pid) == self._server:
            self._note(f"send signal {int(number)} to the verifier")


def of(config: Mapping[str, Any], server: int) -> RefusalWatch:
    """The watch for the walls that `confine` builds from the same configuration. `server` is the process to guard."""
    partial = config["state"] == "partial"
    everything = config["state"] == "none"
    write = ["/"] if everything else [*config["write"], *config["devices"]]
    return RefusalWatch(
        write,
        [*config["read"], *config["devices"]] if partial else None,
        sockets=not partial,
        attributes=not partial,
        server=server,
    )


def _name(path: Any) -> str | None:
    """The path as text; None for an open descriptor."""
    if path is None:
        return "."
    return None if isinstance(path, int) else os.fsdecode(path)


def _parent(name: str) -> str:
    return os.path.dirname(name.rstrip("/") or "/") or "."


def _real(name: str) -> str:
    """The path without links. The kernel is asked once: looking at every folder would take long in a deep one."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        if os.path.islink(name) or _parent(name) == name:
            return os.path.realpath(name)
        return os.path.join(_real(_parent(name)), os.path.basename(name.rstrip("/")))
    except (AttributeError, OSError):  # no O_PATH elsewhere than on Linux
        return os.path.realpath(name)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # thousands of folders deep: that is in the scratch folder alone
            raise
        return os.path.realpath(name)
    finally:
        os.close(descriptor)


def _exists(name: str) -> bool:
    try:
        os.lstat(name)
    except (OSError, ValueError):
        return False
    return True


def _both_names(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*paths, *(os.path.realpath(path) for path in paths)]))


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _family_name(family: int) -> str:
    try:
        return socket.AddressFamily(family).name
    except ValueError:
        return f"family {family}"


def _wraps_descriptor() -> bool:
    """Whether the socket object being made is for a socket that is open already, as of `socket.socketpair`."""
    frame = sys._getframe(3)
    return frame.f_globals.get("__name__") == "socket" and frame.f_locals.get("fileno") is not None
