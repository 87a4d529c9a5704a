"""Contenders of the standard library, in one thread: a system call for each block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

from .transfer import Transfer, expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .content import Block
    from .place import Place

__all__ = ["buffered_read", "position_read", "position_write", "pread", "preadv", "pwrite"]

# The loops that get new bytes objects keep the last ones, as somebody does who wants
# what was read: dropped at once, each would be read into the memory of the one before.


@contextmanager
def preadv(place: Place) -> Iterator[Transfer]:
    size = place.size
    vectors = [[block] for block in place.blocks]
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for vector, offset in zip(cycle(vectors), offsets):
                if (moved := os.preadv(fd, vector, offset)) != size:
                    expect(moved, size)

        yield Transfer(run, [*place.blocks], in_order=True)


@contextmanager
def pread(place: Place) -> Iterator[Transfer]:
    size = place.size
    kept: list[Block] = [b""] * len(place.blocks)
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for slot, offset in zip(cycle(range(len(kept))), offsets):
                kept[slot] = data = os.pread(fd, size, offset)
                if len(data) != size:
                    expect(len(data), size)

        yield Transfer(run, kept, in_order=True)


@contextmanager
def position_read(place: Place) -> Iterator[Transfer]:
    size = place.size
    kept: list[Block] = [b""] * len(place.blocks)
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            os.lseek(fd, offsets[0], os.SEEK_SET)
            for slot, offset in zip(cycle(range(len(kept))), offsets):
                if offset == 0:
                    os.lseek(fd, 0, os.SEEK_SET)
                kept[slot] = data = os.read(fd, size)
                if len(data) != size:
                    expect(len(data), size)

        yield Transfer(run, kept, in_order=True)


@contextmanager
def buffered_read(place: Place) -> Iterator[Transfer]:
    """`open` and ``read``: a seek too, where the order is random."""
    size = place.size
    kept: list[Block] = [b""] * len(place.blocks)
    sequential = place.sequential
    with place.opened() as fd, open(fd, "rb", closefd=False) as file:

        def run(offsets: Sequence[int]) -> None:
            file.seek(offsets[0])
            for slot, offset in zip(cycle(range(len(kept))), offsets):
                if offset == 0 or not sequential:
                    file.seek(offset)
                kept[slot] = data = file.read(size)
                if len(data) != size:
                    expect(len(data), size)

        yield Transfer(run, kept, in_order=True)


@contextmanager
def pwrite(place: Place) -> Iterator[Transfer]:
    size = place.size
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            for block, offset in zip(cycle(place.blocks), offsets):
                if (moved := os.pwrite(fd, block, offset)) != size:
                    expect(moved, size)

        yield Transfer(run, [*place.blocks], in_order=True)


@contextmanager
def position_write(place: Place) -> Iterator[Transfer]:
    size = place.size
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            os.lseek(fd, offsets[0], os.SEEK_SET)
            for block, offset in zip(cycle(place.blocks), offsets):
                if offset == 0:
                    os.lseek(fd, 0, os.SEEK_SET)
                if (moved := os.write(fd, block)) != size:
                    expect(moved, size)

        yield Transfer(run, [*place.blocks], in_order=True)
