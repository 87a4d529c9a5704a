"""YoSTEALTH's `liburing`: liburing itself, call by call. It reads into bytearrays only, and keeps none alive."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..place import touch
from ..small import LARGEST
from ..transfer import expect
from . import window

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place
    from ..reading import Reader

__all__ = ["durable", "files", "mixed", "transfer"]

_PAGE = 4096


def _aligned(size: int) -> bytearray:
    """A bytearray for O_DIRECT. Cutting its beginning off moves it, but not to other memory.

    That is so as long as no more than half of it is cut off.
    """
    alignment = min(size, _PAGE)
    memory = bytearray(size + alignment)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    del memory[: -address % alignment]
    del memory[size:]
    if ctypes.addressof(ctypes.c_char.from_buffer(memory)) % alignment:
        raise MemoryError("this bytearray cannot be aligned")
    touch(memoryview(memory))
    return memory


class _Ring:
    """The calls that everything here is made of."""

    def __init__(self, module: Any, entries: int) -> None:
        self.module = module
        self.ring = module.Ring()
        self._cqe = module.Cqe()
        flags = module.IORING_SETUP_SINGLE_ISSUER | module.IORING_SETUP_DEFER_TASKRUN
        module.io_uring_queue_init(entries, self.ring, flags)

    def entry(self) -> Any:
        return self.module.io_uring_get_sqe(self.ring)

    def reap(self) -> list[tuple[int, int]]:
        self.module.io_uring_submit_and_wait(self.ring, 1)
        cqe = self._cqe
        # The iterator, because an index past the ring's end reads beyond it.
        found = []
        for _ in self.module.CqeIter(self.ring, cqe):
            done = cqe[0]
            found.append((done.user_data, done.res))
        self.module.io_uring_cq_advance(self.ring, len(found))
        return found


@contextmanager
def _ring(entries: int) -> Iterator[_Ring]:
    ring = _Ring(importlib.import_module("liburing"), entries)
    try:
        yield ring
    finally:
        ring.module.io_uring_queue_exit(ring.ring)


class _Driver:
    def __init__(self, ring: _Ring, place: Place, fd: int, depth: int) -> None:
        self._memory = [_aligned(place.size) for _ in range(depth)]
        self.blocks: list[Block] = [memoryview(each) for each in self._memory]
        is_mixed = place.boundary is not None
        self._sources = [_aligned(place.size) for _ in range(depth)] if is_mixed else self._memory
        self.sources = [memoryview(each) for each in self._sources]
        self._ring = ring
        self._fd = fd
        self._read = ring.module.io_uring_prep_read
        self._write = ring.module.io_uring_prep_write

    def read(self, slot: int, offset: int) -> None:
        entry = self._ring.entry()
        self._read(entry, self._fd, self._memory[slot], offset=offset)
        entry.user_data = slot

    def write(self, slot: int, offset: int) -> None:
        entry = self._ring.entry()
        self._write(entry, self._fd, self._sources[slot], offset=offset)
        entry.user_data = slot

    def reap(self) -> Sequence[tuple[int, int]]:
        return self._ring.reap()

    def sync(self) -> None:
        entry = self._ring.entry()
        self._ring.module.io_uring_prep_fsync(entry, self._fd, fsync_flags=self._ring.module.IORING_FSYNC_DATASYNC)
        entry.user_data = 0
        for _, res in self._ring.reap():
            if res:
                expect(res, 0)


@contextmanager
def _driver(place: Place, fd: int, depth: int) -> Iterator[_Driver]:
    with _ring(depth) as ring:
        yield _Driver(ring, place, fd, depth)


transfer = partial(window.transfer, _driver)
mixed = partial(window.mixed, _driver)
durable = partial(window.durable, _driver)


@contextmanager
def files(depth: int) -> Iterator[Reader]:
    """`depth` files at a time, each opened and read by the ring."""
    with _ring(depth) as ring:
        module = ring.module

        def read(paths: Sequence[str]) -> list[memoryview]:
            buffers = [bytearray()] * len(paths)
            contents = [memoryview(b"")] * len(paths)
            descriptors: dict[int, int] = {}
            todo = iter(range(len(paths)))

            def open_next() -> int:
                if (number := next(todo, None)) is None:
                    return 0
                entry = ring.entry()
                module.io_uring_prep_open(entry, paths[number], flags=os.O_RDONLY | os.O_CLOEXEC)
                entry.user_data = number
                return 1

            missing = sum(open_next() for _ in range(depth))
            while missing:
                for number, res in ring.reap():
                    if res < 0:
                        expect(res, 0)
                    if number not in descriptors:
                        descriptors[number] = res
                        buffers[number] = bytearray(LARGEST + 1)
                        entry = ring.entry()
                        module.io_uring_prep_read(entry, res, buffers[number], offset=0)
                        entry.user_data = number
                        continue
                    contents[number] = memoryview(buffers[number])[:res]
                    os.close(descriptors.pop(number))
                    missing += open_next() - 1
            return contents

        yield read
