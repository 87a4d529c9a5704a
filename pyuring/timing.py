"""Time limits: seconds in Python, nanoseconds in C."""

from __future__ import annotations

import math

__all__ = ["nanoseconds"]

_LONGEST_WAIT = 2**63 / 1e9


def nanoseconds(seconds: float) -> int:
    """`seconds` for the C layer, checked."""
    if 0 <= seconds < _LONGEST_WAIT:
        return int(seconds * 1_000_000_000)
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"timeout must be 0 or more seconds, or None, not {seconds!r}")
    raise ValueError(f"timeout is too long: {seconds!r} seconds; None waits for ever")
