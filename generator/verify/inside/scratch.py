"""The folder that a snippet may write to: made empty before each one, and measured while one runs."""

from __future__ import annotations

import contextlib
import os
import stat

FOLDERS = ("home", "shm", "tmp")
"""What an empty scratch folder holds: the working folder, and what `/dev/shm` and `/tmp` stand for."""

DEEPEST = 64
"""Folders in folders that a snippet may make where they must be walked: each step down takes longer than the last."""


def fresh(scratch: str, own_volume: bool = False) -> bool:
    """Makes `scratch` as good as new: `FOLDERS`, each of them empty. No process of a snippet may be alive any more.

    Nothing is followed out of the folder. False if something cannot be removed; then nothing may run here again.
    """
    try:
        if not _is_fresh(scratch, own_volume):
            _empty(scratch)
            for name in _attributes(scratch):
                os.removexattr(scratch, name)
            for name in FOLDERS:
                os.mkdir(f"{scratch}/{name}", 0o700)
    except OSError:
        return False
    return True


def wipe(scratch: str) -> bool:
    """Empties `scratch`; False if something cannot be removed."""
    try:
        _empty(scratch)
    except OSError:
        return False
    return True


def used(scratch: str, own_volume: bool, most: int = 100_000) -> tuple[int, int]:
    """Bytes and files in `scratch`. It may be changing meanwhile; what cannot be looked at is not counted.

    `own_volume`: nothing else is on its file system, which then is asked (a microsecond). Else the folder is walked, up
    to `most` files; a tree deeper than `DEEPEST` counts as that many.
    """
    if own_volume:
        volume = os.statvfs(scratch)
        return (volume.f_blocks - volume.f_bfree) * volume.f_frsize, volume.f_files - volume.f_ffree
    size = files = 0
    folders = [(scratch, 0)]
    while folders and files < most:
        folder, depth = folders.pop()
        if depth > DEEPEST:
            return size, most
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    files += 1
                    status = entry.stat(follow_symlinks=False)
                    size += getattr(status, "st_blocks", status.st_size // 512 + 1) * 512  # Windows has no blocks
                    if stat.S_ISDIR(status.st_mode):
                        folders.append((entry.path, depth + 1))
        except OSError:
            continue
    return size, files


def _is_fresh(scratch: str, own_volume: bool) -> bool:
    try:
        alone = False
        if own_volume:  # as many inodes as these folders and their root have: then there is nothing else
            volume = os.statvfs(scratch)
            alone = volume.f_files - volume.f_ffree == len(FOLDERS) + 1
        if not alone and sorted(os.listdir(scratch)) != list(FOLDERS):
            return False
        if _attributes(scratch):
            return False
        for name in FOLDERS:
            mode = os.lstat(f"{scratch}/{name}").st_mode
            if not stat.S_ISDIR(mode) or stat.S_IMODE(mode) != 0o700 or _attributes(f"{scratch}/{name}"):
                return False
            if not alone and os.listdir(f"{scratch}/{name}"):
                return False
    except OSError:
        return False
    return True


def _attributes(path: str) -> list[str]:
    """Extended attributes: an access list there would hold for all that is made in the folder later."""
    return os.listxattr(path, follow_symlinks=False) if hasattr(os, "listxattr") else []


def _empty(scratch: str) -> None:
    """Removes everything in `scratch`. Raises OSError where it cannot.

    A folder in a folder is first moved up to `scratch`: so no path grows too long and no recursion too deep, however
    deep the tree.
    """
    if not stat.S_ISDIR(os.lstat(scratch).st_mode):
        raise NotADirectoryError(scratch)
    with contextlib.suppress(PermissionError):  # root's, where bubblewrap was started by root: nobody can close it
        os.chmod(scratch, 0o700)
    unused = f"{scratch}/{os.urandom(16).hex()}-"
    moved = 0
    folders = [scratch]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            path = f"{unused}{moved}"
            moved += 1
            os.rename(entry.path, path)
            folders.append(path)
        if folder != scratch:
            os.rmdir(folder)
