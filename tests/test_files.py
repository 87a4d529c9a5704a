"""Operations on open files, against their cousins in `os`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyuring import Ring

FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2


@pytest.mark.parametrize("sizes", [[], [0], [5], [1, 2, 3], [4096, 4096, 1], [10] * 1024])
def test_readv_does_what_preadv_does(ring: Ring, data_file: int, sizes: list[int]) -> None:
    ours, theirs = [bytearray(size) for size in sizes], [bytearray(size) for size in sizes]
    assert ring.readv(data_file, ours, 7).result() == os.preadv(data_file, theirs, 7)
    assert ours == theirs


@pytest.mark.parametrize("parts", [[], [b""], [b"one"], [b"a", b"", b"bc"], [b"0123456789"] * 1024])
def test_writev_does_what_pwritev_does(ring: Ring, tmp_path: Path, parts: list[bytes]) -> None:
    results, contents = [], []
    for name in ("ours", "theirs"):
        fd = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
        results.append(ring.writev(fd, parts, 3).result() if name == "ours" else os.pwritev(fd, parts, 3))
        contents.append(os.pread(fd, 20000, 0))
        os.close(fd)
    assert results[0] == results[1] == sum(map(len, parts))
    assert contents[0] == contents[1]


def test_readv_near_the_end_fills_what_there_is(ring: Ring, data_file: int) -> None:
    buffers = [bytearray(b"." * 8) for _ in range(3)]
    assert ring.readv(data_file, buffers, 65536 - 12).result() == 12
    assert b"".join(buffers) == os.pread(data_file, 12, 65536 - 12) + b"." * 12


def test_vectors_use_and_move_the_files_own_position(ring: Ring, data_file: int) -> None:
    content = os.pread(data_file, 10, 0)
    buffers = [bytearray(4), bytearray(6)]
    assert ring.readv(data_file, buffers).result() == 10
    assert b"".join(buffers) == content
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 10
    assert ring.writev(data_file, [b"ab", b"c"]).result() == 3
    assert os.pread(data_file, 3, 10) == b"abc"


def test_vectors_come_from_any_iterable_and_hold_each_part(ring: Ring, pipe: tuple[int, int]) -> None:
    parts = [bytearray(2), bytearray(3)]
    op = ring.readv(pipe[0], (part for part in parts))
    for part in parts:
        with pytest.raises(BufferError):
            part.append(0)
    os.write(pipe[1], b"hello")
    assert op.result() == 5
    assert parts == [b"he", b"llo"]
    for part in parts:
        part.append(0)


def test_an_iterable_that_fails_on_the_way_leaves_no_export(ring: Ring, data_file: int) -> None:
    buffer = bytearray(5)

    def parts() -> Iterator[bytearray]:
        yield buffer
        raise ZeroDivisionError

    try:
        ring.readv(data_file, parts())
    except ZeroDivisionError:
        buffer.append(0)
    assert ring.in_flight == 0


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


def test_close_fd_closes_the_descriptor_and_not_the_ring(ring: Ring, data_file: int) -> None:
    fd = os.dup(data_file)
    assert ring.close_fd(fd).result() is None
    with pytest.raises(OSError):
        os.fstat(fd)
    assert not ring.closed


def test_close_fd_does_not_end_a_read_that_is_in_flight(ring: Ring) -> None:
    reader, writer = os.pipe()
    read = ring.read(reader, 5)
    ring.submit()
    assert ring.close_fd(reader).result() is None
    os.write(writer, b"still")
    assert read.result(timeout=5) == b"still"
    os.close(writer)
