"""Zero-copy sends: their result first, the release of their memory later."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from lifetime.limits import no_longer_than

from pyuring import Ring
from pyuring.completion import ZeroCopyCompletion

IP_RECVTTL = 12  # not in every `socket`

Pair = tuple[socket.socket, socket.socket]
Send = Callable[..., ZeroCopyCompletion]


@pytest.fixture
def connection(listener: socket.socket) -> Iterator[Pair]:
    """Both ends of a TCP connection."""
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


@pytest.fixture(params=["send_zc", "sendmsg_zc"])
def send(request: pytest.FixtureRequest) -> Send:
    if request.param == "send_zc":
        return lambda ring, sock, data, **keywords: ring.send_zc(sock, data, **keywords)
    return lambda ring, sock, data, **keywords: ring.sendmsg_zc(sock, [data], **keywords)


def received(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        data += sock.recv(1 << 20)
    return bytes(data)


def test_the_memory_is_released_once_the_peer_has_the_data(ring: Ring, connection: Pair, send: Send) -> None:
    ours, theirs = connection
    data = bytearray(os.urandom(100_000))
    op = send(ring, ours, data)
    sent = op.result(timeout=5)
    while not op.released:
        with pytest.raises(BufferError):
            data.append(0)
        assert received(theirs, sent) == data[:sent]
        op.wait_released(timeout=5)
    data.append(0)
    assert op.copied is True, "to the loopback interface the kernel copies"
    assert ring.in_flight == 0


def test_the_memory_is_released_also_before_the_time_limit_is_over_with(
    ring: Ring, connection: Pair, send: Send
) -> None:
    # To the loopback interface the notification comes before the CQE of the link timeout.
    ours, theirs = connection
    for _ in range(20):
        data = bytearray(1000)
        op = send(ring, ours, data, timeout=5)
        assert op.result() == 1000
        op.wait_released(timeout=5)
        data.append(0)
        received(theirs, 1000)
    assert op.copied is True
    assert (ring._c.expected, ring._c.notifying) == (0, 0)


def test_each_send_comes_out_of_wait_once(ring: Ring, connection: Pair, send: Send) -> None:
    ours, theirs = connection
    operations = [send(ring, ours, bytes([i]) * 1000, user_data=i) for i in range(20)]
    seen: list[Any] = []
    while len(seen) < 20:
        seen += [op.user_data for op in ring.wait(1, timeout=5)]
    assert sorted(seen) == list(range(20))
    assert received(theirs, 20_000) == b"".join(bytes([i]) * 1000 for i in range(20))
    for op in operations:
        op.wait_released(timeout=5)
    assert ring.completions() == []


def test_the_slots_come_back(connection: Pair, send: Send) -> None:
    ours, theirs = connection
    with Ring(8, cq_entries=8) as ring:
        for i in range(300):
            op = send(ring, ours, b"%5d" % i)
            assert op.result(timeout=5) == 5
            assert theirs.recv(5) == b"%5d" % i
        op.wait_released(timeout=5)
        assert ring.in_flight == 0


def test_a_send_that_fails_gives_its_memory_back(ring: Ring, sockets: Pair, send: Send) -> None:
    data = bytearray(100)
    op = send(ring, sockets[0], data)
    with pytest.raises(OSError, match="not supported"):
        op.result(timeout=5)
    with pytest.raises(OSError, match="not supported"):
        op.wait_released(timeout=5)
    assert op.released
    data.append(0)


def test_close_waits_for_the_release(connection: Pair, send: Send) -> None:
    data = bytearray(100_000)
    with Ring(8) as ring:
        op = send(ring, connection[0], data)
        ring.submit()
    assert op.done
    data.append(0)


def test_a_registered_buffer_is_sent_from(ring: Ring, connection: Pair) -> None:
    ours, theirs = connection
    pool = ring.register_buffers(count=2, size=4096)
    pool[1].view[:] = os.urandom(4096)
    op = ring.send_zc(ours, pool[1][100:3000], socket.MSG_WAITALL)
    assert op.result(timeout=5) == 2900
    assert received(theirs, 2900) == pool[1].view[100:3000]
    op.wait_released(timeout=5)


def test_an_address_is_where_it_goes(ring: Ring) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        ours.bind(("127.0.0.1", 0))
        theirs.bind(("127.0.0.1", 0))
        pool = ring.register_buffers([bytearray(b"three")])
        for op in (
            ring.send_zc(ours, b"one", address=theirs.getsockname()),
            ring.sendmsg_zc(ours, [b"t", b"wo"], (), 0, theirs.getsockname()),
            ring.send_zc(ours, pool[0], address=theirs.getsockname()),
        ):
            op.result(timeout=5)
        assert [theirs.recvfrom(9) for _ in range(3)] == [
            (data, ours.getsockname()) for data in (b"one", b"two", b"three")
        ]


# -- drains, behind which the kernel would never start a zero-copy send -------------------------------


def test_a_send_with_drain_copies_and_says_so(ring: Ring, connection: Pair, send: Send) -> None:
    ours, theirs = connection
    before = ring.timeout(0.01)
    op = send(ring, ours, b"hello", drain=True)
    assert op.result(timeout=5) == 5
    assert before.done
    assert op.released
    assert op.copied is True
    assert theirs.recv(9) == b"hello"
    op.wait_released()


def test_a_send_behind_a_drain_starts_when_that_is_over(
    ring: Ring, connection: Pair, pipe: tuple[int, int], send: Send
) -> None:
    ours, theirs = connection
    first, drained = ring.read(pipe[0], 1), ring.nop(drain=True)
    op = send(ring, ours, b"hello")
    ring.submit()
    assert ring.wait(1, timeout=0.01) == []
    os.write(pipe[1], b"x")
    assert [first.result(timeout=5), drained.result(timeout=5), op.result(timeout=5)] == [b"x", 0, 5]
    assert theirs.recv(9) == b"hello"


def test_a_send_after_a_drain_that_is_over_is_started(ring: Ring, connection: Pair, send: Send) -> None:
    assert ring.nop(drain=True).result() == 0
    pool = ring.register_buffers([bytearray(b"hello")])
    assert ring.send_zc(connection[0], pool[0]).result(timeout=5) == 5
    assert send(ring, connection[0], b"hello").result(timeout=5) == 5
    assert received(connection[1], 10) == b"hellohello"


def test_a_send_in_a_chain_that_drains_further_on_is_started(ring: Ring, connection: Pair, send: Send) -> None:
    with ring.link():
        op = send(ring, connection[0], b"hello")
        last = ring.nop(drain=True)
    assert op.result(timeout=5) == 5
    assert last.result(timeout=5) == 0
    assert connection[1].recv(9) == b"hello"


def test_a_drain_behind_a_send_waits_for_its_release(ring: Ring, connection: Pair, send: Send) -> None:
    op = send(ring, connection[0], b"hello")
    assert ring.nop(drain=True).result(timeout=5) == 0
    assert op.result() == 5
    op.wait_released(timeout=5)
    assert op.released


# -- pieces of a registered buffer ----------------------------------------------------------


def test_a_message_of_pieces_of_a_registered_buffer_is_what_was_sent(ring: Ring, connection: Pair) -> None:
    ours, theirs = connection
    memory = bytearray(os.urandom(200_000))
    buffer = ring.register_buffers([memory])[0]
    pieces = [buffer[1:5000], buffer[:0], buffer[150_000:], buffer[7:8], buffer[100:60_000]]
    expected = b"".join(bytes(piece.view) for piece in pieces)
    got = bytearray()
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(received, theirs, len(expected))
        op = ring.sendmsg_zc(ours, pieces, (), socket.MSG_WAITALL)
        assert op.result(timeout=5) == len(expected)
        got += reader.result()
    assert got == expected
    op.wait_released(timeout=5)
    assert ring.sendmsg_zc(ours, [buffer[5:5]]).result(timeout=5) == 0


def test_a_message_of_pieces_goes_to_an_address_with_ancillary_data(ring: Ring) -> None:
    ours, theirs = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    with ours, theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        pool = ring.register_buffers(count=2, size=4)
        pool[0].view[:], pool[1].view[:] = b"abcd", b"efgh"
        ttl = [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", 9))]
        op = ring.sendmsg_zc(ours, [pool[1], pool[0]], ttl, 0, theirs.getsockname())
        assert op.result(timeout=5) == 8
        assert theirs.recvmsg(100, 100)[:2] == (b"efghabcd", ttl)


def test_pieces_keep_their_memory_until_they_are_released(ring: Ring, connection: Pair) -> None:
    ours, theirs = connection
    memory = bytearray(1 << 16)
    buffers = ring.register_buffers([memory])
    while True:  # until the socket takes no more
        op = ring.sendmsg_zc(ours, [buffers[0][:40_000], buffers[0][20_000:]])
        try:
            op.result(timeout=0.2)
        except TimeoutError:
            break
    buffers.unregister()
    with pytest.raises(BufferError):
        memory.append(0)
    theirs.setblocking(False)
    with no_longer_than(10):
        while not op.released:
            with suppress(BlockingIOError):
                theirs.recv(1 << 20)
            ring.wait(0)
    assert op.result(timeout=5) > 0
    ring.nop().result()
    memory.append(0)


def test_pieces_that_cannot_be_sent_are_refused(ring: Ring, connection: Pair) -> None:
    ours = connection[0]
    buffers = ring.register_buffers([bytearray(64), bytearray(64)])
    piece = buffers[0][:5]
    with pytest.raises(ValueError, match="number 0 and number 1"):
        ring.sendmsg_zc(ours, buffers)
    for mixed in ([piece, b"x"], [b"x", piece]):
        with pytest.raises(TypeError):
            ring.sendmsg_zc(ours, mixed)
    with pytest.raises(ValueError, match="1024"):
        ring.sendmsg_zc(ours, [piece] * 1025)
    buffers.unregister()
    with pytest.raises(ValueError, match="was unregistered"):
        ring.sendmsg_zc(ours, [piece])
    assert ring.in_flight == 0
