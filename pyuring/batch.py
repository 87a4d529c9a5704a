"""Thousands of reads and writes in one call, on a ring that each thread has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from pyuring.batching.methods import DEPTH
from pyuring.batching.ranges import perform_ranges, read, write
from pyuring.batching.single import read_one, write_one
from pyuring.thread_ring import thread_ring
from pyuring.workers import spread

if TYPE_CHECKING:
    from array import array

    from pyuring.batching.ranges import Perform
    from pyuring.batching.request import RangeRequest
    from pyuring.ring import Ring

__all__ = ["read_ranges", "write_ranges"]


@overload
def read_ranges(
    file: object,
    offsets: object,
    lengths: object,
    out: None = None,
    *,
    depth: int = DEPTH,
    ring: Ring | None = None,
    workers: int | None = None,
    bounce: bool = False,
) -> list[memoryview]: ...
@overload
def read_ranges(
    file: object,
    offsets: object,
    lengths: object,
    out: object,
    *,
    depth: int = DEPTH,
    ring: Ring | None = None,
    workers: int | None = None,
    bounce: bool = False,
) -> array[int]: ...
def read_ranges(
    file: object,
    offsets: object,
    lengths: object,
    out: object = None,
    *,
    depth: int = DEPTH,
    ring: Ring | None = None,
    workers: int | None = None,
    bounce: bool = False,
) -> list[memoryview] | array[int]:
    """Read many ranges of a file, or of several files, in one call.

    All of it happens in C without the GIL, `depth` reads at a time. A range ends early only
    where the file ends. Ctrl-C ends the call within a tenth of a second, with nothing left
    in flight.

    Args:
        file: a descriptor, an object with ``fileno()``, a path, or a registered file of
            `ring`; or a list or tuple of these, one for each range. Paths are opened for the
            call, each but once.
        offsets: where the ranges begin, in bytes: any sequence or array of integers (a
            NumPy array is not copied), not to be changed meanwhile.
        lengths: bytes to read: one integer for all ranges, or a sequence or array.
        out: where to read to: a writable contiguous buffer, or a registered one of `ring`. The
            ranges lie in it one behind the other, each as long as its length, whatever is read.
            None: into new memory.
        depth: reads in flight at the most; never more than the ring's `cq_entries`.
        ring: the ring to do it on, which may have other operations in flight. None: one that
            this thread has for batches.
        workers: threads to spread the work over, each with a ring of its own; only without
            `ring`. None: more than one where that pays, see ``docs/decisions``.
        bounce: for descriptors with O_DIRECT: let ranges begin and end anywhere, and be read to
            any address. What is not aligned is read by whole blocks, and copied.

    Returns:
        With `out`, an ``array('q')`` of how many bytes were read, by range; what lies behind
        them in `out` is left as it was. Without, a list of memoryviews of what was read.

    Raises:
        BatchError: some ranges failed; the others were read, see `BatchError`.
        ValueError: offsets or lengths that are negative, end beyond 2**63-1 or do not fit into `out`.
        TypeError: what is no integer; a bool and a float are none.
        UnavailableError: no ring can be made here.

    See `io_uring_prep_read(3)`, kernel 5.6.
    """
    if file.__class__ is int and lengths.__class__ is int and ring is None:
        done = read_one(file, offsets, lengths, out)
        if done is not None:
            return done
    if ring is not None:
        check_workers(workers, ring)
        return ring.read_ranges(file, offsets, lengths, out, depth=depth, bounce=bounce)
    perform = _spreading(check_workers(workers))
    return read(thread_ring(), file, offsets, lengths, out, depth=depth, bounce=bounce, lends=True, perform=perform)


def write_ranges(
    file: object,
    offsets: object,
    buffers: object,
    *,
    lengths: object = None,
    depth: int = DEPTH,
    ring: Ring | None = None,
    workers: int | None = None,
) -> array[int]:
    """Write many ranges of a file, or of several files, in one call.

    As `read_ranges`. Ranges that overlap are written in any order; nothing is synced: call
    ``os.fdatasync`` afterwards for the writes to be durable, once for all of them.

    Args:
        file: as for `read_ranges`. A path must be that of a file that exists.
        offsets: where the ranges begin, in bytes.
        buffers: what to write: a sequence of bytes-like objects, one for each range; or one
            contiguous buffer that the ranges share, or a registered one of `ring`, in which
            they lie one behind the other.
        lengths: of the ranges in one buffer; None divides it equally.
        depth: writes in flight at the most.
        ring: as for `read_ranges`.
        workers: as for `read_ranges`; None is 1, because writes do their copying in the kernel's own threads.

    Returns:
        An ``array('q')`` of how many bytes were written, by range: all of them.

    Raises:
        BatchError: some ranges failed; the others were written, see `BatchError`.
        ValueError: offsets that are negative, or ranges that end beyond 2**63-1 or do not fit the buffer.

    See `io_uring_prep_write(3)`, kernel 5.6.
    """
    if file.__class__ is int and lengths is None and ring is None:
        done = write_one(file, offsets, buffers)
        if done is not None:
            return done
    if ring is not None:
        check_workers(workers, ring)
        return ring.write_ranges(file, offsets, buffers, lengths=lengths, depth=depth)
    return write(
        thread_ring(),
        file,
        offsets,
        buffers,
        lengths,
        depth=depth,
        lends=True,
        perform=_spreading(check_workers(workers)),
    )


def check_workers(workers: object, ring: Ring | None = None) -> int:
    """`workers` as a number of threads."""
    if workers is None:
        return 1
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f"workers is a number of threads, not {type(workers).__name__}")
    if workers < 1:
        raise ValueError(f"workers must be 1 or more threads, not {workers}")
    if ring is not None and workers > 1:
        raise ValueError("workers= needs a ring in each thread: it does not go with ring=")
    return workers


def _spreading(workers: int) -> Perform:
    def perform(request: RangeRequest, depth: int) -> int:
        threads = min(workers, request.count)
        return spread(request, depth, threads) if threads > 1 else perform_ranges(request, depth)

    return perform
