"""Sheets of the operations on open files."""

from __future__ import annotations

import errno
import os
from typing import Any

from pyuring import Ring, SyncFileRangeFlags

from .kit import Failure, Row, Spec, World


def sync_file_range(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    every = SyncFileRangeFlags.WAIT_BEFORE | SyncFileRangeFlags.WRITE | SyncFileRangeFlags.WAIT_AFTER
    op = ring.sync_file_range(world.file(), 0, 10, every, **keywords)
    return op, lambda result: result is None


def fadvise(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.fadvise(world.file(), 0, 10, os.POSIX_FADV_WILLNEED, **keywords), lambda result: result is None


SPECS = [
    Spec(
        "sync_file_range", "io_uring_prep_sync_file_range(3)", "5.2",
        prepare=lambda t, **k: t.ring.sync_file_range(t.fd, 0, 1, **k),
        rows=[
            Row(
                "sync_file_range", lambda r: r.sync_file_range(11, 2**40 + 13, 17, 5), 8,
                {"fd": 11, "off": 2**40 + 13, "len": 17, "rw_flags": 5},
            ),
            Row("sync_file_range far", lambda r: r.sync_file_range(11, 0, 2**32 - 1), 8,
                {"fd": 11, "len": 2**32 - 1, "rw_flags": 2}),
        ],
        scenario=sync_file_range,
        failures=[
            Failure("sync_file_range", lambda r, w: r.sync_file_range(w.pipe()[1], 0, 1), OSError, errno.ESPIPE),
            Failure("sync_file_range", lambda r, w: r.sync_file_range(w.file(), 0, 1, 8), OSError, errno.EINVAL),
        ],
        refused={
            "at -1": (ValueError, lambda t: t.ring.sync_file_range(t.fd, -1, 1)),
            "of less than nothing": (ValueError, lambda t: t.ring.sync_file_range(t.fd, 0, -1)),
            "of 4 GiB": (ValueError, lambda t: t.ring.sync_file_range(t.fd, 0, 2**32)),
            "too far": (OverflowError, lambda t: t.ring.sync_file_range(t.fd, 2**63, 1)),
            "flags too large": (OverflowError, lambda t: t.ring.sync_file_range(t.fd, 0, 1, 2**40)),
            "flags of text": (TypeError, lambda t: t.ring.sync_file_range(t.fd, 0, 1, "w")),  # type: ignore[arg-type]
        },
        on_file=lambda r, fd, t: r.sync_file_range(fd, 0, 1),
        takes_registered_file=True,
    ),
    Spec(
        "fadvise", "io_uring_prep_fadvise(3)", "5.6",
        prepare=lambda t, **k: t.ring.fadvise(t.fd, 0, 1, 0, **k),
        rows=[
            Row(
                "fadvise", lambda r: r.fadvise(11, 2**40 + 13, 2**32 - 1, 3), 24,
                {"fd": 11, "off": 2**40 + 13, "len": 2**32 - 1, "rw_flags": 3},
            ),
            Row(
                "fadvise of more than 32 bits", lambda r: r.fadvise(11, 13, 2**33 + 17, 3), 24,
                {"fd": 11, "off": 13, "addr": 2**33 + 17, "rw_flags": 3},
            ),
            Row("fadvise of all", lambda r: r.fadvise(11, 0, 0, 4), 24, {"fd": 11, "rw_flags": 4}),
        ],
        scenario=fadvise,
        failures=[
            Failure("fadvise", lambda r, w: r.fadvise(w.pipe()[0], 0, 1, 0), OSError, errno.ESPIPE),
            Failure("fadvise", lambda r, w: r.fadvise(w.file(), 0, 1, 99), OSError, errno.EINVAL),
        ],
        refused={
            "at -1": (ValueError, lambda t: t.ring.fadvise(t.fd, -1, 1, 0)),
            "of less than nothing": (ValueError, lambda t: t.ring.fadvise(t.fd, 0, -1, 0)),
            "too far": (OverflowError, lambda t: t.ring.fadvise(t.fd, 2**63, 1, 0)),
            "too much": (OverflowError, lambda t: t.ring.fadvise(t.fd, 0, 2**63, 0)),
            "advice of text": (TypeError, lambda t: t.ring.fadvise(t.fd, 0, 1, "0")),  # type: ignore[arg-type]
        },
        on_file=lambda r, fd, t: r.fadvise(fd, 0, 1, 0),
        takes_registered_file=True,
    ),
]  # fmt: skip
