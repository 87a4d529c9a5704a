"""Rule 10: bytes beyond the result are never shown."""

from __future__ import annotations

import errno
import os
import socket

import pytest

import pyuring
from pyuring import Ring

from .memory import churn


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100, 4096, 1 << 20])
@pytest.mark.parametrize("there", [0, 1, 2, 3, 50])
def test_read_returns_what_was_read_and_no_more(length: int, there: int, ring: Ring, pipe: tuple[int, int]) -> None:
    churn()
    secret = bytes([0xEE]) * there
    os.write(pipe[1], secret)
    os.close(pipe[1])
    op = ring.read(pipe[0], length)
    assert op.result() == secret[:length]
    assert op.result() == secret[:length]
    assert op.res == min(length, there)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
@pytest.mark.parametrize("there", [0, 1, 2, 3, 50])
def test_recv_returns_what_was_received_and_no_more(
    length: int, there: int, ring: Ring, sockets: tuple[socket.socket, socket.socket]
) -> None:
    sockets[1].send(bytes([0xEE]) * there)
    sockets[1].shutdown(socket.SHUT_WR)
    assert ring.recv(sockets[0], length).result() == bytes([0xEE]) * min(length, there)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
def test_a_datagram_that_is_longer_than_asked_for_gives_no_more_than_was_asked_for(length: int, ring: Ring) -> None:
    """With MSG_TRUNC the result tells the datagram's length, not what was received of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for there in (2, 3, 50):
            theirs.send(bytes([0xEE]) * there)
            assert ring.recv(ours, length, socket.MSG_TRUNC).result() == bytes([0xEE]) * min(length, there)
            if not length:
                ours.recv(1)


def test_readinto_leaves_the_rest_of_the_buffer_as_it_was(ring: Ring, pipe: tuple[int, int]) -> None:
    buffer = bytearray(b"0123456789")
    os.write(pipe[1], b"abc")
    assert ring.readinto(pipe[0], buffer).result() == 3
    assert buffer == b"abc3456789"
    os.write(pipe[1], b"xyz")
    assert ring.readv(pipe[0], [memoryview(buffer)[:2], memoryview(buffer)[5:]]).result() == 3
    assert buffer == b"xyc34z6789"


def test_the_end_of_a_file_is_where_it_is(ring: Ring, data_file: int) -> None:
    size = os.fstat(data_file).st_size
    for length in (1, 10, 4096, 65536):
        for offset in (size - 5, size - 1, size, size + 10):
            assert ring.read(data_file, length, offset=offset).result() == os.pread(data_file, length, offset)


def test_what_was_read_into_is_not_shown_when_the_read_fails(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 100)
    ring.submit()
    op.cancel()
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.ECANCELED
    assert not hasattr(caught.value, "data")


def test_no_two_reads_share_their_bytes(ring: Ring, pipe: tuple[int, int]) -> None:
    """The shortest bytes objects exist once only, and must not be read into."""
    for length in (0, 1, 2):
        ops = [ring.read(pipe[0], length) for _ in range(4)]
        ring.submit()
        os.write(pipe[1], bytes(range(200, 200 + 4 * length)))
        for op in ops:
            op.result()
        seen = b"".join(sorted(op.result() for op in ops))
        assert sorted(seen) == list(range(200, 200 + 4 * length))
    assert [bytes([number])[0] for number in range(256)] == list(range(256))


def test_a_result_never_changes_afterwards(data_file: int) -> None:
    with pyuring.Ring(8) as ring:
        op = ring.read(data_file, 100, offset=0)
        first = op.result()
        copy = bytes(bytearray(first))
        for number in range(200):
            ring.read(data_file, 100, offset=number * 100).result()
        assert first == copy
        assert op.result() is first
