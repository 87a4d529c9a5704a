"""Messages from ring to ring."""

from __future__ import annotations

import errno
import os
from typing import Any

from pyuring._ffi import lib
from pyuring.completion import Completion, NoneCompletion
from pyuring.errors import lacking
from pyuring.inflight import InFlight
from pyuring.kernel import is_older
from pyuring.registered_files import (
    MAX_FILES,
    FileRegistration,
    RegisteredFile,
    RegisteredFiles,
    descriptor,
    plain_descriptor,
)

__all__ = ["RingMessageOperations", "send_message"]

_msg_ring = lib.pyuring_prep_msg_ring
_msg_ring_fd = lib.pyuring_prep_msg_ring_fd

_MESSAGE = lib.PYURING_MESSAGE
_LIMIT = 1 << lib.PYURING_ID_BITS
_PASS_FLAGS = lib.IORING_MSG_RING_FLAGS_PASS
_NO_MESSAGE = lib.IORING_MSG_RING_CQE_SKIP
#: They tell how long a CQE is, and whether it is one: not for a sender to say.
_SHAPE = lib.PYURING_CQE_F_32 | lib.PYURING_CQE_F_SKIP
_INDEX = (1 << lib.PYURING_FILE_BITS) - 1
_ANY_SLOT = 0xFFFFFFFF
_SEND_SINCE = "6.13"


class SentFileCompletion(Completion[int]):
    """A file that another ring got: the slot, which the kernel tells only if it chose it."""

    __slots__ = ("_place",)

    _place: int

    def _value(self, res: int) -> int:
        return res if self._place == _ANY_SLOT else self._place - 1


class RingMessageOperations(InFlight):
    """Messages from ring to ring.

    One comes out of the other ring's `Ring.wait` and `Ring.completions` as a done
    `Completion` whose `operation` is ``"message"``, with the number as its `user_data`.
    """

    def msg_ring(
        self,
        target: Any,
        value: int,
        res: int = 0,
        *,
        cqe_flags: int | None = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Send a message to a ring, which wakes whoever waits for its completions.

        Args:
            target: the ring, of whatever thread, or its descriptor, which may be another process's.
            value: a number from 0 to 2**60-1, the `user_data` of the message.
            res: a number of 32 bits, the `res` of the message.
            cqe_flags: its `flags`. Kernel 6.3.

        Raises, from ``result()``:
            OSError: with EBADFD, `target` is no ring, or not enabled.

        See `io_uring_prep_msg_ring(3)`, kernel 5.18.
        """
        data = _MESSAGE | value if 0 <= value < _LIMIT else message_id(value)
        message_flags = 0
        if cqe_flags is not None:
            if cqe_flags & _SHAPE:
                raise ValueError(f"cqe_flags cannot have IORING_CQE_F_32 or IORING_CQE_F_SKIP: {cqe_flags:#x}")
            message_flags = _PASS_FLAGS
        number = target if isinstance(target, int) else descriptor(target)
        op = NoneCompletion()
        try:
            tag = self._enlist(op, "msg_ring", target, user_data, flags, drain, timeout)
            while (code := _msg_ring(self._c, tag, number, data, res, message_flags, cqe_flags or 0)) < 0:
                self._refused(code, (number,))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op

    def msg_ring_fd(
        self,
        target: Any,
        file: RegisteredFile,
        value: int | None = None,
        *,
        direct: RegisteredFile | RegisteredFiles | int | None = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Send a registered file to another ring, into its table of registered files.

        Args:
            target: the other ring, of whatever thread, or its descriptor.
            file: a registered file of this ring.
            value: also send a message with this number, see `msg_ring`; None sends none.
            direct: where it goes in the table of `target`: a registered file of that ring or
                its index, which is emptied first; None, or its registered files, for a free slot.

        Returns:
            The index in the table of `target`.

        Raises, from ``result()``:
            OSError: with EBADFD, `target` is no ring, or not enabled; with ENFILE, it has no
                free slot; with ENXIO, no table; with EBADF, there is no file in `file`.

        See `io_uring_prep_msg_ring_fd(3)`, kernel 6.0.
        """
        if not isinstance(file, RegisteredFile):
            raise TypeError(f"only a registered file can be sent, not {type(file).__name__}")
        if target is self:
            raise ValueError("a ring cannot send a file to itself")
        data, message_flags = (_MESSAGE, _NO_MESSAGE) if value is None else (message_id(value), 0)
        op = SentFileCompletion()
        place = op._place = _ANY_SLOT if direct is None else place_in(target, direct)
        number = target if isinstance(target, int) else descriptor(target)
        try:
            tag = self._enlist(op, "msg_ring_fd", target, user_data, flags, drain, timeout)
            while (code := _msg_ring_fd(self._c, tag, number, file, place, data, message_flags)) < 0:
                self._refused(code, (number,))
        except BaseException as error:
            self._withdraw(op, None, error)
            raise
        return op


def message_id(value: int) -> int:
    """The user_data of the CQE that brings the number `value`."""
    if not 0 <= value < _LIMIT:
        raise ValueError(f"a message is a number from 0 to 2**{lib.PYURING_ID_BITS}-1, not {value}")
    return _MESSAGE | value


def place_in(target: object, direct: RegisteredFile | RegisteredFiles | int) -> int:
    """The file_index for a slot in the table of another ring."""
    table = direct._table if isinstance(direct, RegisteredFiles) else None
    if isinstance(direct, RegisteredFile):
        table = direct >> lib.PYURING_FILE_BITS
    if table is not None and isinstance(target, FileRegistration):
        files = target._files
        if files is None or files._table != table:
            raise ValueError("the registered file in direct= is not one of the target ring, or was unregistered")
    if isinstance(direct, RegisteredFiles):
        return _ANY_SLOT
    if not isinstance(direct, int):
        raise TypeError(f"direct takes registered files, one of them, or an index, not {type(direct).__name__}")
    index = direct & _INDEX if isinstance(direct, RegisteredFile) else direct
    if not 0 <= index < MAX_FILES:
        raise ValueError(f"an index is between 0 and {MAX_FILES - 1}, not {index}")
    return index + 1


def send_message(target: Any, value: int, res: int = 0) -> None:
    """Send a message to a ring, from any thread, without a ring of one's own.

    It comes out of the ring's `Ring.wait` and `Ring.completions` as a done `Completion`
    whose `operation` is ``"message"``, and wakes whoever waits there. The caller sees to it
    that the ring is not closed meanwhile.

    Args:
        target: the ring, of whatever thread, or its descriptor.
        value: a number from 0 to 2**60-1, the `user_data` of the message.
        res: a number of 32 bits, the `res` of the message.

    Raises:
        OSError: with EBADFD, `target` is no ring, or not enabled.
        UnsupportedError: the kernel is older than 6.13.

    See `io_uring_register_sync_msg(3)`, kernel 6.13.
    """
    code = lib.pyuring_send_message(plain_descriptor(target), message_id(value), res)
    if code == -errno.EINVAL and is_older(_SEND_SINCE):
        raise lacking("send_message", _SEND_SINCE)
    if code < 0:
        raise OSError(-code, os.strerror(-code))
