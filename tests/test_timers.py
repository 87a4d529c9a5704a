"""timeout, and what removes and changes it."""

from __future__ import annotations

import errno
import os
import time

import pytest

from pyuring import Ring

CLOCKS = [time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_REALTIME]
each_clock = pytest.mark.parametrize("clock", CLOCKS, ids=["monotonic", "boottime", "realtime"])


@pytest.mark.parametrize("seconds", [0, 0.01, 0.05])
def test_a_timeout_lasts_as_long_as_it_says_and_is_no_error(ring: Ring, seconds: float) -> None:
    started = time.monotonic()
    op = ring.timeout(seconds)
    assert op.result() is None
    assert seconds <= time.monotonic() - started < seconds + 1
    assert op.res == -errno.ETIME


def test_a_timeout_comes_out_of_wait_like_anything_else(ring: Ring) -> None:
    op = ring.timeout(0.01, user_data="tick")
    assert ring.wait() == [op]
    assert op.user_data == "tick"


def test_a_timeout_ends_early_with_the_count_of_completions(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.timeout(60, count=2)
    ring.submit()
    for _ in range(2):
        ring.nop()
    started = time.monotonic()
    assert op.result(timeout=10) is None
    assert time.monotonic() - started < 5
    assert op.res == 0


def test_a_cancelled_timeout_is_an_error(ring: Ring) -> None:
    op = ring.timeout(60)
    op.cancel()
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED


def test_a_timeout_in_a_soft_chain_cuts_it_and_in_a_hard_chain_delays_it(ring: Ring) -> None:
    with ring.link():
        ring.timeout(0.01)
        cut = ring.nop()
    with pytest.raises(OSError):
        cut.result()
    started = time.monotonic()
    with ring.link(hard=True):
        ring.timeout(0.02)
        later = ring.nop()
    assert later.result() == 0
    assert time.monotonic() - started >= 0.02


@each_clock
@pytest.mark.parametrize("absolute", [False, True])
def test_a_timeout_runs_by_the_clock_that_is_named(ring: Ring, clock: int, absolute: bool) -> None:
    started = time.clock_gettime(clock)
    op = ring.timeout(0.03 + (started if absolute else 0), absolute=absolute, clock=clock)
    assert op.result(timeout=10) is None
    assert 0.03 <= time.clock_gettime(clock) - started < 5
    assert op.res == -errno.ETIME


@each_clock
def test_a_time_that_is_over_completes_at_once(ring: Ring, clock: int) -> None:
    started = time.monotonic()
    ring.timeout(time.clock_gettime(clock) - 1, absolute=True, clock=clock).result(timeout=10)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("clock", [time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_MONOTONIC_RAW, -1, None, "monotonic"])
def test_another_clock_is_refused(ring: Ring, clock: int) -> None:
    with pytest.raises(ValueError, match="CLOCK_BOOTTIME"):
        ring.timeout(1, clock=clock)
    assert ring.in_flight == 0


def test_a_timeout_whose_end_is_a_success_does_not_cut_a_soft_chain(ring: Ring) -> None:
    started = time.monotonic()
    with ring.link():
        timer = ring.timeout(0.02, etime_success=True)
        later = ring.nop()
    assert later.result() == 0
    assert time.monotonic() - started >= 0.02
    assert (timer.result(), timer.res) == (None, -errno.ETIME)


# -- removing and changing ---------------------------------------------------------------


def test_a_timeout_that_is_removed_ends_cancelled(ring: Ring) -> None:
    op, other = ring.timeout(60), ring.timeout(60)
    ring.submit()
    assert ring.timeout_remove(op).result() is None
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED
    assert not other.done


def test_a_multishot_timeout_that_is_removed_ends_its_iteration(ring: Ring) -> None:
    ticks = ring.timeout_multishot(0.05)
    steps = iter(ticks)
    next(steps)
    assert ring.timeout_remove(ticks).result() is None
    assert all(tick.result() is None for tick in steps)
    assert ticks.done


def test_a_time_limit_is_not_removed_but_put_off(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.poll(pipe[0], timeout=60)
    with pytest.raises(ValueError, match="timeout_multishot"):
        ring.timeout_remove(op)


def test_a_timeout_can_be_put_off_and_brought_forward(ring: Ring) -> None:
    op = ring.timeout(0.02)
    ring.timeout_update(op, 60).result()
    assert ring.wait(1, timeout=0.05) == []
    ring.timeout_update(op, 0).result()
    assert op.result(timeout=5) is None


@each_clock
def test_a_timeout_is_changed_to_a_time_of_its_own_clock(ring: Ring, clock: int) -> None:
    started = time.clock_gettime(clock)
    op = ring.timeout(60, clock=clock)
    ring.submit()
    ring.timeout_update(op, started + 0.03, absolute=True).result()
    assert op.result(timeout=10) is None
    assert 0.03 <= time.clock_gettime(clock) - started < 5


def test_a_timeout_that_is_changed_forgets_its_count(ring: Ring) -> None:
    op = ring.timeout(60, count=3)
    ring.timeout_update(op, 0.05).result()
    for _ in range(5):
        ring.nop().result()
    assert not op.done
    op.result(timeout=5)
    assert op.res == -errno.ETIME


def test_a_time_limit_can_be_brought_forward(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1, timeout=60)
    ring.submit()
    assert ring.timeout_update(op, 0.01).result() is None
    with pytest.raises(TimeoutError):
        op.result(timeout=5)
    assert ring.in_flight == 0


def test_a_time_limit_can_be_put_off(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1, timeout=0.03)
    ring.submit()
    assert ring.timeout_update(op, time.monotonic() + 60, absolute=True).result() is None
    assert ring.wait(1, timeout=0.06) == []
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == b"x"
    assert ring.in_flight == 0


def test_an_operation_without_a_time_limit_is_not_given_one(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1)
    ring.submit()
    with pytest.raises(FileNotFoundError):
        ring.timeout_update(op, 0).result()
    assert ring.wait(1, timeout=0.02) == []
    assert not op.done


def test_a_multishot_timeout_goes_on_in_the_new_rhythm(ring: Ring) -> None:
    ticks = ring.timeout_multishot(60)
    ring.submit()
    started = time.monotonic()
    ring.timeout_update(ticks, 0.002).result()
    steps = iter(ticks)
    for _ in range(5):
        assert next(steps).result() is None
    assert 0.009 < time.monotonic() - started < 5
    # That is also the time for the next time it is armed.
    armed = ring._c.timeouts[ticks._slot]
    assert (armed.tv_sec, armed.tv_nsec) == (0, 2_000_000)


def test_changes_of_many_timers_at_once_do_not_mix_them_up(ring: Ring) -> None:
    timers = [ring.timeout(60, user_data=number) for number in range(20)]
    ring.submit()
    for timer in timers:
        ring.timeout_update(timer, 0.02 + 0.002 * ((timer.user_data * 7) % 20))
    order: list[int] = []
    while len(order) < 20:
        order += [op.user_data for op in ring.wait(1, timeout=5) if op.operation == "timeout"]
    assert order == sorted(range(20), key=lambda number: number * 7 % 20)
