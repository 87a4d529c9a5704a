"""The descriptors that the process has open."""

from __future__ import annotations

import os


def descriptors() -> set[int]:
    """Their numbers."""
    listed = os.listdir("/proc/self/fd")
    # One of them was that of the folder itself.
    return {int(name) for name in listed if os.path.lexists(f"/proc/self/fd/{name}")}
