"""poll, epoll_ctl and epoll_wait, against their cousins in `select`."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket
import time
import weakref
from collections.abc import Iterator

import pytest

from pyuring import EpollOp, Ring, SetupFlags

IN, OUT = select.EPOLLIN, select.EPOLLOUT


@pytest.fixture
def epoll() -> Iterator[select.epoll]:
    with select.epoll() as epoll:
        yield epoll


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


def test_an_exclusive_poll_is_woken_alone(ring: Ring, pipe: tuple[int, int]) -> None:
    ops = [ring.poll(pipe[0], select.POLLIN | select.EPOLLEXCLUSIVE) for _ in range(3)]
    ring.nop().result()  # they are armed then, also on a ring that another thread submits for
    os.write(pipe[1], b"x")
    assert len(ring.wait(3, timeout=0.05)) == 1
    assert sum(op.done for op in ops) == 1


def test_an_updated_poll_waits_for_the_new_events_only(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    op = ring.poll(ours, select.POLLPRI)
    ring.submit()
    assert ring.poll_update(op, select.POLLIN).result() is None
    assert not op.done
    theirs.send(b"x")
    assert op.result(timeout=5) == select.POLLIN


def test_an_updated_poll_completes_at_once_if_the_event_is_there(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    op = ring.poll(sockets[0], select.POLLIN)
    update = ring.poll_update(op, select.POLLOUT)
    assert {id(done) for done in ring.wait(2, timeout=5)} == {id(op), id(update)}
    assert (update.result(), op.result()) == (None, select.POLLOUT)


def test_an_updated_multishot_goes_on_with_the_new_events(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    polls = ring.poll_multishot(ours, select.POLLPRI)
    shots = iter(polls)
    ring.submit()
    ring.poll_update(polls, select.POLLIN).result()
    for _ in range(3):
        theirs.send(b"x")
        assert next(shots).result() & select.POLLIN
        assert ours.recv(9) == b"x"


def test_a_multishot_that_is_armed_again_after_an_update_waits_for_the_new_events() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Ring(2, setup=SetupFlags.COOP_TASKRUN) as ring:
        polls = ring.poll_multishot(ours, select.POLLIN)
        ring.submit()
        # More events than the CQ holds end it, so that the update finds none: it changes what is armed next.
        for _ in range(ring.cq_entries + 2):
            theirs.send(b"x")
            ring.submit()
        update = ring.poll_update(polls, select.POLLOUT)
        seen = []
        while select.POLLOUT not in seen:
            done = ring.wait(1, timeout=2)
            assert done, "it waits for the old events"
            seen += [op.result() for op in done if op is not update]
        assert set(seen) <= {select.POLLIN, select.POLLOUT}
        assert ring.stats()["rearmed"] == 1


def test_a_poll_that_is_removed_ends_cancelled(ring: Ring, pipe: tuple[int, int]) -> None:
    op, other = ring.poll(pipe[0]), ring.poll(pipe[0])
    ring.submit()
    assert ring.poll_remove(op).result() is None
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED
    assert not other.done


def test_a_multishot_poll_that_is_removed_ends_its_iteration(ring: Ring, pipe: tuple[int, int]) -> None:
    polls = ring.poll_multishot(pipe[0])
    os.write(pipe[1], b"x")
    shots = iter(polls)
    assert next(shots).result() == select.POLLIN
    assert ring.poll_remove(polls).result() is None
    assert list(shots) == []
    assert polls.done


def test_polls_of_another_ring_are_refused(ring: Ring, pipe: tuple[int, int]) -> None:
    with Ring(4) as other:
        op = other.poll(pipe[0])
        with pytest.raises(ValueError, match="another ring"):
            ring.poll_update(op, select.POLLIN)
        with pytest.raises(ValueError, match="another ring"):
            ring.poll_remove(op)


# -- epoll ------------------------------------------------------------------------------


def test_epoll_ctl_does_what_the_methods_of_an_epoll_do(
    ring: Ring, epoll: select.epoll, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours = sockets[0]
    ring.epoll_ctl(epoll, EpollOp.ADD, ours, OUT).result()
    assert epoll.poll(0) == [(ours.fileno(), OUT)]
    ring.epoll_ctl(epoll, EpollOp.MOD, ours, IN).result()
    assert epoll.poll(0) == []
    ring.epoll_ctl(epoll.fileno(), EpollOp.DEL, ours.fileno()).result()
    with pytest.raises(FileNotFoundError):
        epoll.modify(ours, IN)


@pytest.mark.parametrize("data", [0, 1, 2**31 - 1, -1, -(2**31)])
def test_the_number_that_was_given_comes_out_with_the_events(
    ring: Ring, epoll: select.epoll, pipe: tuple[int, int], data: int
) -> None:
    ring.epoll_ctl(epoll, EpollOp.ADD, pipe[1], OUT, data).result()
    assert ring.epoll_wait(epoll).result() == epoll.poll(0) == [(data, OUT)]


def test_epoll_wait_answers_as_epoll_poll_does(ring: Ring, epoll: select.epoll) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    for ours, theirs in pairs:
        epoll.register(ours, IN | OUT)
        theirs.send(b"x")
    expected = sorted(epoll.poll(0))
    op = ring.epoll_wait(epoll)
    assert sorted(op.result()) == expected == sorted(op.result())
    assert len(expected) == 5
    some = ring.epoll_wait(epoll, 3).result()
    assert len(some) == 3
    assert set(some) < set(expected)
    for pair in pairs:
        for sock in pair:
            sock.close()


def test_epoll_wait_waits(ring: Ring, epoll: select.epoll, pipe: tuple[int, int]) -> None:
    epoll.register(pipe[0], IN | select.EPOLLET)
    op = ring.epoll_wait(epoll)
    assert ring.wait(1, timeout=0.02) == []
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == [(pipe[0], IN)]
    # Edge-triggered: the same event does not come again.
    assert ring.epoll_wait(epoll, timeout=0.02).result is not None
    assert ring.wait(1, timeout=5)[0].res == -errno.ECANCELED


def test_epoll_wait_takes_a_registered_file(ring: Ring, epoll: select.epoll, pipe: tuple[int, int]) -> None:
    files = ring.register_files([epoll])
    epoll.register(pipe[1], OUT)
    assert ring.epoll_wait(files[0]).result() == [(pipe[1], OUT)]


def test_a_change_and_a_wait_can_be_linked(ring: Ring, epoll: select.epoll, pipe: tuple[int, int]) -> None:
    with ring.link():
        ring.epoll_ctl(epoll, EpollOp.ADD, pipe[1], OUT)
        events = ring.epoll_wait(epoll)
        ring.epoll_ctl(epoll, EpollOp.DEL, pipe[1])
    assert events.result() == [(pipe[1], OUT)]
    ring.wait(3, timeout=5)
    with pytest.raises(FileNotFoundError):
        epoll.unregister(pipe[1])


class Owner:
    """What closes its epoll with its end."""

    def __init__(self) -> None:
        self.epoll = select.epoll()

    def fileno(self) -> int:
        return self.epoll.fileno()


def test_an_epoll_that_was_prepared_for_stays_open(ring: Ring, pipe: tuple[int, int]) -> None:
    owner = Owner()
    alive = weakref.ref(owner)
    add = ring.epoll_ctl(owner, EpollOp.ADD, pipe[0], IN)
    op = ring.epoll_wait(owner)
    del owner
    gc.collect()
    os.write(pipe[1], b"x")
    assert add.result() is None
    assert op.result(timeout=5) == [(pipe[0], IN)]
    assert alive() is None


def test_the_memory_for_events_is_held_though_the_handle_is_not(
    ring: Ring, epoll: select.epoll, pipe: tuple[int, int]
) -> None:
    epoll.register(pipe[0], IN)
    slot = ring.epoll_wait(epoll)._slot
    ring.submit()
    gc.collect()
    assert ring._holds[slot] is not None
    os.write(pipe[1], b"x")
    (op,) = ring.wait(1, timeout=5)
    assert op.result() == [(pipe[0], IN)]
    assert ring._holds[slot] is None


def test_a_chain_of_epoll_operations_costs_no_system_call_of_its_own(
    ring: Ring, epoll: select.epoll, pipe: tuple[int, int]
) -> None:
    before = ring.stats()["enters"]
    started = time.monotonic()
    ring.epoll_ctl(epoll, EpollOp.ADD, pipe[1], OUT)
    ring.epoll_wait(epoll)
    assert len(ring.wait(2, timeout=5)) == 2
    assert ring.stats()["enters"] == before + 1
    assert time.monotonic() - started < 5
