"""The in-flight table: from preparing an operation to handing its CQE to its handle.

A signal handler may raise between any two steps of Python code, and another thread
may run there. CPython looks for both at calls, at function entry and at the end of a
loop's round, nowhere else. So every change of state here is a run of plain loads and
stores without a call in it, and what comes in batches comes from an iterator that is
kept: an interrupted loop goes on where it stopped, nothing is lost, nothing comes twice.

The table is a list with one slot for every CQE that the CQ can hold. An occupied slot
holds the handle; a free one holds the number of the next free slot. Slots are reused,
ids are not: the C layer adds a counter, see `_native/state.h`.
"""

from __future__ import annotations

import errno
import os
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from pyuring import mixed
from pyuring._ffi import ffi, lib, new
from pyuring.batch_arrays import install, make_arrays
from pyuring.errors import misuse
from pyuring.kernel import SINCE, is_there, read_probe
from pyuring.preparing import NO_SLOT, Preparing
from pyuring.timing import deadline_of, time_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyuring._ffi import CData, RingStruct
    from pyuring.async_wait import Waker
    from pyuring.batching.engine import Held
    from pyuring.completion import Completion, Handle

__all__ = ["InFlight"]

#: From one Python function to the next, a name that is looked up once.
_enter_kernel = lib.pyuring_enter
_unpack = ffi.unpack

_HAS_FLAGS = lib.PYURING_BATCH_HAS_FLAGS
_IS_MIXED = lib.PYURING_BATCH_IS_MIXED
_COUNT = _HAS_FLAGS - 1
_TIMED_OUT = lib.PYURING_TIMED_OUT


class InFlight(Preparing):
    """What `Ring` and its operations share: the table, and reaping into it."""

    def __init__(self) -> None:
        self._c: RingStruct = new("struct pyuring *")
        self._table: list[Any] = []
        self._free = NO_SLOT
        #: By slot, what the kernel reads or writes, and file objects, whose descriptor it looks up
        #: at submission. Apart from the handles, because it outlives the ring if need be: `closing`.
        self._holds: list[object] = []
        #: These, registered buffers, and C's structure: all that the kernel may touch.
        self._kept: list[object] = []
        #: Done, not yet delivered by wait() or completions().
        self._ready: list[Completion[Any]] = []
        #: How many multishots in flight are iterated over, and have nothing for wait().
        self._streaming = 0
        #: What was given back in other threads: (group, buffer, start, length).
        self._returned: deque[tuple[CData, int, int, int]] = deque()
        #: How many of these result() has taken since, about: see `_take`.
        self._taken = 0
        #: The CQEs being handed out, as (slot, res), or None.
        self._batch: Iterator[Any] | None = None
        #: The same iterator, if it is that of a mixed batch.
        self._mixed: Iterator[Any] | None = None
        #: The number of the last batch taken over from C, which keeps it till then.
        self._taken_over = 0
        #: What wakes the event loop that waits for this ring.
        self._waker: Waker | None = None
        #: What the tags of registered things stand for, by number, until they come back.
        self._tags: dict[int, object] = {}
        #: The opcodes that the kernel has, once somebody asked.
        self._opcodes: frozenset[int] | None = None
        #: The open link() block, which must not live longer for being open.
        self._chain: weakref.ref[Any] | None = None
        #: What level 2 is doing, or has given up while something of it was in flight.
        self._runs: set[Held] = set()
        self._pid = os.getpid()

    #: Made by pyuring itself: nobody is to be told that it was not closed.
    _is_ours = False

    _batch_slots: CData
    _batch_res: CData
    _batch_flags: CData
    _batch_places: CData
    _batch_extra: CData | None

    def _make_table(self) -> None:
        limit = self._c.limit
        install(self, make_arrays(self._c, limit))
        self._holds = [None] * limit
        self._kept += [self._c, self._holds, self._runs]
        self._table = [*range(1, limit), NO_SLOT]
        self._free = 0

    def _supported(self) -> frozenset[int]:
        if self._opcodes is None:
            answer = read_probe(self._c)
            if isinstance(answer, int):
                raise self._rejection(answer)
            self._opcodes = answer
        return self._opcodes

    def _first_kernel_with(self, operation: str) -> str | None:
        """The first kernel that has `operation`, if the running one has not."""
        if self._opcodes is None and not lib.pyuring_is_mine(self._c):
            return None  # closed, forked, or another thread's: nobody to ask
        return None if is_there(operation, self._supported()) else SINCE.get(operation)

    @property
    def closed(self) -> bool:
        """Whether the ring is closed."""
        return not self._c.owner

    # -- reaping -----------------------------------------------------------------

    def _enter(self, want: int, timeout_ns: int, taker: Handle | None = None, number: int = -1) -> int:
        """Submit, wait for `want` CQEs or `timeout_ns`, and hand out what came.

        Does not wait if batch `number` is not the last one any more: what the caller waits
        for may have come in the meantime. Returns how many came, which may be none: after a
        signal, or the time.
        """
        if self._batch is not None:
            # An interrupted call left these: perhaps they are what is waited for.
            self._hand_out(taker)
            return 1
        if self._returned:
            self._feed()
        if number < 0:
            number = self._taken_over
        count = _enter_kernel(self._c, want, timeout_ns, number)
        if count > 0:
            self._take_over(count, number, taker)
        elif count < 0 and count not in (-errno.EINTR, -errno.ETIME):
            self._enter_failed(count)
        return count

    def _enter_failed(self, code: int) -> None:
        if code == lib.PYURING_NOT_YOURS:
            raise self._not_yours()
        if code == lib.PYURING_STARVED and self._returned:  # another thread was just in time
            return
        if code in (lib.PYURING_STARVED, -errno.EBADFD):
            raise misuse(code)
        raise OSError(-code, f"{os.strerror(-code)} (io_uring_enter)")

    def _feed(self) -> None:
        """Give the kernel the provided buffers that other threads are done with."""
        c, returned = self._c, self._returned
        if not lib.pyuring_is_mine(c):
            return
        while returned:
            # No call between these: each goes back once, whatever a signal handler does.
            group, bid, start, length = returned[0]
            del returned[0]
            lib.pyuring_give_back(c, group, bid, start, length)

    def _take_over(self, count: int, number: int, taker: Handle | None = None) -> None:
        """Make C's batch, the one after `number`, the iterator that is handed out from."""
        if count > _COUNT:
            if count & _IS_MIXED:
                mixed.take_over(self, count & _COUNT, number, taker)
                return
            count &= _COUNT
            self._note_flags(count, number)
        slots = _unpack(self._batch_slots, count)
        results = _unpack(self._batch_res, count)
        batch = zip(slots, results)  # noqa: B905  strict= costs 50 ns a call
        # Unless a signal handler that uses the ring has been faster. From the next
        # call on, C may forget the batch.
        if self._taken_over == number and self._batch is None:
            self._batch = batch
            self._taken_over = number + 1
        self._hand_out(taker)

    def _note_flags(self, count: int, number: int) -> None:
        """Give the handles of a batch their CQEs' flags, which are 0 in most batches."""
        table = self._table
        for slot, flags in zip(_unpack(self._batch_slots, count), _unpack(self._batch_flags, count), strict=True):
            if self._taken_over != number:
                break
            op = table[slot]
            op.flags = flags & 0xFFFFFFFF
            if flags & _TIMED_OUT:
                op._timed_out = True

    def _hand_out(self, taker: Any = None) -> None:
        """Give each CQE of the batch to its handle, and queue that for delivery.

        `taker` is the handle that result() waits for: it is not queued.
        """
        table = self._table
        holds = self._holds
        while (batch := self._batch) is not None:
            if batch is self._mixed:
                mixed.hand_out(self, batch, taker)
                if self._batch is batch:
                    self._batch = self._mixed = None
                continue
            for slot, res in batch:
                op = table[slot]
                table[slot] = self._free
                self._free = slot
                op.res = res
                # May run a destructor, hence after all else but the queueing.
                holds[slot] = None
                if op is taker:  # not queued, so not to be taken from the queue
                    op._slot = NO_SLOT
                else:
                    self._ready.append(op)
            # Unless a signal handler that used the ring has left another one.
            if self._batch is batch:
                self._batch = None

    def _discard(self, take_back: Callable[..., int]) -> None:
        """Hand out as cancelled what `take_back`, a function of C, takes back unsubmitted."""
        while True:
            if self._batch is not None:
                self._hand_out()
            number = self._taken_over
            count = take_back(self._c, number)
            if count == lib.PYURING_NOT_YOURS and self._c.owner:
                raise self._not_yours()
            if count <= 0:
                return
            self._take_over(count, number)

    def _check_no_chain(self) -> None:
        """Refuse what makes no sense inside a link() block."""
        if self._chain is None:
            return
        if self._chain() is not None:
            raise misuse(lib.PYURING_IN_CHAIN)
        # It was dropped where nobody could give it up: in another thread.
        self._discard(lib.pyuring_chain_discard)
        self._chain = None

    def _take(self, op: Completion[Any]) -> None:
        """result() was called on a finished `op`: do not deliver it any more.

        Finding it in the queue would take longer the longer that is; it is marked,
        and the marked ones are dropped when they may be half of the queue.
        """
        op._slot = NO_SLOT
        self._taken += 1
        if self._taken * 2 > len(self._ready):
            self._forget_taken()

    def _forget_taken(self) -> None:
        # A finished operation has a result in any thread, but only the owner may
        # replace the queue: another one would lose what is queued meanwhile.
        if not lib.pyuring_is_mine(self._c):
            return
        queue = self._ready
        kept = [op for op in queue if op._slot >= 0]
        if self._ready is queue:  # a signal handler may have called wait() meanwhile
            self._ready = kept
            self._taken = 0

    def _finish(self, op: Completion[Any], timeout: float | None) -> None:
        """Wait until `op` is done."""
        self._check_no_chain()
        if timeout is None:
            number = self._taken_over
            while op.res is None:
                self._enter(1, -1, op, number)
                number = self._taken_over
            return
        deadline = deadline_of(timeout)
        while op.res is None:
            left = time_left(deadline)
            number = self._taken_over
            if op.res is None:
                self._enter(1, left, op, number)
            if left == 0 and op.res is None:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"{op.operation} is not done after {timeout} s; it goes on and can be waited for"
                )

    def _wait_released(self, op: Any, timeout: float | None) -> None:
        """Wait for the notification of a zero-copy operation, which is no completion."""
        self._check_no_chain()
        deadline = deadline_of(timeout)
        number = self._taken_over
        while not op.released:
            left = time_left(deadline)
            self._enter(1, left, None, number)
            number = self._taken_over
            if left == 0 and not op.released:
                raise TimeoutError(errno.ETIMEDOUT, f"the memory of {op.operation} is not released after {timeout} s")

    def _cancel(self, op: Handle) -> None:
        # Looked at right before the call: once it is done, its slot is another one's.
        while op.res is None and (code := lib.pyuring_cancel_slot(self._c, op._slot)) < 0:
            self._refused(code)
        if self._waker is not None:
            self._waker.soon()
