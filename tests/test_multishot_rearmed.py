"""Multishots that the kernel ends early, for want of room in the CQ: they are armed again."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from provided import check_balance

from pyuring import Ring

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def tiny() -> Any:
    """A ring with a CQ of two, into which the kernel posts whenever it likes."""
    with Ring(1, setup=0) as ring:
        assert ring.cq_entries == 2
        yield ring


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def test_an_overflow_does_not_end_a_poll(tiny: Ring) -> None:
    readable, writable = os.pipe()
    shots = [tiny.poll_multishot(readable, user_data=n) for n in range(2)]
    tiny.submit()
    for _ in range(30):
        for _ in range(4):
            os.write(writable, b"x")
        for handle in shots:
            assert next(handle).result() == select.POLLIN
    assert tiny.stats()["rearmed"] > 0
    assert not any(handle.done for handle in shots)
    os.close(readable)
    os.close(writable)


def test_an_overflow_does_not_end_an_accept(tiny: Ring) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        shots = tiny.accept_multishot(listener)
        tiny.submit()
        clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
        fds = [next(shots).result() for _ in clients]
        assert len(set(fds)) == 20
        assert tiny.stats()["rearmed"] > 0
        for client, fd in zip(clients, fds, strict=True):
            client.close()
            os.close(fd)


def test_an_overflow_costs_a_timer_none_of_its_rounds(tiny: Ring) -> None:
    timer = tiny.timeout_multishot(0.001, count=50)
    tiny.submit()
    for _ in range(10):
        time.sleep(0.002)
    assert len(list(timer)) == 50
    assert tiny.stats()["rearmed"] > 0


def test_an_overflow_loses_no_message(tiny: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = tiny.buffer_ring(16, 16)
    shots = tiny.recv_multishot(ours, buffers)
    tiny.submit()
    sent = [b"%d" % number for number in range(100)]
    for start in range(0, 100, 10):
        for message in sent[start : start + 10]:
            theirs.send(message)
        assert [next(shots).result() for _ in range(10)] == sent[start : start + 10]
    assert tiny.stats()["rearmed"] > 0
    check_balance(tiny, buffers)


@pytest.mark.parametrize("which", [0, 1])
def test_what_finds_no_room_in_the_submission_queue_is_armed_before_anything_is_waited_for(
    tiny: Ring, which: int
) -> None:
    pipes = [os.pipe() for _ in range(2)]
    shots = [tiny.poll_multishot(readable, user_data=n) for n, (readable, _) in enumerate(pipes)]
    tiny.submit()
    for _ in range(4):
        for _, writable in pipes:
            os.write(writable, b"x")
    while tiny.completions():
        pass
    # Both have ended by overflow, and there is one SQE to arm them again with.
    for readable, _ in pipes:
        os.read(readable, 100)
    os.write(pipes[which][1], b"x")
    with no_longer_than(5):
        assert [op.user_data for op in tiny.wait(1)] == [which]
    assert tiny.stats()["rearmed"] == 2
    assert not any(handle.done for handle in shots)
    for ends in pipes:
        for fd in ends:
            os.close(fd)


# -- cancelled by an operation -------------------------------------------------------------


def test_an_operation_that_cancels_it_ends_it_also_while_it_starves(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(1, 16)
    shots = ring.recv_multishot(ours, buffers)
    for number in range(3):
        theirs.send(b"%d" % number)
    held = next(shots)
    assert ring.wait(1, timeout=0.01) == []
    assert ring.stats()["starved"] == 1
    with pytest.raises(FileNotFoundError):  # the kernel does not know it now
        ring.cancel(shots).result()
    with no_longer_than(5):
        assert list(shots) == []
    assert held.result() == b"0"
    check_balance(ring, buffers)
    armed = ring.timeout_multishot(60)
    assert ring.cancel(armed).result() is None
    assert list(armed) == []


def test_a_buffer_that_comes_back_feeds_its_own_group_only(ring: Ring) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    groups = [ring.buffer_ring(1, 1) for _ in pairs]
    for (ours, theirs), buffers in zip(pairs, groups, strict=True):
        ring.recv_multishot(ours, buffers)
        theirs.send(b"xy")
    first, second = sorted(ring.wait(2), key=lambda op: groups.index(op.multishot._buffers))  # type: ignore[attr-defined]
    assert ring.wait(1, timeout=0.01) == []
    assert ring.stats()["starved"] == 2
    assert first.result() == b"x"
    assert ring.wait(1)[0].result() == b"y"
    assert ring.stats()["rearmed"] == 1
    assert second.result() == b"x"
    for pair in pairs:
        for sock in pair:
            sock.close()


def test_a_cancel_in_a_chain_that_is_given_up_stops_nothing(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
    with pytest.raises(ZeroDivisionError), ring.link():
        ring.cancel(shots)
        ring.cancel_fd(ours)
        _ = 1 / 0
    for number in range(5):  # with one buffer: it is armed again and again
        theirs.send(b"%d" % number)
        theirs.send(b"and")
        assert next(shots).result() == b"%d" % number
        assert next(shots).result() == b"and"
    assert ring.stats()["rearmed"] > 0
