"""Operations about readiness."""

from __future__ import annotations

import operator
import select
import struct
from typing import Any

from pyuring._ffi import ffi, lib
from pyuring.completion import Completion, Handle, NoneCompletion
from pyuring.constants import EpollOp
from pyuring.operations.targets import POLLS, TargetOperations
from pyuring.registered_files import descriptor, plain_descriptor

__all__ = ["ReadinessOperations"]

_poll = lib.pyuring_prep_poll
_poll_update = lib.pyuring_prep_poll_update
_poll_remove = lib.pyuring_prep_poll_remove
_epoll_ctl = lib.pyuring_prep_epoll_ctl
_epoll_wait = lib.pyuring_prep_epoll_wait

_EVENT_SIZE = ffi.sizeof("struct epoll_event")
#: struct epoll_event, which is packed on x86-64 alone; of its data the int, as in `select`.
_EVENT = struct.Struct("=Ii4x" if _EVENT_SIZE == 12 else "=I4xi4x")
_pack = _EVENT.pack

#: EP_MAX_EVENTS of the kernel.
MAX_EVENTS = (2**31 - 1) // _EVENT_SIZE


class EventsCompletion(Completion[list[tuple[int, int]]]):
    """The events of an epoll, in memory that the kernel has written."""

    __slots__ = ("_events",)

    #: The kernel writes into it, and nobody else sees it before that is over.
    _events: bytes

    def _value(self, res: int) -> list[tuple[int, int]]:
        events = _EVENT.iter_unpack(self._events[: res * _EVENT_SIZE])
        return [(data, mask) for mask, data in events]


class ReadinessOperations(TargetOperations):
    """Operations about readiness."""

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
            events: select.POLLIN, POLLOUT, ...; with select.EPOLLEXCLUSIVE, of those who wait
                for the same event so not all are woken.

        Returns:
            The events that happened, as a mask; POLLERR and POLLHUP also unasked.

        See `io_uring_prep_poll_add(3)`, kernel 5.1.
        """
        op: Completion[int] = Completion()
        return self._start(
            op, "poll", file, user_data, flags, drain, timeout,
            _poll, descriptor(file), events,
        )  # fmt: skip

    def poll_update(
        self,
        operation: Handle,
        events: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Let a poll wait for other events, as ``select.poll.modify``.

        Args:
            operation: what `poll` or `poll_multishot` returned. If one of the new events is
                there, it completes at once.
            events: select.POLLIN, POLLOUT, ...

        Raises, from ``result()``:
            FileNotFoundError: the poll is done already, or has not started.

        See `io_uring_prep_poll_update(3)`, kernel 5.13.
        """
        return self._start_about(
            operation, POLLS, NoneCompletion(), "poll_update", user_data, flags, drain, timeout, _poll_update, events
        )

    def poll_remove(
        self,
        operation: Handle,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """End a poll, whose handle ends with ``ECANCELED``, as ``select.poll.unregister``.

        Args:
            operation: what `poll` or `poll_multishot` returned.

        Raises, from ``result()``:
            FileNotFoundError: the poll is done already, or has not started.

        See `io_uring_prep_poll_remove(3)`, kernel 5.1.
        """
        return self._start_about(
            operation, POLLS, NoneCompletion(), "poll_remove", user_data, flags, drain, timeout, _poll_remove
        )

    def epoll_ctl(
        self,
        epoll: Any,
        op: EpollOp,
        file: Any,
        events: int = 0,
        data: int | None = None,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Change what an epoll waits for, as the methods of ``select.epoll``.

        Args:
            epoll: the epoll, or its descriptor.
            op: `EpollOp.ADD`, ``MOD`` or ``DEL``.
            file: the descriptor it is about, or anything with ``fileno()``.
            events: select.EPOLLIN, EPOLLOUT, EPOLLET, ...
            data: a number of 32 bits with a sign that comes out with the events; None is
                the descriptor, as in ``select.epoll``.

        See `io_uring_prep_epoll_ctl(3)`, kernel 5.6.
        """
        target = plain_descriptor(epoll)
        number = plain_descriptor(file)
        if op.__class__ is not EpollOp:
            op = EpollOp(op)
        try:
            event = _pack(events, number if data is None else data)
        except struct.error:
            # Which says the same of what is no number.
            operator.index(events), operator.index(number if data is None else data)
            raise OverflowError(f"events has 32 bits, data 32 with a sign, not {events!r} and {data!r}") from None
        handle = NoneCompletion()
        try:
            tag = self._enlist(handle, "epoll_ctl", (event, epoll, file), user_data, flags, drain, timeout)
            while (code := _epoll_ctl(self._c, tag, target, op, number, event)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(handle, None, error)
            raise
        return handle

    def epoll_wait(
        self,
        epoll: Any,
        maxevents: int = 64,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[list[tuple[int, int]]]:
        """Wait for events of an epoll, as ``select.epoll.poll``.

        Args:
            epoll: the epoll, its descriptor, or a registered file.
            maxevents: how many to take at the most, 1 or more.

        Returns:
            For each event what was given for it as ``data`` (the descriptor, if nothing
            was), and the mask of the events that happened.

        See `io_uring_prep_epoll_wait(3)`, kernel 6.15.
        """
        target = epoll if isinstance(epoll, int) else descriptor(epoll)
        if not 0 < maxevents <= MAX_EVENTS:
            raise ValueError(f"maxevents must be between 1 and {MAX_EVENTS}, not {maxevents}")
        op = EventsCompletion()
        memory = op._events = bytes(maxevents * _EVENT_SIZE)  # see TransferOperations.read
        return self._start(
            op, "epoll_wait", memory if target is epoll else (memory, epoll), user_data, flags, drain, timeout,
            _epoll_wait, target, memory, maxevents,
        )  # fmt: skip
