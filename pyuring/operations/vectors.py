"""Vectored reads and writes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyuring._ffi import ffi, lib, new
from pyuring.buffers import listed, vectors
from pyuring.completion import Completion
from pyuring.inflight import InFlight
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyuring.completion import Path

__all__ = ["VectorOperations"]

_readv = lib.pyuring_prep_readv
_writev = lib.pyuring_prep_writev
_FIXED = {"readv": lib.pyuring_prep_readv_fixed, "writev": lib.pyuring_prep_writev_fixed}
_IOVECS = ffi.typeof("struct iovec[]")


class FixedVectorCompletion(Completion[int]):
    """A transfer of pieces of a registered buffer, which is an opcode of its own."""

    __slots__ = ()

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        error = super()._error(res, filename)
        since = self._ring._first_kernel_with(f"{self.operation}_fixed") if res == -errno.EINVAL else None
        if since is not None:
            error.add_note(f"several pieces of a registered buffer in one operation need Linux {since}")
        return error


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
            first = _one_buffer(operation, parts)
            # The kernel takes no empty pieces here, although it does elsewhere.
            pieces = [(part._c.address, part._c.length) for part in parts if part._c.length]
            array = new(_IOVECS, pieces)
            op = FixedVectorCompletion()
            return self._start(
                op, operation, (array, first._memory.pin, file), user_data, flags, drain, timeout,
                _FIXED[operation], target, array, len(pieces), rw_flags, first._c, offset,
            )  # fmt: skip
        array, exports = vectors(parts, writable=call is _readv)
        op = Completion()
        return self._start(
            op, operation, (array, exports, file), user_data, flags, drain, timeout,
            call, target, array, len(exports), rw_flags, offset,
        )  # fmt: skip


def _one_buffer(operation: str, parts: list[Any]) -> RegisteredBuffer:
    """The registered buffer that all of `parts` are pieces of: the kernel takes no others."""
    first: RegisteredBuffer = parts[0]
    for part in parts:
        if not isinstance(part, RegisteredBuffer):
            raise TypeError(f"{operation} takes registered buffers or others, not both: {type(part).__name__}")
    for part in parts:
        if part._c.index != first._c.index or part._c.live != first._c.live:
            raise ValueError(
                f"{operation} takes pieces of one registered buffer, and these are of number {first.index} and "
                f"number {part.index}: make one operation for each, or one slab with register_buffers(count=, size=)"
            )
    return first
