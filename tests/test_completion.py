"""The handle of one operation."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket
import time
import weakref

import pytest

from pyuring import Completion, Ring


def test_a_handle_is_in_flight_then_done(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10, user_data="tag")
    assert (op.done, op.res, op.flags, op.user_data, op.operation) == (False, None, 0, "tag", "read")
    os.write(pipe[1], b"hello")
    assert not op.done, "it was not submitted"
    assert op.result() == b"hello"
    assert (op.done, op.res, op.flags) == (True, 5, 0)


def test_a_handle_is_of_the_public_class(ring: Ring, data_file: int) -> None:
    with socket.socket() as sock:
        for op in (ring.nop(), ring.read(data_file, 1), ring.statx("."), ring.timeout(0), ring.accept(sock)):
            assert isinstance(op, Completion)


def test_repr_tells_operation_state_and_tag(ring: Ring, pipe: tuple[int, int]) -> None:
    good, bad, pending = ring.nop(user_data="x"), ring.unlink("/no/such/file"), ring.poll(pipe[0])
    assert repr(good) == "<Completion nop in flight user_data='x'>"
    ring.wait(2)
    assert "done: 0" in repr(good)
    assert "ENOENT" in repr(bad)
    assert "unlink" in repr(bad)
    assert "in flight" in repr(pending)


def test_result_of_a_finished_operation_asks_the_kernel_nothing(ring: Ring) -> None:
    op = ring.nop()
    ring.wait()
    enters = ring.stats()["enters"]
    for _ in range(10):
        op.result()
    assert ring.stats()["enters"] == enters


def test_result_waits_for_its_own_operation(ring: Ring, pipe: tuple[int, int]) -> None:
    others = [ring.nop() for _ in range(10)]
    slow = ring.timeout(0.03)
    started = time.monotonic()
    slow.result()
    assert time.monotonic() - started > 0.025
    assert sorted(map(id, ring.completions())) == sorted(map(id, others))


def test_results_can_be_asked_for_in_any_order(ring: Ring, data_file: int) -> None:
    operations = [ring.read(data_file, 10, offset=10 * i) for i in range(60)]
    for i in reversed(range(60)):
        assert operations[i].result() == os.pread(data_file, 10, 10 * i)
    assert ring.completions() == []


def test_result_with_a_timeout_leaves_the_operation_running(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10)
    for seconds in (0, 0.02):
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="read") as caught:
            op.result(timeout=seconds)
        assert caught.value.errno == errno.ETIMEDOUT
        assert seconds * 0.8 <= time.monotonic() - started < 2
    assert not op.done
    assert ring.in_flight == 1
    os.write(pipe[1], b"in the end")
    assert op.result(timeout=5) == b"in the end"


def test_cancel_stops_an_operation_without_waiting(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10)
    bystander = ring.poll(pipe[0])
    op.cancel()
    assert ring.stats()["submitted"] == 3, "what was prepared, and the request"
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED
    assert not isinstance(caught.value, TimeoutError)
    assert not bystander.done
    assert ring.wait(1, timeout=0.01) == [], "the request's own CQE is nobody's business"
    assert ring.in_flight == 1


def test_cancel_of_a_finished_operation_does_nothing(ring: Ring) -> None:
    op = ring.nop()
    op.result()
    before = ring.stats()
    op.cancel()
    assert ring.stats() == before
    assert op.result() == 0


def test_cancelling_twice_is_cancelling(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.poll(pipe[0])
    op.cancel()
    op.cancel()
    assert ring.wait(1, timeout=5) == [op]
    assert op.res == -errno.ECANCELED
    assert ring.wait(1, timeout=0.01) == []


def test_cancel_gets_out_when_nothing_more_may_be_in_flight(pipe: tuple[int, int]) -> None:
    with Ring(4, cq_entries=4) as ring:
        operations = [ring.poll(pipe[0]) for _ in range(4)]
        assert ring.in_flight == ring.cq_entries
        for op in operations:
            op.cancel()
        seen: list[Completion[int]] = []
        while len(seen) < 4:
            seen += ring.wait(1, timeout=5)
        assert {op.res for op in operations} == {-errno.ECANCELED}


def test_a_late_cancel_does_not_hit_what_came_after(pipe: tuple[int, int]) -> None:
    with Ring(2, cq_entries=2) as ring:
        for _ in range(200):
            first = ring.nop()
            ring.submit()
            first.cancel()
            second = ring.poll(pipe[0])
            ring.wait(1, timeout=5)
            assert first.res in (0, -errno.ECANCELED)
            assert not second.done
            second.cancel()
            ring.wait(1, timeout=5)


def test_the_flags_of_the_cqe_are_handed_on(ring: Ring, sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sockets
    theirs.send(b"two")
    op = ring.recv(ours, 1)
    assert op.result() == b"t"
    sock_nonempty = 1 << 2  # IORING_CQE_F_SOCK_NONEMPTY, kernel 5.19
    assert op.flags == sock_nonempty
    rest = ring.recv(ours, 9)
    assert rest.result() == b"wo"
    assert rest.flags & ~sock_nonempty == 0


def test_only_the_bytes_that_were_read_are_shown(ring: Ring, data_file: int, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"abc")
    assert ring.read(pipe[0], 1000).result() == b"abc"
    assert ring.read(data_file, 1000, 65536 - 7).result() == os.pread(data_file, 7, 65536 - 7)
    assert ring.read(data_file, 1000, 65536).result() == b""
    assert ring.read(data_file, 1000, 10**12).result() == b""


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4096, 65536])
def test_the_result_of_a_read_is_a_bytes_object_of_its_own(ring: Ring, data_file: int, length: int) -> None:
    expected = os.pread(data_file, length, 0)
    first, second = ring.read(data_file, length, 0), ring.read(data_file, length, 0)
    assert first.result() == second.result() == expected
    assert type(first.result()) is bytes
    # The objects that CPython shares among the shortest byte strings are as they were.
    assert [bytes([value])[0] for value in range(256)] == list(range(256))


def test_one_byte_reads_do_not_write_into_shared_objects(ring: Ring, pipe: tuple[int, int]) -> None:
    zero = bytes(1)
    for value in range(256):
        os.write(pipe[1], bytes([value]))
        assert ring.read(pipe[0], 1).result() == bytes([value])
    assert zero == b"\x00"


def test_what_a_finished_operation_held_is_free_while_its_handle_lives(ring: Ring, data_file: int) -> None:
    buffer = bytearray(100)
    op = ring.readinto(data_file, buffer, 0)
    with pytest.raises(BufferError):
        buffer.append(0)
    op.result()
    buffer.append(0)
    ring.wait(1, timeout=0)
    assert op.done


def test_a_handle_that_nobody_keeps_is_delivered_all_the_same(ring: Ring) -> None:
    ring.nop(user_data="alone")
    gc.collect()
    assert [op.user_data for op in ring.wait()] == ["alone"]


def test_a_handle_can_be_referenced_weakly_and_dies(ring: Ring) -> None:
    op = ring.nop()
    reference = weakref.ref(op)
    op.result()
    del op
    gc.collect()
    assert reference() is None


def test_completions_taken_by_result_do_not_pile_up(ring: Ring) -> None:
    references = []
    for _ in range(2000):
        first, second = ring.nop(), ring.nop()
        second.result()
        first.result()
        references.append(weakref.ref(first))
    del first, second
    gc.collect()
    assert sum(reference() is not None for reference in references) < 10


def test_poll_returns_the_mask_of_events(ring: Ring, pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    assert ring.poll(pipe[0]).result() & select.POLLHUP
