"""Pipes, and moving data through them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib
from pyuring.completion import Completion
from pyuring.direct import Direct, direct_key, explained
from pyuring.registered_files import (
    FileRegistration,
    RegisteredFile,
    RegisteredFiles,
    descriptor,
    plain_descriptor,
)

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = ["PipeOperations"]

_pipe = lib.pyuring_prep_pipe
_splice = lib.pyuring_prep_splice
_tee = lib.pyuring_prep_tee

_ENDS = struct.Struct("=ii")
#: The offset of what has none.
_NO_OFFSET = -1


class PipeCompletion(Completion[tuple[int, int]]):
    """A pipe: the kernel writes its two ends into `_ends`."""

    __slots__ = ("_direct", "_ends")

    #: Where its ends go: the table, or the two slots.
    _direct: RegisteredFiles | tuple[RegisteredFile, RegisteredFile] | None
    #: Nobody else sees it before that is over.
    _ends: bytes

    def _value(self, res: int) -> tuple[int, int]:
        if isinstance(self._direct, tuple):
            return self._direct
        reader, writer = _ENDS.unpack(self._ends)
        return (reader, writer) if self._direct is None else (self._direct[reader], self._direct[writer])

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        return explained(super()._error(res, filename), self._direct)


class PipeOperations(FileRegistration):
    """Pipes, and moving data through them."""

    def pipe(
        self,
        pipe_flags: int = 0,
        *,
        direct: Direct = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[tuple[int, int]]:
        """Make a pipe, as ``os.pipe2``: its descriptors are not inheritable.

        Args:
            pipe_flags: os.O_NONBLOCK, O_DIRECT, or 0.
            direct: registered files, of which two are free, to make it into; or one of
                them, for the read end, with the next one for the write end.

        Returns:
            (read end, write end)

        See `io_uring_prep_pipe(3)`, kernel 6.16.
        """
        op = PipeCompletion()
        if direct is None:
            op._direct, key = None, 0
        else:
            op._direct, key = self._ends(direct)
        ends = op._ends = bytes(8)  # see TransferOperations.read
        return self._start(
            op, "pipe", ends, user_data, flags, drain, timeout,
            _pipe, ends, pipe_flags, key,
        )  # fmt: skip

    def _ends(self, direct: Direct) -> tuple[RegisteredFiles | tuple[RegisteredFile, RegisteredFile] | None, int]:
        """Where the ends of a pipe go, if that is known, and the key for the C layer."""
        key = direct_key(direct)
        if not isinstance(direct, RegisteredFile):
            return direct, key
        files = self._files
        if files is None or direct != files[min(direct.index, len(files) - 1)]:
            raise ValueError("the registered file is not this ring's, or was unregistered")
        if direct.index + 1 == len(files):
            raise ValueError(f"a pipe takes two slots, and {direct.index} is the last of the table")
        return (direct, files[direct.index + 1]), key

    def splice(
        self,
        src: Any,
        dst: Any,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
        splice_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Completion[int]:
        """Move up to `count` bytes from one file to another, as ``os.splice``.

        One of the two must be a pipe. There is no ``timeout=``: a worker thread does it,
        and kernels from 6.15 on start the time only when that is done. To wait for data
        no longer than so, link a `poll` with a time limit before it.

        Args:
            src: a descriptor, anything with ``fileno()``, or a registered file.
            dst: the same, for where the bytes go.
            count: bytes, up to 2**31-1.
            offset_src: bytes from the start of `src`; None is its own position, and a
                must for a pipe.
            offset_dst: the same for `dst`.
            splice_flags: os.SPLICE_F_*.

        Returns:
            How many bytes were moved, 0 at the end of `src`.

        See `io_uring_prep_splice(3)`, kernel 5.7.
        """
        start_src = _NO_OFFSET if offset_src is None else _offset(offset_src)
        start_dst = _NO_OFFSET if offset_dst is None else _offset(offset_dst)
        source = src if src.__class__ is RegisteredFile else plain_descriptor(src)
        target = dst if isinstance(dst, int) else descriptor(dst)
        op: Completion[int] = Completion()
        try:
            tag = self._enlist(op, "splice", (src, dst), user_data, flags, drain, None)
            while (code := _splice(self._c, tag, target, source, count, start_src, start_dst, splice_flags)) < 0:
                self._refused(code, (target, source, count))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def tee(
        self,
        src: Any,
        dst: Any,
        count: int,
        splice_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
    ) -> Completion[int]:
        """Copy up to `count` bytes from one pipe to another, which stay readable in the first.

        There is no ``timeout=``; see `splice`.

        Args:
            src: the read end: a descriptor, anything with ``fileno()``, or a registered file.
            dst: the write end of the other pipe.
            count: bytes, up to 2**31-1.
            splice_flags: os.SPLICE_F_* of `tee(2)`.

        Returns:
            How many bytes were copied, 0 if `src` is empty and nobody can write to it.

        See `io_uring_prep_tee(3)`, kernel 5.8.
        """
        source = src if src.__class__ is RegisteredFile else plain_descriptor(src)
        op: Completion[int] = Completion()
        return self._start(
            op, "tee", (src, dst), user_data, flags, drain, None,
            _tee, descriptor(dst), source, count, splice_flags,
        )  # fmt: skip


def _offset(offset: int) -> int:
    if offset < 0:
        raise ValueError(f"an offset must be 0 or more, or None for the file's own position, not {offset}")
    return offset
