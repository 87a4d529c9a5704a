"""bind, listen and sendto."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Any

from pyuring import Ring

from .kit import Failure, Named, Row, Spec, Sqe, World, address_of, address_of_bytes

DATA = b"d" * 79
BUFFER = bytearray(71)
ADDRESS = ("127.0.0.9", 4660)
SOCKADDR = struct.pack("=H", socket.AF_INET) + struct.pack("!H4B8x", 4660, 127, 0, 0, 9)
SOCKADDR6 = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI15xB", 4660, 7, 1) + struct.pack("=I", 5)


def check_bind(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr, sqe.off) == SOCKADDR


def check_bind_ipv6(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr, sqe.off) == SOCKADDR6


def check_sendto(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.off, sqe.file_index) == SOCKADDR


def bind(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    sock = world.client()
    op = ring.bind(sock, ("127.0.0.1", 0), **keywords)
    return op, lambda r: r is None and sock.getsockname()[0] == "127.0.0.1" and sock.getsockname()[1] > 0


def listen(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    sock = world.client()
    sock.bind(("127.0.0.1", 0))

    def listens(result: object) -> bool:
        world.client().connect(sock.getsockname())
        return result is None

    return ring.listen(sock, **keywords), listens


def sendto(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    op = ring.sendto(ours, b"hello", theirs.getsockname(), **keywords)
    return op, lambda r: r == 5 and theirs.recvfrom(99) == (b"hello", ours.getsockname())


def full_datagrams(world: World) -> tuple[socket.socket, str]:
    """A socket, and the address of another one whose queue is full."""
    ours, theirs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    world.sockets += [ours, theirs]
    path = str(world.folder / "full")
    theirs.bind(path)
    ours.setblocking(False)
    try:
        while True:
            ours.sendto(b"x", path)
    except BlockingIOError:
        ours.setblocking(True)
    return ours, path


SPECS = [
    Spec(
        "bind",
        "io_uring_prep_bind(3)",
        "6.11",
        lambda t, **k: t.ring.bind(Named(t.sock), ADDRESS, **k),
        rows=[
            Row("bind", lambda r: r.bind(Named(11), ADDRESS), 56, {"fd": 11, "off": 16}, check_bind, ("addr",)),
            Row(
                "bind to IPv6",
                lambda r: r.bind(Named(11, socket.AF_INET6), ("::1", 4660, 7, 5)),
                56,
                {"fd": 11, "off": 28},
                check_bind_ipv6,
                ("addr",),
            ),
        ],
        scenario=bind,
        failures=[
            Failure("bind", lambda r, w: r.bind(w.client(), w.listener().getsockname()), OSError, errno.EADDRINUSE),
            Failure("bind", lambda r, w: r.bind(w.client(), ("192.0.2.1", 0)), OSError, errno.EADDRNOTAVAIL),
        ],
        refused={
            "a path for an Internet socket": (TypeError, lambda t: t.ring.bind(Named(t.sock), "/path")),
            "a tuple for a UNIX socket": (TypeError, lambda t: t.ring.bind(t.sock, ADDRESS)),
            "a tuple too long": (TypeError, lambda t: t.ring.bind(Named(t.sock), ("127.0.0.1", 1, 2, 3))),
            "a tuple too short": (TypeError, lambda t: t.ring.bind(Named(t.sock), ("127.0.0.1",))),
            "a port of text": (TypeError, lambda t: t.ring.bind(Named(t.sock), ("127.0.0.1", "80"))),
            "a port out of range": (OverflowError, lambda t: t.ring.bind(Named(t.sock), ("127.0.0.1", 65536))),
            "a name that nobody has": (socket.gaierror, lambda t: t.ring.bind(Named(t.sock), ("name.invalid", 1))),
            "a path too long": (OSError, lambda t: t.ring.bind(t.sock, "x" * 109)),
            "a family without known addresses": (TypeError, lambda t: t.ring.bind(Named(t.sock, 29), ("can0",))),
            "a file that is no socket": (OSError, lambda t: t.ring.bind(t.fd, ADDRESS)),
        },
        on_file=lambda r, fd, t: r.bind(fd, ADDRESS),
        takes_registered_file=True,
    ),
    Spec(
        "listen",
        "io_uring_prep_listen(3)",
        "6.11",
        lambda t, **k: t.ring.listen(t.sock, **k),
        rows=[
            Row("listen", lambda r: r.listen(11, 13), 57, {"fd": 11, "len": 13}),
            Row("listen by default", lambda r: r.listen(11), 57, {"fd": 11, "len": 128}),
            Row("listen to nobody", lambda r: r.listen(11, -5), 57, {"fd": 11}),
        ],
        scenario=listen,
        failures=[
            Failure("listen", lambda r, w: r.listen(w.datagrams()[0]), OSError, errno.EOPNOTSUPP),
            Failure("listen", lambda r, w: r.listen(w.file()), OSError, errno.ENOTSOCK),
        ],
        refused={
            "a backlog of text": (TypeError, lambda t: t.ring.listen(t.sock, "5")),  # type: ignore[arg-type]
            "a backlog beyond a C int": (OverflowError, lambda t: t.ring.listen(t.sock, 2**31)),
        },
        on_file=lambda r, fd, t: r.listen(fd),
        takes_registered_file=True,
    ),
    Spec(
        "sendto",
        "io_uring_prep_sendto(3)",
        "6.1",
        lambda t, **k: t.ring.sendto(Named(t.sock), t.buffer, ADDRESS, **k),
        rows=[
            Row(
                "sendto",
                lambda r: r.sendto(Named(11), DATA, ADDRESS, socket.MSG_CONFIRM),
                26,
                {
                    "fd": 11, "addr": address_of_bytes(DATA), "len": 79, "rw_flags": socket.MSG_CONFIRM,
                    "file_index": 16,
                },
                check_sendto,
                ("off",),
            ),
            Row(
                "sendto when there is room",
                lambda r: r.sendto(Named(11), BUFFER, ADDRESS, poll_first=True),
                26,
                {"fd": 11, "addr": address_of(BUFFER), "len": 71, "ioprio": 1, "file_index": 16},
                check_sendto,
                ("off",),
            ),
        ],
        scenario=sendto,
        failures=[
            Failure(
                "sendto",
                lambda r, w: r.sendto(w.datagrams()[0], bytes(70000), w.datagrams()[0].getsockname()),
                OSError,
                errno.EMSGSIZE,
            ),
            Failure(
                "sendto",
                lambda r, w: r.sendto(w.client(socket.AF_UNIX), b"x", "/no/such", socket.MSG_NOSIGNAL),
                OSError,
                errno.EOPNOTSUPP,
            ),
        ],
        blocking=lambda r, w, t: r.sendto(full_datagrams(w)[0], b"x", str(w.folder / "full"), timeout=t),
        refused={
            "a path for an Internet socket": (TypeError, lambda t: t.ring.sendto(Named(t.sock), t.buffer, "/path")),
            "no address": (TypeError, lambda t: t.ring.sendto(t.sock, t.buffer, None)),  # type: ignore[arg-type]
            "a port out of range": (
                OverflowError, lambda t: t.ring.sendto(Named(t.sock), t.buffer, ("127.0.0.1", -1)),
            ),
            "flags of text": (
                TypeError, lambda t: t.ring.sendto(Named(t.sock), t.buffer, ADDRESS, "x"),  # type: ignore[arg-type]
            ),
            "flags too large": (OverflowError, lambda t: t.ring.sendto(Named(t.sock), t.buffer, ADDRESS, 2**40)),
            "poll_first of text": (
                TypeError,
                lambda t: t.ring.sendto(Named(t.sock), t.buffer, ADDRESS, poll_first="x"),  # type: ignore[arg-type]
            ),
        },
        on_file=lambda r, fd, t: r.sendto(fd, t.buffer, ADDRESS),
        takes_registered_file=True,
    ),
]  # fmt: skip
