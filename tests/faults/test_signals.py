"""Blocking waits obey signals, and the ring is in order afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import pyuring
from pyuring import Completion, Ring

from .signals import alarms, handled, signalled, sleeps_in_the_ring

BLOCKING: dict[str, Callable[[Ring, Completion[Any]], Any]] = {
    "wait": lambda ring, op: ring.wait(),
    "wait with timeout": lambda ring, op: ring.wait(1, timeout=30),
    "submit_and_wait": lambda ring, op: ring.submit_and_wait(1),
    "submit_and_wait with timeout": lambda ring, op: ring.submit_and_wait(1, timeout=30),
    "result": lambda ring, op: op.result(),
    "result with timeout": lambda ring, op: op.result(timeout=30),
}
blocking = pytest.mark.parametrize("block", BLOCKING.values(), ids=BLOCKING.keys())


@pytest.mark.parametrize("submitted", [True, False], ids=["submitted", "prepared"])
@blocking
def test_ctrl_c_ends_the_wait_and_the_operation_goes_on(
    block: Callable[[Ring, Completion[Any]], Any], submitted: bool, ring: Ring, pipe: tuple[int, int]
) -> None:
    op = ring.read(pipe[0], 10, user_data="mine")
    if submitted:
        ring.submit()  # the kernel tells of a signal only where it submitted nothing
    before = time.monotonic()
    with signalled(signal.SIGINT, lambda: os.write(pipe[1], b"rescue")), pytest.raises(KeyboardInterrupt):
        block(ring, op)
    assert time.monotonic() - before < 5
    assert not op.done
    assert ring.in_flight == 1
    os.write(pipe[1], b"abc")
    assert ring.wait(1) == [op]
    assert op.result() == b"abc"
    assert ring.in_flight == 0


@blocking
def test_a_handler_runs_during_the_wait_and_the_wait_goes_on(
    block: Callable[[Ring, Completion[Any]], Any], ring: Ring, pipe: tuple[int, int]
) -> None:
    op = ring.read(pipe[0], 10)
    with (
        handled(signal.SIGALRM, lambda *_: os.write(pipe[1], b"abc")),
        signalled(signal.SIGALRM, lambda: os.write(pipe[1], b"rescue")),
    ):
        block(ring, op)
    assert op.result() == b"abc"


def test_ctrl_c_ends_a_preparation_that_waits_for_room(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(2, cq_entries=4) as ring:
        ops = [ring.read(pipe[0], 1, user_data=number) for number in range(4)]
        with signalled(signal.SIGINT, lambda: os.write(pipe[1], b"rescue")), pytest.raises(KeyboardInterrupt):
            ring.nop(user_data="too many")
        assert ring.in_flight == 4
        os.write(pipe[1], b"abcd")
        assert {op.user_data for op in ring.wait(4)} == {0, 1, 2, 3}
        assert all(op.done for op in ops)


def test_a_handler_runs_while_a_preparation_waits_for_room(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(2, cq_entries=4) as ring:
        for number in range(4):
            ring.read(pipe[0], 1, user_data=number)
        with (
            handled(signal.SIGALRM, lambda *_: os.write(pipe[1], b"a")),
            signalled(signal.SIGALRM, lambda: os.write(pipe[1], b"rescue")),
        ):
            ring.nop(user_data="one more")
        assert ring.in_flight == 4
        done = ring.wait(2)
        assert len(done) == 2
        assert "one more" in {op.user_data for op in done}


@pytest.mark.parametrize("interval", [0.05, 0.001])
def test_handlers_neither_prolong_nor_shorten_a_wait(interval: float, ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10)
    ring.submit()
    seen: list[int] = []
    rescue = threading.Timer(5, os.write, (pipe[1], b"rescue"))
    rescue.start()
    with alarms(interval, lambda number, _: seen.append(number)):
        before = time.monotonic()
        assert ring.wait(1, timeout=0.3) == []
        waited = time.monotonic() - before
        with pytest.raises(TimeoutError):
            op.result(timeout=0.3)
        asked = time.monotonic() - before - waited
    rescue.cancel()
    rescue.join()
    assert 0.3 <= waited < 0.8
    assert 0.3 <= asked < 0.8
    assert len(seen) > 5
    assert not op.done


def test_a_wait_for_several_is_not_cut_short_by_a_signal(ring: Ring, pipe: tuple[int, int]) -> None:
    for number in range(3):
        ring.read(pipe[0], 1, user_data=number)
    with alarms(0.01, lambda *_: os.write(pipe[1], b"x")):
        done = ring.wait(3)
    assert {op.user_data for op in done} == {0, 1, 2}


def test_a_pending_signal_is_handled_before_anything_blocks(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.read(pipe[0], 1)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        ring.wait()
    assert ring.in_flight == 1


def test_signals_that_hit_anywhere_disturb_nothing(ring: Ring) -> None:
    with alarms(0.0005, lambda *_: None):
        for _ in range(2000):
            ring.nop()
            ring.timeout(0.00001)
            assert len(ring.wait(2)) == 2


def test_a_process_that_is_stopped_and_continued_goes_on_waiting(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10)
    parent, thread = os.getpid(), threading.get_native_id()
    pid = os.fork()
    if pid == 0:
        while not sleeps_in_the_ring(thread, parent):
            time.sleep(0.001)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(parent, number)
            time.sleep(0.02)
        os.write(pipe[1], b"abc")
        os._exit(0)
    assert ring.wait(1, timeout=30) == [op]
    assert op.result() == b"abc"
    os.waitpid(pid, 0)


def test_a_signal_that_hits_another_thread_does_not_end_its_wait(pipe: tuple[int, int]) -> None:
    """Python runs the handler in the main thread; the other one just goes on waiting."""
    results: list[bytes] = []
    ids: list[int] = []
    seen: list[int] = []

    def work() -> None:
        ids.extend([threading.get_ident(), threading.get_native_id()])
        with pyuring.Ring(8) as ring:
            results.append(ring.read(pipe[0], 10).result())

    thread = threading.Thread(target=work)
    with handled(signal.SIGALRM, lambda number, _: seen.append(number)):
        thread.start()
        for _ in range(5):
            while len(ids) < 2 or not sleeps_in_the_ring(ids[1]):
                time.sleep(0.001)
            signal.pthread_kill(ids[0], signal.SIGALRM)
        while not seen:
            time.sleep(0.001)
        assert thread.is_alive()
        os.write(pipe[1], b"abc")
        thread.join(30)
    assert results == [b"abc"]
