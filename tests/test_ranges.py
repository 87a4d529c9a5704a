"""read_ranges and write_ranges: what is read and written, and what is refused."""

from __future__ import annotations

import array
import errno
import mmap
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyuring
from pyuring import BatchError, Ring

SIZE = 1 << 20


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
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def target(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "target"
    path.write_bytes(content)
    return path


OFFSETS = [0, 4096, 100_000, 7, SIZE - 5000, 4096]


def expected(content: bytes, offsets: Any, lengths: Any) -> list[bytes]:
    if isinstance(lengths, int):
        lengths = [lengths] * len(offsets)
    return [content[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)]


# -- reading -------------------------------------------------------------------------


def test_it_reads_into_new_memory(fd: int, content: bytes) -> None:
    views = pyuring.read_ranges(fd, OFFSETS, 5000)
    assert [bytes(view) for view in views] == expected(content, OFFSETS, 5000)
    assert len({id(view.obj) for view in views}) == 1, "one allocation"
    assert all(not view.readonly for view in views)


def test_it_reads_into_out_one_behind_the_other(fd: int, content: bytes) -> None:
    lengths = [10, 0, 7, 4096, 1, 5000]
    out = bytearray(b"\xee" * (sum(lengths) + 3))
    counts = pyuring.read_ranges(fd, OFFSETS, lengths, out)
    assert isinstance(counts, array.array)
    assert counts.typecode == "q"
    assert counts.tolist() == lengths
    assert out == b"".join(expected(content, OFFSETS, lengths)) + b"\xee" * 3


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        lambda values: array.array("q", values),
        lambda values: array.array("I", values),
        lambda values: np.array(values, np.int64),
        lambda values: np.array(values, np.int32),
        lambda values: np.array(values, np.uint64),
        lambda values: np.array(values, np.int64)[:],
        lambda values: np.repeat(np.array(values, np.int32), 3)[::3],
        lambda values: np.array(values[::-1], np.int64)[::-1],
        lambda values: memoryview(array.array("l", values)),
        lambda values: [np.int64(value) for value in values],
    ],
)
def test_offsets_and_lengths_come_as_any_integers(fd: int, content: bytes, kind: Callable[[list[int]], Any]) -> None:
    lengths = [10, 20, 30, 40, 50, 60]
    views = pyuring.read_ranges(fd, kind(OFFSETS), kind(lengths))
    assert [bytes(view) for view in views] == expected(content, OFFSETS, lengths)


@pytest.mark.parametrize(
    "offsets", [range(0, SIZE, 4096), range(SIZE - 4096, -1, -4096), range(5), range(3, 4), range(0)]
)
def test_offsets_come_as_a_range(fd: int, content: bytes, offsets: range) -> None:
    assert [bytes(view) for view in pyuring.read_ranges(fd, offsets, 4096)] == expected(content, offsets, 4096)


def test_offsets_of_an_unaligned_array(fd: int, content: bytes) -> None:
    raw = b"x" + np.array(OFFSETS, np.int64).tobytes()
    offsets = np.frombuffer(raw, np.int64, offset=1)
    assert [bytes(view) for view in pyuring.read_ranges(fd, offsets, 100)] == expected(content, OFFSETS, 100)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_number_of_ranges(fd: int, content: bytes, count: int) -> None:
    offsets = [(i * 7919) % SIZE for i in range(count)]
    views = pyuring.read_ranges(fd, offsets, 333)
    assert [bytes(view) for view in views] == expected(content, offsets, 333)
    assert pyuring.read_ranges(fd, offsets, 0, bytearray()).tolist() == [0] * count


def test_a_range_ends_where_the_file_does(fd: int, content: bytes) -> None:
    offsets = [SIZE - 10, SIZE, SIZE + 5, 0, 2**62]
    out = bytearray(b"\xee" * 100)
    assert pyuring.read_ranges(fd, offsets, 20, out).tolist() == [10, 0, 0, 20, 0]
    assert out == content[-10:] + b"\xee" * 50 + content[:20] + b"\xee" * 20, "the rest is left untouched"
    views = pyuring.read_ranges(fd, offsets, 20)
    assert [len(view) for view in views] == [10, 0, 0, 20, 0]


@pytest.mark.parametrize("depth", [1, 2, 7, 128, 100_000])
def test_any_depth(fd: int, content: bytes, depth: int) -> None:
    offsets = [(i * 104_729) % SIZE for i in range(500)]
    views = pyuring.read_ranges(fd, offsets, 100, depth=depth)
    assert [bytes(view) for view in views] == expected(content, offsets, 100)


def test_a_file_comes_as_a_path_an_object_or_a_descriptor(path: Path, content: bytes) -> None:
    before = os.listdir("/proc/self/fd")
    for file in (path, str(path), os.fsencode(path)):
        assert bytes(pyuring.read_ranges(file, [3], 4)[0]) == content[3:7]
    with open(path, "rb") as opened:
        assert bytes(pyuring.read_ranges(opened, [3], 4)[0]) == content[3:7]
        assert opened.tell() == 0
    assert os.listdir("/proc/self/fd") == before


def test_a_file_for_each_range(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 100)
    before = os.listdir("/proc/self/fd")
    with open(paths[2], "rb") as opened:
        files = [paths[1], paths[0], opened, paths[1], opened.fileno()]
        views = pyuring.read_ranges(files, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
        views_of_tuple = pyuring.read_ranges(tuple(files), [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    assert [bytes(view) for view in views] == [b"\1", b"\0" * 2, b"\2" * 3, b"\1" * 4, b"\2" * 5]
    assert views == views_of_tuple
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("make", [bytearray, lambda n: mmap.mmap(-1, n), lambda n: np.zeros(n, np.uint8)])
def test_out_is_any_writable_memory(fd: int, content: bytes, make: Callable[[int], Any]) -> None:
    out = make(8192)
    assert pyuring.read_ranges(fd, [5, 9], 4096, out).tolist() == [4096] * 2
    assert bytes(memoryview(out)[:8192]) == b"".join(expected(content, [5, 9], 4096))


def test_out_of_two_dimensions(fd: int, content: bytes) -> None:
    out = np.zeros((4, 25), np.int32)
    pyuring.read_ranges(fd, [0, 100, 200, 300], 100, out)
    assert out.tobytes() == content[:400]


def test_a_range_longer_than_a_transfer(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(3 << 30)
        for offset in (0, (2 << 30) - 1, (3 << 30) - 4):
            os.pwrite(file.fileno(), b"mark", offset)
    out = mmap.mmap(-1, (3 << 30) + 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    assert pyuring.read_ranges(path, [4, 0], [2**31 + 2**29, 8], out).tolist() == [2**31 + 2**29, 8]
    assert out[(2 << 30) - 5 : (2 << 30) - 1] == b"mark"
    assert out[2**31 + 2**29 : 2**31 + 2**29 + 8] == b"mark\0\0\0\0"


def test_overlapping_ranges_are_read_each(fd: int, content: bytes) -> None:
    offsets = [0, 1, 2, 0, 1]
    assert [bytes(view) for view in pyuring.read_ranges(fd, offsets, 1000)] == expected(content, offsets, 1000)


def test_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        late = threading.Timer(0.05, lambda: theirs.sendall(b"abc") or theirs.shutdown(socket.SHUT_WR))  # type: ignore[func-returns-value]
        late.start()
        cpu = os.times()
        views = pyuring.read_ranges(ours, [0, 0], 3, depth=1)
        late.join()
        after = os.times()
    assert [bytes(view) for view in views] == [b"abc", b""]
    assert after.user + after.system - cpu.user - cpu.system < 0.04, "it did not spin"


# -- writing -------------------------------------------------------------------------


def test_it_writes_a_piece_for_each_range(target: Path, content: bytes) -> None:
    pieces: list[Any] = [b"abc", bytearray(b"defgh"), memoryview(b"0123456789")[::1], np.arange(3, dtype=np.uint8), b""]
    with open(target, "r+b") as file:
        counts = pyuring.write_ranges(file, [0, 10, 20, 30, 40], pieces)
    assert counts.tolist() == [3, 5, 10, 3, 0]
    changed = bytearray(content)
    changed[0:3], changed[10:15], changed[20:30], changed[30:33] = b"abc", b"defgh", b"0123456789", b"\0\1\2"
    assert target.read_bytes() == changed


def test_it_writes_one_buffer_in_equal_parts(target: Path, content: bytes) -> None:
    data = os.urandom(3 * 1000)
    assert pyuring.write_ranges(target, [5000, 0, 90_000], data).tolist() == [1000] * 3
    changed = bytearray(content)
    changed[5000:6000], changed[0:1000], changed[90_000:91_000] = data[:1000], data[1000:2000], data[2000:]
    assert target.read_bytes() == changed


def test_it_writes_one_buffer_in_parts_of_given_lengths(target: Path, content: bytes) -> None:
    assert pyuring.write_ranges(target, [1, 100], b"abcde....", lengths=[2, 3]).tolist() == [2, 3]
    changed = bytearray(content)
    changed[1:3], changed[100:103] = b"ab", b"cde"
    assert target.read_bytes() == changed


def test_writing_beyond_the_end_leaves_a_hole(target: Path, content: bytes) -> None:
    pyuring.write_ranges(target, [SIZE + 100], [b"end"])
    assert target.read_bytes() == content + b"\0" * 100 + b"end"


def test_a_file_that_may_only_be_written(target: Path) -> None:
    target.chmod(0o200)
    fd = os.open(target, os.O_WRONLY)
    try:
        assert pyuring.write_ranges(fd, [0, 5], b"abcdefghij").tolist() == [5, 5]
    finally:
        os.close(fd)
    target.chmod(0o600)
    assert target.read_bytes()[:10] == b"abcdefghij"


def test_a_path_to_write_to_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        pyuring.write_ranges(tmp_path / "missing", [0], [b"x"])
    assert caught.value.filename == str(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


# -- registered things, and rings of the caller's ----------------------------------------


def test_registered_files_and_buffers_are_used(fd: int, target: Path, content: bytes) -> None:
    with Ring(64) as ring, open(target, "r+b") as file:
        files = ring.register_files([fd, file])
        pool = ring.register_buffers(count=4, size=4096)
        assert ring.read_ranges(files[0], range(0, 4000, 1000), 1000, pool[1]).tolist() == [1000] * 4
        assert bytes(pool[1].view[:4000]) == content[:4000]
        pool[2].view[:] = b"w" * 4096
        assert ring.write_ranges(files[1], [0, 8192], pool[2]).tolist() == [2048] * 2
        assert ring.write_ranges([files[1], file], [100_000, 200_000], [pool[2], pool[1][:5]]).tolist() == [4096, 5]
        views = pyuring.read_ranges(files[1], [0, 8192, 100_000, 200_000], [2048, 2048, 4096, 5], ring=ring)
        assert [bytes(view) for view in views] == [b"w" * 2048, b"w" * 2048, b"w" * 4096, content[:5]]
        with pytest.raises(ValueError, match="not this ring's"):
            pyuring.read_ranges(files[0], [0, 1], 5)
        with pytest.raises(ValueError, match="not this ring's"):
            pyuring.read_ranges(fd, [0, 1], 5, pool[0])
        pool.unregister()
        with pytest.raises(ValueError, match="not this ring's"):
            ring.read_ranges(fd, [0, 1], 5, unregistered_buffer(ring))


def unregistered_buffer(ring: Ring) -> Any:
    """A registered buffer that was unregistered."""
    pool = ring.register_buffers(count=1, size=64)
    buffer = pool[0]
    pool.unregister()
    return buffer


def test_other_completions_of_the_ring_are_kept(fd: int, content: bytes, pipe: tuple[int, int]) -> None:
    with Ring(8) as ring:
        waiting = ring.read(pipe[0], 10, user_data="late")
        nops = [ring.nop(user_data=i) for i in range(3)]
        offsets = list(range(0, SIZE, 1000))
        views = ring.read_ranges(fd, offsets, 1000)
        assert [bytes(view) for view in views] == expected(content, offsets, 1000)
        assert not waiting.done
        assert all(nop.done for nop in nops)
        os.write(pipe[1], b"now")
        views = ring.read_ranges(fd, offsets, 1000)
        assert sorted(str(done.user_data) for done in ring.wait(4)) == ["0", "1", "2", "late"]
        assert waiting.result() == b"now"
        assert ring.in_flight == 0


def test_a_ring_whose_queue_is_full_makes_room(fd: int, content: bytes, pipe: tuple[int, int]) -> None:
    with Ring(4) as ring:
        waiting = [ring.read(pipe[0], 1) for _ in range(ring.cq_entries)]
        late = threading.Timer(0.05, os.write, (pipe[1], b"x"))
        late.start()
        views = ring.read_ranges(fd, OFFSETS, 100)
        late.join()
        assert [bytes(view) for view in views] == expected(content, OFFSETS, 100)
        os.write(pipe[1], b"y" * (len(waiting) - 1))
        assert sorted(each.result() for each in waiting) == [b"x"] + [b"y"] * (len(waiting) - 1)


def test_each_thread_has_one_ring_and_closes_it(fd: int, content: bytes) -> None:
    def rings() -> int:
        return sum("io_uring" in os.readlink(f"/proc/self/fd/{fd}") for fd in map(int, opened()))

    def opened() -> list[str]:
        return [name for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")]

    def work() -> None:
        for _ in range(3):
            assert [bytes(view) for view in pyuring.read_ranges(fd, OFFSETS, 10)] == expected(content, OFFSETS, 10)
        found.append(rings())

    found: list[int] = []
    pyuring.read_ranges(fd, OFFSETS, 10)
    before = rings()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before + 1]
    assert rings() == before


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_batch_is_spread_over_threads(fd: int, content: bytes, workers: int) -> None:
    offsets = [(i * 7919) % SIZE for i in range(3000)]
    lengths = [i % 700 for i in range(3000)]
    out = bytearray(sum(lengths))
    counts = pyuring.read_ranges(fd, offsets, lengths, out, workers=workers)
    assert out == b"".join(
        piece + b"\0" * (length - len(piece))
        for piece, length in zip(expected(content, offsets, lengths), lengths, strict=True)
    )
    assert counts.tolist() == [len(piece) for piece in expected(content, offsets, lengths)]
    assert [bytes(view) for view in pyuring.read_ranges(fd, offsets, lengths, workers=workers)] == expected(
        content, offsets, lengths
    )


def test_failures_in_all_threads_are_gathered(fd: int) -> None:
    files = [fd if i % 3 else 10**6 for i in range(999)]
    with pytest.raises(BatchError) as caught:
        pyuring.read_ranges(files, range(999), 10, workers=3)
    assert sorted(caught.value.errors) == list(range(0, 999, 3))


# -- failures ------------------------------------------------------------------------


def test_all_failures_are_gathered(fd: int, path: Path, content: bytes) -> None:
    directory = path.parent
    files = [path, directory, fd, 10**6]
    with pytest.raises(BatchError) as caught:
        pyuring.read_ranges([path, fd, 10**6, fd, 10**6], [0, 1, 2, 3, 4], 10)
    error = caught.value
    assert error.errno == errno.EBADF
    assert sorted(error.errors) == [2, 4]
    assert all(type(each) is OSError and each.errno == errno.EBADF for each in error.errors.values())
    assert "range 4: 10 bytes at offset 4" in error.errors[4].__notes__
    assert [None if part is None else bytes(part) for part in error.results] == [
        content[0:10], content[1:11], None, content[3:13], None,
    ]  # fmt: skip
    assert "2 of 5 ranges failed; the first is number 2: Bad file descriptor" in str(error)
    with pytest.raises(IsADirectoryError):
        pyuring.read_ranges(files, [0] * 4, 1)


def test_the_results_of_a_failed_batch_into_out(fd: int, content: bytes) -> None:
    out = bytearray(30)
    with pytest.raises(BatchError) as caught:
        pyuring.read_ranges([fd, 10**6, fd], [0, 1, 2], 10, out)
    assert caught.value.results == [10, None, 10]
    assert out == content[:10] + bytes(10) + content[2:12]


def test_a_failure_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "written"
    path.write_bytes(b"x" * 100)
    with pytest.raises(BatchError) as caught:
        pyuring.write_ranges([path, "/dev/full", path], [0, 0, 5], [b"abc", b"def", b"ghi"])
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/dev/full"
    assert caught.value.results == [3, None, 3]
    assert path.read_bytes()[:10] == b"abcxxghixx"


BAD: list[tuple[str, Callable[[int], Any], type[Exception], str]] = [
    ("no sequence", lambda fd: pyuring.read_ranges(fd, 5, 10), TypeError, "one for each range"),
    ("a string", lambda fd: pyuring.read_ranges(fd, "12", 10), TypeError, "sequence or array of integers"),
    ("an iterator", lambda fd: pyuring.read_ranges(fd, iter([1]), 10), TypeError, "sequence or array of integers"),
    ("a float", lambda fd: pyuring.read_ranges(fd, [1.0], 10), TypeError, "some are float"),
    ("a bool", lambda fd: pyuring.read_ranges(fd, [1, True], 10), TypeError, "some are bool"),
    ("one bool", lambda fd: pyuring.read_ranges(fd, [True], 10), TypeError, "some are bool"),
    ("a bool as length", lambda fd: pyuring.read_ranges(fd, [1, 2], True), TypeError, "lengths must be"),
    ("None", lambda fd: pyuring.read_ranges(fd, [1, None], 10), TypeError, "some are NoneType"),
    ("an array of floats", lambda fd: pyuring.read_ranges(fd, np.array([1.0]), 10), TypeError, "format 'd'"),
    ("an array of bools", lambda fd: pyuring.read_ranges(fd, np.array([True]), 10), TypeError, r"format '\?'"),
    ("a matrix", lambda fd: pyuring.read_ranges(fd, np.zeros((2, 2), int), 10), TypeError, "one dimension"),
    ("foreign byte order", lambda fd: pyuring.read_ranges(fd, np.array([1, 2], ">i8"), 10), TypeError, "byte order"),
    ("a negative offset", lambda fd: pyuring.read_ranges(fd, [1, -1], 10), ValueError, "range 1 is -1"),
    ("one negative offset", lambda fd: pyuring.read_ranges(fd, [-1], 10), ValueError, "range 0 is -1"),
    ("a negative length", lambda fd: pyuring.read_ranges(fd, [1, 2], [1, -2]), ValueError, "range 1 is -2"),
    ("a large offset", lambda fd: pyuring.read_ranges(fd, [2**63], 1), OverflowError, "2\\*\\*63"),
    (
        "a large unsigned offset",
        lambda fd: pyuring.read_ranges(fd, np.array([2**63], "u8"), 1),
        ValueError,
        "2\\*\\*63",
    ),
    ("a large length", lambda fd: pyuring.read_ranges(fd, [0, 1], 2**63), OverflowError, "2\\*\\*63"),
    ("a large range", lambda fd: pyuring.read_ranges(fd, range(0, 2**65, 2**64), 1), OverflowError, "2\\*\\*63"),
    ("the end", lambda fd: pyuring.read_ranges(fd, [2**63 - 5], 10, bytearray(10)), ValueError, "beyond 2\\*\\*63-1"),
    ("a small out", lambda fd: pyuring.read_ranges(fd, [0, 1], 10, bytearray(19)), ValueError, "out has 19 bytes"),
    ("read-only out", lambda fd: pyuring.read_ranges(fd, [0], 10, b"0123456789"), TypeError, "read-only"),
    (
        "strided out",
        lambda fd: pyuring.read_ranges(fd, [0], 2, memoryview(bytearray(4))[::2]),
        BufferError,
        "contiguous",
    ),
    ("no buffer", lambda fd: pyuring.read_ranges(fd, [0], 2, [1]), TypeError, "bytes-like"),
    ("too few lengths", lambda fd: pyuring.read_ranges(fd, [0, 1], [1]), ValueError, "as many lengths"),
    ("too few files", lambda fd: pyuring.read_ranges([fd], [0, 1], 1), ValueError, "as many files"),
    ("no file", lambda fd: pyuring.read_ranges(None, [0, 1], 1), TypeError, "file descriptor"),
    ("a negative file", lambda fd: pyuring.read_ranges(-1, [0, 1], 1), ValueError, "not a file descriptor: -1"),
    ("a negative file in a list", lambda fd: pyuring.read_ranges([fd, -5], [0, 1], 1), ValueError, "descriptor: -5"),
    ("depth 0", lambda fd: pyuring.read_ranges(fd, [0, 1], 1, depth=0), ValueError, "1 or more"),
    ("depth None", lambda fd: pyuring.read_ranges(fd, [0, 1], 1, depth=None), TypeError, "NoneType"),  # type: ignore[call-overload]
    ("workers 0", lambda fd: pyuring.read_ranges(fd, [0, 1], 1, workers=0), ValueError, "1 or more"),
    ("workers True", lambda fd: pyuring.read_ranges(fd, [0, 1], 1, workers=True), TypeError, "bool"),
    ("too few buffers", lambda fd: pyuring.write_ranges(fd, [0, 1], [b"a"]), ValueError, "as many buffers"),
    ("a string to write", lambda fd: pyuring.write_ranges(fd, [0], "a"), TypeError, "bytes-like"),
    ("a string among them", lambda fd: pyuring.write_ranges(fd, [0, 1], [b"a", "b"]), TypeError, "bytes-like"),
    ("uneven parts", lambda fd: pyuring.write_ranges(fd, [0, 1], b"abc"), ValueError, "pass lengths="),
    ("lengths for pieces", lambda fd: pyuring.write_ranges(fd, [0], [b"a"], lengths=1), TypeError, "of their own"),
    (
        "a small buffer",
        lambda fd: pyuring.write_ranges(fd, [0, 1], b"ab", lengths=2),
        ValueError,
        "buffers has 2 bytes",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_bad_input_is_refused_before_anything_is_done(
    path: Path, call: Callable[[int], Any], kind: type[Exception], text: str
) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        before = path.read_bytes()
        with pytest.raises(kind, match=text):
            call(fd)
        assert path.read_bytes() == before
    finally:
        os.close(fd)


def test_workers_do_not_go_with_a_ring(fd: int, ring: Ring) -> None:
    with pytest.raises(ValueError, match="does not go with ring="):
        pyuring.read_ranges(fd, [0, 1], 1, ring=ring, workers=2)


def test_a_ring_of_another_thread_or_closed_is_refused(fd: int, ring: Ring) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        for count in (1, 2):
            with pytest.raises(RuntimeError, match="thread") as error:
                ring.read_ranges(fd, [0] * count, 1)
            caught.append(error.value)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 2
    with Ring() as closed:
        pass
    for count in (1, 2):
        with pytest.raises(RuntimeError, match="closed"):
            closed.read_ranges(fd, [0] * count, 1)


def test_an_open_chain_is_refused(fd: int, ring: Ring) -> None:
    with ring.link():
        first = ring.nop()
        with pytest.raises(RuntimeError, match="link"):
            ring.read_ranges(fd, [0, 1], 1)
    assert first.result() == 0


def test_memory_is_free_afterwards(fd: int) -> None:
    out, offsets = bytearray(200), bytearray(np.zeros(2, np.int64).tobytes())
    pyuring.read_ranges(fd, memoryview(offsets).cast("q"), 100, out)
    out.extend(b"x")
    offsets.extend(b"x")
    with pytest.raises(BatchError):
        pyuring.read_ranges(10**6, [0, 1], 100, out)
    out.extend(b"x")
    counts = pyuring.read_ranges(fd, [0, 1], 5, out)
    counts.append(1)


def test_the_library_s_ring_keeps_no_file_open() -> None:
    """From some number of ranges on it has the file in its table, for as long as the call takes."""
    reader, writer = os.pipe()
    os.write(writer, b"x" * 300)
    views = pyuring.read_ranges(reader, [0] * 100, 1)
    assert [bytes(view) for view in views] == [b"x"] * 100
    with pytest.raises(BatchError):
        pyuring.read_ranges(10**6, [0] * 100, 1)
    assert len(pyuring.read_ranges(reader, [0] * 200, 1, workers=2)) == 200
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"y")
    os.close(writer)
