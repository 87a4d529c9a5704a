"""Ring: one io_uring instance, from setup to close."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyuring import closing
from pyuring._ffi import lib
from pyuring.batching.methods import Batches
from pyuring.constants import Features, SetupFlags
from pyuring.creation import make_ring
from pyuring.kernel import is_there
from pyuring.links import Link
from pyuring.operations import Operations
from pyuring.registered_buffers import BufferRegistration
from pyuring.registered_files import FileRegistration
from pyuring.resizing import Resizing
from pyuring.restrictions import Enabling, Restrictions
from pyuring.timing import deadline_of, time_left
from pyuring.tuning import Tuning

if TYPE_CHECKING:
    from types import TracebackType

    from pyuring.completion import Completion

__all__ = ["Ring"]

#: What C counts.
COUNTERS = (
    "submitted", "completed", "in_flight", "enters", "sq_full", "overflows", "unexpected", "rearmed", "starved",
)  # fmt: skip


class Ring(Operations, BufferRegistration, FileRegistration, Tuning, Enabling, Resizing, Batches):
    """An io_uring: a submission queue and a completion queue shared with the kernel.

    Operations (`read`, `write`, `open`, `accept`, ...) prepare an SQE and return a
    `Completion`. Nothing reaches the kernel before `submit`, `wait` or a handle's
    `result`. The ring belongs to the thread that made it.

    Args:
        entries: SQEs that can be prepared before they are submitted; rounded up to a
            power of two. A full SQ is submitted by itself.
        cq_entries: CQEs the completion queue holds, by default twice the SQ's entries.
            It limits how many operations can be in flight.
        setup: `SetupFlags`. None picks the best the running kernel takes.
        sq_thread_idle: milliseconds until an SQPOLL thread sleeps; needs ``SQPOLL``.
        sq_thread_cpu: CPU to pin that thread to; needs ``SQPOLL``.
        attach_wq: another ring of this process. Rings with ``SQPOLL`` share its thread.
        restrictions: what the ring is allowed to do. It is made disabled, so that buffers and
            files can be registered first: call `enable` before the first submission.
        registered_waits: keep the time limits of waits in memory that the kernel knows,
            instead of having it copy them in each time. Kernel 6.13.

    Raises:
        UnavailableError: no ring can be made here; the text says why and what to do.
        UnsupportedError: this kernel lacks a flag of `setup`.
        ValueError: `entries` or `cq_entries` out of range, or flags that do not go together.

    See `io_uring_setup(2)`, kernel 5.1.
    """

    def __init__(
        self,
        entries: int = 256,
        *,
        cq_entries: int | None = None,
        setup: SetupFlags | int | None = None,
        sq_thread_idle: int | None = None,
        sq_thread_cpu: int | None = None,
        attach_wq: Ring | None = None,
        restrictions: Restrictions | None = None,
        registered_waits: bool = False,
    ) -> None:
        super().__init__()
        disabled = restrictions is not None or registered_waits
        try:
            make_ring(self._c, entries, cq_entries, setup, sq_thread_idle, sq_thread_cpu, attach_wq, disabled=disabled)
            self._make_table()
            closing.keep(self)
            if disabled:
                self._configure(restrictions, registered_waits=registered_waits)
                if restrictions is None and not SetupFlags.R_DISABLED & (setup or 0):
                    self.enable()
        except BaseException:
            # A signal handler may have raised after the ring was made.
            if not self.closed:
                closing.finish(self)
            raise

    # -- submission and completion -------------------------------------------------

    def submit(self) -> int:
        """Submit what is prepared, without waiting, in one `io_uring_enter(2)`.

        Returns:
            How many SQEs the kernel took; an operation with ``timeout=`` has two.

        Raises:
            RuntimeError: closed, another thread's ring, or inside a ``link()`` block.
        """
        self._check_no_chain()
        while (count := lib.pyuring_submit(self._c)) < 0:
            self._refused(count)
        return count

    def wait(self, n: int = 1, timeout: float | None = None) -> list[Completion[Any]]:
        """Submit what is prepared, wait for `n` completions, and return all that are ready.

        Args:
            n: completions to wait for; never more are waited for than are in flight.
            timeout: seconds to wait at the most; None waits for ever. When they are over,
                what is ready is returned, perhaps nothing.

        Raises:
            RuntimeError: nothing is in flight and there is no `timeout`; closed, another
                thread's ring, or inside a ``link()`` block.
            ValueError: `n` or `timeout` is negative.
        """
        self._check_no_chain()
        if self._taken:
            self._forget_taken()
        if timeout is None:
            self._wait_for(n)
        else:
            self._wait_until(n, timeout)
        if self._taken:
            self._forget_taken()
        # No call between these lines and the caller: a signal handler that raises
        # comes before them, or after the caller has the list.
        ready = self._ready
        self._ready = []
        return ready

    def _wait_for(self, n: int) -> None:
        if n < 0:
            raise ValueError(f"n must be 0 or more, not {n}")
        if self._batch is not None:
            self._hand_out()
        n = min(n, len(self._ready) + len(self._table))
        number = self._taken_over
        self._enter(self._still_wanted(n), -1, None, number)
        while len(self._ready) < n and (self._c.in_flight > self._streaming or self._c.expects_messages):
            if self._c.gathered and self._ready:
                break
            number = self._taken_over
            self._enter(self._still_wanted(n), -1, None, number)
        if n > 0 and not self._ready:
            what = "all that is in flight is being iterated over" if self._streaming else "nothing is in flight"
            raise RuntimeError(f"{what}: wait() would wait for ever")

    def _still_wanted(self, n: int, least: int = 0) -> int:
        """How many CQEs to wait for to have `n` completions: what is iterated over has none to give."""
        want = n - len(self._ready)
        if want > 0 and self._streaming:
            want = max(min(want, self._c.in_flight - self._streaming + self._c.expects_messages), least)
        return max(want, 0)

    def _wait_until(self, n: int, timeout: float) -> None:
        if n < 0:
            raise ValueError(f"n must be 0 or more, not {n}")
        deadline = deadline_of(timeout)
        if self._batch is not None:
            self._hand_out()
        n = min(n, len(self._ready) + len(self._table))
        while True:
            left = time_left(deadline)
            number = self._taken_over
            self._enter(self._still_wanted(n, 1), left, None, number)
            if len(self._ready) >= n or left == 0 or (self._c.gathered and self._ready):
                return
            if not (self._c.in_flight or self._c.expects_messages):
                return

    def submit_and_wait(self, n: int = 1, timeout: float | None = None) -> list[Completion[Any]]:
        """The same as `wait`, which submits too, in the same system call."""
        return self.wait(n, timeout)

    def completions(self) -> list[Completion[Any]]:
        """Return the completions that are ready now; submits nothing, waits for nothing.

        A multishot that the kernel has ended early is armed again by the next `submit` or `wait`.

        Raises:
            RuntimeError: closed, or another thread's ring.
        """
        if self._batch is not None:
            self._hand_out()
        number = self._taken_over
        count = lib.pyuring_peek(self._c, number)
        if count < 0:
            self._enter_failed(count)
        elif count:
            self._take_over(count, number)
        if self._taken:
            self._forget_taken()
        ready = self._ready
        self._ready = []
        return ready

    def link(self, *, hard: bool = False) -> Link:
        """Open a chain: ``with ring.link():`` each operation starts after the one before.

        The operations are submitted together, never split. If the block raises, none
        of them is executed and their handles end with ``ECANCELED``. Inside it,
        `submit`, `wait`, ``result()`` and another `link` raise ``RuntimeError``; what a
        signal handler prepares meanwhile joins the chain.

        Args:
            hard: go on after an operation that failed (IOSQE_IO_HARDLINK). Otherwise a
                failure, or a read or write cut short, cancels what follows. Look at the
                results nevertheless: kernels up to 6.18 at least do not count a failed
                fsync, sync_file_range, fallocate, ftruncate, madvise, statx, unlink,
                rmdir, rename, mkdir, hardlink, symlink, or one of extended attributes, as
                a failure here, and go on.

        Raises:
            ValueError: in the block, once the chain needs more SQEs than `entries`.

        See `io_uring_linked_requests(7)`, kernel 5.3; hard links 5.5.
        """
        return Link(self, hard=hard)

    # -- what the ring is -----------------------------------------------------------

    def fileno(self) -> int:
        """The ring's descriptor, readable in `poll(2)` while completions are ready.

        A poll that sleeps is woken by a completion only on a ring without
        ``DEFER_TASKRUN``: pass ``setup=SetupFlags.COOP_TASKRUN`` for one.
        """
        if self.closed:
            raise ValueError("the ring is closed")
        return int(self._c.ring.ring_fd)

    @property
    def in_flight(self) -> int:
        """Operations that are prepared or submitted, and not yet reaped."""
        return 0 if self.closed else int(self._c.in_flight)

    @property
    def entries(self) -> int:
        """SQEs the submission queue holds."""
        return int(self._c.ring.sq.ring_entries)

    @property
    def cq_entries(self) -> int:
        """CQEs the completion queue holds: the limit of what can be in flight."""
        return int(self._c.limit)

    @property
    def setup(self) -> SetupFlags:
        """The setup flags in effect."""
        return SetupFlags(self._c.ring.flags)

    @property
    def features(self) -> Features:
        """What the running kernel's rings can do."""
        return Features(self._c.ring.features)

    @property
    def expects_messages(self) -> bool:
        """Whether `wait` also waits for messages of other rings, with nothing in flight too.

        False at first: a wait is for what is in flight then, and never lasts for ever.
        """
        return bool(self._c.expects_messages)

    @expects_messages.setter
    def expects_messages(self, value: bool) -> None:
        self._c.expects_messages = value

    def supports(self, operation: str | int) -> bool:
        """Whether the running kernel has an operation.

        Args:
            operation: the name of a method (``"read"``) or the number of an opcode.
                What is unknown is not supported.

        See `io_uring_get_probe(3)`, kernel 5.6.
        """
        opcodes = self._supported()
        return is_there(operation, opcodes) if isinstance(operation, str) else operation in opcodes

    def stats(self) -> dict[str, int]:
        """Counters since the ring was made.

        ``submitted`` SQEs, ``completed`` operations, ``in_flight``, ``enters`` (calls of
        `io_uring_enter(2)`), ``sq_full`` (early submissions because the SQ was full),
        ``overflows`` (times the ring was entered because the kernel held CQEs back),
        ``unexpected`` (CQEs of no operation of this ring), ``rearmed`` (times a multishot that
        the kernel had ended was armed again), ``starved`` (times one ended for lack of provided
        buffers), ``lent`` (completions whose provided buffers are not given back yet).
        """
        counters = {name: int(getattr(self._c, name)) for name in COUNTERS}
        return counters | {"lent": sum(buffers.lent for buffers in list(self._buffer_rings) if not buffers.closed)}

    def __repr__(self) -> str:
        if self.closed:
            return "<Ring closed>"
        flags = self.setup.name or "plain"
        return (
            f"<Ring fd={self.fileno()} entries={self.entries} cq_entries={self.cq_entries} "
            f"in_flight={self.in_flight} setup={flags}>"
        )

    # -- the end --------------------------------------------------------------------

    def close(self) -> None:
        """Cancel and reap what is in flight, then free the ring; twice is once.

        Operations that were never submitted are never executed. After it every handle
        is done, with its result or with ``ECANCELED``. I/O that a disk has begun is
        waited for; should something not end in time, its memory is leaked, not freed.

        Raises:
            RuntimeError: another thread's ring.
        """
        if not self._table:
            return
        if os.getpid() != self._pid:
            closing.forget(self)
            return
        if not self.closed:  # else it was interrupted on its last steps
            if not lib.pyuring_is_mine(self._c):
                raise self._not_yours()
            try:
                closing.drain(self)
            except RuntimeError:
                if not self.closed:  # by a signal handler, meanwhile
                    raise
        closing.finish(self)

    def __enter__(self) -> Ring:
        if self.closed:
            raise self._not_yours()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_table", None):
            return
        if os.getpid() != self._pid:
            closing.forget(self)
            return
        try:
            try:
                closing.warn_unclosed(self)
            finally:
                if lib.pyuring_is_mine(self._c):
                    self.close()
        finally:
            # In another thread, or when a signal handler raised: without touching it.
            if self._table:
                closing.finish(self)
