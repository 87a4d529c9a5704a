"""Memory to read into: as much as wanted, or little of it at many addresses."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

from .place import touch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["repeated"]

_MAP_FIXED = 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def repeated(segment: int, times: int) -> tuple[mmap.mmap, Sequence[memoryview]]:
    """Memory in which the same `segment` bytes, whole pages, come again `times` times.

    fio reads each block over one of few before it, thousands of times in one run. One call
    that reads thousands of blocks does the same in this memory: both have to do with as
    many bytes.

    Returns:
        All of it, and a view of each time.
    """
    if segment % mmap.PAGESIZE:
        raise ValueError(f"{segment} bytes are not whole pages")
    memory = mmap.mmap(-1, segment * times)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fd = os.memfd_create("repeated", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, segment)
        for number in range(times):
            where = address + number * segment
            kind = mmap.MAP_SHARED | _MAP_FIXED
            if _libc.mmap(where, segment, mmap.PROT_READ | mmap.PROT_WRITE, kind, fd, 0) != where:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
    whole = memoryview(memory)
    touch(whole)
    return memory, [whole[start : start + segment] for start in range(0, segment * times, segment)]
