"""Giving a ring other sizes while it lives."""

from __future__ import annotations

import errno
from typing import Any

from pyuring._ffi import lib
from pyuring.batch_arrays import install, make_arrays
from pyuring.creation import check_sizes
from pyuring.errors import lacking
from pyuring.inflight import InFlight
from pyuring.kernel import is_older

__all__ = ["Resizing"]


def power_of_two(number: int) -> int:
    """The power of two that is not below `number`."""
    return 1 << (number - 1).bit_length()


class Resizing(InFlight):
    """The part of `Ring` that gives it other sizes."""

    def resize(self, entries: int, *, cq_entries: int | None = None) -> None:
        """Give the submission and the completion queue other sizes.

        Whatever else the ring has stays: registered buffers and files, credentials, counters.
        Only rings with ``DEFER_TASKRUN``, as the default one is, can be resized.

        Args:
            entries: as for `Ring`.
            cq_entries: as for `Ring`.

        Raises:
            RuntimeError: something is prepared or in flight; inside a ``link()`` block.
            ValueError: sizes out of range, or a ring of another setup.
            MemoryError: no memory for larger queues; if that is found out too late, the ring
                is closed.

        See `io_uring_resize_rings(3)`, kernel 6.13.
        """
        check_sizes(entries, cq_entries)
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        self._check_no_chain()
        if not self._c.ring.flags & lib.IORING_SETUP_DEFER_TASKRUN:
            raise ValueError("only a ring with DEFER_TASKRUN can be resized")
        limit = power_of_two(cq_entries or 2 * power_of_two(entries))
        self._settle()
        table: list[Any] = [*range(1, limit), -1]
        holds: list[object] = [None] * limit
        shrinks = limit < len(self._table)
        arrays = make_arrays(self._c, max(limit, len(self._table)))
        # A slot that is not free belongs to an operation, also where that is only being prepared.
        if not all(isinstance(free, int) for free in self._table) or not install(self, arrays):
            raise self._not_resized(-errno.EBUSY)
        # A signal handler may use the ring before and after each call, and there is none between
        # a look at whether it did and the exchange of the tables. C may have more slots than
        # Python, but not fewer; the arrays have enough for both.
        c = self._c
        if c.in_flight or c.notifying:
            raise self._not_resized(-errno.EBUSY)
        old_table, old_holds, old_free = self._table, self._holds, self._free
        if shrinks:
            self._table, self._holds, self._free = table, holds, 0
            self._kept[1] = holds
        code = lib.pyuring_resize(c, power_of_two(entries), limit, self._taken_over)
        if not (c.in_flight or c.notifying or c.batch_number != self._taken_over or self._batch is not None):
            if code < 0 and shrinks:
                self._table, self._holds, self._free = old_table, old_holds, old_free
                self._kept[1] = old_holds
            elif code >= 0 and not shrinks:
                self._table, self._holds, self._free = table, holds, 0
                self._kept[1] = holds
        if code < 0:
            raise self._not_resized(code)

    def _not_resized(self, code: int) -> Exception:
        if code == -errno.EBUSY:
            return RuntimeError("a ring is resized while nothing is prepared or in flight")
        if code == -errno.ENOMEM:
            lost = "; the ring is closed" if not self._c.owner else ""
            return MemoryError(f"the kernel has no memory for larger queues{lost}")
        if code == -errno.EINVAL and is_older("6.13"):
            return lacking("resize", "6.13")
        return self._rejection(code)

    def _settle(self) -> None:
        """Hand out what is reaped, and reap what is ready: then the queues are empty."""
        while True:
            if self._batch is not None:
                self._hand_out()
            number = self._taken_over
            count = lib.pyuring_peek(self._c, number)
            if count < 0:
                self._enter_failed(count)
            if count <= 0:
                return
            self._take_over(count, number)
