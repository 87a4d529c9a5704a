"""Cancelling operations, and one that does as it is told."""

from __future__ import annotations

from typing import Any

from pyuring._ffi import lib
from pyuring.completion import Completion, Handle, NoneCompletion
from pyuring.kernel import OPCODES
from pyuring.operations.targets import TargetOperations
from pyuring.registered_files import descriptor

__all__ = ["ControlOperations"]

_cancel = lib.pyuring_prep_cancel
_cancel_fd = lib.pyuring_prep_cancel_fd
_cancel_op = lib.pyuring_prep_cancel_op
_cancel_all = lib.pyuring_prep_cancel_all
_nop_result = lib.pyuring_prep_nop_result

_INJECT_RESULT = lib.IORING_NOP_INJECT_RESULT
#: What fits the field of an SQE.
MOST_OPCODES = 256


class OneCancelled(Completion[int]):
    """A request to cancel one of many; the kernel answers 0."""

    __slots__ = ()

    def _value(self, res: int) -> int:
        return 1


class ControlOperations(TargetOperations):
    """Cancelling operations, and one that does as it is told."""

    def cancel(
        self,
        operation: Handle,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Cancel an operation, as one to be waited for, linked or batched like any other.

        `Completion.cancel` is the simple way. Its own id is never given to another
        operation, so that a late cancel hits nothing else.

        Raises, from ``result()``:
            FileNotFoundError: the operation is done already, waits for its turn in a
                chain, or is on its way between two queues of the kernel: `Completion.cancel`
                tries again then.
            OSError: with EALREADY, it cannot be stopped any more.

        See `io_uring_prep_cancel(3)`, kernel 5.5.
        """
        return self._start_about(operation, None, NoneCompletion(), "cancel", user_data, flags, drain, timeout, _cancel)

    def cancel_fd(
        self,
        file: Any,
        *,
        all: bool = True,  # noqa: A002  the kernel's word
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Cancel operations on a file; before its descriptor is closed, which ends none.

        The file counts, not the number: also what was started on a duplicate of the
        descriptor, or as a registered file, is cancelled.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            all: every operation on it; otherwise the first one that is found.

        Returns:
            How many were found, as the kernel counts: what waits for worker threads is one.
            With `all` it may be 0.

        Raises, from ``result()``:
            FileNotFoundError: there is none, and `all` is False.

        See `io_uring_prep_cancel(3)`, kernel 5.19.
        """
        op: Completion[int] = Completion() if all else OneCancelled()
        return self._start(
            op, "cancel_fd", file, user_data, flags, drain, timeout,
            _cancel_fd, descriptor(file), all,
        )  # fmt: skip

    def cancel_op(
        self,
        operation: str | int,
        *,
        all: bool = True,  # noqa: A002  the kernel's word
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Cancel operations of one kind.

        Args:
            operation: the name of a method (``"recv"``) or the number of an opcode. Methods
                that share an opcode are one kind: ``"recv"`` and ``"recv_into"``.
            all: every one of them; otherwise the first one that is found.

        Returns:
            How many were found, as `cancel_fd` counts.

        Raises, from ``result()``:
            FileNotFoundError: there is none, and `all` is False.

        See `io_uring_prep_cancel(3)`, kernel 6.6.
        """
        opcode = OPCODES.get(operation) if isinstance(operation, str) else operation
        if opcode is None:
            raise ValueError(f"there is no operation {operation!r}")
        if not 0 <= opcode < MOST_OPCODES:
            raise ValueError(f"an opcode is between 0 and {MOST_OPCODES - 1}, not {opcode}")
        op: Completion[int] = Completion() if all else OneCancelled()
        return self._start(
            op, "cancel_op", None, user_data, flags, drain, timeout,
            _cancel_op, opcode, all,
        )  # fmt: skip

    def cancel_all(
        self, *, user_data: object = None, flags: int = 0, drain: bool = False, timeout: float | None = None
    ) -> Completion[int]:
        """Cancel everything that is in flight when the kernel comes to it.

        Returns:
            How many were found, as `cancel_fd` counts. It may be 0.

        See `io_uring_prep_cancel(3)`, kernel 5.19.
        """
        op: Completion[int] = Completion()
        return self._start(
            op, "cancel_all", None, user_data, flags, drain, timeout,
            _cancel_all,
        )  # fmt: skip

    def nop_result(
        self,
        result: int,
        *,
        extra: tuple[int, int] | None = None,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[int]:
        """Do nothing, and have `result` for the CQE's res: for tests of what handles results.

        Args:
            result: 0 or more to succeed, ``-errno`` to fail, which also cuts a soft chain.
            extra: two words of 64 bits for a CQE of 32 bytes, on a ring that has them. Kernel 6.18.

        Raises, from ``result()``:
            OSError: the one that `result` stands for; with EINVAL, `extra` on a ring without
                such CQEs.

        See `io_uring_prep_nop(3)`, kernel 6.10.
        """
        first, second = extra or (0, 0)
        nop_flags = _INJECT_RESULT if extra is None else _INJECT_RESULT | lib.IORING_NOP_CQE32
        op: Completion[int] = Completion()
        return self._start(
            op, "nop_result", None, user_data, flags, drain, timeout,
            _nop_result, result, nop_flags, first, second,
        )  # fmt: skip
