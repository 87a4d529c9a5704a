"""Commands for sockets, against `socket` and `fcntl`."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import termios

import pytest

import pyuring
from pyuring import Ring
from pyuring.kernel import is_older, is_there

SOL_SOCKET = socket.SOL_SOCKET
Pair = tuple[socket.socket, socket.socket]


def test_siocinq_counts_as_the_ioctl_does(ring: Ring) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        for message in (b"", b"12345", b"123"):
            ours.sendto(message, ours.getsockname())
            expected = struct.unpack("i", fcntl.ioctl(ours, termios.FIONREAD, bytes(4)))
            assert ring.siocinq(ours).result() == expected[0]


def test_siocoutq_of_what_was_acknowledged_is_0(ring: Ring, listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.send(b"12345")
            assert accepted.recv(9) == b"12345"
            expected = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))
            assert ring.siocoutq(client).result() == expected[0]


@pytest.mark.parametrize(
    "option", [socket.SO_TYPE, socket.SO_RCVBUF, socket.SO_KEEPALIVE, socket.SO_ERROR, socket.SO_DOMAIN]
)
def test_getsockopt_tells_what_socket_getsockopt_tells(ring: Ring, option: int) -> None:
    with socket.socket() as sock:
        sock.setsockopt(SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert ring.getsockopt(sock, SOL_SOCKET, option).result() == sock.getsockopt(SOL_SOCKET, option)


@pytest.mark.parametrize("size", [1, 4, 8, 12, 1024])
@pytest.mark.parametrize("option", [socket.SO_LINGER, socket.SO_TYPE, socket.SO_RCVTIMEO])
def test_getsockopt_gives_the_bytes_that_socket_getsockopt_gives(ring: Ring, option: int, size: int) -> None:
    with socket.socket() as sock:
        try:
            expected = sock.getsockopt(SOL_SOCKET, option, size)
        except OSError as error:
            with pytest.raises(OSError) as caught:
                ring.getsockopt(sock, SOL_SOCKET, option, size).result()
            assert caught.value.errno == error.errno
        else:
            assert ring.getsockopt(sock, SOL_SOCKET, option, size).result() == expected


def test_a_negative_option_is_negative(ring: Ring) -> None:
    with socket.socket() as sock:
        option = 42  # SO_PEEK_OFF, which is -1 where it is off
        assert ring.getsockopt(sock, SOL_SOCKET, option).result() == sock.getsockopt(SOL_SOCKET, option)
        with socket.socket(socket.AF_UNIX) as other:
            assert ring.getsockopt(other, SOL_SOCKET, option).result() == other.getsockopt(SOL_SOCKET, option) == -1


@pytest.mark.parametrize(
    ("level", "option", "value"),
    [
        (SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (SOL_SOCKET, socket.SO_KEEPALIVE, True),
        (SOL_SOCKET, socket.SO_RCVBUF, 8192),
        (SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30)),
        (SOL_SOCKET, socket.SO_LINGER, bytearray(struct.pack("ii", 1, 30))),
        (SOL_SOCKET, socket.SO_LINGER, memoryview(struct.pack("ii", 1, 30))),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_IP, socket.IP_TTL, 33),
    ],
)
def test_setsockopt_sets_what_socket_setsockopt_sets(ring: Ring, level: int, option: int, value: bytes | int) -> None:
    size = 4 if isinstance(value, int) else len(value)
    with socket.socket() as ours, socket.socket() as theirs:
        assert ring.setsockopt(ours, level, option, value).result() is None
        theirs.setsockopt(level, option, value)
        assert ours.getsockopt(level, option, size) == theirs.getsockopt(level, option, size)


def test_a_value_may_change_as_soon_as_the_operation_is_prepared(ring: Ring) -> None:
    value = bytearray(struct.pack("ii", 1, 30))
    with socket.socket() as sock:
        op = ring.setsockopt(sock, SOL_SOCKET, socket.SO_LINGER, value)
        value[:] = bytes(8)
        value.append(0)
        op.result()
        assert sock.getsockopt(SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 30)


def test_a_socket_is_set_up_in_one_chain_without_a_descriptor(ring: Ring) -> None:
    """What a server does before its first client, in the table of registered files."""
    files = ring.register_files(sparse=4)
    before = len(os.listdir("/proc/self/fd"))
    with ring.link():
        ring.socket(direct=files[2])
        ring.setsockopt(files[2], SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ring.bind(files[2], ("127.0.0.1", 0))
        last = ring.listen(files[2])
    assert last.result() is None
    assert ring.getsockopt(files[2], SOL_SOCKET, socket.SO_REUSEADDR).result() == 1
    assert ring.getsockopt(files[2], SOL_SOCKET, socket.SO_ACCEPTCONN).result() == 1
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["getsockname", "getpeername"])
def test_a_kernel_without_a_command_is_named_with_the_one_that_has_it(ring: Ring, name: str, sockets: Pair) -> None:
    op = getattr(ring, name)(sockets[0])
    if not is_older("6.19"):
        assert op.result() == getattr(sockets[0], name)()
        return
    assert not ring.supports(name)
    with pytest.raises(pyuring.UnsupportedError, match=f"{name} needs Linux 6.19; this is") as caught:
        op.result()
    assert caught.value.errno in (errno.EOPNOTSUPP, errno.EINVAL)


def test_what_a_socket_does_not_know_is_no_lack_of_the_kernel(ring: Ring, sockets: Pair) -> None:
    with pytest.raises(OSError) as caught:
        ring.siocinq(sockets[0]).result()
    assert not isinstance(caught.value, pyuring.UnsupportedError)
    assert caught.value.errno == errno.EOPNOTSUPP


def test_an_operation_is_there_if_its_opcode_is_and_the_kernel_is_new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyuring.kernel.os.uname", lambda: os.uname_result(["Linux", "x", "6.0.5-1", "", ""]))
    assert is_there("send", frozenset({26}))
    assert not is_there("sendto", frozenset({26})), "6.1 has it"
    assert not is_there("send", frozenset({27}))
    assert not is_there("no such", frozenset(range(99)))
    monkeypatch.setattr("pyuring.kernel.os.uname", lambda: os.uname_result(["Linux", "x", "6.1.0", "", ""]))
    assert is_there("sendto", frozenset({26}))
