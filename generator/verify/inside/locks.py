"""A program's own `threading.Lock`: the real one behind a look-alike, so that whoever waits for it is known.

Locks that a library makes stay as they are. What Python shows of a lock and of its type is the same in both.
"""

from __future__ import annotations

import asyncio
import copyreg
import pkgutil
import sys
import threading
import types
from types import FrameType
from typing import Any

from .clock import CLOCK
from .waits import BLOCKED, Despair, Telling, in_main, known_wait

_running_loop = asyncio._get_running_loop
_allocate: Any = threading.Lock
_REAL: Any = type(_allocate())


def install() -> None:
    """Put the look-alike in place, once in a process."""
    kind: Any = Lock if isinstance(_allocate, type) else builtin_function_or_method()
    threading.Lock = kind


class _LockType(type):
    """The type of `Lock`: messages name it "_thread.lock", as they name the real one, and its `__name__` is "lock"."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        if bases:
            raise TypeError("type '_thread.lock' is not an acceptable base type")
        kind = super().__new__(cls, "_thread.lock", bases, namespace)
        kind.__qualname__, kind.__module__ = "lock", "_thread"
        return kind

    __name__ = property(lambda cls: "lock")

    def __instancecheck__(cls, item: Any) -> bool:
        return type(item) in (cls, _REAL)


class Lock(metaclass=_LockType):
    """Everything that the real one has. `held` is true from when its taker has left the wait until it is let go."""

    __slots__ = ("__weakref__", "_real", "held")
    _real: Any
    held: bool

    def __new__(cls) -> Any:
        return _lock_for(sys._getframe(1))

    def acquire(self, blocking: Any = True, timeout: Any = -1) -> Any:
        has_limit = timeout != -1
        if not blocking or (has_limit and not (isinstance(timeout, int | float) and timeout > 0)):
            taken = self._real.acquire(blocking, timeout)  # it takes no time, or says what is wrong
        elif not (taken := self._real.acquire(False)):
            taken = self._wait(timeout if has_limit else None, sys._getframe(1))
        if taken:
            self.held = True
        return taken

    def _wait(self, limit: float | None, caller: FrameType) -> Any:
        telling = Telling("Lock.acquire()", caller) if _running_loop() is not None else None
        if limit is not None:
            taken = self._real.acquire(True, limit)
            if telling is not None and not taken:
                telling()
            return taken
        with known_wait(self):
            if not in_main() or CLOCK.forked:
                return self._real.acquire()
            despair = Despair()
            while not self._real.acquire(timeout=BLOCKED):
                if telling is not None:
                    telling()
                despair()
            return True

    def release(self) -> None:
        self.held = False  # before the try: a waiter may go on from here
        self._real.release()

    def locked(self) -> Any:
        return self._real.locked()

    def goes_on(self) -> bool:
        """Whether those that wait for it wait on."""
        return self.held

    def __enter__(self) -> Any:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _REAL

    def __repr__(self) -> str:
        return repr(self._real)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")

    def _at_fork_reinit(self) -> None:
        self.held = False
        self._real._at_fork_reinit()


class builtin_function_or_method:  # noqa: N801 - messages name it
    """`threading.Lock` before 3.13, where it is a function."""

    __name__ = "allocate_lock"
    __module__ = "_thread"
    __slots__ = ()

    def __call__(self) -> Any:
        return _lock_for(sys._getframe(1))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return types.BuiltinFunctionType

    def __repr__(self) -> str:
        return "<built-in function allocate_lock>"

    def __reduce__(self) -> Any:
        return _by_name(self)


def _lock_for(caller: FrameType) -> Any:
    real = _allocate()
    if caller.f_globals.get("__name__") != "__main__":
        return real
    lock = object.__new__(Lock)
    lock._real, lock.held = real, False
    return lock


def _by_name(_kind: Any) -> Any:
    return pkgutil.resolve_name, ("threading:Lock",)


copyreg.pickle(_LockType, _by_name)
