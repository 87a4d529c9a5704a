"""Rule 1, at the root: whatever an SQE points to is in what the ring holds for its slot."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pyuring
from pyuring import Completion, Ring, ffi

#: (operation, the fields of its SQE that are addresses)
OPERATIONS: dict[str, tuple[Callable[[Ring, Any, int], Completion[Any]], tuple[str, ...]]] = {
    "read": (lambda ring, sock, fd: ring.read(fd, 100, offset=0), ("addr",)),
    "read one byte": (lambda ring, sock, fd: ring.read(fd, 1, offset=0), ("addr",)),
    "readinto": (lambda ring, sock, fd: ring.readinto(fd, bytearray(100), offset=0), ("addr",)),
    "readinto a view": (lambda ring, sock, fd: ring.readinto(fd, memoryview(bytearray(99))[9:], offset=0), ("addr",)),
    "readinto, limited": (lambda ring, sock, fd: ring.readinto(fd, bytearray(100), offset=0, timeout=9), ("addr",)),
    "readv": (lambda ring, sock, fd: ring.readv(fd, [bytearray(9), bytearray(9)], offset=0), ("addr",)),
    "write bytes": (lambda ring, sock, fd: ring.write(fd, bytes(b"ab" * 50), offset=0), ("addr",)),
    "write bytearray": (lambda ring, sock, fd: ring.write(fd, bytearray(b"ab" * 50), offset=0), ("addr",)),
    "write a view": (lambda ring, sock, fd: ring.write(fd, memoryview(b"ab" * 50)[7:], offset=0), ("addr",)),
    "writev": (lambda ring, sock, fd: ring.writev(fd, [b"ab" * 50, bytearray(9)], offset=0), ("addr",)),
    "open": (lambda ring, sock, fd: ring.open("/etc/hostname"), ("addr",)),
    "statx": (lambda ring, sock, fd: ring.statx("/etc/hostname"), ("addr", "off")),
    "statx of a descriptor": (lambda ring, sock, fd: ring.statx(fd), ("addr", "off")),
    "unlink": (lambda ring, sock, fd: ring.unlink("/no/such/file"), ("addr",)),
    "rename": (lambda ring, sock, fd: ring.rename("/no/such/file", "/no/other/file"), ("addr", "off")),
    "mkdir": (lambda ring, sock, fd: ring.mkdir("/no/such/folder"), ("addr",)),
    "accept": (lambda ring, sock, fd: ring.accept(sock), ("addr", "off")),
    "connect": (lambda ring, sock, fd: ring.connect(sock, b"/no/such/socket"), ("addr",)),
    "send": (lambda ring, sock, fd: ring.send(sock, bytearray(b"ab" * 50)), ("addr",)),
    "recv": (lambda ring, sock, fd: ring.recv(sock, 100), ("addr",)),
    "recv one byte": (lambda ring, sock, fd: ring.recv(sock, 1), ("addr",)),
    "recv_into": (lambda ring, sock, fd: ring.recv_into(sock, bytearray(100)), ("addr",)),
    "epoll_ctl": (lambda ring, sock, fd: ring.epoll_ctl(fd, pyuring.EpollOp.ADD, sock), ("addr",)),
    "epoll_wait": (lambda ring, sock, fd: ring.epoll_wait(fd), ("addr",)),
    "waitid": (lambda ring, sock, fd: ring.waitid(0, 0, 4), ("off",)),
    "futex_wait": (lambda ring, sock, fd: ring.futex_wait(bytearray(8), 0, 4), ("addr",)),
    "futex_wake": (lambda ring, sock, fd: ring.futex_wake(bytearray(8), 1, 4), ("addr",)),
    "futex_waitv": (lambda ring, sock, fd: ring.futex_waitv([(bytearray(8), 0, 4), (bytearray(4), 0)]), ("addr",)),
    "provide_buffers": (lambda ring, sock, fd: ring.provide_buffers(bytearray(100), 10, 1), ("addr",)),
}


def memory(held: Any) -> Iterator[tuple[int, int]]:
    """(address, length) of all the memory that `held` keeps in place."""
    if isinstance(held, bytes):
        address = int(ffi.cast("uintptr_t", ffi.from_buffer(held)))
        yield address, len(held) + 1
    elif isinstance(held, list | tuple):
        for part in held:
            yield from memory(part)
    elif isinstance(held, ffi.CData):
        of_array = ffi.typeof(held).kind == "array"
        length = ffi.sizeof(held) if of_array else ffi.sizeof(ffi.typeof(held).item)
        yield int(ffi.cast("uintptr_t", held)), length
    elif held is not None:
        for slots in [vars(type(held)).get("__slots__", ())]:
            for name in slots:
                yield from memory(getattr(held, name))


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_an_operation_points_to_is_held_by_the_ring(
    name: str, ring: Ring, sockets: tuple[socket.socket, socket.socket], data_file: int
) -> None:
    start, fields = OPERATIONS[name]
    op = start(ring, sockets[0], data_file)
    held = list(memory(ring._holds[op._slot]))
    sqe = ring._c.ring.sq.sqes[0]
    assert sqe.user_data & (ring.cq_entries - 1) == op._slot
    for field in fields:
        address = getattr(sqe, field)
        assert any(begin <= address < begin + length for begin, length in held), f"{field} is not held"
    if name == "futex_waitv":
        for (word,) in struct.iter_unpack("=8xQ8x", ffi.buffer(ffi.cast("char *", sqe.addr), 24 * sqe.len)):
            assert any(begin <= word and word + 4 <= begin + length for begin, length in held)
    if name in ("readv", "writev"):
        vectors = ffi.cast("struct iovec *", sqe.addr)
        for number in range(sqe.len):
            address = int(ffi.cast("uintptr_t", vectors[number].iov_base))
            assert any(begin <= address < begin + length for begin, length in held)


def test_the_times_of_timers_are_in_memory_of_the_ring_by_slot(ring: Ring) -> None:
    """It is C's, freed with the ring, and each slot's own: a SQPOLL thread reads them late."""
    times = int(ffi.cast("uintptr_t", ring._c.timeouts))
    target = ring.timeout(60)
    ring.timeout_update(target, 30)
    first, second = ring._c.ring.sq.sqes[0], ring._c.ring.sq.sqes[1]
    assert first.addr == times + 16 * target._slot
    assert second.off == times + 16 * (second.user_data & (ring.cq_entries - 1)) != first.addr


def test_what_the_kernel_may_touch_is_kept_apart_from_the_handles(pipe: tuple[int, int]) -> None:
    """The handles refer to the ring, and may be garbage with it; what is held must not be."""
    with pyuring.Ring(4) as ring:
        op = ring.readinto(pipe[0], bytearray(10))
        kept = pyuring.closing._held[id(ring._c)]
        assert ring._c in kept
        assert ring._holds in kept
        assert ring not in kept
        assert op not in ring._holds


def test_registered_memory_is_kept_too() -> None:
    with pyuring.Ring(4) as ring:
        buffers = ring.register_buffers([bytearray(4096)])
        memories = buffers._memories
        assert memories in ring._kept
        buffers.unregister()
        assert memories not in ring._kept
