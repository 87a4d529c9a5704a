"""Sheets of pipes, and of moving data through them."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

from pyuring import Completion, Ring

from .descriptors import files_of
from .kit import U64, Failure, Row, Spec, Sqe, World

U32 = 2**32
SPLICE_F_FD_IN_FIXED = 1 << 31


def check_pipe(sqe: Sqe, op: Completion[Any]) -> None:
    assert ctypes.string_at(sqe.addr, 8) == bytes(8)


def pipe(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    op = ring.pipe(os.O_NONBLOCK, **keywords)

    def works(ends: tuple[int, int]) -> bool:
        reader, writer = map(world.keep, ends)
        os.write(writer, b"through")
        closed = not os.get_inheritable(reader) and not os.get_inheritable(writer)
        return os.read(reader, 99) == b"through" and closed and not os.get_blocking(reader)

    return op, works


def splice(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    reader, writer = world.pipe()
    op = ring.splice(world.file(), writer, 5, 3, **keywords)
    return op, lambda result: result == 5 and os.read(reader, 99) == b"34567"


def tee(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    (source, feed), (reader, writer) = world.pipe(), world.pipe()
    os.write(feed, b"hello")
    op = ring.tee(source, writer, 5, **keywords)
    return op, lambda result: (result, os.read(reader, 99), os.read(source, 99)) == (5, b"hello", b"hello")


SPECS = [
    Spec(
        "pipe", "io_uring_prep_pipe(3)", "6.16",
        prepare=lambda t, **k: t.ring.pipe(**k),
        rows=[
            Row("pipe", lambda r: r.pipe(), 62, {"rw_flags": os.O_CLOEXEC}, check_pipe, pointers=("addr",)),
            Row(
                "pipe of packets", lambda r: r.pipe(os.O_DIRECT), 62, {"rw_flags": os.O_CLOEXEC | os.O_DIRECT},
                check_pipe, pointers=("addr",),
            ),
            Row(
                "pipe into slots", lambda r: r.pipe(os.O_NONBLOCK | os.O_CLOEXEC, direct=files_of(r, 40)[37]), 62,
                {"rw_flags": os.O_NONBLOCK, "file_index": 38}, check_pipe, pointers=("addr",),
            ),
            Row(
                "pipe into any slots", lambda r: r.pipe(direct=files_of(r)), 62, {"file_index": U32 - 1},
                check_pipe, pointers=("addr",),
            ),
        ],
        scenario=pipe,
        failures=[
            Failure("pipe", lambda r, w: r.pipe(os.O_APPEND), OSError, errno.EINVAL),
            Failure("pipe", lambda r, w: r.pipe(direct=files_of(r, 1)), OSError, errno.ENFILE),
        ],
        refused={
            "flags of text": (TypeError, lambda t: t.ring.pipe("x")),  # type: ignore[arg-type]
            "flags too large": (OverflowError, lambda t: t.ring.pipe(2**40)),
            "the last slot": (ValueError, lambda t: t.ring.pipe(direct=files_of(t.ring)[-1])),
            "direct of a number": (TypeError, lambda t: t.ring.pipe(direct=3)),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "splice", "io_uring_prep_splice(3)", "5.7",
        prepare=lambda t, **k: t.ring.splice(t.fd, 1_000_000, 1, **k),
        rows=[
            Row(
                "splice", lambda r: r.splice(11, 13, 17, 2**40 + 19, 2**41 + 23, os.SPLICE_F_MORE), 30,
                {"file_index": 11, "fd": 13, "len": 17, "addr": 2**40 + 19, "off": 2**41 + 23,
                 "rw_flags": os.SPLICE_F_MORE},
            ),
            Row(
                "splice at the files' own positions", lambda r: r.splice(11, 13, 17), 30,
                {"file_index": 11, "fd": 13, "len": 17, "addr": U64 - 1, "off": U64 - 1},
            ),
            Row(
                "splice from a registered file", lambda r: r.splice(files_of(r, 40)[37], 13, 17, 0, splice_flags=1), 30,
                {"file_index": 37, "fd": 13, "len": 17, "off": U64 - 1, "rw_flags": SPLICE_F_FD_IN_FIXED | 1},
            ),
        ],
        scenario=splice,
        failures=[
            Failure("splice", lambda r, w: r.splice(w.file(), w.file(b"", "other"), 1), OSError, errno.EINVAL),
            Failure("splice", lambda r, w: r.splice(w.pipe()[0], w.pipe()[1], 1, 0), OSError, errno.ESPIPE),
            Failure("splice", lambda r, w: r.splice(1_000_000, w.pipe()[1], 1), OSError, errno.EBADF),
            Failure("splice", lambda r, w: r.splice(w.file(), 1_000_000, 1), OSError, errno.EBADF),
            Failure("splice", lambda r, w: r.splice(files_of(r)[3], w.pipe()[1], 1), OSError, errno.EBADF),
        ],
        refused={
            "-1 as source": (OSError, lambda t: t.ring.splice(-1, t.fd, 1)),
            "2**31 as source": (OSError, lambda t: t.ring.splice(2**31, t.fd, 1)),
            "text as source": (TypeError, lambda t: t.ring.splice("x", t.fd, 1)),
            "None as source": (TypeError, lambda t: t.ring.splice(None, t.fd, 1)),
            "less than nothing": (ValueError, lambda t: t.ring.splice(t.fd, t.fd, -1)),
            "2 GiB": (ValueError, lambda t: t.ring.splice(t.fd, t.fd, 2**31)),
            "a count of text": (TypeError, lambda t: t.ring.splice(t.fd, t.fd, "1")),  # type: ignore[arg-type]
            "source at -1": (ValueError, lambda t: t.ring.splice(t.fd, t.fd, 1, -1)),
            "destination at -1": (ValueError, lambda t: t.ring.splice(t.fd, t.fd, 1, None, -1)),
            "source too far": (OverflowError, lambda t: t.ring.splice(t.fd, t.fd, 1, 2**63)),
            "destination too far": (OverflowError, lambda t: t.ring.splice(t.fd, t.fd, 1, None, 2**63)),
            "flags too large": (OverflowError, lambda t: t.ring.splice(t.fd, t.fd, 1, splice_flags=2**40)),
            "flags of text": (
                TypeError, lambda t: t.ring.splice(t.fd, t.fd, 1, splice_flags="x")  # type: ignore[arg-type]
            ),
        },
        on_file=lambda r, fd, t: r.splice(t.fd, fd, 1),
        takes_registered_file=True,
        lacks=frozenset({"timeout"}),
    ),
    Spec(
        "tee", "io_uring_prep_tee(3)", "5.8",
        prepare=lambda t, **k: t.ring.tee(t.fd, 1_000_000, 1, **k),
        rows=[
            Row(
                "tee", lambda r: r.tee(11, 13, 17, os.SPLICE_F_NONBLOCK), 33,
                {"file_index": 11, "fd": 13, "len": 17, "rw_flags": os.SPLICE_F_NONBLOCK},
            ),
            Row(
                "tee of a registered file", lambda r: r.tee(files_of(r, 40)[37], 13, 17, 2), 33,
                {"file_index": 37, "fd": 13, "len": 17, "rw_flags": SPLICE_F_FD_IN_FIXED | 2},
            ),
        ],
        scenario=tee,
        failures=[
            Failure("tee", lambda r, w: r.tee(w.file(), w.pipe()[1], 1), OSError, errno.EINVAL),
            Failure("tee", lambda r, w: r.tee(1_000_000, w.pipe()[1], 1), OSError, errno.EBADF),
        ],
        refused={
            "-1 as source": (OSError, lambda t: t.ring.tee(-1, t.fd, 1)),
            "text as source": (TypeError, lambda t: t.ring.tee("x", t.fd, 1)),
            "less than nothing": (ValueError, lambda t: t.ring.tee(t.fd, t.fd, -1)),
            "2 GiB": (ValueError, lambda t: t.ring.tee(t.fd, t.fd, 2**31)),
            "flags too large": (OverflowError, lambda t: t.ring.tee(t.fd, t.fd, 1, 2**40)),
        },
        on_file=lambda r, fd, t: r.tee(t.fd, fd, 1),
        takes_registered_file=True,
        lacks=frozenset({"timeout"}),
    ),
]  # fmt: skip
