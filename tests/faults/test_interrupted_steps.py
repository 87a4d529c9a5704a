"""A signal handler raises between any two steps: nothing is lost, nothing comes twice."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

import pyuring

from .steps import each_step, interrupt
from .workload import Workload


def prepare_and_wait(work: Workload) -> None:
    for number in range(3):
        work.write(number)
    work.ring.submit()
    work.delivered.append(work.ring.wait(1))
    for number in range(3, 12):  # more than the SQ holds, and than can be in flight
        work.write(number)
    work.delivered.append(work.ring.wait(5))
    work.delivered.append(work.ring.completions())


def ask_for_results(work: Workload) -> None:
    ops = [work.write(number) for number in range(5)]
    for op in (ops[4], ops[0], ops[1]):
        work.result(op)
    work.delivered.append(work.ring.completions())


def wait_with_time_limits(work: Workload) -> None:
    for number in range(5):
        work.write(number, timeout=60)
    work.delivered.append(work.ring.submit_and_wait(3, timeout=60))
    work.delivered.append(work.ring.wait(1, timeout=0))


def hand_over_chains(work: Workload) -> None:
    with work.ring.link():
        for number in range(3):
            work.write(number)
    with work.ring.link(hard=True):
        for number in range(3, 5):
            work.write(number, timeout=60)
    work.delivered.append(work.ring.wait(3))


def give_up_a_chain(work: Workload) -> None:
    work.write(0)
    with work.ring.link():
        work.write(1)
        work.write(2)
        work.ring.submit()


def cancel(work: Workload) -> None:
    if work.background is not None:
        late = work.ring.cancel(work.background, user_data=1)
        work.prepared.append(late)
        work.background.cancel()
        work.delivered.append(work.ring.wait(2))


@pytest.mark.parametrize(
    "scenario", [prepare_and_wait, ask_for_results, wait_with_time_limits, hand_over_chains], ids=lambda f: f.__name__
)
def test_what_is_queued_comes_out_once_wherever_a_handler_raises(
    scenario: Callable[[Workload], None], data_file: int, pipe: tuple[int, int]
) -> None:
    for step in each_step(interrupt, at_least=30):
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            with step:
                scenario(work)
            work.check(step.place)


def test_a_chain_is_executed_whole_or_not_at_all_wherever_a_handler_raises(
    data_file: int, pipe: tuple[int, int]
) -> None:
    for step in each_step(interrupt, at_least=20):
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            with step, ring.link():
                for number in range(4):
                    work.write(number)
            work.check(step.place)
            assert os.pread(data_file, 4, 0) in (bytes(4), b"xxxx"), step.place


def test_a_chain_that_is_given_up_is_not_executed_wherever_a_handler_raises(
    data_file: int, pipe: tuple[int, int]
) -> None:
    for step in each_step(interrupt, at_least=20):
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            with step, pytest.raises(RuntimeError, match="link"):
                give_up_a_chain(work)
            work.check(step.place)
            assert os.pread(data_file, 3, 0)[1:] == bytes(2), step.place


def test_a_cancel_goes_nowhere_else_wherever_a_handler_raises(pipe: tuple[int, int]) -> None:
    for step in each_step(interrupt, at_least=10):
        with pyuring.Ring(4) as ring:
            target, other = ring.poll(pipe[0]), ring.poll(pipe[0])
            ring.submit()
            with step:
                ring.cancel(target)
                target.cancel()
                ring.wait(2)
            target.cancel()
            with pytest.raises(OSError) as caught:
                target.result(timeout=5)
            assert caught.value.errno == errno.ECANCELED, step.place
            assert not other.done, step.place
