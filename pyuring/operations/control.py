"""Operations about readiness, time, and other operations."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib, new
from pyuring.completion import Completion, NoneCompletion, TimerCompletion
from pyuring.inflight import InFlight
from pyuring.registered_files import descriptor
from pyuring.timing import nanoseconds

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["ControlOperations"]

#: The id of no operation: cancelling it finds nothing.
NO_ID = 0


class ControlOperations(InFlight):
    """Operations about readiness, time, and other operations."""

    def poll(
        self,
        file: Any,
        events: int = select.POLLIN,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Wait once for events on a file, as ``select.poll``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            events: select.POLLIN, POLLOUT, ...

        Returns:
            The events that happened, as a mask; POLLERR and POLLHUP also unasked.

        See `io_uring_prep_poll_add(3)`, kernel 5.1.
        """
        op: Completion[int] = Completion()
        return self._start(
            op, "poll", file, user_data, flags, drain, timeout,
            lib.pyuring_prep_poll, descriptor(file), events,
        )  # fmt: skip

    def timeout(
        self,
        seconds: float,
        *,
        count: int = 0,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Completion[None]:
        """Complete after `seconds`; that the time is up is its success.

        Args:
            seconds: 0 or more.
            count: complete earlier, once so many other operations have completed; 0 is
                the time alone.

        See `io_uring_prep_timeout(3)`, kernel 5.4.
        """
        time = _timespec(nanoseconds(seconds))
        return self._start(
            TimerCompletion(), "timeout", time, user_data, flags, drain, None,
            lib.pyuring_prep_timeout, time, count, 0,
        )  # fmt: skip

    def cancel(
        self,
        operation: Completion[Any],
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Cancel an operation, as one to be waited for, linked or batched like any other.

        `Completion.cancel` is the simple way. Its own id is never given to another
        operation, so that a late cancel hits nothing else.

        Raises, from ``result()``:
            FileNotFoundError: the operation is done already, waits for its turn in a
                chain, or is on its way between two queues of the kernel: `Completion.cancel`
                tries again then.
            OSError: with EALREADY, it cannot be stopped any more.

        See `io_uring_prep_cancel(3)`, kernel 5.5.
        """
        if not isinstance(operation, Completion):
            raise TypeError(f"what is cancelled is a Completion, not {type(operation).__name__}")
        if operation._ring is not self:
            raise ValueError("this is an operation of another ring")
        # No call before id_of(): once the target is done, its slot may be another one's.
        target = lib.pyuring_id_of(self._c, operation._slot) if operation.res is None else NO_ID
        return self._start(
            NoneCompletion(), "cancel", None, user_data, flags, drain, timeout,
            lib.pyuring_prep_cancel, target,
        )  # fmt: skip


def _timespec(ns: int) -> CData:
    return new("struct __kernel_timespec *", (ns // 1_000_000_000, ns % 1_000_000_000))
