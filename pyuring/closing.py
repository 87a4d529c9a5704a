"""How a ring ends: on close(), with its last reference, in a forked child, at exit.

The rule is that memory the kernel may still write to is never freed. So everything in
flight is cancelled and reaped first; what cannot be reaped in time is leaked instead,
and stays leaked through the end of the interpreter.
"""

from __future__ import annotations

import atexit
import errno
import os
import warnings
import weakref
from time import monotonic
from typing import TYPE_CHECKING

from pyuring._ffi import lib

if TYPE_CHECKING:
    from pyuring.ring import Ring

__all__ = ["drain", "finish", "forget", "open_rings", "warn_unclosed"]

#: Seconds for what is in flight to end once it is cancelled. A request that a disk has
#: begun cannot be cancelled, and takes as long as the disk takes.
DRAIN_SECONDS = 10.0
#: A cancel can miss a request on its way from one queue of the kernel to another.
CANCEL_AGAIN_SECONDS = 0.1

#: Rings to see to before the interpreter frees what they hold.
open_rings: weakref.WeakSet[Ring] = weakref.WeakSet()


def drain(ring: Ring) -> bool:
    """Take back what was not submitted, cancel what was, and reap it all.

    Returns whether nothing is in flight any more.
    """
    c = ring._c
    if ring._chain is not None:
        ring._chain = None
        ring._discard(lib.pyuring_chain_discard)
    ring._discard(lib.pyuring_discard)
    deadline = monotonic() + DRAIN_SECONDS
    one_by_one = not ring.supports("socket")  # came with CANCEL_ANY, in 5.19
    while c.in_flight and monotonic() < deadline:
        code = lib.pyuring_cancel_all(c, one_by_one)
        if code < 0 and code not in (-errno.EINTR, -errno.EBUSY, -errno.EAGAIN):
            return False
        ring._enter(1, int(CANCEL_AGAIN_SECONDS * 1e9))
    # A batch whose handing out was interrupted counts as reaped, but not as handed out.
    ring._enter(0, -1)
    return not c.in_flight


def finish(ring: Ring) -> None:
    """Unmap and close the ring; leak what it holds if something is still in flight.

    All that a thread which does not own the ring may do with it, once nobody else can.
    """
    stuck = ring._c.in_flight > 0
    if stuck:
        _leak(ring)
    table = ring._table
    ring._free = -1
    ring._table = []
    lib.pyuring_exit(ring._c, stuck)
    open_rings.discard(ring)
    for op in table:
        if not isinstance(op, int) and op.res is None:
            op.res = -errno.ECANCELED
            if not stuck:
                op._hold = None
    if ring._buffers is not None and not stuck:
        ring._buffers._let_go()
    ring._buffers = ring._files = None


def _leak(ring: Ring) -> None:
    """Make immortal whatever the kernel may touch for this ring."""
    for thing in (ring._table, ring._c, ring._registered):
        lib.pyuring_leak(id(thing))


def warn_unclosed(ring: Ring) -> None:
    """Tell that nobody closed the ring."""
    warnings.warn(
        f"unclosed {ring!r}: use it in a with statement, or close() it", ResourceWarning, stacklevel=3, source=ring
    )


def forget(ring: Ring) -> None:
    """In a forked child: close the inherited descriptor, and nothing else."""
    ring._free = -1
    ring._table = []
    lib.pyuring_forget(ring._c)
    open_rings.discard(ring)


def at_exit() -> None:
    """Close this thread's rings while everything still works, and secure the others'."""
    for ring in list(open_rings):
        if ring.closed or ring._pid != os.getpid():
            continue
        try:
            if lib.pyuring_is_mine(ring._c):
                warn_unclosed(ring)
                ring.close()
        finally:
            if not ring.closed:
                _leak(ring)


atexit.register(at_exit)
