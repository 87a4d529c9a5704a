"""Operations with many results."""

from __future__ import annotations

import select
import socket as _socket
from typing import Any

from pyuring._ffi import lib, new
from pyuring.addresses import LONGEST
from pyuring.ancillary import HEADER
from pyuring.direct import direct_key
from pyuring.multishot import BytesShot, DescriptorShot, MessageShot, Multishot, Shot, TimerShot
from pyuring.operations.messages import MESSAGE, Message
from pyuring.provided_buffers import BufferRing, BufferRingRegistration
from pyuring.registered_files import RegisteredFiles, descriptor

__all__ = ["MultishotOperations"]

_accept_multishot = lib.pyuring_prep_accept_multishot
_recv_multishot = lib.pyuring_prep_recv_multishot
_recvmsg_multishot = lib.pyuring_prep_recvmsg_multishot
_recv_zc = lib.pyuring_prep_recv_zc
_read_multishot = lib.pyuring_prep_read_multishot
_poll_multishot = lib.pyuring_prep_poll_multishot
_timeout_multishot = lib.pyuring_prep_timeout_multishot

#: A nanosecond.
_SHORTEST = 1e-9
#: Not Shot[int], which is dear to make and to call.
_NumberShot: type[Shot[int]] = Shot


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
        key = 0 if direct is None else direct_key(direct)
        return self._start(
            Multishot(DescriptorShot, None, direct), "accept_multishot", sock, user_data, flags, drain, None,
            _accept_multishot, sock if isinstance(sock, int) else descriptor(sock),
            accept_flags, key,
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
            _recv_multishot, sock if isinstance(sock, int) else descriptor(sock), group, msg_flags, bundle, empty,
        )  # fmt: skip

    def recvmsg_multishot(
        self,
        sock: Any,
        buffers: BufferRing,
        ancbufsize: int = 0,
        msg_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[Message]:
        """Receive messages, each with its address and ancillary data, as ``socket.recvmsg`` does one.

        ``completion.buffer`` lends the data alone, ``completion.message`` tells the rest;
        ``completion.result()`` copies all of it and gives the buffer back.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffers: provided buffers, of `Ring.buffer_ring`. Each message takes 144 bytes and
                `ancbufsize` besides its data.
            ancbufsize: bytes of room for ancillary data in each buffer.
            msg_flags: socket.MSG_*; descriptors that are received are not inheritable.

        Returns:
            For each message (data, ancdata, msg_flags, address).

        See `io_uring_prep_recvmsg_multishot(3)`, kernel 6.0.
        """
        group = group_of(buffers)
        if ancbufsize < 0 or buffers.size <= HEADER + LONGEST + ancbufsize:
            raise ValueError(
                f"a message takes {HEADER + LONGEST} bytes and ancbufsize ({ancbufsize}) besides its data: "
                f"buffers of {buffers.size} bytes have no room for any"
            )
        message = new(MESSAGE)
        message.namelen, message.controllen = LONGEST, ancbufsize
        return self._start(
            Multishot(MessageShot, buffers, room=(LONGEST, ancbufsize)), "recvmsg_multishot", (message, sock),
            user_data, flags, drain, None,
            _recvmsg_multishot, sock if isinstance(sock, int) else descriptor(sock), group, message,
            msg_flags | _socket.MSG_CMSG_CLOEXEC, datagrams(sock),
        )  # fmt: skip

    def recv_zc(
        self,
        sock: Any,
        queue: int,
        length: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Multishot[int]:
        """Receive without a copy, into memory that a network card's queue writes to.

        Card, queue and memory are registered at level 0 (``io_uring_register_ifq``), and buffers
        go back through the refill ring made there: few cards can do it, and it takes
        CAP_NET_ADMIN and a ring with CQEs of 32 bytes.

        Args:
            sock: a connected socket, its descriptor, or a registered file.
            queue: the number that the registration gave.
            length: bytes after which it ends; 0 goes on until the peer shuts down.

        Returns:
            How many bytes came, each time; ``completion.extra[0]`` tells where they are.

        Raises, from its iteration:
            OSError: with EINVAL, no such queue is registered with this ring.

        See `io_uring_enter(2)`, kernel 6.15.
        """
        return self._start(
            Multishot(_NumberShot), "recv_zc", sock, user_data, flags, drain, None,
            _recv_zc, sock if isinstance(sock, int) else descriptor(sock), queue, length,
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
            _read_multishot, file if isinstance(file, int) else descriptor(file), group_of(buffers),
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
            Multishot(_NumberShot), "poll_multishot", file, user_data, flags, drain, None,
            _poll_multishot, file if isinstance(file, int) else descriptor(file), events,
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
        if 0 <= seconds < _SHORTEST:
            raise ValueError("seconds must be more than 0: it would go off all the time")
        if not 0 <= count < 2**32:
            raise ValueError(f"count must be between 0 and 2**32-1, not {count}")
        return self._start(
            Multishot(TimerShot), "timeout_multishot", None, user_data, flags, drain, None,
            _timeout_multishot, seconds, count,
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
