"""Devices and file systems that fail, in the middle of a batch."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lifetime.limits import no_longer_than
from lifetime.processes import run_python

import pyuring
from pyuring import BatchError, Ring
from pyuring.batching import engine

from .mounts import Fuse, small_tmpfs, torn_device
from .signals import handled

BLOCK = 4096
BLOCKS = 64


def failures(error: BatchError) -> dict[int, int | None]:
    return {index: each.errno for index, each in error.errors.items()}


# -- EIO -----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_that_a_device_lost_fail_and_the_others_do_not(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "image"
    content = os.urandom(BLOCKS * BLOCK)
    path.write_bytes(content)
    with torn_device(path, BLOCKS * BLOCK, 40 * BLOCK) as device:
        order = [i * 7 % BLOCKS for i in range(BLOCKS)]
        offsets = [each * BLOCK for each in order]
        out = mmap.mmap(-1, BLOCKS * BLOCK)
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(device, offsets, BLOCK, out, workers=workers)
        lost = {i: errno.EIO for i, each in enumerate(order) if each >= 40}
        assert failures(caught.value) == lost
        assert caught.value.errno == errno.EIO
        assert caught.value.results == [None if i in lost else BLOCK for i in range(BLOCKS)]
        for i, offset in enumerate(offsets):
            if i not in lost:
                assert out[i * BLOCK : (i + 1) * BLOCK] == content[offset : offset + BLOCK]


@pytest.mark.parametrize(("first", "count"), [(36, 5), (39, 2), (40, 1)])
def test_a_range_of_which_a_part_is_lost_fails(first: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(BLOCKS * BLOCK))
    with torn_device(path, BLOCKS * BLOCK, 40 * BLOCK) as device:
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(device, [0, first * BLOCK], count * BLOCK, mmap.mmap(-1, 10 * BLOCK))
        assert failures(caught.value) == {1: errno.EIO}


def pattern(offset: int, length: int) -> bytes:
    return bytes((offset + i) * 31 % 251 for i in range(length))


def test_pages_that_a_file_system_lost_fail_and_the_others_do_not(tmp_path: Path) -> None:
    def read(offset: int, length: int) -> bytes | int:
        return errno.EIO if offset >= 40 * BLOCK else pattern(offset, length)

    with Fuse(tmp_path, BLOCKS * BLOCK, read) as fuse:
        offsets = [40 * BLOCK, 0, 41 * BLOCK + 5, 10]
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(fuse.fd, offsets, 100)
        assert failures(caught.value) == {0: errno.EIO, 2: errno.EIO}
        assert [each and bytes(each) for each in caught.value.results] == [
            None,
            pattern(0, 100),
            None,
            pattern(10, 100),
        ]


def test_errors_that_say_try_again_are_tried_again_and_not_for_ever(tmp_path: Path) -> None:
    asked: list[int] = []

    def read(offset: int, length: int) -> bytes | int:
        asked.append(offset)
        patient = asked.count(offset) < 4 or offset == 9000
        return (errno.EINTR, errno.EAGAIN)[offset // 1000 % 2] if patient else pattern(offset, length)

    with Fuse(tmp_path, 1 << 20, read, direct=True) as fuse, no_longer_than(20):
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(fuse.fd, [2000, 3000, 9000], 100)
        assert failures(caught.value) == {2: errno.EAGAIN}
        assert [bytes(each) for each in caught.value.results[:2]] == [pattern(2000, 100), pattern(3000, 100)]
    assert asked.count(2000) == 4


def test_einval_at_once_is_an_error(tmp_path: Path) -> None:
    with Fuse(tmp_path, 1 << 20, lambda offset, length: errno.EINVAL, direct=True) as fuse:
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(fuse.fd, [0, 1], 100)
        assert failures(caught.value) == {0: errno.EINVAL, 1: errno.EINVAL}


@pytest.mark.parametrize(("offset", "ends"), [(0, True), (504, True), (4096 - 8, False), (3 * 4096 - 8, False)])
def test_einval_amid_a_block_after_a_short_read_is_the_end_of_the_file(offset: int, ends: bool) -> None:
    """As kernels of old answer an O_DIRECT read behind a file that ends there.

    No file system does that on 6.18; an eventfd has eight bytes to give, and EINVAL for less.
    """
    event = os.eventfd(77)
    try:
        if ends:
            assert [bytes(view) for view in pyuring.read_ranges(event, [offset, 0], [12, 0])] == [
                (77).to_bytes(8, sys.byteorder), b""
            ]  # fmt: skip
        else:
            with pytest.raises(BatchError) as caught:
                pyuring.read_ranges(event, [offset, 0], [12, 0])
            assert failures(caught.value) == {0: errno.EINVAL}
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(event, [0, 0], [7, 0])
        assert failures(caught.value) == {0: errno.EINVAL}, "it had nothing before"
    finally:
        os.close(event)


# -- what comes in parts -------------------------------------------------------------------


def test_a_pipe_that_gives_little_at_a_time_is_read_to_the_end_of_each_range(pipe: tuple[int, int]) -> None:
    data = os.urandom(5000)

    def feed() -> None:
        for at in range(0, len(data), 77):
            os.write(pipe[1], data[at : at + 77])
            time.sleep(0.0005)
        os.close(pipe[1])

    feeder = threading.Thread(target=feed)
    feeder.start()
    views = pyuring.read_ranges(pipe[0], [0, 0, 0, 0], [1000, 3000, 1500, 10], depth=1)
    feeder.join()
    assert [bytes(view) for view in views] == [data[:1000], data[1000:4000], data[4000:], b""]


# -- writes --------------------------------------------------------------------------


def test_a_socket_that_gives_little_at_a_time_is_read_to_the_end_of_each_range() -> None:
    ours, theirs = socket.socketpair()
    data = os.urandom(5000)

    def feed() -> None:
        for at in range(0, len(data), 77):
            theirs.sendall(data[at : at + 77])
            time.sleep(0.0005)
        theirs.close()

    with ours:
        feeder = threading.Thread(target=feed)
        feeder.start()
        views = pyuring.read_ranges(ours, [0, 0, 0, 0], [1000, 3000, 1500, 10], depth=1)
        feeder.join()
        assert [bytes(view) for view in views] == [data[:1000], data[1000:4000], data[4000:], b""]
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(ours, [0, 1], 10)
        assert failures(caught.value) == {1: errno.ESPIPE}


def test_a_socket_that_takes_little_at_a_time_is_given_all_of_each_range() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        got = bytearray()

        def take() -> None:
            while data := theirs.recv(3000):
                got.extend(data)

        taker = threading.Thread(target=take)
        taker.start()
        pieces = [os.urandom(length) for length in (100_000, 5, 200_000)]
        assert pyuring.write_ranges(ours, [0] * 3, pieces, depth=1).tolist() == [100_000, 5, 200_000]
        ours.shutdown(socket.SHUT_WR)
        taker.join()
    assert got == b"".join(pieces)


def test_an_error_after_a_part_was_written_is_one() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        late = threading.Timer(0.05, theirs.close)
        late.start()
        with pytest.raises(BatchError) as caught:
            pyuring.write_ranges(ours, [0, 0], [b"x" * 10, b"y" * 100_000], depth=1)
        late.join()
        assert failures(caught.value) == {1: errno.EPIPE}
        assert caught.value.results == [10, None]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_file_system(workers: int, tmp_path: Path) -> None:
    room = 16 * BLOCK
    with small_tmpfs(tmp_path, room) as fd:
        data = os.urandom(64 * BLOCK)
        offsets = [i * BLOCK for i in range(64)]
        with pytest.raises(BatchError) as caught:
            pyuring.write_ranges(fd, offsets, data, workers=workers)
        assert set(failures(caught.value).values()) == {errno.ENOSPC}
        assert caught.value.errno == errno.ENOSPC
        written = [i for i, count in enumerate(caught.value.results) if count is not None]
        assert len(written) == 16
        views = pyuring.read_ranges(fd, [offsets[i] for i in written], BLOCK)
        assert [bytes(view) for view in views] == [data[offsets[i] : offsets[i] + BLOCK] for i in written]
        # One range of which a part fits, and one that does not fit at all.
        os.ftruncate(fd, 0)
        with pytest.raises(BatchError) as caught:
            pyuring.write_ranges(fd, [0, 32 * BLOCK], [data[: 32 * BLOCK], b"x"], depth=1)
        assert failures(caught.value) == {0: errno.ENOSPC, 1: errno.ENOSPC}
        with pytest.raises(BatchError) as caught:
            pyuring.write_ranges(fd, [0], [data[: 32 * BLOCK]])
        assert failures(caught.value) == {0: errno.ENOSPC}


def test_a_limit_of_file_sizes(tmp_path: Path) -> None:
    path = tmp_path / "limited"
    path.touch()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(BatchError) as caught:
            pyuring.write_ranges(path, [0, 9000, 20_000], [b"a" * 5000, b"b" * 5000, b"c"])
        with pytest.raises(BatchError) as alone:
            pyuring.write_ranges(path, [20_000], [b"c"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failures(caught.value) == {1: errno.EFBIG, 2: errno.EFBIG}
    assert caught.value.results == [5000, None, None]
    assert failures(alone.value) == {0: errno.EFBIG}
    assert path.read_bytes() == b"a" * 5000 + bytes(4000) + b"b" * 1000


def test_memory_that_is_not_there_any_more(tmp_path: Path) -> None:
    """`out` maps a file that is truncated: EFAULT, where a program that touches it gets SIGBUS."""
    path = tmp_path / "mapped"
    path.write_bytes(bytes(16 * BLOCK))
    source = tmp_path / "source"
    source.write_bytes(b"x" * BLOCK)
    with open(path, "r+b") as file:
        out = mmap.mmap(file.fileno(), 16 * BLOCK)
        os.ftruncate(file.fileno(), 4 * BLOCK)
        with pytest.raises(BatchError) as caught:
            pyuring.read_ranges(source, [0] * 16, BLOCK, out)
    assert failures(caught.value) == dict.fromkeys(range(4, 16), errno.EFAULT)
    assert out[: 4 * BLOCK] == b"x" * (4 * BLOCK)


# -- a device that does not answer -------------------------------------------------------


def test_a_device_that_never_answers_keeps_its_memory_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be cancelled is given up after a while, and its memory with it."""
    monkeypatch.setattr(engine, "DRAIN_SECONDS", 0.3)
    with Fuse(tmp_path, 1 << 20, lambda offset, length: None) as fuse, Ring() as ring:
        out = bytearray(200)
        with pytest.raises(Stop), interrupted_after(0.1):
            ring.read_ranges(fuse.fd, [0, 1 << 19], 100, out)
        assert ring.in_flight == 2
        with pytest.raises(BufferError):
            out.extend(b"x")
        with pytest.raises(RuntimeError, match="nothing is in flight"):
            ring.wait()
        # The ring is as good as before.
        with open("/proc/self/exe", "rb") as file:
            assert bytes(ring.read_ranges(file, [1, 2], 1)[0]) == b"E"
            deadline = time.monotonic() + 10
            while ring.in_flight and time.monotonic() < deadline:
                fuse.answer_all()  # the kernel asks again
                ring.completions()
            assert ring.in_flight == 0
            ring.read_ranges(file, [1, 2], 1)
        out.extend(b"x")
        assert not any(out[:200])


class Stop(BaseException):
    """What the signal handler raises."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """In the block, a signal handler raises `Stop` after that many seconds."""

    def stop(*_: object) -> None:
        raise Stop

    with handled(signal.SIGALRM, stop):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


# -- limits of the process ----------------------------------------------------------------


def test_too_much_memory_is_a_memory_error(data_file: int) -> None:
    for lengths in (2**60, 2**62, [2**61, 2**61]):
        with pytest.raises(MemoryError, match="bytes"):
            pyuring.read_ranges(data_file, [0, 0], lengths)
    with pytest.raises(MemoryError, match="bytes"):
        pyuring.read_ranges(data_file, [0] * 5, 2**62)


def test_no_memory_may_be_locked_and_it_works_or_says_so(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    run_python(
        """
        import resource, sys, pyuring
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        try:
            views = pyuring.read_ranges(sys.argv[1], [0, 5], 5)
        except pyuring.UnavailableError as error:
            assert "RLIMIT_MEMLOCK" in str(error), error
        else:
            assert [bytes(view) for view in views] == [b"01234", b"56789"]
        """,
        path,
    )


def test_no_descriptor_is_left_for_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    run_python(
        """
        import os, resource, sys, pyuring
        fd = os.open(sys.argv[1], os.O_RDONLY)
        resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, fd + 1))
        out = bytearray(10)
        for _ in range(2):
            try:
                pyuring.read_ranges(fd, [0, 5], 5, out)
            except pyuring.UnavailableError as error:
                assert "RLIMIT_NOFILE" in str(error) or "file" in str(error), error
            else:
                raise AssertionError("there was room for a ring")
            out.extend(b"x")
            out.pop()
        assert bytes(pyuring.read_ranges(fd, [5], 5)[0]) == b"56789", "one range needs none"
        resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, fd + 1))
        """,
        path,
    )
