"""Registered buffers: the kernel looks up and pins their pages once, not per operation."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pyuring._ffi import NULL, ffi, lib, new
from pyuring.buffers import export, release
from pyuring.diagnosis import memlock_shortage
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["BufferRegistration", "RegisteredBuffer", "RegisteredBuffers"]

PAGE = 4096
#: What the kernel takes in one registered buffer (1 GiB), and in one table.
LARGEST_BUFFER = 1 << 30
MAX_BUFFERS = 1 << 14


class _Pin:
    """Keeps registered memory in place: as long as it is registered, or in flight."""

    __slots__ = ("export",)

    def __init__(self, held: CData) -> None:
        self.export = held


class _Memory:
    """One registered piece of memory."""

    __slots__ = ("owner", "pin")

    def __init__(self, owner: Any, held: CData) -> None:
        self.owner = owner
        #: None once it is unregistered. Operations in flight hold the pin, not the export
        #: itself: one that fails to start gives up what it holds, and this is not its own.
        self.pin: _Pin | None = _Pin(held)

    def __len__(self) -> int:
        return len(self.pin.export) if self.pin else 0

    def release(self) -> None:
        """Give up the memory at once: it was not registered after all."""
        if self.pin:
            release(self.pin.export)


#: (memory, offset in it, length, index in the kernel's table)
_Piece: TypeAlias = tuple[_Memory, int, int, int]


class RegisteredBuffer:
    """A registered buffer, or a part of one: pass it where a buffer goes.

    ``buffer[10:20]`` is the part of it, for a transfer of another length.
    """

    __slots__ = ("_c", "_memory", "_offset")

    def __init__(self, memory: _Memory, offset: int, length: int, address: int, index: int, table: int) -> None:
        self._memory = memory
        self._offset = offset
        self._c = new("struct pyuring_buffer *", (ffi.cast("void *", address), length, index, table))

    @property
    def index(self) -> int:
        """The buffer's number in the kernel's table (buf_index); a slab is one buffer."""
        return int(self._c.index)

    @property
    def view(self) -> memoryview:
        """A memoryview of the buffer's bytes."""
        return memoryview(self._memory.owner).cast("B")[self._offset : self._offset + len(self)]

    def __len__(self) -> int:
        return int(self._c.length)

    def __getitem__(self, part: slice) -> RegisteredBuffer:
        if not isinstance(part, slice):
            raise TypeError(f"a registered buffer is cut with a slice, not {type(part).__name__}; bytes are in .view")
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError("a part of a registered buffer must be contiguous")
        address = int(ffi.cast("uintptr_t", self._c.address)) + start
        length = max(stop - start, 0)
        return RegisteredBuffer(self._memory, self._offset + start, length, address, self._c.index, self._c.table)

    def __repr__(self) -> str:
        return f"<RegisteredBuffer index={self.index} length={len(self)}>"


class RegisteredBuffers(Sequence[RegisteredBuffer]):
    """The registered buffers of a ring; made by `Ring.register_buffers`."""

    def __init__(self, ring: BufferRegistration, pieces: list[_Piece], table: int) -> None:
        self._ring = ring
        self._table = table
        #: All of them, and the objects made of them so far.
        self._pieces = pieces
        self._made: dict[int, RegisteredBuffer] = {}

    @overload
    def __getitem__(self, index: int) -> RegisteredBuffer: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegisteredBuffer]: ...
    def __getitem__(self, index: int | slice) -> RegisteredBuffer | list[RegisteredBuffer]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self._ring._buffers is not self:
            raise ValueError("the buffers were unregistered")
        made = self._made.get(index)
        if made is None:
            if not -len(self) <= index < len(self):
                raise IndexError(f"no registered buffer {index}: there are {len(self)}")
            index %= len(self)
            memory, offset, length, number = self._pieces[index]
            if memory.pin is None:  # interrupted while it was unregistered
                raise ValueError("the buffers were unregistered")
            address = int(ffi.cast("uintptr_t", memory.pin.export)) + offset
            made = self._made.setdefault(index, RegisteredBuffer(memory, offset, length, address, number, self._table))
        return made

    def __len__(self) -> int:
        return len(self._pieces)

    def unregister(self) -> None:
        """Take the buffers out of the kernel's table; twice is once.

        Operations in flight keep theirs until they are done. Later ones that use one
        of them raise ``ValueError``. See `io_uring_unregister_buffers(3)`.
        """
        ring = self._ring
        if ring._buffers is not self:
            return
        while (code := lib.pyuring_unregister_buffers(ring._c)) == -errno.EINTR:
            continue  # kernels that wait for operations in flight here
        if code < 0 and code != -errno.ENXIO:  # done already, and interrupted before the rest
            raise ring._rejection(code)
        self._let_go()
        ring._kept[2:] = []
        ring._buffers = None

    def _let_go(self) -> None:
        for memory, *_ in self._pieces:
            memory.pin = None


class BufferRegistration(InFlight):
    """The part of `Ring` that registers buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: RegisteredBuffers | None = None

    def register_buffers(
        self, buffers: Iterable[object] | None = None, *, count: int | None = None, size: int | None = None
    ) -> RegisteredBuffers:
        """Register buffers, so that the kernel need not look up and pin their pages each time.

        Args:
            buffers: writable contiguous buffers of the caller's, which cannot be resized
                until they are unregistered; or, instead,
            count: how many buffers pyuring is to allocate, in one aligned slab,
            size: of so many bytes each. A size of 4096 or more is page-aligned, fit for
                O_DIRECT; a smaller one is aligned to the power of two above it.

        Returns:
            The buffers, by index. Pass one where a buffer goes: `read` and `write`
            become READ_FIXED and WRITE_FIXED.

        Raises:
            RuntimeError: the ring has registered buffers already.
            MemoryError: RLIMIT_MEMLOCK does not allow it; the text has the numbers.

        See `io_uring_register_buffers(3)`, kernel 5.1.
        """
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        if self._buffers is not None:
            raise RuntimeError("this ring has registered buffers: unregister() them first")
        if (count is None, size is None) != ((True, True) if buffers is not None else (False, False)):
            raise TypeError("register_buffers() takes a list of buffers, or count= and size=")
        memories: list[_Memory] = []
        try:
            pieces = _slab(count or 0, size or 0, memories) if buffers is None else _export_all(buffers, memories)
            self._kept.append(memories)
            self._buffers = RegisteredBuffers(self, pieces, self._register_memories(memories))
        except BaseException:
            # Where a signal handler raised, the kernel may have them already.
            self._buffers = None
            self._kept[2:] = []
            if lib.pyuring_is_mine(self._c):
                lib.pyuring_unregister_buffers(self._c)
            for memory in memories:
                memory.release()
            raise
        return self._buffers

    def _register_memories(self, memories: list[_Memory]) -> int:
        vectors = new("struct iovec[]", len(memories))
        for vector, memory in zip(vectors, memories, strict=True):
            vector.iov_base = memory.pin.export if memory.pin else NULL
            vector.iov_len = len(memory)
        code: int = lib.pyuring_register_buffers(self._c, vectors, len(memories))
        if code == -errno.ENOMEM:
            need = sum(vector.iov_len for vector in vectors)
            raise MemoryError(memlock_shortage(need) or f"the kernel has no memory to register {need} bytes")
        if code == -errno.EFAULT:
            raise ValueError("memory that is mapped from a file, or read-only, cannot be registered")
        if code < 0:
            raise self._rejection(code)
        return code


def _export_all(buffers: Iterable[object], memories: list[_Memory]) -> list[_Piece]:
    """Export the caller's `buffers` into `memories`, one piece each."""
    for buffer in buffers:
        memories.append(_Memory(buffer, export(buffer, writable=True)))
    if not 1 <= len(memories) <= MAX_BUFFERS:
        raise ValueError(f"between 1 and {MAX_BUFFERS} buffers can be registered, not {len(memories)}")
    for number, memory in enumerate(memories):
        if not 0 < len(memory) <= LARGEST_BUFFER:
            raise ValueError(f"a registered buffer has between 1 byte and 1 GiB; number {number} has {len(memory)}")
    return [(memory, 0, len(memory), number) for number, memory in enumerate(memories)]


def _slab(count: int, size: int, memories: list[_Memory]) -> list[_Piece]:
    """One allocation for `count` buffers, in `memories` of at most 1 GiB."""
    if count < 1 or not 1 <= size <= LARGEST_BUFFER:
        raise ValueError(f"count must be 1 or more, and size between 1 byte and 1 GiB, not {count} and {size}")
    alignment = min(1 << (size - 1).bit_length(), PAGE)
    stride = (size + alignment - 1) // alignment * alignment
    per_memory = LARGEST_BUFFER // stride
    pieces: list[_Piece] = []
    for first in range(0, count, per_memory):
        number = min(per_memory, count - first)
        slab = mmap.mmap(-1, number * stride, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory = _Memory(slab, export(slab, writable=True))
        memories.append(memory)
        pieces.extend((memory, i * stride, size, len(memories) - 1) for i in range(number))
    return pieces
