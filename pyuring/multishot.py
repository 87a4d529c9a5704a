"""Multishot: the handle of an operation that has many results."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyuring._ffi import lib
from pyuring.ancillary import HEADER, ReceivedMessage, parse_recvmsg_out
from pyuring.async_wait import completions_of
from pyuring.completion import Completion, Handle
from pyuring.direct import Direct, placed
from pyuring.preparing import NO_SLOT
from pyuring.provided_buffers import BufferRing, LendingCompletion

if TYPE_CHECKING:
    from typing import Self

__all__ = ["BytesShot", "DescriptorShot", "MessageShot", "Multishot", "Shot", "TimerShot"]

T_co = TypeVar("T_co", covariant=True)

_NONE_YET = ()


class Part:
    """What the results of a multishot have in common; each class has the two slots itself."""

    __slots__ = ()

    #: None while it waits for the iteration: it would keep the handle that keeps it, and a
    #: buffer with them, until the garbage collector comes.
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


class LendingShot(Part, LendingCompletion[T_co]):
    """What arrived in a provided buffer, which goes back once it is copied."""

    __slots__ = ("_data", "_last", "multishot")

    _data: T_co | None

    def _copy(self, res: int) -> T_co:
        """The result, without the provided buffer."""
        raise NotImplementedError

    def _value(self, res: int) -> T_co:
        data = self._data
        if data is None:
            data = self._data = self._copy(res)
        if self._lent is None:  # else whoever looks at it gives it back
            self._give_back()
        return data


class BytesShot(LendingShot[bytes]):
    """Bytes that arrived in a provided buffer."""

    __slots__ = ()

    def _copy(self, res: int) -> bytes:
        return b"".join(self._views()) if res else b""


class MessageShot(LendingShot["tuple[Any, ...]"]):
    """A message that arrived in a provided buffer, behind its address and ancillary data."""

    __slots__ = ("_room",)

    #: Bytes for the address and for ancillary data.
    _room: tuple[int, int]

    @property
    def message(self) -> ReceivedMessage:
        """The message where it is: its data is a memoryview, good until the buffer is given back."""
        (data,) = self._lend()
        return self._parsed()._replace(data=data)

    def _parsed(self) -> ReceivedMessage:
        message = parse_recvmsg_out(super()._views()[0], *self._room)
        return message._replace(msg_flags=message.msg_flags & ~socket.MSG_CMSG_CLOEXEC)

    def _views(self) -> list[memoryview]:
        return [self._parsed().data]

    def _copy(self, res: int) -> tuple[Any, ...]:
        message = self._parsed()
        return (bytes(message.data), *message[1:])

    def _is_end(self, res: int) -> bool:
        return res <= HEADER + sum(self._room)


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

    __slots__ = ("_buffers", "_came", "_direct", "_room", "_shot", "_shots", "_streams")

    #: What came for the iteration, in order; and, to be given first, what came before that,
    #: in reverse order. Lists once it is iterated over.
    _shots: Any
    _came: Any
    #: Whether it is.
    _streams: bool

    def __init__(
        self,
        shot: type[Completion[T_co]],
        buffers: BufferRing | None = None,
        direct: Direct = None,
        room: tuple[int, int] = (0, 0),
    ) -> None:
        self._shot = shot
        self._buffers = buffers
        self._direct = direct
        self._room = room
        # A list for each would cost a third of a nop, and most are never needed.
        self._shots = self._came = _NONE_YET
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
        if isinstance(shot, MessageShot):
            shot._room = self._room
        if isinstance(shot, LendingShot):
            shot._buffers = self._buffers
            shot._lent = shot._data = None
        elif isinstance(shot, DescriptorShot):
            shot._direct = self._direct

    def _begin(self) -> None:
        """From now on results are for the iteration, also those that wait() would have given."""
        ring = self._ring
        if ring._c.owner and not lib.pyuring_is_mine(ring._c):
            raise ring._not_yours()
        queue = ring._ready
        mine: list[Any] = []
        rest: list[Any] = []
        # One loop over the queue itself: what a signal handler adds is seen.
        for op in queue:
            (mine if op._slot >= 0 and getattr(op, "multishot", None) is self else rest).append(op)
        # No call from the end of that loop on: a signal handler may use the ring.
        if ring._ready is queue and not self._streams:
            ring._ready = rest
            ring._streaming += self.res is None
            self._shots = mine
            self._streams = True
            for op in mine:
                # Unless a signal handler has had it from _pop by now. One that raises leaves
                # the rest as they are, for the garbage collector.
                if op._slot >= 0:
                    op._slot = NO_SLOT
                    op.multishot = None

    def _pop(self) -> Completion[T_co] | None:
        """The next result that is there; None at a clean end, or where there is none yet."""
        while True:
            came = self._came
            if not came:
                if self._shots:
                    # No call between these, as everywhere here.
                    came = self._shots[::-1]
                    self._shots = []
                    self._came = came
                elif self._streams:
                    return None
                else:
                    self._begin()
                continue
            shot = came[-1]
            if shot._last and shot._is_end(shot.res):
                return None
            # Unless a signal handler was faster. Nothing is called from here to the caller.
            if came and came[-1] is shot:
                del came[-1]
                shot._slot = NO_SLOT
                shot.multishot = self
                return shot  # type: ignore[no-any-return]

    def _check_end(self) -> None:
        """Raise what ended it, if that was no clean end. An end can be in a buffer, too: of a message."""
        for end in self._came:
            if isinstance(end, LendingCompletion):
                end._give_back()
        res = self.res or 0
        if res < 0 and res not in (-errno.ECANCELED, -errno.ETIME):
            raise self._error(res)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Completion[T_co]:
        while True:
            number = self._ring._taken_over
            over = self.res is not None
            shot = self._pop()
            if shot is not None:
                return shot
            if over:
                self._check_end()
                raise StopIteration
            self._ring._check_no_chain()
            self._ring._enter(1, -1, None, number)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Completion[T_co]:
        while True:
            over = self.res is not None
            shot = self._pop()
            if shot is not None:
                return shot
            if over:
                self._check_end()
                raise StopAsyncIteration
            await completions_of(self._ring)
