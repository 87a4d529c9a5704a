"""How a ring waits, polls and works: what can be changed while it lives."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from pyuring._ffi import ffi, lib, new
from pyuring.constants import Features
from pyuring.errors import lacking
from pyuring.registrations import Registrations
from pyuring.timing import nanoseconds

__all__ = ["NapiSettings", "Tuning"]

LONGEST_MIN_WAIT = (2**32 - 1) / 1e6
MOST_CPUS = 8192
#: Bits of one word of a CPU mask, an array of unsigned long.
WORD = ffi.sizeof("unsigned long") * 8


class NapiSettings(NamedTuple):
    """How a ring's waits poll the network device; from `Ring.register_napi`."""

    busy_poll_us: int
    prefer: bool


class Tuning(Registrations):
    """The part of `Ring` that changes how it waits and works."""

    # -- waiting -------------------------------------------------------------------

    @property
    def min_wait(self) -> float:
        """Seconds after which a `wait` for several completions is content with one; 0: never.

        A batch gets that long to gather: ``wait(64)`` returns with 64 completions, or after
        this time with what there is, or else with the first one that comes. Fewer wakeups for
        what comes in bursts, at a bounded delay. See
        `io_uring_submit_and_wait_min_timeout(3)`, kernel 6.12.
        """
        return float(self._c.min_wait_us / 1e6)

    @min_wait.setter
    def min_wait(self, seconds: float) -> None:
        microseconds = (nanoseconds(seconds) + 999) // 1000
        if seconds > LONGEST_MIN_WAIT:
            raise ValueError(f"min_wait is at most {LONGEST_MIN_WAIT} seconds, not {seconds}")
        self._need(Features.MIN_TIMEOUT, "min_wait", "6.12")
        self._c.min_wait_us = microseconds
        self._c.gathered = False
        self._c.gather_until = 0

    @property
    def iowait(self) -> bool:
        """Whether the time in `wait` counts as waiting for I/O, as it does by default.

        Set to False, an idle wait neither shows as iowait nor makes the CPU expect to be
        needed soon. See `io_uring_set_iowait(3)`, kernel 6.15.
        """
        return not self._c.enter_flags & lib.PYURING_ENTER_NO_IOWAIT

    @iowait.setter
    def iowait(self, on: bool) -> None:
        self._need(Features.NO_IOWAIT, "iowait", "6.15")
        others = self._c.enter_flags & ~lib.PYURING_ENTER_NO_IOWAIT
        self._c.enter_flags = others if on else others | lib.PYURING_ENTER_NO_IOWAIT

    def _need(self, feature: Features, what: str, since: str) -> None:
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        if not self._c.ring.features & feature:
            raise lacking(what, since)

    def register_clock(self, clock: int) -> None:
        """Measure the ``timeout=`` of waits by another clock.

        Args:
            clock: ``time.CLOCK_MONOTONIC``, the default, or ``time.CLOCK_BOOTTIME``, which
                goes on while the machine sleeps.

        Raises:
            ValueError: another clock.

        See `io_uring_register_clock(3)`, kernel 6.12.
        """
        if clock not in (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME):
            raise ValueError(f"a ring waits by CLOCK_MONOTONIC or CLOCK_BOOTTIME, not by clock {clock}")
        argument = new("struct pyuring_clock *")
        argument.clockid = clock
        self._tell("REGISTER_CLOCK", argument)

    # -- the network ---------------------------------------------------------------

    def register_napi(self, busy_poll_us: int, *, prefer: bool = False) -> NapiSettings:
        """Have waits busy-poll the network devices of the ring's sockets before they sleep.

        Args:
            busy_poll_us: microseconds to poll; the kernel cuts a wait's own limit by them.
            prefer: leave the device's interrupts off while it is polled.

        Returns:
            The settings before.

        Raises:
            ValueError: an ``IOPOLL`` ring, which polls disks.

        See `io_uring_register_napi(3)`, kernel 6.9.
        """
        if not 0 <= busy_poll_us < 2**32:
            raise ValueError(f"busy_poll_us must be between 0 and {2**32 - 1}, not {busy_poll_us}")
        settings = new("struct pyuring_napi *")
        settings.busy_poll_to = busy_poll_us
        settings.prefer_busy_poll = bool(prefer)
        return self._napi("REGISTER_NAPI", settings)

    def unregister_napi(self) -> NapiSettings:
        """Poll no more, and return the settings there were. See `io_uring_unregister_napi(3)`, kernel 6.9."""
        return self._napi("UNREGISTER_NAPI", new("struct pyuring_napi *"))

    def _napi(self, call: str, settings: object) -> NapiSettings:
        code = self._register(call, settings, 1)
        if code == -errno.EINVAL and self._c.ring.flags & lib.IORING_SETUP_IOPOLL:
            raise ValueError("an IOPOLL ring polls disks, not network devices")
        if code < 0:
            raise self._rejection(code)
        return NapiSettings(settings.busy_poll_to, bool(settings.prefer_busy_poll))  # type: ignore[attr-defined]

    # -- worker threads ------------------------------------------------------------

    def iowq_affinity(self, cpus: Iterable[int] | None) -> None:
        """Choose the CPUs of the worker threads that run what cannot be polled.

        Args:
            cpus: numbers of CPUs this process may use; None for all of them.

        Raises:
            ValueError: no CPU, or one that the process may not use.

        See `io_uring_register_iowq_aff(3)`, kernel 5.14.
        """
        if cpus is None:
            self._tell("UNREGISTER_IOWQ_AFF")
            return
        numbers = list(cpus)
        count = min(os.sysconf("SC_NPROCESSORS_CONF"), MOST_CPUS)  # the kernel overlooks higher numbers
        if not numbers or not all(0 <= number < count for number in numbers):
            raise ValueError(f"cpus must be one or more numbers between 0 and {count - 1}, not {numbers}")
        mask = new("unsigned long[]", MOST_CPUS // WORD)
        for number in numbers:
            mask[number // WORD] |= 1 << number % WORD
        code = self._register("REGISTER_IOWQ_AFF", mask, MOST_CPUS // 8)
        if code == -errno.EINVAL:
            raise ValueError(f"this process may not use all of the CPUs {sorted(set(numbers))}")
        if code < 0:
            raise self._rejection(code)

    def iowq_max_workers(self, bounded: int | None = None, unbounded: int | None = None) -> tuple[int, int]:
        """Limit the worker threads of this thread's rings, or only look at the limits.

        Args:
            bounded: workers for what ends in bounded time, as I/O on files does.
            unbounded: workers for what need not end, as I/O on sockets and pipes.
                None leaves a limit as it is.

        Returns:
            The limits before: (bounded, unbounded).

        See `io_uring_register_iowq_max_workers(3)`, kernel 5.15.
        """
        for name, value in (("bounded", bounded), ("unbounded", unbounded)):
            if value is not None and not 1 <= value < 2**31:
                raise ValueError(f"{name} must be between 1 and {2**31 - 1}, or None to leave it, not {value}")
        values = new("unsigned int[2]", [bounded or 0, unbounded or 0])
        self._tell("REGISTER_IOWQ_MAX_WORKERS", values, 2)
        return int(values[0]), int(values[1])
