"""Operations on open files, against their cousins in `os`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pagecache import PAGE, pages_of, write_pages

from pyuring import Ring, SyncFileRangeFlags

FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2


def test_fsync_and_fdatasync_return_nothing(ring: Ring, data_file: int) -> None:
    os.pwrite(data_file, b"x", 0)
    assert ring.fsync(data_file).result() is None
    assert ring.fdatasync(data_file).result() is None


def test_fallocate_extends_the_file_as_posix_fallocate_does(ring: Ring, tmp_path: Path) -> None:
    stats = []
    for name in ("ours", "theirs"):
        fd = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
        if name == "ours":
            assert ring.fallocate(fd, 4096, 12288).result() is None
        else:
            os.posix_fallocate(fd, 4096, 12288)
        stats.append((os.fstat(fd).st_size, os.fstat(fd).st_blocks))
        os.close(fd)
    assert stats[0] == stats[1]
    assert stats[0][0] == 16384


def test_fallocate_takes_a_mode(ring: Ring, data_file: int) -> None:
    before = os.pread(data_file, 65536, 0)
    assert ring.fallocate(data_file, 65536, 65536, FALLOC_FL_KEEP_SIZE).result() is None
    assert os.fstat(data_file).st_size == 65536
    assert ring.fallocate(data_file, 4096, 8192, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE).result() is None
    assert os.pread(data_file, 65536, 0) == before[:4096] + bytes(8192) + before[12288:]


@pytest.mark.parametrize("length", [0, 1, 1000, 65536, 100_000, 5 * 2**30])
def test_ftruncate_makes_the_file_as_long_as_os_does(ring: Ring, data_file: int, length: int) -> None:
    start = os.pread(data_file, min(length, 1000), 0)
    assert ring.ftruncate(data_file, length).result() is None
    assert os.fstat(data_file).st_size == length
    assert os.pread(data_file, 1000, 0)[: len(start)] == start


@pytest.fixture
def dirty(data_file: int) -> int:
    """A file whose 16 pages all have to be written back, each for itself."""
    write_pages(data_file, 16)
    return data_file


@pytest.mark.parametrize("method", ["fsync", "fdatasync"])
def test_a_part_of_a_file_is_flushed_and_the_rest_is_not(ring: Ring, dirty: int, method: str) -> None:
    assert pages_of(dirty).dirty == 16
    assert getattr(ring, method)(dirty, 4 * PAGE, 3 * PAGE).result() is None
    assert pages_of(dirty, 4 * PAGE, 3 * PAGE).dirty == 0
    assert pages_of(dirty, 0, 4 * PAGE).dirty == 4
    assert pages_of(dirty, 8 * PAGE).dirty == 8
    assert getattr(ring, method)(dirty).result() is None
    assert pages_of(dirty).dirty == 0


@pytest.mark.parametrize("method", ["fsync", "fdatasync"])
@pytest.mark.parametrize(
    ("offset", "length", "kind"),
    [
        (-1, 5, ValueError), (0, -1, ValueError), (5, 0, ValueError), (0, 2**32, ValueError), (2**63, 1, OverflowError),
        ("0", 1, TypeError), (0, "1", TypeError),
    ],
)  # fmt: skip
def test_a_part_that_is_none_is_refused(
    ring: Ring, data_file: int, method: str, offset: Any, length: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        getattr(ring, method)(data_file, offset, length)
    assert ring.in_flight == 0


def test_sync_file_range_writes_back_its_range(ring: Ring, dirty: int) -> None:
    every = SyncFileRangeFlags.WAIT_BEFORE | SyncFileRangeFlags.WRITE | SyncFileRangeFlags.WAIT_AFTER
    assert ring.sync_file_range(dirty, 4 * PAGE, 3 * PAGE, every).result() is None
    part, rest = pages_of(dirty, 4 * PAGE, 3 * PAGE), pages_of(dirty, 8 * PAGE)
    assert (part.dirty, part.written_back, rest.dirty) == (0, 0, 8)
    ring.sync_file_range(dirty, 4 * PAGE, 0, every).result()
    assert (pages_of(dirty).dirty, pages_of(dirty, 0, 4 * PAGE).dirty) == (4, 4)
    ring.sync_file_range(dirty, 0, 0, SyncFileRangeFlags(0)).result()
    assert pages_of(dirty).dirty == 4
    ring.sync_file_range(dirty, 0, 0).result()
    assert pages_of(dirty).dirty == 0


def test_fadvise_drops_a_part_from_the_page_cache_and_brings_it_back(ring: Ring, dirty: int) -> None:
    data_file = dirty
    os.fsync(data_file)
    assert pages_of(data_file).cached == 16
    assert ring.fadvise(data_file, 4 * PAGE, 8 * PAGE, os.POSIX_FADV_DONTNEED).result() is None
    assert (pages_of(data_file).cached, pages_of(data_file, 4 * PAGE, 8 * PAGE).cached) == (8, 0)
    ring.fadvise(data_file, 8 * PAGE, 0, os.POSIX_FADV_DONTNEED).result()
    assert (pages_of(data_file).cached, pages_of(data_file, 0, 4 * PAGE).cached) == (4, 4)
    ring.fadvise(data_file, 0, 2**33, os.POSIX_FADV_DONTNEED).result()
    assert pages_of(data_file).cached == 0, "a length of more than 32 bits arrives whole"
    ring.fadvise(data_file, 0, 16 * PAGE, os.POSIX_FADV_WILLNEED).result()
    assert pages_of(data_file).cached == 16


def test_advice_is_refused_as_os_refuses_it(ring: Ring, data_file: int, pipe: tuple[int, int]) -> None:
    for arguments in ((pipe[0], 0, 1, 0), (data_file, 0, 1, 99)):
        with pytest.raises(OSError) as theirs:
            os.posix_fadvise(*arguments)
        with pytest.raises(OSError) as ours:
            ring.fadvise(*arguments).result()
        assert (ours.value.errno, str(ours.value)) == (theirs.value.errno, str(theirs.value))
