"""Provided buffers of the old kind, before there were rings of them.

What is provided stays in place until the kernel has no use for it. Only the kernel's
list knows which buffers those are, so they are counted, group by group: once as many
are removed as were provided, none of them is left, neither in the list nor in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, from_buffer, lib
from pyuring.buffers import refusal, release
from pyuring.completion import Completion, NoneCompletion
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["LegacyBufferOperations"]

_provide = lib.pyuring_prep_provide_buffers
_remove_buffers = lib.pyuring_prep_remove_buffers

#: Groups and buffers have numbers of 16 bits.
MAX_BUFFERS = 0xFFFF
LARGEST_BUFFER = 2**31 - 1


class _Group:
    """What was provided to one group."""

    __slots__ = ("given", "last", "memory", "removed")

    def __init__(self) -> None:
        self.given = 0
        self.removed = 0
        #: What keeps each piece of memory in place, by a number of its own; and the last one.
        self.memory: dict[int, CData] = {}
        self.last = 0


class ProvideCompletion(NoneCompletion):
    """Buffers that were provided, or not."""

    __slots__ = ("_count", "_group", "_number")

    _group: _Group
    _count: int
    _number: int

    def _take_back(self) -> None:
        """Forget them: the kernel has not got them."""
        if self._group.memory.pop(self._number, None) is not None:
            self._group.given -= self._count

    def _failed(self, res: int) -> None:
        self._take_back()
        super()._failed(res)


class RemoveCompletion(Completion[int]):
    """Buffers that were taken back."""

    __slots__ = ("_group",)

    _group: _Group | None

    def _value(self, res: int) -> int:
        group, self._group = self._group, None
        if group is not None:
            group.removed += res
            if group.removed == group.given:
                group.memory = {}
        return res

    def _failed(self, res: int) -> int:
        self._group = None
        return super()._failed(res)


class LegacyBufferOperations(InFlight):
    """Provided buffers of the old kind."""

    #: The groups, by id, among what is kept for the ring; None as long as there are none.
    _legacy: dict[int, _Group] | None = None

    def provide_buffers(
        self,
        buffer: Any,
        size: int,
        group: int,
        first_id: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Provide the pieces of a buffer to a group, for operations prepared with `pyuring.lib`.

        The operations of a `Ring` take theirs from ``ring.buffer_ring()``, which needs no
        operation to give one back.

        Args:
            buffer: a writable buffer, which cannot be resized until ``result()`` of
                `remove_buffers` has told that all of the group's are back, or the ring is closed.
            size: bytes for each; what is left of `buffer` is not used.
            group: the group's id, 0 to 65535, which no ring of buffers has.
            first_id: the first buffer's id; the others follow, up to 65535.

        See `io_uring_prep_provide_buffers(3)`, kernel 5.7.
        """
        if not 0 < size <= LARGEST_BUFFER:
            raise ValueError(f"size must be between 1 and {LARGEST_BUFFER} bytes, not {size}")
        if first_id < 0:
            raise ValueError(f"first_id must be 0 or more, not {first_id}")
        known = self._legacy_group(group)
        try:
            held = from_buffer(CHARS, buffer, True)
        except (TypeError, BufferError, ValueError) as error:
            raise refusal(buffer, error, writable=True) from None
        count = len(held) // size
        if not 0 < count <= MAX_BUFFERS or first_id + count > MAX_BUFFERS + 1:
            release(held)
            raise ValueError(
                f"a group has up to {MAX_BUFFERS} buffers with ids up to {MAX_BUFFERS}, "
                f"not {count} of them from {first_id} on"
            )
        op = ProvideCompletion()
        op._group = known
        op._count = count
        number = op._number = known.last = known.last + 1
        known.given += count
        known.memory[number] = held
        try:
            tag = self._enlist(op, "provide_buffers", held, user_data, flags, drain, timeout)
            while (code := _provide(self._c, tag, held, size, count, group, first_id)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, held, error)
            slot = getattr(op, "_slot", -1)
            # Unless a signal handler raised when it was queued.
            if slot < 0 or not self._table or self._table[slot] is not op:
                op._take_back()
            raise
        return op

    def remove_buffers(
        self,
        count: int,
        group: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Take back buffers of a group that the kernel has not used.

        Args:
            count: how many at the most, 1 to 65535.
            group: the group's id.

        Returns:
            How many were taken back, those that came first foremost.

        Raises, from ``result()``:
            FileNotFoundError: there is no such group.

        See `io_uring_prep_remove_buffers(3)`, kernel 5.7.
        """
        if not 0 < count <= MAX_BUFFERS:
            raise ValueError(f"count must be between 1 and {MAX_BUFFERS}, not {count}")
        op = RemoveCompletion()
        op._group = self._legacy_group(group)
        return self._start(
            op, "remove_buffers", None, user_data, flags, drain, timeout,
            _remove_buffers, count, group,
        )  # fmt: skip

    def _legacy_group(self, group: int) -> _Group:
        groups = self._legacy
        known = None if groups is None else groups.get(group)
        if known is not None:
            return known
        if not 0 <= group <= MAX_BUFFERS:
            raise ValueError(f"a group's id is between 0 and {MAX_BUFFERS}, not {group}")
        if groups is None:
            groups = {}
            self._kept.append(groups)
            # Unless a signal handler has made them meanwhile.
            groups = self._legacy = self._legacy or groups
        return groups.setdefault(group, _Group())
