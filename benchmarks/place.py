"""Where a case does its I/O: the files, the memory, and the order of the blocks."""

from __future__ import annotations

import mmap
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .content import content
from .environment import file_system

__all__ = ["SLOTS", "Files", "Place", "direct_refusal", "made_files"]

#: Blocks of memory that every contender goes round in, as many as the largest depth:
#: fio does the same, and a contender with a single hot block would not compare.
SLOTS = 128

_CHUNK = 1 << 20
_COURSE = 1 << 16
_MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "hugetlbfs")


@dataclass(frozen=True)
class Files:
    """The file that is only read, with known content, and the one that is written over."""

    source: str
    target: str


@contextmanager
def made_files(directory: str, source_bytes: int, target_bytes: int) -> Iterator[Files]:
    """Make the files in a new folder inside `directory`, and remove it in the end."""
    with tempfile.TemporaryDirectory(prefix="pyuring-benchmark-", dir=directory) as folder:
        files = Files(os.path.join(folder, "source"), os.path.join(folder, "target"))
        _write_file(files.source, source_bytes)
        _write_file(files.target, target_bytes)
        yield files


def _write_file(path: str, length: int) -> None:
    """Written in full and synced: holes and blocks not yet allocated would make I/O look faster."""
    with open(path, "xb") as file:
        for offset in range(0, length, _CHUNK):
            file.write(content(offset, min(_CHUNK, length - offset)))
        file.flush()
        os.fsync(file.fileno())


def direct_refusal(path: str, size: int) -> str | None:
    """Why blocks of `size` cannot be read from `path` past the page cache; None if they can."""
    kind = file_system(path).kind
    if kind in _MEMORY_FILE_SYSTEMS:
        return f"{kind} has no O_DIRECT: its files are nowhere but in memory"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        return f"{kind} has no O_DIRECT ({error.strerror})"
    try:
        with mmap.mmap(-1, max(size, mmap.PAGESIZE)) as memory, memoryview(memory)[:size] as block:
            os.preadv(fd, [block], 0)
    except OSError as error:
        return f"{kind} takes no O_DIRECT reads of {size} bytes here ({error.strerror})"
    finally:
        os.close(fd)
    return None


class Place:
    """One combination of page cache or O_DIRECT, block size, order and direction."""

    def __init__(self, path: str, *, size: int, direct: bool, sequential: bool, writing: bool) -> None:
        self.path = path
        self.size = size
        self.direct = direct
        self.sequential = sequential
        self.writing = writing
        self.length = os.stat(path).st_size
        self.blocks = _touched_blocks(size)
        self._offsets = self._order()

    def _order(self) -> list[int]:
        count = self.length // self.size
        if count == 0:
            raise ValueError(f"a file of {self.length} bytes has no block of {self.size}")
        numbers = range(count)
        if not self.sequential:
            return [number * self.size for number in random.Random(count).sample(numbers, min(count, _COURSE))]
        return [number * self.size for number in numbers]

    def course(self, start: int, count: int) -> list[int]:
        """`count` offsets in the place's order, from the `start`-th on, round and round."""
        offsets = self._offsets
        first = start % len(offsets)
        course = offsets[first : first + count]
        while len(course) < count:
            course += offsets[: count - len(course)]
        return course

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file's descriptor, opened as this place does its I/O."""
        fd = os.open(self.path, (os.O_RDWR if self.writing else os.O_RDONLY) | (os.O_DIRECT if self.direct else 0))
        try:
            yield fd
        finally:
            os.close(fd)

    def read_back(self, offset: int) -> bytes:
        """What the file holds at `offset`, by plain means."""
        with open(self.path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), self.size, offset)

    def warm(self) -> None:
        """Have all of the file in the page cache."""
        with open(self.path, "rb", buffering=0) as file:
            while file.read(_CHUNK):
                pass

    def settle(self) -> None:
        """Have what was written on the disk, so that the next contender does not wait for it."""
        if self.writing:
            fd = os.open(self.path, os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _touched_blocks(size: int) -> list[memoryview]:
    """Page-aligned memory, written once: page faults are no part of any I/O measured here."""
    slab = memoryview(mmap.mmap(-1, SLOTS * size))
    for start in range(0, len(slab), mmap.PAGESIZE):
        slab[start] = 1
    return [slab[i * size : (i + 1) * size] for i in range(SLOTS)]
