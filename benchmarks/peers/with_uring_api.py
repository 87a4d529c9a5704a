"""`uring-api`: the strongest other ring. It has neither fsync nor links."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from ..small import LARGEST
from ..transfer import Transfer, expect
from . import window

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place
    from ..reading import Reader
    from ..rounds import Loop
    from .window import Opener

__all__ = ["CANNOT", "durable", "files", "mixed", "nops", "transfer"]

CANNOT = {"linked": "has neither fsync nor links"}

_NO_MORE = -1
_HERE = -100  # AT_FDCWD
_NO_SUCH_DESCRIPTOR = 999_999
_EBADF = 9


@contextmanager
def _ring(entries: int) -> Iterator[Any]:
    """A ring with the flags that serve it best, as pyuring picks them by itself."""
    module = importlib.import_module("uring_api")
    with module.Ring(entries, module.IORING_SETUP_SINGLE_ISSUER | module.IORING_SETUP_DEFER_TASKRUN) as ring:
        yield ring


class _Driver:
    def __init__(self, ring: Any, place: Place, fd: int, depth: int) -> None:
        self.blocks: list[Block] = [*place.blocks[:depth]]
        self.sources = place.sources[:depth] or place.blocks[:depth]
        self._ring = ring
        self._fd = fd

    def read(self, slot: int, offset: int) -> None:
        self._ring.prepare_read(self._fd, self.blocks[slot], offset, slot)

    def write(self, slot: int, offset: int) -> None:
        self._ring.prepare_write(self._fd, self.sources[slot], offset, slot)

    def reap(self) -> Sequence[tuple[int, int]]:
        return [(done.user_data, done.res) for done in self._ring.wait()]

    def sync(self) -> None:
        os.fdatasync(self._fd)


@contextmanager
def _driver(place: Place, fd: int, depth: int) -> Iterator[_Driver]:
    with _ring(depth) as ring:
        yield _Driver(ring, place, fd, depth)


mixed = partial(window.mixed, _driver)
durable = partial(window.durable, _driver)


def transfer(depth: int) -> Opener:
    """Written out, as `rings.window` is: the strongest peer is to be at its best."""

    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        size = place.size
        blocks = place.blocks[:depth]
        with place.opened() as fd, _ring(depth) as ring:
            move = ring.prepare_write if place.writing else ring.prepare_read

            def run(offsets: Sequence[int]) -> None:
                for block, offset in zip(blocks, offsets, strict=False):
                    move(fd, block, offset, block)
                todo = chain(offsets[depth:], repeat(_NO_MORE))
                missing = len(offsets)
                while missing:
                    completions = ring.wait()
                    missing -= len(completions)
                    for done, offset in zip(completions, todo, strict=False):
                        if done.res != size:
                            expect(done.res, size)
                        if offset != _NO_MORE:
                            block = done.user_data
                            move(fd, block, offset, block)

            yield Transfer(run, [*blocks], lambda: int(ring.stats()["cqe"]))

    return open_window


@contextmanager
def files(depth: int) -> Iterator[Reader]:
    """`depth` files at a time, each opened and read by the ring."""
    with _ring(2 * depth) as ring:

        def read(paths: Sequence[str]) -> list[memoryview]:
            contents = [memoryview(b"")] * len(paths)
            todo = iter(range(len(paths)))

            def open_next() -> int:
                if (number := next(todo, None)) is None:
                    return 0
                ring.prepare_openat(_HERE, paths[number], os.O_RDONLY | os.O_CLOEXEC, 0, (number, None))
                return 1

            missing = sum(open_next() for _ in range(depth))
            while missing:
                for done in ring.wait():
                    number, fd = done.user_data
                    if done.res < 0:
                        expect(done.res, 0)
                    if fd is None:
                        contents[number] = memoryview(bytearray(LARGEST + 1))
                        ring.prepare_read(done.res, contents[number], 0, (number, done.res))
                        continue
                    contents[number] = contents[number][: done.res]
                    os.close(fd)
                    missing += open_next() - 1
            return contents

        yield read


@contextmanager
def nops(batch: int) -> Iterator[Loop]:
    """Round trips with as little work for the kernel as it can ask for."""
    with _ring(batch) as ring:

        def loop(rounds: int) -> None:
            for _ in range(rounds):
                for _ in range(batch):
                    ring.prepare_close(_NO_SUCH_DESCRIPTOR)
                missing = batch
                while missing:
                    completions = ring.wait()
                    missing -= len(completions)
                    for done in completions:
                        if done.res != -_EBADF:
                            expect(done.res, 0)

        yield loop
