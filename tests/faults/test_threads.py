"""Rings belong to the thread that made them: another one gets RuntimeError, not a race."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

import pyuring

from .steps import Step, each_step
from .uses import USES
from .workload import Workload


def in_a_thread(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=30)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_another_thread_may_not_use_the_ring(
    use: Callable[[pyuring.Ring, int], object], ring: pyuring.Ring, pipe: tuple[int, int]
) -> None:
    waiting = ring.read(pipe[0], 10)
    before = ring.stats()
    with pytest.raises(RuntimeError, match="belongs to the thread that made it"):
        in_a_thread(lambda: use(ring, pipe[0]))
    assert ring.stats() == before
    os.write(pipe[1], b"abc")
    assert waiting.result(timeout=5) == b"abc"


def test_another_thread_may_not_wait_for_or_cancel_an_operation(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    waiting = ring.read(pipe[0], 10)
    for use in (waiting.result, waiting.cancel, lambda: waiting.result(timeout=0.1)):
        with pytest.raises(RuntimeError, match="belongs to the thread that made it"):
            in_a_thread(use)
    assert not waiting.done


def test_another_thread_may_not_unregister_or_update(ring: pyuring.Ring, data_file: int) -> None:
    buffers, files = ring.register_buffers(count=1, size=4096), ring.register_files(sparse=2)
    for use in (buffers.unregister, files.unregister, lambda: files.update(0, data_file)):
        with pytest.raises(RuntimeError, match="belongs to the thread that made it"):
            in_a_thread(use)
    assert ring.readinto(files.update(0, data_file), buffers[0], offset=0).result() == 4096


def test_what_another_thread_tries_holds_no_buffer(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    buffer = bytearray(10)
    for use in (
        lambda: ring.readinto(pipe[0], buffer),
        lambda: ring.readv(pipe[0], [buffer]),
        lambda: ring.recv_into(pipe[0], buffer),
        lambda: ring.register_buffers([buffer]),
    ):
        with pytest.raises(RuntimeError):
            in_a_thread(use)
        buffer.append(0)


def test_another_thread_reads_the_results_of_finished_operations(ring: pyuring.Ring, data_file: int) -> None:
    op = ring.read(data_file, 100, offset=0)
    ring.wait(1)
    assert in_a_thread(op.result) == os.pread(data_file, 100, 0)
    assert in_a_thread(op.cancel) is None


def test_a_closed_ring_says_so_in_any_thread() -> None:
    ring = pyuring.Ring(4)
    ring.close()
    for ask in (ring.nop, lambda: in_a_thread(ring.nop)):
        with pytest.raises(RuntimeError, match="the ring is closed"):
            ask()
    in_a_thread(ring.close)


def test_a_thread_that_reuses_the_identity_of_the_dead_owner_does_not_own_the_ring() -> None:
    def make() -> tuple[int, pyuring.Ring]:
        return threading.get_ident(), pyuring.Ring(4)

    def use(ring: pyuring.Ring) -> tuple[int, str]:
        try:
            with pyuring.Ring(4):  # now it has been told apart from other threads
                ring.nop()
        except RuntimeError as error:
            return threading.get_ident(), str(error)
        return threading.get_ident(), "allowed"

    owner, ring = in_a_thread(make)
    rings = [ring]
    del ring
    answers: dict[int, str] = {}
    while owner not in answers and len(answers) < 100:
        answers.update([in_a_thread(lambda: use(rings[0]))])
    with pytest.warns(ResourceWarning, match="unclosed"):
        rings.clear()
    assert "belongs to the thread that made it" in answers[owner]


def test_every_thread_can_have_rings_of_its_own() -> None:
    def work(number: int) -> int:
        with pyuring.Ring(8) as first, pyuring.Ring(8) as second:
            for _ in range(50):
                first.nop(user_data=number)
                assert second.nop().result() == 0
                assert [op.user_data for op in first.wait(1)] == [number]
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(32))) == list(range(32))


def scenario(work: Workload) -> None:
    for number in range(12):
        work.write(number)
    work.delivered.append(work.ring.wait(5, timeout=0))  # the intruder may take some
    ops = [work.write(number) for number in range(12, 15)]
    assert work.result(ops[2]) == 1
    work.delivered.append(work.ring.wait(1, timeout=0))
    work.delivered.append(work.ring.completions())


def intrude(work: Workload) -> None:
    """All that another thread can try; asking for finished results is allowed."""
    for use in USES.values():
        with pytest.raises(RuntimeError):
            use(work.ring, work.file)
    for op in list(work.prepared):
        if op.done:
            work.result(op)


def test_nothing_is_lost_when_another_thread_intrudes_between_any_two_steps(
    data_file: int, pipe: tuple[int, int]
) -> None:
    works: list[Workload] = []
    for step in each_step(lambda: in_a_thread(lambda: intrude(works[-1])), at_least=40):
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            works.append(work)
            with step:
                scenario(work)
            work.check(step.place)


def test_nothing_is_lost_when_the_owner_goes_on_between_any_two_steps_of_an_intruder(
    data_file: int, pipe: tuple[int, int]
) -> None:
    for number in range(10_000):
        calls: SimpleQueue[bool] = SimpleQueue()
        replies: SimpleQueue[bool] = SimpleQueue()

        def let_the_owner_go_on() -> None:
            calls.put(True)  # noqa: B023
            replies.get(timeout=30)  # noqa: B023

        step = Step(number, let_the_owner_go_on)
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            for i in range(20, 28):
                work.write(i)
            ring.submit()
            ring._enter(0, -1)  # done, and not delivered yet

            def intruder() -> None:
                with step:  # noqa: B023
                    intrude(work)  # noqa: B023
                calls.put(False)  # noqa: B023

            thread = threading.Thread(target=intruder)
            thread.start()
            while calls.get(timeout=30):
                scenario(work)
                replies.put(True)
            thread.join()
            work.check(step.place)
        if not step.reached:
            break
    assert number > 100
