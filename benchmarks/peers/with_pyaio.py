"""`pyaio`: its ring, without the asyncio on top. It brings its own memory, and opens no files."""

from __future__ import annotations

import importlib
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..small import LARGEST
from ..transfer import expect
from . import window

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place
    from ..reading import Reader

__all__ = ["durable", "files", "mixed", "transfer"]


class _Ring:
    def __init__(self, entries: int) -> None:
        # Private there; what is public is for asyncio only, and slower.
        self.ring: Any = importlib.import_module("pyaio._uring").Ring(entries)
        self._ready = select.epoll(1)
        self._ready.register(self.ring.fileno(), select.EPOLLIN)

    def reap(self) -> list[tuple[Any, int, bytearray | None]]:
        self.ring.submit()
        while not (done := self.ring.reap()):
            self._ready.poll()
        return list(done)

    def close(self) -> None:
        self._ready.close()
        self.ring.close()


@contextmanager
def _ring(entries: int) -> Iterator[_Ring]:
    ring = _Ring(entries)
    try:
        yield ring
    finally:
        ring.close()


class _Driver:
    def __init__(self, ring: _Ring, place: Place, fd: int, depth: int) -> None:
        self.sources = (place.sources or place.blocks)[:depth]
        self._own = not place.writing or place.boundary is not None
        self.blocks: list[Block] = [b""] * depth if self._own else [*place.blocks[:depth]]
        self._ring = ring
        self._fd = fd
        self._size = place.size
        self._read = ring.ring.submit_read
        self._write = ring.ring.submit_write

    def read(self, slot: int, offset: int) -> None:
        self._read(self._fd, offset, self._size, slot)

    def write(self, slot: int, offset: int) -> None:
        self._write(self._fd, self.sources[slot], offset, slot)

    def reap(self) -> Sequence[tuple[int, int]]:
        found = []
        for slot, res, payload in self._ring.reap():
            if payload is not None:
                self.blocks[slot] = payload
            found.append((slot, res))
        return found

    def sync(self) -> None:
        self._ring.ring.submit_fsync(self._fd, True, 0)
        for _, res, _ in self._ring.reap():
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
    """Opened and closed by system calls, `depth` files at a time, and read by the ring."""
    with _ring(depth) as ring:

        def read(paths: Sequence[str]) -> list[bytearray]:
            contents = [bytearray()] * len(paths)
            todo = iter(range(len(paths)))

            def open_next() -> int:
                if (number := next(todo, None)) is None:
                    return 0
                fd = os.open(paths[number], os.O_RDONLY | os.O_CLOEXEC)
                ring.ring.submit_read(fd, 0, LARGEST + 1, (number, fd))
                return 1

            missing = sum(open_next() for _ in range(depth))
            while missing:
                for token, res, payload in ring.reap():
                    number, fd = token
                    if res < 0 or payload is None:
                        expect(res, 0)
                        continue
                    contents[number] = payload
                    os.close(fd)
                    missing += open_next() - 1
            return contents

        yield read
