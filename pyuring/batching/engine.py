"""Performing a run: slices of C's loop, with Python's signal handlers between them.

Whatever is raised meanwhile, this comes back only when nothing of the run is in flight any
more, or when that takes too long: then its memory stays where it is until the ring's end.
"""

from __future__ import annotations

import errno
import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyuring._ffi import CData
    from pyuring.inflight import InFlight

__all__ = ["Held", "check_depth", "perform"]

#: Seconds for what is in flight to end once it is cancelled: as long as a closing ring waits.
DRAIN_SECONDS = 10.0

_INTERRUPTED = (-errno.EINTR, -errno.ETIME)


class Held:
    """A run, and what keeps the memory alive that it uses."""

    __slots__ = ("abandoned", "memory", "run")

    def __init__(self, run: CData, memory: object) -> None:
        self.run = run
        self.memory = memory
        #: Nobody performs it any more, though something of it may be in flight.
        self.abandoned = False


def perform(ring: InFlight, run: CData, begin: Callable[[], int], memory: object) -> None:
    """Begin a run and go on until it is over.

    Args:
        ring: on which.
        run: its ``struct pyuring_run *``.
        begin: the call of C that links it with the ring.
        memory: whatever has to live as long as something of it is in flight, `run` too.
    """
    ring._check_no_chain()
    c = ring._c
    held = Held(run, memory)
    try:
        ring._runs.add(held)
        code = begin()
        if code < 0:
            raise ring._rejection(code)
        _forget_abandoned(ring)
        while run.linked:
            _slice(ring, run)
            if run.in_flight and lib.pyuring_run_is_stopped(run):
                lib.pyuring_run_stop(c, run)
    except BaseException:
        try:
            _stop(ring, run)
        except BaseException:
            # Of a second signal, which may have come before the first step of it.
            _stop(ring, run)
            raise
        raise
    finally:
        held.abandoned = True
        try:
            lib.pyuring_run_end(c, run)
        finally:
            if not run.linked:
                ring._runs.discard(held)


def _forget_abandoned(ring: InFlight) -> None:
    """Let go of runs that were given up, where nothing of them is in flight any more."""
    for held in ring._runs.copy():
        if held.abandoned and lib.pyuring_run_end(ring._c, held.run):
            ring._runs.discard(held)


def _slice(ring: InFlight, run: CData) -> None:
    if ring._batch is not None:
        ring._hand_out()
    if ring._returned:
        ring._feed()
    number = ring._taken_over
    count = lib.pyuring_run_go(ring._c, run, number)
    if count > 0:
        ring._take_over(count, number)
    elif count < 0 and count not in _INTERRUPTED:
        ring._enter_failed(count)


def _stop(ring: InFlight, run: CData) -> None:
    """Cancel what is in flight and wait for it, whatever signal handlers raise meanwhile."""
    again: BaseException | None = None
    if os.getpid() != ring._pid:
        # In a forked child: what is in flight is the parent's, and goes to the parent's memory.
        run.in_flight = 0
        return
    deadline = monotonic() + DRAIN_SECONDS
    lib.pyuring_run_ask_to_stop(run)
    while run.in_flight and lib.pyuring_is_mine(ring._c) and monotonic() < deadline:
        try:
            lib.pyuring_run_stop(ring._c, run)
            _slice(ring, run)
        except BaseException as error:  # what is in flight comes first
            again = error
    if again is not None:
        raise again


def check_depth(depth: Any) -> int:
    """`depth` as a number of operations."""
    if isinstance(depth, bool) or not isinstance(depth, int):
        raise TypeError(f"depth is a number of operations, not {type(depth).__name__}")
    if depth < 1:
        raise ValueError(f"depth must be 1 or more operations in flight, not {depth}")
    return depth
