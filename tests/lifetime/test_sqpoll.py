"""A ring whose SQEs a kernel thread takes: the same rules, and it sleeps and ends well."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

import pytest

import pyuring
from pyuring import Ring, SetupFlags


@pytest.fixture
def polled() -> Iterator[Ring]:
    with pyuring.Ring(8, setup=SetupFlags.SQPOLL, sq_thread_idle=1) as ring:
        yield ring


def test_it_reads_and_writes(polled: Ring, data_file: int) -> None:
    assert SetupFlags.SQPOLL in polled.setup
    assert polled.write(data_file, b"hello", offset=0).result() == 5
    assert polled.read(data_file, 5, offset=0).result() == b"hello"


def test_the_thread_is_woken_when_it_sleeps(polled: Ring) -> None:
    for _ in range(5):
        time.sleep(0.02)  # much longer than its idle time
        op = polled.nop()
        polled.submit()
        assert polled.wait(1, timeout=5) == [op]
        time.sleep(0.02)
        assert polled.nop().result(timeout=5) == 0


def test_nothing_is_lost_when_the_queue_is_full(polled: Ring) -> None:
    seen: list[int] = []
    for number in range(20_000):
        polled.nop(user_data=number)
        if number % 100 == 0:
            seen += [op.user_data for op in polled.completions()]
    while polled.in_flight:
        seen += [op.user_data for op in polled.wait()]
    seen += [op.user_data for op in polled.completions()]
    assert sorted(seen) == list(range(20_000))


def test_a_chain_is_whole_wherever_it_starts(polled: Ring, pipe: tuple[int, int]) -> None:
    for before in range(8):
        for _ in range(before):
            polled.nop()
        with polled.link():
            first = polled.read(pipe[0], 1)
            rest = [polled.nop() for _ in range(5)]
        polled.nop().result()
        assert not any(op.done for op in (first, *rest))
        os.write(pipe[1], b"x")
        assert [op.result(timeout=5) for op in rest] == [0] * 5
        polled.completions()


def test_close_ends_what_is_pending(pipe: tuple[int, int]) -> None:
    before = time.monotonic()
    with pyuring.Ring(8, setup=SetupFlags.SQPOLL, sq_thread_idle=1) as ring:
        buffer = bytearray(10)
        ops = [ring.readinto(pipe[0], buffer), ring.timeout(3600), ring.read(pipe[0], 1, timeout=3600)]
        ring.submit()
        time.sleep(0.01)
    assert [op.res for op in ops] == [-errno.ECANCELED] * 3
    buffer.append(0)
    assert time.monotonic() - before < 5


def test_what_was_never_submitted_is_never_executed(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    with pyuring.Ring(8, setup=SetupFlags.SQPOLL, sq_thread_idle=100) as ring:
        op = ring.write(data_file, b"overwritten", offset=0)
        time.sleep(0.02)  # the kernel's thread is awake, and must not see it
    assert op.res == -errno.ECANCELED
    assert os.pread(data_file, 10, 0) == before


def test_arguments_are_held_though_the_thread_comes_late(polled: Ring, data_file: int, pipe: tuple[int, int]) -> None:
    time.sleep(0.02)
    buffer = bytearray(10)
    op = polled.readinto(pipe[0], buffer)
    polled.submit()
    with pytest.raises(BufferError):
        buffer.append(0)
    op.cancel()
    with pytest.raises(OSError):
        op.result(timeout=5)
    buffer.append(0)


def test_a_late_submission_reads_its_own_time_limit(polled: Ring, pipe: tuple[int, int]) -> None:
    """The kernel's thread may read the time after other operations had theirs."""
    ops = [polled.read(pipe[0], 1, timeout=0.02 + number / 1000) for number in range(4)]
    for op in ops:
        with pytest.raises(TimeoutError):
            op.result(timeout=5)


def test_dropping_it_closes_it(pipe: tuple[int, int]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    ring = pyuring.Ring(8, setup=SetupFlags.SQPOLL, sq_thread_idle=1)
    ring.nop().result()
    with pytest.warns(ResourceWarning, match="SQPOLL"):
        del ring
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_fork_leaves_it_with_the_parent(polled: Ring, pipe: tuple[int, int]) -> None:
    op = polled.read(pipe[0], 3)
    polled.submit()
    pid = os.fork()
    if pid == 0:
        try:
            polled.nop()
        except RuntimeError:
            polled.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    os.write(pipe[1], b"abc")
    assert op.result(timeout=5) == b"abc"
