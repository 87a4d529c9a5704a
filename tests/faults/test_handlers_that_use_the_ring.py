"""A signal handler uses the ring itself, between any two steps of what it interrupts."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from typing import Any

import pytest
from lifetime.limits import no_longer_than

import pyuring

from .steps import Step, each_step
from .workload import Workload


def prepare_and_wait(work: Workload) -> None:
    for number in range(3):
        work.write(number)
    work.ring.submit()
    work.delivered.append(work.ring.wait(1, timeout=5))
    for number in range(3, 12):
        work.write(number)
    work.delivered.append(work.ring.wait(4, timeout=5))
    work.delivered.append(work.ring.completions())


def ask_for_results(work: Workload) -> None:
    ops = [work.write(number, timeout=60 if number == 2 else None) for number in range(5)]
    for op in (ops[4], ops[0], ops[1], ops[2]):
        assert work.result(op) == 1


def hand_over_a_chain(work: Workload) -> None:
    with work.ring.link():
        for number in range(4):
            work.write(number)
    work.delivered.append(work.ring.wait(4, timeout=5))


def every_step_of(
    scenario: Callable[[Workload], None], data_file: int, handler: Callable[[Workload], object], at_least: int
) -> None:
    works: list[Workload] = []
    for step in each_step(lambda: handler(works[-1]), at_least=at_least):
        with pyuring.Ring(4) as ring:
            works.append(Workload(ring, data_file, idle=None))
            with step, no_longer_than(10, step.place):
                scenario(works[-1])
            works[-1].check(step.place)


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results])
def test_a_handler_may_wait_for_all_there_is(scenario: Callable[[Workload], None], data_file: int) -> None:
    def handler(work: Workload) -> None:
        work.delivered.append(work.ring.wait(work.ring.in_flight, timeout=5))

    every_step_of(scenario, data_file, handler, at_least=30)


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results, hand_over_a_chain])
def test_a_handler_may_collect_completions(scenario: Callable[[Workload], None], data_file: int) -> None:
    def handler(work: Workload) -> None:
        work.delivered.append(work.ring.completions())

    every_step_of(scenario, data_file, handler, at_least=30)


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results])
def test_a_handler_may_do_operations_of_its_own(scenario: Callable[[Workload], None], data_file: int) -> None:
    def handler(work: Workload) -> None:
        for number in range(40, 52):  # more than the SQ holds, and than can be in flight
            work.write(number)
        for op in work.prepared[-3:]:
            work.result(op)

    every_step_of(scenario, data_file, handler, at_least=30)


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results])
def test_a_handler_may_ask_for_results_that_are_there(scenario: Callable[[Workload], None], data_file: int) -> None:
    def handler(work: Workload) -> None:
        for op in work.prepared:
            if op.done:
                work.result(op)

    every_step_of(scenario, data_file, handler, at_least=30)


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results])
def test_a_handler_may_link_operations(scenario: Callable[[Workload], None], data_file: int) -> None:
    def handler(work: Workload) -> None:
        with work.ring.link():
            work.write(40)
            work.write(41)

    every_step_of(scenario, data_file, handler, at_least=30)


def test_a_cancel_hits_nothing_else_when_a_handler_finishes_its_target(pipe: tuple[int, int]) -> None:
    readable, writable = os.pipe()
    rings: list[pyuring.Ring] = []
    targets: list[pyuring.Completion[Any]] = []
    others: list[pyuring.Completion[Any]] = []

    def handler() -> None:
        """Complete the target, and give its slot to another operation."""
        os.write(writable, b"x")
        while not targets[-1].done:
            rings[-1].completions()
        others.extend(rings[-1].poll(pipe[0]) for _ in range(3))
        rings[-1].submit()

    def cancel(target: pyuring.Completion[Any]) -> None:
        target.cancel()

    def prepare_cancel(target: pyuring.Completion[Any]) -> None:
        rings[-1].cancel(target)
        rings[-1].submit()

    for attempt in (cancel, prepare_cancel):
        for step in each_step(handler, at_least=3):
            with pyuring.Ring(4) as ring:
                rings.append(ring)
                targets.append(ring.read(readable, 1))
                ring.submit()
                others.clear()
                with step, no_longer_than(5, step.place):
                    attempt(targets[-1])
                with no_longer_than(5, step.place):
                    ring.nop().result()
                    ring.wait(0)
                assert not any(op.done for op in others), f"{attempt.__name__} hit another operation at {step.place}"
    os.close(readable)
    os.close(writable)


def close_the_ring(step: Step, ring: pyuring.Ring, scenario: Callable[[], None]) -> None:
    with step, no_longer_than(10, step.place):
        try:
            scenario()
        except RuntimeError as error:
            assert "closed" in str(error), step.place
        except OSError as error:
            assert error.errno == errno.ECANCELED, step.place
    assert ring.closed == step.reached, step.place


@pytest.mark.parametrize("scenario", [prepare_and_wait, ask_for_results, hand_over_a_chain])
@pytest.mark.parametrize("entries", [4, 16384], ids=["small", "large"])
def test_a_handler_may_close_the_ring(scenario: Callable[[Workload], None], entries: int, data_file: int) -> None:
    works: list[Workload] = []

    def close() -> None:
        works[-1].ring.close()

    # A large ring's memory is unmapped at once: touched afterwards, it is no memory.
    for step in each_step(close, at_least=30):
        with pyuring.Ring(entries) as ring:
            work = Workload(ring, data_file, idle=None)
            works.append(work)
            close_the_ring(step, ring, lambda: scenario(work))  # noqa: B023
            assert all(op.done for op in work.prepared) or not step.reached, step.place


def test_closing_a_ring_in_a_handler_while_it_is_being_closed_ends_it_once(pipe: tuple[int, int]) -> None:
    rings: list[pyuring.Ring] = []
    kept: list[tuple[list[int], list[mmap.mmap]]] = []

    def handler() -> None:
        rings[-1].close()
        # What the ring's end has made free is somebody else's now.
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
        kept.append((files, [mmap.mmap(-1, 4096) for _ in range(8)]))

    for step in each_step(handler, at_least=20):
        ring = pyuring.Ring(4)
        rings.append(ring)
        ops = [ring.read(pipe[0], 10), ring.nop()]
        ring.submit()
        ops.append(ring.nop())
        with step, no_longer_than(10, step.place):
            ring.close()
        assert ring.closed, step.place
        assert all(op.done for op in ops), step.place
        for files, memory in kept:
            for number, fd in enumerate(files):
                assert os.readlink(f"/proc/self/fd/{fd}") == "/dev/null", f"closed descriptor {number} at {step.place}"
                os.close(fd)
            for page in memory:
                page[:] = bytes(4096)  # a crash if it was unmapped
                page.close()
        kept.clear()
