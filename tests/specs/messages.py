"""sendmsg, recvmsg and their relatives, and zero-copy sends."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from array import array
from collections.abc import Callable
from typing import Any

import pyuring
from pyuring import Ring

from .kit import Failure, Named, Row, Spec, Sqe, Things, World, address_of, address_of_bytes, iovecs_at
from .sockets import ADDRESS, SOCKADDR, full_datagrams

DATA = b"d" * 79
BUFFER, OTHER = bytearray(71), bytearray(73)
CLOEXEC = 0x40000000
RIGHTS = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [5, 6])), (41, 67, b"abc")]
#: struct cmsghdr twice: cmsg_len, cmsg_level, cmsg_type, the data and its padding.
CONTROL = struct.pack("=Qiiii", 24, 1, 1, 5, 6) + struct.pack("=Qii8s", 19, 41, 67, b"abc")
#: struct msghdr: name, namelen, iov, iovlen, control, controllen, flags.
HEADER = struct.Struct("@PiPNPNI")
REPORT, POLL_FIRST, FIXED = 8, 1, 4


def header_at(sqe: Sqe) -> tuple[Any, ...]:
    return HEADER.unpack(ctypes.string_at(sqe.addr, HEADER.size))


def check_sendmsg(sqe: Sqe, op: Any) -> None:
    name, namelen, iov, count, control, controllen, _ = header_at(sqe)
    assert ctypes.string_at(name, namelen) == SOCKADDR
    assert iovecs_at(iov, count) == [(address_of_bytes(DATA), 79), (address_of(OTHER), 73), (address_of(BUFFER), 71)]
    assert ctypes.string_at(control, controllen) == CONTROL


def check_sendmsg_of_data_only(sqe: Sqe, op: Any) -> None:
    name, namelen, iov, count, control, controllen, _ = header_at(sqe)
    assert (name, namelen, control, controllen) == (0, 0, 0, 0)
    assert iovecs_at(iov, count) == [(address_of(BUFFER), 71)]


def check_room(sqe: Sqe) -> tuple[list[tuple[int, int]], int, int]:
    """The room for the name is that of a sockaddr_storage; returns iovecs, control and its length."""
    name, namelen, iov, count, control, controllen, _ = header_at(sqe)
    assert ctypes.string_at(name, namelen) == bytes(128)
    return iovecs_at(iov, count), control, controllen


def check_recvmsg(sqe: Sqe, op: Any) -> None:
    iovecs, control, controllen = check_room(sqe)
    assert iovecs == [(address_of_bytes(op._data), 13)]
    assert (control, controllen) == (address_of_bytes(op._control), 17)


def check_recvmsg_into(sqe: Sqe, op: Any) -> None:
    iovecs, control, controllen = check_room(sqe)
    assert iovecs == [(address_of(BUFFER), 71), (address_of(OTHER), 73)]
    assert (control, controllen) == (address_of_bytes(op._control), 17)


def check_recvfrom(sqe: Sqe, op: Any) -> None:
    assert check_room(sqe) == ([(address_of_bytes(op._data), 13)], 0, 0)


def check_recvfrom_into(sqe: Sqe, op: Any) -> None:
    assert check_room(sqe) == ([(address_of(BUFFER), 13)], 0, 0)


def check_recvfrom_into_all(sqe: Sqe, op: Any) -> None:
    assert check_room(sqe) == ([(address_of(OTHER), 73)], 0, 0)


def check_zero_copy_to(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.off, sqe.file_index) == SOCKADDR


def registered(ring: Ring) -> Any:
    """A part of a registered buffer, the second of its table."""
    return ring.register_buffers([BUFFER, OTHER])[1][5:60]


def pieces(ring: Ring) -> list[Any]:
    """Pieces of a registered buffer, the second of its table; an empty one is left out."""
    buffer = ring.register_buffers([BUFFER, OTHER])[1]
    return [buffer[7:20], buffer[3:3], buffer[1:6]]


def check_sendmsg_of_pieces(sqe: Sqe, op: Any) -> None:
    name, namelen, iov, count, control, controllen, _ = header_at(sqe)
    assert (name, namelen, control, controllen) == (0, 0, 0, 0)
    assert iovecs_at(iov, count) == [(address_of(OTHER) + 7, 13), (address_of(OTHER) + 1, 5)]


# -- scenarios ------------------------------------------------------------------------


def sendmsg(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    op = ring.sendmsg(ours, [b"he", bytearray(b"llo")], [], 0, theirs.getsockname(), **keywords)
    return op, lambda r: r == 5 and theirs.recvfrom(99) == (b"hello", ours.getsockname())


def recvmsg(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    theirs.sendto(b"hello", ours.getsockname())
    return ring.recvmsg(ours, 99, **keywords), lambda r: r == (b"hello", [], 0, theirs.getsockname())


def recvmsg_into(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    theirs.sendto(b"hello", ours.getsockname())
    first, second = bytearray(2), bytearray(8)
    op = ring.recvmsg_into(ours, [first, second], **keywords)
    return op, lambda r: r == (5, [], 0, theirs.getsockname()) and first + second == b"hello\0\0\0\0\0"


def recvfrom(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    theirs.sendto(b"hello", ours.getsockname())
    return ring.recvfrom(ours, 99, **keywords), lambda r: r == (b"hello", theirs.getsockname())


def recvfrom_into(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.datagrams()
    theirs.sendto(b"hello", ours.getsockname())
    buffer = bytearray(8)
    op = ring.recvfrom_into(ours, buffer, **keywords)
    return op, lambda r: r == (5, theirs.getsockname()) and buffer == b"hello\0\0\0"


def send_zc(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.tcp_pair()
    return ring.send_zc(ours, b"hello", **keywords), lambda r: r == 5 and theirs.recv(99) == b"hello"


def sendmsg_zc(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.tcp_pair()
    op = ring.sendmsg_zc(ours, [b"he", bytearray(b"llo")], **keywords)
    return op, lambda r: r == 5 and theirs.recv(99) == b"hello"


# -- bad arguments -----------------------------------------------------------------------

Receive = Callable[..., Any]


def refused_messages(send: Callable[..., Any]) -> dict[str, tuple[type[Exception], Callable[[Things], object]]]:
    """What sendmsg refuses, and sendmsg_zc too: `send` is given things and its arguments."""
    return {
        "no list of buffers": (TypeError, lambda t: send(t, 5)),
        "bytes for a list": (TypeError, lambda t: send(t, b"ab")),
        "too many buffers": (ValueError, lambda t: send(t, [t.buffer] * 1025)),
        "ancillary data of a number": (TypeError, lambda t: send(t, [t.buffer], 5)),
        "ancillary data of numbers": (TypeError, lambda t: send(t, [t.buffer], [5])),
        "ancillary data of nothing": (TypeError, lambda t: send(t, [t.buffer], None)),
        "an item too short": (TypeError, lambda t: send(t, [t.buffer], [(1, 1)])),
        "an item too long": (TypeError, lambda t: send(t, [t.buffer], [(1, 1, b"", 1)])),
        "an item with text": (TypeError, lambda t: send(t, [t.buffer], [(1, 1, "x")])),
        "an item with numbers for bytes": (TypeError, lambda t: send(t, [t.buffer], [(1, 1, [5])])),
        "an item in pieces": (BufferError, lambda t: send(t, [t.buffer], [(1, 1, memoryview(t.other)[::2])])),
        "a level of text": (TypeError, lambda t: send(t, [t.buffer], [("1", 1, b"")])),
        "a level beyond a C int": (OverflowError, lambda t: send(t, [t.buffer], [(2**31, 1, b"")])),
        "a type beyond a C int": (OverflowError, lambda t: send(t, [t.buffer], [(1, -(2**31) - 1, b"")])),
        "flags of text": (TypeError, lambda t: send(t, [t.buffer], [], "x")),
        "flags too large": (OverflowError, lambda t: send(t, [t.buffer], [], 2**40)),
        "an address of another family": (TypeError, lambda t: send(t, [t.buffer], [], 0, ADDRESS)),
        "a path too long": (OSError, lambda t: send(t, [t.buffer], [], 0, "x" * 109)),
    }


def refused_sizes(receive: Callable[..., Any]) -> dict[str, tuple[type[Exception], Callable[[Things], object]]]:
    return {
        "less than nothing": (ValueError, lambda t: receive(t, -1)),
        "2 GiB": (ValueError, lambda t: receive(t, 2**31)),
        "a size of text": (TypeError, lambda t: receive(t, "5")),
        "a size of a fraction": (TypeError, lambda t: receive(t, 1.5)),
    }


#: Each of these may begin with things, a first argument, the size of ancillary data, and flags.
def refused_control(receive: Callable[..., Any]) -> dict[str, tuple[type[Exception], Callable[[Things], object]]]:
    return {
        "less than no ancillary data": (ValueError, lambda t: receive(t, -1)),
        "2 GiB of ancillary data": (ValueError, lambda t: receive(t, 2**31)),
        "ancillary data of text": (TypeError, lambda t: receive(t, "5")),
        "flags of text": (TypeError, lambda t: receive(t, 0, "x")),
        "flags too large": (OverflowError, lambda t: receive(t, 0, 2**40)),
    }


SPECS = [
    Spec(
        "sendmsg",
        "io_uring_prep_sendmsg(3)",
        "5.3",
        lambda t, **k: t.ring.sendmsg(t.sock, [t.buffer, t.buffer], **k),
        rows=[
            Row(
                "sendmsg",
                lambda r: r.sendmsg(Named(11), (DATA, OTHER, BUFFER), RIGHTS, socket.MSG_CONFIRM, ADDRESS),
                9, {"fd": 11, "len": 1, "rw_flags": socket.MSG_CONFIRM}, check_sendmsg, ("addr",),
            ),
            Row(
                "sendmsg when there is room", lambda r: r.sendmsg(11, [BUFFER], poll_first=True),
                9, {"fd": 11, "len": 1, "ioprio": POLL_FIRST}, check_sendmsg_of_data_only, ("addr",),
            ),
        ],
        scenario=sendmsg,
        failures=[
            Failure("sendmsg", lambda r, w: r.sendmsg(w.datagrams()[0], [b"x"]), OSError, errno.EDESTADDRREQ),
            Failure(
                "sendmsg",
                lambda r, w: r.sendmsg(w.pair()[0], [b"x"], [(1, socket.SCM_RIGHTS, array("i", [1_000_000]))]),
                OSError, errno.EBADF,
            ),
        ],
        blocking=lambda r, w, t: r.sendmsg(full_datagrams(w)[0], [b"x"], (), 0, str(w.folder / "full"), timeout=t),
        refused=refused_messages(lambda t, *arguments: t.ring.sendmsg(t.sock, *arguments)),
        on_file=lambda r, fd, t: r.sendmsg(fd, [t.buffer]),
        takes_registered_file=True,
    ),
    Spec(
        "recvmsg",
        "io_uring_prep_recvmsg(3)",
        "5.3",
        lambda t, **k: t.ring.recvmsg(t.sock, 9, 9, **k),
        rows=[
            Row(
                "recvmsg", lambda r: r.recvmsg(11, 13, 17, socket.MSG_PEEK),
                10, {"fd": 11, "len": 1, "rw_flags": socket.MSG_PEEK | CLOEXEC}, check_recvmsg, ("addr",),
            ),
            Row(
                "recvmsg of what comes", lambda r: r.recvmsg(11, 13, 17, poll_first=True),
                10, {"fd": 11, "len": 1, "rw_flags": CLOEXEC, "ioprio": POLL_FIRST}, check_recvmsg, ("addr",),
            ),
        ],
        scenario=recvmsg,
        failures=[Failure("recvmsg", lambda r, w: r.recvmsg(w.client(), 1), OSError, errno.ENOTCONN)],
        blocking=lambda r, w, t: r.recvmsg(w.pair()[0], 1, 9, timeout=t),
        refused=refused_sizes(lambda t, size: t.ring.recvmsg(t.sock, size))
        | refused_control(lambda t, *arguments: t.ring.recvmsg(t.sock, 5, *arguments)),
        on_file=lambda r, fd, t: r.recvmsg(fd, 1),
        takes_registered_file=True,
    ),
    Spec(
        "recvmsg_into",
        "io_uring_prep_recvmsg(3)",
        "5.3",
        lambda t, **k: t.ring.recvmsg_into(t.sock, [t.buffer, t.buffer], 9, **k),
        rows=[
            Row(
                "recvmsg_into", lambda r: r.recvmsg_into(11, [BUFFER, OTHER], 17, socket.MSG_PEEK),
                10, {"fd": 11, "len": 1, "rw_flags": socket.MSG_PEEK | CLOEXEC}, check_recvmsg_into, ("addr",),
            ),
            Row(
                "recvmsg_into of what comes", lambda r: r.recvmsg_into(11, [BUFFER, OTHER], 17, poll_first=True),
                10, {"fd": 11, "len": 1, "rw_flags": CLOEXEC, "ioprio": POLL_FIRST}, check_recvmsg_into, ("addr",),
            ),
        ],
        scenario=recvmsg_into,
        failures=[
            Failure("recvmsg_into", lambda r, w: r.recvmsg_into(w.client(), [bytearray(1)]), OSError, errno.ENOTCONN)
        ],
        blocking=lambda r, w, t: r.recvmsg_into(w.pair()[0], [bytearray(1)], timeout=t),
        refused={
            "no list of buffers": (TypeError, lambda t: t.ring.recvmsg_into(t.sock, 5)),
            "too many buffers": (ValueError, lambda t: t.ring.recvmsg_into(t.sock, [t.buffer] * 1025)),
        }
        | refused_control(lambda t, *arguments: t.ring.recvmsg_into(t.sock, [t.buffer], *arguments)),
        on_file=lambda r, fd, t: r.recvmsg_into(fd, [t.buffer]),
        takes_registered_file=True,
    ),
    Spec(
        "recvfrom",
        "io_uring_prep_recvmsg(3)",
        "5.3",
        lambda t, **k: t.ring.recvfrom(t.sock, 9, **k),
        rows=[
            Row(
                "recvfrom", lambda r: r.recvfrom(11, 13, socket.MSG_PEEK),
                10, {"fd": 11, "len": 1, "rw_flags": socket.MSG_PEEK}, check_recvfrom, ("addr",),
            ),
            Row(
                "recvfrom what comes", lambda r: r.recvfrom(11, 13, poll_first=True),
                10, {"fd": 11, "len": 1, "ioprio": POLL_FIRST}, check_recvfrom, ("addr",),
            ),
        ],
        scenario=recvfrom,
        failures=[Failure("recvfrom", lambda r, w: r.recvfrom(w.client(), 1), OSError, errno.ENOTCONN)],
        blocking=lambda r, w, t: r.recvfrom(w.pair()[0], 1, timeout=t),
        refused=refused_sizes(lambda t, size: t.ring.recvfrom(t.sock, size))
        | {"flags of text": (TypeError, lambda t: t.ring.recvfrom(t.sock, 1, "x"))},
        on_file=lambda r, fd, t: r.recvfrom(fd, 1),
        takes_registered_file=True,
    ),
    Spec(
        "recvfrom_into",
        "io_uring_prep_recvmsg(3)",
        "5.3",
        lambda t, **k: t.ring.recvfrom_into(t.sock, t.buffer, **k),
        rows=[
            Row(
                "recvfrom_into", lambda r: r.recvfrom_into(11, BUFFER, 13, socket.MSG_PEEK),
                10, {"fd": 11, "len": 1, "rw_flags": socket.MSG_PEEK}, check_recvfrom_into, ("addr",),
            ),
            Row(
                "recvfrom_into all that comes", lambda r: r.recvfrom_into(11, OTHER, poll_first=True),
                10, {"fd": 11, "len": 1, "ioprio": POLL_FIRST}, check_recvfrom_into_all, ("addr",),
            ),
        ],
        scenario=recvfrom_into,
        failures=[
            Failure("recvfrom_into", lambda r, w: r.recvfrom_into(w.client(), bytearray(1)), OSError, errno.ENOTCONN)
        ],
        blocking=lambda r, w, t: r.recvfrom_into(w.pair()[0], bytearray(1), timeout=t),
        refused={
            "more than the buffer": (ValueError, lambda t: t.ring.recvfrom_into(t.sock, t.buffer, 4097)),
            "less than nothing": (ValueError, lambda t: t.ring.recvfrom_into(t.sock, t.buffer, -1)),
            "bytes of text": (TypeError, lambda t: t.ring.recvfrom_into(t.sock, t.buffer, "1")),  # type: ignore[arg-type]
            "flags of text": (
                TypeError, lambda t: t.ring.recvfrom_into(t.sock, t.buffer, 1, "x"),  # type: ignore[arg-type]
            ),
        },
        on_file=lambda r, fd, t: r.recvfrom_into(fd, t.buffer),
        takes_registered_file=True,
    ),
    Spec(
        "send_zc",
        "io_uring_prep_send_zc(3)",
        "6.0",
        lambda t, **k: t.ring.send_zc(t.sock, t.buffer, **k),
        rows=[
            Row(
                "send_zc", lambda r: r.send_zc(11, DATA, socket.MSG_WAITALL),
                47,
                {
                    "fd": 11, "addr": address_of_bytes(DATA), "len": 79, "rw_flags": socket.MSG_WAITALL,
                    "ioprio": REPORT,
                },
            ),
            Row(
                "send_zc to an address", lambda r: r.send_zc(Named(11), BUFFER, address=ADDRESS, poll_first=True),
                47,
                {
                    "fd": 11, "addr": address_of(BUFFER), "len": 71, "ioprio": REPORT | POLL_FIRST,
                    "file_index": 16,
                },
                check_zero_copy_to, ("off",),
            ),
            Row(
                "send_zc of a registered buffer", lambda r: r.send_zc(11, registered(r), socket.MSG_WAITALL),
                47,
                {
                    "fd": 11, "addr": address_of(OTHER) + 5, "len": 55, "rw_flags": socket.MSG_WAITALL,
                    "ioprio": REPORT | FIXED, "buf_index": 1,
                },
            ),
            Row(
                "send_zc of a registered buffer to an address",
                lambda r: r.send_zc(Named(11), registered(r), address=ADDRESS, poll_first=True),
                47,
                {
                    "fd": 11, "addr": address_of(OTHER) + 5, "len": 55, "ioprio": REPORT | FIXED | POLL_FIRST,
                    "buf_index": 1, "file_index": 16,
                },
                check_zero_copy_to, ("off",),
            ),
        ],
        scenario=send_zc,
        failures=[
            Failure("send_zc", lambda r, w: r.send_zc(w.pair()[0], b"x"), OSError, errno.EOPNOTSUPP),
            Failure(
                "send_zc", lambda r, w: r.send_zc(w.client(), b"x", socket.MSG_NOSIGNAL), BrokenPipeError, errno.EPIPE
            ),
        ],
        blocking=lambda r, w, t: r.send_zc(full_connection(w), b"x", timeout=t),
        refused={
            "flags of text": (TypeError, lambda t: t.ring.send_zc(t.sock, t.buffer, "x")),  # type: ignore[arg-type]
            "flags too large": (OverflowError, lambda t: t.ring.send_zc(t.sock, t.buffer, 2**40)),
            "an address of another family": (
                TypeError, lambda t: t.ring.send_zc(t.sock, t.buffer, address=ADDRESS),
            ),
            "a buffer of another ring": (ValueError, lambda t: t.ring.send_zc(t.sock, registered_elsewhere())),
        },
        on_file=lambda r, fd, t: r.send_zc(fd, t.buffer),
        takes_registered_file=True,
    ),
    Spec(
        "sendmsg_zc",
        "io_uring_prep_sendmsg_zc(3)",
        "6.1",
        lambda t, **k: t.ring.sendmsg_zc(t.sock, [t.buffer, t.buffer], **k),
        rows=[
            Row(
                "sendmsg_zc",
                lambda r: r.sendmsg_zc(Named(11), (DATA, OTHER, BUFFER), RIGHTS, socket.MSG_CONFIRM, ADDRESS),
                48, {"fd": 11, "len": 1, "rw_flags": socket.MSG_CONFIRM, "ioprio": REPORT}, check_sendmsg, ("addr",),
            ),
            Row(
                "sendmsg_zc when there is room", lambda r: r.sendmsg_zc(11, [BUFFER], poll_first=True),
                48, {"fd": 11, "len": 1, "ioprio": REPORT | POLL_FIRST}, check_sendmsg_of_data_only, ("addr",),
            ),
            Row(
                "sendmsg_zc of pieces", lambda r: r.sendmsg_zc(11, pieces(r), (), socket.MSG_CONFIRM, poll_first=True),
                48, {
                    "fd": 11, "len": 1, "rw_flags": socket.MSG_CONFIRM, "ioprio": REPORT | POLL_FIRST | 4,
                    "buf_index": 1,
                },
                check_sendmsg_of_pieces, ("addr",),
            ),
        ],
        scenario=sendmsg_zc,
        failures=[Failure("sendmsg_zc", lambda r, w: r.sendmsg_zc(w.pair()[0], [b"x"]), OSError, errno.EOPNOTSUPP)],
        blocking=lambda r, w, t: r.sendmsg_zc(full_connection(w), [b"x"], timeout=t),
        refused=refused_messages(lambda t, *arguments: t.ring.sendmsg_zc(t.sock, *arguments)),
        on_file=lambda r, fd, t: r.sendmsg_zc(fd, [t.buffer]),
        takes_registered_file=True,
    ),
]  # fmt: skip


def full_connection(world: World) -> socket.socket:
    """A TCP socket whose peer reads nothing."""
    ours, _ = world.tcp_pair()
    ours.setblocking(False)
    try:
        while True:
            ours.send(bytes(1 << 20))
    except BlockingIOError:
        ours.setblocking(True)
    return ours


def registered_elsewhere() -> Any:
    """A registered buffer of a ring that is closed."""
    with pyuring.Ring(4) as ring:
        return ring.register_buffers(count=1, size=64)[0]
