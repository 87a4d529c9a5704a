"""Which contenders are pyuring's."""

from __future__ import annotations

__all__ = ["is_ours"]

#: A contender is called by what it calls: a ring's, or one of the functions for many at once.
_BEGINNINGS = ("pyuring", "read_ranges", "write_ranges", "read_files", "write_files")


def is_ours(contender: str, case: str = "") -> bool:
    """Whether it is pyuring; where preparing is measured, nothing else is."""
    return contender.startswith(_BEGINNINGS) or case == "preparation"
