"""Groups of provided buffers: registered and unregistered."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from confinement import run_confined
from lifetime.limits import no_longer_than
from provided import available_to_kernel, check_balance

from pyuring import BufferRing, Completion, Ring

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


def test_groups_are_numbered_and_kept_apart(ring: Ring, sockets: Pair) -> None:
    first, chosen, second = ring.buffer_ring(1, 8), ring.buffer_ring(1, 8, group=1), ring.buffer_ring(1, 8)
    assert [buffers.group for buffers in (first, chosen, second)] == [0, 1, 2]
    with pytest.raises(ValueError, match="group 1 already"):
        ring.buffer_ring(1, 8, group=1)
    sockets[1].send(b"x")
    op = filled(ring, sockets[0], chosen)
    assert [buffers.lent for buffers in (first, chosen, second)] == [0, 1, 0]
    first.unregister()
    assert ring.buffer_ring(1, 8).group == 0
    assert ring.buffer_ring(1, 8, group=65535).group == 65535
    op.buffer.release()
    with Ring(4) as other, pytest.raises(ValueError, match="not this ring's"):
        other.recv_into(sockets[0], chosen)


def test_buffers_in_use_cannot_be_unregistered(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 8)
    shots = ring.recv_multishot(ours, buffers)
    theirs.send(b"x")
    lent = next(shots)
    with pytest.raises(RuntimeError, match="in flight use these buffers"):
        buffers.unregister()
    theirs.send(b"y")
    assert next(shots).result() == b"y"
    shots.cancel()
    assert list(shots) == []
    with lent.buffer as view:  # type: ignore[union-attr]
        buffers.unregister()
        buffers.unregister()
        assert view == b"x", "what is lent stays valid"
    assert buffers.closed
    assert "unregistered" in repr(buffers)
    for use in (lambda: buffers.group, lambda: buffers.lent, lambda: ring.recv_multishot(ours, buffers)):
        with pytest.raises(ValueError, match="unregistered"):
            use()
    assert ring.stats()["lent"] == 0
    assert len(buffers) == 2


def test_the_kernel_tells_of_buffers_that_no_completion_has_told_of(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(4, 2)
    other = ring.buffer_ring(2, 2)
    assert (buffers.available_now(), other.available_now()) == (4, 2)
    theirs.send(b"0123")
    first, second = (ring.recv_into(ours, buffers) for _ in range(2))
    ring.submit()
    with no_longer_than(5):
        while buffers.available_now() != 2:  # an SQPOLL thread takes its time
            pass
    assert buffers.available == 4, "taken, and nothing reaped"
    assert available_to_kernel(ring, buffers) == 2
    assert (first.result(), second.result()) == (2, 2)
    assert buffers.available == buffers.available_now() == 2
    for _ in range(70000):  # the kernel counts in 16 bits
        op: Any = second
        op.buffer.release()
        theirs.send(b"xy")
        second = ring.recv_into(ours, buffers)
        second.result()
    assert buffers.available == buffers.available_now() == 2
    del first, second, op
    check_balance(ring, buffers)
    buffers.unregister()
    with pytest.raises(ValueError, match="unregistered"):
        buffers.available_now()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="thread"):
        pool.submit(other.available_now).result()


def test_a_starving_multishot_uses_its_buffers(ring: Ring, packets: Pair) -> None:
    buffers = ring.buffer_ring(1, 8)
    shots = ring.recv_multishot(packets[0], buffers)
    for _ in range(2):
        packets[1].send(b"x")
    held = next(shots)
    with pytest.raises(RuntimeError, match="waits for a provided buffer"):
        next(shots)
    with pytest.raises(RuntimeError, match="in flight use these buffers"):
        buffers.unregister()
    assert held.result() == next(shots).result() == b"x"


@pytest.mark.parametrize(
    ("count", "size", "group"),
    [(0, 1, None), (3, 1, None), (-2, 1, None), (65536, 1, None), (1, 0, None), (1, -1, None), (1, 1 << 31, None),
     (1, 1, -1), (1, 1, 65536)],
)  # fmt: skip
def test_impossible_sizes_are_refused(ring: Ring, count: int, size: int, group: int | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        ring.buffer_ring(count, size, group=group)
    assert len(ring._kept) == 3


def test_more_than_there_is_memory_for_is_refused(ring: Ring) -> None:
    with pytest.raises(MemoryError, match="no room for 32768 buffers"):
        ring.buffer_ring(32768, 1 << 30)
    assert ring.buffer_ring(32768, 16).available == 32768


def test_a_small_limit_for_locked_memory_is_named() -> None:
    out = run_confined("""
import resource
drop_capabilities(CAP_IPC_LOCK)
become_nobody()
ring = pyuring.Ring(8)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
try:
    ring.buffer_ring(32768, 4096)
except MemoryError as error:
    print(error)
kept = ring.buffer_ring(4, 1 << 20)
print(kept.available)
ring.close()
""")
    assert "RLIMIT_MEMLOCK allows this user 65536" in out
    assert f"about {32768 * 16} bytes" in out
    assert out.endswith("4\n")


def test_unregistered_buffers_are_let_go(ring: Ring) -> None:
    for _ in range(300):
        ring.buffer_ring(16, 1 << 20).unregister()  # 5 GB, were they kept
    assert len(ring._kept) == 3


def test_a_ring_of_another_thread_gives_no_buffers(ring: Ring) -> None:
    errors: list[BaseException] = []

    def use() -> None:
        try:
            ring.buffer_ring(1, 1)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "belongs to the thread" in str(errors[0])


def test_completions_without_provided_buffers_have_no_buffer() -> None:
    assert Completion().buffer is None
