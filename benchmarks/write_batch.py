"""What does it cost to make many small records durable, each alone or all of a batch together?

One sync for a batch promises less than one for each record: no record of it is safe before
all are. The names say which of the two was done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING

from pyuring import Ring

from .batches import range_writes
from .case import Case, Cell, Lineup, Setting
from .fio import fio_contender, fio_system_calls
from .lineups import DEEPEST
from .peers.host import place_job
from .peers.known import PEERS
from .place import Place
from .rings import Opener, completed_by
from .transfer import Transfer, expect, transfer_contender

if TYPE_CHECKING:
    from .contender import Contender

__all__ = ["ALONE", "BATCH", "CASE", "EACH", "NAME", "TOGETHER", "WRITERS"]

NAME = "write-batch"
EACH = "os.pwrite, os.fdatasync each"
BATCH = DEEPEST
TOGETHER = f"write_ranges, 1 sync for {BATCH}"
#: The same promise without a ring.
ALONE = f"os.pwrite, 1 sync for {BATCH}"
#: Each record by itself, from many threads.
WRITERS = "32 threads, os.fdatasync each"
_BLOCK = 4096
_CHAINS = (8, 32, 128)
_THREADS = (8, 32)
_NO_MORE = -1


@contextmanager
def _each(place: Place) -> Iterator[Transfer]:
    size = place.size
    blocks = place.blocks[:8]
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for block, offset in zip(cycle(blocks), offsets):
                if (moved := os.pwrite(fd, block, offset)) != size:
                    expect(moved, size)
                os.fdatasync(fd)

        yield Transfer(run, [*blocks])


@contextmanager
def _together(place: Place) -> Iterator[Transfer]:
    size = place.size
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for start in range(0, len(offsets), BATCH):
                for block, offset in zip(place.blocks, offsets[start : start + BATCH], strict=False):
                    if (moved := os.pwrite(fd, block, offset)) != size:
                        expect(moved, size)
                os.fdatasync(fd)

        yield Transfer(run, [*place.blocks])


@contextmanager
def _neighbours(place: Place) -> Iterator[Transfer]:
    """Records that lie side by side, as in a log: one system call writes them all."""
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            start = 0
            while start < len(offsets):
                # Where the file ends, its beginning comes next.
                room = (place.length - offsets[start]) // place.size
                count = min(BATCH, len(offsets) - start, room)
                moved = os.pwritev(fd, place.blocks[:count], offsets[start])
                if moved != count * place.size:
                    expect(moved, count * place.size)
                os.fdatasync(fd)
                start += count

        yield Transfer(run, [*place.blocks])


def _writers(threads: int) -> Opener:
    """Threads that each write a record, make it durable, and take the next."""

    @contextmanager
    def open_writers(place: Place) -> Iterator[Transfer]:
        size = place.size
        with place.opened() as fd, ThreadPoolExecutor(threads) as pool:

            def share(blocks: Sequence[memoryview], offsets: Sequence[int]) -> None:
                for block, offset in zip(cycle(blocks), offsets):
                    if (moved := os.pwrite(fd, block, offset)) != size:
                        expect(moved, size)
                    os.fdatasync(fd)

            def run(offsets: Sequence[int]) -> None:
                blocks = place.blocks[:threads]
                for future in [pool.submit(share, blocks[i::threads], offsets[i::threads]) for i in range(threads)]:
                    future.result()

            yield Transfer(run, [*place.blocks[:threads]])

    return open_writers


def _chains(depth: int) -> Opener:
    """As many writers, each a chain of two operations in one ring."""

    @contextmanager
    def open_chains(place: Place) -> Iterator[Transfer]:
        size = place.size
        blocks = place.blocks[:depth]
        with place.opened() as fd, Ring(2 * depth) as ring:

            def prepare(slot: int, offset: int) -> None:
                with ring.link():
                    ring.write(fd, blocks[slot], offset)
                    ring.fdatasync(fd, user_data=slot)

            def run(offsets: Sequence[int]) -> None:
                for slot, offset in zip(range(depth), offsets, strict=False):
                    prepare(slot, offset)
                todo = chain(offsets[depth:], repeat(_NO_MORE))
                while ring.in_flight:
                    for done in ring.wait():
                        wanted = size if done.user_data is None else 0
                        if done.res != wanted:
                            expect(done.res or 0, wanted)
                        if done.user_data is not None and (offset := next(todo)) != _NO_MORE:
                            prepare(done.user_data, offset)

            yield Transfer(run, [*blocks], completed_by(ring, per_operation=2))

    return open_chains


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    def place(*, sequential: bool) -> Place:
        path, direct = setting.files.target, cell.mode == "direct"
        return Place(path, size=cell.size, direct=direct, sequential=sequential, writing=True)

    scattered, log = place(sequential=False), place(sequential=True)
    if not scattered.direct:
        scattered.warm()

    def add(where: Place, name: str, backend: str, opener: Opener, depth: int | None = None) -> None:
        found.append(transfer_contender(where, name, backend, opener, depth))

    found: list[Contender] = []
    add(scattered, EACH, "pwrite(2), fdatasync(2)", _each)
    add(scattered, ALONE, "pwrite(2), fdatasync(2)", _together)
    add(log, f"os.pwritev, a log, 1 sync for {BATCH}", "pwritev(2), fdatasync(2)", _neighbours)
    add(scattered, TOGETHER, "WRITE, fdatasync(2)", range_writes(DEEPEST, BATCH, durable=True), DEEPEST)
    for threads in _THREADS:
        name = f"{threads} threads, os.fdatasync each"
        add(scattered, name, "pwrite(2), fdatasync(2)", _writers(threads), threads)
    for depth in _CHAINS:
        add(scattered, f"pyuring linked, depth {depth}", "io_uring WRITE -> FSYNC", _chains(depth), depth)
    for peer in PEERS:
        name = f"{peer.name}, 1 sync for {BATCH}"
        found.append(
            setting.peers.contender(peer, "durable", name, "io_uring WRITE", depth=BATCH, **place_job(scattered))
        )
    found += [fio_system_calls(scattered, fdatasync=1), fio_contender(scattered, DEEPEST, fdatasync=BATCH)]
    return Lineup(found, scattered.settle)


CASE = Case(
    NAME,
    "How fast are records made durable, each alone or all of a batch together?",
    _lineup,
    unit="write",
    sizes=(_BLOCK,),
    sweep=(_BLOCK,),
)
