"""How fast are blocks read and written at random, 70 to 30?

What is read is the first half of a file, what is written the second, so that all that is
read can be checked; fio reads and writes in the second.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING

import pyuring
from pyuring import Ring

from .case import Case, Cell, Lineup, Setting
from .fio import fio_contender, fio_system_calls
from .lineups import DEEPEST
from .peers.host import place_job
from .peers.known import PEERS
from .place import MixedPlace
from .rings import Opener, completed_by, part_of
from .threads import loop_threads
from .transfer import Transfer, expect, transfer_contender

if TYPE_CHECKING:
    from .contender import Contender
    from .place import Place

__all__ = ["CASE", "NAME"]

NAME = "mixed"
_BLOCK = 4096
_SWEEP = (8, 32, DEEPEST)
_NO_MORE = -1


@contextmanager
def _system_calls(place: Place) -> Iterator[Transfer]:
    with place.opened() as fd:
        run = _loop(place, fd, place.blocks, place.sources)
        yield Transfer(run, [*place.blocks], sources=place.sources)


def _loop(
    place: Place, fd: int, blocks: Sequence[memoryview], sources: Sequence[memoryview]
) -> Callable[[Sequence[int]], None]:
    size, boundary = place.size, place.boundary or 0

    def run(offsets: Sequence[int]) -> None:
        for block, source, offset in zip(cycle(blocks), cycle(sources), offsets):
            moved = os.preadv(fd, [block], offset) if offset < boundary else os.pwrite(fd, source, offset)
            if moved != size:
                expect(moved, size)

    return run


def _pool(threads: int) -> Opener:
    @contextmanager
    def open_pool(place: Place) -> Iterator[Transfer]:
        with place.opened() as fd, ThreadPoolExecutor(threads) as pool:
            loops = [_loop(place, fd, place.blocks[i::threads], place.sources[i::threads]) for i in range(threads)]

            def run(offsets: Sequence[int]) -> None:
                for future in [pool.submit(loop, offsets[i::threads]) for i, loop in enumerate(loops)]:
                    future.result()

            yield Transfer(run, [*place.blocks], sources=place.sources)

    return open_pool


def _window(depth: int) -> Opener:
    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        size, boundary = place.size, place.boundary or 0
        blocks, sources = place.blocks[:depth], place.sources[:depth]
        part = part_of(depth)
        with place.opened() as fd, Ring(depth) as ring:

            def start(slot: int, offset: int) -> None:
                if offset < boundary:
                    ring.readinto(fd, blocks[slot], offset, user_data=slot)
                else:
                    ring.write(fd, sources[slot], offset, user_data=slot)

            def run(offsets: Sequence[int]) -> None:
                for slot, offset in zip(range(depth), offsets, strict=False):
                    start(slot, offset)
                todo = chain(offsets[depth:], repeat(_NO_MORE))
                while ring.in_flight:
                    for done, offset in zip(ring.wait(part), todo, strict=False):
                        if done.res != size:
                            expect(done.res or 0, size)
                        if offset != _NO_MORE:
                            start(done.user_data, offset)

            yield Transfer(run, [*blocks], completed_by(ring), sources=sources)

    return open_window


@contextmanager
def _two_calls(place: Place) -> Iterator[Transfer]:
    """A batch of reads, then one of writes: what the batch functions can do of it."""
    size, boundary = place.size, place.boundary or 0
    slots = len(place.blocks)
    out = pyuring.aligned_buffer(slots * size)
    view = memoryview(out)
    blocks = [view[start : start + size] for start in range(0, slots * size, size)]
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for start in range(0, len(offsets), slots):
                part = offsets[start : start + slots]
                reads = array("q", [offset for offset in part if offset < boundary])
                writes = array("q", [offset for offset in part if offset >= boundary])
                moved = sum(pyuring.read_ranges(fd, reads, size, out, depth=DEEPEST))
                moved += sum(pyuring.write_ranges(fd, writes, place.sources[: len(writes)], depth=DEEPEST))
                if moved != len(part) * size:
                    expect(moved, len(part) * size)

        yield Transfer(run, [*blocks], sources=place.sources)


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    place = MixedPlace(setting.files.target, size=cell.size, direct=cell.mode == "direct")
    place.restore()
    if not place.direct:
        place.warm()
    threads = loop_threads(place)
    calls = "preadv(2), pwrite(2)"
    backend = "io_uring READ, WRITE"
    found: list[Contender] = [
        transfer_contender(place, "os.preadv, os.pwrite", calls, _system_calls),
        transfer_contender(place, f"thread pool, {threads} loops", f"{threads} threads, {calls}", _pool(threads)),
        transfer_contender(place, "read_ranges and write_ranges", backend, _two_calls),
    ]
    for depth in _SWEEP if setting.thorough else (DEEPEST,):
        found.append(transfer_contender(place, f"pyuring, depth {depth}", backend, _window(depth), depth))
        found.append(fio_contender(place, depth))
    found += [
        setting.peers.contender(
            peer, "mixed", f"{peer.name}, depth {DEEPEST}", backend, depth=DEEPEST, **place_job(place)
        )
        for peer in PEERS
    ]
    return Lineup([*found, fio_system_calls(place)], place.settle)


CASE = Case(
    NAME,
    "How fast are blocks read and written at random, 70 to 30?",
    _lineup,
    unit="operation",
    sizes=(_BLOCK,),
    sweep=(_BLOCK,),
)
