"""sendmsg, recvmsg and their relatives, against their cousins in `socket`."""

from __future__ import annotations

import fcntl
import gc
import os
import socket
import struct
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyuring import Ring

Pair = tuple[socket.socket, socket.socket]
ROOM = socket.CMSG_SPACE(4 * 8)


@pytest.fixture
def datagrams() -> Iterator[Pair]:
    """Two bound UDP sockets."""
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        for sock in (ours, theirs):
            sock.bind(("127.0.0.1", 0))
        yield ours, theirs


def rights(*files: Any) -> list[tuple[int, int, Any]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", files))]


def descriptors_in(ancdata: list[tuple[int, int, bytes]]) -> list[int]:
    found = array("i")
    for level, kind, data in ancdata:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


# -- sendmsg -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "buffers", [[b"one", bytearray(b"two"), memoryview(b"three")], (array("i", [1, 2]),), [], [b""], [b"", b"x", b""]]
)
def test_sendmsg_sends_what_socket_sendmsg_sends(ring: Ring, datagrams: Pair, buffers: Any) -> None:
    ours, theirs = datagrams
    ours.connect(theirs.getsockname())
    received = []
    for which in ("ours", "theirs"):
        sent = ring.sendmsg(ours, buffers).result() if which == "ours" else ours.sendmsg(buffers)
        received.append((sent, theirs.recvfrom(99)))
    assert received[0] == received[1]


def test_sendmsg_takes_any_iterable_once(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    assert ring.sendmsg(ours, (bytes([i]) for i in b"abc"), iter(())).result() == 3
    assert theirs.recv(9) == b"abc"


def test_sendmsg_takes_as_many_buffers_as_the_kernel(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    assert ring.sendmsg(ours, [b"x"] * 1024).result() == 1024
    assert theirs.recv(2000) == b"x" * 1024


def test_sendmsg_to_a_name_looks_it_up(ring: Ring, datagrams: Pair) -> None:
    ours, theirs = datagrams
    assert ring.sendmsg(ours, [b"x"], [], 0, ("localhost", theirs.getsockname()[1])).result() == 1
    assert theirs.recvfrom(9) == (b"x", ours.getsockname())


def test_sendmsg_on_a_registered_file_takes_an_address(ring: Ring, datagrams: Pair) -> None:
    ours, theirs = datagrams
    files = ring.register_files([ours])
    assert ring.sendmsg(files[0], [b"x"], (), 0, theirs.getsockname()).result() == 1
    assert ring.sendto(files[0], b"y", theirs.getsockname()).result() == 1
    assert ring.send_zc(files[0], b"z", address=theirs.getsockname()).result() == 1
    assert [theirs.recv(9) for _ in range(3)] == [b"x", b"y", b"z"]


# -- recvmsg ------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, socket.MSG_PEEK, socket.MSG_TRUNC])
@pytest.mark.parametrize("size", [0, 1, 5, 99])
def test_recvmsg_returns_what_socket_recvmsg_returns(ring: Ring, datagrams: Pair, size: int, flags: int) -> None:
    ours, theirs = datagrams
    received = []
    for which in ("ours", "theirs"):
        theirs.sendto(b"12345", ours.getsockname())
        received.append(
            ring.recvmsg(ours, size, 0, flags).result() if which == "ours" else ours.recvmsg(size, 0, flags)
        )
        if flags & socket.MSG_PEEK:
            ours.recv(99)
    assert received[0] == received[1]


@pytest.mark.parametrize("flags", [0, socket.MSG_TRUNC])
@pytest.mark.parametrize("sizes", [[2, 2], [5], [3, 99], [0], []])
def test_recvmsg_into_fills_what_socket_recvmsg_into_fills(
    ring: Ring, datagrams: Pair, sizes: list[int], flags: int
) -> None:
    ours, theirs = datagrams
    received = []
    for which in ("ours", "theirs"):
        theirs.sendto(b"12345", ours.getsockname())
        buffers = [bytearray(size) for size in sizes]
        if which == "ours":
            result = ring.recvmsg_into(ours, buffers, 0, flags).result()
        else:
            result = ours.recvmsg_into(buffers, 0, flags)
        received.append((result, buffers))
    assert received[0] == received[1]


def test_the_end_of_a_stream_is_an_empty_message(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    theirs.close()
    assert ring.recvmsg(ours, 9, ROOM).result() == ours.recvmsg(9, ROOM) == (b"", [], 0, None)
    assert ring.recvfrom(ours, 9).result() == ours.recvfrom(9) == (b"", None)


def test_the_result_of_recvmsg_can_be_asked_for_again(ring: Ring, datagrams: Pair) -> None:
    ours, theirs = datagrams
    theirs.sendto(b"12345", ours.getsockname())
    op = ring.recvmsg(ours, 9)
    assert op.result() == op.result() == (b"12345", [], 0, theirs.getsockname())


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_recvfrom_tells_a_unix_address(ring: Ring, tmp_path: Path, kind: int) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named,
    ):
        ours.bind(str(tmp_path / "ours"))
        for name in (str(tmp_path / "named"), None):
            sender = named if name else socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            if name:
                named.bind(name)
            sender.sendto(b"x", str(tmp_path / "ours"))
            sender.sendto(b"x", str(tmp_path / "ours"))
            assert ring.recvfrom(ours, 9).result() == ours.recvfrom(9) == (b"x", name)
            sender.close()


@pytest.mark.parametrize("nbytes", [0, 1, 3, 8])
def test_recvfrom_into_fills_what_socket_recvfrom_into_fills(ring: Ring, datagrams: Pair, nbytes: int) -> None:
    ours, theirs = datagrams
    received = []
    for which in ("ours", "theirs"):
        theirs.sendto(b"12345", ours.getsockname())
        buffer = bytearray(8)
        take = (
            ring.recvfrom_into(ours, buffer, nbytes).result
            if which == "ours"
            else lambda b=buffer: ours.recvfrom_into(b, nbytes)
        )
        received.append((take(), buffer))
    assert received[0] == received[1]


def test_recvfrom_into_takes_a_registered_buffer(ring: Ring, datagrams: Pair) -> None:
    ours, theirs = datagrams
    pool = ring.register_buffers(count=2, size=64)
    theirs.sendto(b"12345", ours.getsockname())
    assert ring.recvfrom_into(ours, pool[1][10:20]).result() == (5, theirs.getsockname())
    assert pool[1].view[:20] == bytes(10) + b"12345" + bytes(5)


def test_an_ipv6_address_has_its_scope(ring: Ring) -> None:
    try:
        ours = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        ours.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with ours:
        assert ring.sendto(ours, b"x", ours.getsockname()).result() == 1
        assert ring.recvfrom(ours, 9).result() == (b"x", ours.getsockname())


# -- descriptors in ancillary data --------------------------------------------------------------


def test_a_descriptor_goes_from_process_to_process_as_with_socket(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    assert ring.sendmsg(ours, [b"here"], rights(data_file, data_file)).result() == 4
    data, ancdata, flags, address = ring.recvmsg(theirs, 99, ROOM).result()
    assert (data, flags, address) == (b"here", 0, None)
    received = descriptors_in(ancdata)
    assert len(received) == 2
    for fd in received:
        assert os.path.samestat(os.fstat(fd), os.fstat(data_file))
        os.close(fd)


def test_socket_send_fds_and_recv_fds_are_at_the_other_end(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    socket.send_fds(ours, [b"x"], [data_file])
    (fd,) = descriptors_in(ring.recvmsg(theirs, 9, ROOM).result()[1])
    ring.sendmsg(theirs, [b"y"], rights(fd)).result()
    _, received, _, _ = socket.recv_fds(ours, 9, 1)
    assert os.path.samestat(os.fstat(received[0]), os.fstat(data_file))
    os.close(received[0])
    os.close(fd)


def test_a_received_descriptor_is_not_inheritable(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    for _ in range(2):
        ours.sendmsg([b"x"], rights(data_file))
    buffer = bytearray(9)
    for op in (ring.recvmsg(theirs, 9, ROOM), ring.recvmsg_into(theirs, [buffer], ROOM)):
        _, ancdata, flags, _ = op.result()
        assert flags == 0, "that it was asked for is nobody's business"
        (fd,) = descriptors_in(ancdata)
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        os.close(fd)


def test_descriptors_without_room_are_closed_and_told_of(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    before = len(os.listdir("/proc/self/fd"))
    for room, there in ((0, 0), (socket.CMSG_LEN(4), 1), (socket.CMSG_LEN(0), 0)):
        ours.sendmsg([b"x"], rights(data_file, data_file))
        data, ancdata, flags, _ = ring.recvmsg(theirs, 9, room).result()
        assert data == b"x"
        assert flags == socket.MSG_CTRUNC
        received = descriptors_in(ancdata)
        assert len(received) == there
        for fd in received:
            os.close(fd)
    ours.sendmsg([b"x"], rights(data_file, data_file))
    assert ring.recvfrom(theirs, 9).result() == (b"x", None)
    assert len(os.listdir("/proc/self/fd")) == before


def test_credentials_and_descriptors_come_together_as_in_socket(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    received = []
    credentials = struct.pack("iII", os.getpid(), os.getuid(), os.getgid())
    for which in ("ours", "theirs"):
        sent = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials), *rights(data_file)]
        ours.sendmsg([b"x"], sent) if which == "theirs" else ring.sendmsg(ours, [b"x"], sent).result()
        room = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4)
        _, ancdata, _, _ = theirs.recvmsg(9, room) if which == "theirs" else ring.recvmsg(theirs, 9, room).result()
        for fd in descriptors_in(ancdata):
            os.close(fd)
        received.append([(level, kind, len(data)) for level, kind, data in ancdata])
        assert (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials) in ancdata
    assert received[0] == received[1]


def test_an_option_of_the_protocol_travels_as_ancillary_data(ring: Ring, datagrams: Pair) -> None:
    ours, theirs = datagrams
    theirs.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    tos = [(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", 0x20))]
    assert ring.sendmsg(ours, [b"x"], tos, 0, theirs.getsockname()).result() == 1
    assert ring.recvmsg(theirs, 9, 64).result()[:2] == (b"x", [(socket.IPPROTO_IP, socket.IP_TOS, b"\x20")])


def test_what_is_sent_in_ancillary_data_may_change_at_once(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    sent = array("i", [data_file])
    op = ring.sendmsg(ours, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
    sent[0] = 1_000_000
    sent.append(5)
    assert op.result() == 1
    for fd in descriptors_in(theirs.recvmsg(9, ROOM)[1]):
        os.close(fd)


# -- what stays in place -----------------------------------------------------------------------------


def test_a_message_that_waits_keeps_all_that_it_points_to(ring: Ring, sockets: Pair, data_file: int) -> None:
    ours, theirs = sockets
    buffers = [bytearray(3), bytearray(9)]
    op = ring.recvmsg_into(ours, buffers, ROOM)
    ring.submit()
    for buffer in buffers:
        with pytest.raises(BufferError):
            buffer.append(0)
    gc.collect()
    filler = [bytes([i]) * size for i in range(100) for size in (13, 48, 128, 200, 256)]
    theirs.sendmsg([b"abc", b"def"], rights(data_file))
    nbytes, ancdata, _, _ = op.result(timeout=5)
    assert (nbytes, bytes(buffers[0]), bytes(buffers[1][:3])) == (6, b"abc", b"def")
    (fd,) = descriptors_in(ancdata)
    os.close(fd)
    for buffer in buffers:
        buffer.append(0)
    assert all(len(set(part)) == 1 for part in filler)


def test_messages_are_waited_for_without_a_thread(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    op = ring.recvmsg(ours, 9, poll_first=True)
    started = time.monotonic()
    assert ring.wait(1, timeout=0.01) == []
    theirs.send(b"late")
    assert op.result(timeout=5)[0] == b"late"
    assert time.monotonic() - started < 5
