"""Sending without a copy: the kernel sends from the user's memory, and says when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.addresses import encode_for
from pyuring.buffers import listed
from pyuring.completion import ZeroCopyCompletion
from pyuring.inflight import InFlight
from pyuring.kernel import is_older
from pyuring.operations.messages import start_sendmsg
from pyuring.operations.pieces import OfPieces, pieces_of_one
from pyuring.operations.socket_transfers import memory_of
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyuring.addresses import Address

__all__ = ["ZeroCopyOperations"]

_send_zc_fixed = lib.pyuring_prep_send_zc_fixed
_send_zc = lib.pyuring_prep_send_zc
_sendmsg_zc = lib.pyuring_prep_sendmsg_zc
_sendmsg_zc_fixed = lib.pyuring_prep_sendmsg_zc_fixed

#: Kernels before 6.2 refuse to report whether they copied.
_REPORT = 0 if is_older("6.2") else lib.PYURING_SEND_ZC_REPORT_USAGE
_REPORT_POLL_FIRST = _REPORT | lib.IORING_RECVSEND_POLL_FIRST


class FixedMessageCompletion(OfPieces, ZeroCopyCompletion):
    """A zero-copy message of pieces of a registered buffer."""

    __slots__ = ()


class ZeroCopyOperations(InFlight):
    """Zero-copy sends. Each has its memory pinned and a notification posted in place of a copy.

    Whether that pays depends on the size and on what it is sent over: to the loopback interface
    the kernel copies, and says so in ``completion.copied``.

    The result comes as with any send; the memory is still in use then. It must not change
    until the handle is `released`, and is not given back before.

    In a ring that has been used with ``drain=True`` these are sends that copy, and say so:
    the kernel would never start others. See `IOSQE_IO_DRAIN` in `io_uring_enter(2)`.
    """

    def send_zc(
        self,
        sock: Any,
        data: Any,
        msg_flags: int = 0,
        *,
        address: Address | None = None,
        poll_first: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> ZeroCopyCompletion:
        """Send `data` without copying it, as ``socket.send``, or ``socket.sendto`` with `address`.

        Args:
            sock: a TCP, UDP or raw socket, its descriptor, or a registered file.
            data: bytes-like and contiguous, or a registered buffer, which need not be pinned
                again. It must not change until the completion is `released`.
            msg_flags: socket.MSG_*.
            address: where to, as in `socket`; None is the peer. A host name is looked up
                first, which blocks.
            poll_first: wait for room before trying.

        Returns:
            How many bytes were sent.

        See `io_uring_prep_send_zc(3)`, kernel 6.0.
        """
        target = sock if isinstance(sock, int) else descriptor(sock)
        name = b"" if address is None else encode_for(sock, address)
        how = _REPORT_POLL_FIRST if poll_first else _REPORT
        op = ZeroCopyCompletion()
        if data.__class__ is RegisteredBuffer:
            return self._start(
                op, "send_zc", (data._memory.pin, name, sock), user_data, flags, drain, timeout,
                _send_zc_fixed, target, data._c, msg_flags, how, name, len(name),
            )  # fmt: skip
        if data.__class__ is bytes:
            hold, memory, length = data, data, len(data)
        else:
            hold, memory, length = memory_of(self, data, writable=False)
        keep = hold if target is sock and not name else (hold, name, sock)
        try:
            tag = self._enlist(op, "send_zc", keep, user_data, flags, drain, timeout)
            while (code := _send_zc(self._c, tag, target, memory, length, msg_flags, how, name, len(name))) < 0:
                self._refused(code, (target, memory, length))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

    def sendmsg_zc(
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
    ) -> ZeroCopyCompletion:
        """Send one buffer after the other without copying them, as ``socket.sendmsg``.

        Args:
            sock: a TCP, UDP or raw socket, its descriptor, or a registered file.
            buffers: up to 1024 contiguous bytes-like objects, or pieces of one registered buffer;
                they must not change until the completion is `released`.
            ancdata: ``(level, type, data)`` each.
            msg_flags: socket.MSG_*.
            address: where to, as in `socket`; None is the peer. A host name is looked up
                first, which blocks.
            poll_first: wait for room before trying.

        Returns:
            How many bytes were sent.

        See `io_uring_prep_sendmsg_zc(3)`, kernel 6.1; with registered buffers 6.15.
        """
        parts = listed("sendmsg_zc", buffers)
        how = _REPORT_POLL_FIRST if poll_first else _REPORT
        if parts and parts[0].__class__ is RegisteredBuffer:
            return start_sendmsg(
                self, FixedMessageCompletion(), "sendmsg_zc", _sendmsg_zc_fixed, sock, (), ancdata, msg_flags, address,
                how, user_data, flags, drain, timeout, pieces_of_one("sendmsg_zc", parts),
            )  # fmt: skip
        return start_sendmsg(
            self, ZeroCopyCompletion(), "sendmsg_zc", _sendmsg_zc, sock, parts, ancdata, msg_flags, address,
            how, user_data, flags, drain, timeout,
        )  # fmt: skip
