"""Rules 2 and 3: memory that must not be written is not, and what is refused queues nothing."""

from __future__ import annotations

import array
import ctypes
import mmap
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pyuring
from pyuring import Ring

READ_ONLY: dict[str, Callable[[], Any]] = {
    "bytes": lambda: bytes(16),
    "bytes subclass": lambda: type("Bytes", (bytes,), {})(16),
    "memoryview of bytes": lambda: memoryview(bytes(16)),
    "read-only memoryview": lambda: memoryview(bytearray(16)).toreadonly(),
    "read-only mapping": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ),
}
NOT_CONTIGUOUS: dict[str, Callable[[], Any]] = {
    "every second byte": lambda: memoryview(bytearray(16))[::2],
    "backwards": lambda: memoryview(bytearray(16))[::-1],
}
NO_MEMORY: dict[str, Callable[[], Any]] = {
    "str": lambda: "text",
    "None": lambda: None,
    "int": lambda: 16,
    "list": lambda: [1, 2, 3],
}


@pytest.fixture(autouse=True)
def nothing_queued(ring: Ring, pipe: tuple[int, int]) -> Iterator[None]:
    """Each test here ends with as much in flight as it began with, and nothing executed."""
    waiting = ring.read(pipe[0], 1)
    ring.submit()
    before = ring.stats()
    yield
    assert ring.stats() == before
    ready = ring.completions()
    assert ready == []
    for _ in range(ring.cq_entries - 1):
        ring.nop()
    assert ring.in_flight == ring.cq_entries, "a slot was lost"
    assert not waiting.done


INTO: dict[str, Callable[[Ring, int, socket.socket, Any], object]] = {
    "readinto": lambda ring, fd, sock, memory: ring.readinto(fd, memory, offset=0),
    "readv": lambda ring, fd, sock, memory: ring.readv(fd, [bytearray(4), memory], offset=0),
    "recv_into": lambda ring, fd, sock, memory: ring.recv_into(sock, memory),
    "register_buffers": lambda ring, fd, sock, memory: ring.register_buffers([bytearray(4096), memory]),
}
FROM: dict[str, Callable[[Ring, int, socket.socket, Any], object]] = {
    "write": lambda ring, fd, sock, memory: ring.write(fd, memory, offset=0),
    "writev": lambda ring, fd, sock, memory: ring.writev(fd, [b"abcd", memory], offset=0),
    "send": lambda ring, fd, sock, memory: ring.send(sock, memory),
}


@pytest.mark.parametrize("memory", READ_ONLY.values(), ids=READ_ONLY.keys())
@pytest.mark.parametrize("read", INTO.values(), ids=INTO.keys())
def test_read_only_memory_is_never_written(
    read: Callable[..., object], memory: Callable[[], Any], ring: Ring, data_file: int,
    sockets: tuple[socket.socket, socket.socket],
) -> None:  # fmt: skip
    victim = memory()
    sockets[1].send(b"overwritten")
    with pytest.raises(TypeError, match="read-only"):
        read(ring, data_file, sockets[0], victim)
    assert bytes(victim) == bytes(len(victim))


@pytest.mark.parametrize("memory", NOT_CONTIGUOUS.values(), ids=NOT_CONTIGUOUS.keys())
@pytest.mark.parametrize("use", (INTO | FROM).values(), ids=(INTO | FROM).keys())
def test_memory_that_is_not_contiguous_is_refused(
    use: Callable[..., object], memory: Callable[[], Any], ring: Ring, data_file: int,
    sockets: tuple[socket.socket, socket.socket],
) -> None:  # fmt: skip
    before = os.pread(data_file, 100, 0)
    with pytest.raises(BufferError, match="contiguous"):
        use(ring, data_file, sockets[0], memory())
    assert os.pread(data_file, 100, 0) == before


@pytest.mark.parametrize("memory", NO_MEMORY.values(), ids=NO_MEMORY.keys())
@pytest.mark.parametrize("use", (INTO | FROM).values(), ids=(INTO | FROM).keys())
def test_what_is_no_memory_is_refused(
    use: Callable[..., object], memory: Callable[[], Any], ring: Ring, data_file: int,
    sockets: tuple[socket.socket, socket.socket],
) -> None:  # fmt: skip
    with pytest.raises(TypeError, match="bytes-like"):
        use(ring, data_file, sockets[0], memory())


@pytest.mark.parametrize("use", (INTO | FROM).values(), ids=(INTO | FROM).keys())
def test_memory_that_was_released_is_refused(
    use: Callable[..., object], ring: Ring, data_file: int, sockets: tuple[socket.socket, socket.socket]
) -> None:
    released, closed = memoryview(bytearray(16)), mmap.mmap(-1, 4096)
    released.release()
    closed.close()
    for memory in (released, closed):
        with pytest.raises(ValueError):
            use(ring, data_file, sockets[0], memory)


def test_an_error_in_the_middle_of_the_buffers_lets_go_of_all(ring: Ring, data_file: int) -> None:
    buffers = [bytearray(4) for _ in range(5)]

    def failing() -> Iterator[bytearray]:
        yield from buffers
        raise ZeroDivisionError

    for use in (ring.readv, ring.writev):
        with pytest.raises(ZeroDivisionError):
            use(data_file, failing(), offset=0)
        for buffer in buffers:
            buffer.append(0)


def test_registered_buffers_are_refused_once_they_are_unregistered_or_another_rings(
    ring: Ring, data_file: int, sockets: tuple[socket.socket, socket.socket]
) -> None:
    with pyuring.Ring(4) as other:
        stale, foreign = ring.register_buffers(count=2, size=4096), other.register_buffers(count=2, size=4096)
        kept = stale[0]
        stale.unregister()
        ring.register_buffers(count=2, size=4096)
        for buffer in (kept, foreign[0], foreign[1][10:20]):
            for use in (INTO["readinto"], FROM["write"], INTO["recv_into"], FROM["send"]):
                with pytest.raises(ValueError):
                    use(ring, data_file, sockets[0], buffer)


@pytest.mark.parametrize("make", [lambda: array.array("i", [0] * 4), ctypes.c_char * 16, lambda: mmap.mmap(-1, 4096)])
def test_any_other_writable_memory_is_taken(make: Callable[[], Any], data_file: int) -> None:
    with pyuring.Ring(4) as other:
        memory = make()
        assert other.readinto(data_file, memory, offset=0).result() == memoryview(memory).nbytes
        assert bytes(memoryview(memory).cast("B")) == os.pread(data_file, memoryview(memory).nbytes, 0)
