"""Operations that ask a socket something, or tell it."""

from __future__ import annotations

import errno
import struct
import sys
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pyuring._ffi import lib
from pyuring.addresses import ROOM, received
from pyuring.completion import BytesCompletion, Completion, NoneCompletion
from pyuring.errors import operation_error
from pyuring.inflight import InFlight
from pyuring.kernel import SINCE, is_older
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = ["SocketOptionOperations"]

_siocinq = lib.pyuring_prep_siocinq
_siocoutq = lib.pyuring_prep_siocoutq
_getsockopt = lib.pyuring_prep_getsockopt
_setsockopt = lib.pyuring_prep_setsockopt
_getsockname = lib.pyuring_prep_getsockname

T_co = TypeVar("T_co", covariant=True)

#: What ``socket.getsockopt`` takes.
LONGEST_OPTION = 1024
_INT_SIZE = 4
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1
_pack = struct.Struct("=i").pack


def option(value: Any) -> bytes:
    """The value of an option, as the kernel reads it: a C int, or these bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview) or not hasattr(value, "__index__"):
        with memoryview(value) as view:
            return view.tobytes()
    number = index(value)
    if not _SMALLEST <= number <= _LARGEST:
        raise OverflowError(f"an option is a C int, which {number} is not: pass it as bytes")
    return _pack(number)


class CommandCompletion(Completion[T_co]):
    """A command for a socket. A kernel that has commands, but not this one, says so here."""

    __slots__ = ()

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        since = SINCE[self.operation]
        if res in (-errno.EOPNOTSUPP, -errno.EINVAL) and is_older(since):
            return operation_error(res, self.operation, filename, since=since)
        return super()._error(res, filename)


class BytesOptionCompletion(CommandCompletion[bytes], BytesCompletion):
    """A getsockopt of a number of bytes."""

    __slots__ = ()


class IntOptionCompletion(CommandCompletion[int]):
    """A getsockopt of an int."""

    __slots__ = ("_data",)

    #: The kernel writes into it, and nobody else sees it before that is over.
    _data: bytes

    def _value(self, res: int) -> int:
        return int.from_bytes(self._data, sys.byteorder, signed=True)


class SetOptionCompletion(CommandCompletion[None], NoneCompletion):
    """A setsockopt."""

    __slots__ = ()


class NameCompletion(CommandCompletion[Any]):
    """A getsockname or getpeername: the kernel writes into `_room`."""

    __slots__ = ("_room",)

    #: As that of an int.
    _room: bytes

    def _value(self, res: int) -> Any:
        return received(self._room)


class SocketOptionOperations(InFlight):
    """Commands for sockets, which io_uring has as IORING_OP_URING_CMD."""

    def siocinq(
        self,
        sock: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Tell how many received bytes have not been read, as the ioctl ``SIOCINQ`` (``FIONREAD``).

        Args:
            sock: a TCP, UDP or raw socket, its descriptor, or a registered file.

        See `io_uring_prep_cmd_sock(3)`, kernel 6.7.
        """
        op: Completion[int] = CommandCompletion()
        return self._start(op, "siocinq", sock, user_data, flags, drain, timeout, _siocinq, descriptor(sock))

    def siocoutq(
        self,
        sock: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Tell how many bytes to be sent the peer has not acknowledged, as the ioctl ``SIOCOUTQ``.

        Args:
            sock: a TCP, UDP or raw socket, its descriptor, or a registered file.

        See `io_uring_prep_cmd_sock(3)`, kernel 6.7.
        """
        op: Completion[int] = CommandCompletion()
        return self._start(op, "siocoutq", sock, user_data, flags, drain, timeout, _siocoutq, descriptor(sock))

    @overload
    def getsockopt(
        self,
        sock: Any,
        level: int,
        optname: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]: ...
    @overload
    def getsockopt(
        self,
        sock: Any,
        level: int,
        optname: int,
        buflen: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[bytes]: ...
    def getsockopt(
        self,
        sock: Any,
        level: int,
        optname: int,
        buflen: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[Any]:
        """Tell an option of a socket, as ``socket.getsockopt``.

        Kernels so far take only options of the level SOL_SOCKET here.

        Args:
            sock: a socket, its descriptor, or a registered file.
            level: socket.SOL_SOCKET.
            optname: socket.SO_*.
            buflen: bytes of an option that is no int, up to 1024.

        Returns:
            An int; with `buflen`, bytes.

        See `io_uring_prep_cmd_sock(3)`, kernel 6.7.
        """
        if not 0 <= buflen <= LONGEST_OPTION:
            raise OSError(errno.EINVAL, f"buflen must be between 0 and {LONGEST_OPTION} bytes, not {buflen}")
        target = sock if isinstance(sock, int) else descriptor(sock)
        op: IntOptionCompletion | BytesOptionCompletion = BytesOptionCompletion() if buflen else IntOptionCompletion()
        length = buflen or _INT_SIZE
        data = op._data = bytes(length)
        hold = data if target is sock else (data, sock)
        try:
            tag = self._enlist(op, "getsockopt", hold, user_data, flags, drain, timeout)
            while (code := _getsockopt(self._c, tag, target, level, optname, data, length)) < 0:
                self._refused(code, (target,))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def setsockopt(
        self,
        sock: Any,
        level: int,
        optname: int,
        value: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Set an option of a socket, as ``socket.setsockopt``.

        Args:
            sock: a socket, its descriptor, or a registered file.
            level: socket.SOL_SOCKET, IPPROTO_TCP or another one.
            optname: the option, one of that level's.
            value: an int, or bytes-like, which are copied.

        See `io_uring_prep_cmd_sock(3)`, kernel 6.7.
        """
        target = sock if isinstance(sock, int) else descriptor(sock)
        raw = _pack(value) if value.__class__ is int and _SMALLEST <= value <= _LARGEST else option(value)
        op = SetOptionCompletion()
        hold = raw if target is sock else (raw, sock)
        try:
            tag = self._enlist(op, "setsockopt", hold, user_data, flags, drain, timeout)
            while (code := _setsockopt(self._c, tag, target, level, optname, raw, len(raw))) < 0:
                self._refused(code, (target,))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def getsockname(
        self,
        sock: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[Any]:
        """Tell a socket's own address, as ``socket.getsockname``.

        Args:
            sock: a socket, its descriptor, or a registered file.

        Returns:
            The address, as in `socket`.

        See `io_uring_prep_cmd_getsockname(3)`, kernel 6.19.
        """
        return self._name("getsockname", sock, False, user_data, flags, drain, timeout)

    def getpeername(
        self,
        sock: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[Any]:
        """Tell the address of a socket's peer, as ``socket.getpeername``.

        Args:
            sock: a socket, its descriptor, or a registered file.

        Returns:
            The address, as in `socket`.

        See `io_uring_prep_cmd_getsockname(3)`, kernel 6.19.
        """
        return self._name("getpeername", sock, True, user_data, flags, drain, timeout)

    def _name(
        self,
        operation: str,
        sock: Any,
        peer: bool,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[Any]:
        op = NameCompletion()
        room = op._room = bytes(ROOM)  # see TransferOperations.read
        target = sock if isinstance(sock, int) else descriptor(sock)
        hold = room if target is sock else (room, sock)
        return self._start(
            op, operation, hold, user_data, flags, drain, timeout,
            _getsockname, target, room, peer,
        )  # fmt: skip
