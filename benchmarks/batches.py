"""pyuring's contenders of one call for thousands of blocks: `read_ranges` and `write_ranges`."""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyuring

from .contender import WrongDataError
from .memory import repeated
from .place import touch
from .transfer import Transfer

if TYPE_CHECKING:
    from .place import Place
    from .rings import Opener

__all__ = ["RANGES", "one_range", "one_range_into", "range_reads", "range_writes", "ranges_in_little_memory"]

#: Ranges of one call, where their blocks are small: a quarter of the memory that `ranges` has.
RANGES = 4096


def _integers(offsets: list[int]) -> array[int]:
    return array("q", offsets)


def _reader(file: Any, size: int, out: Any, most: int, **how: Any) -> Callable[[array[int]], None]:
    """Read ranges, at most so many with one call, and see that each is whole."""
    ring = how.get("ring")
    read = pyuring.read_ranges if ring is None else ring.read_ranges
    how.pop("ring", None)
    whole = array("q", [size]) * most

    def run(offsets: array[int]) -> None:
        for start in range(0, len(offsets), most):
            part = offsets[start : start + most]
            if read(file, part, size, out, **how) != whole[: len(part)]:
                raise WrongDataError("a range was not read to its end")

    return run


def range_reads(depth: int, *, registered: bool = False, workers: int | None = None) -> Opener:
    """Into a block of its own for each range."""

    @contextmanager
    def open_ranges(place: Place) -> Iterator[Transfer]:
        size, slots = place.size, len(place.blocks)
        out = pyuring.aligned_buffer(slots * size)
        view = memoryview(out)
        touch(view)
        blocks = [view[start : start + size] for start in range(0, slots * size, size)]
        how: dict[str, Any] = {"depth": depth}
        if workers is not None:
            how["workers"] = workers
        with place.opened() as fd:
            if not registered:
                run = _reader(fd, size, out, slots, **how)
                yield Transfer(run, [*blocks], at_least=min(slots, RANGES), in_order=True, form=_integers)
                return
            with pyuring.Ring(depth) as ring:
                file, buffer = ring.register_files([fd])[0], ring.register_buffers([out])[0]
                run = _reader(file, size, buffer, slots, ring=ring, **how)
                yield Transfer(run, [*blocks], at_least=min(slots, RANGES), in_order=True, form=_integers)

    return open_ranges


def ranges_in_little_memory(depth: int, *, registered: bool = False) -> Opener:
    """Into as much memory as `depth` blocks need, which is what fio has."""

    @contextmanager
    def open_ranges(place: Place) -> Iterator[Transfer]:
        size = place.size
        segment = max(depth * size, mmap.PAGESIZE)
        times = max(min(len(place.blocks), RANGES) * size // segment, 1)
        memory, views = repeated(segment, times)
        blocks = [views[0][start : start + size] for start in range(0, segment, size)]
        most = segment * times // size
        with place.opened() as fd:
            if not registered:
                yield Transfer(_reader(fd, size, memory, most, depth=depth), [*blocks], at_least=most, form=_integers)
                return
            with pyuring.Ring(depth) as ring:
                file, buffer = ring.register_files([fd])[0], ring.register_buffers([memory])[0]
                run = _reader(file, size, buffer, most, ring=ring, depth=depth)
                yield Transfer(run, [*blocks], at_least=most, form=_integers)

    return open_ranges


@contextmanager
def one_range(place: Place) -> Iterator[Transfer]:
    """A call for each range, which gives its memory: the twin of ``os.pread``."""
    size = place.size
    kept: list[Any] = [b""] * len(place.blocks)
    read = pyuring.read_ranges
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            slots = len(kept)
            for number, offset in enumerate(offsets):
                (kept[number % slots],) = read(fd, [offset], size)

        yield Transfer(run, kept, in_order=True)


@contextmanager
def one_range_into(place: Place) -> Iterator[Transfer]:
    """A call for each range, into memory that is there: the twin of ``os.preadv``."""
    size = place.size
    read = pyuring.read_ranges
    with place.opened() as fd:

        def run(offsets: Sequence[int]) -> None:
            slots = len(place.blocks)
            for number, offset in enumerate(offsets):
                if read(fd, [offset], size, place.blocks[number % slots])[0] != size:
                    raise WrongDataError("the range was not read to its end")

        yield Transfer(run, [*place.blocks], in_order=True)


def range_writes(depth: int, batch: int, *, durable: bool) -> Opener:
    """`batch` blocks with one call; with `durable`, one ``os.fdatasync`` for all of them after it."""

    @contextmanager
    def open_writes(place: Place) -> Iterator[Transfer]:
        blocks = place.blocks[:batch]
        whole = array("q", [place.size]) * batch
        write = pyuring.write_ranges
        with place.opened() as fd:

            def run(offsets: array[int]) -> None:
                for start in range(0, len(offsets), batch):
                    part = offsets[start : start + batch]
                    if array("q", write(fd, part, blocks[: len(part)], depth=depth)) != whole[: len(part)]:
                        raise WrongDataError("a range was not written to its end")
                    if durable:
                        os.fdatasync(fd)

            yield Transfer(run, [*blocks], form=_integers)

    return open_writes
