"""Contenders of the standard library, in a thread pool."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

from .transfer import Transfer, expect

if TYPE_CHECKING:
    from .place import Place

__all__ = ["TASK_THREADS", "loop_threads", "shares", "tasks"]

#: More of them were no faster with a task for each block: handing it over costs more.
TASK_THREADS = 8
_WAITING_THREADS = 32


def loop_threads(place: Place) -> int:
    """Threads that wait for a disk can be many; those that copy memory need a CPU each."""
    return _WAITING_THREADS if place.direct else len(os.sched_getaffinity(0))


def _block_mover(place: Place, fd: int) -> Callable[[memoryview, int], None]:
    size = place.size

    def read_block(block: memoryview, offset: int) -> None:
        if (moved := os.preadv(fd, [block], offset)) != size:
            expect(moved, size)

    def write_block(block: memoryview, offset: int) -> None:
        if (moved := os.pwrite(fd, block, offset)) != size:
            expect(moved, size)

    return write_block if place.writing else read_block


@contextmanager
def tasks(place: Place) -> Iterator[Transfer]:
    """A task for each block, with ``map``: what most programs do."""
    with place.opened() as fd, ThreadPoolExecutor(TASK_THREADS) as pool:
        move = _block_mover(place, fd)
        slots = len(place.blocks)

        def run(offsets: Sequence[int]) -> None:
            # A round of blocks at a time, so that no two tasks share a block.
            for start in range(0, len(offsets), slots):
                for _ in pool.map(move, place.blocks, offsets[start : start + slots]):
                    pass

        yield Transfer(run, [*place.blocks], in_order=True)


@contextmanager
def shares(place: Place) -> Iterator[Transfer]:
    """A task for each thread, which loops over its share: the best a pool can do."""
    count = loop_threads(place)
    with place.opened() as fd, ThreadPoolExecutor(count) as pool:
        move = _block_mover(place, fd)

        def share(blocks: Sequence[memoryview], offsets: Sequence[int]) -> None:
            for block, offset in zip(cycle(blocks), offsets):
                move(block, offset)

        def run(offsets: Sequence[int]) -> None:
            futures = [pool.submit(share, place.blocks[i::count], offsets[i::count]) for i in range(count)]
            for future in futures:
                future.result()

        yield Transfer(run, [*place.blocks])
