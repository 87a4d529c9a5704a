"""Operations with many results."""

from __future__ import annotations

import select
import socket as _socket
from typing import Any

from pyuring._ffi import lib, new
from pyuring.direct import direct_key
from pyuring.multishot import BytesShot, DescriptorShot, Multishot, Shot, TimerShot
from pyuring.provided_buffers import BufferRing, BufferRingRegistration
from pyuring.registered_files import RegisteredFiles, descriptor
from pyuring.timing import nanoseconds

__all__ = ["MultishotOperations"]


class MultishotOperations(BufferRingRegistration):
    """Operations with many results. They cannot be linked, and have no time limit: cancel them."""

    def accept_multishot(
        self,
        sock: Any,
        accept_flags: int = 0,
        *,
        direct: RegisteredFiles | None = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[int]:
        """Accept connections one after the other, as `accept` does one.

        Args:
            sock: a listening socket, its descriptor, or a registered file.
            accept_flags: socket.SOCK_NONBLOCK or 0; the new descriptors are not inheritable.
            direct: registered files to put the connections into, wherever a slot is free.

        Returns:
            The new descriptors, or registered files. The peers' addresses are not told:
            ask ``socket.getpeername``.

        See `io_uring_prep_multishot_accept(3)`, kernel 5.19.
        """
        if direct is not None and not isinstance(direct, RegisteredFiles):
            raise TypeError(f"direct takes registered files for a multishot, not {type(direct).__name__}")
        key = direct_key(direct)
        return self._start(
            Multishot(DescriptorShot, direct=direct), "accept_multishot", sock, user_data, flags, drain, None,
            lib.pyuring_prep_accept_multishot, descriptor(sock),
            accept_flags if key else accept_flags | _socket.SOCK_CLOEXEC, key,
        )  # fmt: skip

    def recv_multishot(
        self,
        sock: Any,
        buffers: BufferRing,
        msg_flags: int = 0,
        *,
        bundle: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[bytes]:
        """Receive whatever arrives, each time in a provided buffer, until the peer shuts down.

        ``completion.buffer`` lends the buffer, ``completion.result()`` copies the bytes and
        gives it back.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffers: provided buffers, of `Ring.buffer_ring`.
            msg_flags: socket.MSG_*, but not MSG_WAITALL or MSG_TRUNC.
            bundle: let one completion have the data of several buffers. Kernel 6.10.

        See `io_uring_prep_recv_multishot(3)`, kernel 6.0.
        """
        group = group_of(buffers)
        empty = datagrams(sock)
        return self._start(
            Multishot(BytesShot, buffers), "recv_multishot", sock, user_data, flags, drain, None,
            lib.pyuring_prep_recv_multishot, descriptor(sock), group, msg_flags, bundle, empty,
        )  # fmt: skip

    def read_multishot(
        self,
        file: Any,
        buffers: BufferRing,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[bytes]:
        """Read whatever arrives in a pipe or the like, each time into a provided buffer, until its end.

        Args:
            file: a pipe, terminal, eventfd or the like that can be polled, its descriptor, or a
                registered file. Regular files cannot.
            buffers: provided buffers, of `Ring.buffer_ring`.

        See `io_uring_prep_read_multishot(3)`, kernel 6.7.
        """
        return self._start(
            Multishot(BytesShot, buffers), "read_multishot", file, user_data, flags, drain, None,
            lib.pyuring_prep_read_multishot, descriptor(file), group_of(buffers),
        )  # fmt: skip

    def poll_multishot(
        self,
        file: Any,
        events: int = select.POLLIN,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[int]:
        """Tell of events on a file each time they happen, as ``select.epoll`` with EPOLLET.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file. What cannot be
                waited for, as regular files, has nothing new to tell: it soon ends.
            events: select.POLLIN, POLLOUT, ...

        Returns:
            The events, as masks.

        See `io_uring_prep_poll_multishot(3)`, kernel 5.13.
        """
        return self._start(
            Multishot(Shot[int]), "poll_multishot", file, user_data, flags, drain, None,
            lib.pyuring_prep_poll_multishot, descriptor(file), events,
        )  # fmt: skip

    def timeout_multishot(
        self,
        seconds: float,
        *,
        count: int = 0,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[None]:
        """Complete every `seconds`.

        Args:
            seconds: more than 0.
            count: how often; 0 is for ever.

        See `io_uring_prep_timeout(3)`, kernel 6.4.
        """
        ns = nanoseconds(seconds)
        if ns == 0:
            raise ValueError("seconds must be more than 0: it would go off all the time")
        if not 0 <= count < 2**32:
            raise ValueError(f"count must be between 0 and 2**32-1, not {count}")
        time = new("struct __kernel_timespec *", (ns // 1_000_000_000, ns % 1_000_000_000))
        return self._start(
            Multishot(TimerShot), "timeout_multishot", time, user_data, flags, drain, None,
            lib.pyuring_prep_timeout_multishot, time, count,
        )  # fmt: skip


def group_of(buffers: Any) -> Any:
    """What the C layer takes as provided buffers."""
    if not isinstance(buffers, BufferRing):
        raise TypeError(f"buffers are those that ring.buffer_ring() makes, not {type(buffers).__name__}")
    return buffers._registered()


def datagrams(sock: Any) -> bool:
    """Whether an empty message on the socket is a message, and not the end of a stream."""
    kind = getattr(sock, "type", None)
    if kind is None and type(sock) is int and 0 <= sock < 2**31:
        kind = lib.pyuring_socket_type(sock)
    return kind in (_socket.SOCK_DGRAM, _socket.SOCK_RAW)
