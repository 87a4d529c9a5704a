"""The one door to C: everything else imports `ffi` and `lib` from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyuring._liburing import ffi, lib

if TYPE_CHECKING:
    from _cffi_backend import _CDataBase as CData

__all__ = ["CHARS", "NULL", "ffi", "lib", "text"]

#: Prebuilt: naming a C type by a string costs a parse on every use.
CHARS = ffi.typeof("char[]")
NULL = ffi.NULL


def text(pointer: CData) -> str:
    """The C string at `pointer`."""
    value = ffi.string(pointer)
    return value.decode() if isinstance(value, bytes) else str(value)


# A child that forks inherits the rings' memory: this makes all of them refuse.
if lib.pyuring_watch_forks() != 0:
    raise MemoryError("no memory to watch for forks, and without it a ring is not safe")
