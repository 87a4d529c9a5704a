"""The arrays that C reaps completions into, and Python takes them over from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyuring._ffi import NULL, lib, new

if TYPE_CHECKING:
    from pyuring._ffi import CData, RingStruct
    from pyuring.inflight import InFlight

__all__ = ["BatchArrays", "install", "make_arrays"]


class BatchArrays(NamedTuple):
    """One item for each completion of a batch, of `extra` two, where CQEs can be of 32 bytes."""

    slots: CData
    res: CData
    flags: CData
    places: CData
    extra: CData | None


def make_arrays(c: RingStruct, limit: int) -> BatchArrays:
    """Arrays for batches of up to `limit` completions of the ring `c`."""
    large = c.ring.flags & (lib.IORING_SETUP_CQE32 | lib.IORING_SETUP_CQE_MIXED)
    return BatchArrays(
        new("int32_t[]", limit),
        new("int32_t[]", limit),
        new("uint64_t[]", limit),
        new("uint64_t[]", limit),
        new("uint64_t[]", 2 * limit) if large else None,
    )


def install(ring: InFlight, arrays: BatchArrays) -> bool:
    """Let C use these arrays from now on, unless it has a batch that was not taken over.

    No call comes between the loads and stores, so either all are exchanged or none.
    """
    slots, res, flags, places, extra = arrays
    c = ring._c
    null = NULL if extra is None else extra
    if c.batch_number != ring._taken_over or ring._batch is not None:
        return False
    ring._batch_slots = c.batch_slots = slots
    ring._batch_res = c.batch_res = res
    ring._batch_flags = c.batch_flags = flags
    ring._batch_places = c.batch_places = places
    c.batch_extra = null
    ring._batch_extra = extra
    return True
