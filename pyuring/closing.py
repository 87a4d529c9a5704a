"""How a ring ends: on close(), with its last reference, in a forked child, at exit.

The rule is that memory the kernel may still write to is never freed. So everything in
flight is cancelled and reaped first; what cannot be reaped in time is leaked instead,
and stays leaked through the end of the interpreter.
"""

from __future__ import annotations

import atexit
import errno
import sys
import warnings
import weakref
from time import monotonic
from typing import TYPE_CHECKING

from pyuring._ffi import lib

if TYPE_CHECKING:
    from pyuring.ring import Ring

__all__ = ["drain", "finish", "forget", "keep", "warn_unclosed"]

#: Seconds for what is in flight to end once it is cancelled. A request that a disk has
#: begun cannot be cancelled, and takes as long as the disk takes.
DRAIN_SECONDS = 10.0
#: A cancel can miss a request on its way from one queue of the kernel to another.
CANCEL_AGAIN_SECONDS = 0.1

#: Rings to see to before the interpreter frees what they hold. No WeakSet: other threads make
#: and close rings while the exit goes through these.
_open: dict[int, weakref.ref[Ring]] = {}

#: What the kernel may touch, by ring, until that is known to be over. Kept here and not by
#: the ring alone, so that nothing which happens to the ring frees it: neither a cycle that
#: is collected, nor a signal handler that raises as soon as its __del__ is entered.
_held: dict[int, list[object]] = {}


def keep(ring: Ring) -> None:
    """Note a new ring."""
    _open[id(ring._c)] = weakref.ref(ring)
    _held[id(ring._c)] = ring._kept


def drain(ring: Ring) -> bool:
    """Take back what was not submitted, cancel what was, and reap it all.

    Returns whether nothing is in flight any more.
    """
    c = ring._c
    ring._discard(lib.pyuring_chain_discard)
    ring._chain = None
    ring._discard(lib.pyuring_discard)
    deadline = monotonic() + DRAIN_SECONDS
    one_by_one = not ring.supports("socket")  # came with CANCEL_ANY, in 5.19
    while (c.in_flight or c.notifying) and monotonic() < deadline:
        code = lib.pyuring_cancel_all(c, one_by_one)
        if code < 0 and code not in (-errno.EINTR, -errno.EBUSY, -errno.EAGAIN):
            return False
        _reap_for(ring, CANCEL_AGAIN_SECONDS)
    # What an interrupted call left in C counts as reaped, but is not handed out.
    while ring._enter(0, -1) > 0:
        pass
    return not c.in_flight and not c.notifying


def _reap_for(ring: Ring, seconds: float) -> None:
    """Reap until something is complete; the answer to a request to cancel is not."""
    deadline = monotonic() + seconds
    c = ring._c
    before = c.in_flight + c.notifying
    while c.in_flight + c.notifying == before and (left := deadline - monotonic()) > 0:
        ring._enter(1, int(left * 1e9))


def finish(ring: Ring) -> None:
    """Unmap and close the ring; leak what it holds if something is still in flight.

    All that a thread which does not own the ring may do with it, once nobody else can.
    Can be repeated where a signal handler interrupted it.
    """
    stuck = ring._c.in_flight + ring._c.notifying > 0
    if stuck:
        _leak(ring)
    ring._free = -1
    lib.pyuring_exit(ring._c, stuck)
    _let_go(ring, stuck=stuck)


def _let_go(ring: Ring, *, stuck: bool) -> None:
    if ring._waker is not None:
        ring._waker.close()
        ring._waker = None
    for op in ring._table:
        if not isinstance(op, int) and op.res is None:
            op.res = -errno.ECANCELED
    if not stuck:
        if ring._buffers is not None:
            ring._buffers._let_go()
        _held.pop(id(ring._c), None)
        ring._kept = []
        ring._holds = []
        ring._runs.clear()
    ring._buffers = ring._files = ring._legacy = None
    _open.pop(id(ring._c), None)
    ring._table = []


def _leak(ring: Ring) -> None:
    """Make immortal what the kernel may touch for this ring: the interpreter's end frees the rest."""
    lib.pyuring_leak(id(ring._kept))


def warn_unclosed(ring: Ring) -> None:
    """Tell that nobody closed the ring."""
    if ring._is_ours:
        return
    warnings.warn(
        f"unclosed {ring!r}: use it in a with statement, or close() it", ResourceWarning, stacklevel=3, source=ring
    )


def forget(ring: Ring) -> None:
    """In a forked child: close the inherited descriptor, and nothing else."""
    ring._free = -1
    lib.pyuring_forget(ring._c)
    if ring._waker is not None:
        # Its registration with the loop is the parent's too.
        ring._waker.forget()
        ring._waker = None
    _let_go(ring, stuck=False)


def at_exit() -> None:
    """Close this thread's rings while everything still works, and secure the others'."""
    for kept in _held.copy().values():
        # First of all, and whatever becomes of the rest: daemon threads go on until the end.
        lib.pyuring_leak(id(kept))
    for reference in list(_open.values()):
        ring = reference()
        if ring is not None and lib.pyuring_is_mine(ring._c):
            for step in (warn_unclosed, type(ring).close):
                try:
                    step(ring)
                except BaseException:
                    sys.excepthook(*sys.exc_info())


atexit.register(at_exit)
