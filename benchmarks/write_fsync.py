"""How fast are blocks written so that each is safe on the disk before it counts?

With a ring the write and the fsync are a chain: one system call for both, or for many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any

from pyuring import Ring

from .case import file_case
from .fio import fio_contender
from .peers.host import place_job
from .peers.known import BEST
from .rings import completed_by
from .transfer import Transfer, expect, transfer_contender

if TYPE_CHECKING:
    from .case import Setting
    from .contender import Contender
    from .place import Place

__all__ = ["CASE"]

#: Syncing is slow, and a turn takes each block of memory once at least.
_FEW = 8
_DEPTHS = (8, 32)
_NO_MORE = -1


@contextmanager
def _system_calls(place: Place) -> Iterator[Transfer]:
    size = place.size
    blocks = place.blocks[:_FEW]
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            os.lseek(fd, offsets[0], os.SEEK_SET)
            for block, offset in zip(cycle(blocks), offsets):
                if offset == 0:
                    os.lseek(fd, 0, os.SEEK_SET)
                if (moved := os.write(fd, block)) != size:
                    expect(moved, size)
                os.fsync(fd)

        yield Transfer(run, [*blocks])


@contextmanager
def _handles(place: Place) -> Iterator[Transfer]:
    size = place.size
    blocks = place.blocks[:_FEW]
    with place.opened() as fd, Ring() as ring:

        def run(offsets: Sequence[int]) -> None:
            for block, offset in zip(cycle(blocks), offsets):
                with ring.link():
                    write = ring.write(fd, block, offset)
                    fsync = ring.fsync(fd)
                fsync.result()
                if (moved := write.result()) != size:
                    expect(moved, size)

        yield Transfer(run, [*blocks], completed_by(ring, per_operation=2))


def _chains(depth: int) -> Callable[[Place], AbstractContextManager[Transfer]]:
    @contextmanager
    def open_chains(place: Place) -> Iterator[Transfer]:
        size = place.size
        blocks = place.blocks[:depth]
        with place.opened() as fd, Ring(2 * depth) as ring:

            def prepare(block: Any, offset: int) -> None:
                with ring.link():
                    ring.write(fd, block, offset)
                    ring.fsync(fd, user_data=block)

            def run(offsets: Sequence[int]) -> None:
                for block, offset in zip(blocks, offsets, strict=False):
                    prepare(block, offset)
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


def _contenders(place: Place, setting: Setting) -> list[Contender]:
    linked = "io_uring WRITE -> FSYNC"
    found = [
        transfer_contender(place, "os.write + os.fsync", "write(2), fsync(2)", _system_calls),
        transfer_contender(place, "pyuring linked, result()", linked, _handles),
    ]
    found += [
        transfer_contender(place, f"pyuring linked, depth {depth}", linked, _chains(depth), depth) for depth in _DEPTHS
    ]
    peer = setting.peers.contender(BEST, "linked", BEST.name, linked, **place_job(place))
    return [*found, peer, fio_contender(place, 1, fsync=1)]


CASE = file_case(
    "write-fsync",
    "How fast are blocks written so that each is safe on the disk before it counts?",
    _contenders,
    sequential=True,
    writing=True,
)
