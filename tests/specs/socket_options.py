"""Commands for sockets."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Any

from pyuring import Ring

from .kit import Failure, Row, Spec, Sqe, World, address_of_bytes

SOL_SOCKET = socket.SOL_SOCKET
OPTION = struct.pack("=ii", 1, 30)


def check_getsockopt(sqe: Sqe, op: Any) -> None:
    assert sqe.addr3 == address_of_bytes(op._data)
    assert ctypes.string_at(sqe.addr3, sqe.file_index) == bytes(sqe.file_index)


def check_setsockopt(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr3, sqe.file_index) == struct.pack("=i", -123456)


def check_setsockopt_bytes(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr3, sqe.file_index) == OPTION


def check_name(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr, 128) == bytes(128)
    assert struct.unpack("=I", ctypes.string_at(sqe.addr3, 4)) == (128,)


def level_and_option(level: int, option: int) -> int:
    """The two 32-bit fields that lie where `addr` is."""
    (number,) = struct.unpack("=Q", struct.pack("=II", level, option))
    assert isinstance(number, int)
    return number


def received(world: World) -> tuple[socket.socket, socket.socket]:
    """A connected pair, with 5 bytes that the first has not read."""
    ours, theirs = world.tcp_pair()
    theirs.send(b"hello")
    ours.recv(1, socket.MSG_PEEK)
    return ours, theirs


def siocinq(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.siocinq(received(world)[0], **keywords), lambda result: result == 5


def siocoutq(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.tcp_pair()
    theirs.setsockopt(SOL_SOCKET, socket.SO_RCVBUF, 1)
    ours.setblocking(False)
    try:
        while True:
            ours.send(bytes(1 << 20))
    except BlockingIOError:
        return ring.siocoutq(ours, **keywords), lambda result: result > 1 << 16


def getsockopt(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    op = ring.getsockopt(world.datagrams()[0], SOL_SOCKET, socket.SO_TYPE, **keywords)
    return op, lambda result: result == socket.SOCK_DGRAM


def setsockopt(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    sock = world.client()
    op = ring.setsockopt(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1, **keywords)
    return op, lambda result: result is None and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def getsockname(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    sock = world.datagrams()[0]
    return ring.getsockname(sock, **keywords), lambda result: result == sock.getsockname()


def getpeername(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    sock = world.tcp_pair()[0]
    return ring.getpeername(sock, **keywords), lambda result: result == sock.getpeername()


SPECS = [
    Spec(
        "siocinq",
        "io_uring_prep_cmd_sock(3)",
        "6.7",
        lambda t, **k: t.ring.siocinq(t.sock, **k),
        rows=[Row("siocinq", lambda r: r.siocinq(11), 46, {"fd": 11})],
        scenario=siocinq,
        failures=[
            Failure("siocinq", lambda r, w: r.siocinq(w.listener()), OSError, errno.EINVAL),
            Failure("siocinq", lambda r, w: r.siocinq(w.pair()[0]), OSError, errno.EOPNOTSUPP),
        ],
        on_file=lambda r, fd, t: r.siocinq(fd),
        takes_registered_file=True,
        cuts_chains=True,
    ),
    Spec(
        "siocoutq",
        "io_uring_prep_cmd_sock(3)",
        "6.7",
        lambda t, **k: t.ring.siocoutq(t.sock, **k),
        rows=[Row("siocoutq", lambda r: r.siocoutq(11), 46, {"fd": 11, "off": 1})],
        scenario=siocoutq,
        failures=[Failure("siocoutq", lambda r, w: r.siocoutq(w.listener()), OSError, errno.EINVAL)],
        on_file=lambda r, fd, t: r.siocoutq(fd),
        takes_registered_file=True,
        cuts_chains=True,
    ),
    Spec(
        "getsockopt",
        "io_uring_prep_cmd_sock(3)",
        "6.7",
        lambda t, **k: t.ring.getsockopt(t.sock, SOL_SOCKET, socket.SO_TYPE, **k),
        rows=[
            Row(
                "getsockopt", lambda r: r.getsockopt(11, 13, 17),
                46, {"fd": 11, "off": 2, "addr": level_and_option(13, 17), "file_index": 4},
                check_getsockopt, ("addr3",),
            ),
            Row(
                "getsockopt of bytes", lambda r: r.getsockopt(11, 13, 17, 19),
                46, {"fd": 11, "off": 2, "addr": level_and_option(13, 17), "file_index": 19},
                check_getsockopt, ("addr3",),
            ),
        ],
        scenario=getsockopt,
        failures=[
            Failure("getsockopt", lambda r, w: r.getsockopt(w.client(), SOL_SOCKET, 9999), OSError, errno.ENOPROTOOPT),
            Failure(
                "getsockopt", lambda r, w: r.getsockopt(w.client(), socket.IPPROTO_TCP, socket.TCP_NODELAY),
                OSError, errno.EOPNOTSUPP,
            ),
        ],
        refused={
            "less than no bytes": (OSError, lambda t: t.ring.getsockopt(t.sock, 1, 3, -1)),
            "too many bytes": (OSError, lambda t: t.ring.getsockopt(t.sock, 1, 3, 1025)),
            "bytes of text": (TypeError, lambda t: t.ring.getsockopt(t.sock, 1, 3, "4")),  # type: ignore[call-overload]
            "a level of text": (TypeError, lambda t: t.ring.getsockopt(t.sock, "1", 3)),  # type: ignore[call-overload]
            "an option beyond a C int": (OverflowError, lambda t: t.ring.getsockopt(t.sock, 1, 2**31)),
        },
        on_file=lambda r, fd, t: r.getsockopt(fd, 1, 3),
        takes_registered_file=True,
        cuts_chains=True,
    ),
    Spec(
        "setsockopt",
        "io_uring_prep_cmd_sock(3)",
        "6.7",
        lambda t, **k: t.ring.setsockopt(t.sock, SOL_SOCKET, socket.SO_KEEPALIVE, 1, **k),
        rows=[
            Row(
                "setsockopt", lambda r: r.setsockopt(11, 13, 17, -123456),
                46, {"fd": 11, "off": 3, "addr": level_and_option(13, 17), "file_index": 4},
                check_setsockopt, ("addr3",),
            ),
            Row(
                "setsockopt of bytes", lambda r: r.setsockopt(11, 13, 17, bytearray(OPTION)),
                46, {"fd": 11, "off": 3, "addr": level_and_option(13, 17), "file_index": 8},
                check_setsockopt_bytes, ("addr3",),
            ),
        ],
        scenario=setsockopt,
        failures=[
            Failure(
                "setsockopt", lambda r, w: r.setsockopt(w.client(), SOL_SOCKET, 9999, 1), OSError, errno.ENOPROTOOPT
            ),
            Failure(
                "setsockopt", lambda r, w: r.setsockopt(w.client(), SOL_SOCKET, socket.SO_LINGER, b"x"),
                OSError, errno.EINVAL,
            ),
        ],
        refused={
            "a value of text": (TypeError, lambda t: t.ring.setsockopt(t.sock, 1, 9, "1")),
            "a value of a fraction": (TypeError, lambda t: t.ring.setsockopt(t.sock, 1, 9, 1.5)),
            "a value of nothing": (TypeError, lambda t: t.ring.setsockopt(t.sock, 1, 9, None)),
            "a value beyond a C int": (OverflowError, lambda t: t.ring.setsockopt(t.sock, 1, 9, 2**31)),
            "a level of text": (TypeError, lambda t: t.ring.setsockopt(t.sock, "1", 9, 1)),  # type: ignore[arg-type]
        },
        on_file=lambda r, fd, t: r.setsockopt(fd, 1, 9, 1),
        takes_registered_file=True,
    ),
    Spec(
        "getsockname",
        "io_uring_prep_cmd_getsockname(3)",
        "6.19",
        lambda t, **k: t.ring.getsockname(t.sock, **k),
        rows=[
            Row("getsockname", lambda r: r.getsockname(11), 46, {"fd": 11, "off": 5}, check_name, ("addr", "addr3")),
        ],
        scenario=getsockname,
        failures=[Failure("getsockname", lambda r, w: r.getsockname(closed(w)), OSError, errno.EBADF)],
        on_file=lambda r, fd, t: r.getsockname(fd),
        takes_registered_file=True,
    ),
    Spec(
        "getpeername",
        "io_uring_prep_cmd_getsockname(3)",
        "6.19",
        lambda t, **k: t.ring.getpeername(t.sock, **k),
        rows=[
            Row(
                "getpeername", lambda r: r.getpeername(11),
                46, {"fd": 11, "off": 5, "file_index": 1}, check_name, ("addr", "addr3"),
            ),
        ],
        scenario=getpeername,
        failures=[Failure("getpeername", lambda r, w: r.getpeername(closed(w)), OSError, errno.EBADF)],
        on_file=lambda r, fd, t: r.getpeername(fd),
        takes_registered_file=True,
    ),
]  # fmt: skip


def closed(world: World) -> int:
    """A descriptor that was one of a socket."""
    sock = world.client()
    number = sock.fileno()
    sock.close()
    return number
