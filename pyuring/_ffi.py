"""The one door to C: everything else imports `ffi` and `lib` from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._liburing import ffi, lib

if TYPE_CHECKING:
    from pyuring._liburing import struct_pyuring

    #: C's ``struct pyuring``; only type checkers know the name.
    RingStruct: TypeAlias = struct_pyuring

__all__ = ["CHARS", "NULL", "CData", "ffi", "from_buffer", "lib", "new", "text"]

#: A C value. What attributes and items it has depends on its C type.
CData: TypeAlias = Any

#: Prebuilt: naming a C type by a string costs a parse on every use.
CHARS = ffi.typeof("char[]")
NULL = ffi.NULL

# Without the types of cffi's stubs, which know nothing of a structure's fields.
new: Callable[..., CData] = ffi.new
from_buffer: Callable[..., CData] = ffi.from_buffer


def text(pointer: CData) -> str:
    """The C string at `pointer`."""
    value = ffi.string(pointer)
    return value.decode() if isinstance(value, bytes) else str(value)


# A child that forks inherits the rings' memory: this makes all of them refuse.
if lib.pyuring_watch_forks() != 0:
    raise MemoryError("no memory to watch for forks, and without it a ring is not safe")
