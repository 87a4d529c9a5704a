"""Provided buffers: lent, given back once, never used by two."""

from __future__ import annotations

import errno
import gc
import os
import socket
import struct
import threading
import time
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from provided import available_to_kernel, check_balance

from pyuring import BufferRing, Ring, SetupFlags, SqeFlags, ffi

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def filled(ring: Ring, sock: socket.socket, buffers: BufferRing) -> Any:
    """A finished receive that has one of the buffers."""
    op = ring.recv_into(sock, buffers)
    op.result(timeout=5)
    return op


# -- the block ------------------------------------------------------------------------------


def test_a_buffer_is_lent_for_its_block(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(2, 100)
    theirs.send(b"hello")
    op = filled(ring, ours, buffers)
    check_balance(ring, buffers, lent=1)
    assert op.result() == len(op.buffer) == 5
    assert bytes(op.buffer) == b"hello"
    with op.buffer as view:
        assert view == b"hello"
        assert not view.readonly
        assert available_to_kernel(ring, buffers) == 1
    check_balance(ring, buffers)
    with pytest.raises(ValueError, match="released"):
        view[0]
    for use in (op.buffer.__enter__, lambda: op.buffer.views, lambda: bytes(op.buffer)):
        with pytest.raises(ValueError, match="given back"):
            use()
    op.buffer.release()
    check_balance(ring, buffers)


def test_a_buffer_goes_back_when_its_block_raises(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(2, 100)
    sockets[1].send(b"hello")
    op = filled(ring, sockets[0], buffers)
    with pytest.raises(ZeroDivisionError), op.buffer:
        _ = 1 / 0
    check_balance(ring, buffers)


def test_blocks_may_be_nested(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(2, 100)
    sockets[1].send(b"hello")
    op = filled(ring, sockets[0], buffers)
    with op.buffer as outer:
        with op.buffer as inner:
            assert inner == outer == b"hello"
        with pytest.raises(ValueError, match="released"):
            outer[0]
        check_balance(ring, buffers)
    check_balance(ring, buffers)


def test_a_result_in_the_block_does_not_take_the_view_away(ring: Ring, packets: Pair) -> None:
    buffers = ring.buffer_ring(2, 100)
    shots = ring.recv_multishot(packets[0], buffers)
    packets[1].send(b"hello")
    shot = next(shots)
    with shot.buffer as view:  # type: ignore[union-attr]
        assert shot.result() == b"hello"
        assert view == b"hello"
        check_balance(ring, buffers, lent=1)
    assert shot.result() == b"hello"
    check_balance(ring, buffers)


def test_a_result_gives_the_buffer_back(ring: Ring, packets: Pair) -> None:
    buffers = ring.buffer_ring(2, 100)
    shots = ring.recv_multishot(packets[0], buffers)
    packets[1].send(b"hello")
    shot = next(shots)
    check_balance(ring, buffers, lent=1)
    assert shot.result() == b"hello"
    check_balance(ring, buffers)
    with pytest.raises(ValueError, match="given back"):
        _ = shot.buffer.views  # type: ignore[union-attr]


def test_what_brought_nothing_has_no_buffer(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(2, 100)
    sockets[1].close()
    op = ring.recv_into(sockets[0], buffers)
    assert op.buffer is None
    assert op.result() == 0
    assert op.buffer is None
    check_balance(ring, buffers)


def test_what_is_made_of_a_view_keeps_the_buffer(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(1, 8)
    theirs.send(b"AAAAAAAABBBBBBBB")
    op = filled(ring, ours, buffers)
    with pytest.raises(BufferError), op.buffer as view:
        kept = ffi.from_buffer(view)
    with pytest.raises(BufferError):
        op.buffer.release()
    check_balance(ring, buffers, lent=1)
    late = ring.recv_into(ours, buffers)
    with pytest.raises(OSError) as caught:
        late.result()
    assert caught.value.errno == errno.ENOBUFS
    assert bytes(ffi.buffer(kept)) == b"AAAAAAAA"
    ffi.release(kept)
    op.buffer.release()
    op.buffer.release()
    check_balance(ring, buffers)


def test_an_end_that_brought_no_buffer_gives_none_back(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 16)
    lasting = ring.recv_multishot(ours, buffers)
    theirs.send(b"lent")
    shot = next(lasting)
    ending, other = socket.socketpair()
    other.close()
    with ending:
        ring.recv_multishot(ending, buffers)
        (last,) = ring.wait(1)
        assert last.result() == b""
    check_balance(ring, buffers, lent=1)
    assert shot.result() == b"lent"
    check_balance(ring, buffers)


# -- leases -----------------------------------------------------------------------------------


def test_leases_that_are_dropped_go_back(ring: Ring, packets: Pair) -> None:
    buffers = ring.buffer_ring(4, 16)
    shots = ring.recv_multishot(packets[0], buffers)
    for _ in range(4):
        packets[1].send(b"x")
    held = [next(shots) for _ in range(4)]
    check_balance(ring, buffers, lent=4)
    held.pop()
    check_balance(ring, buffers, lent=3)
    held[0].user_data = held  # a cycle
    del held
    gc.collect()
    check_balance(ring, buffers)


def test_views_of_what_was_dropped_cannot_be_used(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(4, 16)
    sockets[1].send(b"hello")
    (view,) = filled(ring, sockets[0], buffers).buffer.views
    with pytest.raises(ValueError, match="released"):
        view[0]
    check_balance(ring, buffers)


def test_when_all_is_lent_an_iteration_says_so_and_goes_on_afterwards(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 16)
    shots = ring.recv_multishot(ours, buffers)
    for number in range(6):
        theirs.send(b"%d" % number)
    held = [next(shots), next(shots)]
    for _ in range(2):
        with no_longer_than(5), pytest.raises(RuntimeError, match="Give some back: leave their with blocks"):
            next(shots)
    assert not shots.done
    assert ring.stats()["starved"] == 1
    with pytest.raises(RuntimeError, match="iterated over"):
        ring.wait(1)
    assert [shot.result() for shot in held] == [b"0", b"1"]
    assert [next(shots).result() for _ in range(4)] == [b"2", b"3", b"4", b"5"]
    assert ring.stats()["rearmed"] >= 1
    check_balance(ring, buffers)


def test_a_wait_with_a_time_limit_waits_for_buffers_so_long(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
    theirs.send(b"0")
    theirs.send(b"1")
    held = next(shots)
    start, cpu = time.monotonic(), time.thread_time()
    assert ring.wait(1, timeout=0.2) == []
    assert time.monotonic() - start >= 0.19
    assert time.thread_time() - cpu < 0.1
    held.result()


@pytest.mark.parametrize("how", ["result", "release", "drop"])
def test_leases_may_be_given_back_in_another_thread(ring: Ring, packets: Pair, how: str) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 16)
    shots = ring.recv_multishot(ours, buffers)
    for number in range(40):
        theirs.send(b"%d" % number)
        ring.nop().result()
    timer = ring.timeout_multishot(0.005)  # else nothing would be in flight but what starves
    todo = []
    for number in range(0, 40, 2):
        todo = [next(shots), next(shots)]
        assert [bytes(shot.buffer) for shot in todo] == [b"%d" % number, b"%d" % (number + 1)]  # type: ignore[arg-type]

        def consume() -> None:
            while todo:  # noqa: B023
                shot = todo.pop()  # noqa: B023
                if how == "result":
                    shot.result()
                elif how == "release":
                    shot.buffer.release()  # type: ignore[union-attr]

        thread = threading.Thread(target=consume)
        thread.start()
        thread.join()
    timer.cancel()
    ring.nop().result()
    check_balance(ring, buffers)


def test_threads_that_give_the_same_lease_back_do_so_once(ring: Ring, packets: Pair) -> None:
    buffers = ring.buffer_ring(4, 16)
    shots = ring.recv_multishot(packets[0], buffers)
    for _ in range(50):
        packets[1].send(b"x")
        shot = next(shots)
        threads = [threading.Thread(target=shot.buffer.release) for _ in range(4)]  # type: ignore[union-attr]
        for thread in threads:
            thread.start()
        shot.buffer.release()  # type: ignore[union-attr]
        for thread in threads:
            thread.join()
        del shot
    ring.nop().result()
    check_balance(ring, buffers)


def test_a_cancelled_multishot_that_starves_ends_at_once(ring: Ring, packets: Pair, pipe: tuple[int, int]) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(1, 16)
    shots = ring.recv_multishot(ours, buffers)
    ring.poll(pipe[0])  # nothing that ends a wait
    for _ in range(3):
        theirs.send(b"x")
    held = next(shots)
    assert ring.wait(1, timeout=0.05) == []
    assert ring.stats()["starved"] == 1
    shots.cancel()
    with no_longer_than(5):
        assert list(shots) == []
    assert shots.res == -errno.ECANCELED
    held.result()
    check_balance(ring, buffers)


def test_a_multishot_that_is_cancelled_while_the_kernel_ends_it_for_lack_of_buffers_ends_cleanly(
    packets: Pair,
) -> None:
    ours, theirs = packets
    with Ring(8, setup=0) as ring:
        buffers = ring.buffer_ring(1, 16)
        shots = ring.recv_multishot(ours, buffers)
        ring.submit()
        theirs.send(b"0")
        theirs.send(b"1")
        time.sleep(0.01)  # both CQEs are there: one message, no buffer for the other
        shots.cancel()
        assert [shot.result() for shot in shots] == [b"0"]
        assert shots.res == -errno.ECANCELED
        assert ring.in_flight == 0
        check_balance(ring, buffers)


def test_what_a_worker_thread_keeps_is_waited_for_without_spinning(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    quiet, other = socket.socketpair()
    buffers = ring.buffer_ring(1, 16)
    pinning = ring.recv_into(quiet, buffers, flags=SqeFlags.ASYNC)
    ring.submit()
    deadline = time.monotonic() + 5
    while available_to_kernel(ring, buffers):
        assert time.monotonic() < deadline
    shots = ring.recv_multishot(ours, buffers)
    theirs.send(b"x")
    before = ring.stats()["enters"]
    assert ring.wait(1, timeout=0.1) == []
    assert ring.stats()["enters"] - before < 20
    pinning.cancel()
    with no_longer_than(5):
        assert next(shots).result() == b"x"
    check_balance(ring, buffers)
    quiet.close()
    other.close()


def test_the_length_of_a_truncated_message_is_not_taken_for_that_of_data(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(4, 8)
    for prepare in (ring.recv_into, ring.recv_multishot):
        with pytest.raises(ValueError, match="MSG_TRUNC"):
            prepare(ours, buffers, msg_flags=socket.MSG_TRUNC)
    assert ring.in_flight == 0
    theirs.send(b"12345678 and more")
    op = filled(ring, ours, buffers)
    assert (op.result(), bytes(op.buffer)) == (8, b"12345678")
    op.buffer.release()
    check_balance(ring, buffers)


# -- single operations ---------------------------------------------------------------------------


def test_a_buffer_that_a_worker_thread_keeps_has_its_own_length(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    quiet, other = socket.socketpair()
    buffers = ring.buffer_ring(2, 16)
    with quiet, other:
        pinning: Any = ring.recv_into(quiet, buffers, flags=SqeFlags.ASYNC)
        ring.submit()
        with no_longer_than(5):
            while available_to_kernel(ring, buffers) == 2:
                time.sleep(0.001)
        theirs.send(b"x")
        filled(ring, ours, buffers).buffer.release()
        # The other buffer has the place of the first now, and there the kernel shortens it
        # where it is the end of a bundle.
        assert struct.unpack_from("=IH", buffers._entries, 8) == (16, 1)
        struct.pack_into("=I", buffers._entries, 8, 3)
        other.send(b"0123456789abcdef")
        assert pinning.result(timeout=5) == 16
        assert bytes(pinning.buffer) == b"0123456789abcdef"
        pinning.buffer.release()
    check_balance(ring, buffers)


def test_a_file_is_read_into_provided_buffers(ring: Ring, data_file: int) -> None:
    buffers = ring.buffer_ring(4, 1000)
    ops = [ring.readinto(data_file, buffers, offset=offset) for offset in (0, 64000, 65000, 65536)]
    assert [op.result() for op in ops] == [1000, 1000, 536, 0]
    for op, offset in zip(ops[:3], (0, 64000, 65000), strict=True):
        assert bytes(op.buffer) == os.pread(data_file, 1000, offset)  # type: ignore[arg-type]
    check_balance(ring, buffers, lent=3)
    del ops, op
    check_balance(ring, buffers)


def test_no_buffer_left_is_the_error_that_the_kernel_gives(ring: Ring, sockets: Pair, data_file: int) -> None:
    buffers = ring.buffer_ring(1, 10)
    sockets[1].send(b"x" * 20)
    held = filled(ring, sockets[0], buffers)
    for op in (ring.recv_into(sockets[0], buffers), ring.readinto(data_file, buffers, 0)):
        with pytest.raises(OSError) as caught:
            op.result()
        assert caught.value.errno == errno.ENOBUFS
        assert op.buffer is None
    held.buffer.release()
    check_balance(ring, buffers)


@pytest.mark.parametrize("flags", [0, SqeFlags.ASYNC], ids=["inline", "worker"])
def test_whatever_fails_keeps_no_buffer(ring: Ring, data_file: int, sockets: Pair, flags: int) -> None:
    buffers = ring.buffer_ring(8, 10)
    directory = os.open("/", os.O_RDONLY)
    with socket.socket() as unconnected:
        expected = {
            errno.EISDIR: ring.readinto(directory, buffers, flags=flags),
            errno.ENOTCONN: ring.recv_into(unconnected, buffers, flags=flags),
            errno.ENOTSOCK: ring.recv_into(data_file, buffers, flags=flags),
            errno.ETIMEDOUT: ring.recv_into(sockets[0], buffers, flags=flags, timeout=0.01),
            errno.ECANCELED: ring.recv_into(sockets[0], buffers, flags=flags),
        }
        expected[errno.ECANCELED].cancel()
        for code, op in expected.items():
            with pytest.raises(OSError) as caught:
                op.result()
            assert caught.value.errno == code
    os.close(directory)
    check_balance(ring, buffers)


def test_they_can_be_linked(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(2, 10)
    with ring.link():
        ring.send(sockets[1], b"through")
        op = ring.recv_into(sockets[0], buffers)
    assert op.result() == 7
    with op.buffer as view:  # type: ignore[union-attr]
        assert view == b"through"
    with pytest.raises(ZeroDivisionError), ring.link():
        given_up = ring.recv_into(sockets[0], buffers)
        _ = 1 / 0
    assert given_up.res == -errno.ECANCELED
    check_balance(ring, buffers)


def test_a_polled_submission_queue_takes_them(sockets: Pair) -> None:
    ours, theirs = sockets
    with Ring(4, setup=SetupFlags.SQPOLL, sq_thread_idle=1) as ring:
        buffers = ring.buffer_ring(2, 4)
        shots = ring.recv_multishot(ours, buffers)
        for number in range(20):
            time.sleep(0.002)  # the thread falls asleep
            theirs.send(b"%4d" % number * 2)
            assert b"".join(next(shots).result() for _ in range(2)) == b"%4d" % number * 2
        shots.cancel()
        assert list(shots) == []
        check_balance(ring, buffers)


def test_a_forked_child_has_its_own_copy_of_what_is_lent(ring: Ring, sockets: Pair, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    buffers = ring.buffer_ring(1, 16)
    sockets[1].send(b"before")
    shots: Any = ring.recv_multishot(sockets[0], buffers)
    shot = next(shots)
    view = shot.buffer.views[0]
    seen = b""
    child = os.fork()
    if child == 0:
        try:
            os.read(reader, 1)
            seen = bytes(view)
            view[:] = b"scribe"
        finally:
            os._exit(0 if seen == b"before" else 1)
    shot.buffer.release()
    sockets[1].send(b"behind")
    shot = next(shots)
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert shot.result() == b"behind"
