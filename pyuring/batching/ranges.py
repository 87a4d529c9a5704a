"""Reading and writing the ranges of a request, on one ring."""

from __future__ import annotations

from itertools import accumulate, repeat
from typing import TYPE_CHECKING

from pyuring._ffi import ffi, lib, new
from pyuring.batching.engine import perform
from pyuring.batching.outcome import range_failures

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable

    from pyuring._ffi import CData
    from pyuring.batching.request import RangeRequest
    from pyuring.inflight import InFlight

__all__ = ["counts", "perform_ranges", "views"]

_SLOTS = ffi.typeof("struct pyuring_range[]")
_NUMBERS = ffi.typeof("uint32_t[]")


def perform_ranges(
    ring: InFlight, request: RangeRequest, depth: int, start: int = 0, stop: int | None = None, position: int = 0
) -> int:
    """Do the ranges from `start` to `stop`, whose memory begins at `position`, on `ring`.

    Returns how many of them failed.
    """
    c = request.structure(start, request.count if stop is None else stop, position)
    depth = max(min(depth, ring._c.limit, c.count), 1)
    slots, numbers = new(_SLOTS, depth), new(_NUMBERS, 2 * depth)
    c.slots, c.idle, c.again = slots, numbers, numbers + depth
    run: CData = ffi.addressof(c, "run")
    run.depth = depth
    memory = (c, slots, numbers, request.exports, request.block, request.files)
    request.runs.append(run)
    if request.stopped:  # looked at after the run can be found, see `RangeRequest.stop`
        return 0
    try:
        perform(ring, run, lambda: lib.pyuring_ranges_begin(ring._c, c), memory)
    finally:
        if run.in_flight:
            # The kernel did not let go of it in time: it stays, with all that it is part of.
            request.exports = []
    return int(c.failed)


def counts(request: RangeRequest, failed: int) -> array[int]:
    """The bytes transferred, by range.

    Raises:
        BatchError: some ranges failed.
    """
    results = request.results
    if failed:
        raise range_failures(request, [None if count < 0 else count for count in results])
    return results


def views(request: RangeRequest, failed: int) -> list[memoryview]:
    """What was read, by range, where the memory is new.

    Raises:
        BatchError: some ranges failed.
    """
    view, results = request.view, request.results
    assert view is not None
    parts = zip(_starts(request), results, strict=False)
    if failed:
        raise range_failures(request, [None if count < 0 else view[start : start + count] for start, count in parts])
    return [view[start : start + count] for start, count in parts]


def _starts(request: RangeRequest) -> Iterable[int]:
    lengths = request.lengths
    assert lengths is not None
    if lengths.size is None:
        each = lengths.first
        return range(0, each * request.count, each) if each else repeat(0, request.count)
    return accumulate(map(lengths.at, range(request.count)), initial=0)
