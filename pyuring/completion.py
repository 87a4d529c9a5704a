"""Completion: the handle that every operation returns."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from pyuring._ffi import lib
from pyuring.errors import operation_error
from pyuring.timing import nanoseconds

if TYPE_CHECKING:
    from pyuring.inflight import InFlight
    from pyuring.provided_buffers import ProvidedBuffer

__all__ = [
    "BytesCompletion",
    "Completion",
    "Handle",
    "MessageCompletion",
    "NoneCompletion",
    "Path",
    "PathCompletion",
    "PathNoneCompletion",
    "TimerCompletion",
    "ZeroCopyCompletion",
]

Path: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

T_co = TypeVar("T_co", covariant=True)

CQE_F_MORE: int = lib.IORING_CQE_F_MORE


class Handle:
    """An operation: in flight, then done.

    Made by the methods of `Ring`, which store the attributes themselves: an
    ``__init__`` would cost as much as all of preparing a nop in C.

    Attributes:
        user_data: the object given as ``user_data=``, or None.
        res: the result of the last CQE, negative for an error; None until the operation is done.
        flags: that CQE's flags; 0 until the operation is done.
        operation: the name of the method that made it.
    """

    __slots__ = ("__weakref__", "_details", "_ring", "_slot", "_timed_out", "flags", "operation", "res", "user_data")

    _ring: InFlight
    #: Where the in-flight table has it; -1 once result() has taken it from wait().
    _slot: int
    #: Set only on an operation that its own timeout= cut short.
    _timed_out: bool
    #: What some CQEs bring besides: (offset in a provided buffer, two words or None).
    _details: tuple[int, tuple[int, int] | None]
    flags: int
    operation: str
    res: int | None
    user_data: Any

    @property
    def done(self) -> bool:
        """Whether the operation is complete: nothing more of it is to come."""
        return self.res is not None

    @property
    def extra(self) -> tuple[int, int]:
        """The two words that a CQE of 32 bytes has more than others; zeros for one of 16."""
        details = getattr(self, "_details", None)
        return details[1] or (0, 0) if details else (0, 0)

    def cancel(self) -> None:
        """Ask the kernel to cancel the operation; does nothing on a finished one.

        What is prepared is submitted, the request is sent at once, and nothing is
        waited for. The operation still completes: with ``ECANCELED``, or with its
        result if the kernel was faster (I/O that a disk has begun cannot be stopped).
        See `io_uring_prep_cancel(3)`, kernel 5.5.
        """
        if self.res is None:
            self._ring._cancel(self)

    def _part(self, flags: int, place: int) -> Any:
        """The handle of one CQE, for an operation that has many."""
        return None

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        timed_out = getattr(self, "_timed_out", False)
        since = self._ring._first_kernel_with(self.operation) if res == -errno.EINVAL else None
        return operation_error(res, self.operation, filename, timed_out=timed_out, since=since)

    def __repr__(self) -> str:
        if self.res is None:
            state = "in flight"
        elif self.res < 0:
            state = f"failed: {errno.errorcode.get(-self.res, self.res)}"
        else:
            state = f"done: {self.res}"
        tag = "" if self.user_data is None else f" user_data={self.user_data!r}"
        return f"<{type(self).__name__} {self.operation} {state}{tag}>"


class Completion(Handle, Generic[T_co]):
    """One operation with one result; see `Handle` for what it tells."""

    __slots__ = ()

    @property
    def buffer(self) -> ProvidedBuffer | None:
        """The provided buffer it brought, for a ``with`` block; None where it brought none."""
        return None

    def result(self, timeout: float | None = None) -> T_co:
        """Return what the operation returns, waiting for it if need be.

        What is prepared is submitted first. A completion taken by `result` does not
        come out of `Ring.wait` any more; `result` itself can be called again.

        Args:
            timeout: seconds to wait at the most; None waits for ever. When they are
                over the operation goes on, and can be waited for again.

        Raises:
            TimeoutError: not done in time, or cut short by the operation's own ``timeout=``.
            OSError: the operation failed; the subclass goes with the errno.
            RuntimeError: called in a thread that does not own the ring, in a forked
                child, or inside a ``link()`` block, on an operation that is not done.
        """
        if timeout is not None:
            nanoseconds(timeout)  # refuses what is none
        if self.res is None:
            self._ring._finish(self, timeout)
        if self._slot >= 0:
            self._ring._take(self)
        res = self.res
        if res is None or res < 0:
            return self._failed(res or 0)
        return self._value(res)

    def _value(self, res: int) -> T_co:
        return res  # type: ignore[return-value]  # the base class is Completion[int]

    def _failed(self, res: int) -> T_co:
        raise self._error(res)


class NoneCompletion(Completion[None]):
    """An operation whose cousin in `os` or `socket` returns nothing."""

    __slots__ = ()

    def _value(self, res: int) -> None:
        return None


class BytesCompletion(Completion[bytes]):
    """An operation that returns the bytes it read."""

    __slots__ = ("_data",)

    #: The kernel writes into it, and nobody else sees it before that is over.
    _data: bytes

    def _value(self, res: int) -> bytes:
        data = self._data
        return data if res == len(data) else data[:res]


class PathCompletion(Completion[T_co]):
    """An operation on a path: its errors name the file."""

    __slots__ = ("_path", "_second_path")

    #: As they were given.
    _path: Path
    _second_path: Path | None

    def _failed(self, res: int) -> T_co:
        error = self._error(res, _named(self._path))
        second = getattr(self, "_second_path", None)
        if second is not None:
            error.filename2 = _named(second)
        raise error


def _named(path: Path) -> Path:
    """`path` as the errors of `os` have it: text, bytes or a descriptor."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


class PathNoneCompletion(PathCompletion[None]):
    """An operation on a path that returns nothing."""

    __slots__ = ()

    def _value(self, res: int) -> None:
        return None


class TimerCompletion(NoneCompletion):
    """A timeout: that its time is up is what it is for, and no error."""

    __slots__ = ()

    def _failed(self, res: int) -> None:
        if res != -errno.ETIME:
            super()._failed(res)


class MessageCompletion(Completion[int]):
    """What no operation of this ring posted: a message from another ring, or a released resource.

    `operation` is ``"message"``, with the sender's number as `user_data`, or ``"released"``,
    with the tag of what the kernel has let go of.
    """

    __slots__ = ()


class ZeroCopyCompletion(Completion[int]):
    """A zero-copy send: its result comes first, the release of its memory later.

    The memory must not change until `released` is true: the kernel may still be sending, or
    sending again, what was counted as sent. It cannot be resized until then.
    """

    __slots__ = ("_copied", "_released")

    _released: bool
    _copied: bool

    @property
    def released(self) -> bool:
        """Whether the kernel is done with the memory."""
        return getattr(self, "_released", False) or (self.res is not None and not self.flags & CQE_F_MORE)

    @property
    def copied(self) -> bool | None:
        """Whether the kernel copied the data after all, as to the loopback interface.

        None as long as that is not known, and on kernels before 6.2, which do not tell.
        """
        return getattr(self, "_copied", None)

    def wait_released(self, timeout: float | None = None) -> None:
        """Wait until the memory is free to be changed.

        Args:
            timeout: seconds to wait at the most; None waits for ever.

        Raises:
            TimeoutError: not released in time.
            OSError: the operation failed.
        """
        self.result(timeout)
        self._ring._wait_released(self, timeout)
