"""cancel, cancel_fd, cancel_op, cancel_all and nop_result."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

import pyuring
from pyuring import Completion, EpollOp, Ring, SetupFlags, SqeFlags


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


def codes_of(ops: list[Completion[Any]]) -> list[int]:
    codes = []
    for op in ops:
        with pytest.raises(OSError) as caught:
            op.result(timeout=5)
        assert not isinstance(caught.value, TimeoutError)
        codes.append(caught.value.errno or 0)
    return codes


def test_cancel_fd_finds_the_file_by_whatever_descriptor(ring: Ring, pipe: tuple[int, int]) -> None:
    reader = pipe[0]
    duplicate = os.dup(reader)
    files = ring.register_files([reader])
    ops: list[Completion[Any]] = [ring.read(file, 1) for file in (reader, duplicate, files[0])]
    other = ring.poll(ring_end := os.pipe()[0])
    ring.submit()
    assert ring.cancel_fd(duplicate).result() == 3
    assert codes_of(ops) == [errno.ECANCELED] * 3
    assert not other.done
    ops = [ring.read(file, 1) for file in (reader, duplicate)]
    ring.submit()
    assert ring.cancel_fd(files[0]).result() == 2
    assert codes_of(ops) == [errno.ECANCELED] * 2
    os.close(duplicate)
    os.close(ring_end)


def test_cancel_fd_of_one_cancels_one(ring: Ring, pipe: tuple[int, int]) -> None:
    ops = [ring.read(pipe[0], 1) for _ in range(3)]
    ring.submit()
    assert ring.cancel_fd(pipe[0], all=False).result() == 1
    assert ring.wait(1, timeout=5)[0].res == -errno.ECANCELED
    assert sum(op.done for op in ops) == 1


def test_cancel_fd_of_an_idle_file_finds_none(ring: Ring, data_file: int) -> None:
    assert ring.cancel_fd(data_file).result() == 0
    with pytest.raises(FileNotFoundError):
        ring.cancel_fd(data_file, all=False).result()


def test_cancel_fd_comes_in_its_turn_in_a_chain(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1)
    ring.submit()
    with ring.link():
        cancel = ring.cancel_fd(pipe[0])
        close = ring.close_fd(os.dup(pipe[0]))
    assert close.result() is None
    assert cancel.result() == 1
    assert codes_of([op]) == [errno.ECANCELED]


def test_cancel_op_takes_the_methods_of_an_opcode_together(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ops: list[Completion[Any]] = [ring.recv(sockets[0], 1), ring.recv_into(sockets[0], bytearray(1))]
    other = ring.poll(sockets[0])
    ring.submit()
    assert ring.cancel_op("recv_into").result() == 2
    assert codes_of(ops) == [errno.ECANCELED] * 2
    assert not other.done
    assert ring.cancel_op(6, all=False).result() == 1
    assert codes_of([other]) == [errno.ECANCELED]


def test_cancel_all_ends_operations_of_every_kind(ring: Ring, sockets: tuple[socket.socket, socket.socket]) -> None:
    reader, writer = os.pipe()
    with select.epoll() as epoll:
        ops: list[Completion[Any]] = [
            ring.recv(sockets[0], 1, timeout=60), ring.poll(reader), ring.timeout(60), ring.read(reader, 1),
            ring.read(reader, 1, flags=SqeFlags.ASYNC), ring.read(reader, 1, flags=SqeFlags.ASYNC),
            ring.futex_wait(bytearray(4), 0), ring.futex_waitv([(bytearray(4), 0)]), ring.epoll_wait(epoll),
            ring.accept(sockets[0]),
        ]  # fmt: skip
        ring.submit()
        cancel = ring.cancel_all()
        assert cancel.result() > 0
        for op in ops:
            while not op.done:  # a worker may have it between two queues
                ring.cancel_all()
                ring.wait(1, timeout=0.1)
        assert set(codes_of(ops)) <= {errno.ECANCELED, errno.EINTR, errno.EINVAL}
    assert ring.cancel_all().result() == 0
    assert ring.in_flight == 0
    assert ring.stats()["unexpected"] == 0
    os.close(reader)
    os.close(writer)


def test_cancel_all_spares_what_comes_later(ring: Ring, pipe: tuple[int, int]) -> None:
    first = ring.read(pipe[0], 1)
    cancel = ring.cancel_all()
    second = ring.read(pipe[0], 1)
    assert cancel.result() == 1
    assert codes_of([first]) == [errno.ECANCELED]
    assert not second.done
    os.write(pipe[1], b"x")
    assert second.result(timeout=5) == b"x"


CANCELS: dict[str, Any] = {
    "cancel_fd": lambda ring, sock: ring.cancel_fd(sock),
    "cancel_op": lambda ring, sock: ring.cancel_op("recv_multishot"),
    "cancel_all": lambda ring, sock: ring.cancel_all(),
}


@pytest.mark.parametrize("method", CANCELS)
def test_a_multishot_that_is_cancelled_ends(
    ring: Ring, sockets: tuple[socket.socket, socket.socket], method: str
) -> None:
    ours, theirs = sockets
    received = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
    theirs.send(b"first")
    shots = iter(received)
    assert next(shots).result() == b"first"
    assert CANCELS[method](ring, ours).result() == 1
    assert list(shots) == []
    assert received.done
    assert ring.in_flight == 0


@pytest.mark.parametrize("method", CANCELS)
def test_a_multishot_that_waits_for_buffers_is_cancelled_too(
    ring: Ring, sockets: tuple[socket.socket, socket.socket], method: str
) -> None:
    """The kernel does not know it: it is not armed."""
    ours, theirs = sockets
    buffers = ring.buffer_ring(1, 16)
    received = ring.recv_multishot(ours, buffers)
    ring.submit()
    theirs.send(b"first")
    (lent,) = ring.wait(1, timeout=5)
    theirs.send(b"second")
    while not ring.stats()["starved"]:
        ring.completions()
    cancel = CANCELS[method](ring, ours)
    assert cancel.result() == 0
    ring.wait(1, timeout=1)
    assert (received.done, received.res) == (True, -errno.ECANCELED)
    assert lent.result() == b"first"
    assert ring.wait(1, timeout=0.02) == []
    assert ours.recv(16) == b"second"
    assert ring.in_flight == 0


def test_cancel_fd_leaves_the_multishots_on_other_files(
    ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(1, 16)
    received = ring.recv_multishot(ours, buffers)
    ring.submit()
    theirs.send(b"first")
    (lent,) = ring.wait(1, timeout=5)
    theirs.send(b"second")
    while not ring.stats()["starved"]:
        ring.completions()
    assert ring.cancel_fd(theirs).result() == 0
    assert ring.cancel_op("accept").result() == 0
    assert lent.result() == b"first"
    (more,) = ring.wait(1, timeout=5)
    assert more.result() == b"second"
    assert not received.done


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a_target_is_checked_before_anything_is_queued(
    ring: Ring, pipe: tuple[int, int], kind: type[Exception]
) -> None:
    poll, timer = ring.poll(pipe[0]), ring.timeout(60)
    before = ring._c.ring.sq.sqe_tail
    flags: Any = 1 << 7 if kind is ValueError else "x"
    calls: list[Callable[[], object]] = [
        lambda: ring.cancel(poll, flags=flags), lambda: ring.poll_update(poll, 1, flags=flags),
        lambda: ring.poll_remove(poll, flags=flags), lambda: ring.timeout_remove(timer, flags=flags),
        lambda: ring.timeout_update(timer, 1, flags=flags), lambda: ring.timeout_update(poll, 1, flags=flags),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(kind):
            call()
    assert (ring.in_flight, ring._c.ring.sq.sqe_tail) == (2, before)


def test_a_closed_ring_has_no_targets(pipe: tuple[int, int]) -> None:
    with Ring(8) as ring:
        poll, timer = ring.poll(pipe[0]), ring.timeout(60)
    calls: list[Callable[[], object]] = [
        lambda: ring.poll_update(poll, 1), lambda: ring.poll_remove(poll), lambda: ring.timeout_remove(timer),
        lambda: ring.timeout_update(timer, 1), lambda: ring.cancel(poll),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(RuntimeError, match="closed"):
            call()


# -- nop_result --------------------------------------------------------------------------


@pytest.mark.parametrize("result", [0, 1, 2**31 - 1])
def test_nop_result_returns_what_it_was_told(ring: Ring, result: int) -> None:
    op = ring.nop_result(result)
    assert (op.result(), op.res, op.extra) == (result, result, (0, 0))


def test_nop_result_that_fails_cuts_a_soft_chain(ring: Ring) -> None:
    with ring.link():
        first = ring.nop_result(-errno.EDQUOT)
        second = ring.nop()
    with pytest.raises(OSError) as caught:
        first.result()
    assert caught.value.errno == errno.EDQUOT
    assert codes_of([second]) == [errno.ECANCELED]


@pytest.mark.parametrize("setup", [SetupFlags.CQE32, SetupFlags.CQE_MIXED])
def test_nop_result_fills_the_two_words_of_a_large_cqe(setup: SetupFlags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyuring.creation, "REFUSED", {}, raising=False)
    with Ring(4, setup=setup) as ring:
        for number in range(100):
            op = ring.nop_result(number, extra=(2**64 - 1 - number, number))
            small = ring.nop()
            assert (op.result(), op.extra) == (number, (2**64 - 1 - number, number))
            assert (small.result(), small.extra) == (0, (0, 0))
            timed = ring.nop_result(number, extra=(number, 5), timeout=60)
            assert (timed.result(), timed.extra) == (number, (number, 5))
        assert ring.stats()["unexpected"] == 0


def test_epoll_ops_are_numbers_too() -> None:
    assert EpollOp(2) is EpollOp.DEL


def test_a_target_that_ends_while_room_is_made_is_not_mistaken_for_what_has_its_slot(pipe: tuple[int, int]) -> None:
    with Ring(2) as ring:
        fillers = [ring.nop() for _ in range(ring.cq_entries - 1)]
        target = ring.nop()
        slot = target._slot
        make_room = ring._make_room
        followers: list[Completion[bytes]] = []

        def make_room_and_use_it() -> None:
            make_room()
            if not followers:  # as a signal handler might
                followers.append(ring.read(pipe[0], 1))

        ring._make_room = make_room_and_use_it  # type: ignore[method-assign]
        cancel = ring.cancel(target)
        (follower,) = followers
        assert all(op.done for op in [*fillers, target])
        assert follower._slot == slot
        with pytest.raises(FileNotFoundError):
            cancel.result(timeout=5)
        assert not follower.done
        os.write(pipe[1], b"x")
        assert follower.result(timeout=5) == b"x"
