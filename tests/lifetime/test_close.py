"""Rule 8: close() ends everything, executes nothing new, and never hangs."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

import pyuring
from pyuring import Completion, Ring, SqeFlags

from .limits import no_longer_than
from .memory import Buffer

Pending = Callable[[Ring, "tuple[int, int]", socket.socket], Completion[Any]]

PENDING: dict[str, Pending] = {
    "pipe": lambda ring, pipe, listener: ring.read(pipe[0], 10),
    "pipe into": lambda ring, pipe, listener: ring.readinto(pipe[0], Buffer(10)),
    "pipe in a worker": lambda ring, pipe, listener: ring.read(pipe[0], 10, flags=SqeFlags.ASYNC),
    "accept": lambda ring, pipe, listener: ring.accept(listener),
    "poll": lambda ring, pipe, listener: ring.poll(listener, select.POLLIN),
    "timer": lambda ring, pipe, listener: ring.timeout(3600),
    "limited": lambda ring, pipe, listener: ring.read(pipe[0], 10, timeout=3600),
    "drained": lambda ring, pipe, listener: [ring.read(pipe[0], 1), ring.nop(drain=True)][1],
}


@pytest.mark.parametrize("start", PENDING.values(), ids=PENDING.keys())
@pytest.mark.parametrize("submitted", [True, False], ids=["submitted", "prepared"])
def test_close_ends_what_is_pending(
    start: Pending, submitted: bool, pipe: tuple[int, int], listener: socket.socket
) -> None:
    ring = pyuring.Ring(8)
    op = start(ring, pipe, listener)
    if submitted:
        ring.submit()
    before = time.monotonic()
    ring.close()
    assert time.monotonic() - before < 2
    assert op.done
    assert ring.in_flight == 0
    if op.res == 0:
        assert start is PENDING["drained"], "it may run once what it waits for is cancelled"
        return
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.ECANCELED
    assert not isinstance(caught.value, TimeoutError)


def test_close_ends_a_read_from_a_socket(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sockets
    with pyuring.Ring(8) as ring:
        ops = [ring.recv(ours, 10), ring.recv_into(ours, bytearray(10)), ring.read(ours, 10)]
        ring.submit()
    assert [op.res for op in ops] == [-errno.ECANCELED] * 3
    theirs.send(b"abc")
    assert ours.recv(10) == b"abc"  # nobody took it


def test_close_ends_as_many_as_there_are(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(16, cq_entries=4096) as ring:
        ops = [ring.poll(pipe[0]) for _ in range(4096)]
    assert {op.res for op in ops} == {-errno.ECANCELED}


def test_what_was_never_submitted_is_never_executed(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    with pyuring.Ring(8) as ring:
        ops = [ring.write(data_file, b"overwritten", offset=0), ring.ftruncate(data_file, 0)]
    assert [op.res for op in ops] == [-errno.ECANCELED] * 2
    assert os.pread(data_file, 10, 0) == before


def test_what_was_done_before_close_has_its_result(data_file: int) -> None:
    with pyuring.Ring(8) as ring:
        undelivered, unreaped = ring.read(data_file, 10, offset=0), ring.nop()
        ring.submit()
        ring.nop().result()
        late = ring.nop()
        ring.submit()
    assert undelivered.result() == os.pread(data_file, 10, 0)
    assert (unreaped.result(), late.result()) == (0, 0)


def test_close_inside_a_link_block_ends_the_chain_unexecuted(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    ring = pyuring.Ring(8)
    buffer = bytearray(10)
    begun = time.monotonic()
    with ring.link():
        op = ring.write(data_file, b"overwritten", offset=0)
        ring.readinto(data_file, buffer, offset=0)
        ring.close()
    assert time.monotonic() - begun < 2
    assert ring.closed
    buffer.append(0)
    assert op.res == -errno.ECANCELED
    assert os.pread(data_file, 10, 0) == before


def test_closing_twice_is_closing_once(pipe: tuple[int, int]) -> None:
    ring = pyuring.Ring(8)
    fd = ring.fileno()
    ring.close()
    others = [os.dup(pipe[0]) for _ in range(5)]
    assert fd in others  # the number has a new owner
    ring.close()
    with pytest.raises(RuntimeError, match="closed"), ring:
        pass
    for other in others:
        os.close(other)


def test_a_with_block_closes_the_ring_when_it_raises(pipe: tuple[int, int]) -> None:
    with pytest.raises(ZeroDivisionError), pyuring.Ring(8) as ring:
        op = ring.read(pipe[0], 10)
        ring.submit()
        raise ZeroDivisionError
    assert ring.closed
    assert op.done


def test_a_closed_ring_refuses_everything_and_holds_nothing(pipe: tuple[int, int]) -> None:
    ring = pyuring.Ring(8)
    memory = bytearray(4096)
    ring.register_buffers([memory])
    ring.close()
    memory.append(0)
    buffer = bytearray(10)
    for use in (
        ring.nop,
        ring.submit,
        ring.wait,
        ring.completions,
        lambda: ring.wait(1, timeout=0),
        lambda: ring.readinto(pipe[0], buffer),
        lambda: ring.readv(pipe[0], [buffer]),
        lambda: ring.recv_into(pipe[0], buffer),
        lambda: ring.nop(timeout=1),
        lambda: ring.register_buffers([buffer]),
        lambda: ring.register_files([pipe[0]]),
        lambda: ring.link().__enter__(),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            use()
    buffer.append(0)


def test_handles_of_a_closed_ring_can_be_asked_and_cancelled(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(8) as ring:
        cut, done = ring.read(pipe[0], 10), ring.nop()
        done.result()
    cut.cancel()
    assert done.result(timeout=1) == 0
    with pytest.raises(OSError) as caught:
        cut.result(timeout=1)
    assert caught.value.errno == errno.ECANCELED


def test_close_leaves_the_descriptors_of_its_operations_open(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(8) as ring:
        ring.register_files(list(pipe))
        ring.read(pipe[0], 10)
        ring.submit()
    os.write(pipe[1], b"abc")
    assert os.read(pipe[0], 10) == b"abc"


def test_close_reaps_what_the_kernel_held_back(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4, cq_entries=4) as ring:
        ops = [ring.read(pipe[0], 1) for _ in range(4)]
        for op in ops:
            op.cancel()  # their own completions come on top: more than the CQ holds
    assert all(op.done for op in ops)


def test_a_ring_whose_descriptor_somebody_else_closed_ends_and_keeps_its_memory(pipe: tuple[int, int]) -> None:
    ring = pyuring.Ring(4)
    buffer = bytearray(10)
    ring.readinto(pipe[0], buffer)
    ring.submit()
    os.close(ring.fileno())
    ring.nop()
    with pytest.raises(OSError) as caught:
        ring.submit()
    assert caught.value.errno == errno.EBADF
    before = time.monotonic()
    ring.close()
    assert time.monotonic() - before < 2
    assert ring.closed
    with pytest.raises(BufferError):
        buffer.append(0)


def test_close_gives_up_at_its_deadline_and_keeps_the_memory(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count says that one more is in flight: one that never ends, and cannot be cancelled."""
    monkeypatch.setattr("pyuring.closing.DRAIN_SECONDS", 0.2)
    ring = pyuring.Ring(8)
    buffer = bytearray(10)
    holds = ring._holds
    op = ring.readinto(pipe[0], bytearray(10))
    holds[-1] = pyuring.ffi.from_buffer(buffer)  # of the one that never ends
    ring._c.in_flight += 1
    ring.submit()
    begun = time.monotonic()
    try:
        with no_longer_than(10):
            ring.close()
    finally:
        ring._c.in_flight -= 1
    assert 0.1 < time.monotonic() - begun < 5
    assert ring.closed
    assert op.done
    del ring, op, holds
    gc.collect()
    with pytest.raises(BufferError):
        buffer.append(0)
