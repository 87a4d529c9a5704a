"""pyuring's contenders: the three ways to read or write blocks with a ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring import Completion, Ring

from .transfer import Transfer, expect

if TYPE_CHECKING:
    from .content import Block
    from .place import Place

__all__ = ["bytes_handles", "completed_by", "handles", "one_at_a_time", "part_of", "window"]

_NO_MORE = -1

Opener: TypeAlias = Callable[["Place"], AbstractContextManager[Transfer]]


def part_of(depth: int) -> int:
    """How many completions to wait for: few enough that the disk never runs dry."""
    return max(1, depth // 4)


def completed_by(ring: Ring, *, per_operation: int = 1) -> Callable[[], int]:
    """What counts as proof: operations that this ring has reaped."""
    return lambda: ring.stats()["completed"] // per_operation


def _mover(ring: Ring, place: Place) -> Callable[..., Completion[int]]:
    return ring.write if place.writing else ring.readinto


def _registered(ring: Ring, fd: int, blocks: Sequence[memoryview]) -> tuple[Any, Sequence[Any]]:
    return ring.register_files([fd])[0], ring.register_buffers(blocks)[:]


@contextmanager
def handles(place: Place) -> Iterator[Transfer]:
    """Ask for each result."""
    size = place.size
    with place.opened() as fd, Ring() as ring:
        move = _mover(ring, place)

        def run(offsets: Sequence[int]) -> None:
            for block, offset in zip(cycle(place.blocks), offsets):
                if (moved := move(fd, block, offset).result()) != size:
                    expect(moved, size)

        yield Transfer(run, [*place.blocks], completed_by(ring))


@contextmanager
def bytes_handles(place: Place) -> Iterator[Transfer]:
    """Ask for each result, and get a new bytes object: the twin of ``os.pread``."""
    size = place.size
    kept: list[Block] = [b""] * len(place.blocks)
    with place.opened() as fd, Ring() as ring:

        def run(offsets: Sequence[int]) -> None:
            for slot, offset in zip(cycle(range(len(kept))), offsets):
                kept[slot] = data = ring.read(fd, size, offset).result()
                if len(data) != size:
                    expect(len(data), size)

        yield Transfer(run, kept, completed_by(ring))


def one_at_a_time(*, registered: bool = False) -> Opener:
    """Prepare, wait, look at the completion: depth 1."""

    @contextmanager
    def open_loop(place: Place) -> Iterator[Transfer]:
        size = place.size
        with place.opened() as fd, Ring() as ring:
            move = _mover(ring, place)
            file, buffers = _registered(ring, fd, place.blocks) if registered else (fd, place.blocks)

            def run(offsets: Sequence[int]) -> None:
                for buffer, offset in zip(cycle(buffers), offsets):
                    move(file, buffer, offset)
                    for done in ring.wait():
                        if done.res != size:
                            expect(done.res or 0, size)

            yield Transfer(run, [*place.blocks], completed_by(ring))

    return open_loop


def window(depth: int, *, registered: bool = False) -> Opener:
    """Keep `depth` operations in flight; with `registered`, on registered buffers and a registered file."""

    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        blocks = place.blocks[:depth]
        with place.opened() as fd, Ring(depth) as ring:
            file, buffers = _registered(ring, fd, blocks) if registered else (fd, blocks)
            yield Transfer(_window_loop(ring, place, file, buffers), [*blocks], completed_by(ring))

    return open_window


def _window_loop(ring: Ring, place: Place, file: Any, buffers: Sequence[Any]) -> Callable[[Sequence[int]], None]:
    size = place.size
    part = part_of(len(buffers))
    move = _mover(ring, place)

    def run(offsets: Sequence[int]) -> None:
        for buffer, offset in zip(buffers, offsets, strict=False):
            move(file, buffer, offset, user_data=buffer)
        todo = chain(offsets[len(buffers) :], repeat(_NO_MORE))
        while ring.in_flight:
            for done, offset in zip(ring.wait(part), todo, strict=False):
                if done.res != size:
                    expect(done.res or 0, size)
                if offset != _NO_MORE:
                    move(file, done.user_data, offset, user_data=done.user_data)

    return run
