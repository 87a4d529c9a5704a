"""What the kernel's page cache has of a file, by cachestat(2): Linux 6.5."""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple

PAGE = 4096
_CACHESTAT = 451
_LIBC = ctypes.CDLL(None, use_errno=True)


class Pages(NamedTuple):
    """Pages of a part of a file."""

    cached: int
    dirty: int
    written_back: int
    evicted: int
    recently_evicted: int


def pages_of(fd: int, offset: int = 0, length: int = 0) -> Pages:
    """The pages of `length` bytes at `offset`; of all up to the end for a length of 0."""
    part, found = (ctypes.c_uint64 * 2)(offset, length), (ctypes.c_uint64 * 5)()
    answer = _LIBC.syscall(ctypes.c_long(_CACHESTAT), ctypes.c_int(fd), part, found, ctypes.c_uint(0))
    assert answer == 0, ctypes.get_errno()
    return Pages(*found)


def write_pages(fd: int, count: int) -> None:
    """Make the file `count` pages long, each of them dirty, and a folio of its own.

    One write of all would make a large folio, which is written back and dropped as a whole.
    """
    os.ftruncate(fd, 0)
    for page in range(count):
        os.pwrite(fd, os.urandom(PAGE), page * PAGE)
