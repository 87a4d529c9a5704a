"""uring_cmd, on sockets, which have commands on every machine."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator

import pytest
from specs.kit import address_of

import pyuring
from pyuring import Ring, SetupFlags

SIOCINQ, SIOCOUTQ, GETSOCKOPT, SETSOCKOPT = 0, 1, 2, 3


@pytest.fixture
def connection(listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


def option(name: int) -> int:
    return socket.SOL_SOCKET | name << 32


def test_a_command_asks_and_another_changes(ring: Ring, connection: tuple[socket.socket, socket.socket]) -> None:
    sock, _ = connection
    value = bytearray(struct.pack("@i", 1))
    pointer = struct.pack("@P", address_of(value))
    set_it = ring.uring_cmd(sock, SETSOCKOPT, pointer, addr=option(socket.SO_KEEPALIVE), file_index=4, holds=[value])
    assert set_it.result() == 0
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    get_it = ring.uring_cmd(sock, GETSOCKOPT, pointer, addr=option(socket.SO_TYPE), file_index=4, holds=[value])
    assert get_it.result() == 4
    assert struct.unpack("@i", value) == (socket.SOCK_STREAM,)


def test_a_command_takes_a_registered_file(ring: Ring, connection: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = connection
    client.send(b"hello")
    accepted.recv(1, socket.MSG_PEEK)
    files = ring.register_files([accepted])
    assert ring.uring_cmd(files[0], SIOCINQ).result() == 5


def test_an_unknown_command_is_refused_by_the_driver(
    ring: Ring, connection: tuple[socket.socket, socket.socket]
) -> None:
    with pytest.raises(OSError) as caught:
        ring.uring_cmd(connection[0], 2**32 - 1).result()
    assert caught.value.errno == errno.EOPNOTSUPP


def test_what_a_command_has_the_address_of_is_held(ring: Ring, connection: tuple[socket.socket, socket.socket]) -> None:
    memory, structure = bytearray(10), (ctypes.c_int * 4)()
    op = ring.uring_cmd(connection[0], SIOCINQ, holds=[memory, structure, "what is no buffer", b"bytes"])
    with pytest.raises(BufferError):
        memory.append(0)
    assert "what is no buffer" in ring._holds[op._slot]  # type: ignore[operator]
    op.result()
    memory.append(0)


def test_a_registered_buffer_of_a_command_is_held_and_must_be_registered(
    ring: Ring, connection: tuple[socket.socket, socket.socket]
) -> None:
    memory = bytearray(4096)
    buffers = ring.register_buffers([memory])
    buffer = buffers[0]
    op = ring.uring_cmd(connection[0], SIOCINQ, buffer=buffer)
    buffers.unregister()
    with pytest.raises(BufferError):
        memory.append(0)
    with pytest.raises(ValueError, match="unregistered"):
        ring.uring_cmd(connection[0], SIOCINQ, buffer=buffer)
    ring.wait(1, timeout=5)
    assert op.done
    memory.append(0)


def test_a_command_of_80_bytes_goes_into_a_large_sqe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyuring.creation, "REFUSED", {}, raising=False)
    with Ring(4, setup=SetupFlags.SQE128) as ring:
        sq = ring._c.ring.sq
        pyuring.ffi.buffer(sq.sqes, 4 * 128)[:] = b"\xa5" * 4 * 128
        command = bytes(range(1, 81))
        ring.uring_cmd(11, 13, command)
        ring.uring_cmd(11, 13, command[:5])
        with ring.link():
            ring.uring_cmd(11, 13, command[:20])
        for index, expected in enumerate((command, command[:5], command[:20])):
            raw = bytes(pyuring.ffi.buffer(pyuring.ffi.cast("char *", sq.sqes) + 128 * index, 128))
            assert raw[0] == 46
            assert struct.unpack_from("=iQ", raw, 4) == (11, 13)
            assert raw[48:] == expected.ljust(80, b"\0")
        with pytest.raises(ValueError, match="80"):
            ring.uring_cmd(11, 13, bytes(81))
        assert ring.in_flight == 3


def test_a_large_sqe_works(monkeypatch: pytest.MonkeyPatch, connection: tuple[socket.socket, socket.socket]) -> None:
    monkeypatch.setattr(pyuring.creation, "REFUSED", {}, raising=False)
    client, accepted = connection
    client.send(b"hello")
    accepted.recv(1, socket.MSG_PEEK)
    with Ring(4, setup=SetupFlags.SQE128) as ring:
        for _ in range(20):
            assert ring.uring_cmd(accepted, SIOCINQ, bytes(80)).result() == 5
