"""Operations on paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib, new
from pyuring.completion import PathCompletion, PathNoneCompletion
from pyuring.inflight import InFlight
from pyuring.registered_files import plain_descriptor
from pyuring.stat import StatxResult

if TYPE_CHECKING:
    from pyuring.completion import Completion, Path

__all__ = ["PathOperations"]

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
STATX_BASIC_STATS = 0x7FF
STATX_BTIME = 0x800
STATX_MNT_ID = 0x1000
STATX_DIOALIGN = 0x2000


class StatxCompletion(PathCompletion[StatxResult]):
    """A statx: the kernel writes into `_statx`."""

    __slots__ = ("_result", "_statx")

    _statx: Any
    _result: StatxResult | None

    def _value(self, res: int) -> StatxResult:
        if self._result is None:
            self._result = StatxResult(self._statx)
        return self._result


def encoded(path: Path) -> bytes:
    """`path` as the kernel takes it. CFFI passes the address of the bytes object's memory."""
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError("embedded null byte in path")
    return raw


def directory(dir_fd: Any) -> int:
    """What a path is relative to: a directory's descriptor, or the current directory."""
    return AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)


class PathOperations(InFlight):
    """Operations on paths. Relative ones start at `dir_fd`, or in the current directory."""

    def open(
        self,
        path: Path,
        flags: int = os.O_RDONLY,
        mode: int = 0o777,
        *,
        dir_fd: Any = None,
        user_data: object = None,
        sqe_flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Open a file, as ``os.open``: the descriptor is not inheritable.

        Args:
            path: the file's path.
            flags: os.O_* of `open(2)`; `SqeFlags` are called `sqe_flags` here.
            mode: permissions of a file that is created, less the umask.
            dir_fd: descriptor of the directory that `path` is relative to.

        Returns:
            The new descriptor.

        See `io_uring_prep_openat(3)`, kernel 5.6.
        """
        op: PathCompletion[int] = PathCompletion()
        op._path = os.fspath(path)
        raw = encoded(path)
        return self._start(
            op, "open", raw, user_data, sqe_flags, drain, timeout,
            lib.pyuring_prep_open, directory(dir_fd), raw, flags | os.O_CLOEXEC, mode,
        )  # fmt: skip

    def statx(
        self,
        path: Any,
        *,
        dir_fd: Any = None,
        follow_symlinks: bool = True,
        mask: int = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID | STATX_DIOALIGN,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[StatxResult]:
        """Tell a file's size, times, mode and more, as ``os.stat``.

        Args:
            path: the file's path, or a descriptor.
            dir_fd: descriptor of the directory that `path` is relative to.
            follow_symlinks: False tells about a symbolic link itself.
            mask: STATX_* fields wanted; the result's ``stx_mask`` says which there are.

        See `io_uring_prep_statx(3)`, kernel 5.6.
        """
        at_flags = 0 if follow_symlinks else AT_SYMLINK_NOFOLLOW
        op = StatxCompletion()
        op._path = os.fspath(path) if isinstance(path, os.PathLike) else path
        op._statx = new("struct pyuring_statx *")
        op._result = None
        if isinstance(path, str | bytes | os.PathLike):
            raw, start = encoded(path), directory(dir_fd)
        else:
            raw, start, at_flags = b"", plain_descriptor(path), at_flags | AT_EMPTY_PATH
        return self._start(
            op, "statx", (raw, op._statx), user_data, flags, drain, timeout,
            lib.pyuring_prep_statx, start, raw, at_flags, mask, op._statx,
        )  # fmt: skip

    def unlink(
        self,
        path: Path,
        *,
        dir_fd: Any = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Remove a file, as ``os.unlink``.

        See `io_uring_prep_unlinkat(3)`, kernel 5.11.
        """
        op = PathNoneCompletion()
        op._path = os.fspath(path)
        raw = encoded(path)
        return self._start(
            op, "unlink", raw, user_data, flags, drain, timeout,
            lib.pyuring_prep_unlink, directory(dir_fd), raw, 0,
        )  # fmt: skip

    def rename(
        self,
        src: Path,
        dst: Path,
        *,
        src_dir_fd: Any = None,
        dst_dir_fd: Any = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Rename a file or directory, replacing a file `dst`, as ``os.rename``.

        See `io_uring_prep_renameat(3)`, kernel 5.11.
        """
        op = PathNoneCompletion()
        op._path, op._second_path = os.fspath(src), os.fspath(dst)
        old, new = encoded(src), encoded(dst)
        return self._start(
            op, "rename", (old, new), user_data, flags, drain, timeout,
            lib.pyuring_prep_rename, directory(src_dir_fd), old, directory(dst_dir_fd), new, 0,
        )  # fmt: skip

    def mkdir(
        self,
        path: Path,
        mode: int = 0o777,
        *,
        dir_fd: Any = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Make a directory, as ``os.mkdir``.

        See `io_uring_prep_mkdirat(3)`, kernel 5.15.
        """
        op = PathNoneCompletion()
        op._path = os.fspath(path)
        raw = encoded(path)
        return self._start(
            op, "mkdir", raw, user_data, flags, drain, timeout,
            lib.pyuring_prep_mkdir, directory(dir_fd), raw, mode,
        )  # fmt: skip
