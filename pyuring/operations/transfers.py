"""nop, read and write: the operations whose own cost counts.

They repeat the lines of `InFlight._start` instead of calling it: a call with a variable
number of arguments would cost as much as all the rest of preparing a nop. What is
written here three times is explained there.
"""

from __future__ import annotations

from typing import Any

from pyuring._ffi import CHARS, from_buffer, lib
from pyuring.buffers import refusal
from pyuring.completion import BytesCompletion, Completion
from pyuring.inflight import InFlight
from pyuring.provided_buffers import BufferRing, FilledCompletion
from pyuring.registered_buffers import RegisteredBuffer
from pyuring.registered_files import descriptor

__all__ = ["TransferOperations"]

_MAX_LENGTH = lib.PYURING_MAX_LENGTH

_nop = lib.pyuring_prep_nop
_read = lib.pyuring_prep_read
_read_fixed = lib.pyuring_prep_read_fixed
_write = lib.pyuring_prep_write
_write_fixed = lib.pyuring_prep_write_fixed
_read_provided = lib.pyuring_prep_read_provided


class TransferOperations(InFlight):
    """Operations that do little but move bytes."""

    def nop(
        self, *, user_data: object = None, flags: int = 0, drain: bool = False, timeout: float | None = None
    ) -> Completion[int]:
        """Do nothing, through the ring: 0. For measuring, and as a barrier with ``drain=True``.

        See `io_uring_prep_nop(3)`, kernel 5.1.
        """
        op: Completion[int] = Completion()
        op._ring = self
        op.operation = "nop"
        op.user_data = user_data
        op.res = None
        op.flags = 0
        try:
            while (slot := self._free) < 0:
                self._make_room()
            table = self._table
            tag = op._slot = slot
            self._free = table[slot]
            table[slot] = op
            if flags or drain or timeout is not None:
                tag = self._tag(slot, flags, drain, timeout)
            while (code := _nop(self._c, tag)) < 0:
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def read(
        self,
        file: Any,
        length: int,
        offset: int = -1,
        rw_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[bytes]:
        """Read up to `length` bytes at `offset`, as ``os.pread``.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            length: bytes, up to 2**31-1.
            offset: bytes from the start of the file; -1 reads at the file's own position
                and moves it, which only one operation at a time can do sensibly.
            rw_flags: `RwFlags`, as ``os.preadv`` takes them.

        Returns:
            The bytes read: fewer than `length` near the end of the file, none at it.

        See `io_uring_prep_read(3)`, kernel 5.6.
        """
        if not 0 <= length <= _MAX_LENGTH:
            raise ValueError(f"length must be between 0 and {_MAX_LENGTH} bytes, not {length}")
        keep = None
        if not isinstance(file, int):
            keep, file = file, descriptor(file)
        # The kernel fills a bytes object that nobody else has seen: no copy if it fills
        # it whole. bytes(n) is a new object, unless n is 0.
        data = bytes(length)
        op = BytesCompletion()
        op._data = data
        op._ring = self
        op.operation = "read"
        op.user_data = user_data
        op.res = None
        op.flags = 0
        try:
            while (slot := self._free) < 0:
                self._make_room()
            table = self._table
            tag = op._slot = slot
            self._free = table[slot]
            table[slot] = op
            self._holds[slot] = data if keep is None else (data, keep)
            if flags or drain or rw_flags or timeout is not None:
                tag = self._tag(slot, flags, drain, timeout, rw_flags)
            while (code := _read(self._c, tag, file, data, length, offset)) < 0:
                self._refused(code, (file, data, length, offset))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def readinto(
        self,
        file: Any,
        buffer: Any,
        offset: int = -1,
        rw_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Read into `buffer` at `offset`, as ``os.preadv`` into one buffer: how many bytes, 0 at the end.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            buffer: writable and contiguous (bytearray, mmap, NumPy array, memoryview), or a registered
                buffer, neither to be resized until it is done; or provided buffers, see `recv_into`.
            offset: as in `read`.
            rw_flags: as in `read`.

        See `io_uring_prep_read(3)`, kernel 5.6; `io_uring_prep_read_fixed(3)`, kernel 5.1.
        """
        keep = None
        if not isinstance(file, int):
            keep, file = file, descriptor(file)
        fixed = buffer.__class__ is RegisteredBuffer
        try:
            hold = buffer._memory.pin if fixed else from_buffer(CHARS, buffer, True)
        except (TypeError, BufferError, ValueError) as error:
            if buffer.__class__ is BufferRing:
                return self._readinto_provided(file, buffer, offset, rw_flags, keep, user_data, flags, drain, timeout)
            raise refusal(buffer, error, writable=True) from None
        op: Completion[int] = Completion()
        op._ring = self
        op.operation = "readinto"
        op.user_data = user_data
        op.res = None
        op.flags = 0
        try:
            while (slot := self._free) < 0:
                self._make_room()
            table = self._table
            tag = op._slot = slot
            self._free = table[slot]
            table[slot] = op
            self._holds[slot] = hold if keep is None else (hold, keep)
            if flags or drain or rw_flags or timeout is not None:
                tag = self._tag(slot, flags, drain, timeout, rw_flags)
            if fixed:
                while (code := _read_fixed(self._c, tag, file, buffer._c, offset)) < 0:
                    self._refused(code, (file, offset))
            else:
                while (code := _read(self._c, tag, file, hold, len(hold), offset)) < 0:
                    self._refused(code, (file, buffer, len(hold), offset))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

    def _readinto_provided(
        self,
        file: Any,
        buffers: BufferRing,
        offset: int,
        rw_flags: int,
        keep: object,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[int]:
        return self._start(
            FilledCompletion(buffers), "readinto", keep, user_data, flags, drain, timeout,
            _read_provided, file, buffers._registered(), buffers.size, rw_flags, offset,
        )  # fmt: skip

    def write(
        self,
        file: Any,
        data: Any,
        offset: int = -1,
        rw_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Write `data` at `offset`, as ``os.pwrite``: how many bytes, which can be fewer than there are.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            data: bytes-like and contiguous, or a registered buffer; not to be changed until
                the operation is done.
            offset: as in `read`; ignored by files opened with O_APPEND.
            rw_flags: `RwFlags`, as ``os.pwritev`` takes them.

        See `io_uring_prep_write(3)`, kernel 5.6; `io_uring_prep_write_fixed(3)`, kernel 5.1.
        """
        keep = None
        if not isinstance(file, int):
            keep, file = file, descriptor(file)
        fixed = data.__class__ is RegisteredBuffer
        try:
            hold: Any = data  # CFFI passes the address of a bytes object's own memory
            if data.__class__ is not bytes:
                hold = data._memory.pin if fixed else from_buffer(CHARS, data)
        except (TypeError, BufferError, ValueError) as error:
            raise refusal(data, error, writable=False) from None
        op: Completion[int] = Completion()
        op._ring = self
        op.operation = "write"
        op.user_data = user_data
        op.res = None
        op.flags = 0
        try:
            while (slot := self._free) < 0:
                self._make_room()
            table = self._table
            tag = op._slot = slot
            self._free = table[slot]
            table[slot] = op
            self._holds[slot] = hold if keep is None else (hold, keep)
            if flags or drain or rw_flags or timeout is not None:
                tag = self._tag(slot, flags, drain, timeout, rw_flags)
            if fixed:
                while (code := _write_fixed(self._c, tag, file, data._c, offset)) < 0:
                    self._refused(code, (file, offset))
            else:
                while (code := _write(self._c, tag, file, hold, len(hold), offset)) < 0:
                    self._refused(code, (file, data, len(hold), offset))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op
