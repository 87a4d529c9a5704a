"""Operations that send and receive bytes."""

from __future__ import annotations

import socket
from operator import index
from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, from_buffer, lib
from pyuring.addresses import encode_for
from pyuring.buffers import export, refusal, release
from pyuring.completion import BytesCompletion, Completion
from pyuring.errors import misuse
from pyuring.inflight import InFlight
from pyuring.provided_buffers import BufferRing, FilledCompletion
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring.addresses import Address

__all__ = ["SocketTransferOperations", "memory_of"]

_NOT_IN_BUNDLES = int(socket.MSG_PEEK | socket.MSG_WAITALL)

_MAX_LENGTH = lib.PYURING_MAX_LENGTH

_send = lib.pyuring_prep_send
_sendto = lib.pyuring_prep_sendto
_recv = lib.pyuring_prep_recv
_nop = lib.pyuring_prep_nop
_recv_provided = lib.pyuring_prep_recv_provided


def memory_of(ring: InFlight, buffer: Any, *, writable: bool) -> tuple[Any, Any, int]:
    """(what to hold, the address, the length) of memory to send from or receive into."""
    if type(buffer) is bytes and not writable:
        return buffer, buffer, len(buffer)  # CFFI passes its address; it needs no export
    if not isinstance(buffer, RegisteredBuffer):
        held = export(buffer, writable=writable)
        return held, held, len(held)
    # These operations take it as memory like any other, so no row checks its table.
    if buffer._c.live[0] != ring._c.buffers_key:
        raise misuse(lib.PYURING_BAD_TABLE)
    return buffer._memory.pin, buffer._c.address, len(buffer)


class SocketTransferOperations(InFlight):
    """Sending and receiving. MSG_* flags are called `msg_flags`, `flags` are `SqeFlags`.

    Where an operation takes `poll_first`, it waits until the socket is ready before it tries,
    and is spared an attempt that would find nothing. Kernel 5.19.
    """

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
        target = sock if isinstance(sock, int) else descriptor(sock)
        if data.__class__ is bytes:
            hold, memory, length = data, data, len(data)
        else:
            hold, memory, length = memory_of(self, data, writable=False)
        op: Completion[int] = Completion()
        try:
            tag = self._enlist(op, "send", hold if target is sock else (hold, sock), user_data, flags, drain, timeout)
            while (code := _send(self._c, tag, target, memory, length, msg_flags, poll_first)) < 0:
                self._refused(code, (target, memory, length))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

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
        target = sock if isinstance(sock, int) else descriptor(sock)
        raw = encode_for(sock, address)
        if data.__class__ is bytes:
            hold, memory, length = data, data, len(data)
        else:
            hold, memory, length = memory_of(self, data, writable=False)
        op: Completion[int] = Completion()
        try:
            tag = self._enlist(op, "sendto", (hold, raw, sock), user_data, flags, drain, timeout)
            while (code := _sendto(self._c, tag, target, memory, length, msg_flags, poll_first, raw, len(raw))) < 0:
                self._refused(code, (target, memory, length))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

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
        if not 0 <= bufsize <= _MAX_LENGTH:
            raise ValueError(f"bufsize must be between 0 and {_MAX_LENGTH} bytes, not {bufsize}")
        target = sock if isinstance(sock, int) else descriptor(sock)
        op = BytesCompletion()
        data = op._data = bytes(bufsize)  # see TransferOperations.read
        if not bufsize:
            return self._start(op, "recv", None, user_data, flags, drain, timeout, _nop)
        try:
            tag = self._enlist(op, "recv", data if target is sock else (data, sock), user_data, flags, drain, timeout)
            while (code := _recv(self._c, tag, target, data, bufsize, msg_flags, poll_first)) < 0:
                self._refused(code, (target, data, bufsize))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def recv_into(
        self,
        sock: Any,
        buffer: Any,
        nbytes: int = 0,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        bundle: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Receive into `buffer`, as ``socket.recv_into``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffer: writable and contiguous, not to be resized until the operation is done; or provided
                buffers, one of which is taken when something arrives: ``completion.buffer`` lends it.
            nbytes: how many bytes at the most; 0 is the whole buffer.
            msg_flags: socket.MSG_*; with provided buffers not MSG_TRUNC.
            poll_first: wait for data before trying.
            bundle: take several provided buffers if there is more data than one holds. Kernel 6.10.

        Returns:
            How many bytes were received, 0 once the peer has shut down.

        See `io_uring_prep_recv(3)`, kernel 5.6.
        """
        if buffer.__class__ is BufferRing:
            return self._recv_into_provided(
                sock, buffer, index(nbytes), msg_flags, poll_first, bundle, user_data, flags, drain, timeout
            )
        if bundle:
            raise TypeError("bundle= goes with provided buffers: pass those of buffer_ring()")
        target, nbytes = sock if isinstance(sock, int) else descriptor(sock), index(nbytes)
        if buffer.__class__ is RegisteredBuffer:
            hold, memory, length = memory_of(self, buffer, writable=True)
        else:
            try:
                hold = memory = from_buffer(CHARS, buffer, True)
            except (TypeError, BufferError, ValueError) as error:
                raise refusal(buffer, error, writable=True) from None
            length = len(hold)
        if not 0 <= nbytes <= length:
            release(hold)
            raise ValueError(f"nbytes must be between 0 and the buffer's {length} bytes, not {nbytes}")
        op: Completion[int] = Completion()
        if not length:
            return self._start(op, "recv_into", hold, user_data, flags, drain, timeout, _nop)
        keep = hold if target is sock else (hold, sock)
        try:
            tag = self._enlist(op, "recv_into", keep, user_data, flags, drain, timeout)
            while (code := _recv(self._c, tag, target, memory, nbytes or length, msg_flags, poll_first)) < 0:
                self._refused(code, (target, memory, nbytes or length))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

    def _recv_into_provided(
        self,
        sock: Any,
        buffers: BufferRing,
        nbytes: int,
        msg_flags: int,
        poll_first: bool,
        bundle: bool,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[int]:
        if not 0 <= nbytes <= buffers.size:
            raise ValueError(f"nbytes must be between 0 and the buffers' {buffers.size} bytes, not {nbytes}")
        if nbytes and buffers.incremental:
            # A worker thread uses up as much as was asked for, however little arrives: where
            # in the buffer the next operation begins, nobody could tell then.
            raise ValueError("nbytes must be 0 with incremental buffers: they are filled with whatever arrives")
        if bundle and (nbytes or msg_flags & _NOT_IN_BUNDLES):
            # Once a buffer is full the kernel tries again for the next ones, as if it had not
            # been told how much to take, and that it is only to look.
            raise ValueError(
                "a bundle takes what is there: with bundle=True neither nbytes nor MSG_PEEK or MSG_WAITALL"
            )
        return self._start(
            FilledCompletion(buffers), "recv_into", sock, user_data, flags, drain, timeout,
            _recv_provided, descriptor(sock), buffers._registered(), nbytes, msg_flags,
            poll_first, bundle,
        )  # fmt: skip
