"""Multishots: many results, one handle, armed again where the kernel ends them early."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import resource
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from provided import check_balance

from pyuring import Multishot, Ring, SetupFlags, SqeFlags

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


# -- iterating and waiting ---------------------------------------------------------------


def test_messages_are_iterated_over_until_the_peer_shuts_down(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(4, 16)
    shots = ring.recv_multishot(ours, buffers, user_data="mine")
    theirs.send(b"0123456789abcdefXYZ")
    theirs.shutdown(socket.SHUT_WR)
    got = []
    for shot in shots:
        assert (shot.user_data, shot.operation) == ("mine", "recv_multishot")
        assert shot.multishot is shots  # type: ignore[attr-defined]
        got.append(shot.result())
    assert got == [b"0123456789abcdef", b"XYZ"]
    assert shots.done
    assert shots.res == 0
    assert list(shots) == []
    assert ring.in_flight == 0
    check_balance(ring, buffers)


def test_without_an_iteration_results_come_out_of_wait(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
    ring.submit()
    for text in (b"one", b"two"):
        theirs.send(text)
        (shot,) = ring.wait(1)
        assert shot.multishot is shots  # type: ignore[attr-defined]
        assert shot.result() == text
        assert not shots.done
    theirs.close()
    (last,) = ring.wait(1)
    assert last.result() == b""
    assert shots.done


def test_the_first_step_of_an_iteration_takes_what_wait_would_have_given(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(8, 16))
    nop = ring.nop()
    ring.submit()
    for number in range(3):
        theirs.send(b"%d" % number)
    ring.nop().result()  # reaps all, delivers none of it
    theirs.send(b"3")
    assert [next(shots).result() for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert ring.wait(1) == [nop]
    theirs.send(b"4")
    ring.nop().result()
    assert ring.completions() == []
    assert next(shots).result() == b"4"


def test_a_result_that_was_asked_for_comes_once(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(8, 16))
    ring.submit()
    theirs.send(b"a")
    theirs.send(b"b")
    ring.nop().result()
    first = ring._ready[0]
    assert first.result() == first.result() == b"a"
    assert next(shots).result() == b"b"
    assert ring.completions() == []


def test_results_that_are_there_are_iterated_over_after_the_end(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(8, 16))
    ring.submit()
    for number in range(3):
        theirs.send(b"%d" % number)
    theirs.close()
    while not shots.done:
        ring.nop().result()
    assert [shot.result() for shot in shots] == [b"0", b"1", b"2"]


def test_several_at_once_keep_apart(ring: Ring) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    buffers = ring.buffer_ring(4, 8)
    handles = [ring.recv_multishot(ours, buffers, user_data=n) for n, (ours, _) in enumerate(pairs)]
    timer = ring.timeout_multishot(0.001)
    for n, (_, theirs) in enumerate(pairs):
        theirs.send(bytes([n]) * 40)
        theirs.close()
    for n, handle in enumerate(handles):
        assert b"".join(shot.result() for shot in handle) == bytes([n]) * 40
    assert next(timer).result() is None
    timer.cancel()
    for _ in timer:
        pass
    for ours, _ in pairs:
        ours.close()
    check_balance(ring, buffers)


def test_wait_says_so_when_there_is_nothing_but_iterations(ring: Ring, sockets: Pair) -> None:
    shots = ring.recv_multishot(sockets[0], ring.buffer_ring(4, 16))
    sockets[1].send(b"x")
    next(shots)
    with no_longer_than(5), pytest.raises(RuntimeError, match="iterated over"):
        ring.wait(1)
    nop = ring.nop()
    with no_longer_than(5):
        assert ring.wait(9) == [nop]
    start, cpu = time.monotonic(), time.thread_time()
    assert ring.wait(1, timeout=0.2) == []
    assert time.monotonic() - start >= 0.19
    assert time.thread_time() - cpu < 0.1
    shots.cancel()
    assert list(shots) == []
    with pytest.raises(RuntimeError, match="nothing is in flight"):
        ring.wait(1)


def test_wait_waits_for_as_many_results_as_asked_for(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    ring.recv_multishot(ours, ring.buffer_ring(8, 16))
    theirs.send(b"x")
    assert len(ring.wait(2, timeout=0.05)) == 1
    theirs.send(b"x")
    theirs.send(b"x")
    with no_longer_than(5):
        assert len(ring.wait(2)) == 2
    theirs.close()
    with no_longer_than(5):
        assert [op.res for op in ring.wait(2)] == [0], "it ended: no more is to come"


def test_another_thread_cannot_iterate(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(8, 16))
    theirs.send(b"x")
    ring.submit()
    ring.nop().result()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="thread"):
        pool.submit(next, shots).result()
    assert next(shots).result() == b"x"
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="thread"):
        pool.submit(next, shots).result()


# -- ends ----------------------------------------------------------------------------------


def test_an_error_ends_the_iteration_and_is_raised_each_time(ring: Ring) -> None:
    with socket.socket() as unconnected:
        shots = ring.recv_multishot(unconnected, ring.buffer_ring(4, 16))
        for _ in range(2):
            with pytest.raises(OSError) as caught:
                next(shots)
            assert caught.value.errno == errno.ENOTCONN
            assert caught.value.__notes__ == ["io_uring operation: recv_multishot"]


def test_an_empty_datagram_is_a_message_and_no_end(ring: Ring) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        buffers = ring.buffer_ring(4, 16)
        shots = ring.recv_multishot(ours, buffers)
        ring.submit()
        sent = [b"a", b"", b"", b"b", b""] * 5
        for message in sent:
            theirs.send(message)
            assert next(shots).result() == message
        assert not shots.done
        theirs.send(b"")
        shots.cancel()
        assert [shot.result() for shot in shots] in ([b""], []), "told of, or left in the socket"
        check_balance(ring, buffers)


def test_a_socket_that_was_shut_down_does_not_spin(ring: Ring) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ring.recv_multishot(ours, ring.buffer_ring(4, 16))
        ring.submit()
        ours.shutdown(socket.SHUT_RD)
        before = ring.stats()["enters"]
        ring.wait(1000, timeout=0.1)
        assert ring.stats()["enters"] - before < 20


def test_a_timer_goes_off_as_often_as_asked_for(ring: Ring) -> None:
    start = time.monotonic()
    timer = ring.timeout_multishot(0.005, count=7)
    assert [shot.result() for shot in timer] == [None] * 7
    assert time.monotonic() - start >= 0.035
    assert timer.res == -errno.ETIME


@pytest.mark.parametrize("closed", ["pipe", "socket"])
def test_a_poll_of_what_was_hung_up_tells_of_it_and_does_not_spin(ring: Ring, closed: str) -> None:
    if closed == "pipe":
        readable, writable = os.pipe()
    else:
        readable, writable = (sock.detach() for sock in socket.socketpair())
    shots = ring.poll_multishot(readable)
    ring.submit()
    os.close(writable)
    assert next(shots).result() & select.POLLHUP
    before = ring.stats()["enters"]
    ring.wait(1000, timeout=0.1)
    assert ring.stats()["enters"] - before < 20
    assert not shots.done
    os.close(readable)


@pytest.mark.parametrize("registered", [False, True])
def test_a_poll_of_what_cannot_be_waited_for_ends(ring: Ring, data_file: int, registered: bool) -> None:
    file = ring.register_files([data_file])[0] if registered else data_file
    shots = ring.poll_multishot(file, select.POLLIN | select.POLLOUT)
    told = [shot.result() for shot in itertools.islice(shots, 100)]
    assert 1 <= len(told) < 100
    assert set(told) == {select.POLLIN | select.POLLOUT}
    assert shots.done
    assert ring.in_flight == 0


def test_a_poll_ends_when_what_is_polled_goes_away(ring: Ring) -> None:
    poll = select.epoll()
    shots = ring.poll_multishot(poll)
    ring.submit()
    shots.cancel()
    assert list(shots) == []
    assert shots.res == -errno.ECANCELED
    poll.close()


def test_a_full_table_ends_an_accept(ring: Ring, listener: socket.socket) -> None:
    files = ring.register_files(sparse=2)
    shots = ring.accept_multishot(listener, direct=files)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
    taken = [next(shots).result(), next(shots).result()]
    with pytest.raises(OSError) as caught:
        next(shots)
    assert caught.value.errno == errno.ENFILE
    for client in clients:
        client.send(b"x")
    assert {bytes(ring.recv(file, 1).result()) for file in taken} == {b"x"}
    for client in clients:
        client.close()


def test_a_process_with_no_descriptor_left_ends_an_accept(ring: Ring, listener: socket.socket) -> None:
    clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        shots = ring.accept_multishot(listener)
        assert next(shots).result() == free
        with pytest.raises(OSError) as caught:
            next(shots)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert caught.value.errno == errno.EMFILE
    os.close(free)
    for client in clients:
        client.close()


def test_accepted_descriptors_are_not_inheritable(ring: Ring, listener: socket.socket) -> None:
    shots = ring.accept_multishot(listener, socket.SOCK_NONBLOCK)
    with socket.create_connection(listener.getsockname()):
        fd = next(shots).result()
    assert not os.get_inheritable(fd)
    assert not os.get_blocking(fd)
    os.close(fd)


# -- cancelling ------------------------------------------------------------------------------


def everything(ring: Ring, sock: socket.socket, fd: int, listener: socket.socket) -> list[Multishot[Any]]:
    buffers = ring.buffer_ring(4, 16)
    return [
        ring.recv_multishot(sock, buffers),
        ring.read_multishot(fd, buffers),
        ring.poll_multishot(fd),
        ring.accept_multishot(listener),
        ring.timeout_multishot(60),
    ]


def test_each_ends_cleanly_when_it_is_cancelled(
    ring: Ring, sockets: Pair, pipe: tuple[int, int], listener: socket.socket
) -> None:
    for submitted in (True, False):
        for shots in everything(ring, sockets[0], pipe[0], listener):
            if submitted:
                ring.submit()
            shots.cancel()
            shots.cancel()
            with no_longer_than(5):
                assert list(shots) == []
            assert shots.res == -errno.ECANCELED
            shots.cancel()
    assert ring.in_flight == 0
    assert ring.completions() == []


def test_closing_the_ring_ends_each(sockets: Pair, pipe: tuple[int, int], listener: socket.socket) -> None:
    for submitted in (True, False):
        ring = Ring(16)
        handles = everything(ring, sockets[0], pipe[0], listener)
        if submitted:
            ring.submit()
        with no_longer_than(5):
            ring.close()
        assert [handle.res for handle in handles] == [-errno.ECANCELED] * 5
        assert [list(handle) for handle in handles] == [[]] * 5


def test_what_came_before_the_ring_was_closed_can_still_be_iterated_over(packets: Pair) -> None:
    ours, theirs = packets
    with Ring(8) as ring:
        shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
        theirs.send(b"first")
        assert next(shots).result() == b"first"
        for number in range(3):
            theirs.send(b"%d" % number)
        ring.nop().result()
    assert [shot.result() for shot in shots] == [b"0", b"1", b"2"]
    assert shots.done


def test_a_dropped_handle_goes_on_until_the_ring_is_closed(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    ring.recv_multishot(ours, ring.buffer_ring(4, 16))
    ring.submit()
    gc.collect()
    theirs.send(b"x")
    (shot,) = ring.wait(1)
    assert shot.result() == b"x"
    assert ring.in_flight == 1


def test_a_multishot_is_refused_in_a_chain(ring: Ring, pipe: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multishot operation cannot be linked"), ring.link():
        ring.poll_multishot(pipe[0])
    assert ring.in_flight == 0


def test_a_worker_thread_is_no_reason_to_lose_anything(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 16)
    shots = ring.recv_multishot(ours, buffers, flags=SqeFlags.ASYNC)
    for number in range(50):
        theirs.send(b"%d" % number)
        assert next(shots).result() == b"%d" % number
    shots.cancel()
    assert list(shots) == []
    check_balance(ring, buffers)


@pytest.mark.parametrize("setup", [0, SetupFlags.SQPOLL, SetupFlags.COOP_TASKRUN, None], ids=str)
def test_a_ring_at_its_limit_goes_on(setup: SetupFlags | int | None, packets: Pair) -> None:
    ours, theirs = packets
    with Ring(2, setup=setup) as ring:
        shots = ring.recv_multishot(ours, ring.buffer_ring(2, 16))
        for number in range(40):
            theirs.send(b"%d" % number)
            ring.nop(user_data=number)  # waits for room, and reaps messages meanwhile
            assert next(shots).result() == b"%d" % number
        seen: list[Any] = []
        while len(seen) < 40:
            seen += [op.user_data for op in ring.wait(1)]
        assert seen == list(range(40))
