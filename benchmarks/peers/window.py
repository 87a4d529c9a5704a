"""What all peers do alike: keep so many operations in flight, whatever the ring's calls are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from ..transfer import Transfer, expect

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place

__all__ = ["Driver", "OpenDriver", "Opener", "durable", "mixed", "slides", "transfer"]

_NO_MORE = -1


class Driver(Protocol):
    """A peer's ring, and as many slots as it may have operations in flight."""

    @property
    def blocks(self) -> list[Block]:
        """What the slots hold; where a peer brings its own memory, what it has read."""

    @property
    def sources(self) -> Sequence[memoryview]:
        """Where what it writes comes from, in a mixed case."""

    def read(self, slot: int, offset: int) -> None:
        """Prepare reading a block."""

    def write(self, slot: int, offset: int) -> None:
        """Prepare writing the slot's block, or its source in a mixed case."""

    def reap(self) -> Sequence[tuple[int, int]]:
        """Submit, wait for some, and give the slot and the result of each."""

    def sync(self) -> None:
        """Make durable what was written, by the ring if it can; nothing is in flight."""


Opener = Callable[["Place"], AbstractContextManager[Transfer]]
#: Opens a driver of so many slots for a descriptor of a place's file.
OpenDriver = Callable[["Place", int, int], AbstractContextManager[Driver]]


def slides(
    size: int, depth: int, start: Callable[[int, int], None], reap: Callable[[], Sequence[tuple[int, int]]]
) -> Callable[[Sequence[int]], None]:
    """A loop that has `depth` operations in flight as long as there are offsets."""

    def run(offsets: Sequence[int]) -> None:
        missing = len(offsets)
        for slot, offset in zip(range(depth), offsets, strict=False):
            start(slot, offset)
        todo = iter(offsets[depth:])
        while missing:
            for slot, res in reap():
                missing -= 1
                if res != size:
                    expect(res, size)
                if (offset := next(todo, _NO_MORE)) != _NO_MORE:
                    start(slot, offset)

    return run


def transfer(open_driver: OpenDriver, depth: int) -> Opener:
    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        with place.opened() as fd, open_driver(place, fd, depth) as driver:
            start = driver.write if place.writing else driver.read
            yield Transfer(slides(place.size, depth, start, driver.reap), driver.blocks)

    return open_window


def mixed(open_driver: OpenDriver, depth: int) -> Opener:
    """The offset tells what to do."""

    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        boundary = place.boundary or 0
        with place.opened() as fd, open_driver(place, fd, depth) as driver:
            read, write = driver.read, driver.write

            def start(slot: int, offset: int) -> None:
                (read if offset < boundary else write)(slot, offset)

            run = slides(place.size, depth, start, driver.reap)
            yield Transfer(run, driver.blocks, sources=driver.sources)

    return open_window


def durable(open_driver: OpenDriver, batch: int) -> Opener:
    """Write `batch` blocks, then make them durable together."""

    @contextmanager
    def open_batches(place: Place) -> Iterator[Transfer]:
        with place.opened() as fd, open_driver(place, fd, batch) as driver:
            write = slides(place.size, batch, driver.write, driver.reap)

            def run(offsets: Sequence[int]) -> None:
                for start in range(0, len(offsets), batch):
                    write(offsets[start : start + batch])
                    driver.sync()

            yield Transfer(run, driver.blocks)

    return open_batches
