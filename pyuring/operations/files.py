"""Operations on open files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.buffers import release, vectors
from pyuring.completion import Completion, NoneCompletion
from pyuring.inflight import InFlight
from pyuring.registered_files import descriptor, plain_descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FileOperations"]

#: What one SQE takes, as preadv(2) does.
IOV_MAX = 1024


class FileOperations(InFlight):
    """Operations on open files."""

    def readv(
        self,
        file: Any,
        buffers: Iterable[Any],
        offset: int = -1,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Read at `offset` into one buffer after the other, as ``os.preadv``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            buffers: up to 1024 writable contiguous buffers.
            offset: bytes from the start of the file; -1 is the file's own position.

        Returns:
            How many bytes were read.

        See `io_uring_prep_readv(3)`, kernel 5.1.
        """
        return self._vectored(
            lib.pyuring_prep_readv, "readv", file, buffers, offset, True, user_data, flags, drain, timeout
        )

    def writev(
        self,
        file: Any,
        buffers: Iterable[Any],
        offset: int = -1,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Write one buffer after the other at `offset`, as ``os.pwritev``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            buffers: up to 1024 contiguous bytes-like objects.
            offset: bytes from the start of the file; -1 is the file's own position.

        Returns:
            How many bytes were written.

        See `io_uring_prep_writev(3)`, kernel 5.1.
        """
        return self._vectored(
            lib.pyuring_prep_writev, "writev", file, buffers, offset, False, user_data, flags, drain, timeout
        )

    def _vectored(
        self,
        call: Any,
        operation: str,
        file: Any,
        buffers: Iterable[Any],
        offset: int,
        writable: bool,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[int]:
        target = descriptor(file)
        array, exports = vectors(buffers, writable=writable)
        op: Completion[int] = Completion()
        hold = (array, exports, file)
        if len(exports) > IOV_MAX:
            release(hold)
            raise ValueError(f"{operation} takes up to {IOV_MAX} buffers, not {len(exports)}")
        return self._start(
            op, operation, hold, user_data, flags, drain, timeout, call, target, array, len(exports), offset
        )

    def fsync(
        self,
        file: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Flush the file's data and metadata to the device, as ``os.fsync``.

        It covers writes that are complete when it starts: link it to the write, or
        prepare it with ``drain=True``, to have it come after one that is in flight.

        See `io_uring_prep_fsync(3)`, kernel 5.1.
        """
        return self._start(
            NoneCompletion(), "fsync", file, user_data, flags, drain, timeout,
            lib.pyuring_prep_fsync, descriptor(file), 0,
        )  # fmt: skip

    def fdatasync(
        self,
        file: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Flush the file's data, and what is needed to find it, as ``os.fdatasync``.

        See `fsync`, and `io_uring_prep_fsync(3)`, kernel 5.1.
        """
        return self._start(
            NoneCompletion(), "fdatasync", file, user_data, flags, drain, timeout,
            lib.pyuring_prep_fsync, descriptor(file), lib.IORING_FSYNC_DATASYNC,
        )  # fmt: skip

    def fallocate(
        self,
        file: Any,
        offset: int,
        length: int,
        mode: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Allocate space for `length` bytes at `offset`, as ``os.posix_fallocate``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            offset: bytes from the start of the file, 0 or more.
            length: bytes, 1 or more.
            mode: FALLOC_FL_* of `fallocate(2)`; 0 also extends the file.

        See `io_uring_prep_fallocate(3)`, kernel 5.6.
        """
        if offset < 0 or length <= 0:
            raise ValueError(f"offset must be 0 or more and length 1 or more, not {offset} and {length}")
        return self._start(
            NoneCompletion(), "fallocate", file, user_data, flags, drain, timeout,
            lib.pyuring_prep_fallocate, descriptor(file), mode, offset, length,
        )  # fmt: skip

    def ftruncate(
        self,
        file: Any,
        length: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Make the file `length` bytes long, as ``os.ftruncate``.

        See `io_uring_prep_ftruncate(3)`, kernel 6.9.
        """
        if length < 0:
            raise ValueError(f"length must be 0 or more, not {length}")
        return self._start(
            NoneCompletion(), "ftruncate", file, user_data, flags, drain, timeout,
            lib.pyuring_prep_ftruncate, descriptor(file), length,
        )  # fmt: skip

    def close_fd(
        self,
        fd: Any,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Close a descriptor, as ``os.close``; `Ring.close` ends the ring itself.

        It does not end what is in flight on the file: that goes on, holding it open.

        See `io_uring_prep_close(3)`, kernel 5.6.
        """
        return self._start(
            NoneCompletion(), "close_fd", fd, user_data, flags, drain, timeout,
            lib.pyuring_prep_close_fd, plain_descriptor(fd),
        )  # fmt: skip
