"""Operations on several pieces of one registered buffer."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyuring._ffi import ffi, new
from pyuring.completion import Handle
from pyuring.registered_buffers import RegisteredBuffer

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.completion import Path

__all__ = ["OfPieces", "pieces_of_one"]

_IOVECS = ffi.typeof("struct iovec[]")


class OfPieces(Handle):
    """What the handles of such operations have in common: newer kernels have them than have the plain ones."""

    __slots__ = ()

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        error = super()._error(res, filename)
        since = self._ring._first_kernel_with(f"{self.operation}_fixed") if res == -errno.EINVAL else None
        if since is not None:
            error.add_note(f"several pieces of a registered buffer in one operation need Linux {since}")
        return error


def pieces_of_one(operation: str, parts: list[Any]) -> tuple[RegisteredBuffer, CData]:
    """The registered buffer that all of `parts` are pieces of, and an array of iovecs over them.

    Raises:
        TypeError: other buffers are among them.
        ValueError: pieces of several registered buffers, which the kernel does not take.
    """
    first: RegisteredBuffer = parts[0]
    for part in parts:
        if not isinstance(part, RegisteredBuffer):
            raise TypeError(f"{operation} takes registered buffers or others, not both: {type(part).__name__}")
    for part in parts:
        if part._c.index != first._c.index or part._c.live != first._c.live:
            raise ValueError(
                f"{operation} takes pieces of one registered buffer, and these are of number {first.index} and "
                f"number {part.index}: make one operation for each, or one slab with register_buffers(count=, size=)"
            )
    # The kernel takes no empty pieces here, although it does elsewhere.
    return first, new(_IOVECS, [(part._c.address, part._c.length) for part in parts if part._c.length])
