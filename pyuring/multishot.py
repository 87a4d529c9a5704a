"""Multishot: the handle of an operation that has many results."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyuring.async_wait import completions_of
from pyuring.completion import Completion, Handle
from pyuring.direct import Direct, placed
from pyuring.provided_buffers import BufferRing, LendingCompletion

if TYPE_CHECKING:
    from typing import Self

__all__ = ["BytesShot", "DescriptorShot", "Multishot", "Shot", "TimerShot"]

T_co = TypeVar("T_co", covariant=True)


class Part:
    """What the results of a multishot have in common; each class has the two slots itself."""

    __slots__ = ()

    multishot: Multishot[Any]
    #: Whether it is what the kernel ended the operation with.
    _last: bool

    def _is_end(self, res: int) -> bool:
        """Whether `res`, as the last result, only tells of the end."""
        return res <= 0


class Shot(Part, Completion[T_co]):
    """One result of a multishot operation, which is in `multishot`."""

    __slots__ = ("_last", "multishot")


class DescriptorShot(Shot[int]):
    """A descriptor that was made."""

    __slots__ = ("_direct",)

    _direct: Direct

    def _value(self, res: int) -> int:
        return placed(self._direct, res)

    def _is_end(self, res: int) -> bool:
        return res < 0


class TimerShot(Shot[None]):
    """A timer that went off."""

    __slots__ = ()

    def _value(self, res: int) -> None:
        return None

    def _failed(self, res: int) -> None:
        if res != -errno.ETIME:
            super()._failed(res)

    def _is_end(self, res: int) -> bool:
        return res != -errno.ETIME


class BytesShot(Part, LendingCompletion[bytes]):
    """Bytes that arrived in a provided buffer."""

    __slots__ = ("_data", "_last", "multishot")

    _data: bytes | None

    def _value(self, res: int) -> bytes:
        if self._data is None:
            self._data = b"".join(self._views()) if res else b""
            self._give_back()
        return self._data


class Multishot(Handle, Generic[T_co]):
    """An operation that goes on until it is cancelled, or there is nothing more to come.

    Each of its results is a `Completion` of its own. Iterate over the handle to get them,
    in order; or take them from `Ring.wait` and `Ring.completions`, among all others. The
    first step of an iteration decides: from then on they come from the iteration only.

    Where the kernel ends the operation although there is more to come, for lack of buffers
    or of room in the CQ, it is armed again. `done` tells whether it has really ended, with
    the last CQE in `res` and `flags`. An iteration stops at a clean end (end of stream, the
    last round of a timer, cancelled), and raises the ``OSError`` of any other.
    """

    __slots__ = ("_buffers", "_direct", "_next", "_shot", "_shots", "_streams")

    def __init__(self, shot: type[Completion[T_co]], buffers: BufferRing | None = None, direct: Direct = None) -> None:
        self._shot = shot
        self._buffers = buffers
        self._direct = direct
        #: Results that the iteration has yet to give, from number `_next` on.
        self._shots: list[Any] = []
        self._next = 0
        self._streams = False

    def _part(self, flags: int, place: int) -> Any:
        shot: Any = self._shot()
        shot._ring = self._ring
        shot._slot = 0
        shot._last = False
        shot.operation = self.operation
        shot.user_data = self.user_data
        shot.multishot = self
        shot.res = None
        shot.flags = 0
        self._equip(shot)
        return shot

    def _equip(self, shot: Any) -> None:
        """Give a new result what it needs of this handle."""
        if isinstance(shot, BytesShot):
            shot._buffers = self._buffers
            shot._data = None
        elif isinstance(shot, DescriptorShot):
            shot._direct = self._direct

    def _begin(self) -> None:
        """From now on results are for the iteration, also those that wait() would have given."""
        ring = self._ring
        if ring._batch is not None:
            ring._hand_out()
        queue = ring._ready
        mine = [op for op in queue if getattr(op, "multishot", None) is self and op._slot >= 0]
        rest = [op for op in queue if getattr(op, "multishot", None) is not self]
        # No call between these: a signal handler may use the ring.
        if ring._ready is queue:
            ring._ready = rest
            self._shots = mine
            self._streams = True

    def _pop(self) -> Completion[T_co] | None:
        """The next result that is there."""
        while not self._streams:
            self._begin()
        shots = self._shots
        number = self._next
        if number >= len(shots):
            return None
        shot = shots[number]
        shots[number] = None
        self._next = number + 1
        if number > 1000:
            del shots[: number + 1]
            self._next = 0
        return shot  # type: ignore[no-any-return]

    def _over(self, shot: Any) -> bool:
        """Whether the iteration is at its end, which is an exception where it is none."""
        if shot is not None and not (shot._last and shot._is_end(self.res or 0)):
            return False
        res = self.res
        if res is None:
            return False
        if res >= 0 or res in (-errno.ECANCELED, -errno.ETIME):
            return True
        raise self._error(res)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Completion[T_co]:
        while (shot := self._pop()) is None and self.res is None:
            self._ring._check_no_chain()
            self._ring._enter(1, -1)
        if self._over(shot) or shot is None:
            raise StopIteration
        return shot

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Completion[T_co]:
        while (shot := self._pop()) is None and self.res is None:
            await completions_of(self._ring)
        if self._over(shot) or shot is None:
            raise StopAsyncIteration
        return shot
