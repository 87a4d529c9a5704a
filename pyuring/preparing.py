"""Preparing an operation: its place in the in-flight table, and the call that takes its SQE.

What the signal handlers demand of this code is in `inflight`, which has the rest of the
table's life.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, TypeVar

from pyuring._ffi import lib
from pyuring.buffers import release
from pyuring.constants import SqeFlags
from pyuring.errors import misuse
from pyuring.timing import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyuring._ffi import RingStruct
    from pyuring.completion import Handle

__all__ = ["NO_ARGUMENT", "NO_SLOT", "Preparing"]

#: An operation with a time limit.
SQES_AT_MOST = 2

H = TypeVar("H", bound="Handle")

NO_SLOT = -1
#: An argument that an operation has not.
NO_ARGUMENT: Any = object()

#: The modifiers that are safe on a single operation. Links are made with link(), so that
#: no chain is ever split; the others would keep the handle from ever being done.
_ALLOWED_FLAGS = int(SqeFlags.IO_DRAIN | SqeFlags.ASYNC)


class Preparing:
    """What the operations call; `InFlight` adds what becomes of them."""

    _c: RingStruct
    _table: list[Any]
    _free: int
    _holds: list[object]
    _pid: int
    _taken_over: int

    if TYPE_CHECKING:

        def _enter(self, want: int, timeout_ns: int, taker: Handle | None = None, number: int = -1) -> int: ...

    def _start(
        self,
        op: H,
        operation: str,
        hold: object,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
        call: Callable[..., int],
        a: Any = NO_ARGUMENT,
        b: Any = NO_ARGUMENT,
        c: Any = NO_ARGUMENT,
        d: Any = NO_ARGUMENT,
        e: Any = NO_ARGUMENT,
        f: Any = NO_ARGUMENT,
        g: Any = NO_ARGUMENT,
    ) -> H:
        """Put `op` in the table, let `call` take an SQE for it, and return it.

        The arguments of `call` have names and are written out by number, because a function with
        ``*arguments`` costs 100 ns more than one without; and `_enlist` is written out, as the
        hottest operations write out all of this. For more arguments there is `_start_long`.
        """
        op._ring = self  # type: ignore[assignment]
        op.operation = operation
        op.user_data = user_data
        op.res = None
        op.flags = 0
        try:
            # Between the condition, once it is false, and what follows nothing else runs.
            while (slot := self._free) < 0:
                self._make_room()
            table = self._table
            tag = op._slot = slot
            self._free = table[slot]
            table[slot] = op
            self._holds[slot] = hold
            if flags or drain or timeout is not None:
                tag = self._tag(slot, flags, drain, timeout)
            while True:
                if c is NO_ARGUMENT:
                    if b is NO_ARGUMENT:
                        code = call(self._c, tag) if a is NO_ARGUMENT else call(self._c, tag, a)
                    else:
                        code = call(self._c, tag, a, b)
                elif e is NO_ARGUMENT:
                    code = call(self._c, tag, a, b, c) if d is NO_ARGUMENT else call(self._c, tag, a, b, c, d)
                elif f is NO_ARGUMENT:
                    code = call(self._c, tag, a, b, c, d, e)
                elif g is NO_ARGUMENT:
                    code = call(self._c, tag, a, b, c, d, e, f)
                else:
                    code = call(self._c, tag, a, b, c, d, e, f, g)
                if code >= 0:
                    return op
                self._refused(code, tuple(each for each in (a, b, c, d, e, f, g) if each is not NO_ARGUMENT))
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise

    def _start_long(
        self,
        op: H,
        operation: str,
        hold: object,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
        call: Callable[..., int],
        *arguments: Any,
    ) -> H:
        """As `_start`, with any number of arguments for `call`."""
        try:
            tag = self._enlist(op, operation, hold, user_data, flags, drain, timeout)
            while (code := call(self._c, tag, *arguments)) < 0:
                self._refused(code, arguments)
        except BaseException as error:
            self._withdraw(op, hold, error)
            raise
        return op

    def _enlist(
        self,
        op: Handle,
        operation: str,
        hold: object,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> int:
        """Put `op` in the table, with what the kernel will touch for it; returns its tag for C.

        Called in the ``try`` block of the call that takes the SQE: see `_withdraw`.
        """
        op._ring = self  # type: ignore[assignment]
        op.operation = operation
        op.user_data = user_data
        op.res = None
        op.flags = 0
        while (slot := self._free) < 0:
            self._make_room()
        table = self._table
        op._slot = slot
        self._free = table[slot]
        table[slot] = op
        self._holds[slot] = hold
        if flags or drain or timeout is not None:
            return self._tag(slot, flags, drain, timeout)
        return slot

    def _tag(self, slot: int, flags: int, drain: bool, timeout: float | None, rw_flags: int = 0) -> int:
        """The tag of an operation that is more than plain."""
        if drain:
            flags |= SqeFlags.IO_DRAIN
        if flags & ~_ALLOWED_FLAGS:
            raise ValueError(
                f"{SqeFlags(flags & ~_ALLOWED_FLAGS)!r} cannot be set on an operation; flags takes IO_DRAIN and ASYNC. "
                "Link operations with ring.link(), and pass registered files where a descriptor goes"
            )
        tag = slot | int(flags) << lib.PYURING_TAG_FLAGS
        if timeout is not None:
            code = lib.pyuring_arm(self._c, slot, nanoseconds(timeout))
            if code < 0:
                self._refused(code)
            tag |= lib.PYURING_TAG_TIMED
        if rw_flags:
            code = lib.pyuring_note_rw_flags(self._c, slot, rw_flags)
            if code < 0:
                self._refused(code)
            tag |= lib.PYURING_TAG_RW
        return tag

    def _refused(self, code: int, arguments: tuple[object, ...] = ()) -> None:
        """Make room if that is what a preparation lacked, or raise what is wrong with it."""
        if code == lib.PYURING_NO_ROOM:
            number = self._taken_over
            if self._c.limit - self._c.expected < SQES_AT_MOST:
                self._enter(1, -1, None, number)
        elif code in (-errno.EBUSY, -errno.EAGAIN):
            # The kernel takes no SQEs until CQEs are reaped, or it has memory again.
            if not self._enter(0, -1):
                raise OSError(-code, f"{os.strerror(-code)} (the kernel takes no SQE now, and nothing could be reaped)")
        elif code == lib.PYURING_NOT_YOURS:
            raise self._not_yours()
        elif code != -errno.EINTR:
            raise misuse(code, arguments)

    def _rejection(self, code: int) -> Exception:
        """The exception for a call about the ring itself that C or the kernel refused."""
        return self._not_yours() if code == lib.PYURING_NOT_YOURS else misuse(code)

    def _not_yours(self) -> RuntimeError:
        if os.getpid() != self._pid:
            return RuntimeError("this ring was made before the fork; make a new one in the child")
        if self._c.owner:
            return RuntimeError("a ring belongs to the thread that made it; make one in each thread")
        return RuntimeError("the ring is closed")

    def _make_room(self) -> None:
        """Wait until a slot is free; what is reaped stays for wait()."""
        number = self._taken_over
        if self._free < 0:  # else a signal handler has reaped something
            self._enter(1, -1, None, number)

    def _withdraw(self, op: Handle, hold: object, error: BaseException) -> None:
        """Undo a preparation that raised, unless the operation was queued nonetheless.

        That is where a signal handler raised after the SQE was taken: it goes on like any other.
        """
        slot = getattr(op, "_slot", NO_SLOT)
        if slot >= 0:
            table = self._table
            if lib.pyuring_is_queued(self._c, slot) or not table or table[slot] is not op:
                return
            self._holds[slot] = None
            table[slot] = self._free
            self._free = slot
        # The traceback keeps the frames, and with them the export: let go of it.
        release(hold)
        if isinstance(error, OverflowError):
            fields = "offsets go up to 2**63-1, lengths and descriptors up to 2**31-1"
            error.add_note(f"an argument does not fit its field of the SQE: {fields}")
