"""Restrictions: what a ring may do, decided once before it is enabled."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from pyuring._ffi import CData, lib, new
from pyuring.constants import SqeFlags
from pyuring.errors import lacking
from pyuring.history import OPCODES as OPCODE_NAMES
from pyuring.history import REGISTER_CALLS
from pyuring.kernel import OPCODES, is_older
from pyuring.registrations import NUMBERS, Registrations

__all__ = ["Enabling", "Restrictions"]

#: What pyuring sends for itself: close(), cancel() and timeout= need these.
OWN_OPERATIONS = frozenset({lib.IORING_OP_ASYNC_CANCEL, lib.IORING_OP_LINK_TIMEOUT})
OWN_CALLS = frozenset({NUMBERS["REGISTER_SYNC_CANCEL"]})
OWN_FLAGS = SqeFlags.IO_LINK

EVERY_FLAG = 0xFF

#: Flags that can be in every SQE, pyuring's own included.
REQUIRABLE = SqeFlags.FIXED_FILE | SqeFlags.ASYNC


class Restrictions:
    """What a ring may do once it is enabled, for ``Ring(restrictions=...)``.

    Each list is of what is allowed; None allows everything. pyuring's own requests are allowed
    always: to cancel, and the time limits of operations. An operation that is not allowed
    completes with ``PermissionError``, a register call raises it.

    Args:
        operations: names of methods (``"read"``; ``"read_fixed"`` and ``"write_fixed"`` for
            those with registered buffers), or numbers of opcodes.
        register_calls: names without IORING_ (``"REGISTER_FILES_UPDATE"``), or numbers. What
            is registered before the ring is enabled needs no permission.
        flags: `SqeFlags` that operations may have. ``IO_LINK`` they always may.
        required: `SqeFlags` that operations must have: ``FIXED_FILE``, so that they use
            registered files only, or ``ASYNC``.
    """

    __slots__ = ("flags", "operations", "register_calls", "required")

    def __init__(
        self,
        operations: Iterable[str | int] | None = None,
        register_calls: Iterable[str | int] | None = None,
        flags: SqeFlags | int | None = None,
        required: SqeFlags | int = 0,
    ) -> None:
        for name, names in (("operations", operations), ("register_calls", register_calls)):
            if isinstance(names, str):
                raise TypeError(f"{name} takes a list of names, not one")
        self.operations = None if operations is None else tuple(operations)
        self.register_calls = None if register_calls is None else tuple(register_calls)
        self.flags = flags
        self.required = required

    def _rules(self, known: frozenset[int]) -> list[tuple[int, int]]:
        """As the kernel takes them: (kind of rule, number)."""
        if int(self.required) & ~int(REQUIRABLE):
            raise ValueError(f"only FIXED_FILE and ASYNC can be required, not {SqeFlags(self.required)!r}")
        if self.flags is not None and not 0 <= self.flags <= EVERY_FLAG:
            raise ValueError(f"flags takes SqeFlags, not {self.flags}")
        operations = known if self.operations is None else {opcode_of(name, known) for name in self.operations}
        there = known_calls()
        calls = there if self.register_calls is None else {call_of(name, there) for name in self.register_calls}
        if NUMBERS["REGISTER_RING_FDS"] in calls:
            calls = calls | {NUMBERS["UNREGISTER_RING_FDS"]}
        allowed = (EVERY_FLAG if self.flags is None else int(self.flags)) | OWN_FLAGS | self.required
        return [
            *((lib.IORING_RESTRICTION_SQE_OP, number) for number in sorted(operations | OWN_OPERATIONS)),
            *((lib.IORING_RESTRICTION_REGISTER_OP, number) for number in sorted(calls | (OWN_CALLS & there))),
            (lib.IORING_RESTRICTION_SQE_FLAGS_ALLOWED, int(allowed)),
            (lib.IORING_RESTRICTION_SQE_FLAGS_REQUIRED, int(self.required)),
        ]


def opcode_of(name: str | int, known: frozenset[int]) -> int:
    """The opcode that is meant by the name of a method or a number; `known` are this kernel's."""
    number = OPCODES.get(name, -1) if isinstance(name, str) else name
    if not 0 <= number < len(OPCODE_NAMES):
        raise ValueError(f"no operation is called {name!r}")
    if number not in known:
        raise lacking(*OPCODE_NAMES[number])
    return number


def known_calls() -> frozenset[int]:
    """The register calls of this kernel."""
    answer = new("struct pyuring_query *")
    if lib.pyuring_query(answer) == 0:
        return frozenset(range(answer.nr_register_opcodes))
    return frozenset(number for number, (_, since) in enumerate(REGISTER_CALLS) if not is_older(since))


def call_of(name: str | int, known: frozenset[int]) -> int:
    """The register call that is meant by a name or a number; `known` are this kernel's."""
    number = NUMBERS.get(name, -1) if isinstance(name, str) else name
    if not 0 <= number < len(REGISTER_CALLS):
        raise ValueError(f"no register call is called {name!r}")
    if number not in known:
        raise lacking(*REGISTER_CALLS[number])
    return number


class Enabling(Registrations):
    """The part of `Ring` for what is decided before it is enabled."""

    @property
    def enabled(self) -> bool:
        """Whether the ring takes submissions: False until `enable`, on one made disabled."""
        return not self._c.disabled

    def enable(self) -> None:
        """Enable a ring that was made with ``restrictions`` or ``SetupFlags.R_DISABLED``.

        What was prepared before can be submitted from now on.

        Raises:
            RuntimeError: the ring is enabled already; closed, or another thread's.

        See `io_uring_enable_rings(3)`, kernel 5.10.
        """
        code = lib.pyuring_enable(self._c)
        if code == -errno.EBADFD:
            raise RuntimeError("the ring is enabled already")
        if code < 0:
            raise self._rejection(code)

    def _configure(self, restrictions: Restrictions | None, *, registered_waits: bool) -> None:
        """Tell a disabled ring what has to be told before it is enabled."""
        if registered_waits:
            code = lib.pyuring_register_waits(self._c)
            if code == -errno.EINVAL:
                raise lacking("registered_waits", "6.13")
            if code < 0:
                raise self._rejection(code)
        if restrictions is not None:
            rules = restrictions._rules(self._supported())
            self._tell("REGISTER_RESTRICTIONS", as_array(rules), len(rules))
            self._c.required = int(restrictions.required)


def as_array(rules: list[tuple[int, int]]) -> CData:
    """An array of ``struct io_uring_restriction``."""
    array = new("struct io_uring_restriction[]", len(rules))
    for entry, (kind, number) in zip(array, rules, strict=True):
        entry.opcode = kind
        entry.sqe_op = number
    return array
