"""Rule 4: a chain is never split, and one that cannot fit raises before anything is queued."""

from __future__ import annotations

import errno
import os
import threading

import pytest

import pyuring


def chain_of_writes(ring: pyuring.Ring, file: int, length: int) -> list[pyuring.Completion[int]]:
    """Writes of one byte each; the first is cut short by nothing, each follows the last."""
    with ring.link():
        return [ring.write(file, bytes([65 + number]), offset=number) for number in range(length)]


@pytest.mark.parametrize("before", range(8))
@pytest.mark.parametrize("length", [2, 5, 8])
def test_a_chain_is_whole_wherever_in_the_queue_it_starts(before: int, length: int, pipe: tuple[int, int]) -> None:
    """Its first read waits, so that what was split off would run at once."""
    with pyuring.Ring(8, cq_entries=64) as ring:
        ahead = [ring.nop() for _ in range(before)]
        with ring.link():
            first = ring.read(pipe[0], 1)
            rest = [ring.nop() for _ in range(length - 1)]
        ring.submit()
        after = ring.nop()
        assert after.result() == 0
        ring.wait(before, timeout=5)
        assert all(op.done for op in ahead)
        assert not any(op.done for op in (first, *rest)), "split: a part of the chain ran by itself"
        os.write(pipe[1], b"x")
        assert len(ring.wait(length)) == length
        assert [op.res for op in rest] == [0] * (length - 1)


def test_a_chain_of_time_limits_is_whole_wherever_it_starts(pipe: tuple[int, int]) -> None:
    for before in range(8):
        with pyuring.Ring(8, cq_entries=64) as ring:
            for _ in range(before):
                ring.nop()
            with ring.link():
                first = ring.read(pipe[0], 1, timeout=60)
                rest = [ring.nop(timeout=60) for _ in range(3)]
            ring.wait(before, timeout=0)
            ring.nop().result()
            assert not any(op.done for op in (first, *rest))
            os.write(pipe[1], b"x")
            for op in rest:
                assert op.result(timeout=5) == 0


def test_an_operation_and_its_time_limit_are_never_split(pipe: tuple[int, int]) -> None:
    for before in range(4):
        with pyuring.Ring(4, cq_entries=64) as ring:
            for _ in range(before):
                ring.nop()
            op = ring.read(pipe[0], 1, timeout=0.02)
            with pytest.raises(TimeoutError):
                op.result(timeout=5)
            assert op.done, "its time limit did not reach the kernel with it"


def test_a_chain_too_long_raises_and_nothing_of_it_is_executed(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    with pyuring.Ring(4) as ring:
        with pytest.raises(ValueError, match="make the chain shorter"):
            chain_of_writes(ring, data_file, 5)
        assert [op.res for op in ring.wait(4)] == [-errno.ECANCELED] * 4
        assert ring.stats()["submitted"] == 0
        assert os.pread(data_file, 10, 0) == before
        assert [op.result() for op in chain_of_writes(ring, data_file, 4)] == [1] * 4


def test_a_time_limit_counts_as_a_second_entry_of_the_chain() -> None:
    with pyuring.Ring(4) as ring:
        with pytest.raises(ValueError, match="timeout="), ring.link():
            ring.nop(timeout=1)
            ring.nop()
            ring.nop(timeout=1)
        with ring.link():
            ops = [ring.nop(timeout=1), ring.nop(timeout=1)]
        assert [op.result() for op in ops] == [0, 0]


def test_an_operation_and_its_time_limit_need_two_entries() -> None:
    with pyuring.Ring(1) as ring:
        with pytest.raises(ValueError, match="entries"):
            ring.nop(timeout=1)
        assert ring.in_flight == 0
        assert ring.nop().result() == 0


def test_an_error_in_the_block_discards_the_chain(ring: pyuring.Ring, data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    outside = ring.nop()
    with pytest.raises(ZeroDivisionError), ring.link():
        ops = [ring.write(data_file, b"overwritten", offset=0), ring.ftruncate(data_file, 0)]
        raise ZeroDivisionError
    assert [op.res for op in ops] == [-errno.ECANCELED] * 2
    for op in ops:
        with pytest.raises(OSError) as caught:
            op.result()
        assert caught.value.errno == errno.ECANCELED
    assert ring.wait(1) == [outside]
    assert os.pread(data_file, 10, 0) == before


def test_what_is_refused_in_the_block_can_be_left_out(ring: pyuring.Ring, data_file: int) -> None:
    with ring.link():
        first = ring.write(data_file, b"ab", offset=0)
        with pytest.raises(OSError):
            ring.write(-1, b"no", offset=0)
        with pytest.raises(TypeError):
            ring.readinto(data_file, b"read-only")
        second = ring.read(data_file, 2, offset=0)
    assert second.result() == b"ab"
    assert first.result() == 2


@pytest.mark.parametrize("misuse", ["submit", "wait", "submit_and_wait", "result", "link", "cancel"])
def test_nothing_is_waited_for_inside_the_block(misuse: str, ring: pyuring.Ring) -> None:
    outside = ring.nop()
    ring.submit()
    with ring.link():
        inside = ring.nop()
        with pytest.raises(RuntimeError, match="link"):
            match misuse:
                case "submit":
                    ring.submit()
                case "wait":
                    ring.wait(1, timeout=1)
                case "submit_and_wait":
                    ring.submit_and_wait()
                case "result":
                    inside.result(timeout=1)
                case "link":
                    ring.link().__enter__()
                case "cancel":
                    inside.cancel()
    assert inside.result() == 0
    assert outside.result() == 0


def test_chains_fill_a_ring_that_is_nearly_full(data_file: int) -> None:
    with pyuring.Ring(8, cq_entries=16) as ring:
        count = 0
        for _ in range(200):
            ring.nop()
            ops = chain_of_writes(ring, data_file, 7)
            count += 8
            if count % 5 == 0:
                ops[-1].result()
        while ring.in_flight:
            ring.wait()
        assert ring.stats()["completed"] == count
        assert ring.stats()["unexpected"] == 0


def test_an_empty_block_is_no_chain(ring: pyuring.Ring) -> None:
    with ring.link():
        pass
    with ring.link():
        only = ring.nop()
    after = ring.nop()
    assert (after.result(), only.result()) == (0, 0)


def test_a_chain_that_is_dropped_in_another_thread_ends_there(ring: pyuring.Ring, data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    chain = [ring.link()]
    chain[0].__enter__()
    op = ring.write(data_file, b"overwritten", offset=0)
    thread = threading.Thread(target=chain.clear)
    thread.start()
    thread.join()
    assert ring.wait(1) == [op]
    assert op.res == -errno.ECANCELED
    assert ring.nop().result() == 0
    assert os.pread(data_file, 10, 0) == before
