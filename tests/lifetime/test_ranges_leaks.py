"""Batches leave nothing behind, and need eight bytes for a range."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.mounts import small_tmpfs
from faults.signals import handled

import pyuring
from pyuring import BatchError, Ring

from .processes import run_python
from .test_leaks import MIB, descriptors, resident


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(65536))
    return path


@contextlib.contextmanager
def nothing_is_left(room: int = MIB) -> Iterator[None]:
    """Neither descriptors nor threads are left by the block, nor more than `room` bytes."""
    gc.collect()
    before, threads, memory = descriptors(), threading.active_count(), resident()
    yield
    gc.collect()
    assert descriptors() == before
    assert threading.active_count() == threads
    assert resident() - memory < room


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_thousand_batches_leave_nothing(path: Path, workers: int) -> None:
    out, data = bytearray(4000), bytes(3000)

    def run(count: int) -> None:
        for number in range(count):
            if number % 3 == 0:
                pyuring.read_ranges(path, range(0, 4000, 100), 100, out, workers=workers)
            elif number % 3 == 1:
                pyuring.read_ranges([path, str(path)] * 10, [number] * 20, [7] * 20, workers=workers)
            else:
                pyuring.write_ranges(path, list(range(0, 3000, 30)), data, workers=workers)

    run(500)
    with nothing_is_left():
        run(10_000)


def test_ten_thousand_failures_leave_nothing(path: Path) -> None:
    out = bytearray(4000)

    def run(count: int) -> None:
        for number in range(count):
            with pytest.raises(BatchError):
                pyuring.read_ranges([path, 10**6] * 5, [number] * 10, 100, out, workers=1 + number % 2)
            with pytest.raises(BatchError):
                pyuring.read_ranges(10**6, [number] * 10, 100)
            for bad in ([-1, 0], [1.5, 2], [0] * 41, None):
                with pytest.raises((ValueError, TypeError)):
                    pyuring.read_ranges(path, bad, 100, out)
            with pytest.raises(FileNotFoundError):
                pyuring.read_ranges([path, "/nowhere"], [0, 1], 100)
            with pytest.raises(TypeError):
                pyuring.write_ranges(path, [0, 1], [b"abc", 5])
            out.append(0)
            out.pop()

    run(100)
    with nothing_is_left():
        run(2000)


def test_batches_that_find_no_room_on_the_disk_leave_nothing(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path, 65536) as fd:

        def run(count: int) -> None:
            for _ in range(count):
                with pytest.raises(BatchError):
                    pyuring.write_ranges(fd, range(0, 40 * 4096, 4096), bytes(40 * 4096))

        run(100)
        with nothing_is_left():
            run(1000)


def test_interrupted_batches_leave_nothing(path: Path, pipe: tuple[int, int]) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    def run(count: int) -> None:
        for number in range(count):
            out = bytearray(10_000)
            signal.setitimer(signal.ITIMER_REAL, 0.002)
            with pytest.raises(KeyboardInterrupt):
                pyuring.read_ranges([path, pipe[0]] * 10, [0] * 20, 100, out, workers=1 + number % 2)
            out.extend(b"x")

    with handled(signal.SIGALRM, stop):
        run(40)
        with nothing_is_left():
            run(300)


def test_batches_in_threads_that_end_leave_nothing(path: Path) -> None:
    def work() -> None:
        pyuring.read_ranges(path, [0, 1, 2], 10, workers=2)

    def run(count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    run(50)
    with nothing_is_left():
        run(500)


def test_rings_with_batches_leave_nothing(path: Path) -> None:
    def run(count: int) -> None:
        for _ in range(count):
            with Ring(8) as ring:
                ring.read_ranges(path, range(20), 10)

    run(50)
    with nothing_is_left():
        run(1000)


MEASURE = """
import array, os, sys, pyuring

def now(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))

fd = os.open(sys.argv[1], os.O_RDONLY)
workers = int(sys.argv[2])
pyuring.read_ranges(fd, range(1000), 1, workers=workers)  # the rings are made once
count = 10_000_000
offsets = array.array("q", [i % 65536 for i in range(1 << 16)]) * (count >> 16)
count = len(offsets)
out = bytearray(b"\\xee") * count
before = now("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # VmHWM counts from here
counts = pyuring.read_ranges(fd, offsets, 1, out, workers=workers)
more = now("VmHWM") - before
assert more < 8 * count + (256 << 10), f"{more} bytes, which is {more / count} for a range"
assert counts.count(1) == count
with open(sys.argv[1], "rb") as file:
    whole = file.read()
assert out == whole * (count >> 16)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_million_ranges_need_eight_bytes_each(workers: int, path: Path) -> None:
    """For their results; and 256 KiB, whatever their number is."""
    run_python(MEASURE, path, workers, timeout=300)
