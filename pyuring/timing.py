"""Time limits: seconds in Python, nanoseconds in C."""

from __future__ import annotations

import math
from time import monotonic

__all__ = ["deadline_of", "nanoseconds", "time_left"]

_LONGEST_WAIT = 2**63 / 1e9


def nanoseconds(seconds: float) -> int:
    """`seconds` for the C layer, checked."""
    if 0 <= seconds < _LONGEST_WAIT:
        return int(seconds * 1_000_000_000)
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"timeout must be 0 or more seconds, or None, not {seconds!r}")
    raise ValueError(f"timeout is too long: {seconds!r} seconds; None waits for ever")


def deadline_of(timeout: float | None) -> float | None:
    """When `timeout` seconds from now are over; None never is."""
    return None if timeout is None else monotonic() + nanoseconds(timeout) / 1e9


def time_left(deadline: float | None) -> int:
    """Nanoseconds until `deadline`, for the C layer; -1 for ever."""
    return -1 if deadline is None else nanoseconds(max(deadline - monotonic(), 0))
