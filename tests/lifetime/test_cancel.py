"""Rule 5: a cancel hits what it is meant for, however late; and a cancel is no time limit."""

from __future__ import annotations

import errno
import os
import time

import pytest

import pyuring


def test_a_late_cancel_does_not_hit_the_new_owner_of_the_slot(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    readable, writable = os.pipe()
    target = ring.read(readable, 1)
    ring.submit()
    os.write(writable, b"x")
    late = ring.cancel(target)  # prepared while the target was in flight
    deadline = time.monotonic() + 5
    while not target.done:
        ring.completions()  # does not submit
        assert time.monotonic() < deadline
    owners = [ring.read(pipe[0], 1) for _ in range(60)]
    assert target._slot in [op._slot for op in owners]
    with pytest.raises(FileNotFoundError):
        late.result()
    target.cancel()
    with pytest.raises(FileNotFoundError):
        ring.cancel(target).result()
    assert not any(op.done for op in owners)
    os.close(readable)
    os.close(writable)


def test_ids_are_never_used_twice(pipe: tuple[int, int]) -> None:
    ids: list[int] = []
    with pyuring.Ring(4, cq_entries=4) as ring:
        sq = ring._c.ring.sq
        for _ in range(1000):
            ring.nop()
            ids.append(sq.sqes[(sq.sqe_tail - 1) & sq.ring_mask].user_data)
            ring.wait()
    assert len(set(ids)) == 1000
    assert all(0 < number < 1 << 63 for number in ids)  # the rest belongs to pyuring itself


def test_a_cancelled_operation_is_no_timeout(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    for limit in (None, 60):
        op = ring.read(pipe[0], 1, timeout=limit)
        ring.submit()
        op.cancel()
        with pytest.raises(OSError) as caught:
            op.result()
        assert not isinstance(caught.value, TimeoutError)
        assert caught.value.errno == errno.ECANCELED
        assert "read" in caught.value.__notes__[0]


def test_an_operation_cut_short_by_its_own_limit_is_a_timeout(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1, timeout=0.01)
    with pytest.raises(TimeoutError):
        op.result()
    with pytest.raises(TimeoutError):
        op.result()
    assert ring.in_flight == 0
    assert ring.completions() == []


def test_cancelling_several_times_cancels_once(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    op, other = ring.read(pipe[0], 1), ring.read(pipe[0], 1)
    for _ in range(5):
        op.cancel()
    assert ring.wait(1) == [op]
    op.cancel()
    assert not other.done
    assert ring.stats()["unexpected"] == 0
    os.write(pipe[1], b"x")
    assert other.result() == b"x"


def test_cancel_submits_what_it_cancels(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1)
    op.cancel()
    assert ring.stats()["submitted"] >= 1
    with pytest.raises(OSError):
        op.result(timeout=5)


def test_cancelling_one_ends_what_was_linked_to_it(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        first = ring.read(pipe[0], 1)
        second = ring.nop()
    first.cancel()
    assert set(ring.wait(2)) == {first, second}
    assert (first.res, second.res) == (-errno.ECANCELED, -errno.ECANCELED)


def test_cancel_works_past_an_operation_that_waits_for_all_before_it(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    """The kernel makes everything after it wait, and a cancel request is no exception."""
    op, drain = ring.read(pipe[0], 1), ring.nop(drain=True)
    ring.submit()
    op.cancel()
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED
    assert drain.result(timeout=5) == 0


def test_an_operation_of_another_ring_cannot_be_cancelled_here(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4) as other:
        mine, others = ring.read(pipe[0], 1), other.read(pipe[0], 1)
        ring.submit()
        other.submit()
        with pytest.raises(ValueError, match="another ring"):
            ring.cancel(others)
        mine.cancel()
        ring.wait(1)
        assert mine.done
        assert not others.done
