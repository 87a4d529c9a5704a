"""Cancelling operations, and one that does as it is told."""

from __future__ import annotations

import errno
import os
from typing import Any

from pyuring import Completion, Ring

from .kit import U32, U64, Failure, Row, Spec, World
from .targets import is_cancelled

NOP, ASYNC_CANCEL = 0, 14
ALL, FD, ANY, OP = 1, 2, 4, 32
INJECT_RESULT, CQE32 = 1, 32


def pending(ring: Ring, world: World) -> tuple[int, list[Completion[Any]], Completion[Any]]:
    """A file, two operations on it, and one on another."""
    reader = world.pipe()[0]
    ops = [ring.read(reader, 1), ring.poll(reader)]
    other = ring.recv(world.pair()[0], 1)
    ring.submit()
    return reader, ops, other


def end(other: Completion[Any]) -> bool:
    other.cancel()
    return is_cancelled(other)


def cancel_fd(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    reader, ops, other = pending(ring, world)
    op = ring.cancel_fd(reader, **keywords)
    return op, lambda result: result == 2 and all(map(is_cancelled, ops)) and not other.done and end(other)


def cancel_op(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    _, ops, other = pending(ring, world)
    op = ring.cancel_op("recv", **keywords)
    return op, lambda result: result == 1 and is_cancelled(other) and not ops[0].done and all(map(end, ops))


def cancel_all(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    _, ops, other = pending(ring, world)
    return ring.cancel_all(**keywords), lambda result: result >= 3 and all(map(is_cancelled, [*ops, other]))


def nop_result(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.nop_result(1234, **keywords), lambda result: result == 1234


def closed(world: World) -> int:
    fd = os.dup(world.file())
    os.close(fd)
    return fd


SPECS = [
    Spec(
        "cancel_fd", "io_uring_prep_cancel(3)", "5.19",
        lambda t, **k: t.ring.cancel_fd(t.fd, **k),
        rows=[
            Row("cancel_fd", lambda r: r.cancel_fd(11), ASYNC_CANCEL, {"fd": 11, "rw_flags": FD | ALL}),
            Row("cancel_fd of one", lambda r: r.cancel_fd(11, all=False), ASYNC_CANCEL, {"fd": 11, "rw_flags": FD}),
        ],
        scenario=cancel_fd,
        on_operations=True,
        failures=[
            Failure("cancel_fd", lambda r, w: r.cancel_fd(closed(w)), OSError, errno.EBADF),
            Failure("cancel_fd", lambda r, w: r.cancel_fd(w.file(), all=False), FileNotFoundError, errno.ENOENT),
        ],
        on_file=lambda r, fd, t: r.cancel_fd(fd),
        takes_registered_file=True,
        refused={"a handle": (TypeError, lambda t: t.ring.cancel_fd(Completion()))},
    ),
    Spec(
        "cancel_op", "io_uring_prep_cancel(3)", "6.6",
        lambda t, **k: t.ring.cancel_op("read", **k),
        rows=[
            Row("cancel_op", lambda r: r.cancel_op("recv"), ASYNC_CANCEL, {"fd": -1, "len": 27, "rw_flags": OP | ALL}),
            Row(
                "cancel_op by number", lambda r: r.cancel_op(13, all=False), ASYNC_CANCEL,
                {"fd": -1, "len": 13, "rw_flags": OP},
            ),
        ],
        scenario=cancel_op,
        on_operations=True,
        failures=[Failure("cancel_op", lambda r, w: r.cancel_op("recv", all=False), FileNotFoundError, errno.ENOENT)],
        refused={
            "an unknown name": (ValueError, lambda t: t.ring.cancel_op("no such")),
            "a negative number": (ValueError, lambda t: t.ring.cancel_op(-1)),
            "a number that is no opcode": (ValueError, lambda t: t.ring.cancel_op(256)),
            "a handle": (TypeError, lambda t: t.ring.cancel_op(Completion())),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "cancel_all", "io_uring_prep_cancel(3)", "5.19",
        lambda t, **k: t.ring.cancel_all(**k),
        rows=[Row("cancel_all", lambda r: r.cancel_all(), ASYNC_CANCEL, {"fd": -1, "rw_flags": ANY | ALL})],
        scenario=cancel_all,
        on_operations=True,
    ),
    Spec(
        "nop_result", "io_uring_prep_nop(3)", "6.10",
        lambda t, **k: t.ring.nop_result(5, **k),
        rows=[
            Row("nop_result", lambda r: r.nop_result(11), NOP, {"fd": -1, "len": 11, "rw_flags": INJECT_RESULT}),
            Row(
                "nop_result that fails", lambda r: r.nop_result(-11), NOP,
                {"fd": -1, "len": U32 - 11, "rw_flags": INJECT_RESULT},
            ),
            Row(
                "nop_result with two words", lambda r: r.nop_result(11, extra=(13, U64 - 17)), NOP,
                {"fd": -1, "len": 11, "rw_flags": INJECT_RESULT | CQE32, "off": 13, "addr": U64 - 17},
            ),
        ],
        scenario=nop_result,
        failures=[
            Failure("nop_result", lambda r, w: r.nop_result(-errno.ENOSPC), OSError, errno.ENOSPC),
            Failure("nop_result", lambda r, w: r.nop_result(5, extra=(1, 2)), OSError, errno.EINVAL),
        ],
        refused={
            "a result of 33 bits": (OverflowError, lambda t: t.ring.nop_result(2**31)),
            "a result of text": (TypeError, lambda t: t.ring.nop_result("5")),  # type: ignore[arg-type]
            "a word of 65 bits": (OverflowError, lambda t: t.ring.nop_result(5, extra=(0, 2**64))),
            "a negative word": (OverflowError, lambda t: t.ring.nop_result(5, extra=(-1, 0))),
            "three words": (ValueError, lambda t: t.ring.nop_result(5, extra=(1, 2, 3))),  # type: ignore[arg-type]
            "a word for two": (TypeError, lambda t: t.ring.nop_result(5, extra=1)),  # type: ignore[arg-type]
        },
    ),
]  # fmt: skip
