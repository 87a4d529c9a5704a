"""Operations about operations: their targets."""

from __future__ import annotations

import errno
from typing import Any

import pyuring
from pyuring import Completion, Ring

from .kit import LAYOUT, Check, Sqe


def finished(ring: Ring, operation: str) -> Completion[Any]:
    """The handle of an operation that is done, and took no SQE."""
    op: Completion[Any] = Completion()
    op._ring, op.operation, op.res, op.flags, op._slot = ring, operation, 0, 0, -1
    return op


def user_data_of(ring: Ring, opcode: int) -> int:
    """That of the one SQE with this opcode."""
    raw = bytes(pyuring.ffi.buffer(ring._c.ring.sq.sqes, LAYOUT.size * ring.entries))
    (number,) = [sqe.user_data for sqe in map(Sqe._make, LAYOUT.iter_unpack(raw)) if sqe.opcode == opcode]
    return number


def check_target(opcode: int) -> Check:
    def check(sqe: Sqe, op: Any) -> None:
        assert sqe.addr == user_data_of(op._ring, opcode)

    return check


def is_cancelled(op: Completion[Any]) -> bool:
    try:
        op.result(timeout=5)
    except OSError as error:
        return error.errno == errno.ECANCELED
    return False
