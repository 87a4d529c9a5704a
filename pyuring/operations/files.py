"""Operations on open files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.completion import NoneCompletion
from pyuring.constants import SyncFileRangeFlags
from pyuring.inflight import InFlight
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring.completion import Completion

__all__ = ["FileOperations"]

_fsync = lib.pyuring_prep_fsync
_sync_file_range = lib.pyuring_prep_sync_file_range
_fallocate = lib.pyuring_prep_fallocate
_ftruncate = lib.pyuring_prep_ftruncate
_fadvise = lib.pyuring_prep_fadvise


class FileOperations(InFlight):
    """Operations on open files."""

    def fsync(
        self,
        file: Any,
        offset: int = 0,
        length: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Flush the file's data and metadata to the device, as ``os.fsync``.

        It covers writes that are complete when it starts: link it to the write, or
        prepare it with ``drain=True``, to have it come after one that is in flight.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            offset: where the part to flush starts, in bytes.
            length: its bytes, below 2**32; 0, with an `offset` of 0, is the whole file.

        See `io_uring_prep_fsync(3)`, kernel 5.1.
        """
        if offset or length:
            _check_part(offset, length)
        return self._start(
            NoneCompletion(), "fsync", file, user_data, flags, drain, timeout,
            _fsync, descriptor(file), 0, offset, length,
        )  # fmt: skip

    def fdatasync(
        self,
        file: Any,
        offset: int = 0,
        length: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Flush the file's data, and what is needed to find it, as ``os.fdatasync``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            offset: as in `fsync`.
            length: as in `fsync`.

        See `fsync`, and `io_uring_prep_fsync(3)`, kernel 5.1.
        """
        if offset or length:
            _check_part(offset, length)
        return self._start(
            NoneCompletion(), "fdatasync", file, user_data, flags, drain, timeout,
            _fsync, descriptor(file), lib.IORING_FSYNC_DATASYNC, offset, length,
        )  # fmt: skip

    def sync_file_range(
        self,
        file: Any,
        offset: int,
        length: int,
        sync_flags: int = SyncFileRangeFlags.WRITE,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Start to write a part of the file back, or wait for it, as `sync_file_range(2)`.

        It makes nothing durable: neither metadata nor the device's cache is flushed.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            offset: bytes from the start of the file, 0 or more.
            length: bytes, below 2**32; 0 is all up to the end of the file.
            sync_flags: `SyncFileRangeFlags`.

        See `io_uring_prep_sync_file_range(3)`, kernel 5.2.
        """
        if offset < 0 or not 0 <= length < 2**32:
            raise ValueError(f"offset must be 0 or more and length between 0 and 2**32-1, not {offset} and {length}")
        return self._start(
            NoneCompletion(), "sync_file_range", file, user_data, flags, drain, timeout,
            _sync_file_range, descriptor(file), offset, length, sync_flags,
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
            _fallocate, descriptor(file), mode, offset, length,
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
            _ftruncate, descriptor(file), length,
        )  # fmt: skip

    def fadvise(
        self,
        file: Any,
        offset: int,
        length: int,
        advice: int,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Announce how a part of the file will be used, as ``os.posix_fadvise``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            offset: bytes from the start of the file, 0 or more.
            length: bytes; 0 is all up to the end of the file. 2**32 and more need kernel 6.11.
            advice: os.POSIX_FADV_*.

        See `io_uring_prep_fadvise(3)`, kernel 5.6.
        """
        if offset < 0 or length < 0:
            raise ValueError(f"offset and length must be 0 or more, not {offset} and {length}")
        return self._start(
            NoneCompletion(), "fadvise", file, user_data, flags, drain, timeout,
            _fadvise, descriptor(file), offset, length, advice,
        )  # fmt: skip


def _check_part(offset: int, length: int) -> None:
    """Refuse what the kernel would take for another part of the file, or for none."""
    if offset < 0 or not 0 < length < 2**32:
        raise ValueError(
            f"a part of a file has an offset of 0 or more and a length between 1 and 2**32-1, not {offset} and {length}"
        )
