"""Offsets and lengths, however they come: a number, a range, an array, a list."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pyuring._ffi import CHARS, NULL, ffi, from_buffer

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["Column", "column"]

_SIGNED, _UNSIGNED = frozenset("bhilqn"), frozenset("BHILQN")
#: Marks of byte order, in front of a format, that make no difference here.
_NATIVE_ORDER = "@=" + ("<" if sys.byteorder == "little" else ">")
_LARGEST = 2**63 - 1


class Column(NamedTuple):
    """The fields of C's ``struct pyuring_integers``, and what is behind them."""

    items: CData
    first: int
    step: int
    width: int
    #: None: any number of times the same.
    size: int | None
    #: The export that `items` points into, to be released in the end.
    export: CData | None

    def fields(self, start: int = 0) -> tuple[Any, int, int, int]:
        """For C, from item `start` on."""
        if self.export is None:
            return NULL, self.first + start * self.step, self.step, 0
        return self.items + start * abs(self.width), 0, 0, self.width

    def at(self, index: int) -> int:
        """Number `index`."""
        if self.export is None:
            return self.first + index * self.step
        width = abs(self.width)
        item = bytes(ffi.buffer(self.items + index * width, width))
        return int.from_bytes(item, sys.byteorder, signed=self.width < 0)


def column(values: object, name: str) -> Column:
    """`values`, one integer or many; those of an array are not copied.

    Raises:
        TypeError: neither, or some of them are no integers; a bool is none.
        OverflowError: one is larger than 2**63-1.
    """
    if isinstance(values, int) and not isinstance(values, bool):
        return _steps(values, 0, None, name)
    if isinstance(values, range):
        if len(values):
            _steps(values[-1], 0, None, name)
        return _steps(values.start, values.step if len(values) > 1 else 0, len(values), name)
    try:
        view = memoryview(values)  # type: ignore[arg-type]
    except TypeError:
        return _listed(values, name)
    with view:
        return _array(values, view, name)


def _steps(first: int, step: int, count: int | None, name: str) -> Column:
    if max(first, abs(step)) > _LARGEST or first < -_LARGEST:
        raise OverflowError(f"{name} must be less than 2**63, not {max(first, abs(step))}")
    return Column(NULL, first, step, 0, count, None)


def _array(values: Any, view: memoryview, name: str) -> Column:
    code = view.format.lstrip(_NATIVE_ORDER)
    if code not in _SIGNED | _UNSIGNED:
        raise TypeError(f"{name} must be integers of this machine's byte order, not an array of format {view.format!r}")
    if view.ndim != 1:
        raise TypeError(f"{name} must be an array of one dimension, not of {view.ndim}")
    owner = values if view.c_contiguous else view.tobytes()
    export = from_buffer(CHARS, owner)
    return Column(export + 0, 0, 0, view.itemsize if code in _UNSIGNED else -view.itemsize, len(view), export)


def _listed(values: object, name: str) -> Column:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"{name} must be an integer, or a sequence or array of integers, not {type(values).__name__}")
    wrong = [kind for kind in set(map(type, values)) if kind is bool or not hasattr(kind, "__index__")]
    if wrong:
        raise TypeError(f"{name} must be integers, but some are {wrong[0].__name__}")
    try:
        export = from_buffer(CHARS, array("q", values))
    except OverflowError:
        raise OverflowError(f"{name} must be between 0 and 2**63-1") from None
    return Column(export + 0, 0, 0, -8, len(values), export)
