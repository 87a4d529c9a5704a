"""Making a ring: the best setup that the running kernel takes, or what stands in the way."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyuring._ffi import lib
from pyuring.constants import SetupFlags
from pyuring.diagnosis import unavailable
from pyuring.errors import lacking
from pyuring.history import SETUP_FLAGS
from pyuring.kernel import is_older

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.ring import Ring

__all__ = ["check_sizes", "make_ring"]

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
    SetupFlags.ATTACH_WQ: "pass attach_wq= with the other ring",
    SetupFlags.NO_MMAP: "the ring's memory is the kernel's, which pyuring maps and keeps from forked children",
    SetupFlags.REGISTERED_FD_ONLY: "a ring without a descriptor can be neither closed by the thread that collects it "
    "nor waited for in an event loop; register_ring_fd() gives the speed of it",
    SetupFlags.SQE_MIXED: "pyuring prepares SQEs of one size; SQE128 makes all of them large",
    SetupFlags.SQ_REWIND: "pyuring counts on a submission queue that is a ring",
}

_WITHOUT_INTERRUPTS = SetupFlags.COOP_TASKRUN | SetupFlags.DEFER_TASKRUN

#: Combinations that no kernel takes: (with, without, why). Without None is "together".
CONFLICTS = (
    (SetupFlags.DEFER_TASKRUN, SetupFlags.SINGLE_ISSUER, "DEFER_TASKRUN needs SINGLE_ISSUER too"),
    (SetupFlags.TASKRUN_FLAG, _WITHOUT_INTERRUPTS, "TASKRUN_FLAG needs COOP_TASKRUN or DEFER_TASKRUN"),
    (SetupFlags.HYBRID_IOPOLL, SetupFlags.IOPOLL, "HYBRID_IOPOLL is a way of polling: it needs IOPOLL too"),
    (SetupFlags.DEFER_TASKRUN | SetupFlags.SQPOLL, None, "DEFER_TASKRUN and SQPOLL exclude each other"),
    (SetupFlags.COOP_TASKRUN | SetupFlags.SQPOLL, None, "COOP_TASKRUN and SQPOLL exclude each other"),
    (SetupFlags.CQE32 | SetupFlags.CQE_MIXED, None, "CQE32 makes all CQEs large, CQE_MIXED some: pass one of them"),
)


def make_ring(
    c: CData,
    entries: int,
    cq_entries: int | None,
    setup: SetupFlags | int | None,
    sq_thread_idle: int | None,
    sq_thread_cpu: int | None,
    attach_wq: Ring | None,
    *,
    disabled: bool,
) -> None:
    """Set up `c`, a zeroed ``struct pyuring``; arguments as for `Ring`.

    With `disabled` the ring is still to be enabled, as with ``R_DISABLED``.
    """
    chosen = SetupFlags(0) if setup is None else SetupFlags(setup)
    check_sizes(entries, cq_entries, clamp=SetupFlags.CLAMP in chosen)
    check_flags(chosen)
    if not chosen & SetupFlags.SQPOLL and (sq_thread_idle is not None or sq_thread_cpu is not None):
        raise ValueError("sq_thread_idle and sq_thread_cpu need setup=SetupFlags.SQPOLL")
    extra = SetupFlags(0)
    wq_fd = 0
    if sq_thread_cpu is not None:
        extra |= SetupFlags.SQ_AFF
    if disabled:
        extra |= SetupFlags.R_DISABLED
    if attach_wq is not None:
        extra |= SetupFlags.ATTACH_WQ
        wq_fd = descriptor_to_attach(attach_wq)
    error = -errno.EINVAL
    for flags in PREFERRED if setup is None else (chosen,):
        error = lib.pyuring_setup(
            c, entries, cq_entries or 0, flags | extra, sq_thread_idle or 0, sq_thread_cpu or 0, wq_fd
        )
        if error != -errno.EINVAL:
            break
    if error == -errno.EINVAL and (setup is not None or extra):
        raise refused_setup(chosen | extra)
    if error < 0:
        raise unavailable(-error, entries, cq_entries)


def descriptor_to_attach(ring: Ring) -> int:
    """The descriptor of the ring whose worker threads are to be shared."""
    if not hasattr(ring, "_pid"):
        raise TypeError(f"attach_wq takes a Ring, not {type(ring).__name__}")
    if ring._pid != os.getpid():
        raise RuntimeError("the ring of attach_wq was made before the fork: its worker threads are the parent's")
    return ring.fileno()


def check_sizes(entries: int, cq_entries: int | None, *, clamp: bool = False) -> None:
    """Refuse what the kernel would refuse without saying why; with `clamp` it cuts what is too large."""
    if entries < 1 or (entries > MAX_ENTRIES and not clamp):
        raise ValueError(f"entries must be between 1 and {MAX_ENTRIES}, not {entries}")
    if (
        cq_entries is not None
        and (cq_entries < entries or cq_entries > MAX_CQ_ENTRIES)
        and not (clamp and cq_entries > 0)
    ):
        raise ValueError(f"cq_entries must be between entries ({entries}) and {MAX_CQ_ENTRIES}, not {cq_entries}")


def check_flags(flags: SetupFlags) -> None:
    """Refuse flags that are set by other means, not offered, or newer than this kernel."""
    for flag, instead in REFUSED.items():
        if flags & flag:
            if is_older(SETUP_FLAGS[flag]):
                raise lacking(str(flag.name), SETUP_FLAGS[flag])
            raise ValueError(f"setup must not contain {flag.name}: {instead}")


def refused_setup(flags: SetupFlags) -> Exception:
    """Tell a flag that is newer than the kernel from flags that exclude each other."""
    for flag, since in SETUP_FLAGS.items():
        if flags & flag and is_older(since):
            return lacking(str(flag.name), since)
    for present, absent, why in CONFLICTS:
        if present in flags and (absent is None or not flags & absent):
            return ValueError(why)
    return ValueError(f"the kernel refuses this combination: {flags!r}")
