"""Ranges of files that were opened with O_DIRECT."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyuring
from pyuring import AlignmentError, BatchError, Ring

SIZE = 300_000


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> Path:
    path = tmp_path_factory.mktemp("ranges") / "source"
    path.write_bytes(content)
    return path


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    yield fd
    os.close(fd)


def test_aligned_ranges_into_aligned_memory(fd: int, content: bytes) -> None:
    out = pyuring.aligned_buffer(3 * 8192)
    assert pyuring.read_ranges(fd, [8192, 0, 4096], 8192, out).tolist() == [8192] * 3
    assert out == content[8192:16384] + content[:8192] + content[4096:12288]


def test_the_end_of_a_file_is_no_error(fd: int, content: bytes) -> None:
    start = SIZE // 4096 * 4096
    views = pyuring.read_ranges(fd, [start, start - 4096, start + 4096], 8192)
    assert [bytes(view) for view in views] == [content[start:], content[start - 4096 :], b""]


def test_new_memory_is_aligned(fd: int, content: bytes) -> None:
    views = pyuring.read_ranges(fd, range(0, 65536 * 2, 512), 512)
    assert b"".join(views) == content[: 65536 * 2]


@pytest.mark.parametrize(
    ("offsets", "length", "text"),
    [([4096, 1], 4096, "offset 1 is not aligned"), ([0, 4096], 100, "length 100 and address"), ([7], 4096, "offset 7")],
)
def test_what_is_not_aligned_is_explained(fd: int, offsets: list[int], length: int, text: str) -> None:
    with pytest.raises(ValueError, match="failed") as caught:
        pyuring.read_ranges(fd, offsets, length, pyuring.aligned_buffer(2 * length))
    error = caught.value
    assert isinstance(error, BatchError)
    assert isinstance(error, AlignmentError)
    assert error.errno == errno.EINVAL
    last = error.errors[len(offsets) - 1]
    assert isinstance(last, AlignmentError)
    assert text in str(last)
    assert "multiples of 512" in str(last)


def test_writes_are_explained_too(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    try:
        with pytest.raises(AlignmentError, match="multiples of") as caught:
            pyuring.write_ranges(fd, [3, 4096], pyuring.aligned_buffer(1024))
    finally:
        os.close(fd)
    assert isinstance(caught.value, BatchError)
    assert caught.value.results == [None, 512]


@pytest.mark.parametrize("workers", [1, 2])
def test_ragged_ranges_are_bounced_when_asked(fd: int, content: bytes, workers: int) -> None:
    rng = random.Random(5)
    offsets = [rng.randrange(SIZE + 1000) for _ in range(500)] + [0, SIZE - 1, SIZE, 511, 512]
    lengths = [rng.randrange(5000) for _ in range(500)] + [SIZE, 10, 10, 2, 512]
    expected = [content[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)]
    views = pyuring.read_ranges(fd, offsets, lengths, bounce=True, workers=workers)
    assert [bytes(view) for view in views] == expected
    out = bytearray(b"\xee" * (sum(lengths) + 1))
    counts = pyuring.read_ranges(fd, offsets, lengths, memoryview(out)[1:], bounce=True, workers=workers)
    assert counts.tolist() == [len(piece) for piece in expected]
    start = 1
    for length, piece in zip(lengths, expected, strict=True):
        assert out[start : start + len(piece)] == piece
        start += length


def test_a_long_ragged_range_is_read_in_parts(tmp_path: Path) -> None:
    large = tmp_path / "large"
    data = os.urandom(3 << 20)
    large.write_bytes(data)
    fd = os.open(large, os.O_RDONLY | os.O_DIRECT)
    try:
        views = pyuring.read_ranges(fd, [1, 777], (3 << 20) - 5, bounce=True, depth=2)
        assert [bytes(view) for view in views] == [data[1:-4], data[777:]]
    finally:
        os.close(fd)


def test_bouncing_into_a_registered_buffer(fd: int, content: bytes) -> None:
    with Ring(8) as ring:
        buffer = ring.register_buffers(count=1, size=8192)[0]
        assert ring.read_ranges(fd, [5, 4096], 4096, buffer, bounce=True).tolist() == [4096] * 2
        assert bytes(buffer.view) == content[5:4101] + content[4096:8192]


def test_bounce_is_nothing_for_other_files(path: Path, content: bytes) -> None:
    assert [bytes(view) for view in pyuring.read_ranges(path, [5, 9], 10, bounce=True)] == [
        content[5:15],
        content[9:19],
    ]


def test_a_direct_file_is_a_file(path: Path, content: bytes) -> None:
    with pyuring.open_direct(path) as file:
        views = pyuring.read_ranges(file, [0, 4096, 10], [4096, 512, 20], bounce=True)
        assert [bytes(view) for view in views] == [content[:4096], content[4096:4608], content[10:30]]
