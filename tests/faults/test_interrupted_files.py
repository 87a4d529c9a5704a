"""Batches of files while something happens: signals, files that change, rings that are closed."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opened import descriptors

import pyuring
from pyuring import BatchError, Ring

from .signals import alarms, handled
from .steps import Interrupted, each_step, interrupt

COUNT = 300


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Files of up to 100 kB, whose contents tell their number."""
    paths = [f"{tmp_path}/{i}" for i in range(COUNT)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(b"%d " % i * (i * 97 % 20_000))
    return paths


def content(i: int) -> bytes:
    return b"%d " % i * (i * 97 % 20_000)


@pytest.fixture(params=["direct descriptors", "ordinary descriptors"])
def ring(request: pytest.FixtureRequest) -> Iterator[Ring]:
    with Ring(64) as ring:
        if request.param == "ordinary descriptors":
            ring.register_files([0])
        yield ring


@pytest.fixture
def no_garbage() -> Iterator[None]:
    """What a signal handler raises in a destructor, or a callback of the collector, gets lost."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Storm(Exception):  # noqa: N818  it is no error
    """What a signal handler raises."""


def raise_it(number: int, frame: FrameType | None) -> None:
    raise Storm


# -- signals ------------------------------------------------------------------------------------


def test_signals_every_millisecond_change_nothing(ring: Ring, paths: list[str], tmp_path: Path) -> None:
    calls = 0

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1

    before = descriptors()
    expected = [content(i) for i in range(COUNT)]
    with alarms(0.001, count):
        for _ in range(10):
            assert ring.read_files(paths) == expected
            assert [data for _, data in ring.iter_files(paths, ahead=200_000)] == expected
            assert sum(ring.write_files((f"{tmp_path}/w{i}", data) for i, data in enumerate(expected))) > 0
    assert calls > 5
    assert descriptors() == before
    assert [Path(f"{tmp_path}/w{i}").read_bytes() for i in range(COUNT)] == expected


@pytest.mark.usefixtures("no_garbage")
@pytest.mark.parametrize("delay", [0.0002, 0.001, 0.003, 0.01])
def test_a_handler_that_raises_ends_the_call_and_leaves_nothing(
    ring: Ring, paths: list[str], tmp_path: Path, delay: float
) -> None:
    before = descriptors()
    jobs: list[Callable[[], object]] = [
        lambda: ring.read_files(paths * 20),
        lambda: list(ring.iter_files(paths * 20)),
        lambda: ring.write_files((f"{tmp_path}/w{i}", b"x" * 5000) for i in range(3000)),
        lambda: ring.write_files(((f"{tmp_path}/w{i}", b"x" * 5000) for i in range(3000)), fsync=True),
    ]
    for job in jobs:
        with handled(signal.SIGALRM, raise_it), pytest.raises(Storm):
            signal.setitimer(signal.ITIMER_REAL, delay)
            job()
            time.sleep(1)
        assert ring.in_flight == 0
        assert descriptors() == before
        assert ring.read_files(paths[:40]) == [content(i) for i in range(40)]


def test_control_c_ends_a_long_batch_at_once(ring: Ring, tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        file.truncate(300 << 20)
    before = descriptors()
    for paths in ([tmp_path / "large"] * 20, ["/proc/kallsyms"] * 2000):
        sent = 0.0

        def send() -> None:
            nonlocal sent
            time.sleep(0.3)
            sent = time.monotonic()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=send)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            ring.read_files(paths)
        took = time.monotonic() - sent
        thread.join()
        assert took < 0.5, "0.1 on a machine that does nothing else"
        assert ring.in_flight == 0
        assert descriptors() == before


def test_the_same_with_a_terminal_that_nobody_types_at(ring: Ring) -> None:
    ours, theirs = os.openpty()
    before = descriptors()
    with handled(signal.SIGALRM, raise_it), pytest.raises(Storm):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        ring.read_files([os.ttyname(theirs), "/dev/null"])
    assert ring.in_flight == 0
    assert descriptors() == before
    assert ring.read_files(["/dev/null"]) == [b""]
    os.close(ours)
    os.close(theirs)


def test_a_handler_that_reads_on_the_same_ring_gets_its_files(ring: Ring, paths: list[str]) -> None:
    inner: list[list[bytes]] = []
    before = descriptors()

    def read(number: int, frame: FrameType | None) -> None:
        inner.append(ring.read_files(paths[:50]))

    expected = [content(i) for i in range(COUNT)]
    with handled(signal.SIGALRM, read):
        while len(inner) < 5:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            assert ring.read_files(paths * 4) == expected * 4
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert inner == [expected[:50]] * len(inner)
    assert descriptors() == before


def test_a_handler_that_closes_the_ring_ends_the_call(paths: list[str]) -> None:
    before = descriptors()
    for _ in range(5):
        ring = Ring(64)
        with handled(signal.SIGALRM, lambda *_, ring=ring: ring.close()), pytest.raises(RuntimeError):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            while True:
                ring.read_files(paths)
        assert ring.closed
        assert descriptors() == before


# -- at each step of the Python code -------------------------------------------------------------


def small(tmp_path: Path) -> list[str]:
    names = [f"{tmp_path}/{name}" for name in "abc"]
    for name in names:
        Path(name).write_bytes(name.encode())
    return names


JOBS: dict[str, Callable[[Ring, list[str]], Any]] = {
    "read_files": lambda ring, names: ring.read_files(names),
    "a failure": lambda ring, names: ring.read_files([*names, "/missing"], on_error="return"),
    "iter_files": lambda ring, names: list(ring.iter_files(names)),
    "write_files": lambda ring, names: ring.write_files({name: name.encode() for name in names}, fsync=True),
}


@pytest.mark.parametrize("job", JOBS)
def test_an_exception_at_any_step_leaves_nothing_behind(ring: Ring, tmp_path: Path, job: str) -> None:
    names = small(tmp_path)
    data = bytearray(b"data")
    before = descriptors()
    for step in each_step(interrupt, at_least=20):
        with step:
            JOBS[job](ring, names)
        assert ring.in_flight == 0, step.place
        assert all(held.abandoned and not held.run.in_flight for held in ring._runs), step.place
        assert descriptors() == before, step.place
        assert ring.write_files({f"{tmp_path}/d": data}) == [4]
        data.append(1)  # nothing has exported it
        data.pop()
        for name in names:
            Path(name).write_bytes(name.encode())
        assert ring.read_files(names) == [name.encode() for name in names], step.place


def test_an_exception_at_any_step_leaves_no_table_on_the_ring(tmp_path: Path) -> None:
    names = small(tmp_path)
    with Ring(64) as ring:
        for step in each_step(interrupt, at_least=20):
            with step:
                ring.read_files(names)
            ring.register_files([0, 1]).unregister()


def test_a_batch_at_each_step_of_another_disturbs_neither(tmp_path: Path) -> None:
    names = small(tmp_path)
    expected = [name.encode() for name in names]
    with Ring(64) as ring:
        inner: list[list[bytes]] = []
        for step in each_step(lambda: inner.append(ring.read_files(names)), at_least=20):
            inner.clear()
            with step:
                assert ring.read_files(names) == expected, step.place
            assert inner == [expected] * step.reached


# -- files that change -----------------------------------------------------------------------------


def in_place(data: bytes, whole: bytes) -> bool:
    """Whether each byte is the one that belongs there, or 0, as what is just being cut off may read."""
    for start in range(0, len(data), 4096):
        page, should = data[start : start + 4096], whole[start : start + min(4096, len(data) - start)]
        if page != should and any(byte not in (0, other) for byte, other in zip(page, should, strict=True)):
            return False
    return True


def test_a_file_that_grows_and_shrinks_meanwhile_gives_bytes_that_it_had(ring: Ring, tmp_path: Path) -> None:
    """Each 8 bytes tell where they are: none may be out of place, whatever is cut off or appended."""
    path = tmp_path / "a"
    whole = b"".join(b"%07d\n" % i for i in range(100_000))
    over = threading.Event()

    def change() -> None:
        with open(path, "r+b", buffering=0) as file:
            for i in range(10**9):
                if over.is_set():
                    return
                size = (i * 7_919) % len(whole)
                file.truncate(size)
                os.pwrite(file.fileno(), whole[size : size + 40_000], size)

    path.write_bytes(whole)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            for data in ring.read_files([path] * 50):
                assert in_place(data, whole)
    finally:
        over.set()
        thread.join()


def test_a_file_that_grows_is_read_to_its_new_end(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    over = threading.Event()

    def append() -> None:
        with open(path, "ab", buffering=0) as file:
            while not over.is_set() and file.tell() < 50_000_000:
                file.write(b"0123456789abcdef" * 64)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        last = 0
        while last < 10_000_000:
            (data,) = ring.read_files([path])
            is_whole = data == b"0123456789abcdef" * (len(data) // 16)
            assert is_whole
            assert len(data) >= last
            last = len(data)
    finally:
        over.set()
        thread.join()


def test_files_that_are_removed_meanwhile_are_read_or_missing(ring: Ring, paths: list[str]) -> None:
    thread = threading.Thread(target=lambda: [*map(os.unlink, paths[::3])])
    thread.start()
    got = ring.read_files(paths * 5, on_error="return")
    thread.join()
    for i, data in enumerate(got):
        if isinstance(data, OSError):
            assert (type(data), i % COUNT % 3) == (FileNotFoundError, 0)
        else:
            assert data == content(i % COUNT)


# -- memory -----------------------------------------------------------------------------------------


def test_nothing_leaks(ring: Ring, paths: list[str], tmp_path: Path) -> None:
    def round_of_everything() -> None:
        ring.read_files(paths)
        ring.read_files([*paths, "/missing"], on_error="return")
        with pytest.raises(BatchError):
            ring.read_files(["/missing", tmp_path])
        for _ in ring.iter_files(paths, ahead=100_000):
            pass
        ring.write_files({f"{tmp_path}/w{i}": b"x" * 100 for i in range(100)}, fsync=True)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    for _ in range(5):
        round_of_everything()
    blocks, before = sys.getallocatedblocks(), resident()
    for _ in range(30):
        round_of_everything()
    assert sys.getallocatedblocks() - blocks < 200
    assert resident() - before < 8_000, "KiB"


def test_the_iterator_dropped_at_each_step_leaves_nothing(tmp_path: Path) -> None:
    names = small(tmp_path)
    pyuring.read_files(names)
    before = descriptors()
    for step in each_step(interrupt, at_least=20):
        files = pyuring.iter_files(names * 20)
        with step:
            try:
                for _ in range(30):
                    next(files)
            except Interrupted:
                raise
            finally:
                files.close()  # type: ignore[attr-defined]
        assert descriptors() == before, step.place
