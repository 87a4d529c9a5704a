"""The result of statx."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyuring._ffi import ffi
from pyuring.constants import StatxAttributes, StatxMask

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["STATX_SIZE", "StatxResult"]

_STATX = ffi.typeof("struct pyuring_statx *")
#: The bytes that a `StatxResult` is made of.
STATX_SIZE = ffi.sizeof("struct pyuring_statx")

_TIMES = ("atime", "mtime", "ctime", "btime")
_NUMBERS = (
    "mnt_id", "subvol", "dio_mem_align", "dio_offset_align", "dio_read_offset_align", "atomic_write_unit_min",
    "atomic_write_unit_max", "atomic_write_unit_max_opt", "atomic_write_segments_max",
)  # fmt: skip


def _seconds(ns: int) -> float:
    # As os.stat computes it, so that the two are equal to the last bit.
    whole, rest = divmod(ns, 1_000_000_000)
    return whole + 1e-9 * rest


class StatxResult:
    """What `statx(2)` tells of a file: the attributes of ``os.stat_result``, and more.

    Times come as ``st_mtime`` (seconds, a float) and ``st_mtime_ns``; the same for
    ``st_atime``, ``st_ctime``, and ``st_birthtime`` where the file system keeps it.
    ``stx_mask`` (`StatxMask`) says which fields the file system filled in, and
    ``stx_attributes_mask`` which of the `StatxAttributes` it knows. The others are 0.
    """

    __slots__ = (
        "st_atime_ns",
        "st_birthtime_ns",
        "st_blksize",
        "st_blocks",
        "st_ctime_ns",
        "st_dev",
        "st_gid",
        "st_ino",
        "st_mode",
        "st_mtime_ns",
        "st_nlink",
        "st_rdev",
        "st_size",
        "st_uid",
        "stx_atomic_write_segments_max",
        "stx_atomic_write_unit_max",
        "stx_atomic_write_unit_max_opt",
        "stx_atomic_write_unit_min",
        "stx_attributes",
        "stx_attributes_mask",
        "stx_dio_mem_align",
        "stx_dio_offset_align",
        "stx_dio_read_offset_align",
        "stx_mask",
        "stx_mnt_id",
        "stx_subvol",
    )

    st_atime_ns: int
    st_birthtime_ns: int
    st_ctime_ns: int
    st_mtime_ns: int
    st_blksize: int
    st_blocks: int
    st_dev: int
    st_gid: int
    st_ino: int
    st_mode: int
    st_nlink: int
    st_rdev: int
    st_size: int
    st_uid: int
    stx_atomic_write_segments_max: int
    stx_atomic_write_unit_max: int
    stx_atomic_write_unit_max_opt: int
    stx_atomic_write_unit_min: int
    stx_attributes: StatxAttributes
    stx_attributes_mask: StatxAttributes
    stx_dio_mem_align: int
    stx_dio_offset_align: int
    stx_dio_read_offset_align: int
    stx_mask: StatxMask
    stx_mnt_id: int
    stx_subvol: int

    def __init__(self, raw: bytes) -> None:
        c: CData = ffi.cast(_STATX, ffi.from_buffer(raw))
        for name in ("mode", "nlink", "uid", "gid", "ino", "size", "blocks", "blksize"):
            setattr(self, f"st_{name}", getattr(c, f"stx_{name}"))
        for name in _NUMBERS:
            setattr(self, f"stx_{name}", getattr(c, f"stx_{name}"))
        self.stx_mask = StatxMask(c.stx_mask)
        self.stx_attributes = StatxAttributes(c.stx_attributes)
        self.stx_attributes_mask = StatxAttributes(c.stx_attributes_mask)
        for name in _TIMES:
            time = getattr(c, f"stx_{name}")
            field = "st_birthtime_ns" if name == "btime" else f"st_{name}_ns"
            setattr(self, field, time.tv_sec * 1_000_000_000 + time.tv_nsec)
        self.st_dev = os.makedev(c.stx_dev_major, c.stx_dev_minor)
        self.st_rdev = os.makedev(c.stx_rdev_major, c.stx_rdev_minor)

    @property
    def st_atime(self) -> float:
        """Time of last access, in seconds."""
        return _seconds(self.st_atime_ns)

    @property
    def st_mtime(self) -> float:
        """Time of last modification, in seconds."""
        return _seconds(self.st_mtime_ns)

    @property
    def st_ctime(self) -> float:
        """Time of last change of the inode, in seconds."""
        return _seconds(self.st_ctime_ns)

    @property
    def st_birthtime(self) -> float:
        """Time of creation, in seconds; 0 where the file system does not keep it."""
        return _seconds(self.st_birthtime_ns)

    def __repr__(self) -> str:
        return f"<StatxResult mode={oct(self.st_mode)} size={self.st_size} ino={self.st_ino}>"
