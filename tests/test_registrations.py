"""Eventfd, credentials, the ring's own descriptor and synchronous cancelling."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyuring import Completion, Restrictions, Ring, SetupFlags, SqeFlags
from pyuring._ffi import lib


@pytest.fixture
def eventfd() -> Iterator[int]:
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    yield fd
    os.close(fd)


def signals(fd: int) -> int:
    """What the eventfd has counted since it was looked at."""
    try:
        return os.eventfd_read(fd)
    except BlockingIOError:
        return 0


# -- whose ring it is ---------------------------------------------------------------------


CALLS: dict[str, Callable[[Ring], object]] = {
    "register_eventfd": lambda ring: ring.register_eventfd(os.eventfd(0)),
    "unregister_eventfd": lambda ring: ring.unregister_eventfd(),
    "eventfd_enabled": lambda ring: ring.eventfd_enabled,
    "eventfd_enabled=": lambda ring: setattr(ring, "eventfd_enabled", False),
    "register_personality": lambda ring: ring.register_personality(),
    "unregister_personality": lambda ring: ring.unregister_personality(1),
    "personality": lambda ring: ring.personality(1).__enter__(),
    "register_ring_fd": lambda ring: ring.register_ring_fd(),
    "unregister_ring_fd": lambda ring: ring.unregister_ring_fd(),
    "sync_cancel": lambda ring: ring.sync_cancel(),
    "sync_cancel fd": lambda ring: ring.sync_cancel(0),
    "min_wait=": lambda ring: setattr(ring, "min_wait", 0.1),
    "iowait=": lambda ring: setattr(ring, "iowait", False),
    "register_clock": lambda ring: ring.register_clock(time.CLOCK_MONOTONIC),
    "register_napi": lambda ring: ring.register_napi(10),
    "unregister_napi": lambda ring: ring.unregister_napi(),
    "iowq_affinity": lambda ring: ring.iowq_affinity([0]),
    "iowq_affinity None": lambda ring: ring.iowq_affinity(None),
    "iowq_max_workers": lambda ring: ring.iowq_max_workers(),
    "resize": lambda ring: ring.resize(8),
    "enable": lambda ring: ring.enable(),
    "register_buffers": lambda ring: ring.register_buffers(sparse=1),
    "clone_buffers": lambda ring: ring.clone_buffers(ring),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_ring_refuses(call: str) -> None:
    ring = Ring(8)
    ring.close()
    with pytest.raises(RuntimeError, match="closed"):
        CALLS[call](ring)


@pytest.mark.parametrize("call", CALLS)
def test_another_thread_is_refused(ring: Ring, call: str) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            CALLS[call](ring)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert [type(error) for error in caught] == [RuntimeError]
    assert "thread" in str(caught[0])
    assert ring.nop().result() == 0


@pytest.mark.parametrize("call", CALLS)
def test_a_forked_child_is_refused(ring: Ring, call: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            CALLS[call](ring)
        except RuntimeError as error:
            os._exit(0 if "fork" in str(error) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ring.nop().result() == 0


# -- eventfd --------------------------------------------------------------------------------


def test_an_eventfd_is_signalled_by_completions_until_it_is_unregistered(ring: Ring, eventfd: int) -> None:
    ring.register_eventfd(eventfd)
    assert signals(eventfd) == 0
    ring.nop().result()
    assert signals(eventfd) >= 1
    ring.unregister_eventfd()
    ring.nop().result()
    assert signals(eventfd) == 0
    ring.unregister_eventfd()


def test_an_eventfd_wakes_who_waits_for_it(ring: Ring, eventfd: int, pipe: tuple[int, int]) -> None:
    ring.register_eventfd(eventfd)
    op = ring.read(pipe[0], 5)
    ring.submit()
    threading.Timer(0.05, os.write, (pipe[1], b"hello")).start()
    readable, _, _ = select.select([eventfd], [], [], 10)
    assert readable == [eventfd]
    assert op.result(timeout=5) == b"hello"


def test_the_signals_of_an_eventfd_can_be_paused(ring: Ring, eventfd: int) -> None:
    ring.register_eventfd(eventfd)
    assert ring.eventfd_enabled is True
    ring.eventfd_enabled = False
    assert ring.eventfd_enabled is False
    ring.nop().result()
    assert signals(eventfd) == 0
    ring.eventfd_enabled = True
    ring.nop().result()
    assert signals(eventfd) >= 1


def test_async_only_leaves_out_what_is_complete_at_once(eventfd: int, pipe: tuple[int, int]) -> None:
    with Ring(8, setup=SetupFlags(0)) as ring:
        ring.register_eventfd(eventfd, async_only=True)
        ring.nop().result()
        assert signals(eventfd) == 0
        op = ring.read(pipe[0], 1, flags=SqeFlags.ASYNC)
        ring.submit()
        os.write(pipe[1], b"x")
        assert op.result(timeout=5) == b"x"
        assert signals(eventfd) >= 1


def test_objects_with_fileno_are_eventfds_too(ring: Ring, eventfd: int) -> None:
    with os.fdopen(os.dup(eventfd), "rb") as file:
        ring.register_eventfd(file)
        ring.nop().result()
        assert signals(eventfd) >= 1


def test_a_second_eventfd_is_refused(ring: Ring, eventfd: int) -> None:
    ring.register_eventfd(eventfd)
    for async_only in (False, True):
        with pytest.raises(RuntimeError, match="unregister_eventfd"):
            ring.register_eventfd(eventfd, async_only=async_only)


@pytest.mark.parametrize(("fd", "kind"), [(-1, OSError), (2**31, OSError), ("0", TypeError), (None, TypeError)])
def test_what_is_no_descriptor_is_no_eventfd(ring: Ring, fd: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ring.register_eventfd(fd)


def test_what_is_no_eventfd_is_refused(ring: Ring, data_file: int) -> None:
    with pytest.raises(OSError) as caught:
        ring.register_eventfd(data_file)
    assert caught.value.errno == errno.EINVAL


# -- credentials ----------------------------------------------------------------------------


def test_operations_run_with_the_credentials_of_their_block(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else and root again")
    secret = tmp_path / "secret"
    secret.write_text("for root only")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    with Ring(8) as ring:
        os.seteuid(65534)
        try:
            nobody = ring.register_personality()
        finally:
            os.seteuid(0)
        with ring.personality(nobody):
            refused = ring.open(secret)
        allowed = ring.open(secret)
        with pytest.raises(PermissionError):
            refused.result()
        os.close(allowed.result())


def test_blocks_of_credentials_nest_and_end_with_an_exception(ring: Ring) -> None:
    def personality_of(op: Completion[int]) -> int:
        sq = ring._c.ring.sq
        return int(sq.sqes[(sq.sqe_tail - 1) & sq.ring_mask].personality)

    outer, inner = ring.register_personality(), ring.register_personality()
    with ring.personality(outer):
        assert personality_of(ring.nop()) == outer
        with pytest.raises(ZeroDivisionError), ring.personality(inner):
            assert personality_of(ring.nop()) == inner
            raise ZeroDivisionError
        assert personality_of(ring.nop()) == outer
    assert personality_of(ring.nop()) == 0
    assert [op.res for op in ring.wait(4)] == [0] * 4


def test_a_block_that_was_left_without_its_end_holds_for_nothing_more(ring: Ring) -> None:
    """As where a signal handler raises just when the end is entered."""
    ring.personality(ring.register_personality()).__enter__()
    assert ring._c.personality == 0


def test_credentials_that_are_unregistered_are_none(ring: Ring) -> None:
    number = ring.register_personality()
    ring.unregister_personality(number)
    with pytest.raises(ValueError, match=str(number)):
        ring.unregister_personality(number)
    with ring.personality(number):
        op = ring.nop()
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("number", [0, -1, 65536, 10**9])
def test_a_number_that_no_credentials_have_is_refused(ring: Ring, number: int) -> None:
    with pytest.raises(ValueError, match="65535"):
        ring.personality(number)
    with pytest.raises(ValueError, match="65535"):
        ring.unregister_personality(number)


# -- the ring's descriptor -------------------------------------------------------------------


def test_a_registered_ring_works_as_before_and_again_when_it_is_not(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.register_ring_fd()
    ring.register_ring_fd()
    assert ring._c.enter_flags & lib.IORING_ENTER_REGISTERED_RING
    assert ring.nop().result() == 0
    assert ring.wait(1, timeout=0.01) == []
    with pytest.raises(TimeoutError):
        ring.read(pipe[0], 1, timeout=0.01).result()
    assert len(ring.register_buffers(count=1, size=10)) == 1
    ring.unregister_ring_fd()
    ring.unregister_ring_fd()
    assert not ring._c.enter_flags & lib.IORING_ENTER_REGISTERED_RING
    assert ring.nop().result() == 0


def test_it_is_entered_without_its_descriptor(ring: Ring) -> None:
    """Another file takes the number of the descriptor, and the ring is still found."""
    ring.register_ring_fd()
    number, kept = ring.fileno(), os.dup(ring.fileno())
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        os.dup2(null, number)
        assert ring.nop().result() == 0
    finally:
        os.dup2(kept, number, inheritable=False)
        os.close(kept)
        os.close(null)


def test_a_thread_has_room_for_16_and_closing_makes_room() -> None:
    rings = [Ring(2) for _ in range(17)]
    try:
        for ring in rings[:16]:
            ring.register_ring_fd()
        with pytest.raises(OSError, match="16") as caught:
            rings[16].register_ring_fd()
        assert caught.value.errno == errno.EBUSY
        assert rings[16].nop().result() == 0
        rings[3].close()
        rings[16].register_ring_fd()
        assert all(ring.nop().result() == 0 for ring in rings if not ring.closed)
    finally:
        for ring in rings:
            ring.close()


def test_a_ring_that_is_collected_elsewhere_takes_no_other_ring_with_it() -> None:
    """Each thread has numbers of its own: the collected ring's is another one's here."""
    lost: list[Ring] = []

    def make() -> None:
        ring = Ring(2)
        ring.register_ring_fd()
        lost.append(ring)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    with Ring(2) as ours:
        ours.register_ring_fd()
        assert ours._c.enter_fd == lost[0]._c.enter_fd
        with pytest.warns(ResourceWarning):
            lost.clear()
        assert ours.nop().result() == 0


def test_a_child_makes_and_registers_rings_of_its_own(ring: Ring) -> None:
    ring.register_ring_fd()
    child = os.fork()
    if child == 0:
        ring.close()
        with Ring(2) as own:
            own.register_ring_fd()
            os._exit(own.nop().result())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ring.nop().result() == 0


# -- synchronous cancelling ---------------------------------------------------------------------


def is_cancelled(op: Completion[Any]) -> bool:
    return op.res == -errno.ECANCELED


def test_one_operation_is_cancelled_and_done_at_once(ring: Ring, pipe: tuple[int, int]) -> None:
    first, second = ring.read(pipe[0], 1), ring.read(pipe[0], 1)
    ring.sync_cancel(first)
    assert is_cancelled(first)
    assert ring.completions() == [first]
    os.write(pipe[1], b"x")
    assert second.result(timeout=5) == b"x"


def test_all_operations_on_a_file_are_cancelled(
    ring: Ring, pipe: tuple[int, int], sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours = [ring.recv(sockets[0], 1), ring.poll(sockets[0], select.POLLIN), ring.recv(sockets[0], 1)]
    other = ring.read(pipe[0], 1)
    ring.sync_cancel(sockets[0])
    assert sorted(map(id, ring.completions())) == sorted(map(id, ours))
    assert all(map(is_cancelled, ours))
    os.write(pipe[1], b"x")
    assert other.result(timeout=5) == b"x"


def test_all_operations_on_a_registered_file_are_cancelled(
    ring: Ring, pipe: tuple[int, int], sockets: tuple[socket.socket, socket.socket]
) -> None:
    """Whatever they know it by."""
    files = ring.register_files([pipe[0], sockets[0]])
    ours, other = [ring.read(files[0], 1), ring.read(pipe[0], 1)], ring.recv(files[1], 1)
    ring.sync_cancel(files[0])
    assert all(map(is_cancelled, ours))
    sockets[1].send(b"x")
    assert other.result(timeout=5) == b"x"


def test_everything_is_cancelled(ring: Ring, pipe: tuple[int, int], listener: socket.socket) -> None:
    operations: list[Completion[Any]] = [ring.read(pipe[0], 1) for _ in range(5)]
    operations += [ring.accept(listener), ring.timeout(100), ring.read(pipe[0], 1, flags=SqeFlags.ASYNC)]
    ring.sync_cancel()
    assert all(map(is_cancelled, operations))
    assert ring.in_flight == 0
    assert len(ring.completions()) == 8


def test_a_chain_is_cancelled_whole(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        chain = [ring.read(pipe[0], 1), ring.nop(), ring.nop()]
    ring.sync_cancel()
    assert all(map(is_cancelled, chain))


def test_a_multishot_is_not_armed_again(ring: Ring, listener: socket.socket) -> None:
    for target in (listener, None):
        shots = ring.accept_multishot(listener)
        ring.submit()
        ring.sync_cancel(target)
        assert shots.done
        assert ring.in_flight == 0


@pytest.mark.parametrize("which", ["handle", "descriptor", "everything"])
def test_what_workers_run_is_cancelled_and_waited_for(ring: Ring, pipe: tuple[int, int], which: str) -> None:
    for _ in range(200):
        operations = [ring.read(pipe[0], 1, flags=SqeFlags.ASYNC) for _ in range(3)]
        ring.submit()
        if which == "handle":
            for op in operations:
                ring.sync_cancel(op, timeout=10)
        elif which == "everything":
            ring.sync_cancel(timeout=10)
        else:
            deadline = time.monotonic() + 10
            while not all(op.done for op in operations):  # found once a worker has begun
                ring.sync_cancel(pipe[0], timeout=10)
                assert time.monotonic() < deadline
        assert all(map(is_cancelled, operations))
        ring.wait(3)


def test_where_there_is_nothing_to_cancel_nothing_is(ring: Ring, pipe: tuple[int, int]) -> None:
    done = ring.nop()
    done.result()
    for target in (None, pipe[0], done):
        ring.sync_cancel(target)
    queued = ring.nop()
    ring.sync_cancel(queued)
    assert queued.res == 0, "it was complete as soon as it was submitted"


def test_cancelling_goes_by_the_operation_and_not_by_its_slot(ring: Ring, pipe: tuple[int, int]) -> None:
    first = ring.nop()
    ring.wait(1)
    second = ring.read(pipe[0], 1)
    assert second._slot == first._slot
    ring.sync_cancel(first)
    os.write(pipe[1], b"x")
    assert second.result(timeout=5) == b"x"


def test_what_cannot_be_cancelled_is_refused(ring: Ring, pipe: tuple[int, int]) -> None:
    with Ring(8) as other:
        foreign = other.nop()
        with pytest.raises(ValueError, match="another ring"):
            ring.sync_cancel(foreign)
        files = other.register_files([pipe[0]])
        with pytest.raises(ValueError, match="registered"):
            ring.sync_cancel(files[0])
    for target, kind in (("0", TypeError), (-1, OSError), (2**31, OSError)):
        with pytest.raises(kind):
            ring.sync_cancel(target)
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            ring.sync_cancel(timeout=timeout)
    with pytest.raises(RuntimeError, match="link"), ring.link():
        ring.sync_cancel()


@pytest.mark.parametrize("which", ["handle", "descriptor", "everything"])
def test_a_timeout_ends_the_wait_for_what_goes_on(ring: Ring, tmp_path: Path, which: str) -> None:
    """A write of so much that a worker needs a while, and does not look for signals before its end."""
    size = 256 << 20
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        op = ring.write(fd, bytes(size), 0, flags=SqeFlags.ASYNC)
        ring.submit()
        time.sleep(0.01)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            ring.sync_cancel({"handle": op, "descriptor": fd, "everything": None}[which], timeout=0.005)
        assert time.monotonic() - begun < 5
        ring.sync_cancel(op)
        assert op.res in (size, -errno.ECANCELED, -errno.EINTR) or 0 < (op.res or 0) < size
    finally:
        os.close(fd)


def test_a_restricted_ring_can_still_cancel(pipe: tuple[int, int]) -> None:
    with Ring(8, restrictions=Restrictions(["read"], register_calls=[])) as ring:
        ring.enable()
        op = ring.read(pipe[0], 1)
        ring.sync_cancel(op)
        assert is_cancelled(op)
