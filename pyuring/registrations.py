"""What a ring is told by `io_uring_register(2)`, besides buffers and files."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyuring._ffi import NULL, lib, new
from pyuring.completion import Handle
from pyuring.errors import lacking
from pyuring.history import REGISTER_CALLS
from pyuring.inflight import InFlight
from pyuring.kernel import is_older
from pyuring.registered_files import RegisteredFile, descriptor, plain_descriptor
from pyuring.timing import deadline_of, time_left

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Personality", "Registrations"]

NUMBERS = {name: number for number, (name, _) in enumerate(REGISTER_CALLS)}

#: How long sync_cancel() waits for a completion before it asks again.
CANCEL_AGAIN_NS = 10_000_000

#: What sqe->personality holds.
LAST_PERSONALITY = 0xFFFF


class Personality:
    """The block of ``with ring.personality(number):``; see `Ring.personality`."""

    __slots__ = ("_before", "_number", "_open", "_ring")

    def __init__(self, ring: InFlight, number: int) -> None:
        self._ring = ring
        self._number = number
        self._open = False

    def __enter__(self) -> Personality:
        c = self._ring._c
        if not lib.pyuring_is_mine(c):
            raise self._ring._not_yours()
        self._before = c.personality
        self._open = True
        c.personality = self._number
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open:
            self._ring._c.personality = self._before
            self._open = False

    def __del__(self) -> None:
        # A signal handler may raise as soon as __exit__ is entered: nothing that follows may
        # run with somebody else's credentials for that.
        if getattr(self, "_open", False):
            self.__exit__(None, None, None)


class Registrations(InFlight):
    """The part of `Ring` that registers an eventfd, credentials and the ring's own descriptor."""

    def _register(self, call: str, argument: Any = NULL, count: int = 0) -> int:
        """Make the register call of that name; the kernel's answer, refusals included."""
        number = NUMBERS[call]
        code: int = lib.pyuring_register_call(self._c, number, argument, count)
        if code == lib.PYURING_NOT_YOURS:
            raise self._not_yours()
        if code == -errno.EINVAL and is_older(REGISTER_CALLS[number][1]):
            raise lacking(call, REGISTER_CALLS[number][1])
        return code

    def _tell(self, call: str, argument: Any = NULL, count: int = 0) -> int:
        """The same, where a refusal is an error."""
        code = self._register(call, argument, count)
        if code < 0:
            raise self._rejection(code)
        return code

    # -- eventfd -------------------------------------------------------------------

    def register_eventfd(self, fd: object, *, async_only: bool = False) -> None:
        """Have the kernel signal an eventfd whenever a completion is posted.

        Its count is a hint that there is something to reap, not the number of completions.
        A ring with ``DEFER_TASKRUN``, as the default one, signals it when there is work for
        the ring's thread; the completions are there once that enters, as `wait` does.

        Args:
            fd: the descriptor of an eventfd, or an object with ``fileno()``.
            async_only: not for operations that are complete as soon as they are submitted.
                Kernel 5.6.

        Raises:
            RuntimeError: the ring has one already.
            OSError: ``EINVAL`` for a descriptor that is no eventfd.

        See `io_uring_register_eventfd(3)`, kernel 5.2.
        """
        call = "REGISTER_EVENTFD_ASYNC" if async_only else "REGISTER_EVENTFD"
        code = self._register(call, new("int *", plain_descriptor(fd)), 1)
        if code == -errno.EBUSY:
            raise RuntimeError("this ring has an eventfd: unregister_eventfd() first")
        if code < 0:
            raise self._rejection(code)

    def unregister_eventfd(self) -> None:
        """Signal the eventfd no more; twice is once.

        Raises:
            RuntimeError: it is that of an event loop which waits for the ring.

        See `io_uring_unregister_eventfd(3)`, kernel 5.2.
        """
        if self._waker is not None:
            raise RuntimeError("the ring's eventfd is that of the event loop which waits for it")
        code = self._register("UNREGISTER_EVENTFD")
        if code < 0 and code != -errno.ENXIO:
            raise self._rejection(code)

    @property
    def eventfd_enabled(self) -> bool:
        """Whether completions signal the registered eventfd; set it to pause and to go on.

        It is a flag in memory, no system call. See `io_uring_cq_eventfd_toggle(3)`, kernel 5.8.
        """
        return bool(self._eventfd(-1))

    @eventfd_enabled.setter
    def eventfd_enabled(self, on: bool) -> None:
        self._eventfd(1 if on else 0)

    def _eventfd(self, on: int) -> int:
        code: int = lib.pyuring_eventfd(self._c, on)
        if code == -errno.EOPNOTSUPP:
            raise lacking("eventfd_enabled", "5.8")
        if code < 0:
            raise self._rejection(code)
        return code

    # -- credentials ---------------------------------------------------------------

    def register_personality(self) -> int:
        """Register this thread's credentials as they are now, for operations to run with later.

        Returns:
            The number to pass to `personality`.

        See `io_uring_register_personality(3)`, kernel 5.6.
        """
        return self._tell("REGISTER_PERSONALITY")

    def unregister_personality(self, number: int) -> None:
        """Forget registered credentials.

        Raises:
            ValueError: there are none of that number.

        See `io_uring_unregister_personality(3)`, kernel 5.6.
        """
        code = self._register("UNREGISTER_PERSONALITY", NULL, checked_personality(number))
        if code == -errno.EINVAL:
            raise ValueError(f"no credentials are registered as {number}")
        if code < 0:
            raise self._rejection(code)

    def personality(self, number: int) -> Personality:
        """Prepare the operations of a ``with`` block with registered credentials.

        They count for what is prepared in the block, a signal handler's operations included,
        whenever it is submitted. An operation whose credentials were unregistered before it
        is submitted fails with ``EINVAL``.

        Args:
            number: from `register_personality`.
        """
        return Personality(self, checked_personality(number))

    # -- the ring's descriptor -----------------------------------------------------

    def register_ring_fd(self) -> None:
        """Let the kernel remember the ring for this thread, instead of its descriptor each time.

        It makes each `io_uring_enter(2)` a little faster, above all where threads share the
        table of descriptors. A thread has room for 16 rings. A ring that is collected in
        another thread instead of closed then stays in the kernel until its own thread ends.

        Raises:
            OSError: ``EBUSY`` if the thread has registered 16 already.

        See `io_uring_register_ring_fd(3)`, kernel 5.18.
        """
        code = lib.pyuring_register_ring_fd(self._c)
        if code == -errno.EINVAL and is_older("5.18"):
            raise lacking("register_ring_fd", "5.18")
        if code == -errno.EBUSY:
            raise OSError(-code, "this thread has registered as many rings as the kernel remembers (16)")
        if code < 0:
            raise self._rejection(code)

    def unregister_ring_fd(self) -> None:
        """Pass the ring's descriptor again; twice is once. See `io_uring_unregister_ring_fd(3)`."""
        code = lib.pyuring_unregister_ring_fd(self._c)
        if code < 0:
            raise self._rejection(code)

    # -- cancelling ----------------------------------------------------------------

    def sync_cancel(self, target: object = None, *, timeout: float | None = None) -> None:
        """Cancel operations, and wait until the kernel is through with them.

        What is prepared is submitted first. The operations come out of `wait`: with
        ``ECANCELED``, or with a result if they were faster. I/O that a disk has begun
        cannot be cancelled, and is waited for.

        Args:
            target: a handle; or a descriptor, an object with ``fileno()`` or a registered
                file, for all that reads, writes or waits for that file (but the kernel does
                not find what was prepared with ``SqeFlags.ASYNC`` before a worker has begun
                with it); or None for everything, so that nothing is in flight afterwards.
            timeout: seconds to wait at the most; None waits for ever.

        Raises:
            TimeoutError: not all is done in time. It is cancelled nevertheless.
            RuntimeError: inside a ``link()`` block.

        See `io_uring_register_sync_cancel(3)`, kernel 6.0.
        """
        deadline = deadline_of(timeout)
        op = target if isinstance(target, Handle) else None
        file = -1
        if op is not None and op._ring is not self:
            raise ValueError("the operation is another ring's")
        if op is None and target is not None:
            file = descriptor(target) if isinstance(target, RegisteredFile) else plain_descriptor(target)
        self._check_no_chain()
        while op is None or op.res is None:
            code = lib.pyuring_sync_cancel(self._c, -1 if op is None else op._slot, file)
            if code == -errno.EINVAL and is_older("6.0"):
                raise lacking("sync_cancel", "6.0")
            if code < 0:
                self._refused(code, (target,))
                continue
            self._enter(0, -1)
            if op is None and not (code if file >= 0 else self._c.in_flight):
                break
            left = time_left(deadline)
            if left == 0:
                raise TimeoutError(errno.ETIMEDOUT, f"what was cancelled is not done after {timeout} s")
            # Then again: a worker that is just about to begin overlooks it, and what waits for
            # its turn in a chain is not found before that has come.
            if op is None or op.res is None:
                self._enter(1, min(left, CANCEL_AGAIN_NS) if left > 0 else CANCEL_AGAIN_NS)


def checked_personality(number: int) -> int:
    """`number`, if it can be one of credentials."""
    if not 1 <= number <= LAST_PERSONALITY:
        raise ValueError(f"registered credentials have a number from 1 to {LAST_PERSONALITY}, not {number}")
    return number
