"""Multishots of messages, and the receive that needs a network card."""

from __future__ import annotations

import array
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from pyuring import BufferRing, Ring, SetupFlags

ROOM = 16 + 128


@pytest.fixture
def buffers(ring: Ring) -> BufferRing:
    return ring.buffer_ring(4, ROOM + 64 + 100)


@pytest.fixture
def datagrams() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        ours.bind(("127.0.0.1", 0))
        theirs.bind(("127.0.0.1", 0))
        yield ours, theirs


def test_each_message_comes_with_its_address(
    ring: Ring, buffers: BufferRing, datagrams: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = datagrams
    messages = ring.recvmsg_multishot(ours, buffers, user_data="mine")
    for number in range(50):
        text = b"message %d" % number
        theirs.sendto(text, ours.getsockname())
        completion = next(messages)
        assert completion.result() == completion.result() == (text, [], 0, theirs.getsockname())
        assert completion.user_data == "mine"
    assert ring.stats()["lent"] == 0


def test_an_empty_datagram_is_a_message_and_not_the_end(
    ring: Ring, buffers: BufferRing, datagrams: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = datagrams
    messages = ring.recvmsg_multishot(ours, buffers)
    for text in (b"", b"one", b"", b""):
        theirs.sendto(text, ours.getsockname())
        assert next(messages).result()[0] == text
    assert not messages.done


def test_a_stream_ends_the_iteration(ring: Ring, buffers: BufferRing) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        messages = ring.recvmsg_multishot(ours, buffers)
        theirs.sendall(b"abc")
        assert next(messages).result()[0] == b"abc"
        theirs.shutdown(socket.SHUT_WR)
        assert list(messages) == []
        assert messages.done
    assert ring.stats()["lent"] == 0


def test_descriptors_arrive_in_the_ancillary_data_and_are_not_inheritable(ring: Ring, buffers: BufferRing) -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, theirs:
        messages = ring.recvmsg_multishot(ours, buffers, socket.CMSG_SPACE(4))
        reader, writer = os.pipe()
        theirs.sendmsg([b"take it"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [reader]))])
        data, ancdata, flags, _ = next(messages).result()
        assert (data, flags) == (b"take it", 0)
        ((level, kind, content),) = ancdata
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        (received,) = array.array("i", content)
        assert not os.get_inheritable(received)
        os.write(writer, b"x")
        assert os.read(received, 1) == b"x"
        for fd in (reader, writer, received):
            os.close(fd)
        messages.cancel()


def test_the_buffer_lends_the_data_alone_and_message_tells_the_rest(
    ring: Ring, buffers: BufferRing, datagrams: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = datagrams
    messages = ring.recvmsg_multishot(ours, buffers, 64)
    theirs.sendto(b"lent", ours.getsockname())
    completion = next(messages)
    message = completion.message  # type: ignore[attr-defined]
    assert bytes(message.data) == b"lent"
    assert message.address == theirs.getsockname()
    with completion.buffer as view:  # type: ignore[union-attr]
        assert bytes(view) == b"lent"
        assert buffers.lent == 1
    assert buffers.lent == 0
    with pytest.raises(ValueError, match="released"):
        bytes(message.data)


def test_a_message_that_is_too_long_is_cut_and_says_so(
    ring: Ring, buffers: BufferRing, datagrams: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = datagrams
    messages = ring.recvmsg_multishot(ours, buffers)
    theirs.sendto(b"x" * 1000, ours.getsockname())
    data, _, flags, _ = next(messages).result()
    assert data == b"x" * (buffers.size - ROOM)
    assert flags & socket.MSG_TRUNC


def test_it_goes_on_when_buffers_run_out(ring: Ring, datagrams: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = datagrams
    messages = ring.recvmsg_multishot(ours, ring.buffer_ring(2, ROOM + 16))
    ring.submit()
    for number in range(40):
        theirs.sendto(b"%d" % number, ours.getsockname())
    assert [int(next(messages).result()[0]) for _ in range(40)] == list(range(40))
    assert ring.stats()["starved"] > 0


def test_a_zero_copy_receive_without_a_queue_fails_as_the_kernel_says(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    with Ring(8, setup=SetupFlags.CQE32 | SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN) as ring:
        messages = ring.recv_zc(sockets[0], 5)
        with pytest.raises(OSError) as caught:
            next(messages)
        assert caught.value.errno == errno.EINVAL
        assert messages.done
