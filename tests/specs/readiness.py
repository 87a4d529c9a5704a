"""Operations about readiness."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from typing import Any

import pyuring
from pyuring import Completion, EpollOp, Ring

from .kit import Check, Failure, Row, Spec, Sqe, World
from .targets import check_target, finished, is_cancelled

POLL_ADD, POLL_REMOVE, EPOLL_CTL, EPOLL_WAIT = 6, 7, 29, 59
UPDATE_EVENTS = 2
#: struct epoll_event is packed on x86-64, and nowhere else.
EVENT = struct.Struct("=Iq" if pyuring.ffi.sizeof("struct epoll_event") == 12 else "@Iq")


def check_event(events: int, data: int) -> Check:
    def check(sqe: Sqe, op: Any) -> None:
        assert EVENT.unpack(ctypes.string_at(sqe.addr, EVENT.size)) == (events, data)

    return check


def check_room(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.addr, 13 * EVENT.size) == bytes(13 * EVENT.size)


def update(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    target = ring.poll(world.pair()[0], select.POLLIN)
    ring.submit()
    op = ring.poll_update(target, select.POLLOUT, **keywords)
    return op, lambda result: result is None and target.result(timeout=5) == select.POLLOUT


def remove(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    target = ring.poll(world.pair()[0], select.POLLIN)
    ring.submit()
    return ring.poll_remove(target, **keywords), lambda result: result is None and is_cancelled(target)


def epoll_of(world: World) -> select.epoll:
    return world.stack.enter_context(select.epoll())


def ctl(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    epoll, sock = epoll_of(world), world.pair()[0]
    op = ring.epoll_ctl(epoll, EpollOp.ADD, sock, select.EPOLLOUT, **keywords)
    return op, lambda result: result is None and epoll.poll(0) == [(sock.fileno(), select.EPOLLOUT)]


def wait(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    epoll, (reader, writer) = epoll_of(world), world.pipe()
    epoll.register(reader, select.EPOLLIN)
    os.write(writer, b"x")
    return ring.epoll_wait(epoll, **keywords), lambda result: result == [(reader, select.EPOLLIN)]


def over(ring: Ring, world: World) -> Completion[int]:
    op = ring.poll(world.pipe()[1], select.POLLOUT)
    op.result()
    return op


NUMBERS = {
    "events of 33 bits": (OverflowError, lambda t: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, 2**32)),
    "negative events": (OverflowError, lambda t: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, -1)),
    "data of 33 bits": (OverflowError, lambda t: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, 1, 2**31)),
    "events of text": (TypeError, lambda t: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, "x")),
    "data that is no number": (TypeError, lambda t: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, 1, 1.5)),
    "an unknown op": (ValueError, lambda t: t.ring.epoll_ctl(t.fd, 4, t.sock)),
    "an epoll that is a registered file": (
        TypeError, lambda t: t.ring.epoll_ctl(t.ring.register_files([t.fd])[0], EpollOp.DEL, t.sock),
    ),
}  # fmt: skip

SPECS = [
    Spec(
        "poll_update", "io_uring_prep_poll_update(3)", "5.13",
        lambda t, **k: t.ring.poll_update(finished(t.ring, "poll"), select.POLLOUT, **k),
        rows=[
            Row(
                "poll_update", lambda r: r.poll_update(r.poll(11), select.POLLOUT | select.POLLPRI), POLL_REMOVE,
                {"fd": -1, "len": UPDATE_EVENTS, "rw_flags": select.POLLOUT | select.POLLPRI},
                check_target(POLL_ADD), pointers=("addr",), targets=1,
            ),
        ],
        scenario=update,
        on_operations=True,
        failures=[
            Failure("poll_update", lambda r, w: r.poll_update(over(r, w), 1), FileNotFoundError, errno.ENOENT),
        ],
        refused={
            "no handle": (TypeError, lambda t: t.ring.poll_update(t.fd, 1)),  # type: ignore[arg-type]
            "another kind of operation": (ValueError, lambda t: t.ring.poll_update(finished(t.ring, "recv"), 1)),
            "events of 33 bits": (OverflowError, lambda t: t.ring.poll_update(finished(t.ring, "poll"), 2**32)),
            "events of text": (TypeError, lambda t: t.ring.poll_update(finished(t.ring, "poll"), "x")),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "poll_remove", "io_uring_prep_poll_remove(3)", "5.1",
        lambda t, **k: t.ring.poll_remove(finished(t.ring, "poll"), **k),
        rows=[
            Row(
                "poll_remove", lambda r: r.poll_remove(r.poll(11)), POLL_REMOVE, {"fd": -1},
                check_target(POLL_ADD), pointers=("addr",), targets=1,
            ),
        ],
        scenario=remove,
        on_operations=True,
        failures=[Failure("poll_remove", lambda r, w: r.poll_remove(over(r, w)), FileNotFoundError, errno.ENOENT)],
        refused={
            "no handle": (TypeError, lambda t: t.ring.poll_remove(None)),  # type: ignore[arg-type]
            "another kind of operation": (ValueError, lambda t: t.ring.poll_remove(finished(t.ring, "timeout"))),
        },
    ),
    Spec(
        "epoll_ctl", "io_uring_prep_epoll_ctl(3)", "5.6",
        lambda t, **k: t.ring.epoll_ctl(t.fd, EpollOp.ADD, t.sock, **k),
        rows=[
            Row(
                "epoll_ctl", lambda r: r.epoll_ctl(11, EpollOp.MOD, 13, select.EPOLLIN | select.EPOLLET, 17), EPOLL_CTL,
                {"fd": 11, "off": 13, "len": 3}, check_event(1 | 1 << 31, 17), pointers=("addr",),
            ),
            Row(
                "epoll_ctl with a negative number", lambda r: r.epoll_ctl(11, EpollOp.ADD, 13, data=-(2**31)),
                EPOLL_CTL, {"fd": 11, "off": 13, "len": 1}, check_event(0, 2**31), pointers=("addr",),
            ),
            Row(
                "epoll_ctl with the descriptor", lambda r: r.epoll_ctl(11, EpollOp.DEL, 13), EPOLL_CTL,
                {"fd": 11, "off": 13, "len": 2}, check_event(0, 13), pointers=("addr",),
            ),
        ],
        scenario=ctl,
        failures=[
            Failure(
                "epoll_ctl", lambda r, w: r.epoll_ctl(epoll_of(w), EpollOp.DEL, w.pipe()[0]),
                FileNotFoundError, errno.ENOENT,
            ),
            Failure(
                "epoll_ctl", lambda r, w: r.epoll_ctl(epoll_of(w), EpollOp.ADD, w.file()),
                PermissionError, errno.EPERM,
            ),
        ],
        on_file=lambda r, fd, t: r.epoll_ctl(5, EpollOp.ADD, fd),
        refused=NUMBERS,
    ),
    Spec(
        "epoll_wait", "io_uring_prep_epoll_wait(3)", "6.15",
        lambda t, **k: t.ring.epoll_wait(t.fd, **k),
        rows=[
            Row(
                "epoll_wait", lambda r: r.epoll_wait(11, 13), EPOLL_WAIT, {"fd": 11, "len": 13},
                check_room, pointers=("addr",),
            ),
        ],
        scenario=wait,
        failures=[Failure("epoll_wait", lambda r, w: r.epoll_wait(w.pipe()[0]), OSError, errno.EINVAL)],
        blocking=lambda r, w, t: r.epoll_wait(epoll_of(w), timeout=t),
        on_file=lambda r, fd, t: r.epoll_wait(fd),
        takes_registered_file=True,
        refused={
            "no events": (ValueError, lambda t: t.ring.epoll_wait(t.fd, 0)),
            "less than none": (ValueError, lambda t: t.ring.epoll_wait(t.fd, -1)),
            "more than the kernel takes": (ValueError, lambda t: t.ring.epoll_wait(t.fd, 2**31)),
            "a number of text": (TypeError, lambda t: t.ring.epoll_wait(t.fd, "1")),  # type: ignore[arg-type]
        },
    ),
]  # fmt: skip
