"""Memory as direct I/O wants it: zeroed, writable, and starting at a round address."""

from __future__ import annotations

import errno
import mmap
import operator
from typing import TYPE_CHECKING, SupportsIndex

from pyuring._ffi import CHARS, ffi, from_buffer

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["LARGEST_ALIGNMENT", "address_of", "aligned_buffer"]

#: A huge page, where they have 2 MiB; more than any file system asks for.
LARGEST_ALIGNMENT = 1 << 21
_HUGE_PAGE = 1 << 21


def aligned_buffer(nbytes: int, align: int = 4096) -> memoryview:
    """Return `nbytes` of zeroed memory at an address that is a multiple of `align`.

    It goes wherever a buffer goes: to the operations of a `Ring`, `Ring.register_buffers`,
    ``os.preadv``, ``numpy.frombuffer``. Parts of it are memoryviews too. The memory is given
    back with the last object that refers to it, and takes up room only where it was touched;
    from 2 MiB on it is made of huge pages where the system has them, so that filling it costs
    a fraction. A forked child gets a copy.

    Args:
        nbytes: its length in bytes, 0 or more. It needs not be a multiple of `align`.
        align: a power of two up to 2 MiB, in bytes; `alignment_of` tells what a file needs.
            The address is that of a whole page at least.

    Returns:
        A writable memoryview of bytes.

    Raises:
        ValueError: a negative length, or an alignment that is none.
        MemoryError: there is no room for it.

    See `mmap(2)` and `open(2)`.
    """
    nbytes, align = _number("nbytes", nbytes), _number("align", align)
    if nbytes < 0:
        raise ValueError(f"nbytes must be 0 or more, not {nbytes}")
    if not 1 <= align <= LARGEST_ALIGNMENT or align & (align - 1):
        raise ValueError(f"align must be a power of two up to {LARGEST_ALIGNMENT} (2 MiB), such as 4096, not {align}")
    if nbytes >= _HUGE_PAGE:
        align = max(align, _HUGE_PAGE)
    # Whole pages come by themselves; for more the mapping is made longer, and what
    # is not used of it never touched.
    slack = align if align > mmap.PAGESIZE else 0
    try:
        # Private: what a child of a fork writes is its own, and the kernel gives no huge
        # pages to shared memory unless told. And not MADV_DONTFORK, which would have the
        # child die where it touches the buffer. Older kernels, which did not pin pages for
        # direct I/O, could lose what a disk writes during a fork, but only in a page that
        # somebody else writes to before the disk is done.
        memory = mmap.mmap(-1, (nbytes or 1) + slack, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"no room for a buffer of {nbytes} bytes") from error
    start = -address_of(memory) % align if slack else 0
    _ask_for_huge_pages(memory, start, nbytes)
    return memoryview(memory)[start : start + nbytes]


def _number(name: str, value: SupportsIndex) -> int:
    if not hasattr(value, "__index__") or isinstance(value, bool):
        raise TypeError(f"{name} is an int, a number of bytes, not {type(value).__name__}")
    return operator.index(value)


def _ask_for_huge_pages(memory: mmap.mmap, start: int, nbytes: int) -> None:
    """For what is whole huge pages: the rest would take up more memory than was asked for."""
    whole = nbytes // _HUGE_PAGE * _HUGE_PAGE
    if not whole:
        return
    try:
        memory.madvise(mmap.MADV_HUGEPAGE, start, whole)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a kernel built without them
            raise


def address_of(buffer: object) -> int:
    """Where the memory of `buffer` is."""
    held: CData = from_buffer(CHARS, buffer)
    try:
        return int(ffi.cast("uintptr_t", held))
    finally:
        # At once: on CPython 3.11 the garbage collector must not find it, see docs/decisions/0003.
        ffi.release(held)
