"""What type checkers make of the operations about others, about waiting, and of messages."""

from __future__ import annotations

import mmap
import os
import select
import time
from typing import assert_type

import pyuring
from pyuring import Completion, EpollOp, RegisteredBuffer, RegisteredFile, Ring


def others(ring: Ring, op: Completion[bytes]) -> None:
    assert_type(ring.cancel_fd(5, all=False).result(), int)
    assert_type(ring.cancel_op("read").result(), int)
    assert_type(ring.cancel_op(22, all=False).result(), int)
    assert_type(ring.cancel_all(user_data=1).result(), int)
    assert_type(ring.nop_result(5, extra=(1, 2)).result(), int)
    assert_type(ring.timeout(5, absolute=True, clock=time.CLOCK_REALTIME, etime_success=True).result(), None)
    assert_type(ring.timeout_remove(ring.timeout(5)).result(), None)
    assert_type(ring.timeout_update(op, 0.5, absolute=True).result(), None)
    assert_type(ring.poll_update(ring.poll(0), select.POLLOUT).result(), None)
    assert_type(ring.poll_remove(ring.poll_multishot(0)).result(), None)


def waiting(ring: Ring, epoll: select.epoll, memory: mmap.mmap) -> None:
    assert_type(ring.epoll_ctl(epoll, EpollOp.ADD, 5, select.EPOLLIN, data=7).result(), None)
    assert_type(ring.epoll_wait(epoll, 5).result(), list[tuple[int, int]])
    assert_type(ring.waitid(os.P_ALL, 0, os.WEXITED).result(), os.waitid_result | None)
    assert_type(ring.futex_wait(memory, 0, 8, mask=1, private=True).result(), None)
    assert_type(ring.futex_wake(memory, 5, 8).result(), int)
    assert_type(ring.futex_waitv([(memory, 0), (memory, 0, 4)]).result(), int)


def messages(ring: Ring, other: Ring, file: RegisteredFile, buffer: RegisteredBuffer) -> None:
    assert_type(ring.msg_ring(other, 5, 7, cqe_flags=1).result(), None)
    assert_type(ring.msg_ring_fd(other.fileno(), file, 5, direct=3).result(), int)
    assert_type(pyuring.send_message(other, 5), None)
    assert_type(ring.uring_cmd(5, 1, b"abc", buffer=buffer, holds=[bytearray(5)]).result(), int)
    assert_type(ring.provide_buffers(bytearray(100), 10, 1, 5).result(), None)
    assert_type(ring.remove_buffers(5, 1).result(), int)


def wrong(ring: Ring, file: RegisteredFile) -> None:
    """Each line is an error for type checkers: an ignore that is not needed is one, too."""
    ring.cancel_op(ring.nop())  # type: ignore[arg-type]
    ring.timeout_update(5, 5)  # type: ignore[arg-type]
    ring.timeout_update(ring.timeout(5), 5, timeout=5)  # type: ignore[call-arg]
    ring.epoll_ctl(5, "add", 5)  # type: ignore[arg-type]
    ring.msg_ring_fd(ring, 5)  # type: ignore[arg-type]
    ring.futex_waitv([bytearray(4)])  # type: ignore[list-item]
