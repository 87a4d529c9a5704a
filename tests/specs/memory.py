"""Sheet of the operation on memory."""

from __future__ import annotations

import errno
import mmap
from typing import Any

from pyuring import Ring

from .kit import Failure, Row, Spec, World, address_of

PAGES = mmap.mmap(-1, 5 * mmap.PAGESIZE)
BASE = address_of(PAGES)
PAGE = mmap.PAGESIZE
#: 5 GiB that are never touched.
MANY = mmap.mmap(-1, 5 * 2**30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)


def madvise(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    mapping = mmap.mmap(-1, 3 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapping[:] = b"x" * len(mapping)
    op = ring.madvise(mapping, mmap.MADV_DONTNEED, PAGE, PAGE, **keywords)
    return op, lambda result: result is None and mapping[:] == b"x" * PAGE + bytes(PAGE) + b"x" * PAGE


SPECS = [
    Spec(
        "madvise", "io_uring_prep_madvise(3)", "5.6",
        prepare=lambda t, **k: t.ring.madvise(PAGES, 3, **k),
        rows=[
            Row(
                "madvise", lambda r: r.madvise(PAGES, 13, PAGE, 2 * PAGE + 7), 25,
                {"fd": -1, "addr": BASE + PAGE, "len": 2 * PAGE + 7, "rw_flags": 13},
            ),
            Row(
                "madvise of all", lambda r: r.madvise(memoryview(PAGES)[PAGE:], 3), 25,
                {"fd": -1, "addr": BASE + PAGE, "len": 4 * PAGE, "rw_flags": 3},
            ),
            Row(
                "madvise of more than 32 bits", lambda r: r.madvise(MANY, 3), 25,
                {"fd": -1, "addr": address_of(MANY), "off": 5 * 2**30, "rw_flags": 3},
            ),
        ],
        scenario=madvise,
        failures=[
            Failure("madvise", lambda r, w: r.madvise(PAGES, 999), OSError, errno.EINVAL),
        ],
        refused={
            "not a whole page": (ValueError, lambda t: t.ring.madvise(PAGES, 3, 1)),
            "beyond the buffer": (ValueError, lambda t: t.ring.madvise(PAGES, 3, 0, 5 * PAGE + 1)),
            "behind the buffer": (ValueError, lambda t: t.ring.madvise(PAGES, 3, 6 * PAGE)),
            "before the buffer": (ValueError, lambda t: t.ring.madvise(PAGES, 3, -PAGE)),
            "of less than nothing": (ValueError, lambda t: t.ring.madvise(PAGES, 3, 0, -1)),
            "part of a page, to be dropped": (
                ValueError, lambda t: t.ring.madvise(PAGES, mmap.MADV_DONTNEED, 0, PAGE + 1)
            ),
            "read-only memory, to be dropped": (
                TypeError, lambda t: t.ring.madvise(memoryview(PAGES).toreadonly(), mmap.MADV_DONTNEED)
            ),
            "of text": (TypeError, lambda t: t.ring.madvise("text", 3)),
            "of a number": (TypeError, lambda t: t.ring.madvise(5, 3)),
            "memory in pieces": (BufferError, lambda t: t.ring.madvise(memoryview(PAGES)[::2], 3)),
            "advice of text": (TypeError, lambda t: t.ring.madvise(PAGES, "3")),  # type: ignore[arg-type]
            "advice too large": (OverflowError, lambda t: t.ring.madvise(PAGES, 2**40)),
            "start of text": (TypeError, lambda t: t.ring.madvise(PAGES, 3, "0")),  # type: ignore[arg-type]
            "length of text": (TypeError, lambda t: t.ring.madvise(PAGES, 3, 0, "1")),  # type: ignore[arg-type]
            "the buffer's own start": (ValueError, lambda t: t.ring.madvise(memoryview(t.other)[1:], 3)),
        },
    ),
]  # fmt: skip
