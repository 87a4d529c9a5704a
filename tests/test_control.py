"""poll, timeout and cancel."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

import pytest

from pyuring import Ring, SetupFlags


def test_poll_answers_as_select_poll_does(ring: Ring, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    everything = select.POLLIN | select.POLLOUT | select.POLLPRI

    def cousin(fd: int) -> int:
        poller = select.poll()
        poller.register(fd, everything)
        return dict(poller.poll(0))[fd]

    assert ring.poll(writer, everything).result() == cousin(writer)
    os.write(writer, b"x")
    assert ring.poll(reader, everything).result() == cousin(reader)
    os.close(writer)
    assert ring.poll(reader, everything).result() == cousin(reader)


def test_poll_waits_for_the_event(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.poll(pipe[0])
    assert ring.wait(1, timeout=0.02) == []
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == select.POLLIN


def test_poll_is_once(ring: Ring, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    assert ring.poll(pipe[0]).result() == select.POLLIN
    assert ring.in_flight == 0
    assert os.read(pipe[0], 1) == b"x", "it takes nothing"


def test_poll_tells_of_errors_unasked(ring: Ring, pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    assert ring.poll(pipe[1], select.POLLIN).result() & select.POLLERR


def test_poll_takes_an_object_with_fileno_and_a_registered_file(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    theirs.send(b"x")
    assert ring.poll(ours).result() == select.POLLIN
    files = ring.register_files([ours])
    assert ring.poll(files[0]).result() == select.POLLIN


def test_a_ring_can_be_polled_by_another(ring: Ring) -> None:
    # A ring with DEFER_TASKRUN would not wake its pollers: see Ring.fileno.
    with Ring(8, setup=SetupFlags.COOP_TASKRUN) as other:
        op = ring.poll(other)
        assert ring.wait(1, timeout=0.01) == []
        timer = other.timeout(0.01)
        other.submit()
        assert op.result(timeout=5) & select.POLLIN
        assert other.completions() == [timer]


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


def test_cancel_as_an_operation_stops_its_target(ring: Ring, pipe: tuple[int, int]) -> None:
    target = ring.read(pipe[0], 1)
    ring.submit()
    cancel = ring.cancel(target, user_data="cancel")
    assert cancel.result() is None
    with pytest.raises(OSError) as caught:
        target.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED


def test_cancel_of_an_operation_prepared_in_the_same_submission_works(ring: Ring, pipe: tuple[int, int]) -> None:
    target = ring.read(pipe[0], 1)
    cancel = ring.cancel(target)
    ring.wait(2, timeout=5)
    assert target.res == -errno.ECANCELED
    assert cancel.res == 0


def test_cancel_of_a_finished_operation_finds_none(ring: Ring) -> None:
    done = ring.nop()
    done.result()
    delivered = ring.nop()
    ring.wait()
    for target in (done, delivered):
        with pytest.raises(FileNotFoundError):
            ring.cancel(target).result()


def test_cancel_does_not_hit_the_operation_that_has_the_slot_now(pipe: tuple[int, int]) -> None:
    with Ring(1, cq_entries=2) as ring:
        first = ring.nop()
        first.result()
        blocked = ring.poll(pipe[0])
        ring.submit()
        with pytest.raises(FileNotFoundError):
            ring.cancel(first).result()
        assert not blocked.done


def test_cancel_in_a_chain_runs_in_its_turn(ring: Ring, pipe: tuple[int, int], data_file: int) -> None:
    target = ring.read(pipe[0], 1)
    ring.submit()
    with ring.link():
        write = ring.write(data_file, b"first", 0)
        cancel = ring.cancel(target)
        read = ring.read(data_file, 5, 0)
    assert read.result() == b"first"
    assert write.result() == 5
    assert cancel.result() is None
    ring.wait(1, timeout=5)
    assert target.res == -errno.ECANCELED
