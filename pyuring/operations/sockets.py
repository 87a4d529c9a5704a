"""Operations on sockets."""

from __future__ import annotations

import socket as _socket
from operator import index
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.addresses import AddressBuffer, encode, family_of
from pyuring.buffers import export, release
from pyuring.completion import BytesCompletion, Completion, NoneCompletion
from pyuring.errors import misuse
from pyuring.inflight import InFlight
from pyuring.provided_buffers import BufferRing, FilledCompletion
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring.addresses import Address

__all__ = ["AcceptCompletion", "SocketOperations"]


class AcceptCompletion(Completion[int]):
    """An accept: its result is the new descriptor, and `address` the peer's address."""

    __slots__ = ("_peer",)

    _peer: AddressBuffer

    @property
    def address(self) -> Address | None:
        """The peer's address as `socket` gives it; None until there is one."""
        return self._peer.decode() if self.res is not None and self.res >= 0 else None


class SocketOperations(InFlight):
    """Operations on sockets. MSG_* flags are called `msg_flags`, `flags` are `SqeFlags`."""

    def _memory(self, buffer: Any, *, writable: bool) -> tuple[Any, Any, int]:
        """(what to hold, the address, the length) of memory to send from or receive into."""
        if not isinstance(buffer, RegisteredBuffer):
            held = export(buffer, writable=writable)
            return held, held, len(held)
        # These operations take it as memory like any other, so no row checks its table.
        if buffer._c.live[0] != self._c.buffers_key:
            raise misuse(lib.PYURING_BAD_TABLE)
        return buffer._memory.pin, buffer._c.address, len(buffer)

    def socket(
        self,
        family: int = _socket.AF_INET,
        type: int = _socket.SOCK_STREAM,  # noqa: A002  the name it has in `socket`
        proto: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Make a socket, as ``socket.socket``: a descriptor that is not inheritable.

        Turn it into an object with ``socket.socket(fileno=fd)``.

        See `io_uring_prep_socket(3)`, kernel 5.19.
        """
        op: Completion[int] = Completion()
        return self._start(
            op, "socket", None, user_data, flags, drain, timeout,
            lib.pyuring_prep_socket, family, type | _socket.SOCK_CLOEXEC, proto,
        )  # fmt: skip

    def accept(
        self,
        sock: Any,
        accept_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> AcceptCompletion:
        """Accept a connection, as ``socket.accept``.

        Args:
            sock: a listening socket, its descriptor, or a registered file.
            accept_flags: socket.SOCK_NONBLOCK or 0; the new descriptor is not inheritable.

        Returns:
            The new descriptor; the peer's address is in ``completion.address``.

        See `io_uring_prep_accept(3)`, kernel 5.5.
        """
        op = AcceptCompletion()
        peer = op._peer = AddressBuffer()
        return self._start(
            op, "accept", (peer, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_accept, descriptor(sock), peer.pointer, peer.length, accept_flags | _socket.SOCK_CLOEXEC,
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

        Returns:
            How many bytes were sent, which can be fewer than there are.

        See `io_uring_prep_send(3)`, kernel 5.6.
        """
        target = descriptor(sock)
        hold, memory, length = self._memory(data, writable=False)
        op: Completion[int] = Completion()
        return self._start(
            op, "send", (hold, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_send, target, memory, length, msg_flags,
        )  # fmt: skip

    def recv(
        self,
        sock: Any,
        bufsize: int,
        msg_flags: int = 0,
        *,
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
            lib.pyuring_prep_recv, target, op._data, bufsize, msg_flags,
        )  # fmt: skip

    def recv_into(
        self,
        sock: Any,
        buffer: Any,
        nbytes: int = 0,
        msg_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Receive into `buffer`, as ``socket.recv_into``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffer: writable and contiguous. It cannot be resized until the operation is done.
                Or provided buffers, one of which is taken when something arrives:
                ``completion.buffer`` lends it.
            nbytes: how many bytes at the most; 0 is the whole buffer.
            msg_flags: socket.MSG_*.

        Returns:
            How many bytes were received, 0 once the peer has shut down.

        See `io_uring_prep_recv(3)`, kernel 5.6.
        """
        if buffer.__class__ is BufferRing:
            return self._recv_into_provided(sock, buffer, index(nbytes), msg_flags, user_data, flags, drain, timeout)
        target, nbytes = descriptor(sock), index(nbytes)
        hold, memory, length = self._memory(buffer, writable=True)
        if not 0 <= nbytes <= length:
            release(hold)
            raise ValueError(f"nbytes must be between 0 and the buffer's {length} bytes, not {nbytes}")
        op: Completion[int] = Completion()
        if not length:
            return self._start(op, "recv_into", hold, user_data, flags, drain, timeout, lib.pyuring_prep_nop)
        return self._start(
            op, "recv_into", (hold, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_recv, target, memory, nbytes or length, msg_flags,
        )  # fmt: skip

    def _recv_into_provided(
        self,
        sock: Any,
        buffers: BufferRing,
        nbytes: int,
        msg_flags: int,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[int]:
        if not 0 <= nbytes <= buffers.size:
            raise ValueError(f"nbytes must be between 0 and the buffers' {buffers.size} bytes, not {nbytes}")
        op = FilledCompletion()
        op._buffers = buffers
        return self._start(
            op, "recv_into", (buffers, sock), user_data, flags, drain, timeout,
            lib.pyuring_prep_recv_provided, descriptor(sock), buffers._registered(), nbytes, msg_flags, False,
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
