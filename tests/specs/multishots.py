"""Operations with many results. What they do is in `test_multishot.py`."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
from typing import Any

from pyuring import BufferRing, Ring

from .kit import BUFFER_SELECT, U64, Row, Spec, timespec_at

ACCEPT_MULTISHOT, RECV_MULTISHOT, BUNDLE = 1, 2, 16
POLL_MULTI = 1
ANY_SLOT = 2**32 - 1
NO_TIMEOUT = frozenset({"timeout"})


def buffers_of(ring: Ring, group: int = 21, size: int = 64) -> Any:
    """The provided buffers of that group."""
    for known in ring._buffer_rings:
        if known.group == group:
            return known
    return ring.buffer_ring(4, size, group=group)


def buffers_elsewhere() -> BufferRing:
    """Provided buffers of a ring that is closed."""
    with Ring(4) as ring:
        return ring.buffer_ring(1, 1)


def check_message(sqe: Any, op: Any) -> None:
    """The struct msghdr has room for a name and ancillary data, and no memory of its own."""
    name, name_length, vectors, count, control, control_length, _ = struct.unpack(
        "@PiPNPNi", ctypes.string_at(sqe.addr, 52)
    )
    assert (name, name_length, vectors, count, control, control_length) == (0, 128, 0, 0, 0, 64)


def check_time(sqe: Any, op: Any) -> None:
    assert timespec_at(sqe.addr) == (7, 250_000_000)


SPECS = [
    Spec(
        "accept_multishot",
        "io_uring_prep_multishot_accept(3)",
        "5.19",
        lambda t, **k: t.ring.accept_multishot(t.sock, **k),
        rows=[
            Row(
                "accept_multishot",
                lambda r: r.accept_multishot(11, socket.SOCK_NONBLOCK),
                13,
                {"fd": 11, "ioprio": ACCEPT_MULTISHOT, "rw_flags": socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC},
            ),
            Row(
                "accept_multishot into registered files",
                lambda r: r.accept_multishot(11, direct=r.register_files(sparse=4)),
                13,
                {"fd": 11, "ioprio": ACCEPT_MULTISHOT, "file_index": ANY_SLOT},
            ),
        ],
        on_file=lambda r, fd, t: r.accept_multishot(fd),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={
            "flags of text": (TypeError, lambda t: t.ring.accept_multishot(t.sock, "x")),  # type: ignore[arg-type]
            "direct into one slot": (
                TypeError,
                lambda t: t.ring.accept_multishot(t.sock, direct=t.ring.register_files(sparse=2)[1]),  # type: ignore[arg-type]
            ),
        },
    ),
    Spec(
        "recv_multishot",
        "io_uring_prep_recv_multishot(3)",
        "6.0",
        lambda t, **k: t.ring.recv_multishot(t.sock, buffers_of(t.ring), **k),
        rows=[
            Row(
                "recv_multishot",
                lambda r: r.recv_multishot(11, buffers_of(r), socket.MSG_PEEK),
                27,
                {
                    "fd": 11,
                    "ioprio": RECV_MULTISHOT,
                    "rw_flags": socket.MSG_PEEK,
                    "buf_index": 21,
                    "flags": BUFFER_SELECT,
                },
            ),
            Row(
                "recv_multishot of bundles",
                lambda r: r.recv_multishot(11, buffers_of(r, 23), bundle=True),
                27,
                {"fd": 11, "ioprio": RECV_MULTISHOT | BUNDLE, "buf_index": 23, "flags": BUFFER_SELECT},
            ),
        ],
        on_file=lambda r, fd, t: r.recv_multishot(fd, buffers_of(r)),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={
            "no buffers": (TypeError, lambda t: t.ring.recv_multishot(t.sock, t.buffer)),  # type: ignore[arg-type]
            "flags of text": (TypeError, lambda t: t.ring.recv_multishot(t.sock, buffers_of(t.ring), "x")),  # type: ignore[arg-type]
            "buffers of another ring": (ValueError, lambda t: t.ring.recv_multishot(t.sock, buffers_elsewhere())),
        },
    ),
    Spec(
        "recvmsg_multishot",
        "io_uring_prep_recvmsg_multishot(3)",
        "6.0",
        lambda t, **k: t.ring.recvmsg_multishot(t.sock, buffers_of(t.ring, 22, 512), **k),
        rows=[
            Row(
                "recvmsg_multishot",
                lambda r: r.recvmsg_multishot(11, buffers_of(r, 22, 512), 64, socket.MSG_PEEK),
                10,
                {
                    "fd": 11,
                    "ioprio": RECV_MULTISHOT,
                    "rw_flags": socket.MSG_PEEK | socket.MSG_CMSG_CLOEXEC,
                    "buf_index": 22,
                    "flags": BUFFER_SELECT,
                    "len": 1,
                },
                check_message,
                pointers=("addr",),
            ),
        ],
        on_file=lambda r, fd, t: r.recvmsg_multishot(fd, buffers_of(r, 22, 512)),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={
            "no buffers": (TypeError, lambda t: t.ring.recvmsg_multishot(t.sock, t.buffer)),  # type: ignore[arg-type]
            "no room for data": (
                ValueError,
                lambda t: t.ring.recvmsg_multishot(t.sock, buffers_of(t.ring, 22, 512), 368),
            ),
            "room below 0": (ValueError, lambda t: t.ring.recvmsg_multishot(t.sock, buffers_of(t.ring, 22, 512), -1)),
            "room of text": (TypeError, lambda t: t.ring.recvmsg_multishot(t.sock, buffers_of(t.ring, 22, 512), "9")),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "recv_zc",
        "io_uring_enter(2)",
        "6.15",
        lambda t, **k: t.ring.recv_zc(t.sock, 1, **k),
        rows=[
            Row(
                "recv_zc",
                lambda r: r.recv_zc(11, 13, 17),
                58,
                {"fd": 11, "ioprio": RECV_MULTISHOT, "len": 17, "file_index": 13},
            ),
        ],
        on_file=lambda r, fd, t: r.recv_zc(fd, 1),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={
            "a queue below 0": (OverflowError, lambda t: t.ring.recv_zc(t.sock, -1)),
            "a length below 0": (ValueError, lambda t: t.ring.recv_zc(t.sock, 1, -1)),
            "a queue of text": (TypeError, lambda t: t.ring.recv_zc(t.sock, "1")),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "read_multishot",
        "io_uring_prep_read_multishot(3)",
        "6.7",
        lambda t, **k: t.ring.read_multishot(t.fd, buffers_of(t.ring), **k),
        rows=[
            Row(
                "read_multishot",
                lambda r: r.read_multishot(11, buffers_of(r)),
                49,
                {"fd": 11, "off": U64 - 1, "buf_index": 21, "flags": BUFFER_SELECT},
            ),
        ],
        on_file=lambda r, fd, t: r.read_multishot(fd, buffers_of(r)),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={"no buffers": (TypeError, lambda t: t.ring.read_multishot(t.fd, t.buffer))},  # type: ignore[arg-type]
    ),
    Spec(
        "poll_multishot",
        "io_uring_prep_poll_multishot(3)",
        "5.13",
        lambda t, **k: t.ring.poll_multishot(t.fd, **k),
        rows=[
            Row(
                "poll_multishot",
                lambda r: r.poll_multishot(11, select.POLLOUT | select.POLLPRI),
                6,
                {"fd": 11, "len": POLL_MULTI, "rw_flags": select.POLLOUT | select.POLLPRI},
            ),
        ],
        on_file=lambda r, fd, t: r.poll_multishot(fd),
        takes_registered_file=True,
        lacks=NO_TIMEOUT,
        refused={
            "events below 0": (OverflowError, lambda t: t.ring.poll_multishot(t.fd, -1)),
            "events of text": (TypeError, lambda t: t.ring.poll_multishot(t.fd, "in")),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "timeout_multishot",
        "io_uring_prep_timeout(3)",
        "6.4",
        lambda t, **k: t.ring.timeout_multishot(5, **k),
        rows=[
            Row(
                "timeout_multishot",
                lambda r: r.timeout_multishot(7.25, count=13),
                11,
                {"fd": -1, "len": 1, "off": 13, "rw_flags": 64},
                check_time,
                pointers=("addr",),
            ),
        ],
        lacks=NO_TIMEOUT,
        refused={
            "no time": (ValueError, lambda t: t.ring.timeout_multishot(0)),
            "less than no time": (ValueError, lambda t: t.ring.timeout_multishot(-1)),
            "a count below 0": (ValueError, lambda t: t.ring.timeout_multishot(1, count=-1)),
            "a count of text": (TypeError, lambda t: t.ring.timeout_multishot(1, count="1")),  # type: ignore[arg-type]
        },
    ),
]
