"""Vectored reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.buffers import listed, vectors
from pyuring.completion import Completion
from pyuring.inflight import InFlight
from pyuring.operations.pieces import OfPieces, pieces_of_one
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["VectorOperations"]

_readv = lib.pyuring_prep_readv
_writev = lib.pyuring_prep_writev
_FIXED = {"readv": lib.pyuring_prep_readv_fixed, "writev": lib.pyuring_prep_writev_fixed}


class FixedVectorCompletion(OfPieces, Completion[int]):
    """A transfer of pieces of a registered buffer."""

    __slots__ = ()


class VectorOperations(InFlight):
    """Operations that transfer several buffers."""

    def readv(
        self,
        file: Any,
        buffers: Iterable[Any],
        offset: int = -1,
        rw_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Read at `offset` into one buffer after the other, as ``os.preadv``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            buffers: up to 1024 writable contiguous buffers; or pieces of one registered
                buffer, which a whole pool of `Ring.register_buffers` with ``count=`` is.
            offset: bytes from the start of the file; -1 is the file's own position.
            rw_flags: `RwFlags`, as ``os.preadv`` takes them.

        Returns:
            How many bytes were read.

        See `io_uring_prep_readv(3)`, kernel 5.1; with registered buffers 6.15.
        """
        return self._vectored(_readv, "readv", file, buffers, offset, rw_flags, user_data, flags, drain, timeout)

    def writev(
        self,
        file: Any,
        buffers: Iterable[Any],
        offset: int = -1,
        rw_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Write one buffer after the other at `offset`, as ``os.pwritev``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            buffers: up to 1024 contiguous bytes-like objects, or pieces of one registered
                buffer.
            offset: bytes from the start of the file; -1 is the file's own position.
            rw_flags: `RwFlags`, as ``os.pwritev`` takes them.

        Returns:
            How many bytes were written.

        See `io_uring_prep_writev(3)`, kernel 5.1; with registered buffers 6.15.
        """
        return self._vectored(_writev, "writev", file, buffers, offset, rw_flags, user_data, flags, drain, timeout)

    def _vectored(
        self,
        call: Any,
        operation: str,
        file: Any,
        buffers: Iterable[Any],
        offset: int,
        rw_flags: int,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[int]:
        target = descriptor(file)
        parts = listed(operation, buffers)
        op: Completion[int]
        if parts and parts[0].__class__ is RegisteredBuffer:
            first, array = pieces_of_one(operation, parts)
            op = FixedVectorCompletion()
            return self._start(
                op, operation, (array, first._memory.pin, file), user_data, flags, drain, timeout,
                _FIXED[operation], target, array, len(array), rw_flags, first._c, offset,
            )  # fmt: skip
        array, exports = vectors(parts, writable=call is _readv)
        op = Completion()
        return self._start(
            op, operation, (array, exports, file), user_data, flags, drain, timeout,
            call, target, array, len(exports), rw_flags, offset,
        )  # fmt: skip
