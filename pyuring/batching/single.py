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
        if len(offsets) != 1 or not 0 < length <= _LARGEST or (offset := offsets[0]).__class__ is bool:
            return None
        offset = index(offset)
        if out is None:
            view = memoryview(bytearray(length))
        else:
            view = memoryview(out)
            if view.nbytes != length:
                view = view.cast("B")[:length]
        if view.nbytes != length or offset < 0 or offset > 2**62:
            return None
        count = os.preadv(fd, [view], offset)
        while 0 < count < length and (more := os.preadv(fd, [view.cast("B")[count:]], offset + count)):
            count += more
    except (OSError, TypeError, ValueError, BufferError):
        return None
    return array("q", (count,)) if out is not None else [view[:count]]


def write_one(fd: Any, offsets: Any, buffers: Any) -> array[int] | None:
    """What `write_ranges` returns for one short piece; None where this is not enough to do it."""
    try:
        if len(offsets) != 1 or len(buffers) != 1 or (offset := offsets[0]).__class__ is bool:
            return None
        offset = index(offset)
        view = memoryview(buffers[0])
        if not 0 < view.nbytes <= _LARGEST or offset < 0 or offset > 2**62 or not view.c_contiguous:
            return None
        if os.pwritev(fd, [view], offset) != view.nbytes:
            return None  # once more, from its beginning: it may be that the disk is full
    except (OSError, TypeError, ValueError, BufferError):
        return None
    return array("q", (view.nbytes,))
