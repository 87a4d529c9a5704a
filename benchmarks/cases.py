"""All cases, in the order in which they run."""

from __future__ import annotations

from . import nop, preparation, random_read, random_write, sequential_read, sequential_write, write_fsync

__all__ = ["CASES"]

CASES = {
    module.CASE.name: module.CASE
    for module in (nop, preparation, sequential_read, sequential_write, random_read, random_write, write_fsync)
}
