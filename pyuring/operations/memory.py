"""Operations on memory."""

from __future__ import annotations

import mmap
from operator import index
from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, from_buffer, lib
from pyuring.buffers import refusal, release
from pyuring.completion import NoneCompletion
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from pyuring.completion import Completion

__all__ = ["MemoryOperations"]

_madvise = lib.pyuring_prep_madvise

#: What leaves the memory's contents alone, by its number in madvise(2): NORMAL, RANDOM,
#: SEQUENTIAL, WILLNEED, MERGEABLE, UNMERGEABLE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP,
#: COLD, PAGEOUT, POPULATE_READ, COLLAPSE.
HARMLESS = frozenset((0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 20, 21, 22, 25))


class MemoryOperations(InFlight):
    """Operations on memory."""

    def madvise(
        self,
        buffer: Any,
        advice: int,
        start: int = 0,
        length: int | None = None,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Announce how memory will be used, or give its pages up, as ``mmap.mmap.madvise``.

        Advice is about whole pages, so the memory must start with one; that of an
        ``mmap.mmap`` does. Advice that changes the contents, such as ``MADV_DONTNEED``,
        is taken only where the buffer is writable and has all the pages to itself.

        Args:
            buffer: contiguous, and not resized until the operation is done.
            advice: mmap.MADV_*.
            start: where in the buffer the part in question starts, in bytes.
            length: its bytes; None is all up to the end of the buffer. 2**32 and more
                need kernel 6.11.

        See `io_uring_prep_madvise(3)`, kernel 5.6.
        """
        advice, start = index(advice), index(start)
        length = None if length is None else index(length)
        harmless = advice in HARMLESS
        try:
            hold = from_buffer(CHARS, buffer, not harmless)
        except (TypeError, BufferError, ValueError) as error:
            raise refusal(buffer, error, writable=not harmless) from None
        size = len(hold)
        stop = size if length is None else start + length
        if not 0 <= start <= stop <= size:
            release(hold)
            raise ValueError(f"the buffer has {size} bytes: there is no part with start {start} and length {length}")
        if not harmless and not _is_alone(buffer, size, start, stop):
            release(hold)
            raise ValueError(
                f"advice {advice} changes what the memory contains, in whole pages of {mmap.PAGESIZE} bytes: "
                f"{stop - start} bytes would take what lies behind them along"
            )
        return self._start(
            NoneCompletion(), "madvise", hold, user_data, flags, drain, timeout,
            _madvise, hold, start, stop - start, advice,
        )  # fmt: skip


def _is_alone(buffer: Any, size: int, start: int, stop: int) -> bool:
    """Whether nothing else is in the last page from `start` to `stop` of `buffer`."""
    # The kernel rounds up to the page's end; that of a mapping is nobody else's.
    return (isinstance(buffer, mmap.mmap) and stop == size) or (stop - start) % mmap.PAGESIZE == 0
