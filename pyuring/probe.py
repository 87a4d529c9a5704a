"""What the running kernel has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyuring._ffi import ffi, lib, new, text

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["OPCODES", "read_probe"]

#: Opcode by the name of the row in operations.h, which is that of the method.
OPCODES: dict[str, int] = {text(row.name): row.opcode for row in lib.pyuring_opcodes}

#: Methods that share another one's opcode.
OPCODES["readinto"] = OPCODES["read"]
OPCODES["recv_into"] = OPCODES["recv"]
OPCODES["fdatasync"] = OPCODES["fsync"]


def read_probe(c: CData) -> frozenset[int] | int:
    """The opcodes that the kernel behind the ring `c` has, or the C layer's refusal."""
    table = new("uint8_t[]", lib.PYURING_PROBE_OPCODES)
    code: int = lib.pyuring_probe(c, table)
    if code < 0:
        return code
    return frozenset(number for number, there in enumerate(ffi.unpack(table, len(table))) if there)
