"""Provided buffers: rings of buffers from which the kernel takes one when there is data.

A receive that waits needs no memory of its own then, which is what lets a multishot have
many results. A completion that used a buffer lends it until it is given back.
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from pyuring._ffi import CHARS, NULL, from_buffer, lib, new
from pyuring.completion import Completion
from pyuring.diagnosis import memlock_shortage
from pyuring.errors import lacking
from pyuring.inflight import InFlight
from pyuring.kernel import is_older

T_co = TypeVar("T_co", covariant=True)

if TYPE_CHECKING:
    from types import TracebackType

    from pyuring._ffi import CData

__all__ = ["BufferRing", "BufferRingRegistration", "FilledCompletion", "LendingCompletion", "ProvidedBuffer"]

#: The kernel's limit for one group, whose buffers have numbers of 16 bits.
MAX_BUFFERS = 32768
MAX_GROUP = 65535
LARGEST_BUFFER = 1 << 30
ENTRY = 16  # struct io_uring_buf
_is_mine = lib.pyuring_is_mine
_give_back = lib.pyuring_give_back
_F_BUFFER = lib.IORING_CQE_F_BUFFER
_SHIFT = lib.IORING_CQE_BUFFER_SHIFT


class BufferRing:
    """A group of provided buffers; made by `Ring.buffer_ring`.

    Pass it where a buffer goes: to a multishot receive, or to `Ring.recv_into` and
    `Ring.readinto`.
    """

    def __init__(self, ring: BufferRingRegistration, count: int, size: int, *, incremental: bool) -> None:
        self._ring = ring
        #: What C knows of them, while they are registered.
        self._c: CData = NULL
        self._provided: CData = new("struct pyuring_provided[]", count)
        #: How many buffers there are, and how many bytes each has.
        self.count = count
        self.size = size
        #: Whether the kernel uses a buffer bit by bit.
        self.incremental = incremental
        # A forked child has what was lent to it as it was then, and writes to none of the parent's.
        self._slab = mmap.mmap(-1, count * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._entries = mmap.mmap(-1, count * ENTRY)
        #: What the kernel and C read and write, for as long as they may.
        self._memory: list[CData] = [
            new("struct pyuring_group *"), self._provided,
            from_buffer(CHARS, self._entries, True), from_buffer(CHARS, self._slab, True),
        ]  # fmt: skip

    @property
    def group(self) -> int:
        """The group's id, as in sqe->buf_group."""
        return int(self._registered().id)

    @property
    def available(self) -> int:
        """Buffers that the kernel can take, as far as completions have told."""
        return int(self._registered().published)

    def available_now(self) -> int:
        """Ask the kernel how many buffers it can take at this moment.

        It is less than `available` by what operations have taken whose completions are not
        reaped yet. A worker thread may take one right after the answer.

        Raises:
            UnsupportedError: this kernel does not tell.

        See `io_uring_register(2)`, IORING_REGISTER_PBUF_STATUS, kernel 6.8.
        """
        code: int = lib.pyuring_left(self._ring._c, self._registered())
        if code == -errno.EINVAL and is_older("6.8"):
            raise lacking("available_now()", "6.8")
        if code < 0:
            raise self._ring._rejection(code)
        return code

    @property
    def lent(self) -> int:
        """Completions whose buffers are not given back yet."""
        return int(self._registered().leases)

    @property
    def closed(self) -> bool:
        """Whether the buffers are no longer registered."""
        return self._c == NULL or self._ring.closed

    def unregister(self) -> None:
        """Take the buffers from the kernel; twice is once. Views that are lent stay valid.

        Raises:
            RuntimeError: operations in flight use them.

        See `io_uring_unregister_buf_ring(3)`.
        """
        if self.closed:
            return
        code = lib.pyuring_take_out(self._ring._c, self._c)
        if code == -errno.EBUSY:
            raise RuntimeError("operations in flight use these buffers: cancel them, and wait for their end, first")
        if code < 0:
            raise self._ring._rejection(code)
        self._ring._buffer_rings.discard(self)
        self._ring._keep_no_longer(self._memory)
        self._c = NULL  # last: until then it can be repeated

    def _registered(self) -> CData:
        if self.closed:
            raise ValueError("the buffers were unregistered")
        return self._c

    def _pieces(self, bid: int, start: int, length: int) -> list[tuple[int, int]]:
        """Where in the slab the data of a completion is, as (start, end); a bundle has several."""
        pieces = []
        while True:
            buffer = self._provided[bid]
            part = min(length, buffer.length - start)
            pieces.append((bid * self.size + start, bid * self.size + start + part))
            length -= part
            if not length:
                return pieces
            bid, start = buffer.next, 0

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        if self.closed:
            return f"<BufferRing of {self.count} buffers of {self.size} bytes, unregistered>"
        return f"<BufferRing group={self.group} size={self.size} {self.available} of {self.count} available>"


class LendingCompletion(Completion[T_co]):
    """A completion that may bring a provided buffer.

    Until it is given back, by its ``with`` block or by `result` of those that return
    bytes, the kernel cannot use it again. A completion that is dropped gives it back too.
    """

    __slots__ = ("_buffers", "_lent")

    #: Whose buffer it is; None once it is given back.
    _buffers: BufferRing | None
    #: The views of it that were handed out.
    _lent: list[memoryview] | None

    @property
    def buffer(self) -> ProvidedBuffer | None:
        """The data in the provided buffer, for a ``with`` block; None where it brought none."""
        return ProvidedBuffer(self) if self._has_data() else None

    def _has_data(self) -> bool:
        res = getattr(self, "res", None)
        return res is not None and res > 0 and self.flags & _F_BUFFER != 0

    def _where(self) -> tuple[int, int, int]:
        """Number of the buffer, where the data begins in it, and its length."""
        return self.flags >> _SHIFT, self._details[0], self.res or 0

    def _views(self) -> list[memoryview]:
        """The memory of the data."""
        buffers = self._buffers
        if buffers is None:
            raise ValueError("the buffer was given back")
        return [memoryview(buffers._slab)[start:end] for start, end in buffers._pieces(*self._where())]

    def _lend(self) -> list[memoryview]:
        """The memory of the data, for as long as it is not given back."""
        lent = self._lent
        if lent is None or self._buffers is None:
            lent = self._lent = self._views()
        return lent

    def _release(self) -> None:
        """Make the views unusable and give the buffer back."""
        for view in self._lent or ():
            view.release()  # raises where something is made of it: then the buffer stays lent
        self._give_back()

    def _give_back(self) -> None:
        buffers = self._buffers
        if buffers is None or not self._has_data():
            return
        ring, c, group = buffers._ring, buffers._ring._c, buffers._c
        place = (group, *self._where())
        _, bid, start, length = place
        mine = _is_mine(c)
        gone = not mine and (buffers.closed or os.getpid() != ring._pid)
        armed = 0
        # No call between these: it goes back once, whatever a signal handler or a thread does.
        if self._buffers is None:
            return
        self._buffers = None
        if mine:
            armed = _give_back(c, group, bid, start, length)
        elif not gone:
            ring._returned.append(place)
        if ring._waker is not None and (armed or not (mine or gone)):
            ring._waker.soon()

    def __del__(self) -> None:
        if getattr(self, "_buffers", None) is not None:
            self._release()


class FilledCompletion(LendingCompletion[int]):
    """An operation that read into a provided buffer, and returns how many bytes."""

    __slots__ = ()

    def __init__(self, buffers: BufferRing) -> None:
        self._buffers = buffers
        self._lent = None


class ProvidedBuffer:
    """What a completion brought, in a provided buffer: ``with completion.buffer as view:``.

    The view is of exactly the bytes that arrived. When the block ends it is released and
    the buffer goes back to the kernel. If an array was made of the view and still lives, the
    block raises ``BufferError`` and the buffer stays lent; but no slice of it may be used
    any more, since the kernel writes there again.
    """

    __slots__ = ("_completion",)

    def __init__(self, completion: LendingCompletion[Any]) -> None:
        self._completion = completion

    @property
    def views(self) -> list[memoryview]:
        """All of the data: one memoryview, or several where it is a bundle of buffers."""
        return list(self._completion._lend())

    def release(self) -> None:
        """Give the buffer back without a ``with`` block; twice is once.

        Raises:
            BufferError: something is made of a view that still lives. Nothing is given back.
        """
        self._completion._release()

    def __len__(self) -> int:
        return self._completion.res or 0

    def __bytes__(self) -> bytes:
        return b"".join(self._completion._views())

    def __enter__(self) -> memoryview:
        completion = self._completion
        if completion._buffers is not None:
            pieces = len(completion._buffers._pieces(*completion._where()))
            if pieces > 1:
                raise BufferError(f"this is a bundle of {pieces} buffers: look at its views, then release() it")
        return completion._lend()[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._completion._release()


class BufferRingRegistration(InFlight):
    """The part of `Ring` that provides buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer_rings: weakref.WeakSet[BufferRing] = weakref.WeakSet()

    def buffer_ring(self, count: int, size: int, *, incremental: bool = False, group: int | None = None) -> BufferRing:
        """Provide the kernel with `count` buffers of `size` bytes.

        Args:
            count: a power of two up to 32768.
            size: bytes of each buffer, up to 1 GiB.
            incremental: let the kernel use a buffer bit by bit, for several completions,
                instead of one for each however little arrived. Kernel 6.12.
            group: the group's id, 0 to 65535; None picks one.

        Raises:
            ValueError: a size out of range, or the group is there already.
            UnsupportedError: this kernel has no such buffers.
            MemoryError: RLIMIT_MEMLOCK is too low.

        See `io_uring_register_buf_ring(3)`, kernel 5.19.
        """
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        if not 1 <= count <= MAX_BUFFERS or count & count - 1:
            raise ValueError(f"count must be a power of two up to {MAX_BUFFERS}, not {count}")
        if not 1 <= size <= LARGEST_BUFFER:
            raise ValueError(f"size must be between 1 and {LARGEST_BUFFER} bytes, not {size}")
        if group is not None and not 0 <= group <= MAX_GROUP:
            raise ValueError(f"group must be between 0 and {MAX_GROUP}, not {group}")
        try:
            buffers = BufferRing(self, count, size, incremental=bool(incremental))
        except (OSError, OverflowError):
            raise MemoryError(f"there is no room for {count} buffers of {size} bytes") from None
        known, provided, entries, slab = buffers._memory
        try:
            self._kept.append(buffers._memory)
            code = lib.pyuring_provide(
                self._c, known, provided, entries, slab, count, size,
                lib.PYURING_PBUF_RING_INC if incremental else 0, -1 if group is None else group,
            )  # fmt: skip
            if code < 0:
                raise self._not_provided(code, buffers, incremental=incremental, group=group)
            buffers._c = known
            self._buffer_rings.add(buffers)
        except BaseException:
            # A signal handler may have raised after the buffers were registered.
            buffers._c = known
            buffers.unregister()
            self._keep_no_longer(buffers._memory)  # also in a ring that was closed meanwhile
            raise
        return buffers

    def _keep_no_longer(self, memory: list[CData]) -> None:
        self._kept[:] = [kept for kept in self._kept if kept is not memory]

    def _not_provided(self, code: int, buffers: BufferRing, *, incremental: bool, group: int | None) -> Exception:
        needed = "6.12" if incremental else "5.19"
        if code == -errno.EINVAL and is_older(needed):
            return lacking("incremental provided buffers" if incremental else "buffer rings", needed, need="need")
        if code == -errno.EEXIST:
            return ValueError(f"this ring has a buffer group {group} already")
        if code == -errno.ENOMEM:
            need = buffers.count * ENTRY
            return MemoryError(memlock_shortage(need) or os.strerror(errno.ENOMEM))
        return self._rejection(code)
