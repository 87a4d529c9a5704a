"""How a ring waits, polls and works."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pyuring import NapiSettings, Ring, SetupFlags, SqeFlags
from pyuring._ffi import lib


def seconds_of(call: Any) -> tuple[Any, float]:
    begun = time.monotonic()
    answer = call()
    return answer, time.monotonic() - begun


# -- waits for several that are content with one -------------------------------------------


def test_a_wait_for_several_is_content_with_one_after_the_time(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 0.1
    operations = [ring.read(pipe[0], 1) for _ in range(4)]
    os.write(pipe[1], b"xx")
    ready, seconds = seconds_of(lambda: ring.wait(4))
    assert ready == operations[:2]
    assert 0.1 <= seconds < 5


def test_it_returns_at_once_with_all_that_it_waits_for(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 30
    for _ in range(4):
        ring.read(pipe[0], 1)
    os.write(pipe[1], b"four")
    ready, seconds = seconds_of(lambda: ring.wait(4))
    assert len(ready) == 4
    assert seconds < 10


def test_after_the_time_the_first_that_comes_ends_it(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 0.01
    for _ in range(2):
        ring.read(pipe[0], 1)
    threading.Timer(0.1, os.write, (pipe[1], b"x")).start()
    ready, seconds = seconds_of(lambda: ring.wait(2))
    assert len(ready) == 1
    assert seconds >= 0.1
    assert ring.wait(2, timeout=0.05) == []


@pytest.mark.parametrize("timeout", [0, 0.02, 0.1])
def test_a_wait_is_never_longer_than_its_timeout(ring: Ring, pipe: tuple[int, int], timeout: float) -> None:
    ring.min_wait = 20
    for _ in range(2):
        ring.read(pipe[0], 1)
    os.write(pipe[1], b"x")
    ready, seconds = seconds_of(lambda: ring.wait(2, timeout=timeout))
    assert len(ready) == 1
    assert timeout <= seconds < 10


def test_a_wait_with_a_timeout_is_content_too(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 0.02
    for _ in range(2):
        ring.read(pipe[0], 1)
    os.write(pipe[1], b"x")
    ready, seconds = seconds_of(lambda: ring.wait(2, timeout=30))
    assert len(ready) == 1
    assert 0.02 <= seconds < 10


def test_a_wait_for_one_and_a_result_are_as_before(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 0.02
    op = ring.read(pipe[0], 1)
    threading.Timer(0.1, os.write, (pipe[1], b"x")).start()
    assert op.result(timeout=10) == b"x"
    second = ring.nop()
    assert ring.wait() == [second]


def test_signals_neither_end_it_nor_make_it_longer(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.min_wait = 0.2
    for _ in range(2):
        ring.read(pipe[0], 1)
    os.write(pipe[1], b"x")
    hits: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        ready, seconds = seconds_of(lambda: ring.wait(2))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits
    assert len(ready) == 1
    assert seconds < 5


def test_the_time_is_kept_in_microseconds_and_can_be_taken_back(ring: Ring, pipe: tuple[int, int]) -> None:
    assert ring.min_wait == 0
    ring.min_wait = 1.5e-6
    assert ring.min_wait == 2e-6
    ring.min_wait = 0
    assert ring.min_wait == 0
    for _ in range(2):
        ring.read(pipe[0], 1)
    os.write(pipe[1], b"x")
    threading.Timer(0.1, os.write, (pipe[1], b"y")).start()
    assert len(ring.wait(2)) == 2


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 5000])
def test_a_time_that_is_none_is_refused(ring: Ring, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"min_wait|timeout"):
        ring.min_wait = seconds
    assert ring.min_wait == 0


# -- registered waits ------------------------------------------------------------------------


def test_registered_waits_end_in_time_and_take_no_memory_of_the_stack(pipe: tuple[int, int]) -> None:
    with Ring(8, registered_waits=True) as ring:
        assert ring.enabled
        assert ring._c.reg_wait
        op = ring.read(pipe[0], 1)
        for timeout in (0.05, 0.01, 0):
            with pytest.raises(TimeoutError):
                op.result(timeout=timeout)
        ready, seconds = seconds_of(lambda: ring.wait(1, timeout=0.1))
        assert ready == []
        assert 0.1 <= seconds < 5
        threading.Timer(0.05, os.write, (pipe[1], b"x")).start()
        assert op.result(timeout=10) == b"x"
        ring.min_wait = 0.05
        for _ in range(2):
            ring.read(pipe[0], 1)
        os.write(pipe[1], b"x")
        assert len(ring.wait(2, timeout=10)) == 1


@pytest.mark.parametrize("setup", [SetupFlags(0), SetupFlags.SQPOLL, SetupFlags.CQE32], ids=lambda s: s.name or "plain")
def test_registered_waits_go_with_other_setups(setup: SetupFlags, pipe: tuple[int, int]) -> None:
    with Ring(8, setup=setup, registered_waits=True) as ring:
        op = ring.read(pipe[0], 1)
        with pytest.raises(TimeoutError):
            op.result(timeout=0.02)
        assert ring.nop().result(timeout=10) == 0


def test_rings_with_registered_waits_give_their_memory_back() -> None:
    def mappings() -> int:
        return len(Path("/proc/self/maps").read_text().splitlines())

    with Ring(2, registered_waits=True):
        pass
    before = mappings()
    for _ in range(50):
        Ring(2, registered_waits=True).close()
    assert mappings() <= before + 5


# -- iowait -------------------------------------------------------------------------------------


def test_a_wait_that_is_no_iowait_is_a_wait(ring: Ring, pipe: tuple[int, int]) -> None:
    assert ring.iowait is True
    ring.iowait = False
    assert ring.iowait is False
    assert ring._c.enter_flags & lib.PYURING_ENTER_NO_IOWAIT
    op = ring.read(pipe[0], 1)
    with pytest.raises(TimeoutError):
        op.result(timeout=0.02)
    os.write(pipe[1], b"x")
    assert op.result() == b"x"
    ring.register_ring_fd()
    assert ring.iowait is False
    ring.iowait = True
    assert ring.iowait is True
    assert ring.nop().result() == 0


# -- clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME])
def test_waits_go_by_the_registered_clock(ring: Ring, pipe: tuple[int, int], clock: int) -> None:
    ring.register_clock(clock)
    ring.read(pipe[0], 1)
    ready, seconds = seconds_of(lambda: ring.wait(1, timeout=0.1))
    assert ready == []
    assert 0.1 <= seconds < 5


@pytest.mark.parametrize("clock", [time.CLOCK_REALTIME, time.CLOCK_PROCESS_CPUTIME_ID, -1, 1000])
def test_another_clock_is_refused(ring: Ring, clock: int) -> None:
    with pytest.raises(ValueError, match="BOOTTIME"):
        ring.register_clock(clock)


# -- busy polling --------------------------------------------------------------------------------------


def test_the_settings_of_busy_polling_are_kept_and_given_back(ring: Ring) -> None:
    assert ring.register_napi(50, prefer=True) == NapiSettings(0, False)
    assert ring.register_napi(10) == (50, True)
    assert ring.unregister_napi() == (10, False)
    assert ring.unregister_napi() == (0, False)


def test_a_ring_that_polls_the_network_receives(ring: Ring, listener: socket.socket) -> None:
    ring.register_napi(20)
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        op = ring.recv(server, 5)
        with pytest.raises(TimeoutError):
            op.result(timeout=0.02)
        client.sendall(b"hello")
        assert op.result(timeout=10) == b"hello"
    ring.unregister_napi()


def test_busy_polling_is_not_for_polled_disks_nor_for_no_time() -> None:
    with Ring(8, setup=SetupFlags.IOPOLL) as ring, pytest.raises(ValueError, match="IOPOLL"):
        ring.register_napi(10)
    with Ring(8) as ring:
        for number in (-1, 2**32):
            with pytest.raises(ValueError, match="busy_poll_us"):
                ring.register_napi(number)


# -- worker threads --------------------------------------------------------------------------------------


def in_a_thread_of_its_own(call: Any) -> Any:
    """The worker threads of another thread are others: what is changed there ends with it."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join()
    return answers[0]


def worker_cpus() -> set[frozenset[int]]:
    """The CPUs that each worker thread of this process may use."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            if (task / "comm").read_text().startswith("iou-wrk"):
                found.add(frozenset(os.sched_getaffinity(int(task.name))))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


def test_workers_run_on_the_cpus_that_were_chosen(pipe: tuple[int, int]) -> None:
    cpus = sorted(os.sched_getaffinity(0))

    def call() -> None:
        with Ring(8) as ring:
            ring.iowq_affinity([cpus[-1]])
            ring.read(pipe[0], 1, flags=SqeFlags.ASYNC)
            ring.submit()
            deadline = time.monotonic() + 10
            while frozenset({cpus[-1]}) not in worker_cpus():
                assert time.monotonic() < deadline
                time.sleep(0.001)
            ring.iowq_affinity(None)

    in_a_thread_of_its_own(call)


@pytest.mark.parametrize("cpus", [[], [-1], [10**6], [8191]])
def test_cpus_that_there_are_not_are_refused(ring: Ring, cpus: list[int]) -> None:
    with pytest.raises(ValueError, match=r"CPU|cpus"):
        ring.iowq_affinity(cpus)


def test_the_limits_of_workers_are_told_and_changed() -> None:
    def call() -> tuple[tuple[int, int], ...]:
        with Ring(8) as ring:
            return ring.iowq_max_workers(), ring.iowq_max_workers(3, 5), ring.iowq_max_workers(bounded=4), (
                ring.iowq_max_workers()
            )  # fmt: skip

    first, second, third, last = in_a_thread_of_its_own(call)
    assert min(first) >= 1
    assert second == first
    assert third == (3, 5)
    assert last == (4, 5)


def test_there_are_no_more_workers_than_allowed(tmp_path: Path) -> None:
    """Opening a FIFO keeps a worker busy until somebody opens its other end."""
    os.mkfifo(tmp_path / "fifo")

    def workers() -> int:
        """Those of this thread: they bear its number."""
        mine = f"iou-wrk-{threading.get_native_id()}"
        return sum((task / "comm").read_text().strip() == mine for task in Path("/proc/self/task").glob("*"))

    def call() -> list[int]:
        found = []
        for limit in (2, 5):
            with Ring(64) as ring:
                ring.iowq_max_workers(bounded=limit)
                for _ in range(20):
                    ring.open(tmp_path / "fifo", sqe_flags=SqeFlags.ASYNC)
                ring.submit()
                deadline = time.monotonic() + 10
                while workers() < limit and time.monotonic() < deadline:
                    time.sleep(0.001)
                time.sleep(0.05)  # for more of them, which there must not be
                found.append(workers())
                ring.sync_cancel()
        return found

    assert in_a_thread_of_its_own(call) == [2, 5]


@pytest.mark.parametrize("limits", [(0, None), (None, 0), (-1, None), (2**31, None), (None, 2**40)])
def test_limits_that_are_none_are_refused(ring: Ring, limits: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match="bounded"):
        ring.iowq_max_workers(*limits)
