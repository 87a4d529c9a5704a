"""The memory of a batch: one block that its ranges share, or a piece for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyuring._ffi import CHARS, NULL, from_buffer, lib
from pyuring.aligned import aligned_buffer
from pyuring.buffers import export, vectors
from pyuring.registered_buffers import RegisteredBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyuring._ffi import CData
    from pyuring.inflight import InFlight

__all__ = ["Block", "allocated", "block_of", "is_bytes_like", "pieces_of"]

#: What is smaller is for no file with O_DIRECT, and not worth pages of its own.
_PAGES_FROM = 512


class Block(NamedTuple):
    """Memory as C takes it, and what keeps it in place."""

    address: CData
    size: int
    #: An iovec for each range, instead of the two above.
    pieces: CData
    #: The number of the registered buffer that this is, or None.
    buffer: int | None
    #: Where the key of the table is that it is registered in.
    live: CData
    exports: list[CData]
    #: Kept, but not to be released: registered memory.
    owner: object


def block_of(buffer: object, ring: InFlight, *, writable: bool) -> Block:
    """`buffer`, a registered one of `ring` or any contiguous one.

    Raises:
        TypeError: no buffer, or a read-only one where it is to be written.
        BufferError: not contiguous.
        ValueError: registered elsewhere.
    """
    if isinstance(buffer, RegisteredBuffer):
        c = buffer._c
        if c.live[0] != ring._c.buffers_key or not c.live[0]:
            raise ring._rejection(lib.PYURING_BAD_TABLE)
        return Block(c.address, c.length, NULL, c.index, c.live, [], (buffer, buffer._memory.pin))
    memory = export(buffer, writable=writable)
    return Block(memory + 0, len(memory), NULL, None, NULL, [memory], None)


def pieces_of(buffers: Sequence[Any]) -> Block:
    """A piece of memory for each range. Registered buffers among them serve as plain memory."""
    registered = [buffer for buffer in buffers if isinstance(buffer, RegisteredBuffer)]
    if registered:
        buffers = [buffer.view if isinstance(buffer, RegisteredBuffer) else buffer for buffer in buffers]
    iovecs, exports = vectors(buffers, writable=False)
    return Block(NULL, 0, iovecs, None, NULL, exports, (iovecs, registered))


def allocated(size: int) -> tuple[memoryview, Block]:
    """New memory, all of it zero, and aligned for O_DIRECT.

    Raises:
        MemoryError: there is not as much.
    """
    owner = bytearray(size) if size < _PAGES_FROM else aligned_buffer(size)
    memory = from_buffer(CHARS, owner, True)
    return memoryview(owner), Block(memory + 0, size, NULL, None, NULL, [memory], None)


def is_bytes_like(thing: object) -> bool:
    """Whether `thing` is one buffer, and not a sequence of them."""
    if isinstance(thing, RegisteredBuffer):
        return True
    try:
        memoryview(thing).release()  # type: ignore[arg-type]
    except TypeError:
        return False
    return True
