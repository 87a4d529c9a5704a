"""One range: a system call of its own is done before a ring has begun."""

from __future__ import annotations

import os
from array import array
from operator import index
from typing import Any

__all__ = ["read_one", "write_one"]

#: More than that takes long enough for a signal handler to wait.
_LARGEST = 1 << 20


def read_one(fd: Any, offsets: Any, length: Any, out: Any) -> list[memoryview] | array[int] | None:
    """What `read_ranges` returns for one short range of `fd`; None where this is not enough to do it.

    Whatever is unusual, an error among it, is left to the ring, which tells more of it.
    """
    try:
        if len(offsets) != 1 or not 0 < length <= _LARGEST:
            return None
        offset = offsets[0]
        if offset.__class__ is not int:
            offset = _index(offset)
        if offset < 0:  # which preadv2(2) takes for the file's own position
            return None
        memory: Any = out
        if out is None:
            memory = bytearray(length)
        elif out.__class__ is not bytearray or len(out) != length:
            memory = memoryview(out).cast("B")[:length]
            if len(memory) != length:
                return None
        count = os.preadv(fd, [memory], offset)
        while 0 < count < length and (more := os.preadv(fd, [memoryview(memory)[count:]], offset + count)):
            count += more
    except (OSError, TypeError, ValueError, OverflowError, BufferError):
        return None
    return array("q", (count,)) if out is not None else [memoryview(memory)[:count]]


def _index(offset: Any) -> int:
    if offset.__class__ is bool:
        raise TypeError("a bool is no offset")
    return index(offset)


def write_one(fd: Any, offsets: Any, buffers: Any) -> array[int] | None:
    """What `write_ranges` returns for one short piece; None where this is not enough to do it."""
    try:
        if len(offsets) != 1 or len(buffers) != 1:
            return None
        view = memoryview(buffers[0])
        size = view.nbytes
        offset = _index(offsets[0])
        if offset < 0 or not 0 < size <= _LARGEST or os.pwritev(fd, [view], offset) != size:
            return None  # if it was less, once more from its beginning: it may be that the disk is full
    except (OSError, TypeError, ValueError, OverflowError, BufferError):
        return None
    return array("q", (size,))
