"""Registered buffers and registered files: what the kernel looks up once, not per operation."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pyuring._ffi import NULL, ffi, lib, new
from pyuring.buffers import export, release
from pyuring.diagnosis import memlock_shortage
from pyuring.errors import BadDescriptorError
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["RegisteredBuffer", "RegisteredBuffers", "RegisteredFile", "RegisteredFiles", "Registration", "descriptor"]

PAGE = 4096
#: What the kernel takes in one registered buffer (1 GiB), and in one table.
LARGEST_BUFFER = 1 << 30
MAX_BUFFERS = 1 << 14
MAX_FILES = (1 << lib.PYURING_FILE_BITS) - 1


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

    def __init__(self, ring: Registration, pieces: list[_Piece], table: int) -> None:
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
        made = self._made.get(index)
        if made is None:
            if not -len(self) <= index < len(self):
                raise IndexError(f"no registered buffer {index}: there are {len(self)}")
            index %= len(self)
            memory, offset, length, number = self._pieces[index]
            if memory.pin is None:
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
        code = lib.pyuring_unregister_buffers(ring._c)
        if code < 0 and code != -errno.ENXIO:  # done already, and interrupted before the rest
            ring._refused(code)
        self._let_go()
        ring._kept[2:] = []
        ring._buffers = None

    def _let_go(self) -> None:
        for memory, *_ in self._pieces:
            memory.pin = None


class RegisteredFile(int):
    """A registered file: pass it where a descriptor goes.

    It is a number that tells the C layer table and slot, so that passing one costs no
    more than passing a descriptor; too large for any system call to take it for one.
    """

    __slots__ = ()

    @property
    def index(self) -> int:
        """Its slot in the table."""
        return self & (1 << lib.PYURING_FILE_BITS) - 1

    def __repr__(self) -> str:
        return f"<RegisteredFile {self.index}>"

    __str__ = __repr__


class RegisteredFiles(Sequence[RegisteredFile]):
    """The registered files of a ring; made by `Ring.register_files`."""

    def __init__(self, ring: Registration, count: int, table: int) -> None:
        self._ring = ring
        self._count = count
        self._table = table
        self._made: dict[int, RegisteredFile] = {}

    @overload
    def __getitem__(self, index: int) -> RegisteredFile: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegisteredFile]: ...
    def __getitem__(self, index: int | slice) -> RegisteredFile | list[RegisteredFile]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        made = self._made.get(index)
        if made is None:
            index = self._checked(index)
            key = self._table << lib.PYURING_FILE_BITS | index
            made = self._made.setdefault(index, RegisteredFile(key))
        return made

    def __len__(self) -> int:
        return self._count

    def _checked(self, index: int) -> int:
        if not -self._count <= index < self._count:
            raise IndexError(f"no registered file {index}: the table has {self._count} slots")
        return index % self._count

    def update(self, index: int, file: object) -> RegisteredFile:
        """Put `file` into slot `index`, replacing what is there.

        Operations in flight go on with the file they started with.

        Args:
            index: the slot.
            file: a descriptor, anything with ``fileno()``, or None to empty the slot.

        See `io_uring_register_files_update(3)`, kernel 5.5.
        """
        ring = self._ring
        index = self._checked(index)
        if ring._files is not self:
            raise ValueError("the files were unregistered")
        number = -1 if file is None else descriptor(file)
        if file is not None and not 0 <= number < 2**31:
            raise BadDescriptorError(errno.EBADF, f"not a file descriptor: {number}")
        code = lib.pyuring_update_files(ring._c, index, [number], 1)
        if code < 0:
            ring._refused(code)
        return self[index]

    def unregister(self) -> None:
        """Empty the kernel's table; twice is once. See `io_uring_unregister_files(3)`.

        Operations in flight go on. Later ones that use one of the files raise ``ValueError``.
        """
        ring = self._ring
        if ring._files is not self:
            return
        code = lib.pyuring_unregister_files(ring._c)
        if code < 0 and code != -errno.ENXIO:  # done already, and interrupted before the rest
            ring._refused(code)
        ring._files = None


def descriptor(file: object) -> int:
    """What the C layer takes as descriptor: a number, which a registered file is too.

    Raises:
        TypeError: neither an int, nor a registered file, nor something with ``fileno()``.
        ValueError: a closed file.
    """
    if isinstance(file, int):
        return file
    fileno = getattr(file, "fileno", None)
    if fileno is None:
        raise TypeError(
            f"a file descriptor is an int, an object with fileno(), or a registered file, not {type(file).__name__}"
        )
    number = fileno()
    if not isinstance(number, int):
        raise TypeError(f"{type(file).__name__}.fileno() returned {type(number).__name__}, not an int")
    return number


def plain_descriptor(file: object) -> int:
    """As `descriptor`, where a registered file has no meaning."""
    if isinstance(file, RegisteredFile):
        raise TypeError("this operation takes a descriptor of the process, not a registered file")
    number = descriptor(file)
    if not 0 <= number < 2**31:
        raise BadDescriptorError(errno.EBADF, f"not a file descriptor: {number}")
    return number


class Registration(InFlight):
    """The part of `Ring` that registers buffers and files."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: RegisteredBuffers | None = None
        self._files: RegisteredFiles | None = None

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
        if self._buffers is not None:
            raise RuntimeError("this ring has registered buffers: unregister() them first")
        if (buffers is None) == (count is None or size is None):
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
            self._refused(code)
        return code

    def register_files(self, files: Iterable[object] | None = None, *, sparse: int | None = None) -> RegisteredFiles:
        """Register files, so that the kernel need not look up the descriptor each time.

        They stay open in the kernel, also when the descriptor is closed.

        Args:
            files: descriptors, or objects with ``fileno()``; or, instead,
            sparse: how many empty slots to make, filled later with ``update``. Kernel 5.19.

        Returns:
            The files, by index. Pass one where a descriptor goes.

        Raises:
            RuntimeError: the ring has registered files already.

        See `io_uring_register_files(3)`, kernel 5.1.
        """
        if self._files is not None:
            raise RuntimeError("this ring has registered files: unregister() them first")
        if (files is None) == (sparse is None):
            raise TypeError("register_files() takes a list of files, or sparse=")
        numbers: list[int] | None = None
        if files is not None:
            numbers = [plain_descriptor(file) for file in files]
        count = sparse if numbers is None else len(numbers)
        if not count or not 0 < count <= MAX_FILES:
            raise ValueError(f"a table has between 1 and {MAX_FILES} files, not {count}")
        try:
            code = lib.pyuring_register_files(self._c, NULL if numbers is None else numbers, count)
            if code == -errno.EMFILE:
                raise OSError(errno.EMFILE, f"{count} registered files are more than RLIMIT_NOFILE allows (ulimit -n)")
            if code < 0:
                self._refused(code)
            self._files = RegisteredFiles(self, count, code)
        except BaseException:
            # Where a signal handler raised, the kernel may have them already.
            self._files = None
            if lib.pyuring_is_mine(self._c):
                lib.pyuring_unregister_files(self._c)
            raise
        return self._files


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
