"""Bytes into a zip archive that depends on nothing else, and bytes into a file that is whole or untouched."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can hold
_UNIX = 3
_DEFLATE_LEVEL = 9


def zip_members(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A deflated zip archive of (name, content), in the order given, with one date and one mode for all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, _FIRST_DATE)
            info.create_system = _UNIX
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, _DEFLATE_LEVEL)
    return buffer.getvalue()


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` into the file `path`, whole or not at all; a file that was there stays as it is until then.

    The file is always replaced, even by equal bytes, so its time says when it was last built. It keeps its mode; a
    new one gets the mode the umask gives. A symbolic link stays a link and its target is replaced; a device or a pipe
    is written to. The folder must exist. Raises OSError, and leaves no temporary file.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the system can. The file itself is in its place already."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
