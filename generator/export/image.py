"""An SQLite database as bytes that depend on its content alone.

Two databases of equal content may differ in counters, in the version number that SQLite leaves in the header, and in
bytes of a page that hold nothing any more. The layout: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import sqlite3
import struct

_HEADER = 100
_TABLE_LEAF = 13
_BTREE_PAGES = {2: 12, 5: 12, 10: 8, _TABLE_LEAF: 8}
"""First byte of a b-tree page -> size of its header. Any other page starts with a page number below 2**24: 0."""
_WRITER_VERSION = 3_040_000


def image(connection: sqlite3.Connection) -> bytes:
    """The database file of a connection, freshly packed. Commits what is open."""
    connection.commit()
    connection.execute("VACUUM")
    data = bytearray(connection.serialize())
    page_size = struct.unpack_from(">H", data, 16)[0] or 65536
    if page_size == 1:
        page_size = 65536
    # Change counter, then the change at which the version was noted (equal: the page count in the header holds).
    struct.pack_into(">I", data, 24, 1)
    struct.pack_into(">II", data, 92, 1, _WRITER_VERSION)
    for start in range(0, len(data), page_size):
        clear_unused(data, start)
    return bytes(data)


def clear_unused(data: bytearray, start: int) -> None:
    """Zero what a b-tree page holds between its cell pointers and its cells, and inside its free blocks."""
    header = start + (_HEADER if start == 0 else 0)
    header_size = _BTREE_PAGES.get(data[header])
    if header_size is None:
        return
    free_block, cells, content = struct.unpack_from(">HHH", data, header + 1)
    gap = header + header_size + 2 * cells
    end = start + (content or 65536)
    data[gap:end] = bytes(end - gap)
    while free_block:
        following, size = struct.unpack_from(">HH", data, start + free_block)
        data[start + free_block + 4 : start + free_block + size] = bytes(size - 4)
        free_block = following
