"""What a call asks for: files, offsets, lengths and memory, all of it checked."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, ffi, from_buffer, lib, new
from pyuring.batching.blocks import allocated, block_of, is_bytes_like, pieces_of
from pyuring.batching.files import BatchFiles
from pyuring.batching.integers import column
from pyuring.buffers import release

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.batching.blocks import Block
    from pyuring.batching.integers import Column
    from pyuring.inflight import InFlight

__all__ = ["RangeRequest"]

_RANGES = ffi.typeof("struct pyuring_ranges *")
_NUMBERS = ffi.typeof("int64_t *")
_UNLIMITED = 2**64 - 1


class RangeRequest:
    """Ranges to read or to write. Memory is exported, and paths are open, until `close`.

    And beyond that where something is still in flight, or another thread at work, because a
    signal handler has raised once too often: then the last of them closes it.
    """

    def __init__(
        self,
        ring: InFlight,
        file: object,
        offsets: object,
        *,
        writing: bool,
        bounces: bool = False,
        lends: bool = False,
    ) -> None:
        self.ring = ring
        self.writing = writing
        #: Reads of what is not aligned for O_DIRECT go by whole blocks.
        self.bounces = bounces
        #: The rings are the library's own, whose tables of registered files are free.
        self.lends = lends
        self.exports: list[CData] = []
        #: None where each range has a piece of memory, which has a length.
        self.lengths: Column | None = None
        self.block: Block | None = None
        #: Of the block, where that is new.
        self.view: memoryview | None = None
        #: C's structures, of the threads that work on it; `stop` stops them.
        self.runs: set[CData] = set()
        #: One thing for each of these threads, also between two of those structures.
        self.workers: set[object] = set()
        self.stopped = False
        self.closed = False
        self.files = BatchFiles(file, writing=writing)
        try:
            self.offsets = self._column(offsets, "offsets")
            if self.offsets.size is None:
                raise TypeError("offsets must be a sequence or array of integers, one for each range, not one integer")
            self.count = self.offsets.size
            if self.files.count not in (None, self.count):
                raise ValueError(f"{self.count} offsets need as many files, or one for all, not {self.files.count}")
            #: Bytes transferred, or a negative errno, by range.
            self.results = array("q", [0]) * self.count
            self._results = from_buffer(CHARS, self.results, True)
            self.exports.append(self._results)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of memory and files, unless somebody works with them."""
        self.closed = True
        # In a forked child it is the parent's threads that do, and the parent's memory.
        if (self.runs or self.workers) and os.getpid() == self.ring._pid:
            self.stop()
            return
        release(self.exports)
        self.files.close()

    def stop(self) -> None:
        """Let all threads that work on it come to an end."""
        self.stopped = True
        for c in self.runs.copy():
            lib.pyuring_run_ask_to_stop(ffi.addressof(c, "run"))

    # -- memory -------------------------------------------------------------------

    def read_into(self, out: object, lengths: object) -> None:
        """Have the ranges read into `out`, or, if that is None, into new memory."""
        self._take_lengths(lengths)
        if out is not None:
            self._take_block(block_of(out, self.ring, writable=True))
            self._check("out")
            return
        self.view, block = allocated(self._check("out"))
        self._take_block(block)

    def write_from(self, buffers: Any, lengths: object) -> None:
        """Have the ranges written from `buffers`: one for each of them, or one that they share."""
        if is_bytes_like(buffers):
            self._take_block(block_of(buffers, self.ring, writable=False))
            self._take_lengths(self._equal_parts() if lengths is None else lengths)
        else:
            self._check_pieces(buffers, lengths)
            block = pieces_of(buffers)
            self._take_block(block)
            if len(block.exports) != self.count:
                raise ValueError(f"{self.count} offsets need as many buffers, not {len(block.exports)}")
        self._check("buffers")

    def _check_pieces(self, buffers: Any, lengths: object) -> None:
        if lengths is not None:
            raise TypeError("lengths= goes with one buffer that the ranges share: these have lengths of their own")
        if isinstance(buffers, str) or not hasattr(buffers, "__len__") or not hasattr(buffers, "__getitem__"):
            raise TypeError(
                f"buffers must be a sequence of bytes-like objects, or one of them, not {type(buffers).__name__}"
            )
        if len(buffers) != self.count:
            raise ValueError(f"{self.count} offsets need as many buffers, not {len(buffers)}")

    def _equal_parts(self) -> int:
        size = 0 if self.block is None else self.block.size
        if size % max(self.count, 1) or (size and not self.count):
            raise ValueError(f"a buffer of {size} bytes has no {self.count} parts of one length: pass lengths=")
        return size // max(self.count, 1)

    def _take_lengths(self, lengths: object) -> None:
        self.lengths = self._column(lengths, "lengths")
        if self.lengths.size not in (None, self.count):
            raise ValueError(f"{self.count} offsets need as many lengths, or one for all, not {self.lengths.size}")

    def _take_block(self, block: Block) -> None:
        self.block = block
        self.exports += block.exports

    def _column(self, values: object, name: str) -> Column:
        found = column(values, name)
        if found.export is not None:
            self.exports.append(found.export)
        return found

    # -- for C --------------------------------------------------------------------

    def structure(self, start: int, stop: int, position: int) -> CData:
        """C's structure for the ranges from `start` to `stop`, whose memory begins at `position`."""
        c = new(_RANGES)
        c.writes, c.lends = self.writing, self.lends
        c.count = stop - start
        c.file = self.files.single
        c.files = ffi.cast(_NUMBERS, self.files.items(start))
        c.offsets = self.offsets.fields(start)
        c.results = ffi.cast(_NUMBERS, self._results + 8 * start)
        c.size = _UNLIMITED
        if self.lengths is not None:
            c.lengths = self.lengths.fields(start)
        block = self.block
        if block is None:
            return c
        if block.pieces:
            c.pieces = block.pieces + start
            return c
        c.memory = block.address + position
        c.size = block.size - position
        if block.buffer is not None:
            c.fixed, c.buffer, c.live = True, block.buffer, block.live
        return c

    def length(self, index: int) -> int:
        """How long range `index` is."""
        if self.lengths is not None:
            return self.lengths.at(index)
        return 0 if self.block is None else int(self.block.pieces[index].iov_len)

    def address(self, index: int) -> int:
        """Where the memory of range `index` is."""
        block = self.block
        if block is None:
            return 0
        if block.pieces:
            return int(ffi.cast("uintptr_t", block.pieces[index].iov_base))
        return int(ffi.cast("uintptr_t", block.address)) + self.starts([index])[0]

    def starts(self, stops: list[int]) -> list[int]:
        """Where in the block the ranges with these numbers begin."""
        c = self.structure(0, 0, 0)
        found = []
        for stop in stops:
            c.count = stop
            lib.pyuring_ranges_check(self.ring._c, c)
            found.append(int(c.position))
        return found

    def _check(self, name: str) -> int:
        """Refuse what is wrong with any range; returns how many bytes all of them have."""
        c = self.structure(0, self.count, 0)
        wrong = lib.pyuring_ranges_check(self.ring._c, c)
        if wrong:
            raise self._refusal(wrong, int(c.next), name)
        return int(c.position)

    def _refusal(self, wrong: int, index: int, name: str) -> Exception:
        offset, length = self.offsets.at(index), self.length(index)
        if wrong == lib.PYURING_RANGE_BAD_FILE:
            return self.files.refusal(self.ring, index)
        if wrong == lib.PYURING_RANGE_BAD_OFFSET:
            return ValueError(f"an offset is between 0 and 2**63-1; that of range {index} is {offset}")
        if wrong == lib.PYURING_RANGE_BAD_LENGTH:
            return ValueError(f"a length is between 0 and 2**63-1; that of range {index} is {length}")
        if wrong == lib.PYURING_RANGE_BEYOND_FILES:
            return ValueError(f"range {index}, {length} bytes at offset {offset}, ends beyond 2**63-1")
        if self.block is None:
            return MemoryError(f"the ranges up to number {index} have more bytes together than any memory")
        return ValueError(f"{name} has {self.block.size} bytes, which range {index}, of {length} bytes, goes beyond")
