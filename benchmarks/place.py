"""Where a case does its I/O: the files, the memory, and the order of the blocks."""

from __future__ import annotations

import mmap
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle

from .content import content
from .filesystem import file_system

__all__ = ["READS", "SLOTS", "Files", "MixedPlace", "Place", "direct_refusal", "made_files", "touch", "touched_blocks"]

#: Blocks of memory that every contender goes round in, as many as the largest depth:
#: fio does the same, and a contender with a single hot block would not compare.
SLOTS = 128

#: The part of reads in a mixed case.
READS = 0.7

_CHUNK = 1 << 20
_COURSE = 1 << 16
_MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "hugetlbfs")


@dataclass(frozen=True)
class Files:
    """The file that is only read, with known content, and the one that is written over."""

    source: str
    target: str

    @property
    def folder(self) -> str:
        """Where cases may make more; it is removed with all that is in it."""
        return os.path.dirname(self.source)


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

    def __init__(
        self, path: str, *, size: int, direct: bool, sequential: bool, writing: bool, slots: int = SLOTS
    ) -> None:
        self.path = path
        self.size = size
        self.direct = direct
        self.sequential = sequential
        self.writing = writing
        self.length = os.stat(path).st_size
        self.blocks = touched_blocks(size, slots)
        #: What is written, where `blocks` are what is read: in a mixed case.
        self.sources: list[memoryview] = []
        #: Where reading ends and writing begins, in a mixed case.
        self.boundary: int | None = None
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


class MixedPlace(Place):
    """Random blocks, 70 % from the first half of the file, to be read, the others to be written.

    What is read can so be checked, whatever is written.
    """

    def __init__(self, path: str, *, size: int, direct: bool) -> None:
        super().__init__(path, size=size, direct=direct, sequential=False, writing=True)
        self.sources = touched_blocks(size, SLOTS)
        self.boundary = self.length // size // 2 * size
        shuffle = random.Random(self.length)
        reads = cycle([offset for offset in self._offsets if offset < self.boundary])
        writes = cycle([offset for offset in self._offsets if offset >= self.boundary])
        self._offsets = [next(reads if shuffle.random() < READS else writes) for _ in self._offsets]

    def restore(self) -> None:
        """Have the first half hold what belongs there, whoever wrote to the file before."""
        assert self.boundary is not None
        with open(self.path, "r+b") as file:
            for offset in range(0, self.boundary, _CHUNK):
                file.write(content(offset, min(_CHUNK, self.boundary - offset)))
            file.flush()
            os.fsync(file.fileno())


def touch(memory: memoryview) -> None:
    """Write to each page once: page faults are no part of any I/O measured here."""
    for start in range(0, len(memory), mmap.PAGESIZE):
        memory[start] = 1


def touched_blocks(size: int, slots: int) -> list[memoryview]:
    """Page-aligned memory."""
    slab = memoryview(mmap.mmap(-1, slots * size))
    touch(slab)
    return [slab[i * size : (i + 1) * size] for i in range(slots)]
