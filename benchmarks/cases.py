"""All cases, in the order in which they run."""

from __future__ import annotations

from . import (
    mixed,
    nop,
    preparation,
    random_read,
    random_write,
    ranges,
    sequential_read,
    sequential_write,
    small_files,
    write_batch,
    write_fsync,
)

__all__ = ["CASES"]

CASES = {
    case.name: case
    for case in (
        nop.CASE,
        preparation.CASE,
        sequential_read.CASE,
        sequential_write.CASE,
        random_read.CASE,
        random_write.CASE,
        write_fsync.CASE,
        ranges.ONE_CASE,
        ranges.CASE,
        small_files.CASE,
        write_batch.CASE,
        mixed.CASE,
    )
}
