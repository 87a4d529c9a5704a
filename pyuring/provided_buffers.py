"""Provided buffers: rings of buffers from which the kernel takes one when there is data.

A receive that waits needs no memory of its own then, which is what lets a multishot have
many results. A completion that used a buffer lends it until it is given back.
"""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from pyuring._ffi import CHARS, NULL, from_buffer, lib, new
from pyuring.completion import Completion
from pyuring.diagnosis import memlock_shortage
from pyuring.errors import UnsupportedError
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
_F_BUFFER = lib.IORING_CQE_F_BUFFER
_SHIFT = lib.IORING_CQE_BUFFER_SHIFT


class BufferRing:
    """A group of provided buffers; made by `Ring.buffer_ring`.

    Pass it where a buffer goes: to a multishot receive, or to `Ring.recv_into` and
    `Ring.readinto`.
    """

    def __init__(self, ring: BufferRingRegistration, count: int, size: int) -> None:
        self._ring = ring
        self._c: CData = NULL
        #: How many buffers there are, and how many bytes each has.
        self.count = count
        self.size = size
        self._slab = mmap.mmap(-1, count * size)
        self._entries = mmap.mmap(-1, count * ENTRY)
        #: What the kernel reads and writes, for as long as it may.
        self._memory: list[CData] = [from_buffer(CHARS, self._entries, True), from_buffer(CHARS, self._slab, True)]
        #: What was given back in other threads, which must not touch the ring.
        self._returned: deque[tuple[int, int, int]] = deque()

    @property
    def group(self) -> int:
        """The group's id, as in sqe->buf_group."""
        return int(self._registered().id)

    @property
    def available(self) -> int:
        """Buffers that the kernel can take, as far as completions have told."""
        return int(self._registered().published)

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
        self._c = NULL
        self._ring._buffer_rings.discard(self)
        if self._memory in self._ring._kept:
            self._ring._kept.remove(self._memory)

    def _registered(self) -> CData:
        if self.closed:
            raise ValueError("the buffers were unregistered")
        return self._c

    def _give_back(self, bid: int, start: int, length: int) -> None:
        """Let the kernel have what a completion brought; nothing to do once it has no use for it."""
        if self.closed:
            return
        code = lib.pyuring_give_back(self._ring._c, self._c, bid, start, length)
        if code == 0 and self._returned:
            self._take_returned()
        elif code == lib.PYURING_NOT_YOURS and not self.closed:
            self._returned.append((bid, start, length))

    def _take_returned(self) -> bool:
        """Give back what other threads wanted to; whether there was any."""
        some = False
        while self._returned:
            some = True
            self._give_back(*self._returned.popleft())
        return some

    def _pieces(self, bid: int, start: int, length: int) -> list[tuple[int, int]]:
        """Where in the slab the data of a completion is, as (start, end); a bundle has several."""
        pieces = []
        while length:
            part = min(length, self.size - start)
            pieces.append((bid * self.size + start, bid * self.size + start + part))
            length -= part
            start = 0
            if length:
                bid = lib.pyuring_next_buffer(self._c, bid)
        return pieces

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

    __slots__ = ("_buffers", "_view")

    #: Whose buffer it is; None once it is given back.
    _buffers: BufferRing | None
    _view: memoryview | None

    @property
    def buffer(self) -> ProvidedBuffer | None:
        """The data in the provided buffer, for a ``with`` block; None where it brought none."""
        if self.res is None or self.res <= 0 or not self.flags & _F_BUFFER:
            return None
        return ProvidedBuffer(self)

    def _where(self) -> tuple[int, int, int]:
        """Number of the buffer, where the data begins in it, and its length."""
        return self.flags >> _SHIFT, self._details[0], self.res or 0

    def _views(self) -> list[memoryview]:
        """The memory of the data."""
        buffers = self._buffers
        if buffers is None:
            raise ValueError("the buffer was given back")
        return [memoryview(buffers._slab)[start:end] for start, end in buffers._pieces(*self._where())]

    def _give_back(self) -> None:
        buffers = self._buffers
        if buffers is None:
            return
        give_back, where = buffers._give_back, self._where()
        self._buffers = None
        give_back(*where)

    def __del__(self) -> None:
        if getattr(self, "_buffers", None) is None or not getattr(self, "flags", 0) & _F_BUFFER or (self.res or 0) <= 0:
            return
        view = getattr(self, "_view", None)
        if view is not None:
            view.release()  # raises where something is made of it: then the buffer stays lent
        self._give_back()


class FilledCompletion(LendingCompletion[int]):
    """An operation that read into a provided buffer, and returns how many bytes."""

    __slots__ = ()


class ProvidedBuffer:
    """What a completion brought, in a provided buffer: ``with completion.buffer as view:``.

    The view is of exactly the bytes that arrived. When the block ends it is released and
    the buffer goes back to the kernel: nothing made of the view may be used after that.
    """

    __slots__ = ("_completion",)

    def __init__(self, completion: LendingCompletion[Any]) -> None:
        self._completion = completion

    @property
    def views(self) -> list[memoryview]:
        """All of the data: one memoryview, or several where it is a bundle of buffers."""
        return self._completion._views()

    def release(self) -> None:
        """Give the buffer back without having looked at it; twice is once."""
        self._completion._give_back()

    def __len__(self) -> int:
        return sum(len(view) for view in self.views)

    def __bytes__(self) -> bytes:
        return b"".join(self.views)

    def __enter__(self) -> memoryview:
        views = self.views
        if len(views) != 1:
            raise BufferError(f"this is a bundle of {len(views)} buffers: look at its views, then release() it")
        self._completion._view = views[0]
        return views[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        view = self._completion._view
        if view is not None:
            view.release()
        self._completion._view = None
        self._completion._give_back()


class BufferRingRegistration(InFlight):
    """The part of `Ring` that provides buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer_rings: weakref.WeakSet[BufferRing] = weakref.WeakSet()

    @property
    def closed(self) -> bool:
        """Whether the ring is closed."""
        return not self._c.owner

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
        buffers = BufferRing(self, count, size)
        self._kept.append(buffers._memory)
        made = new("struct pyuring_group **")
        entries, slab = buffers._memory
        try:
            code = lib.pyuring_provide(
                self._c, entries, slab, count, size, lib.PYURING_PBUF_RING_INC if incremental else 0,
                -1 if group is None else group, made,
            )  # fmt: skip
            if code < 0:
                raise self._not_provided(code, buffers, incremental=incremental, group=group)
            buffers._c = made[0]
            self._buffer_rings.add(buffers)
        except BaseException:
            # A signal handler may have raised after the buffers were registered.
            buffers._c = made[0]
            buffers.unregister()
            if buffers._memory in self._kept:
                self._kept.remove(buffers._memory)
            raise
        return buffers

    def _not_provided(self, code: int, buffers: BufferRing, *, incremental: bool, group: int | None) -> Exception:
        needed = "6.12" if incremental else "5.19"
        if code == -errno.EINVAL and is_older(needed):
            what = "incremental provided buffers need" if incremental else "buffer rings need"
            return UnsupportedError(errno.EINVAL, f"{what} Linux {needed}; this is {os.uname().release}")
        if code == -errno.EEXIST:
            return ValueError(f"this ring has a buffer group {group} already")
        if code == -errno.ENOMEM:
            need = buffers.count * (buffers.size + ENTRY)
            return MemoryError(memlock_shortage(need) or os.strerror(errno.ENOMEM))
        return self._rejection(code)

    def _feed(self) -> bool:
        """Give back what was dropped in other threads; whether there was anything."""
        returned = [buffers._take_returned() for buffers in list(self._buffer_rings)]
        return any(returned)
