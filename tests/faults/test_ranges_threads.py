"""Batches in many threads and in forked processes, and what other threads do meanwhile."""

from __future__ import annotations

import array
import errno
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from lifetime.processes import STRICT_MEMORY, run_python

import pyuring
from pyuring import BatchError, Ring
from pyuring.thread_ring import thread_ring

from .test_fork import in_a_child

OFFSETS = [0, 9, 4096, 5]


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Call `work` in as many threads at once, and fail if one of them fails."""
    problems: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for problem in problems:
        raise problem


def rings_open() -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += "io_uring" in os.readlink(f"/proc/self/fd/{name}")
    return found


def test_other_threads_run_meanwhile(data_file: int) -> None:
    count = 3_000_000
    offsets, out = array.array("q", [0]) * count, bytearray(count)
    steps, over = [0], threading.Event()

    def go_on() -> None:
        while not over.is_set():
            steps[0] += 1
            time.sleep(0.0001)

    other = threading.Thread(target=go_on)
    other.start()
    before = steps[0]
    pyuring.read_ranges(data_file, offsets, 1, out)
    during = steps[0] - before
    over.set()
    other.join()
    assert during > 100


@pytest.mark.parametrize("workers", [None, 1, 2, 4])
def test_many_threads_at_once(workers: int | None, data_file: int) -> None:
    whole = os.pread(data_file, 65536, 0)
    before = rings_open()

    def work(number: int) -> None:
        offsets = [(i * 7919 + number) % 65536 for i in range(2000)]
        for round_ in range(10):
            # Of different sizes, so that the pool grows while others use it.
            many = workers and workers + (number + round_) % 3
            views = pyuring.read_ranges(data_file, offsets, 9, workers=many)
            assert [bytes(view) for view in views] == [whole[offset : offset + 9] for offset in offsets]

    in_threads(8, work)
    helpers = sum(thread.name == "pyuring" for thread in threading.enumerate())
    assert rings_open() <= before + helpers, "the threads' own rings are closed"


def test_a_batch_that_waits_for_ever_holds_up_no_other(pipe: tuple[int, int], data_file: int) -> None:
    """Its helpers are busy: other callers do without them."""
    stuck = threading.Thread(target=pyuring.read_ranges, args=(pipe[0], [0] * 8, 1), kwargs={"workers": 2})
    stuck.start()
    time.sleep(0.05)
    with no_longer_than(10):
        for _ in range(5):
            views = pyuring.read_ranges(data_file, OFFSETS * 10, 5, workers=2)
            assert len(views) == 40
    os.write(pipe[1], b"x" * 8)
    stuck.join()


def test_a_helper_without_a_ring_is_reported_and_hangs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    run_python(
        """
        import os, resource, sys, pyuring
        fd = os.open(sys.argv[1], os.O_RDONLY)
        pyuring.read_ranges(fd, [0, 5], 5)  # the ring of this thread
        limit = max(map(int, os.listdir("/proc/self/fd"))) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, 4096))
        holes = []
        try:
            while True:
                holes.append(os.dup(fd))
        except OSError:
            pass
        out = bytearray(1000)
        for _ in range(5):
            try:
                pyuring.read_ranges(fd, [0] * 1000, 1, out, workers=3)
            except pyuring.UnavailableError:
                pass
            out.extend(b"x")
            out.pop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        assert pyuring.read_ranges(fd, [0] * 1000, 1, out, workers=3).count(1) == 1000
        """,
        path,
    )


def test_what_another_ring_forges_is_no_completion_of_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    run_python(
        """
        import os, sys, threading, time, pyuring
        from pyuring._ffi import lib
        from pyuring.kernel import is_older
        readable, writable = os.pipe()
        file = os.open(sys.argv[1], os.O_RDONLY)
        ring = pyuring.Ring(8)
        def forge():
            time.sleep(0.05)
            for key in (1, 2, 3, 500, 0xFFFFF):
                code = lib.pyuring_send_message(ring.fileno(), lib.PYURING_RUN_IDS | 1 << 20 | key, 5)
                assert code >= 0, code
            time.sleep(0.05)
            os.write(writable, b"abc")
        thread = threading.Thread(target=forge)
        if not is_older("6.13"):
            thread.start()
            out = bytearray(8)
            counts = ring.read_ranges([readable, file, file], [0, 2, 4], [3, 3, 2], out, depth=4)
            assert (counts.tolist(), bytes(out)) == ([3, 3, 2], b"abc23445"), (counts, out)
            thread.join()
            assert ring.stats()["unexpected"] == 5, ring.stats()
            assert ring.in_flight == 0
        ring.close()
        """.replace("lib.PYURING_RUN_IDS", str(1 << 63 | 1 << 61)),
        path,
    )


# -- descriptors that others close or exchange meanwhile -----------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_descriptor_that_is_closed_or_exchanged_meanwhile(workers: int, tmp_path: Path) -> None:
    """Each range is of the one file or of the other, or fails: nothing else, and no hang."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 100_000)
    other = os.open(tmp_path / "b", os.O_RDONLY)
    offsets = [i % 99_000 for i in range(30_000)]
    seen: set[str] = set()
    deadline = time.monotonic() + 60
    tries = 0
    while seen != {"a", "b", "failed"} and time.monotonic() < deadline:
        tries += 1
        fd = os.open(tmp_path / "a", os.O_RDONLY)

        def meddle(fd: int = fd, tries: int = tries) -> None:
            time.sleep(tries % 20 / 5000)
            if tries % 2:
                os.dup2(other, fd)
            else:
                os.close(fd)

        meddler = threading.Thread(target=meddle)
        meddler.start()
        try:
            results: list[Any] = pyuring.read_ranges(fd, offsets, 50, workers=workers, depth=8)
        except BatchError as error:
            assert {each.errno for each in error.errors.values()} == {errno.EBADF}
            results = error.results
        meddler.join()
        if tries % 2:
            os.close(fd)
        for each in results:
            if each is None:
                seen.add("failed")
            else:
                assert bytes(each) in (b"a" * 50, b"b" * 50)
                seen.add(chr(each[0]))
    os.close(other)
    assert seen == {"a", "b", "failed"}


def test_a_descriptor_that_is_closed_while_a_read_waits_for_it(pipe: tuple[int, int], data_file: int) -> None:
    """As with os.read, the read goes on with the file: the kernel holds it."""
    out = bytearray(20)

    def close_and_write() -> None:
        time.sleep(0.05)
        os.close(pipe[0])
        spare = os.dup(data_file)  # most likely the same number
        os.write(pipe[1], b"x" * 20)
        os.close(spare)

    thread = threading.Thread(target=close_and_write)
    thread.start()
    counts = pyuring.read_ranges(pipe[0], [0, 0], 10, out, depth=2)
    thread.join()
    assert counts.tolist() == [10, 10]
    assert out == b"x" * 20


# -- what is not to be changed meanwhile, and is ---------------------------------------------------


class Guarded:
    """`size` bytes of `memory` between two others, which nobody may write to."""

    MARGIN = 1 << 20

    def __init__(self, size: int) -> None:
        self.whole = bytearray(b"\xee") * (size + 2 * self.MARGIN)
        self.memory = memoryview(self.whole)[self.MARGIN : self.MARGIN + size]

    def check(self) -> None:
        assert self.whole.count(0xEE, 0, self.MARGIN) == self.MARGIN
        assert self.whole.count(0xEE, self.MARGIN + len(self.memory)) == self.MARGIN


@pytest.mark.parametrize("what", ["lengths", "offsets"])
@pytest.mark.parametrize("workers", [1, 2])
def test_numbers_that_another_thread_changes_lead_nowhere_else(workers: int, what: str, data_file: int) -> None:
    """Some ranges fail then; what is read is in `out`, and in nothing else."""
    os.pwrite(data_file, bytes(65536), 0)
    count = 20_000
    lengths, offsets = array.array("q", [10]) * count, array.array("q", [0]) * count
    changed = memoryview(lengths if what == "lengths" else offsets)
    wild = memoryview(array.array("q", [-1, 60_000, 2**62, 10, -(2**63)] * (count // 5)))
    tame = memoryview(array.array("q", [10]) * count)
    guarded, over = Guarded(10 * count), threading.Event()

    def meddle() -> None:
        while not over.is_set():
            changed[count // 10 :] = wild[count // 10 :]
            changed[:] = tame

    meddler = threading.Thread(target=meddle)
    meddler.start()
    seen: set[str] = set()
    os.lseek(data_file, 5, os.SEEK_SET)
    deadline = time.monotonic() + 30
    tries = 0
    while tries < 20 or (seen != {"done", "failed"} and time.monotonic() < deadline):
        tries += 1
        try:
            pyuring.read_ranges(data_file, offsets, lengths, guarded.memory, workers=workers)
            seen.add("done")
        except BatchError as error:
            assert {each.errno for each in error.errors.values()} == {errno.EFAULT}
            seen.add("failed")
        except ValueError:
            pass  # refused before it began
        guarded.check()
    over.set()
    meddler.join()
    assert "failed" in seen
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 5, "nothing was read from the file's own position"


def test_out_may_be_the_memory_of_the_offsets(data_file: int) -> None:
    os.pwrite(data_file, b"\xff" * 65536, 0)  # offsets of -1, once they are read
    both = array.array("q", range(0, 8000, 8))
    os.lseek(data_file, 5, os.SEEK_SET)
    with suppress(BatchError):
        pyuring.read_ranges(data_file, both, 8, both, depth=4)
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 5


class Liar(Sequence[Any]):
    """Says that it has more than it has."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return 100_000

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]


class LyingList(list[Any]):
    def __len__(self) -> int:
        return 100_000


def test_sequences_that_lie_about_their_length_are_not_believed(data_file: int) -> None:
    out = bytearray(100_000)
    assert pyuring.read_ranges(data_file, Liar([0, 1]), 1, out).tolist() == [1, 1]
    calls: list[Callable[[], object]] = [
        lambda: pyuring.read_ranges(data_file, range(100_000), Liar([1, 1]), out),
        lambda: pyuring.read_ranges(LyingList([data_file] * 2), range(100_000), 1, out),
        lambda: pyuring.write_ranges(data_file, range(100_000), Liar([b"a", b"b"])),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="100000 offsets need as many"):
            call()


# -- other processes -----------------------------------------------------------------------------


def batch(fd: int) -> None:
    expected = [os.pread(fd, 5, offset) for offset in OFFSETS]
    for workers in (None, 1, 2):
        assert [bytes(view) for view in pyuring.read_ranges(fd, OFFSETS, 5, workers=workers)] == expected


def test_a_forked_child_has_a_ring_of_its_own(data_file: int) -> None:
    batch(data_file)
    mine = thread_ring()
    before = mine.stats()["completed"]
    in_a_child(lambda: batch(data_file))
    assert mine.stats()["completed"] == before
    batch(data_file)
    assert thread_ring() is mine


def test_a_child_forked_while_another_thread_reads(pipe: tuple[int, int], data_file: int) -> None:
    memory = bytearray(40)
    thread = threading.Thread(target=pyuring.read_ranges, args=(pipe[0], [0] * 4, 10, memory), kwargs={"workers": 2})
    thread.start()
    time.sleep(0.05)
    for _ in range(3):
        in_a_child(lambda: batch(data_file))
    os.write(pipe[1], b"x" * 40)
    thread.join()
    assert memory == b"x" * 40


def test_a_ring_of_the_parent_is_refused_in_a_child(ring: Ring, data_file: int) -> None:
    def check() -> None:
        out = bytearray(20)
        for offsets in ([0], [0, 1]):
            with pytest.raises(RuntimeError, match="made before the fork"):
                ring.read_ranges(data_file, offsets, 10, out)
        out.extend(b"x")

    ring.read_ranges(data_file, [0, 1], 10)
    in_a_child(check)
    ring.read_ranges(data_file, [0, 1], 10)


def read_in_a_process(path: str) -> list[bytes]:
    return [bytes(view) for view in pyuring.read_ranges(path, OFFSETS, 5, workers=2)]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(10_000))
    expected = read_in_a_process(str(path))
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(read_in_a_process, [str(path)] * 6) == [expected] * 6


# -- the end of the interpreter -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "raise SystemExit"])
def test_the_interpreter_ends_while_a_daemon_thread_reads(workers: int, end: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    run_python(
        f"""
        import os, sys, threading, time, pyuring
        readable, writable = os.pipe()
        out = bytearray(40)
        def wait_for_ever():
            pyuring.read_ranges(readable, [0] * 4, 10, out, workers={workers})
        def go_on_for_ever():
            while True:
                pyuring.read_ranges(sys.argv[1], range(0, 1 << 20, 64), 64, workers={workers})
        for work in (wait_for_ever, go_on_for_ever):
            threading.Thread(target=work, daemon=True).start()
        pyuring.read_ranges(sys.argv[1], [0, 1], 1, workers={workers})
        time.sleep(0.1)
        {end}
        """,
        path,
        env=STRICT_MEMORY,
    )


def test_idle_threads_end_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    said = run_python(
        """
        import sys, threading, time, pyuring
        def work():
            pyuring.read_ranges(sys.argv[1], [0, 1], 1)
            time.sleep(100)
        threading.Thread(target=work, daemon=True).start()
        pyuring.read_ranges(sys.argv[1], range(100), 1, workers=4)
        time.sleep(0.1)
        """,
        path,
        warnings="always",
    )
    assert not said
