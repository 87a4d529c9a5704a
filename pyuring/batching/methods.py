"""Thousands of operations in one call: the part of `Ring` that does it on that ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from pyuring._ffi import lib
from pyuring.batching.ranges import read, write
from pyuring.batching.single import read_one, write_one
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from array import array

__all__ = ["DEPTH", "Batches"]

#: In flight by default: where disks have reached their best rate.
DEPTH = 128


class Batches(InFlight):
    """The part of `Ring` that reads and writes in batches."""

    @overload
    def read_ranges(
        self,
        file: object,
        offsets: object,
        lengths: object,
        out: None = None,
        *,
        depth: int = DEPTH,
        bounce: bool = False,
    ) -> list[memoryview]: ...
    @overload
    def read_ranges(
        self, file: object, offsets: object, lengths: object, out: object, *, depth: int = DEPTH, bounce: bool = False
    ) -> array[int]: ...
    def read_ranges(
        self,
        file: object,
        offsets: object,
        lengths: object,
        out: object = None,
        *,
        depth: int = DEPTH,
        bounce: bool = False,
    ) -> list[memoryview] | array[int]:
        """Read many ranges of a file, or of several, in one call: `pyuring.read_ranges` on this ring.

        Registered files and buffers of this ring go where files and `out` go. Completions of
        other operations that come meanwhile stay for `wait`.

        Raises:
            RuntimeError: another thread's ring, a closed one, or one with an open `link`.

        See `pyuring.read_ranges`.
        """
        if file.__class__ is int and lengths.__class__ is int and lib.pyuring_is_mine(self._c):
            done = read_one(file, offsets, lengths, out)
            if done is not None:
                return done
        return read(self, file, offsets, lengths, out, depth=depth, bounce=bounce)

    def write_ranges(
        self,
        file: object,
        offsets: object,
        buffers: object,
        *,
        lengths: object = None,
        depth: int = DEPTH,
    ) -> array[int]:
        """Write many ranges of a file, or of several, in one call: `pyuring.write_ranges` on this ring.

        As `read_ranges`, see `pyuring.write_ranges`.
        """
        if file.__class__ is int and lengths is None and lib.pyuring_is_mine(self._c):
            done = write_one(file, offsets, buffers)
            if done is not None:
                return done
        return write(self, file, offsets, buffers, lengths, depth=depth)
