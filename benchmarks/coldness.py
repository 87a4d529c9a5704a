"""A page cache without what is to be read: the state that a program meets after a restart."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["chill", "method"]

_SWITCH = "/proc/sys/vm/drop_caches"
#: Page cache, and the kernel's memory of names and inodes.
_EVERYTHING = b"3\n"


def method() -> str:
    """How caches are emptied here, for the report."""
    if _may_drop():
        return f"sync, then 3 into {_SWITCH}: data, names and inodes are read from the disk again"
    return "posix_fadvise(DONTNEED) for each file: names and inodes stay in memory, so cold is less than cold"


def chill(paths: Sequence[str]) -> None:
    """Empty the caches of the files at `paths`: all of the machine's, where that is allowed."""
    if _may_drop():
        # What is dirty cannot be dropped.
        os.sync()
        with open(_SWITCH, "wb", buffering=0) as switch:
            switch.write(_EVERYTHING)
        return
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def _may_drop() -> bool:
    """Whether the switch opens: in a container it is often there, but read-only."""
    try:
        os.close(os.open(_SWITCH, os.O_WRONLY))
    except OSError:
        return False
    return True
