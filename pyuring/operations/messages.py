"""Operations on messages, with addresses and ancillary data."""

from __future__ import annotations

import socket
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pyuring._ffi import ffi, lib, new
from pyuring.addresses import LONGEST, decode, encode_for
from pyuring.ancillary import pack, unpack
from pyuring.buffers import listed, release, vectors
from pyuring.completion import Completion
from pyuring.inflight import InFlight
from pyuring.operations.socket_transfers import memory_of
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyuring._ffi import CData
    from pyuring.addresses import Address
    from pyuring.ancillary import Ancillary
    from pyuring.completion import Handle
    from pyuring.registered_buffers import RegisteredBuffer

__all__ = ["MESSAGE", "MessageOperations", "start_sendmsg"]

_sendmsg = lib.pyuring_prep_sendmsg
_recvmsg = lib.pyuring_prep_recvmsg
_recvmsg_into = lib.pyuring_prep_recvmsg_into

H = TypeVar("H", bound="Handle")
T_co = TypeVar("T_co", covariant=True)

#: (data, ancdata, msg_flags, address), and the same with how many bytes.
Message: TypeAlias = "tuple[bytes, list[Ancillary], int, Any]"
MessageInto: TypeAlias = "tuple[int, list[Ancillary], int, Any]"

#: Prebuilt, as it is needed for each message.
MESSAGE = ffi.typeof("struct pyuring_message *")

#: SOCKLEN_MAX, as `socket` has it.
LONGEST_CONTROL = 2**31 - 1

#: What is received is not inheritable: a descriptor that nobody asked for least of all.
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)


def start_sendmsg(
    ring: InFlight,
    op: H,
    operation: str,
    call: Any,
    sock: Any,
    buffers: Iterable[Any],
    ancdata: Iterable[Any],
    msg_flags: int,
    address: Address | None,
    how: int,
    user_data: object,
    flags: int,
    drain: bool,
    timeout: float | None,
    pieces: tuple[RegisteredBuffer, CData] | None = None,
) -> H:
    """Prepare a sendmsg, or one without a copy, which `call` and `how` tell apart; or one of `pieces`."""
    target = descriptor(sock)
    name = b"" if address is None else encode_for(sock, address)
    control = pack(ancdata)
    hold: object
    if pieces is None:
        array, hold = vectors(listed(operation, buffers), writable=False)
        fixed: tuple[CData, ...] = ()
    else:
        first, array = pieces
        hold, fixed = first._memory.pin, (first._c,)
    message = new(MESSAGE)
    return ring._start_long(
        op, operation, (message, array, hold, name, control, sock), user_data, flags, drain, timeout,
        call, target, message, array, len(array), name, len(name), control, len(control), msg_flags, how, *fixed,
    )  # fmt: skip


def data_of(bufsize: int) -> bytes:
    """Memory that nobody else has seen, so that the kernel may write to it."""
    if not 0 <= bufsize <= lib.PYURING_MAX_LENGTH:
        raise ValueError(f"bufsize must be between 0 and {lib.PYURING_MAX_LENGTH} bytes, not {bufsize}")
    return bytes(bufsize)


def control_of(ancbufsize: int) -> bytes:
    """The same for ancillary data."""
    if not 0 <= ancbufsize <= LONGEST_CONTROL:
        raise ValueError(f"ancbufsize must be between 0 and {LONGEST_CONTROL} bytes, not {ancbufsize}")
    return bytes(ancbufsize)


class ReceiveCompletion(Completion[T_co]):
    """A message to be received: the kernel writes into what `_message` points to."""

    __slots__ = ("_control", "_data", "_message")

    _message: CData
    #: The kernel writes into these too, where the operation has them.
    _control: bytes
    _data: bytes

    def _address(self) -> Any:
        message = self._message
        return decode(ffi.buffer(message.room, min(message.namelen, LONGEST))[:])

    def _rest(self) -> tuple[list[Ancillary], int, Any]:
        message = self._message
        return unpack(self._control[: message.controllen]), message.flags & ~_CLOEXEC, self._address()


class RecvmsgCompletion(ReceiveCompletion["Message"]):
    """A recvmsg."""

    __slots__ = ()

    def _value(self, res: int) -> Message:
        return (self._data[:res], *self._rest())


class RecvmsgIntoCompletion(ReceiveCompletion["MessageInto"]):
    """A recvmsg_into."""

    __slots__ = ()

    def _value(self, res: int) -> MessageInto:
        return (res, *self._rest())


class RecvfromCompletion(ReceiveCompletion["tuple[bytes, Any]"]):
    """A recvfrom."""

    __slots__ = ()

    def _value(self, res: int) -> tuple[bytes, Any]:
        return self._data[:res], self._address()


class RecvfromIntoCompletion(ReceiveCompletion["tuple[int, Any]"]):
    """A recvfrom_into."""

    __slots__ = ()

    def _value(self, res: int) -> tuple[int, Any]:
        return res, self._address()


class MessageOperations(InFlight):
    """Operations on messages.

    A received descriptor (SCM_RIGHTS) is in the ancillary data, as in `socket`, and its
    receiver's to close, also where nobody asks for the result. Unlike there, it is not
    inheritable: MSG_CMSG_CLOEXEC is always set.
    """

    def sendmsg(
        self,
        sock: Any,
        buffers: Iterable[Any],
        ancdata: Iterable[Any] = (),
        msg_flags: int = 0,
        address: Address | None = None,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Send one buffer after the other, with ancillary data, as ``socket.sendmsg``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffers: up to 1024 contiguous bytes-like objects.
            ancdata: ``(level, type, data)`` each. Descriptors in it (SCM_RIGHTS) are looked up
                when the operation starts, and must be open until then.
            msg_flags: socket.MSG_*.
            address: where to, as in `socket`; None is the peer. A host name is looked up
                first, which blocks.
            poll_first: wait for room before trying.

        Returns:
            How many bytes were sent.

        See `io_uring_prep_sendmsg(3)`, kernel 5.3.
        """
        op: Completion[int] = Completion()
        return start_sendmsg(
            self, op, "sendmsg", _sendmsg, sock, buffers, ancdata, msg_flags, address, poll_first,
            user_data, flags, drain, timeout,
        )  # fmt: skip

    def recvmsg(
        self,
        sock: Any,
        bufsize: int,
        ancbufsize: int = 0,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[Message]:
        """Receive data and ancillary data, as ``socket.recvmsg``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            bufsize: bytes, up to 2**31-1.
            ancbufsize: room for ancillary data, of ``socket.CMSG_SPACE(...)`` bytes for each item.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        Returns:
            ``(data, ancdata, msg_flags, address)``. A descriptor in `ancdata` is the caller's
            to close; it is not inheritable.

        See `io_uring_prep_recvmsg(3)`, kernel 5.3.
        """
        op = RecvmsgCompletion()
        data = op._data = data_of(bufsize)
        control = op._control = control_of(ancbufsize)
        message = op._message = new(MESSAGE)
        return self._start_long(
            op, "recvmsg", (data, message, control, sock), user_data, flags, drain, timeout,
            _recvmsg, descriptor(sock), data, bufsize, message, control, ancbufsize,
            msg_flags | _CLOEXEC, poll_first,
        )  # fmt: skip

    def recvmsg_into(
        self,
        sock: Any,
        buffers: Iterable[Any],
        ancbufsize: int = 0,
        msg_flags: int = 0,
        *,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[MessageInto]:
        """Receive into one buffer after the other, with ancillary data, as ``socket.recvmsg_into``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffers: up to 1024 writable contiguous buffers.
            ancbufsize: room for ancillary data, of ``socket.CMSG_SPACE(...)`` bytes for each item.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        Returns:
            ``(nbytes, ancdata, msg_flags, address)``. A descriptor in `ancdata` is the caller's
            to close; it is not inheritable.

        See `io_uring_prep_recvmsg(3)`, kernel 5.3.
        """
        target = descriptor(sock)
        op = RecvmsgIntoCompletion()
        control = op._control = control_of(ancbufsize)
        message = op._message = new(MESSAGE)
        msg_flags |= _CLOEXEC
        array, exports = vectors(listed("recvmsg_into", buffers), writable=True)
        return self._start_long(
            op, "recvmsg_into", (array, exports, message, control, sock), user_data, flags, drain, timeout,
            _recvmsg_into, target, array, len(exports), message, control, ancbufsize,
            msg_flags, poll_first,
        )  # fmt: skip

    def recvfrom(
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
    ) -> Completion[tuple[bytes, Any]]:
        """Receive up to `bufsize` bytes and where they are from, as ``socket.recvfrom``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            bufsize: bytes, up to 2**31-1.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        Returns:
            ``(data, address)``.

        See `io_uring_prep_recvmsg(3)`, kernel 5.3.
        """
        op = RecvfromCompletion()
        data = op._data = data_of(bufsize)
        message = op._message = new(MESSAGE)
        return self._start_long(
            op, "recvfrom", (data, message, sock), user_data, flags, drain, timeout,
            _recvmsg, descriptor(sock), data, bufsize, message, b"", 0, msg_flags, poll_first,
        )  # fmt: skip

    def recvfrom_into(
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
    ) -> Completion[tuple[int, Any]]:
        """Receive into `buffer`, and where it is from, as ``socket.recvfrom_into``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            buffer: writable and contiguous. It cannot be resized until the operation is done.
            nbytes: how many bytes at the most; 0 is the whole buffer.
            msg_flags: socket.MSG_*.
            poll_first: wait for data before trying.

        Returns:
            ``(nbytes, address)``.

        See `io_uring_prep_recvmsg(3)`, kernel 5.3.
        """
        target, nbytes = descriptor(sock), index(nbytes)
        hold, memory, length = memory_of(self, buffer, writable=True)
        if not 0 <= nbytes <= length:
            release(hold)
            raise ValueError(f"nbytes must be between 0 and the buffer's {length} bytes, not {nbytes}")
        op = RecvfromIntoCompletion()
        message = op._message = new(MESSAGE)
        return self._start_long(
            op, "recvfrom_into", (hold, message, sock), user_data, flags, drain, timeout,
            _recvmsg, target, memory, nbytes or length, message, b"", 0, msg_flags, poll_first,
        )  # fmt: skip
