"""Rule 3: nothing is lost and nothing comes twice, whatever is full."""

from __future__ import annotations

import errno
import os
import random
import time
from collections import Counter

import pytest

import pyuring

from .limits import no_longer_than
from .memory import churn


@pytest.mark.parametrize("cq_entries", [None, 8, 64])
def test_100_000_operations_go_through_a_ring_of_8_entries(cq_entries: int | None) -> None:
    total = 100_000
    seen: list[int] = []
    with pyuring.Ring(8, cq_entries=cq_entries) as ring:
        for number in range(total):
            ring.nop(user_data=number)
            if number % 1000 == 0:
                seen += [op.user_data for op in ring.completions()]
        while ring.in_flight:
            seen += [op.user_data for op in ring.wait()]
        seen += [op.user_data for op in ring.completions()]
        stats = ring.stats()
    assert sorted(seen) == list(range(total))
    assert stats["submitted"] == stats["completed"] == total
    assert stats["unexpected"] == 0


def test_every_way_of_asking_mixed_at_random_gives_each_completion_once(pipe: tuple[int, int]) -> None:
    chance = random.Random(7)
    delivered: Counter[int] = Counter()
    handles = {}
    with pyuring.Ring(16, cq_entries=32) as ring:
        ring.poll(pipe[0], user_data=-1)
        for number in range(20_000):
            handles[number] = ring.nop(user_data=number, timeout=60 if number % 7 == 0 else None)
            match chance.randrange(12):
                case 0:
                    delivered.update(op.user_data for op in ring.wait(min(chance.randrange(5), ring.in_flight - 1)))
                case 1:
                    delivered.update(op.user_data for op in ring.wait(chance.randrange(20), timeout=0))
                case 2:
                    delivered.update(op.user_data for op in ring.completions())
                case 3:
                    ring.submit()
                case 4:
                    for asked in chance.sample(sorted(handles), k=min(3, len(handles))):
                        handles.pop(asked).result()
                        delivered[asked] = 1  # from wait() before, or never again
                case 5 if ring.in_flight > 1:
                    delivered.update(op.user_data for op in ring.submit_and_wait(1))
        while ring.in_flight > 1:
            delivered.update(op.user_data for op in ring.wait(1))
        delivered.update(op.user_data for op in ring.completions())
    assert delivered.keys() == set(range(20_000))


def test_result_takes_a_completion_out_of_wait(ring: pyuring.Ring) -> None:
    ops = [ring.nop(user_data=number) for number in range(50)]
    for number in (49, 0, 7, 30):
        assert ops[number].result() == 0
    assert ops[7].result() == 0  # repeatable
    rest = [op.user_data for op in ring.wait(46)]
    assert sorted(rest) == sorted(set(range(50)) - {49, 0, 7, 30})
    assert ring.completions() == []


def test_asking_for_many_results_costs_no_more_each() -> None:
    with pyuring.Ring(64, cq_entries=8192) as ring:
        ops = [ring.nop() for _ in range(8192)]
        churn()
        for op in reversed(ops):
            assert op.result() == 0
        assert ring.completions() == []
        assert len(ring._ready) == 0


def test_preparing_waits_at_the_limit_and_what_it_reaps_is_kept(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4, cq_entries=8) as ring:
        waiting = [ring.read(pipe[0], 1, user_data=number) for number in range(7)]
        for number in range(100, 120):
            ring.nop(user_data=number)
            assert ring.in_flight <= 8
        assert sorted(op.user_data for op in ring.wait(20)) == list(range(100, 120))
        os.write(pipe[1], b"abcdefg")
        assert sorted(op.user_data for op in ring.wait(7)) == list(range(7))
        assert sorted(bytes(op.result()) for op in waiting) == [b"a", b"b", b"c", b"d", b"e", b"f", b"g"]


def test_an_operation_with_a_time_limit_counts_twice_against_the_limit(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4, cq_entries=4) as ring:
        for _ in range(10):
            ring.read(pipe[0], 1, timeout=0.005)  # waits for the end of an earlier one
            assert ring.in_flight <= 2
        ring.nop()
        while ring.in_flight:
            ring.wait()
        assert ring.stats()["overflows"] == 0


def test_cancelling_works_at_the_limit(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4, cq_entries=4) as ring:
        ops = [ring.read(pipe[0], 1, user_data=number) for number in range(4)]
        for op in ops:
            op.cancel()
            op.cancel()
        assert sorted(op.user_data for op in ring.wait(4)) == [0, 1, 2, 3]
        assert {op.res for op in ops} == {-errno.ECANCELED}
        assert ring.nop().result() == 0


def test_what_the_kernel_holds_back_is_fetched(pipe: tuple[int, int]) -> None:
    """With more completions than the CQ holds, which cancel requests can cause."""
    with pyuring.Ring(8, cq_entries=8) as ring:
        for _ in range(50):
            ops = [ring.poll(pipe[0]) for _ in range(8)]
            for op in ops:
                op.cancel()
            with no_longer_than(10):
                done = ring.wait(8)
            assert len(done) == 8
            assert set(done) == set(ops)
            assert ring.in_flight == 0


def test_completions_fetches_what_the_kernel_holds_back(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(8, cq_entries=8) as ring:
        ops = [ring.poll(pipe[0]) for _ in range(8)]
        for op in ops * 4:
            op.cancel()
        deadline = time.monotonic() + 5
        while not all(op.done for op in ops):
            ring.completions()
            assert time.monotonic() < deadline, "the kernel holds them back"


def test_a_full_queue_is_submitted_and_nothing_is_dropped(data_file: int) -> None:
    with pyuring.Ring(2, cq_entries=64) as ring:
        ops = [ring.write(data_file, bytes([65 + number]), offset=number) for number in range(26)]
        ring.wait(26)
        assert [op.res for op in ops] == [1] * 26
        assert ring.stats()["sq_full"] > 0
    assert os.pread(data_file, 26, 0) == b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_completions_neither_submits_nor_waits(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    prepared = ring.nop()
    assert ring.completions() == []
    assert not prepared.done
    assert ring.stats()["submitted"] == 0
    assert ring.wait(1) == [prepared]


def test_wait_never_waits_for_more_than_there_is(ring: pyuring.Ring) -> None:
    ops = [ring.nop() for _ in range(3)]
    with no_longer_than(10):
        assert set(ring.wait(100)) == set(ops)


def test_an_operation_that_result_gave_up_on_goes_on(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 3)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            op.result(timeout=0.01)
    assert ring.in_flight == 1
    os.write(pipe[1], b"abc")
    assert op.result(timeout=5) == b"abc"
    assert ring.completions() == []
