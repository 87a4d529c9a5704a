"""What io_uring of the running kernel has, and which kernel brought what."""

from __future__ import annotations

import os
from enum import IntFlag
from typing import NamedTuple, TypeVar

from pyuring._ffi import lib, new
from pyuring.creation import make_ring
from pyuring.history import FEATURES, OPCODES, REGISTER_CALLS, SETUP_FLAGS, SQE_FLAGS
from pyuring.kernel import OPCODES as METHODS
from pyuring.kernel import is_older, read_probe
from pyuring.ring import Ring

__all__ = ["KernelItem", "Probe", "probe"]

F = TypeVar("F", bound=IntFlag)

#: Rows that are no methods of their own: the method chooses them for a registered buffer.
WITH_REGISTERED_BUFFER = {"read_fixed": "readinto", "write_fixed": "write"}


class KernelItem(NamedTuple):
    """Something that a kernel has or lacks.

    Attributes:
        name: the kernel's name for it, without prefix.
        number: an opcode, or the bit mask of a flag.
        supported: whether the running kernel has it.
        since: the first kernel that has it.
        methods: for an opcode, the methods of `Ring` that use it.
    """

    name: str
    number: int
    supported: bool
    since: str
    methods: tuple[str, ...] = ()


class Probe:
    """What io_uring of the running kernel has; from `probe`.

    Attributes:
        release: of the kernel, as ``uname`` has it.
        operations: the opcodes, by number.
        register_calls: those of `io_uring_register(2)`, by number.
        setup_flags: what a ring can be made with.
        features: what its rings report.
        sqe_flags: the modifiers of operations.
        asked: whether the kernel told all this itself, as 6.18 and newer do. Otherwise setup
            flags, register calls and SQE flags are judged by its release.
    """

    __slots__ = ("asked", "features", "operations", "register_calls", "release", "setup_flags", "sqe_flags")

    def __init__(
        self,
        *,
        release: str,
        operations: tuple[KernelItem, ...],
        register_calls: tuple[KernelItem, ...],
        setup_flags: tuple[KernelItem, ...],
        features: tuple[KernelItem, ...],
        sqe_flags: tuple[KernelItem, ...],
        asked: bool,
    ) -> None:
        self.release = release
        self.operations = operations
        self.register_calls = register_calls
        self.setup_flags = setup_flags
        self.features = features
        self.sqe_flags = sqe_flags
        self.asked = asked

    def __getitem__(self, name: str) -> KernelItem:
        """The operation, register call or flag of that name: ``probe()["READ"].supported``."""
        for items in self._groups().values():
            for item in items:
                if item.name == name:
                    return item
        raise KeyError(name)

    def _groups(self) -> dict[str, tuple[KernelItem, ...]]:
        return {
            "operations": self.operations,
            "register calls": self.register_calls,
            "setup flags": self.setup_flags,
            "features": self.features,
            "SQE flags": self.sqe_flags,
        }

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{sum(item.supported for item in items)} of {len(items)} {what}" for what, items in self._groups().items()
        )
        return f"<Probe of Linux {self.release}: {counts}>"

    def __str__(self) -> str:
        lines = [f"io_uring of Linux {self.release}"]
        for what, items in self._groups().items():
            lines += ["", f"{what}:"]
            for item in items:
                mark = "yes" if item.supported else "no "
                methods = f"  {', '.join(item.methods)}" if item.methods else ""
                lines.append(f"  {mark}  {item.name:<28} {item.since:<5}{methods}".rstrip())
        return "\n".join(lines)


def probe() -> Probe:
    """Look at what the running kernel's io_uring has, and which kernel brought it.

    Raises:
        UnavailableError: no ring can be made here; the text says why and what to do.

    See `io_uring_register_query(3)`, kernel 6.18; `io_uring_get_probe(3)`, kernel 5.6.
    """
    c = new("struct pyuring *")
    try:
        make_ring(c, 1, None, None, None, None, None, disabled=False)
        opcodes = read_probe(c)
        if isinstance(opcodes, int):
            raise OSError(-opcodes, os.strerror(-opcodes) if opcodes > -4096 else "the ring is another thread's")
        features = int(c.ring.features)
    finally:
        lib.pyuring_exit(c, False)
    answer = new("struct pyuring_query *")
    asked = lib.pyuring_query(answer) == 0
    calls = range(answer.nr_register_opcodes) if asked else None
    return Probe(
        release=os.uname().release,
        operations=tuple(
            KernelItem(name, number, number in opcodes, since, methods_of(number))
            for number, (name, since) in enumerate(OPCODES)
        ),
        register_calls=tuple(
            KernelItem(name, number, number in calls if calls is not None else not is_older(since), since)
            for number, (name, since) in enumerate(REGISTER_CALLS)
        ),
        setup_flags=flags(SETUP_FLAGS, int(answer.ring_setup_flags) if asked else None),
        features=flags(FEATURES, features),
        sqe_flags=flags(SQE_FLAGS, int(answer.sqe_flags) if asked else None),
        asked=asked,
    )


def methods_of(opcode: int) -> tuple[str, ...]:
    """The methods of `Ring` that use an opcode."""
    rows = (name for name, number in METHODS.items() if number == opcode)
    return tuple(sorted(name for name in (WITH_REGISTERED_BUFFER.get(row, row) for row in rows) if hasattr(Ring, name)))


def flags(table: dict[F, str], there: int | None) -> tuple[KernelItem, ...]:
    """The flags of `table`: supported if in the mask `there`, or by the kernel's release."""
    return tuple(
        KernelItem(str(flag.name), int(flag), bool(there & flag) if there is not None else not is_older(since), since)
        for flag, since in table.items()
    )
