"""Batches that have more in them than the one CQE of each operation.

Parts of a multishot, zero-copy notifications, provided buffers, messages from other
rings, CQEs of 32 bytes. What is said in `inflight` about signal handlers holds here too:
everything that takes a call is made before the batch is taken over, and `hand_out` only
loads and stores until its last step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import ffi, lib
from pyuring.completion import MessageCompletion
from pyuring.preparing import NO_SLOT

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.inflight import InFlight

__all__ = ["hand_out", "take_over"]

_unpack: Any = ffi.unpack

_PART = lib.PYURING_PART
_OF_NO_OPERATION = lib.PYURING_NO_SLOT
_SLOT = _OF_NO_OPERATION - 1
_CQE_FLAGS = 0xFFFFFFFF
_TIMED_OUT = lib.PYURING_TIMED_OUT
_NOTIFIED = lib.PYURING_NOTIFIED
_COPIED = lib.PYURING_COPIED
_MESSAGE = lib.PYURING_MESSAGE


def take_over(ring: InFlight, count: int, number: int, taker: Any) -> None:
    """Make C's batch of `count`, the one after `number`, the iterator that is handed out from."""
    slots: list[int] = _unpack(ring._batch_slots, count)
    flags: list[int] = _unpack(ring._batch_flags, count)
    places: list[int] = _unpack(ring._batch_places, count)
    table = ring._table
    parts: list[Any] = []
    for slot, flag, place in zip(slots, flags, places, strict=True):
        if ring._taken_over != number:
            return  # a signal handler has been faster, and the table is another one
        parts.append(_stray(ring, place) if slot & _OF_NO_OPERATION else table[slot & _SLOT]._part(flag, place))
    results: list[int] = _unpack(ring._batch_res, count)
    details = list(zip(places, _extra(ring._batch_extra, count), strict=True))
    batch = zip(slots, results, flags, details, parts, strict=True)
    if ring._taken_over == number and ring._batch is None:
        ring._mixed = batch
        ring._batch = batch
        ring._taken_over = number + 1
    ring._hand_out(taker)


def _extra(words: CData | None, count: int) -> list[Any]:
    if words is None:
        return [None] * count
    flat = _unpack(words, 2 * count)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _stray(ring: InFlight, place: int) -> MessageCompletion:
    """The handle of a CQE that no operation of this ring posted; `place` is its user_data."""
    op = MessageCompletion()
    op._ring = ring
    op._slot = 0
    op.res = None
    if place & _MESSAGE:
        op.operation, op.user_data = "message", place & ~_MESSAGE
    else:
        op.operation, op.user_data = "released", ring._tags.get(place)
    return op


def hand_out(ring: InFlight, batch: Any, taker: Any) -> None:  # noqa: PLR0912  no call may come between
    """As `InFlight._hand_out` does for plain batches, for this one."""
    table = ring._table
    holds = ring._holds
    tags = ring._tags
    for slot, res, flags, details, part in batch:
        shots = None
        if slot & _OF_NO_OPERATION:
            op = part
            # A tag comes back once; but a sender in another process can make up any number.
            if details[0] in tags:
                del tags[details[0]]
        else:
            op = table[slot & _SLOT]
            last = not slot & _PART
            if last:
                table[slot] = ring._free
                ring._free = slot
            if flags & _NOTIFIED:
                op._copied = flags & _COPIED != 0
                op._released = True
                holds[slot] = None
                continue
            if part is not None:  # one CQE of a multishot
                shots = op
                if last:
                    ring._streaming -= op._streams
                    part._last = True
                    op.flags = flags
                    op.res = res
                op = part
            if flags & _TIMED_OUT:
                op._timed_out = True
            if flags & _COPIED:
                op._copied = True
        op._details = details
        op.flags = flags & _CQE_FLAGS
        op.res = res
        if not slot & _PART and not slot & _OF_NO_OPERATION:
            holds[slot] = None  # may run a destructor, hence after all else but the queueing
        if op is taker:
            op._slot = NO_SLOT
        elif shots is not None and shots._streams:
            op._slot = NO_SLOT
            op.multishot = None
            shots._shots.append(op)
        else:
            ring._ready.append(op)
