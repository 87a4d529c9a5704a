"""Operations that wait for processes, and for words of memory."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import threading
import time
from typing import Any

from pyuring import Completion, Ring

from .kit import Check, Failure, Row, Spec, Sqe, World, address_of

WAITID, FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAITV = 50, 51, 52, 53
FUTEX2_SIZE_U32, FUTEX2_PRIVATE = 2, 128
ANY = 2**32 - 1
WORDS = bytearray(64)
OTHER = bytearray(16)
HERE = address_of(WORDS)
WAITER = struct.Struct("=QQII")
SIGINFO = 128


def check_room(sqe: Sqe, op: Any) -> None:
    assert ctypes.string_at(sqe.off, SIGINFO) == bytes(SIGINFO)


def check_waiters(flags: int) -> Check:
    def check(sqe: Sqe, op: Any) -> None:
        raw = ctypes.string_at(sqe.addr, 2 * WAITER.size)
        expected = [(17, HERE + 12, flags, 0), (19, address_of(OTHER), flags, 0)]
        assert list(WAITER.iter_unpack(raw)) == expected

    return check


def wake_later(world: World, words: bytearray, offset: int) -> None:
    """From another thread, once somebody waits there."""

    def wake() -> None:
        deadline = time.monotonic() + 10
        with Ring(4) as ring:
            while not ring.futex_wake(words, 9, offset).result() and time.monotonic() < deadline:
                ring.timeout(0.001).result()

    thread = threading.Thread(target=wake)
    thread.start()
    world.stack.callback(thread.join)


def waitid(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    pid = world.child("exit 3")
    op = ring.waitid(os.P_PID, pid, os.WEXITED, **keywords)
    return op, lambda r: (r.si_pid, r.si_status, r.si_code) == (pid, 3, os.CLD_EXITED)


def futex_wait(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    words = bytearray(8)
    wake_later(world, words, 4)
    return ring.futex_wait(words, 0, 4, **keywords), lambda result: result is None


def futex_wake(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    words, other = bytearray(8), world.other_ring()
    waiter = other.futex_wait(words, 0)
    other.submit()
    op = ring.futex_wake(words, 5, **keywords)
    return op, lambda result: result == 1 and waiter.result(timeout=5) is None


def futex_waitv(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    words = bytearray(8)
    wake_later(world, words, 4)
    return ring.futex_waitv([(words, 0), (words, 0, 4), (OTHER, 0)], **keywords), lambda result: result == 1


def unmapped(world: World) -> mmap.mmap:
    """A shared mapping of a file that has become shorter."""
    fd = world.file(bytes(4096))
    mapping = mmap.mmap(fd, 4096)
    os.ftruncate(fd, 0)
    return mapping


def pages() -> mmap.mmap:
    return mmap.mmap(-1, 4096)


def wait(t: Any, *arguments: Any, **keywords: Any) -> Completion[None]:
    op: Completion[None] = t.ring.futex_wait(*arguments, **keywords)
    return op


BAD_WORDS: dict[str, Any] = {
    "a misaligned word": (ValueError, lambda t: wait(t, t.buffer, 0, 2)),
    "a misaligned view": (ValueError, lambda t: wait(t, memoryview(t.other)[1:9], 0)),
    "a word half outside": (ValueError, lambda t: wait(t, pages(), 0, 4094)),
    "a word right behind": (ValueError, lambda t: wait(t, pages(), 0, 4096)),
    "a negative offset": (ValueError, lambda t: wait(t, t.buffer, 0, -4)),
    "an offset of 64 bits": (OverflowError, lambda t: wait(t, t.buffer, 0, 2**63)),
    "a buffer too small": (ValueError, lambda t: wait(t, bytearray(3), 0)),
    "an empty buffer": (ValueError, lambda t: wait(t, bytearray(), 0)),
    "a read-only buffer": (TypeError, lambda t: wait(t, b"1234", 0)),
    "no buffer": (TypeError, lambda t: wait(t, 0x1000, 0)),
    "a value of 33 bits": (OverflowError, lambda t: wait(t, t.buffer, 2**32)),
    "a negative value": (OverflowError, lambda t: wait(t, t.buffer, -1)),
    "a value of text": (TypeError, lambda t: wait(t, t.buffer, "0")),
    "an empty mask": (ValueError, lambda t: wait(t, t.buffer, 0, mask=0)),
    "a mask of 33 bits": (OverflowError, lambda t: wait(t, t.buffer, 0, mask=2**32)),
}

SPECS = [
    Spec(
        "waitid", "io_uring_prep_waitid(3)", "6.7",
        lambda t, **k: t.ring.waitid(os.P_ALL, 0, os.WEXITED, **k),
        rows=[
            Row(
                "waitid", lambda r: r.waitid(os.P_PIDFD, 13, os.WEXITED | os.WNOWAIT), WAITID,
                {"fd": 13, "len": 3, "file_index": 0x01000004}, check_room, pointers=("off",),
            ),
        ],
        scenario=waitid,
        failures=[
            Failure(
                "waitid", lambda r, w: r.waitid(os.P_PID, os.getpid(), os.WEXITED), ChildProcessError, errno.ECHILD
            ),
            Failure("waitid", lambda r, w: r.waitid(os.P_PID, w.child("exit"), 0), OSError, errno.EINVAL),
        ],
        blocking=lambda r, w, t: r.waitid(os.P_PID, w.child("sleep 60"), os.WEXITED, timeout=t),
        refused={
            "a process of text": (TypeError, lambda t: t.ring.waitid(os.P_PID, "1", os.WEXITED)),  # type: ignore[arg-type]
            "a process of 33 bits": (OverflowError, lambda t: t.ring.waitid(os.P_PID, 2**32, os.WEXITED)),
            "no options": (TypeError, lambda t: t.ring.waitid(os.P_PID, 1, None)),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "futex_wait", "io_uring_prep_futex_wait(3)", "6.7",
        lambda t, **k: t.ring.futex_wait(t.buffer, 0, **k),
        rows=[
            Row(
                "futex_wait", lambda r: r.futex_wait(WORDS, 17, 12, mask=19), FUTEX_WAIT,
                {"fd": FUTEX2_SIZE_U32, "addr": HERE + 12, "off": 17, "addr3": 19},
            ),
            Row(
                "futex_wait in one process", lambda r: r.futex_wait(WORDS, ANY, private=True), FUTEX_WAIT,
                {"fd": FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, "addr": HERE, "off": ANY, "addr3": ANY},
            ),
        ],
        scenario=futex_wait,
        failures=[
            Failure("futex_wait", lambda r, w: r.futex_wait(bytearray(4), 1), BlockingIOError, errno.EAGAIN),
            Failure("futex_wait", lambda r, w: r.futex_wait(unmapped(w), 0), OSError, errno.EFAULT),
        ],
        blocking=lambda r, w, t: r.futex_wait(bytearray(4), 0, timeout=t),
        refused=BAD_WORDS,
    ),
    Spec(
        "futex_wake", "io_uring_prep_futex_wake(3)", "6.7",
        lambda t, **k: t.ring.futex_wake(t.buffer, **k),
        rows=[
            Row(
                "futex_wake", lambda r: r.futex_wake(WORDS, 17, 12, mask=19), FUTEX_WAKE,
                {"fd": FUTEX2_SIZE_U32, "addr": HERE + 12, "off": 17, "addr3": 19},
            ),
            Row(
                "futex_wake in one process", lambda r: r.futex_wake(WORDS, private=True), FUTEX_WAKE,
                {"fd": FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, "addr": HERE, "off": 1, "addr3": ANY},
            ),
        ],
        scenario=futex_wake,
        failures=[Failure("futex_wake", lambda r, w: r.futex_wake(unmapped(w)), OSError, errno.EFAULT)],
        refused={
            "a misaligned word": (ValueError, lambda t: t.ring.futex_wake(t.buffer, 1, 2)),
            "a read-only buffer": (TypeError, lambda t: t.ring.futex_wake(b"1234")),
            "a negative count": (ValueError, lambda t: t.ring.futex_wake(t.buffer, -1)),
            "a count of 32 bits": (ValueError, lambda t: t.ring.futex_wake(t.buffer, 2**31)),
            "an empty mask": (ValueError, lambda t: t.ring.futex_wake(t.buffer, 1, mask=0)),
        },
    ),
    Spec(
        "futex_waitv", "io_uring_prep_futex_waitv(3)", "6.7",
        lambda t, **k: t.ring.futex_waitv([(t.buffer, 0), (t.buffer, 0, 4)], **k),
        rows=[
            Row(
                "futex_waitv", lambda r: r.futex_waitv([(WORDS, 17, 12), (OTHER, 19)]), FUTEX_WAITV,
                {"len": 2}, check_waiters(FUTEX2_SIZE_U32), pointers=("addr",),
            ),
            Row(
                "futex_waitv in one process",
                lambda r: r.futex_waitv(iter([(WORDS, 17, 12), (OTHER, 19, 0)]), private=True), FUTEX_WAITV,
                {"len": 2}, check_waiters(FUTEX2_SIZE_U32 | FUTEX2_PRIVATE), pointers=("addr",),
            ),
        ],
        scenario=futex_waitv,
        failures=[
            Failure(
                "futex_waitv", lambda r, w: r.futex_waitv([(OTHER, 0), (OTHER, 1, 4)]), BlockingIOError, errno.EAGAIN
            ),
        ],
        blocking=lambda r, w, t: r.futex_waitv([(OTHER, 0), (bytearray(4), 0)], timeout=t),
        refused={
            "no words": (ValueError, lambda t: t.ring.futex_waitv([])),
            "more words than the kernel takes": (ValueError, lambda t: t.ring.futex_waitv([(t.buffer, 0)] * 129)),
            "a misaligned word": (ValueError, lambda t: t.ring.futex_waitv([(t.buffer, 0), (t.buffer, 0, 2)])),
            "a word outside": (ValueError, lambda t: t.ring.futex_waitv([(t.buffer, 0), (t.buffer, 0, 2**32)])),
            "a read-only buffer": (TypeError, lambda t: t.ring.futex_waitv([(t.buffer, 0), (b"1234", 0)])),
            "a value of 33 bits": (OverflowError, lambda t: t.ring.futex_waitv([(t.buffer, 0), (t.buffer, 2**32)])),
            "a word without its value": (ValueError, lambda t: t.ring.futex_waitv([(t.buffer, 0), (t.buffer,)])),  # type: ignore[list-item]
            "a word with too much": (ValueError, lambda t: t.ring.futex_waitv([(t.buffer, 0, 4, 4)])),  # type: ignore[list-item]
            "a buffer by itself": (TypeError, lambda t: t.ring.futex_waitv([(t.buffer, 0), 5])),  # type: ignore[list-item]
            "nothing to go through": (TypeError, lambda t: t.ring.futex_waitv(5)),  # type: ignore[arg-type]
        },
    ),
]  # fmt: skip
