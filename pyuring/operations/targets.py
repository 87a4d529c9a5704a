"""Operations that other operations are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyuring._ffi import lib
from pyuring.completion import Handle

if TYPE_CHECKING:
    from pyuring.inflight import InFlight

__all__ = ["NO_ID", "POLLS", "TIMERS", "target_id"]

#: The id of no operation: looking for it finds nothing.
NO_ID = 0

#: The methods that wait for readiness, and for time.
POLLS = frozenset({"poll", "poll_multishot"})
TIMERS = frozenset({"timeout", "timeout_multishot"})


def target_id(ring: InFlight, operation: Handle, kinds: frozenset[str] | None = None) -> int:
    """The user_data of `operation`, which is one of `ring` and of these kinds; NO_ID once it is done."""
    if not isinstance(operation, Handle):
        raise TypeError(f"the target is an operation's handle, not {type(operation).__name__}")
    if operation._ring is not ring:
        raise ValueError("this is an operation of another ring")
    if kinds is not None and operation.operation not in kinds:
        raise ValueError(f"the target is a {' or '.join(sorted(kinds))}, not a {operation.operation}")
    # No call before id_of(): once the target is done, its slot may be another one's.
    id: int = lib.pyuring_id_of(ring._c, operation._slot) if operation.res is None else NO_ID
    return id
