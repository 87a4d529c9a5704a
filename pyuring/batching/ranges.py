"""Reading and writing the ranges of a request, on one ring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, TypeAlias

from pyuring._ffi import ffi, lib, new
from pyuring.aligned import address_of, aligned_buffer
from pyuring.batching.engine import check_depth
from pyuring.batching.engine import perform as perform_run
from pyuring.batching.outcome import range_failures
from pyuring.batching.request import RangeRequest

if TYPE_CHECKING:
    from array import array

    from pyuring._ffi import CData
    from pyuring.inflight import InFlight

__all__ = ["Perform", "perform_part", "perform_ranges", "read", "write"]

_SLOTS = ffi.typeof("struct pyuring_range[]")
_NUMBERS = ffi.typeof("uint32_t[]")

#: Bytes that are read at once where the ends of a range are not aligned: longer ones come in parts.
_LARGEST_BOUNCE = 256 << 10
_MIXED_BOUNCE = 64 << 10


def perform_ranges(request: RangeRequest, depth: int) -> int:
    """Do all of it on the request's own ring; returns how many ranges failed."""
    return perform_part(request.ring, request, depth, 0, request.count, 0)


#: A way to do all of a request at some depth.
Perform: TypeAlias = Callable[[RangeRequest, int], int]


def read(
    ring: InFlight,
    file: object,
    offsets: object,
    lengths: object,
    out: object,
    *,
    depth: int,
    bounce: bool,
    lends: bool = False,
    perform: Perform = perform_ranges,
) -> list[memoryview] | array[int]:
    """What `read_ranges` does, with any way to perform the request."""
    depth = check_depth(depth)
    request = RangeRequest(ring, file, offsets, writing=False, bounces=bounce, lends=lends)
    try:
        request.read_into(out, lengths)
        failed = perform(request, depth)
        return views(request, failed) if out is None else counts(request, failed)
    finally:
        request.close()


def write(
    ring: InFlight,
    file: object,
    offsets: object,
    buffers: object,
    lengths: object,
    *,
    depth: int,
    lends: bool = False,
    perform: Perform = perform_ranges,
) -> array[int]:
    """What `write_ranges` does, with any way to perform the request."""
    depth = check_depth(depth)
    request = RangeRequest(ring, file, offsets, writing=True, lends=lends)
    try:
        request.write_from(buffers, lengths)
        return counts(request, perform(request, depth))
    finally:
        request.close()


def perform_part(ring: InFlight, request: RangeRequest, depth: int, start: int, stop: int, position: int) -> int:
    """Do the ranges from `start` to `stop`, whose memory begins at `position`, on `ring`.

    Returns how many of them failed.
    """
    c = request.structure(start, stop, position)
    depth = max(min(depth, ring._c.limit, c.count), 1)
    slots, numbers = new(_SLOTS, depth), new(_NUMBERS, 2 * depth)
    c.slots, c.idle, c.again = slots, numbers, numbers + depth
    bounce = _bounce_pieces(request, c, depth) if request.bounces else None
    run: CData = ffi.addressof(c, "run")
    run.depth = depth
    try:
        request.runs.add(c)
        if not request.stopped:  # looked at after the run can be found, see `RangeRequest.stop`
            memory = (c, slots, numbers, bounce, request)
            perform_run(ring, run, lambda: lib.pyuring_ranges_begin(ring._c, c), memory)
    finally:
        if not run.in_flight:
            request.runs.discard(c)
            if request.closed:  # while this went on
                request.close()
    return int(c.failed)


def _bounce_pieces(request: RangeRequest, c: CData, depth: int) -> memoryview:
    """Memory for whole blocks, of which reads that are not aligned get their part."""
    block = request.files.block()
    lengths = request.lengths
    longest = lengths.first if lengths is not None and lengths.size is None else _MIXED_BOUNCE
    size = (min(longest, _LARGEST_BOUNCE) // block + 2) * block
    pieces = aligned_buffer(depth * size, max(block, 4096))
    c.bounce, c.bounce_size, c.block = ffi.cast("char *", address_of(pieces)), size, block
    return pieces


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
