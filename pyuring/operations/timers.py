"""Operations about time."""

from __future__ import annotations

import time

from pyuring._ffi import lib
from pyuring.completion import Completion, Handle, NoneCompletion, TimerCompletion
from pyuring.operations.targets import TIMERS, TargetOperations

__all__ = ["TimerOperations"]

_timeout = lib.pyuring_prep_timeout
_timeout_remove = lib.pyuring_prep_timeout_remove
_timeout_update = lib.pyuring_prep_timeout_update

_MONOTONIC = time.CLOCK_MONOTONIC
_CLOCKS = {
    time.CLOCK_BOOTTIME: lib.IORING_TIMEOUT_BOOTTIME,
    time.CLOCK_REALTIME: lib.IORING_TIMEOUT_REALTIME,
}
_ABSOLUTE = lib.IORING_TIMEOUT_ABS
_ETIME_SUCCESS = lib.IORING_TIMEOUT_ETIME_SUCCESS
_OF_LINK = lib.IORING_LINK_TIMEOUT_UPDATE


class TimerOperations(TargetOperations):
    """Operations about time."""

    def timeout(
        self,
        seconds: float,
        *,
        count: int = 0,
        absolute: bool = False,
        clock: int = time.CLOCK_MONOTONIC,
        etime_success: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Completion[None]:
        """Complete after `seconds`; that the time is up is its success.

        Args:
            seconds: 0 or more.
            count: complete earlier, once so many other operations have completed; 0 is
                the time alone.
            absolute: `seconds` is a time of `clock`, as ``time.clock_gettime`` tells it, and
                not one from now on. What is over already completes at once.
            clock: time.CLOCK_MONOTONIC; or, from kernel 5.15 on, CLOCK_BOOTTIME, which goes
                on while the machine sleeps, or CLOCK_REALTIME, which can be set.
            etime_success: in a soft chain what follows starts when the time is up, which
                otherwise cuts the chain. Kernel 5.16.

        See `io_uring_prep_timeout(3)`, kernel 5.4.
        """
        timeout_flags = 0 if clock == _MONOTONIC else _CLOCKS.get(clock)
        if timeout_flags is None:
            raise ValueError(f"clock is CLOCK_MONOTONIC, CLOCK_BOOTTIME or CLOCK_REALTIME of time, not {clock!r}")
        if absolute:
            timeout_flags |= _ABSOLUTE
        if etime_success:
            timeout_flags |= _ETIME_SUCCESS
        return self._start(
            TimerCompletion(), "timeout", None, user_data, flags, drain, None,
            _timeout, seconds, count, timeout_flags,
        )  # fmt: skip

    def timeout_remove(
        self,
        operation: Handle,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Remove a timeout, whose handle ends with ``ECANCELED``.

        Args:
            operation: what `timeout` or `timeout_multishot` returned. The time limit of
                another operation is not removed, but put off: `timeout_update`.

        Raises, from ``result()``:
            FileNotFoundError: its time is up already.

        See `io_uring_prep_timeout_remove(3)`, kernel 5.5.
        """
        return self._start_about(
            operation, TIMERS, NoneCompletion(), "timeout_remove", user_data, flags, drain, timeout, _timeout_remove
        )

    def timeout_update(
        self,
        operation: Handle,
        seconds: float,
        *,
        absolute: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Completion[None]:
        """Give a timeout, or an operation that was started with ``timeout=``, another time.

        Args:
            operation: a timeout, which loses its `count`; or another operation: its time
                limit is changed, from 5.15 on.
            seconds: from when the kernel comes to it, 0 or more.
            absolute: `seconds` is a time of the timeout's own clock; the monotonic one for
                a time limit.

        Raises, from ``result()``:
            FileNotFoundError: the time is up already, or the operation is done, has not
                started, or has no time limit.

        See `io_uring_prep_timeout_update(3)`, kernel 5.11.
        """
        kind = operation.operation if isinstance(operation, Handle) else ""
        of_link = kind not in TIMERS
        timeout_flags = _ABSOLUTE if absolute else 0
        if of_link:
            timeout_flags |= _OF_LINK
        elif absolute and kind != "timeout":
            raise ValueError("a multishot timeout takes seconds from now on: the kernel would repeat an absolute time")
        return self._start_about(
            operation, None, NoneCompletion(), "timeout_update", user_data, flags, drain, None,
            _timeout_update, seconds, timeout_flags, of_link,
        )  # fmt: skip
