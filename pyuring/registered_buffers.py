"""Registered buffers: the kernel looks up and pins their pages once, not per operation."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from pyuring._ffi import NULL, ffi, lib, new
from pyuring.diagnosis import memlock_shortage
from pyuring.errors import UnsupportedError
from pyuring.registered_memory import Memory, Piece, check_length, empty, export_all, share, slab
from pyuring.tags import Tagging

if TYPE_CHECKING:
    from pyuring.ring import Ring

__all__ = ["BufferRegistration", "RegisteredBuffer", "RegisteredBuffers"]


class RegisteredBuffer:
    """A registered buffer, or a part of one: pass it where a buffer goes.

    ``buffer[10:20]`` is the part of it, for a transfer of another length.
    """

    __slots__ = ("_c", "_memory", "_offset")

    def __init__(self, memory: Memory, offset: int, length: int, address: int, index: int) -> None:
        self._memory = memory
        self._offset = offset
        self._c = new("struct pyuring_buffer *", (ffi.cast("void *", address), length, index, memory.live))

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
        return RegisteredBuffer(self._memory, self._offset + start, length, address, self._c.index)

    def __repr__(self) -> str:
        return f"<RegisteredBuffer index={self.index} length={len(self)}>"


class RegisteredBuffers(Sequence[RegisteredBuffer]):
    """The registered buffers of a ring; made by `Ring.register_buffers` and `Ring.clone_buffers`."""

    def __init__(
        self, ring: BufferRegistration, pieces: Sequence[Piece | None], memories: list[Memory | None], table: int
    ) -> None:
        self._ring = ring
        self._table = table
        #: By index, and the objects made of them so far.
        self._pieces = list(pieces)
        self._made: dict[int, RegisteredBuffer] = {}
        #: By the kernel's number; a slab is one. An interrupted update leaves one more.
        self._memories = memories
        self._is_slab = any(piece is not None and piece[2] != len(piece[0]) for piece in pieces)
        for memory in memories:
            if memory is not None:
                memory.live[0] = table

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
            index = self._checked(index)
            piece = self._pieces[index]
            if piece is None:
                raise ValueError(f"no buffer is registered in slot {index}: update() it first")
            memory, offset, length, number = piece
            if memory.pin is None:  # interrupted while it was unregistered
                raise ValueError("the buffers were unregistered")
            address = int(ffi.cast("uintptr_t", memory.pin.export)) + offset
            made = self._made.setdefault(index, RegisteredBuffer(memory, offset, length, address, number))
        return made

    def __len__(self) -> int:
        return len(self._pieces)

    def _checked(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"no registered buffer {index}: there are {len(self)}")
        return index % len(self)

    def update(self, index: int, buffer: object, *, tag: object = None) -> RegisteredBuffer | None:
        """Put `buffer` into slot `index`, replacing what is there.

        Operations in flight go on with the memory they started with. Later ones that use
        what was replaced raise ``ValueError``.

        Args:
            index: the slot.
            buffer: a writable contiguous buffer, or None to empty the slot.
            tag: as in `Ring.register_buffers`.

        Returns:
            The registered buffer; None for an emptied slot.

        Raises:
            ValueError: the buffers are a slab, which is one buffer for the kernel.

        See `io_uring_register_buffers_update_tag(3)`, kernel 5.13.
        """
        ring, memories = self._ring, self._memories
        index = self._checked(index)
        if ring._buffers is not self:
            raise ValueError("the buffers were unregistered")
        if self._is_slab:
            raise ValueError("a slab is one registered buffer: its parts cannot be replaced")
        if buffer is None and tag is not None:
            raise ValueError("an empty slot has no tag")
        memory = None if buffer is None else Memory.of(buffer)
        vector = new("struct iovec *")
        try:
            if memory is not None and memory.pin is not None:
                check_length(memory, index)
                vector.iov_base, vector.iov_len = memory.pin.export, len(memory)
            number = ring._new_tag(tag)
            memories.append(memory)  # held from here on, whatever interrupts
            code = lib.pyuring_update_buffer(ring._c, index, vector, number)
            if code < 0:
                memories.pop()
                ring._forget_tags([number])
                raise ring._no_table(code, len(memory or ()))
        except (OSError, ValueError, RuntimeError, MemoryError):
            if memory is not None:
                memory.release()
            raise
        piece = None if memory is None else (memory, 0, len(memory), index)
        if memory is not None:
            memory.live[0] = self._table
        old = memories[index]
        self._pieces[index] = piece
        memories[index] = memory
        self._made = {}
        del memories[len(self._pieces) :]
        if old is not None:
            old.leave()
        return None if memory is None else self[index]

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
        ring._drop_memories(self._memories)
        ring._buffers = None

    def _let_go(self) -> None:
        for memory in self._memories:
            if memory is not None:
                memory.leave()


class BufferRegistration(Tagging):
    """The part of `Ring` that registers buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: RegisteredBuffers | None = None

    def register_buffers(
        self,
        buffers: Iterable[object] | None = None,
        *,
        count: int | None = None,
        size: int | None = None,
        sparse: int | None = None,
        tags: Sequence[object] | None = None,
    ) -> RegisteredBuffers:
        """Register buffers, so that the kernel need not look up and pin their pages each time.

        Args:
            buffers: writable contiguous buffers of the caller's, which cannot be resized
                until they are unregistered; or, instead,
            count: how many buffers pyuring is to allocate, in one aligned slab,
            size: of so many bytes each. A size of 4096 or more is page-aligned, fit for
                O_DIRECT; a smaller one is aligned to the power of two above it; or, instead,
            sparse: how many empty slots to make, filled later with ``update``. Kernel 5.19.
            tags: for each of `buffers` an object, or None. Once the kernel has let go of the
                buffer, which is after it was unregistered or replaced and the last operation
                with it is done, `wait` returns a completion whose ``operation`` is
                ``"released"`` and whose ``user_data`` is the object. Kernel 5.13.

        Returns:
            The buffers, by index. Pass one where a buffer goes: `read` and `write`
            become READ_FIXED and WRITE_FIXED.

        Raises:
            RuntimeError: the ring has registered buffers already.
            MemoryError: RLIMIT_MEMLOCK does not allow it; the text has the numbers.

        See `io_uring_register_buffers(3)`, kernel 5.1.
        """
        self._check_no_buffers()
        check_ways(buffers is not None, count is not None, size is not None, sparse is not None)
        if tags is not None and buffers is None:
            raise TypeError("tags= goes with a list of buffers")
        memories: list[Memory | None] = []
        numbers: list[int] = []
        try:
            pieces: Sequence[Piece | None]
            if buffers is not None:
                pieces = export_all(buffers, memories)
            elif sparse is not None:
                pieces = empty(sparse, memories)
            else:
                pieces = slab(count or 0, size or 0, memories)
            self._tag_all(tags, len(memories), "buffers", numbers)
            self._kept.append(memories)
            self._buffers = RegisteredBuffers(self, pieces, memories, self._register_memories(memories, numbers))
        except BaseException:
            self._undo_registration(memories, numbers)
            for memory in memories:
                if memory is not None:
                    memory.release()
            raise
        return self._buffers

    def clone_buffers(self, source: Ring) -> RegisteredBuffers:
        """Share the registered buffers of another ring, whose pages are pinned but once.

        The two tables are independent from then on: either can be unregistered or updated,
        or its ring closed, without the other noticing.

        Args:
            source: the ring. It may be another thread's if it has no ``SINGLE_ISSUER``.

        Returns:
            The buffers, by the same index as in `source`.

        Raises:
            RuntimeError: this ring has registered buffers already, `source` is closed, another
                thread's with ``SINGLE_ISSUER``, or exchanged its buffers meanwhile.
            ValueError: `source` has no registered buffers, or only empty slots.

        See `io_uring_clone_buffers(3)`, kernel 6.12.
        """
        self._check_no_buffers()
        original = source._buffers
        if source.closed or source._pid != self._pid:
            raise RuntimeError("the ring to clone from is closed, or from before the fork")
        if original is None:
            raise ValueError("the ring to clone from has no registered buffers")
        # Held from here on: whatever its thread does, this memory does not move.
        pieces, shared = share(original._pieces.copy(), len(original._memories))
        try:
            self._kept.append(shared)
            code = lib.pyuring_clone_buffers(self._c, source.fileno())
            if code < 0:
                raise self._not_cloned(code)
            if source._buffers is not original or source._c.buffers_key != original._table:
                raise RuntimeError("the buffers of the ring to clone from were exchanged meanwhile")
            self._buffers = RegisteredBuffers(self, pieces, shared, code)
        except BaseException:
            self._undo_registration(shared, [])
            raise
        return self._buffers

    def _not_cloned(self, code: int) -> Exception:
        if code == -errno.EINVAL:
            return UnsupportedError(-code, "sharing registered buffers needs Linux 6.12, of rings of one process")
        if code == -errno.ENXIO:
            return ValueError("the ring to clone from has no registered buffers")
        if code == -errno.EEXIST:
            return RuntimeError(
                "a ring with SINGLE_ISSUER, as the default one, shares its buffers with rings of its own thread only: "
                "make that ring with another setup"
            )
        return self._no_table(code, 0)

    def _check_no_buffers(self) -> None:
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        if self._buffers is not None:
            raise RuntimeError("this ring has registered buffers: unregister() them first")

    def _undo_registration(self, memories: list[Memory | None], numbers: list[int]) -> None:
        # Where a signal handler raised, the kernel may have them already.
        self._buffers = None
        self._drop_memories(memories)
        self._forget_tags(numbers)
        if lib.pyuring_is_mine(self._c):
            lib.pyuring_unregister_buffers(self._c)

    def _drop_memories(self, memories: list[Memory | None]) -> None:
        self._kept[:] = [kept for kept in self._kept if kept is not memories]

    def _register_memories(self, memories: list[Memory | None], numbers: list[int]) -> int:
        vectors: Any = NULL
        if any(memories):
            vectors = new("struct iovec[]", len(memories))
            for vector, memory in zip(vectors, memories, strict=True):
                if memory is not None and memory.pin is not None:
                    vector.iov_base, vector.iov_len = memory.pin.export, len(memory)
        code: int = lib.pyuring_register_buffers(self._c, vectors, numbers or NULL, len(memories))
        if code < 0:
            raise self._no_table(code, sum(len(memory or ()) for memory in memories), tagged=bool(numbers))
        return code

    def _no_table(self, code: int, need: int, *, tagged: bool = False) -> Exception:
        """The exception for the kernel's refusal of `need` bytes of memory."""
        if code == -errno.ENOMEM:
            return MemoryError(memlock_shortage(need) or f"the kernel has no memory to register {need} bytes")
        if code == -errno.EFAULT:
            return ValueError("memory that is mapped from a file, or read-only, cannot be registered")
        if code == -errno.EINVAL and (tagged or need == 0):
            return UnsupportedError(-code, "tags and updates need Linux 5.13, empty slots 5.19")
        return self._rejection(code)


def check_ways(*given: bool) -> None:
    """Refuse a mixture of the ways to register; `given` are buffers, count, size and sparse."""
    if given not in ((True, False, False, False), (False, True, True, False), (False, False, False, True)):
        raise TypeError("register_buffers() takes a list of buffers, or count= and size=, or sparse=")
