"""kangtegong's `pyuring`: one system call for each asynchronous operation, through ctypes."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..small import LARGEST
from ..transfer import Transfer, expect
from . import window

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place
    from ..reading import Reader

__all__ = ["durable", "files", "mixed", "offsets", "transfer"]


@contextmanager
def _ring(entries: int) -> Iterator[Any]:
    with importlib.import_module("pyuring").UringCtx(entries=entries) as ring:
        yield ring


def _pointers(blocks: Sequence[memoryview]) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(block))) for block in blocks]


class _Driver:
    def __init__(self, ring: Any, place: Place, fd: int, depth: int) -> None:
        self.blocks: list[Block] = [*place.blocks[:depth]]
        self.sources = (place.sources or place.blocks)[:depth]
        self._into = _pointers(place.blocks[:depth])
        self._from = _pointers(self.sources)
        self._ring = ring
        self._fd = fd
        self._size = place.size

    def read(self, slot: int, offset: int) -> None:
        self._ring.read_async_ptr(self._fd, self._into[slot], self._size, offset, slot)

    def write(self, slot: int, offset: int) -> None:
        self._ring.write_async_ptr(self._fd, self._from[slot], self._size, offset, slot)

    def reap(self) -> Sequence[tuple[int, int]]:
        found = [self._ring.wait_completion()]
        while (more := self._ring.peek_completion()) is not None:
            found.append(more)
        return found

    def sync(self) -> None:
        self._ring.fsync_fd(self._fd, datasync=True)


@contextmanager
def _driver(place: Place, fd: int, depth: int) -> Iterator[_Driver]:
    with _ring(depth) as ring:
        yield _Driver(ring, place, fd, depth)


transfer = partial(window.transfer, _driver)
mixed = partial(window.mixed, _driver)
durable = partial(window.durable, _driver)


def offsets(depth: int) -> window.Opener:
    """Its own batch function: the nearest to `read_ranges` of all peers. It gives one new bytes object."""

    @contextmanager
    def open_batches(place: Place) -> Iterator[Transfer]:
        size = place.size
        kept: list[Block] = [b""] * depth
        last = [b""]
        with place.opened() as fd, _ring(depth) as ring:

            def run(wanted: Sequence[int]) -> None:
                for start in range(0, len(wanted), depth):
                    part = wanted[start : start + depth]
                    last[0] = ring.read_offsets(fd, size, part)
                    if len(last[0]) != size * len(part):
                        expect(len(last[0]), size * len(part))

            def collect() -> None:
                parts = [last[0][start : start + size] for start in range(0, len(last[0]), size)]
                kept[: len(parts)] = parts

            # Whole batches: of a part of one, the blocks behind it would be those of the batch before.
            yield Transfer(run, kept, at_least=depth, whole=depth, in_order=True, collect=collect)

    return open_batches


@contextmanager
def files(depth: int) -> Iterator[Reader]:
    """One after the other, with a system call each: it has no asynchronous open."""
    with _ring(8) as ring:

        def read(paths: Sequence[str]) -> list[bytes]:
            contents = []
            for path in paths:
                fd = ring.openat(path, os.O_RDONLY | os.O_CLOEXEC)
                contents.append(ring.read(fd, LARGEST + 1, 0))
                ring.close_fd(fd)
            return contents

        yield read
