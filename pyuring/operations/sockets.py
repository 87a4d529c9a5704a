"""Operations that make, name, connect and shut down sockets."""

from __future__ import annotations

import socket as _socket
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.addresses import ROOM, encode_for, received
from pyuring.completion import Completion, NoneCompletion
from pyuring.direct import Direct, DirectCompletion, direct_key
from pyuring.inflight import InFlight
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring.addresses import Address

__all__ = ["AcceptCompletion", "SocketOperations"]

_make_socket = lib.pyuring_prep_socket
_bind = lib.pyuring_prep_bind
_listen = lib.pyuring_prep_listen
_accept = lib.pyuring_prep_accept
_connect = lib.pyuring_prep_connect
_shutdown = lib.pyuring_prep_shutdown

_DONTWAIT = lib.PYURING_ACCEPT_DONTWAIT
_POLL_FIRST = lib.PYURING_ACCEPT_POLL_FIRST


class AcceptCompletion(DirectCompletion):
    """An accept: its result is the new descriptor, and `address` the peer's address."""

    __slots__ = ("_peer",)

    #: The kernel writes into it, and nobody else sees it before that is over.
    _peer: bytes

    @property
    def address(self) -> Any:
        """The peer's address as `socket` gives it; None until there is one."""
        return received(self._peer) if self.res is not None and self.res >= 0 else None


class SocketOperations(InFlight):
    """Operations on sockets. `flags` are `SqeFlags`; those of `accept` are `accept_flags`."""

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
        return self._start(
            op, "socket", None, user_data, flags, drain, timeout,
            _make_socket, family, type, proto, 0 if direct is None else direct_key(direct),
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
        raw = encode_for(sock, address)
        return self._start(
            NoneCompletion(), "bind", (raw, sock), user_data, flags, drain, timeout,
            _bind, target, raw, len(raw),
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
            _listen, descriptor(sock), backlog if backlog > 0 else 0,
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
        target = sock if isinstance(sock, int) else descriptor(sock)
        how = 0
        if dont_wait or poll_first:
            how = (_DONTWAIT if dont_wait else 0) | (_POLL_FIRST if poll_first else 0)
        op = AcceptCompletion()
        op._direct = direct
        peer = op._peer = bytes(ROOM)  # see TransferOperations.read
        key = 0 if direct is None else direct_key(direct)
        try:
            tag = self._enlist(op, "accept", peer if target is sock else (peer, sock), user_data, flags, drain, timeout)
            while (code := _accept(self._c, tag, target, peer, accept_flags, how, key)) < 0:
                self._refused(code, (target,))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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
        raw = encode_for(sock, address)
        return self._start(
            NoneCompletion(), "connect", (raw, sock), user_data, flags, drain, timeout,
            _connect, target, raw, len(raw),
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
            _shutdown, descriptor(sock), how,
        )  # fmt: skip
