"""How fast are thousands of ranges read with one call, from random places of a file?

The depth sweep has blocks of 4 KiB, the size sweep 128 in flight.
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .batches import one_range, one_range_into, range_reads, ranges_in_little_memory
from .case import Case, Cell, Lineup, Setting
from .contender import NotInstalledError
from .fio import fio_contender, fio_system_calls
from .lineups import DEEPEST
from .peers.host import place_job
from .peers.known import BEST, OTHER, PEERS
from .place import SLOTS, Place, touch
from .plain import pread, preadv
from .threads import loop_threads, shares
from .transfer import Transfer, transfer_contender

if TYPE_CHECKING:
    from .contender import Contender

__all__ = ["CASE", "NAME", "ONE", "ONE_CASE", "TAKE", "at_depth"]

NAME = "ranges"
ONE = "one-range"
TAKE = "mmap + numpy.take"
_BLOCK = 4096
_DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SIZES = (512, 4096, 16 << 10, 64 << 10, 256 << 10, 1 << 20)

#: Memory for what is read, more than any cache has, and ranges of one call at the most.
_MEMORY = 64 << 20
_MOST_RANGES = 16384
_OFFSETS = "offsets in an array"


def at_depth(family: str, depth: int) -> str:
    return f"{family}, depth {depth}"


@contextmanager
def _take(place: Place) -> Iterator[Transfer]:
    """The whole file mapped, and NumPy's `take`: its fastest form."""
    if importlib.util.find_spec("numpy") is None:
        raise NotInstalledError("numpy is not installed")
    numpy: Any = importlib.import_module("numpy")
    size, slots = place.size, len(place.blocks)
    memory = memoryview(mmap.mmap(-1, slots * size))
    touch(memory)
    out = numpy.frombuffer(memory, numpy.uint8).reshape(slots, size)
    with place.opened() as fd:
        mapped = mmap.mmap(fd, place.length // size * size, prot=mmap.PROT_READ)
    rows = numpy.frombuffer(mapped, numpy.uint8).reshape(-1, size)

    def numbers(offsets: list[int]) -> Any:
        return numpy.array(offsets, numpy.int64) // size

    def run(wanted: Any) -> None:
        for start in range(0, len(wanted), slots):
            part = wanted[start : start + slots]
            numpy.take(rows, part, axis=0, out=out[: len(part)], mode="clip")

    blocks = [memory[start : start + size] for start in range(0, slots * size, size)]
    yield Transfer(run, [*blocks], in_order=True, form=numbers)


def _place(cell: Cell, setting: Setting, slots: int) -> Place:
    place = Place(
        setting.files.source,
        size=cell.size,
        direct=cell.mode == "direct",
        sequential=False,
        writing=False,
        slots=slots,
    )
    if not place.direct:
        place.warm()
    return place


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    place = _place(cell, setting, max(SLOTS // 2, min(_MOST_RANGES, _MEMORY // cell.size)))
    # Peers go round in the memory of as many blocks as fio.
    little = _place(cell, setting, SLOTS)
    threads = loop_threads(place)
    found = [
        transfer_contender(place, "os.preadv", "preadv(2)", preadv),
        transfer_contender(place, "os.pread", "pread(2)", pread),
    ]
    if not place.direct:
        found.append(transfer_contender(place, TAKE, "memory copy", _take))
    found.append(transfer_contender(place, f"thread pool, {threads} loops", "preadv(2)", shares))
    found += _calls(place, setting)
    found.append(fio_system_calls(little))
    if cell.mode == "direct" or setting.thorough:
        found.append(fio_contender(little, DEEPEST, registered=True))
    sweeps = setting.thorough and cell.size == _BLOCK
    for depth in _DEPTHS if sweeps else (DEEPEST,):
        found += _deep(place, little, setting, depth)
    return Lineup(found)


def _calls(place: Place, setting: Setting) -> list[Contender]:
    """What is asked at one depth only."""
    fixed = "READ_FIXED"
    found = [
        transfer_contender(
            place, at_depth("read_ranges registered", DEEPEST), fixed, range_reads(DEEPEST, registered=True), DEEPEST
        ),
        transfer_contender(
            place,
            at_depth("read_ranges registered, fio's memory", DEEPEST),
            fixed,
            ranges_in_little_memory(DEEPEST, registered=True),
            DEEPEST,
        ),
    ]
    if not place.direct:
        found.append(
            transfer_contender(
                place,
                at_depth("read_ranges, 2 workers", DEEPEST),
                "READ, 2 rings",
                range_reads(DEEPEST, workers=2),
                DEEPEST,
            )
        )
    return found


def _deep(place: Place, little: Place, setting: Setting, depth: int) -> list[Contender]:
    backend = "io_uring READ"
    found = [
        transfer_contender(place, at_depth("read_ranges", depth), backend, range_reads(depth), depth),
        transfer_contender(
            place,
            at_depth("read_ranges, fio's memory", depth),
            backend,
            ranges_in_little_memory(depth),
            depth,
        ),
        fio_contender(little, depth),
    ]
    # In a sweep only the strongest of them: a process for each, depth and size would be too many.
    peers = PEERS if depth == DEEPEST and place.size <= _BLOCK else (BEST,)
    if OTHER in peers:
        # Of all peers' functions, the nearest to read_ranges.
        name = at_depth(f"{OTHER.name}, read_offsets", depth)
        job = place_job(little)
        found.append(setting.peers.contender(OTHER, "offsets", name, backend, depth=depth, **job))
    if depth <= SLOTS:
        found += [
            setting.peers.contender(
                peer, "transfer", at_depth(peer.name, depth), backend, depth=depth, **place_job(little)
            )
            for peer in peers
        ]
    return found


def _one(cell: Cell, setting: Setting) -> Lineup:
    place = _place(cell, setting, SLOTS)
    return Lineup(
        [
            transfer_contender(place, "os.pread", "pread(2)", pread),
            transfer_contender(place, "os.preadv", "preadv(2)", preadv),
            transfer_contender(place, "read_ranges", "its fast path", one_range),
            transfer_contender(place, "read_ranges, out=", "its fast path", one_range_into),
        ]
    )


CASE = Case(
    NAME,
    "How fast are thousands of ranges read with one call, from random places of a file?",
    _lineup,
    unit="read",
    sweep=_SIZES,
)
ONE_CASE = Case(
    ONE, "What does a call with one range cost?", _one, unit="read", modes=("cached",), sizes=(_BLOCK,), sweep=(_BLOCK,)
)
