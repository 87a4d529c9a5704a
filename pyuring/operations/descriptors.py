"""Operations that make, place and close descriptors."""

from __future__ import annotations

import os
import struct
from array import array
from operator import index as as_index
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.completion import Completion, NoneCompletion
from pyuring.direct import Direct, PathDirectCompletion, direct_key
from pyuring.inflight import InFlight
from pyuring.pathnames import AT_FDCWD, encoded
from pyuring.registered_files import RegisteredFile, RegisteredFiles, plain_descriptor, replacements

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import EllipsisType

    from pyuring.completion import Path

__all__ = ["DescriptorOperations"]

_open = lib.pyuring_prep_open
_openat2 = lib.pyuring_prep_openat2
_close_direct = lib.pyuring_prep_close_direct
_close_fd = lib.pyuring_prep_close_fd
_fixed_fd_install = lib.pyuring_prep_fixed_fd_install
_files_update = lib.pyuring_prep_files_update

#: struct open_how.
_pack_how = struct.Struct("=QQQ").pack
#: What has a mode: O_TMPFILE includes O_DIRECTORY, which alone has none.
_CREATES = os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY
#: In place of a slot, what `replacements` gives: IORING_FILE_INDEX_ALLOC as a signed number.
_PICK = -1
_NO_CLOEXEC = 1


class FilesUpdateCompletion(Completion[list[RegisteredFile]]):
    """A FILES_UPDATE: where the kernel picks slots, it writes their numbers into `_numbers`."""

    __slots__ = ("_files", "_index", "_numbers")

    _files: RegisteredFiles
    #: The first slot, or -1 where the kernel picks.
    _index: int
    _numbers: bytes

    def _value(self, res: int) -> list[RegisteredFile]:
        if self._index == _PICK:
            return [self._files[slot] for slot in array("i", self._numbers)[:res]]
        return self._files[self._index : self._index + res]


class DescriptorOperations(InFlight):
    """Operations that make, place and close descriptors.

    Those with ``direct=`` can put what they make straight into the table of registered
    files, without a descriptor of the process: into the slot of a registered file
    (``files[3]``), which is emptied first, or into one the kernel picks (``files``).
    The result is that registered file then.
    """

    def open(
        self,
        path: Path,
        flags: int = os.O_RDONLY,
        mode: int = 0o777,
        *,
        dir_fd: Any = None,
        direct: Direct = None,
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
            direct: registered files, or one of them, to open into. Kernel 5.15.

        Returns:
            The new descriptor, or the registered file.

        See `io_uring_prep_openat(3)`, kernel 5.6.
        """
        op = PathDirectCompletion()
        op._path = path
        op._direct = direct
        raw = encoded(path)
        start = AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)
        key = 0 if direct is None else direct_key(direct)
        try:
            tag = self._enlist(op, "open", raw, user_data, sqe_flags, drain, timeout)
            while (code := _open(self._c, tag, start, raw, flags, mode, key)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def openat2(
        self,
        path: Path,
        flags: int = os.O_RDONLY,
        mode: int | None = None,
        *,
        resolve: int = 0,
        dir_fd: Any = None,
        direct: Direct = None,
        user_data: object = None,
        sqe_flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Open a file, with a say in how its path is resolved, as `openat2(2)`.

        Unlike `open`, it refuses flags that it does not know, and a `mode` without use.

        Args:
            path: the file's path.
            flags: os.O_* of `open(2)`; `SqeFlags` are called `sqe_flags` here.
            mode: permissions of a file that is created, less the umask; None is 0o777.
            resolve: `ResolveFlags`, such as BENEATH: nothing outside of `dir_fd`.
            dir_fd: descriptor of the directory that `path` is relative to.
            direct: registered files, or one of them, to open into. Kernel 5.15.

        Returns:
            The new descriptor, or the registered file.

        See `io_uring_prep_openat2(3)`, kernel 5.6.
        """
        op = PathDirectCompletion()
        op._path = path
        op._direct = direct
        raw = encoded(path)
        start = AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)
        key = 0 if direct is None else direct_key(direct)
        if mode is None:
            mode = 0o777 if flags & _CREATES else 0
        try:  # C adds O_CLOEXEC to these bytes, which nobody else has seen
            how = _pack_how(flags, mode, resolve)
        except struct.error:
            raise _unfit_how(flags, mode, resolve) from None
        try:
            tag = self._enlist(op, "openat2", (raw, how), user_data, sqe_flags, drain, timeout)
            while (code := _openat2(self._c, tag, start, raw, how, key)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

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

        Args:
            fd: a descriptor, anything with ``fileno()``, or a registered file, whose slot
                is free afterwards (kernel 5.15).

        See `io_uring_prep_close(3)`, kernel 5.6.
        """
        if isinstance(fd, RegisteredFile):
            return self._start(
                NoneCompletion(), "close_fd", None, user_data, flags, drain, timeout,
                _close_direct, fd,
            )  # fmt: skip
        return self._start(
            NoneCompletion(), "close_fd", fd, user_data, flags, drain, timeout,
            _close_fd, plain_descriptor(fd),
        )  # fmt: skip

    def fixed_fd_install(
        self,
        file: RegisteredFile,
        *,
        inheritable: bool = False,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Make an ordinary descriptor of a registered file, which stays registered.

        Args:
            file: the registered file.
            inheritable: whether programs that the process executes inherit it.

        Returns:
            The new descriptor.

        See `io_uring_prep_fixed_fd_install(3)`, kernel 6.8.
        """
        if not isinstance(file, RegisteredFile):
            raise TypeError(f"what is installed is a registered file, not {type(file).__name__}")
        op: Completion[int] = Completion()
        return self._start(
            op, "fixed_fd_install", None, user_data, flags, drain, timeout,
            _fixed_fd_install, file, _NO_CLOEXEC if inheritable else 0,
        )  # fmt: skip

    def files_update(
        self,
        files: RegisteredFiles,
        index: int | None,
        new_files: Iterable[object | EllipsisType | None],
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[list[RegisteredFile]]:
        """Put files into slots of the ring's table, as `RegisteredFiles.update`, but in turn.

        Args:
            files: the ring's registered files.
            index: the first slot; None lets the kernel pick free slots (kernel 5.19).
            new_files: descriptors, or objects with ``fileno()``, for this slot and the
                ones behind it; None empties a slot, ``...`` leaves it as it is.

        Returns:
            The registered files that were updated: fewer than there should be, if
            something is wrong with one of them, whose slot is empty then.

        See `io_uring_prep_files_update(3)`, kernel 5.6.
        """
        if not isinstance(files, RegisteredFiles):
            raise TypeError(f"files_update() takes the ring's registered files, not {type(files).__name__}")
        kept = list(new_files)
        op = FilesUpdateCompletion()
        op._files = files
        op._index, numbers = replacements(files, index, kept)
        # The kernel writes the slots that it picks into a bytes object that nobody else has seen.
        data = op._numbers = array("i", numbers).tobytes()
        return self._start(
            op, "files_update", (data, kept), user_data, flags, drain, timeout,
            _files_update, files._any, data, len(kept), op._index,
        )  # fmt: skip


def _unfit_how(*numbers: Any) -> Exception:
    """What is wrong with one of these, which struct open_how does not take."""
    for number in numbers:
        as_index(number)  # or TypeError
    return OverflowError(f"flags, mode and resolve are numbers from 0 to 2**64-1, not {numbers}")
