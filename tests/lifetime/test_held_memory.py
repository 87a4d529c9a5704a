"""Rule 1: what the kernel reads or writes is held until the final CQE."""

from __future__ import annotations

import array
import gc
import mmap
import os
import socket
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pyuring
from pyuring import Completion, Ring

from .memory import Buffer

Start = Callable[[Ring, socket.socket, Any], Completion[Any]]

#: Operations that stay in flight on a socket with nothing to read and no room to write.
OPERATIONS: dict[str, Start] = {
    "readinto": lambda ring, sock, buffer: ring.readinto(sock, buffer),
    "readv": lambda ring, sock, buffer: ring.readv(sock, [bytearray(1), buffer]),
    "recv_into": lambda ring, sock, buffer: ring.recv_into(sock, buffer),
    "write": lambda ring, sock, buffer: ring.write(sock, buffer),
    "writev": lambda ring, sock, buffer: ring.writev(sock, [b"x", buffer]),
    "send": lambda ring, sock, buffer: ring.send(sock, buffer),
    "sendmsg": lambda ring, sock, buffer: ring.sendmsg(sock, [b"x", buffer]),
    "recvmsg_into": lambda ring, sock, buffer: ring.recvmsg_into(sock, [bytearray(1), buffer], 64),
    "recvfrom_into": lambda ring, sock, buffer: ring.recvfrom_into(sock, buffer),
}


@pytest.fixture(params=list(OPERATIONS.values()), ids=list(OPERATIONS))
def start(request: pytest.FixtureRequest) -> Start:
    operation: Start = request.param
    return operation


@pytest.fixture
def stuck(sockets: tuple[socket.socket, socket.socket]) -> socket.socket:
    """A socket on which nothing can be read, and nothing written."""
    ours, _ = sockets
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    ours.setblocking(True)
    return ours


def unblock(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Send something, and make room for what is sent."""
    _, theirs = sockets
    theirs.send(b"abcdef")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            theirs.recv(1 << 20)
    theirs.setblocking(True)


def test_a_bytearray_in_flight_refuses_to_grow(
    start: Start, ring: Ring, stuck: socket.socket, sockets: tuple[socket.socket, socket.socket]
) -> None:
    buffer = bytearray(b"0123456789")
    op = start(ring, stuck, buffer)
    with pytest.raises(BufferError):
        buffer.append(0)
    with pytest.raises(BufferError):
        buffer.clear()
    with pytest.raises(BufferError):
        buffer.extend(b"xyz")
    ring.submit()
    with pytest.raises(BufferError):
        buffer.append(0)
    unblock(sockets)
    op.result(timeout=5)
    buffer.append(0)  # with the handle alive


def test_a_buffer_that_is_cancelled_is_held_until_its_completion(
    start: Start, ring: Ring, stuck: socket.socket
) -> None:
    buffer = bytearray(10)
    op = start(ring, stuck, buffer)
    ring.submit()
    op.cancel()
    with pytest.raises(BufferError):
        buffer.append(0)
    assert ring.wait(1) == [op]
    assert op.res is not None
    assert op.res < 0
    buffer.append(0)


def test_a_buffer_that_nobody_refers_to_is_held(
    start: Start, ring: Ring, stuck: socket.socket, sockets: tuple[socket.socket, socket.socket]
) -> None:
    buffer = Buffer(10)
    alive = weakref.ref(buffer)
    start(ring, stuck, buffer)
    del buffer
    ring.submit()
    gc.collect()
    assert alive() is not None
    unblock(sockets)
    (op,) = ring.wait(1)
    assert alive() is None  # with the handle alive
    assert op.done


def test_a_buffer_is_held_while_it_waits_in_a_chain(
    start: Start, ring: Ring, stuck: socket.socket, sockets: tuple[socket.socket, socket.socket]
) -> None:
    buffer = bytearray(10)
    with pytest.raises(ZeroDivisionError), ring.link():
        start(ring, stuck, buffer)
        with pytest.raises(BufferError):
            buffer.append(0)
        raise ZeroDivisionError
    buffer.append(0)  # the chain was given up, and the buffer with it


def test_a_buffer_is_held_while_its_time_limit_runs(ring: Ring, pipe: tuple[int, int]) -> None:
    buffer = bytearray(10)
    op = ring.readinto(pipe[0], buffer, timeout=0.05)
    with pytest.raises(BufferError):
        buffer.append(0)
    with pytest.raises(TimeoutError):
        op.result()
    buffer.append(0)


@pytest.mark.parametrize("wait", ["wait", "result", "completions", "close"])
def test_a_buffer_is_free_as_soon_as_the_operation_is_done(wait: str, pipe: tuple[int, int]) -> None:
    with pyuring.Ring(4) as ring:
        buffer = bytearray(10)
        op = ring.readinto(pipe[0], buffer)
        ring.submit()
        os.write(pipe[1], b"abc")
        if wait == "wait":
            ring.wait(1)
        elif wait == "result":
            assert op.result() == 3
        elif wait == "completions":
            deadline = time.monotonic() + 5
            while not op.done:
                ring.completions()
                assert time.monotonic() < deadline
        else:
            ring.close()
        buffer.append(0)


def test_other_kinds_of_memory_in_flight_stay_in_place(ring: Ring, pipe: tuple[int, int]) -> None:
    mapping, numbers = mmap.mmap(-1, 8192), array.array("q", range(10))
    view = memoryview(bytearray(100))
    ops = [ring.readinto(pipe[0], memory) for memory in (mapping, numbers, view[10:20])]
    ring.submit()
    with pytest.raises(BufferError):
        mapping.close()
    with pytest.raises(BufferError):
        mapping.resize(4096)
    with pytest.raises(BufferError):
        numbers.append(1)
    for op in ops:
        op.cancel()
    ring.wait(3)
    mapping.close()
    numbers.append(1)
    view.release()


def test_registered_buffers_are_held_until_they_are_unregistered(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = [bytearray(4096), bytearray(8192)]
    buffers = ring.register_buffers(memory)
    waiting = ring.readinto(pipe[0], buffers[0])
    ring.submit()
    del buffers
    gc.collect()
    for piece in memory:
        with pytest.raises(BufferError):
            piece.append(0)
    os.write(pipe[1], b"abc")
    assert waiting.result() == 3
    assert memory[0].startswith(b"abc")
    with pytest.raises(BufferError):
        memory[0].append(0)


def test_a_registered_buffer_in_flight_is_held_though_it_was_unregistered(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = [bytearray(4096), bytearray(4096)]
    buffers = ring.register_buffers(memory)
    waiting = ring.readinto(pipe[0], buffers[0])
    ring.submit()
    buffers.unregister()
    memory[1].append(0)
    with pytest.raises(BufferError):
        memory[0].append(0)
    os.write(pipe[1], b"abc")
    assert waiting.result() == 3
    assert memory[0].startswith(b"abc")
    memory[0].append(0)


def test_a_registered_file_in_flight_stays_open_though_it_was_replaced(ring: Ring) -> None:
    readable, writable = os.pipe()
    files = ring.register_files([readable])
    waiting = ring.read(files[0], 10)
    ring.submit()
    files.update(0, None)
    files.unregister()
    os.close(readable)
    os.write(writable, b"abc")
    assert waiting.result(timeout=5) == b"abc"
    os.close(writable)


def test_what_is_refused_is_not_held(ring: Ring, pipe: tuple[int, int]) -> None:
    buffer = bytearray(10)
    errors: list[BaseException] = []  # with their tracebacks
    refused: list[Callable[[], object]] = [
        lambda: ring.readinto(-1, buffer),
        lambda: ring.readinto(pipe[0], buffer, offset=-2),
        lambda: ring.readinto(pipe[0], buffer, offset=2**63),
        lambda: ring.readinto(pipe[0], buffer, timeout=-1),
        lambda: ring.readinto(pipe[0], buffer, flags=1 << 7),
        lambda: ring.readinto(object(), buffer),
        lambda: ring.write(-1, buffer),
        lambda: ring.write(pipe[1], buffer, offset=-2),
        lambda: ring.readv(pipe[0], [buffer, b"read-only"]),
        lambda: ring.readv(pipe[0], [buffer] * 1025),
        lambda: ring.readv(pipe[0], [buffer, None]),
        lambda: ring.readv(object(), [buffer]),
        lambda: ring.writev(pipe[0], [buffer], offset=-2),
        lambda: ring.recv_into(-1, buffer),
        lambda: ring.recv_into(object(), buffer),
        lambda: ring.recv_into(pipe[0], buffer, 11),
        lambda: ring.recv_into(pipe[0], buffer, 1, 2**40),
        lambda: ring.send(object(), buffer),
        lambda: ring.send(-1, buffer),
        lambda: ring.send(pipe[0], buffer, 2**40),
        lambda: ring.register_buffers([buffer, b"read-only"]),
        lambda: ring.register_buffers([buffer, bytearray()]),
        lambda: ring.register_buffers([buffer, None]),
    ]
    for call in refused:
        with pytest.raises((TypeError, ValueError, OSError, OverflowError, BufferError)) as caught:
            call()
        errors.append(caught.value)
        buffer.append(0)
        buffer.pop()
    assert ring.in_flight == 0
    assert len(errors) == len(refused)
