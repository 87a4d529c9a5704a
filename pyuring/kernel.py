"""What the running kernel has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyuring._ffi import ffi, lib, new, text

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["OPCODES", "SINCE", "is_older", "is_there", "read_probe"]

#: Opcode, and the first kernel that has it, by the name of the row in operations.h,
#: which is that of the method.
OPCODES: dict[str, int] = {text(row.name): row.opcode for row in lib.pyuring_opcodes}
SINCE: dict[str, str] = {text(row.name): text(row.since) for row in lib.pyuring_opcodes}

#: Methods that share another one's row.
for _method, _row in (
    ("readinto", "read"),
    ("recv_into", "recv"),
    ("fdatasync", "fsync"),
    ("recvfrom", "recvmsg"),
    ("recvfrom_into", "recvmsg"),
    ("getpeername", "getsockname"),
):
    OPCODES[_method] = OPCODES[_row]
    SINCE[_method] = SINCE[_row]


def _first(opcode: int) -> list[int]:
    return min(_numbers(SINCE[name]) for name, number in OPCODES.items() if number == opcode)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def is_older(version: str) -> bool:
    """Whether the running kernel is older than `version`, such as "5.19"."""
    return _numbers(".".join(os.uname().release.split("-")[0].split(".")[:2])) < _numbers(version)


def is_there(name: str, opcodes: frozenset[int]) -> bool:
    """Whether a kernel with these `opcodes` has the operation `name`.

    One that came later than its opcode no probe tells; the version has to.
    """
    opcode = OPCODES.get(name)
    if opcode is None or opcode not in opcodes:
        return False
    return _numbers(SINCE[name]) == _first(opcode) or not is_older(SINCE[name])


def read_probe(c: CData) -> frozenset[int] | int:
    """The opcodes that the kernel behind the ring `c` has, or the C layer's refusal."""
    table = new("uint8_t[]", lib.PYURING_PROBE_OPCODES)
    code: int = lib.pyuring_probe(c, table)
    if code == lib.PYURING_NOT_YOURS:
        return code
    if code < 0:  # kernels before 5.6 cannot tell, and a sandbox may forbid to ask
        return frozenset(OPCODES[name] for name, since in SINCE.items() if not is_older(since))
    return frozenset(number for number, there in enumerate(ffi.unpack(table, len(table))) if there)
