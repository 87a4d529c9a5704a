"""Operations on sockets."""

from __future__ import annotations

import socket as _socket
from operator import index
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib, new
from pyuring.addresses import ROOM, encode, family_of, received
from pyuring.buffers import export, release
from pyuring.completion import BytesCompletion, Completion, NoneCompletion
from pyuring.direct import Direct, DirectCompletion, direct_key
from pyuring.errors import misuse
from pyuring.inflight import InFlight
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.addresses import Address

__all__ = ["AcceptCompletion", "SocketOperations", "memory_of"]

_DONTWAIT = lib.PYURING_ACCEPT_DONTWAIT
_POLL_FIRST = lib.PYURING_ACCEPT_POLL_FIRST


class AcceptCompletion(DirectCompletion):
    """An accept: its result is the new descriptor, and `address` the peer's address."""

    __slots__ = ("_peer",)

    _peer: CData

    @property
    def address(self) -> Any:
        """The peer's address as `socket` gives it; None until there is one."""
        return received(self._peer) if self.res is not None and self.res >= 0 else None


def memory_of(ring: InFlight, buffer: Any, *, writable: bool) -> tuple[Any, Any, int]:
    """(what to hold, the address, the length) of memory to send from or receive into."""
    if not isinstance(buffer, RegisteredBuffer):
        if type(buffer) is bytes and not writable:
            return buffer, buffer, len(buffer)  # CFFI passes its address; it needs no export
        held = export(buffer, writable=writable)
        return held, held, len(held)
    # These operations take it as memory like any other, so no row checks its table.
    if buffer._c.table != ring._c.buffers_key:
        raise misuse(lib.PYURING_BAD_TABLE)
    return buffer._memory.pin, buffer._c.address, len(buffer)


class SocketOperations(InFlight):
    """Operations on sockets. MSG_* flags are called `msg_flags`, `flags` are `SqeFlags`.

    Where an operation takes `poll_first`, it waits until the socket is ready before it tries,
    and is spared an attempt that would find nothing. Kernel 5.19, for `accept` 6.10.
    """

    def socket(
        self,
        family: int = _socket.AF_INET,
        type: int = _socket.SOCK_STREAM,  # noqa: A002  the name it has in `socket`
        proto: int = 0,
        *,
        direct: Direct = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Make a socket, as ``socket.socket``: a descriptor that is not inheritable.

        Turn it into an object with ``socket.socket(fileno=fd)``.

        Args:
            family: socket.AF_*.
            type: socket.SOCK_*.
            proto: a protocol of the family, mostly 0.
            direct: registered files, or one of them: the socket goes there.

        Returns:
            The new descriptor; with `direct`, the registered file.

        See `io_uring_prep_socket(3)`, kernel 5.19.
        """
        op = DirectCompletion()
        op._direct = direct
        if direct is None:
            type |= _socket.SOCK_CLOEXEC  # noqa: A001
        return self._start(
            op, "socket", None, user_data, flags, drain, timeout,
            lib.pyuring_prep_socket, family, type, proto, direct_key(direct),
        )  # fmt: skip

    def bind(
        self,
        sock: Any,
        address: Address,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Bind a socket to an address, as ``socket.bind``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            address: as in `socket`. A host name is looked up first, which blocks.

        See `io_uring_prep_bind(3)`, kernel 6.11.
        """
        target = descriptor(sock)
        raw = encode(address, family_of(sock))
        return self._start(
            NoneCompletion(), "bind", (raw, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_bind, target, raw, len(raw),
        )  # fmt: skip

    def listen(
        self,
        sock: Any,
        backlog: int = 128,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Let a socket accept connections, as ``socket.listen``.

        Args:
            sock: a bound socket, its descriptor, or a registered file.
            backlog: how many connections wait to be accepted; less than 0 is 0.

        See `io_uring_prep_listen(3)`, kernel 6.11.
        """
        return self._start(
            NoneCompletion(), "listen", sock, user_data, flags, drain, timeout,
            lib.pyuring_prep_listen, descriptor(sock), max(backlog, 0),
        )  # fmt: skip

    def accept(
        self,
        sock: Any,
        accept_flags: int = 0,
        *,
        direct: Direct = None,
        dont_wait: bool = False,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> AcceptCompletion:
        """Accept a connection, as ``socket.accept``.

        Args:
            sock: a listening socket, its descriptor, or a registered file.
            accept_flags: socket.SOCK_NONBLOCK or 0; the new descriptor is not inheritable.
            direct: registered files, or one of them: the connection goes there.
            dont_wait: fail with ``BlockingIOError`` if no connection is there. Kernel 6.10.
            poll_first: wait for a connection before looking for one. Kernel 6.10.

        Returns:
            The new descriptor; with `direct`, the registered file. The peer's address is in
            ``completion.address``.

        See `io_uring_prep_accept(3)`, kernel 5.5.
        """
        how = 0
        if dont_wait or poll_first:
            how = (_DONTWAIT if dont_wait else 0) | (_POLL_FIRST if poll_first else 0)
        op = AcceptCompletion()
        op._direct = direct
        peer = op._peer = new(ROOM)
        if direct is None:
            accept_flags |= _socket.SOCK_CLOEXEC
        return self._start(
            op, "accept", (peer, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_accept, descriptor(sock), peer, accept_flags, how, direct_key(direct),
        )  # fmt: skip

    def connect(
        self,
        sock: Any,
        address: Address,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Connect a socket, as ``socket.connect``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            address: as in `socket`. A host name is looked up first, which blocks.

        See `io_uring_prep_connect(3)`, kernel 5.5.
        """
        target = descriptor(sock)
        raw = encode(address, family_of(sock))
        return self._start(
            NoneCompletion(), "connect", (raw, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_connect, target, raw, len(raw),
        )  # fmt: skip

    def send(
        self,
        sock: Any,
        data: Any,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Send `data`, as ``socket.send``; with MSG_WAITALL, all of it.

        Args:
            sock: a socket, its descriptor, or a registered file.
            data: bytes-like and contiguous; it must not change until the operation is done.
            msg_flags: socket.MSG_*.
            poll_first: wait for room before trying.

        Returns:
            How many bytes were sent, which can be fewer than there are.

        See `io_uring_prep_send(3)`, kernel 5.6.
        """
        target = descriptor(sock)
        hold, memory, length = memory_of(self, data, writable=False)
        op: Completion[int] = Completion()
        return self._start(
            op, "send", (hold, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_send, target, memory, length, msg_flags, poll_first,
        )  # fmt: skip

    def sendto(
        self,
        sock: Any,
        data: Any,
        address: Address,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Send `data` to an address, as ``socket.sendto``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            data: bytes-like and contiguous; it must not change until the operation is done.
            address: as in `socket`. A host name is looked up first, which blocks.
            msg_flags: socket.MSG_*.
            poll_first: wait for room before trying.

        Returns:
            How many bytes were sent.

        See `io_uring_prep_sendto(3)`, kernel 6.1.
        """
        target = descriptor(sock)
        raw = encode(address, family_of(sock))
        hold, memory, length = memory_of(self, data, writable=False)
        op: Completion[int] = Completion()
        return self._start(
            op, "sendto", (hold, raw, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_sendto, target, memory, length, msg_flags, poll_first, raw, len(raw),
        )  # fmt: skip

    def recv(
        self,
        sock: Any,
        bufsize: int,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[bytes]:
        """Receive up to `bufsize` bytes, as ``socket.recv``: none once the peer has shut down.

        As there, to ask for 0 bytes waits for nothing: it becomes a nop.

        Args:
            sock: a socket, its descriptor, or a registered file.
            bufsize: bytes, up to 2**31-1.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        See `io_uring_prep_recv(3)`, kernel 5.6.
        """
        if not 0 <= bufsize <= lib.PYURING_MAX_LENGTH:
            raise ValueError(f"bufsize must be between 0 and {lib.PYURING_MAX_LENGTH} bytes, not {bufsize}")
        target = descriptor(sock)
        op = BytesCompletion()
        op._data = bytes(bufsize)  # see TransferOperations.read
        if not bufsize:
            return self._start(op, "recv", None, user_data, flags, drain, timeout, lib.pyuring_prep_nop)
        return self._start(
            op, "recv", (op._data, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_recv, target, op._data, bufsize, msg_flags, poll_first,
        )  # fmt: skip

    def recv_into(
        self,
        sock: Any,
        buffer: Any,
        nbytes: int = 0,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Receive into `buffer`, as ``socket.recv_into``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffer: writable and contiguous. It cannot be resized until the operation is done.
            nbytes: how many bytes at the most; 0 is the whole buffer.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        Returns:
            How many bytes were received, 0 once the peer has shut down.

        See `io_uring_prep_recv(3)`, kernel 5.6.
        """
        target, nbytes = descriptor(sock), index(nbytes)
        hold, memory, length = memory_of(self, buffer, writable=True)
        if not 0 <= nbytes <= length:
            release(hold)
            raise ValueError(f"nbytes must be between 0 and the buffer's {length} bytes, not {nbytes}")
        op: Completion[int] = Completion()
        if not length:
            return self._start(op, "recv_into", hold, user_data, flags, drain, timeout, lib.pyuring_prep_nop)
        return self._start(
            op, "recv_into", (hold, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_recv, target, memory, nbytes or length, msg_flags, poll_first,
        )  # fmt: skip

    def shutdown(
        self,
        sock: Any,
        how: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Shut down one or both directions of a connection, as ``socket.shutdown``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            how: socket.SHUT_RD, SHUT_WR or SHUT_RDWR.

        See `io_uring_prep_shutdown(3)`, kernel 5.11.
        """
        return self._start(
            NoneCompletion(), "shutdown", sock, user_data, flags, drain, timeout,
            lib.pyuring_prep_shutdown, descriptor(sock), how,
        )  # fmt: skip
