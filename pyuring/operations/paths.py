"""Operations on paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.completion import PathCompletion, PathNoneCompletion
from pyuring.constants import StatxMask
from pyuring.inflight import InFlight
from pyuring.pathnames import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    encoded,
    encoded_both,
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

    __slots__ = ("_statx",)

    #: The kernel writes into the bytes, and nobody else sees them before that is over.
    _statx: bytes | StatxResult

    def _value(self, res: int) -> StatxResult:
        if isinstance(self._statx, bytes):
            self._statx = StatxResult(self._statx)
        return self._statx


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
        op._path = path
        if path.__class__ is str or is_path(path):
            raw = encoded(path)
            start = AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)
        else:
            raw, start, at_flags = b"", plain_descriptor(path), at_flags | AT_EMPTY_PATH
        data = op._statx = bytes(STATX_SIZE)  # see TransferOperations.read
        try:
            tag = self._enlist(op, "statx", (raw, data), user_data, flags, drain, timeout)
            while (code := _statx(self._c, tag, start, raw, at_flags, mask, data)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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
        op._path = path
        raw = encoded(path)
        return self._start(
            op, "unlink", raw, user_data, flags, drain, timeout,
            _unlink, AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd), raw,
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
        op._path = path
        raw = encoded(path)
        return self._start(
            op, "rmdir", raw, user_data, flags, drain, timeout,
            _rmdir, AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd), raw,
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
        op._path = src
        op._second_path = dst
        old, new = both = encoded_both(src, dst)
        start = AT_FDCWD if src_dir_fd is None else plain_descriptor(src_dir_fd)
        other = AT_FDCWD if dst_dir_fd is None else plain_descriptor(dst_dir_fd)
        try:
            tag = self._enlist(op, "rename", both, user_data, flags, drain, timeout)
            while (code := _rename(self._c, tag, start, old, other, new, rename_flags)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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
        op._path = src
        op._second_path = dst
        if src.__class__ is str or is_path(src):
            old, new = both = encoded_both(src, dst)
            start = AT_FDCWD if src_dir_fd is None else plain_descriptor(src_dir_fd)
            at_flags = AT_SYMLINK_FOLLOW if follow_symlinks else 0
        else:
            old, new = both = b"", encoded(dst)
            start, at_flags = plain_descriptor(src), AT_EMPTY_PATH
        other = AT_FDCWD if dst_dir_fd is None else plain_descriptor(dst_dir_fd)
        try:
            tag = self._enlist(op, "hardlink", both, user_data, flags, drain, timeout)
            while (code := _hardlink(self._c, tag, start, old, other, new, at_flags)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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
        op._path = src
        op._second_path = dst
        target, raw = both = encoded_both(src, dst)
        start = AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)
        try:
            tag = self._enlist(op, "symlink", both, user_data, flags, drain, timeout)
            while (code := _symlink(self._c, tag, target, start, raw)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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
        op._path = path
        raw = encoded(path)
        return self._start(
            op, "mkdir", raw, user_data, flags, drain, timeout,
            _mkdir, AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd), raw, mode,
        )  # fmt: skip
