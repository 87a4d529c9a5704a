"""Direct descriptors: files opened straight into the table of registered files.

They never get a descriptor of the process. The ``direct=`` argument of an operation that
makes a descriptor says where it goes: a registered file (`files[3]`) is the slot, which is
emptied first if something is in it; the table itself (`files`) lets the kernel pick one.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeAlias

from pyuring.completion import Completion, PathCompletion
from pyuring.registered_files import RegisteredFile, RegisteredFiles

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = ["Direct", "DirectCompletion", "PathDirectCompletion", "direct_key", "explained"]

Direct: TypeAlias = "RegisteredFile | RegisteredFiles | None"


def direct_key(direct: Direct) -> int:
    """What the C layer takes as ``direct``: 0 for an ordinary descriptor."""
    if direct is None:
        return 0
    if isinstance(direct, RegisteredFile):
        return direct
    if isinstance(direct, RegisteredFiles):
        return direct._any
    raise TypeError(
        f"direct takes registered files (a free slot is picked) or one of them, not {type(direct).__name__}"
    )


def explained(error: OSError, direct: object) -> OSError:
    """`error`, with what the kernel means by it where a table is full."""
    if error.errno == errno.ENFILE and direct is not None:
        error.add_note("the ring's table of registered files has no free slot left, or none in its alloc_range()")
    return error


def placed(direct: Direct, res: int) -> int:
    """The result `res` of an operation that made a descriptor."""
    if isinstance(direct, RegisteredFiles):
        return direct[res]
    return res if direct is None else direct


class DirectCompletion(Completion[int]):
    """An operation that makes a descriptor: an int, or a `RegisteredFile` where `_direct` said so."""

    __slots__ = ("_direct",)

    _direct: Direct

    def _value(self, res: int) -> int:
        return placed(self._direct, res)

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        return explained(super()._error(res, filename), self._direct)


class PathDirectCompletion(PathCompletion[int]):
    """The same for an operation on a path."""

    __slots__ = ("_direct",)

    _direct: Direct

    def _value(self, res: int) -> int:
        return placed(self._direct, res)

    def _error(self, res: int, filename: Path | None = None) -> OSError:
        return explained(super()._error(res, filename), self._direct)
