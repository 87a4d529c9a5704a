"""madvise, against that of mmap."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from pyuring import Ring

PAGE = mmap.PAGESIZE


def private(pages: int, extra: int = 0) -> mmap.mmap:
    mapping = mmap.mmap(-1, pages * PAGE + extra, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapping[:] = b"x" * len(mapping)
    return mapping


PARTS = [(0, None), (PAGE, None), (PAGE, PAGE), (0, 2 * PAGE), (2 * PAGE, 0), (4 * PAGE, None)]


@pytest.mark.parametrize("part", PARTS)
def test_dontneed_does_what_mmap_does(ring: Ring, part: tuple[int, int | None]) -> None:
    ours, theirs = private(4), private(4)
    start, length = part
    assert ring.madvise(ours, mmap.MADV_DONTNEED, start, length).result() is None
    stop = len(theirs) if length is None else start + length
    if stop > start:
        theirs.madvise(mmap.MADV_DONTNEED, start, stop - start)
    assert ours[:] == theirs[:]


def test_the_last_page_of_a_mapping_is_all_its_own(ring: Ring) -> None:
    mapping = private(1, 100)
    ring.madvise(mapping, mmap.MADV_DONTNEED).result()
    assert mapping[:] == bytes(PAGE + 100)


def test_the_last_page_of_anything_else_is_not(ring: Ring) -> None:
    mapping = private(2)
    view = memoryview(mapping)[: PAGE + 100]
    with pytest.raises(ValueError, match="behind"):
        ring.madvise(view, mmap.MADV_DONTNEED)
    assert ring.madvise(view, mmap.MADV_WILLNEED).result() is None
    assert ring.madvise(view[:PAGE], mmap.MADV_DONTNEED).result() is None
    assert mapping[:] == bytes(PAGE) + b"x" * PAGE
    view.release()


def test_memory_that_is_not_writable_takes_advice_that_leaves_it_alone(ring: Ring, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 1000)
    with (tmp_path / "file").open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for advice in (mmap.MADV_SEQUENTIAL, mmap.MADV_WILLNEED, 20, 22):
        assert ring.madvise(mapping, advice).result() is None
    with pytest.raises(TypeError, match="writable"):
        ring.madvise(mapping, mmap.MADV_DONTNEED)
    assert mapping[:7] == b"content"


def test_memory_is_held_until_the_advice_is_taken(ring: Ring) -> None:
    mapping = private(2)
    op = ring.madvise(mapping, mmap.MADV_DONTNEED)
    with pytest.raises(BufferError):
        mapping.close()
    op.result()
    mapping.close()


def test_willneed_brings_a_file_into_memory(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(64 * PAGE))
    with path.open("r+b") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        mapping = mmap.mmap(file.fileno(), 0)
    assert ring.madvise(mapping, 23).result() is None
    assert mapping[:] == bytes(64 * PAGE)
