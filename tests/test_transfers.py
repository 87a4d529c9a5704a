"""nop, read, readinto and write, against their cousins in `os`."""

from __future__ import annotations

import array
import ctypes
import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyuring import Completion, Ring


def test_nop_does_nothing_and_succeeds(ring: Ring) -> None:
    assert ring.nop().result() == 0


@pytest.mark.parametrize(
    ("length", "offset"), [(0, 0), (1, 0), (1, 65535), (4096, 1), (65536, 0), (100, 65500), (5, 10**9)]
)
def test_read_returns_what_pread_returns(ring: Ring, data_file: int, length: int, offset: int) -> None:
    assert ring.read(data_file, length, offset).result() == os.pread(data_file, length, offset)


@pytest.mark.parametrize(("length", "offset"), [(0, 0), (1, 0), (4096, 1), (65536, 0), (100, 65500), (5, 10**9)])
def test_readinto_does_what_preadv_does(ring: Ring, data_file: int, length: int, offset: int) -> None:
    ours, theirs = bytearray(b"." * length), bytearray(b"." * length)
    assert ring.readinto(data_file, ours, offset).result() == os.preadv(data_file, [theirs], offset)
    assert ours == theirs


@pytest.mark.parametrize(
    ("data", "offset"), [(b"", 0), (b"x", 0), (b"abc" * 999, 7), (b"end", 65536), (b"far", 200_000)]
)
def test_write_does_what_pwrite_does(ring: Ring, tmp_path: Path, data: bytes, offset: int) -> None:
    results, contents = [], []
    for name in ("ours", "theirs"):
        path = tmp_path / name
        path.write_bytes(b"0123456789" * 100)
        fd = os.open(path, os.O_RDWR)
        results.append(ring.write(fd, data, offset).result() if name == "ours" else os.pwrite(fd, data, offset))
        contents.append(path.read_bytes())
        os.close(fd)
    assert results[0] == results[1] == len(data)
    assert contents[0] == contents[1]


def test_offset_minus_1_is_the_files_own_position_and_moves_it(ring: Ring, data_file: int) -> None:
    content = os.pread(data_file, 30, 0)
    buffer = bytearray(10)
    assert ring.read(data_file, 10).result() == content[:10]
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 10
    assert ring.readinto(data_file, buffer, -1).result() == 10
    assert buffer == content[10:20]
    assert ring.write(data_file, b"at twenty").result() == 9
    assert os.pread(data_file, 9, 20) == b"at twenty"
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 29


def test_explicit_offsets_leave_the_position_alone(ring: Ring, data_file: int) -> None:
    ring.read(data_file, 10, 5).result()
    ring.readinto(data_file, bytearray(10), 5).result()
    ring.write(data_file, b"x", 5).result()
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 0


def test_the_largest_offset_is_taken(ring: Ring, data_file: int) -> None:
    assert ring.read(data_file, 0, 2**63 - 1).result() == b""
    op = ring.read(data_file, 1, 2**63 - 2)
    try:
        assert op.result() == os.pread(data_file, 1, 2**63 - 2)
    except OSError as error:
        with pytest.raises(OSError) as caught:
            os.pread(data_file, 1, 2**63 - 2)
        assert error.errno == caught.value.errno


def test_a_file_opened_for_appending_is_appended_to(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    assert ring.write(fd, b"second\n").result() == 7
    os.close(fd)
    assert path.read_bytes() == b"first\nsecond\n"


BUFFERS: dict[str, Callable[[], Any]] = {
    "bytearray": lambda: bytearray(64),
    "array": lambda: array.array("d", [0.0] * 8),
    "mmap": lambda: mmap.mmap(-1, 64),
    "memoryview": lambda: memoryview(bytearray(64)),
    "typed memoryview": lambda: memoryview(bytearray(64)).cast("I"),
    "matrix": lambda: memoryview(bytearray(64)).cast("B", (8, 8)),
    "ctypes": ctypes.c_uint32 * 16,
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_any_contiguous_buffer_is_read_into_and_written_from(ring: Ring, data_file: int, kind: str) -> None:
    buffer = BUFFERS[kind]()
    expected = os.pread(data_file, 64, 100)
    assert ring.readinto(data_file, buffer, 100).result() == 64
    assert memoryview(buffer).tobytes() == expected
    assert ring.write(data_file, buffer, 0).result() == 64
    assert os.pread(data_file, 64, 0) == expected


def test_a_numpy_array_is_read_into(ring: Ring, data_file: int) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is optional")
    matrix = numpy.zeros((16, 64), dtype=numpy.int32)
    assert ring.readinto(data_file, matrix, 0).result() == 4096
    assert matrix.tobytes() == os.pread(data_file, 4096, 0)
    assert ring.readinto(data_file, matrix[3:5], 5).result() == 512
    assert matrix[3:5].tobytes() == os.pread(data_file, 512, 5)
    with pytest.raises(BufferError):
        ring.readinto(data_file, matrix[:, 3])
    with pytest.raises(BufferError):
        ring.readinto(data_file, matrix.T)
    matrix.flags.writeable = False
    with pytest.raises(TypeError, match="read-only"):
        ring.readinto(data_file, matrix)


def test_a_part_of_a_buffer_is_read_into_through_a_memoryview(ring: Ring, data_file: int) -> None:
    buffer = bytearray(b"." * 30)
    assert ring.readinto(data_file, memoryview(buffer)[10:20], 0).result() == 10
    assert buffer == b"." * 10 + os.pread(data_file, 10, 0) + b"." * 10


def test_bytes_of_any_kind_are_written(ring: Ring, data_file: int) -> None:
    class Text(bytes):
        pass

    for data in (b"plain", Text(b"derived"), memoryview(b"view"), bytearray(b"array"), b""):
        assert ring.write(data_file, data, 0).result() == len(data)
        assert os.pread(data_file, len(data), 0) == data


def test_reads_at_depth_land_where_they_belong(ring: Ring, data_file: int) -> None:
    content = os.pread(data_file, 65536, 0)
    offsets = random.Random(5).sample(range(0, 65536, 512), 128)
    blocks = {offset: bytearray(512) for offset in offsets}
    for offset, block in blocks.items():
        ring.readinto(data_file, block, offset, user_data=offset)
    done: list[Completion[Any]] = []
    while len(done) < 128:
        done += ring.wait(1)
    for op in done:
        assert op.res == 512
        assert blocks[op.user_data] == content[op.user_data : op.user_data + 512]


def test_writes_at_depth_land_where_they_belong(ring: Ring, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    for i in range(300):
        ring.write(fd, bytes([i % 256]) * 100, offset=i * 100)
    while ring.in_flight:
        assert all(op.res == 100 for op in ring.wait(1))
    os.close(fd)
    assert (tmp_path / "file").read_bytes() == b"".join(bytes([i % 256]) * 100 for i in range(300))


def test_direct_io_works_with_aligned_memory(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "direct"
    content = os.urandom(16384)
    path.write_bytes(content)
    try:
        fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    except OSError as error:
        pytest.skip(f"{tmp_path} has no O_DIRECT: {error}")
    block = mmap.mmap(-1, 8192)
    assert ring.readinto(fd, block, 4096).result() == 8192
    assert block[:] == content[4096:12288]
    block[:] = b"w" * 8192
    assert ring.write(fd, block, 8192).result() == 8192
    os.close(fd)
    assert path.read_bytes() == content[:8192] + b"w" * 8192


@pytest.mark.parametrize("kind", ["int", "file", "registered"])
def test_a_file_is_named_by_number_by_object_or_by_slot(ring: Ring, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with open(path, "r+b", buffering=0) as opened:
        file = {"int": opened.fileno(), "file": opened, "registered": ring.register_files([opened])[0]}[kind]
        assert ring.read(file, 99, 0).result() == b"content"
        buffer = bytearray(7)
        assert ring.readinto(file, buffer, 0).result() == 7
        assert ring.write(file, b"C", 0).result() == 1
    assert path.read_bytes() == b"Content"


def test_more_than_a_pipe_holds_is_written_as_far_as_it_goes(ring: Ring, pipe: tuple[int, int]) -> None:
    data = bytes(1 << 20)
    op = ring.write(pipe[1], data)
    ring.submit()
    total = 0
    while total < len(data) and not op.done:
        total += len(os.read(pipe[0], 65536))
        ring.wait(0)
    assert op.result(timeout=5) <= len(data)
    assert op.result() > 0
