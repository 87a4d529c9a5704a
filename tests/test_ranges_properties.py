"""read_ranges and write_ranges do what os.preadv and os.pwritev do, one range at a time."""

from __future__ import annotations

import array
import errno
import mmap
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyuring
from pyuring import BatchError, Ring, SetupFlags

SETUPS: dict[str, dict[str, Any] | None] = {
    "default": None,
    "best": {},
    "plain": {"setup": SetupFlags(0)},
    "sqpoll": {"setup": SetupFlags.SQPOLL},
    "small": {"entries": 2, "cq_entries": 4},
}

#: Each example is some system calls, and a ring is shared by all of a test.
PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

LARGEST = 40_000


@pytest.fixture(params=SETUPS, scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Ring | None]:
    setup = SETUPS[request.param]
    if setup is None:
        yield None
        return
    with Ring(**setup) as ring:
        yield ring
        assert ring.in_flight == 0
        assert ring.stats()["unexpected"] == 0


@st.composite
def contents(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """What is written into an empty file, with holes between it."""
    pieces = st.tuples(st.integers(0, LARGEST), st.integers(1, 9000), st.integers(0, 255))
    return [(offset, bytes([fill]) * length) for offset, length, fill in draw(st.lists(pieces, max_size=5))]


@st.composite
def spans(draw: st.DrawFn, least: int = 0) -> list[tuple[int, int]]:
    """Offsets and lengths: some overlap, are empty, or lie beyond the end."""
    offset = st.one_of(st.integers(0, LARGEST + 12_000), st.sampled_from([0, 4096, 2**40, 2**62]))
    length = st.one_of(st.integers(0, 9000), st.sampled_from([0, 1, 512, 4096]))
    return draw(st.lists(st.tuples(offset, length), min_size=least, max_size=40))


def integers(draw: st.DrawFn, values: list[int]) -> Any:
    """`values` in any of the forms that integers come in."""
    kinds = ["list", "tuple", "array"]
    fitting = [
        code for code in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
        if not values or (np.iinfo(code).min <= min(values) and max(values) <= np.iinfo(code).max)
    ]  # fmt: skip
    kind = draw(st.sampled_from(kinds + fitting * 2))
    if kind == "list":
        return values
    if kind == "tuple":
        return tuple(values)
    if kind == "array":
        return array.array("q", values)
    stride = draw(st.sampled_from([1, 1, 2, 3, -1]))
    plain = np.array(values, kind)
    if stride == 1:
        return plain
    if stride == -1:
        return np.ascontiguousarray(plain[::-1])[::-1]
    return np.repeat(plain, stride)[::stride]


def make(path: Path, pieces: list[tuple[int, bytes]], size: int | None = None) -> None:
    with open(path, "wb") as file:
        for offset, data in pieces:
            os.pwrite(file.fileno(), data, offset)
        if size is not None:
            file.truncate(size)


def by_preadv(fd: int, ranges: list[tuple[int, int]]) -> list[bytes]:
    found = []
    for offset, length in ranges:
        buffer = bytearray(length)
        count = os.preadv(fd, [buffer], offset) if length else 0
        found.append(bytes(buffer[:count]))
    return found


@given(data=st.data())
@PROPERTY
def test_reading_is_that_of_preadv(data: st.DataObject, shared: Ring | None, tmp_path: Path) -> None:
    draw: Any = data.draw
    number = draw(st.integers(1, 3), label="files")
    paths = [tmp_path / f"source{i}" for i in range(number)]
    for path in paths:
        make(path, draw(contents()), draw(st.one_of(st.none(), st.integers(0, LARGEST))))
    ranges = draw(spans(), label="ranges")
    fds = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        which = [draw(st.integers(0, number - 1)) for _ in ranges] if number > 1 else [0] * len(ranges)
        kinds = [draw(st.sampled_from((fds[each], paths[each]))) for each in which]
        file = kinds if number > 1 else draw(st.sampled_from((fds[0], paths[0])))
        options: dict[str, Any] = {"depth": draw(st.sampled_from([1, 2, 3, 16, 128]), label="depth")}
        if shared is None:
            options["workers"] = draw(st.sampled_from([None, 1, 2, 3]), label="workers")
        else:
            options["ring"] = shared
        expected = [by_preadv(fds[each], [span])[0] for each, span in zip(which, ranges, strict=True)]
        offsets = integers(draw, [offset for offset, _ in ranges])
        lengths: Any = integers(draw, [length for _, length in ranges])
        total = sum(length for _, length in ranges)
        spare = draw(st.integers(0, 5))
        out = bytearray(b"\xee") * (total + spare)

        counts = pyuring.read_ranges(file, offsets, lengths, out, **options)
        assert counts.tolist() == list(map(len, expected))
        position = 0
        for (_, length), piece in zip(ranges, expected, strict=True):
            assert out[position : position + len(piece)] == piece
            assert out[position + len(piece) : position + length].count(0xEE) == length - len(piece), "left untouched"
            position += length
        assert out[position:] == b"\xee" * spare
        out.extend(b"free")

        views = pyuring.read_ranges(file, offsets, lengths, **options)
        assert [bytes(view) for view in views] == expected
    finally:
        for fd in fds:
            os.close(fd)


@given(data=st.data())
@PROPERTY
def test_one_length_for_all_is_that_of_preadv(data: st.DataObject, shared: Ring | None, tmp_path: Path) -> None:
    draw: Any = data.draw
    make(tmp_path / "source", draw(contents()))
    start, step = draw(st.integers(0, LARGEST)), draw(st.integers(0, 5000))
    offsets = range(start, start + step * draw(st.integers(1, 30)), step) if step else [start] * 3
    length = draw(st.integers(0, 6000))
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    try:
        views = pyuring.read_ranges(fd, offsets, length, ring=shared)
        assert [bytes(view) for view in views] == by_preadv(fd, [(offset, length) for offset in offsets])
    finally:
        os.close(fd)


@given(data=st.data())
@PROPERTY
def test_writing_is_that_of_pwritev_and_is_read_back(data: st.DataObject, shared: Ring | None, tmp_path: Path) -> None:
    draw: Any = data.draw
    before = draw(contents())
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make(ours, before)
    make(theirs, before)
    # Apart from each other, because they are written in any order.
    ranges, end = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), max_size=30)):
        ranges.append((end + gap, length))
        end += gap + length
    ranges = draw(st.permutations(ranges))
    offsets = integers(draw, [offset for offset, _ in ranges])
    pieces = [os.urandom(length) for _, length in ranges]
    options: dict[str, Any] = {"depth": draw(st.sampled_from([1, 2, 7, 128]))}
    if shared is None:
        options["workers"] = draw(st.sampled_from([None, 1, 2, 3]), label="workers")
    else:
        options["ring"] = shared
    if draw(st.booleans(), label="one buffer"):
        lengths = integers(draw, [length for _, length in ranges])
        counts = pyuring.write_ranges(ours, offsets, b"".join(pieces), lengths=lengths, **options)
    else:
        kinds = (bytes, bytearray, memoryview, lambda piece: np.frombuffer(piece, np.uint8))
        buffers = [draw(st.sampled_from(kinds))(piece) for piece in pieces]
        counts = pyuring.write_ranges(ours, offsets, buffers, **options)
    assert counts.tolist() == [length for _, length in ranges]
    fd = os.open(theirs, os.O_WRONLY)
    for (offset, _), piece in zip(ranges, pieces, strict=True):
        if piece:
            os.pwritev(fd, [piece], offset)
    os.close(fd)
    assert ours.read_bytes() == theirs.read_bytes()
    views = pyuring.read_ranges(ours, offsets, [length for _, length in ranges], **options)
    assert [bytes(view) for view in views] == pieces


@given(data=st.data())
@PROPERTY
def test_failures_are_those_of_preadv(data: st.DataObject, shared: Ring | None, tmp_path: Path) -> None:
    draw: Any = data.draw
    make(tmp_path / "source", draw(contents()))
    ranges = draw(spans(least=2))
    source, target = os.open(tmp_path / "source", os.O_RDONLY), os.open(tmp_path / "source", os.O_WRONLY)
    directory, missing = os.open(tmp_path, os.O_RDONLY), 10**6
    try:
        files = [draw(st.sampled_from([source, source, target, directory, missing])) for _ in ranges]
        expected: list[bytes | None] = []
        numbers = {}
        for index, (fd, (offset, length)) in enumerate(zip(files, ranges, strict=True)):
            try:
                expected.append(by_preadv(fd, [(offset, length)])[0])
            except OSError as error:
                expected.append(None)
                numbers[index] = error.errno
        depth = draw(st.sampled_from([1, 3, 128]))
        offsets, lengths = [offset for offset, _ in ranges], [length for _, length in ranges]
        if not numbers:
            views: list[Any] = pyuring.read_ranges(files, offsets, lengths, ring=shared, depth=depth)
        else:
            with pytest.raises(BatchError) as caught:
                pyuring.read_ranges(files, offsets, lengths, ring=shared, depth=depth)
            assert {index: each.errno for index, each in caught.value.errors.items()} == numbers
            assert caught.value.errno == numbers[min(numbers)]
            views = caught.value.results
        assert [None if view is None else bytes(view) for view in views] == expected
    finally:
        for fd in (source, target, directory):
            os.close(fd)


# -- a file that changes meanwhile ---------------------------------------------------------


BLOCK = 4096
BLOCKS = 64


class Meanwhile:
    """In its block, another thread does something again and again."""

    def __init__(self, act: Any) -> None:
        self._act = act
        self._over = threading.Event()
        self.rounds = 0
        self._thread = threading.Thread(target=self._go)

    def _go(self) -> None:
        while not self._over.is_set():
            self._act(self.rounds)
            self.rounds += 1

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def marked(number: int) -> bytes:
    """Block `number` of a file: no other has its bytes."""
    return bytes([number + 1]) * BLOCK


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_read_of_a_file_that_shrinks_and_grows_is_of_one_of_its_states(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "changing"
    whole = b"".join(map(marked, range(BLOCKS)))
    path.write_bytes(whole)
    writer = os.open(path, os.O_RDWR)

    def change(step: int) -> None:
        os.ftruncate(writer, step * 7919 % (BLOCKS * BLOCK))
        time.sleep(0.001)  # for somebody to see it
        os.pwrite(writer, whole, 0)

    offsets = [i * 1000 % (BLOCKS * BLOCK) for i in range(2000)]
    short = 0
    try:
        with Meanwhile(change) as meanwhile:
            deadline = time.monotonic() + 30
            while meanwhile.rounds < 200 or not (short or time.monotonic() > deadline):
                out = bytearray(b"\xee") * (3000 * len(offsets))
                counts = pyuring.read_ranges(path, offsets, 3000, out, workers=workers, depth=32)
                for i, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
                    assert 0 <= count <= 3000
                    short += count < min(3000, len(whole) - offset)
                    # A hole that a write is about to fill reads as zeros.
                    piece = np.frombuffer(out, np.uint8, count, 3000 * i)
                    expected = np.frombuffer(whole, np.uint8, count, offset) if count else piece
                    assert np.all((piece == expected) | (piece == 0))
                    assert out[3000 * i + count : 3000 * (i + 1)].count(0xEE) == 3000 - count
                del piece, expected
    finally:
        os.close(writer)
    assert short, "it was never seen truncated"


def test_a_file_that_ends_meanwhile_gives_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(64 << 20)
    late = threading.Timer(0.002, os.truncate, (path, 1000))
    late.start()
    (count, second) = pyuring.read_ranges(path, [0, 5], [64 << 20, 10], bytearray((64 << 20) + 10))
    late.join()
    assert 1000 <= count <= 64 << 20
    assert second == 10


def test_blocks_of_writers_that_compete_are_each_of_one_of_them(tmp_path: Path) -> None:
    path = tmp_path / "fought over"
    path.write_bytes(bytes(BLOCK * BLOCKS))
    offsets = [BLOCK * i for i in range(BLOCKS)]
    problems: list[object] = []

    def write(mark: int) -> None:
        data = bytes([mark]) * BLOCK * BLOCKS
        for _ in range(30):
            counts = pyuring.write_ranges(path, offsets, data, workers=1 + mark % 2)
            if counts.tolist() != [BLOCK] * BLOCKS:
                problems.append(counts)

    writers = [threading.Thread(target=write, args=(mark,)) for mark in (1, 2, 3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        for view in pyuring.read_ranges(path, offsets, BLOCK):
            # Page by page the kernel's copies are not atomic for readers: any mix of patterns.
            if not set(bytes(view)) <= {0, 1, 2, 3}:
                problems.append(set(bytes(view)))
    for writer in writers:
        writer.join()
    assert not problems
    for view in pyuring.read_ranges(path, offsets, BLOCK):
        assert set(bytes(view)) in ({1}, {2}, {3}), "writes to one block exclude each other"


# -- O_DIRECT ----------------------------------------------------------------------------


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """A descriptor with O_DIRECT, of a file that ends amid a block."""
    path = tmp_path / "direct"
    content = os.urandom(50 * BLOCK + 1234)
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    os.fsync(fd)
    yield fd, content
    os.close(fd)


@pytest.mark.parametrize("name", SETUPS)
def test_direct_reads_of_aligned_ranges(name: str, direct: tuple[int, bytes]) -> None:
    fd, content = direct
    setup = SETUPS[name]
    offsets = [(i * 7919) % 51 * BLOCK for i in range(300)]
    lengths = [(i % 5) * BLOCK for i in range(300)]
    out = mmap.mmap(-1, sum(lengths))
    ring = None if setup is None else Ring(**setup)
    try:
        counts = pyuring.read_ranges(fd, offsets, lengths, out, ring=ring)
    finally:
        if ring is not None:
            ring.close()
    position = 0
    for offset, length, count in zip(offsets, lengths, counts, strict=True):
        assert out[position : position + count] == content[offset : offset + length]
        position += length


def test_a_direct_range_ends_with_a_file_that_ends_amid_a_block(direct: tuple[int, bytes]) -> None:
    fd, content = direct
    start = 48 * BLOCK
    out = mmap.mmap(-1, 20 * BLOCK)
    out[:] = b"\xee" * len(out)
    lengths = [8 * BLOCK, 2 * BLOCK, BLOCK, BLOCK]
    counts = pyuring.read_ranges(fd, [start, start, 50 * BLOCK, 60 * BLOCK], lengths, out)
    assert counts.tolist() == [2 * BLOCK + 1234, 2 * BLOCK, 1234, 0]
    assert out[: counts[0]] == content[start:]
    assert out[8 * BLOCK : 10 * BLOCK] == content[start : start + 2 * BLOCK]
    assert out[10 * BLOCK : 10 * BLOCK + 1234] == content[-1234:]


@given(size=st.integers(0, 40_000), first=st.integers(0, 12), blocks=st.integers(1, 12))
@PROPERTY
def test_a_direct_range_ends_wherever_the_file_does(size: int, first: int, blocks: int, tmp_path: Path) -> None:
    path = tmp_path / "ragged"
    content = os.urandom(size)
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        out = mmap.mmap(-1, (blocks + 1) * BLOCK)
        counts = pyuring.read_ranges(fd, [first * BLOCK, 0], [blocks * BLOCK, BLOCK], out)
    finally:
        os.close(fd)
    expected = content[first * BLOCK : (first + blocks) * BLOCK]
    assert counts.tolist() == [len(expected), min(size, BLOCK)]
    assert out[: len(expected)] == expected


def refuses_misaligned(fd: int) -> bool:
    try:
        os.preadv(fd, [memoryview(mmap.mmap(-1, 8192))[1:4097]], 0)
    except OSError as error:
        assert error.errno == errno.EINVAL
        return True
    return False


def test_misaligned_direct_ranges_fail_and_the_others_do_not(direct: tuple[int, bytes]) -> None:
    fd, content = direct
    if not refuses_misaligned(fd):
        pytest.skip("this file system takes O_DIRECT for buffered I/O")
    out = mmap.mmap(-1, 4 * BLOCK)
    with pytest.raises((BatchError, ValueError)) as caught:
        pyuring.read_ranges(fd, [0, 1, BLOCK], BLOCK, out)
    if isinstance(caught.value, BatchError):
        assert sorted(caught.value.errors) == [1]
        assert caught.value.errno == errno.EINVAL
        assert caught.value.results == [BLOCK, None, BLOCK]
    assert out[:BLOCK] == content[:BLOCK]
    assert out[2 * BLOCK : 3 * BLOCK] == content[BLOCK : 2 * BLOCK]
