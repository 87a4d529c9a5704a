"""Making use of memory that was freed too early show."""

from __future__ import annotations

import gc
import os
import time

import pyuring

BLOCK = 4096
#: Alignment that O_DIRECT asks for on any common disk.
ALIGNMENT = 512
#: On the heap, not mapped separately: freed memory is used again.
ROOM = BLOCK + ALIGNMENT

#: What the tests' files and messages consist of, and nothing else does.
MARK = 0xAA
UNTOUCHED = 0x33


class Buffer(bytearray):
    """A bytearray that can be referred to weakly."""


def churn(reads: int = 200) -> list[bytearray]:
    """Collect garbage, and fill every free spot of the heap, at all sizes in use here.

    `reads` is the number of buffers of `start_reads` there may have been.
    """
    gc.collect()
    sizes = {16: 200, 32: 200, 64: 200, 100: 200, 128: 200, 256: 200, 512: 200, 1000: 200, 2048: 200}
    sizes |= {BLOCK: 200, ROOM: reads, 16384: 40, 65536: 40}
    return [bytearray([UNTOUCHED]) * size for size, count in sizes.items() for _ in range(count)]


def is_untouched(foreign: list[bytearray]) -> bool:
    """Whether nobody wrote into what `churn` returned."""
    return all(piece.count(UNTOUCHED) == len(piece) for piece in foreign)


def aligned(buffer: bytearray) -> memoryview:
    """The aligned block in a bytearray of ROOM bytes."""
    with memoryview(buffer) as view:
        address = int(pyuring.ffi.cast("uintptr_t", pyuring.ffi.from_buffer(buffer)))
        start = -address % ALIGNMENT
        return view[start : start + BLOCK]


def make_file(path: str, blocks: int) -> None:
    """A file of that many blocks of MARK, on disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for _ in range(blocks):
        os.write(fd, bytes([MARK]) * BLOCK)
    os.fsync(fd)
    os.close(fd)


def start_reads(ring: pyuring.Ring, fd: int, blocks: int, count: int) -> list[pyuring.Completion[int]]:
    """Issue reads that cannot be cancelled: O_DIRECT, into heap buffers that only the ring knows.

    They jump about in the file, so that the kernel cannot join them to a few quick ones.
    """
    ops = [
        ring.readinto(fd, aligned(bytearray(ROOM)), offset=number * 127 % blocks * BLOCK, user_data=number)
        for number in range(count)
    ]
    ring.submit()
    return ops


def disk_has_settled(path: str) -> None:
    """Return when reads that were issued before have ended."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    view = aligned(bytearray(ROOM))
    for _ in range(200):
        os.preadv(fd, [view], 0)
    os.close(fd)
    time.sleep(0.1)
