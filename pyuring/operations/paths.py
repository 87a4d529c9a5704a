"""Operations on paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.completion import PathCompletion, PathNoneCompletion
from pyuring.constants import StatxMask
from pyuring.inflight import InFlight
from pyuring.pathnames import (
    AT_EMPTY_PATH,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    directory,
    encoded,
    is_path,
)
from pyuring.registered_files import plain_descriptor
from pyuring.stat import STATX_SIZE, StatxResult

if TYPE_CHECKING:
    from pyuring.completion import Completion, Path

__all__ = ["PathOperations"]

_statx = lib.pyuring_prep_statx
_unlink = lib.pyuring_prep_unlink
_rmdir = lib.pyuring_prep_rmdir
_rename = lib.pyuring_prep_rename
_hardlink = lib.pyuring_prep_hardlink
_symlink = lib.pyuring_prep_symlink
_mkdir = lib.pyuring_prep_mkdir

#: All but MNT_ID_UNIQUE, which would change what stx_mnt_id is. Plain numbers: see inflight.
DEFAULT_MASK = int(
    StatxMask.BASIC_STATS
    | StatxMask.BTIME
    | StatxMask.MNT_ID
    | StatxMask.DIOALIGN
    | StatxMask.SUBVOL
    | StatxMask.WRITE_ATOMIC
    | StatxMask.DIO_READ_ALIGN
)


class StatxCompletion(PathCompletion[StatxResult]):
    """A statx."""

    __slots__ = ("_result", "_statx")

    #: The kernel writes into it, and nobody else sees it before that is over.
    _statx: bytes
    _result: StatxResult | None

    def _value(self, res: int) -> StatxResult:
        if self._result is None:
            self._result = StatxResult(self._statx)
        return self._result


class PathOperations(InFlight):
    """Operations on paths. Relative ones start at `dir_fd`, or in the current directory."""

    def statx(
        self,
        path: Any,
        *,
        dir_fd: Any = None,
        follow_symlinks: bool = True,
        mask: int = DEFAULT_MASK,
        statx_flags: int = 0,
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
            mask: `StatxMask`, the fields wanted; the result's ``stx_mask`` says which there are.
            statx_flags: `StatxFlags`: how fresh a network file system's answer must be.

        See `io_uring_prep_statx(3)`, kernel 5.6.
        """
        at_flags = statx_flags if follow_symlinks else statx_flags | AT_SYMLINK_NOFOLLOW
        op = StatxCompletion()
        if is_path(path):
            op._path = os.fspath(path)
            raw, start = encoded(op._path), directory(dir_fd)
        else:
            op._path = path
            raw, start, at_flags = b"", plain_descriptor(path), at_flags | AT_EMPTY_PATH
        data = op._statx = bytes(STATX_SIZE)  # see TransferOperations.read
        op._result = None
        return self._start(
            op, "statx", (raw, data), user_data, flags, drain, timeout,
            _statx, start, raw, at_flags, mask, data,
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
        raw = encoded(op._path)
        return self._start(
            op, "unlink", raw, user_data, flags, drain, timeout,
            _unlink, directory(dir_fd), raw,
        )  # fmt: skip

    def rmdir(
        self,
        path: Path,
        *,
        dir_fd: Any = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Remove an empty directory, as ``os.rmdir``.

        See `io_uring_prep_unlinkat(3)`, kernel 5.11.
        """
        op = PathNoneCompletion()
        op._path = os.fspath(path)
        raw = encoded(op._path)
        return self._start(
            op, "rmdir", raw, user_data, flags, drain, timeout,
            _rmdir, directory(dir_fd), raw,
        )  # fmt: skip

    def rename(
        self,
        src: Path,
        dst: Path,
        *,
        src_dir_fd: Any = None,
        dst_dir_fd: Any = None,
        rename_flags: int = 0,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Rename a file or directory, replacing a file `dst`, as ``os.rename``.

        Args:
            src: the path it has.
            dst: the path it gets.
            src_dir_fd: descriptor of the directory that `src` is relative to.
            dst_dir_fd: descriptor of the directory that `dst` is relative to.
            rename_flags: `RenameFlags`: NOREPLACE, EXCHANGE, WHITEOUT.

        See `io_uring_prep_renameat(3)`, kernel 5.11.
        """
        op = PathNoneCompletion()
        op._path, op._second_path = os.fspath(src), os.fspath(dst)
        old, new_path = encoded(op._path), encoded(op._second_path)
        return self._start(
            op, "rename", (old, new_path), user_data, flags, drain, timeout,
            _rename, directory(src_dir_fd), old, directory(dst_dir_fd), new_path, rename_flags,
        )  # fmt: skip

    def hardlink(
        self,
        src: Any,
        dst: Path,
        *,
        src_dir_fd: Any = None,
        dst_dir_fd: Any = None,
        follow_symlinks: bool = True,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Give a file another name, as ``os.link``; `Ring.link` opens a chain.

        Args:
            src: the file's path; or a descriptor, perhaps of a file without a name
                (``O_TMPFILE``), for which the kernel may want CAP_DAC_READ_SEARCH.
            dst: the path that it gets too.
            src_dir_fd: descriptor of the directory that `src` is relative to.
            dst_dir_fd: descriptor of the directory that `dst` is relative to.
            follow_symlinks: False links a symbolic link itself.

        See `io_uring_prep_linkat(3)`, kernel 5.15.
        """
        op = PathNoneCompletion()
        op._second_path = os.fspath(dst)
        new_path = encoded(op._second_path)
        if is_path(src):
            op._path = os.fspath(src)
            old, start = encoded(op._path), directory(src_dir_fd)
            at_flags = AT_SYMLINK_FOLLOW if follow_symlinks else 0
        else:
            op._path = src
            old, start, at_flags = b"", plain_descriptor(src), AT_EMPTY_PATH
        return self._start(
            op, "hardlink", (old, new_path), user_data, flags, drain, timeout,
            _hardlink, start, old, directory(dst_dir_fd), new_path, at_flags,
        )  # fmt: skip

    def symlink(
        self,
        src: Path,
        dst: Path,
        *,
        dir_fd: Any = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Make a symbolic link, as ``os.symlink``.

        Args:
            src: what it points to, which need not exist.
            dst: the link's own path.
            dir_fd: descriptor of the directory that `dst` is relative to.

        See `io_uring_prep_symlinkat(3)`, kernel 5.15.
        """
        op = PathNoneCompletion()
        op._path, op._second_path = os.fspath(src), os.fspath(dst)
        target, raw = encoded(op._path), encoded(op._second_path)
        return self._start(
            op, "symlink", (target, raw), user_data, flags, drain, timeout,
            _symlink, target, directory(dir_fd), raw,
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
        raw = encoded(op._path)
        return self._start(
            op, "mkdir", raw, user_data, flags, drain, timeout,
            _mkdir, directory(dir_fd), raw, mode,
        )  # fmt: skip
