"""The ring that each thread has for what needs one and was given none."""

from __future__ import annotations

import atexit
import threading

from pyuring._ffi import lib
from pyuring.ring import Ring

__all__ = ["thread_ring"]

#: As many SQEs as are submitted at once, and room for any depth that pays.
ENTRIES = 256
CQ_ENTRIES = 1024


class _ThreadRing(Ring):
    _is_ours = True


class _Owner:
    """Closes a thread's ring with the thread, in which this is dropped.

    With a daemon thread it is dropped in another one, at the end of the interpreter. Then the
    ring may be in use, and is left to its own end, which is that of the last reference.
    """

    __slots__ = ("ring",)

    def __init__(self) -> None:
        self.ring = _ThreadRing(ENTRIES, cq_entries=CQ_ENTRIES)

    def __del__(self) -> None:
        ring = getattr(self, "ring", None)
        if ring is not None and lib.pyuring_is_mine(ring._c):
            ring.close()


_mine = threading.local()


def thread_ring() -> Ring:
    """This thread's ring, made when it is first needed.

    Raises:
        UnavailableError: no ring can be made here.
    """
    owner: _Owner | None = getattr(_mine, "owner", None)
    if owner is None or not lib.pyuring_is_mine(owner.ring._c):
        # There is none, or a signal handler closed it, or it is a forked parent's.
        owner = _mine.owner = _Owner()
    return owner.ring


def _at_exit() -> None:
    _mine.__dict__.clear()


# Before those rings are looked for that their owners forgot to close.
atexit.register(_at_exit)
