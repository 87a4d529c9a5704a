"""The life cycle: prepare, submit, wait, reap, close."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Any

import pytest

import pyuring
from pyuring import Completion, Ring, SetupFlags


def test_a_file_read_through_the_ring_is_the_file(ring: Ring, data_file: int) -> None:
    assert ring.read(data_file, 4096, offset=100).result() == os.pread(data_file, 4096, 100)


# -- submitting ---------------------------------------------------------------------


def test_nothing_reaches_the_kernel_before_it_is_submitted(ring: Ring, data_file: int) -> None:
    op = ring.write(data_file, b"new", 0)
    assert os.pread(data_file, 3, 0) != b"new"
    assert ring.stats()["enters"] == 0
    assert not op.done
    assert ring.submit() == 1
    assert op.result() == 3
    assert os.pread(data_file, 3, 0) == b"new"


def test_submit_returns_how_many_sqes_the_kernel_took(ring: Ring) -> None:
    assert ring.submit() == 0
    for _ in range(5):
        ring.nop()
    ring.nop(timeout=30)
    assert ring.submit() == 7
    assert ring.submit() == 0
    assert ring.stats()["submitted"] == 7


def test_submitting_is_one_system_call(ring: Ring) -> None:
    for _ in range(50):
        ring.nop()
    assert ring.submit() == 50
    assert ring.stats()["enters"] == 1
    for _ in range(50):
        ring.nop()
    ring.submit_and_wait(100)
    assert ring.stats()["enters"] == 2


def test_submit_goes_on_after_an_sqe_that_the_kernel_refuses() -> None:
    """Without SUBMIT_ALL the kernel stops at it; the answer is the same."""
    for setup in (None, SetupFlags(0)):
        with Ring(16, setup=setup) as ring, open(os.devnull, "rb") as file:
            good = [ring.nop() for _ in range(3)]
            bad = ring.fallocate(file, 0, 1, mode=0x7F00)
            more = [ring.nop() for _ in range(3)]
            assert ring.submit() == 7
            assert len(ring.wait(7)) == 7
            assert [op.res for op in good + more] == [0] * 6
            assert bad.res is not None
            assert bad.res < 0


@pytest.mark.parametrize("ends", ["wait", "submit_and_wait", "result"])
def test_waiting_submits_what_is_prepared(ring: Ring, ends: str) -> None:
    op = ring.nop()
    if ends == "result":
        assert op.result() == 0
    else:
        assert getattr(ring, ends)() == [op]


def test_result_submits_what_others_prepared_too(ring: Ring) -> None:
    first, second = ring.nop(), ring.nop()
    assert second.result() == 0
    assert ring.stats()["submitted"] == 2
    assert ring.completions() == [first]


def test_completions_never_submits_and_never_waits(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.poll(pipe[0])
    ring.submit()
    ring.nop()
    started = time.monotonic()
    assert ring.completions() == []
    assert time.monotonic() - started < 1
    assert ring.stats()["submitted"] == 1
    assert ring.in_flight == 2


def test_a_full_submission_queue_is_submitted_by_itself() -> None:
    with Ring(8) as ring:
        operations = [ring.nop(user_data=number) for number in range(16)]
        assert ring.stats()["submitted"] == 8
        assert ring.stats()["sq_full"] == 1
        assert sorted(op.user_data for op in ring.wait(16)) == list(range(16))
        assert all(op.res == 0 for op in operations)


# -- waiting -----------------------------------------------------------------------


def test_wait_returns_all_completions_once_with_their_user_data(ring: Ring) -> None:
    for number in range(10):
        ring.nop(user_data=number)
    assert ring.submit() == 10
    assert sorted(c.user_data for c in ring.wait(10)) == list(range(10))
    assert ring.completions() == []
    assert ring.in_flight == 0


def test_wait_returns_more_than_it_was_asked_to_wait_for(ring: Ring) -> None:
    for _ in range(10):
        ring.nop()
    assert len(ring.wait(1)) == 10


def test_wait_with_nothing_in_flight_raises_rather_than_hangs(ring: Ring) -> None:
    with pytest.raises(RuntimeError, match="nothing is in flight"):
        ring.wait()
    assert ring.wait(1, timeout=0.01) == []


def test_wait_for_none_raises_nothing(ring: Ring) -> None:
    assert ring.wait(0) == []
    op = ring.nop()
    assert ring.wait(0) in ([], [op])
    assert ring.stats()["submitted"] == 1


@pytest.mark.parametrize("timeout", [None, 5])
def test_wait_never_waits_for_more_than_is_in_flight(ring: Ring, timeout: float | None) -> None:
    for _ in range(3):
        ring.nop()
    started = time.monotonic()
    assert len(ring.wait(1000, timeout=timeout)) == 3
    assert time.monotonic() - started < 2


def test_wait_counts_what_is_ready_already(ring: Ring, pipe: tuple[int, int]) -> None:
    """Reaped while something else was waited for, but not delivered yet."""
    ready, pending = ring.nop(), ring.poll(pipe[0])
    other = ring.nop()
    assert other.result() == 0
    assert ready.done
    assert ring.wait(1) == [ready]
    assert not pending.done


def test_reaped_but_undelivered_completions_are_not_in_flight(ring: Ring) -> None:
    first, second = ring.nop(), ring.nop()
    assert ring.in_flight == 2
    second.result()
    assert first.done
    assert ring.in_flight == 0
    assert ring.wait(1) == [first], "it is delivered, not waited for"


def test_wait_waits(ring: Ring) -> None:
    for seconds in (0.01, 0.03):
        ring.timeout(seconds, user_data=seconds)
    started = time.monotonic()
    assert {op.user_data for op in ring.wait(2)} == {0.01, 0.03}
    assert time.monotonic() - started > 0.025


def test_a_wait_whose_time_is_up_returns_what_is_ready(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.poll(pipe[0])
    started = time.monotonic()
    assert ring.wait(1, timeout=0.05) == []
    assert 0.04 < time.monotonic() - started < 2
    op = ring.nop()
    assert ring.wait(2, timeout=0.05) == [op]
    assert ring.in_flight == 1


def test_a_wait_of_no_time_submits_and_polls(ring: Ring, pipe: tuple[int, int]) -> None:
    poll = ring.poll(pipe[0])
    assert ring.wait(1, timeout=0) == []
    assert ring.stats()["submitted"] == 1
    os.write(pipe[1], b"x")
    assert ring.wait(1, timeout=0) == [poll]


@pytest.mark.parametrize("timeout", [1, 0.5, 1e9, 2**33])
def test_a_wait_ends_before_its_time_with_the_last_completion(ring: Ring, timeout: float) -> None:
    op = ring.nop()
    started = time.monotonic()
    assert ring.wait(1, timeout=timeout) == [op]
    assert time.monotonic() - started < 0.4


# -- exactly once ---------------------------------------------------------------------


def test_a_completion_taken_by_result_does_not_come_out_of_wait(ring: Ring) -> None:
    operations = [ring.nop(user_data=number) for number in range(20)]
    ring.submit()
    for op in operations[::3]:
        op.result()
    rest = ring.wait(1) + ring.completions()
    assert [op.user_data for op in rest] == [number for number in range(20) if number % 3]


def test_a_completion_delivered_by_wait_has_a_result_all_the_same(ring: Ring) -> None:
    op = ring.nop()
    assert ring.wait() == [op]
    assert op.result() == op.result() == 0
    assert ring.wait(1, timeout=0) == []


def test_every_completion_is_delivered_exactly_once_however_it_is_asked_for(data_file: int) -> None:
    delivered: list[Any] = []
    prepared = 0
    with Ring(8) as ring:
        for turn in range(400):
            operations = [ring.read(data_file, 16, turn, user_data=prepared + i) for i in range(turn % 9)]
            prepared += len(operations)
            match turn % 5:
                case 0:
                    delivered += [op.user_data for op in ring.completions()]
                case 1:
                    delivered += [op.user_data for op in ring.wait(turn % 3, timeout=0.001)]
                case 2 if operations:
                    operations[-1].result()
                    delivered.append(operations[-1].user_data)
                case 3:
                    ring.submit()
        while ring.in_flight:
            delivered += [op.user_data for op in ring.wait()]
        delivered += [op.user_data for op in ring.completions()]
    assert sorted(delivered) == list(range(prepared))


def test_more_operations_than_the_ring_holds_wait_for_room_and_none_is_lost() -> None:
    with Ring(8) as ring:
        operations = [ring.nop(user_data=number) for number in range(1000)]
        seen: list[Any] = []
        while len(seen) < 1000:
            seen += [op.user_data for op in ring.wait(1, timeout=5)]
        assert sorted(seen) == list(range(1000))
        assert all(op.done for op in operations)
        stats = ring.stats()
        assert (stats["submitted"], stats["completed"], stats["unexpected"]) == (1000, 1000, 0)


def test_in_flight_never_exceeds_the_completion_queue() -> None:
    with Ring(8, cq_entries=16) as ring:
        most = 0
        for _ in range(500):
            ring.nop()
            ring.nop(timeout=30)
            most = max(most, ring.in_flight)
        assert most <= ring.cq_entries == 16
        assert ring.stats()["overflows"] == 0


def test_user_data_is_any_object_and_kept_as_it_is(ring: Ring) -> None:
    for thing in (None, 0, -1, 2**100, "text", [1], {"a": 1}, object(), ring):
        op = ring.nop(user_data=thing)
        assert ring.wait() == [op]
        assert op.user_data is thing


# -- drain ---------------------------------------------------------------------------------


def test_a_drained_operation_starts_after_all_before_it_and_before_all_behind_it(ring: Ring, data_file: int) -> None:
    slow = ring.timeout(0.03)
    write = ring.write(data_file, b"drained", 0, drain=True)
    read = ring.read(data_file, 7, 0)
    ring.submit()
    assert not read.done
    order: list[Completion[Any]] = []
    while len(order) < 3:
        order += ring.wait(1, timeout=5)
    assert order == [slow, write, read]
    assert read.result() == b"drained"


# -- what a ring tells of itself ---------------------------------------------------------------


def test_the_rings_descriptor_is_readable_when_completions_are_ready(ring: Ring, pipe: tuple[int, int]) -> None:
    poller = select.poll()
    poller.register(ring, select.POLLIN)
    ring.poll(pipe[0])
    ring.submit()
    assert poller.poll(0) == []
    os.write(pipe[1], b"x")
    assert poller.poll(5000) == [(ring.fileno(), select.POLLIN)]


@pytest.mark.parametrize("setup", [SetupFlags(0), SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG])
def test_a_sleeping_poll_is_woken_by_a_ring_without_defer_taskrun(setup: SetupFlags) -> None:
    with Ring(8, setup=setup) as ring:
        poller = select.poll()
        poller.register(ring, select.POLLIN)
        timer = ring.timeout(0.02)
        ring.submit()
        started = time.monotonic()
        assert poller.poll(5000) == [(ring.fileno(), select.POLLIN)]
        assert time.monotonic() - started < 2
        assert ring.completions() == [timer]


def test_the_statistics_add_up(ring: Ring, pipe: tuple[int, int]) -> None:
    for _ in range(10):
        ring.nop()
    ring.poll(pipe[0])
    ring.wait(10)
    stats = ring.stats()
    assert stats == {
        "submitted": 11, "completed": 10, "in_flight": 1, "enters": stats["enters"], "sq_full": 0, "overflows": 0,
        "unexpected": 0, "rearmed": 0, "starved": 0, "lent": 0,
    }  # fmt: skip
    assert 1 <= stats["enters"] <= 2


def test_repr_shows_size_load_and_flags(ring: Ring) -> None:
    ring.nop()
    text = repr(ring)
    for part in (f"fd={ring.fileno()}", "entries=64", "cq_entries=128", "in_flight=1"):
        assert part in text
    with Ring(8, setup=SetupFlags(0)) as plain:
        assert "setup=" in repr(plain)
    assert repr(plain) == "<Ring closed>"


@pytest.mark.parametrize("name", ["read", "readinto", "writev", "fdatasync", "recv_into", "open", "close_fd", "nop"])
def test_supports_takes_the_name_of_a_method(ring: Ring, name: str) -> None:
    assert ring.supports(name) is True


@pytest.mark.parametrize("number", [0, 1, 22, 45])
def test_supports_takes_the_number_of_an_opcode(ring: Ring, number: int) -> None:
    assert ring.supports(number) is True


@pytest.mark.parametrize("unknown", ["", "close", "submit", "IORING_OP_READ", "frobnicate", -1, 255, 256, 10**9, 2**70])
def test_what_is_unknown_is_not_supported(ring: Ring, unknown: str | int) -> None:
    assert ring.supports(unknown) is False


# -- the end ---------------------------------------------------------------------------------


def test_close_is_idempotent_and_tells() -> None:
    ring = Ring(8)
    assert ring.closed is False
    ring.close()
    assert ring.closed is True
    ring.close()
    assert ring.in_flight == 0


def test_a_ring_used_in_a_with_statement_is_closed_at_its_end() -> None:
    with Ring(8) as ring:
        assert not ring.closed
    assert ring.closed
    with pytest.raises(ZeroDivisionError), Ring(8) as ring:
        raise ZeroDivisionError
    assert ring.closed


def test_close_gives_the_descriptor_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ring = Ring(8)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    ring.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_operations_never_submitted_are_never_executed(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    ring = Ring(8)
    op = ring.write(data_file, b"never done", 0)
    ring.close()
    assert op.done
    assert op.res == -errno.ECANCELED
    assert os.pread(data_file, 10, 0) == before


def test_after_close_every_handle_is_done_with_its_result_or_canceled(data_file: int, pipe: tuple[int, int]) -> None:
    ring = Ring(16)
    finished = ring.read(data_file, 100, 0)
    delivered = ring.nop()
    ring.wait(2)
    reaped = ring.nop()
    ring.nop().result()
    submitted = [ring.read(pipe[0], 1), ring.poll(pipe[0]), ring.timeout(60), ring.poll(pipe[0], timeout=60)]
    ring.submit()
    prepared = [ring.nop(), ring.nop(timeout=60)]
    buffer = bytearray(10)
    into = ring.readinto(pipe[0], buffer)
    started = time.monotonic()
    ring.close()
    assert time.monotonic() - started < 5
    assert finished.result() == os.pread(data_file, 100, 0)
    assert delivered.result() == reaped.result() == 0
    for op in (*submitted, *prepared, into):
        assert op.done
        assert op.res == -errno.ECANCELED
        with pytest.raises(OSError) as caught:
            op.result()
        assert caught.value.errno == errno.ECANCELED
        assert not isinstance(caught.value, TimeoutError)
    buffer.append(0)


def test_close_ends_an_open_chain() -> None:
    ring = Ring(8)
    with ring.link():
        op = ring.nop()
        ring.close()
    assert op.res == -errno.ECANCELED


def test_cancel_and_repr_of_a_handle_work_after_close() -> None:
    ring = Ring(8)
    op = ring.nop(user_data=5)
    ring.close()
    op.cancel()
    assert "ECANCELED" in repr(op)


def test_two_rings_do_not_disturb_each_other(data_file: int) -> None:
    with Ring(8) as one, Ring(8) as two:
        first: Completion[bytes] = one.read(data_file, 10, 0)
        second = two.read(data_file, 10, 10)
        assert two.wait() == [second]
        assert one.wait() == [first]
        assert first.result() + second.result() == os.pread(data_file, 20, 0)


def test_a_ring_works_after_another_that_had_its_descriptor() -> None:
    numbers = set()
    for _ in range(50):
        with pyuring.Ring(8) as ring:
            numbers.add(ring.fileno())
            assert ring.nop().result() == 0
    assert len(numbers) == 1
