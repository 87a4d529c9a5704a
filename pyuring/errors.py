"""From what the kernel and the C layer answer to exceptions: the only place that does."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING, Any

from pyuring._ffi import lib

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = [
    "AlignmentError",
    "BadDescriptorError",
    "BatchAlignmentError",
    "BatchError",
    "UnavailableError",
    "UnsupportedError",
    "lacking",
    "misuse",
    "operation_error",
]


#: ERESTARTSYS and its relatives: a signal, or a cancel, ended a system call. They should
#: not leave the kernel, but come out of a splice or tee that waited for data.
_RESTARTS = frozenset((512, 513, 514, 516))


class UnavailableError(OSError):
    """No ring can be made here. The text names the cause that was found, and the remedy."""


class UnsupportedError(OSError):
    """This kernel lacks an operation or a flag. The text names the version that has it."""


class AlignmentError(OSError, ValueError):
    """Direct I/O at an offset, of a length or with memory that the file does not take.

    The text says which of them, and what it must be a multiple of. It is the ``OSError``
    with ``EINVAL`` that the kernel answers, and the ``ValueError`` that it amounts to.
    """


class BadDescriptorError(OSError, ValueError):
    """A descriptor that cannot be one, such as -1: caught before anything is queued.

    It is the ``OSError`` with ``EBADF`` that the same call in `os` raises, and the
    ``ValueError`` that ``open`` and ``select`` raise, whichever the caller expects.
    """


class BatchError(OSError):
    """Some of a batch failed; the rest of it was done nevertheless.

    ``errno`` and ``filename`` are those of the failure with the lowest index.

    Attributes:
        errors: the failures, by index.
        results: what the call would have returned, with None where something failed.
    """

    errors: dict[int, OSError]
    results: list[Any]


class BatchAlignmentError(BatchError, AlignmentError):
    """A `BatchError` whose first failure is an `AlignmentError`, and so a ``ValueError``."""


def lacking(
    what: str, since: str, code: int = errno.EINVAL, filename: Path | None = None, *, need: str = "needs"
) -> UnsupportedError:
    """The exception for `what`, which came with the kernel `since`, newer than this one."""
    text = f"{what} {need} Linux {since}; this is {os.uname().release}"
    return UnsupportedError(code, text) if filename is None else UnsupportedError(code, text, filename)


def operation_error(
    res: int, operation: str, filename: Path | None = None, *, timed_out: bool = False, since: str | None = None
) -> OSError:
    """The built-in exception for an operation that completed with `res` < 0.

    ``OSError`` picks the subclass by itself (``FileNotFoundError``, ``ConnectionResetError``, ...).

    Args:
        res: the CQE's result.
        operation: the method's name, for the note.
        filename: the path it was about, if it was about one.
        timed_out: the operation's own time limit ended it.
        since: the first kernel that has the operation, if the running one has not.
    """
    if -res in _RESTARTS:
        res = -errno.EINTR
    code, text = (errno.ETIMEDOUT, "the operation's timeout= ran out") if timed_out else (-res, os.strerror(-res))
    error: OSError
    if since is not None and not timed_out:
        error = lacking(operation, since, code, filename)
    else:
        error = OSError(code, text) if filename is None else OSError(code, text, filename)
    error.add_note(f"io_uring operation: {operation}")
    return error


#: What C says of arguments whose number needs not be repeated.
_VALUE_ERRORS: dict[int, str] = {
    lib.PYURING_BAD_FUTEX: "a futex is 4 bytes inside the buffer, at an address that can be divided by 4",
    lib.PYURING_BAD_TIME: "a time is 0 or more seconds, and less than 2**63 nanoseconds, which are 292 years",
    lib.PYURING_BAD_PAGES: (
        f"madvise is about whole pages of {mmap.PAGESIZE} bytes: the memory must start with one, as an mmap does"
    ),
    lib.PYURING_BAD_COMMAND: (
        "a command has up to 16 bytes, which is what an SQE has room for: 80 on a ring with setup=SetupFlags.SQE128"
    ),
    lib.PYURING_TRUNCATES: (
        "MSG_TRUNC does not go with provided buffers: the result would not tell how much of them is used"
    ),
}

#: What it says, or the kernel, of the state that the ring is in.
_RUNTIME_ERRORS: dict[int, str] = {
    lib.PYURING_IN_CHAIN: "not inside a link() block: its operations are submitted together at its end",
    lib.PYURING_EXHAUSTED: "this ring has used up its operation ids; make a new one",
    lib.PYURING_STARVED: (
        "all that is in flight waits for a provided buffer, and all of them are lent: "
        "this would wait for ever. Give some back: leave their with blocks, or ask for their result()"
    ),
    lib.PYURING_BAD_SLOT: "internal error: the slot for the operation is taken",
    -errno.EBADFD: "the ring is disabled: enable() it first",
}


def misuse(code: int, arguments: tuple[object, ...] = ()) -> Exception:
    """The exception for a negative answer of the C layer itself."""
    if code == lib.PYURING_BAD_FD:
        return BadDescriptorError(errno.EBADF, f"not a file descriptor: {arguments[0]!r}")
    if code == lib.PYURING_BAD_TABLE:
        return ValueError("the registered file or buffer is not this ring's, or was unregistered")
    if code == lib.PYURING_BAD_OFFSET:
        return ValueError(f"offset must be 0 or more, or -1 for the file's own position, not {arguments[-1]!r}")
    if code == lib.PYURING_BAD_LENGTH:
        return ValueError(
            f"length must be between 0 and {lib.PYURING_MAX_LENGTH} bytes, which is what one SQE transfers, "
            f"not {arguments[2]!r}: split the transfer"
        )
    if code == lib.PYURING_CHAIN_TOO_LONG:
        return ValueError(
            "more linked SQEs than the ring has entries (an operation with timeout= is two of them): "
            "make the chain shorter or the ring larger"
        )
    if code == lib.PYURING_NO_CHAIN:
        return ValueError("a multishot operation cannot be linked: what follows would wait for its end")
    if code == lib.PYURING_NOT_POLLED:
        return ValueError(
            "an IOPOLL ring takes only reads and writes of O_DIRECT files, nop, msg_ring, uring_cmd and updates of "
            "registered things: use another ring for this operation"
        )
    if code in _VALUE_ERRORS:
        return ValueError(_VALUE_ERRORS[code])
    if code in _RUNTIME_ERRORS:
        return RuntimeError(_RUNTIME_ERRORS[code])
    return OSError(-code, os.strerror(-code))
