"""Making a ring: the best setup that the running kernel takes, or what stands in the way."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyuring._ffi import lib
from pyuring.constants import SetupFlags
from pyuring.diagnosis import unavailable
from pyuring.errors import UnsupportedError
from pyuring.probe import is_older

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["make_ring"]

#: The kernel's own limits (IORING_MAX_ENTRIES, IORING_MAX_CQ_ENTRIES).
MAX_ENTRIES = 32768
MAX_CQ_ENTRIES = 2 * MAX_ENTRIES

#: Best first; a kernel answers EINVAL to a flag that it does not know. One owner thread
#: and no interrupts to run completions: both are pyuring's rules anyway.
PREFERRED = (
    SetupFlags.SUBMIT_ALL | SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN | SetupFlags.TASKRUN_FLAG,  # 6.1
    SetupFlags.SUBMIT_ALL | SetupFlags.SINGLE_ISSUER | SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG,  # 6.0
    SetupFlags.SUBMIT_ALL | SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG,  # 5.19
    SetupFlags.SUBMIT_ALL,  # 5.18
    SetupFlags(0),
)

#: Flags that need more than a number to mean something, and what to do instead.
REFUSED = {
    SetupFlags.CQSIZE: "pass cq_entries=",
    SetupFlags.SQ_AFF: "pass sq_thread_cpu= with SQPOLL",
    SetupFlags.NO_SQARRAY: "liburing sets it by itself where the kernel has it",
    SetupFlags.ATTACH_WQ: "pyuring does not offer sharing worker threads yet",
    SetupFlags.R_DISABLED: "pyuring does not offer restrictions yet",
    SetupFlags.SQE128: "no operation of pyuring has large SQEs yet",
    SetupFlags.CQE32: "no operation of pyuring has large CQEs yet",
    SetupFlags.CQE_MIXED: "no operation of pyuring has large CQEs yet",
    SetupFlags.NO_MMAP: "liburing maps the ring's memory",
    SetupFlags.REGISTERED_FD_ONLY: "a ring without a descriptor cannot be waited for in an event loop",
}

#: The first kernel that takes each flag.
SINCE = {
    SetupFlags.CLAMP: "5.6",
    SetupFlags.SUBMIT_ALL: "5.18",
    SetupFlags.COOP_TASKRUN: "5.19",
    SetupFlags.TASKRUN_FLAG: "5.19",
    SetupFlags.SINGLE_ISSUER: "6.0",
    SetupFlags.DEFER_TASKRUN: "6.1",
    SetupFlags.HYBRID_IOPOLL: "6.13",
}


def make_ring(
    c: CData,
    entries: int,
    cq_entries: int | None,
    setup: SetupFlags | int | None,
    sq_thread_idle: int | None,
    sq_thread_cpu: int | None,
) -> None:
    """Set up `c`, a zeroed ``struct pyuring``; arguments as for `Ring`."""
    check_sizes(entries, cq_entries)
    chosen = SetupFlags(0) if setup is None else SetupFlags(setup)
    check_flags(chosen)
    if not chosen & SetupFlags.SQPOLL and (sq_thread_idle is not None or sq_thread_cpu is not None):
        raise ValueError("sq_thread_idle and sq_thread_cpu need setup=SetupFlags.SQPOLL")
    if sq_thread_cpu is not None:
        chosen |= SetupFlags.SQ_AFF
    error = -errno.EINVAL
    for flags in PREFERRED if setup is None else (chosen,):
        error = lib.pyuring_setup(c, entries, cq_entries or 0, flags, sq_thread_idle or 0, sq_thread_cpu or 0)
        if error != -errno.EINVAL:
            break
    if error == -errno.EINVAL and setup is not None:
        raise refused_setup(chosen)
    if error < 0:
        raise unavailable(-error, entries, cq_entries)


def check_sizes(entries: int, cq_entries: int | None) -> None:
    """Refuse what the kernel would refuse without saying why."""
    if not 1 <= entries <= MAX_ENTRIES:
        raise ValueError(f"entries must be between 1 and {MAX_ENTRIES}, not {entries}")
    if cq_entries is not None and not entries <= cq_entries <= MAX_CQ_ENTRIES:
        raise ValueError(f"cq_entries must be between entries ({entries}) and {MAX_CQ_ENTRIES}, not {cq_entries}")


def check_flags(flags: SetupFlags) -> None:
    """Refuse flags that are set by other means, or not offered."""
    for flag, instead in REFUSED.items():
        if flags & flag:
            raise ValueError(f"setup must not contain {flag.name}: {instead}")


def refused_setup(flags: SetupFlags) -> Exception:
    """Tell a flag that is newer than the kernel from flags that exclude each other."""
    for flag, since in SINCE.items():
        if flags & flag and is_older(since):
            return UnsupportedError(errno.EINVAL, f"{flag.name} needs Linux {since}; this is {os.uname().release}")
    if flags & SetupFlags.DEFER_TASKRUN and not flags & SetupFlags.SINGLE_ISSUER:
        return ValueError("DEFER_TASKRUN needs SINGLE_ISSUER too")
    if flags & SetupFlags.DEFER_TASKRUN and flags & SetupFlags.SQPOLL:
        return ValueError("DEFER_TASKRUN and SQPOLL exclude each other")
    if flags & SetupFlags.TASKRUN_FLAG and not flags & (SetupFlags.COOP_TASKRUN | SetupFlags.DEFER_TASKRUN):
        return ValueError("TASKRUN_FLAG needs COOP_TASKRUN or DEFER_TASKRUN")
    return ValueError(f"the kernel refuses this combination: {flags!r}")
