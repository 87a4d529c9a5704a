"""What type checkers make of the operations on sockets. Checked by test_typing.py, never run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, assert_type

from pyuring import Ring
from pyuring.completion import ZeroCopyCompletion

Message = tuple[bytes, list[tuple[int, int, bytes]], int, Any]


def results(ring: Ring, sock: socket.socket, buffer: bytearray) -> None:
    files = ring.register_files(sparse=4)
    assert_type(ring.socket(direct=files).result(), int)
    assert_type(ring.accept(sock, direct=files[0], dont_wait=True, poll_first=True).result(), int)
    assert_type(ring.bind(sock, ("", 80)).result(), None)
    assert_type(ring.bind(sock, Path("path")).result(), None)
    assert_type(ring.listen(files[1], 5).result(), None)
    assert_type(ring.send(sock, b"x", poll_first=True).result(), int)
    assert_type(ring.sendto(sock, b"x", ("::1", 80, 0, 0), socket.MSG_DONTWAIT).result(), int)
    assert_type(ring.sendmsg(sock, [b"x", buffer], [(1, 1, b"x")], 0, "/path").result(), int)
    assert_type(ring.recvmsg(sock, 5, 64).result(), Message)
    assert_type(ring.recvmsg_into(sock, [buffer]).result(), tuple[int, list[tuple[int, int, bytes]], int, Any])
    assert_type(ring.recvfrom(sock, 5).result(), tuple[bytes, Any])
    assert_type(ring.recvfrom_into(sock, buffer, 5).result(), tuple[int, Any])
    assert_type(ring.siocinq(sock).result(), int)
    assert_type(ring.siocoutq(sock).result(), int)
    assert_type(ring.getsockopt(sock, 1, 3).result(), int)
    assert_type(ring.getsockopt(sock, 1, 3, 8).result(), bytes)
    assert_type(ring.setsockopt(sock, 1, 3, b"x").result(), None)
    print(ring.getsockname(sock).result(), ring.getpeername(sock).result())


def zero_copy(ring: Ring, sock: socket.socket, buffer: bytearray) -> None:
    op = ring.send_zc(sock, buffer, address=("127.0.0.1", 80))
    assert_type(op, ZeroCopyCompletion)
    assert_type(op.result(), int)
    assert_type(op.released, bool)
    assert_type(op.copied, bool | None)
    assert_type(op.wait_released(timeout=5), None)
    assert_type(ring.sendmsg_zc(sock, [buffer]).result(), int)
    assert_type(ring.sendmsg_zc(sock, ring.register_buffers(count=2, size=8)).result(), int)


def wrong(ring: Ring, sock: socket.socket) -> None:
    """Each line is an error for type checkers: an ignore that is not needed is one, too."""
    ring.recvmsg(sock, "5")  # type: ignore[arg-type]
    ring.sendto(sock, b"x")  # type: ignore[call-arg]
    ring.bind(sock, 80)  # type: ignore[arg-type]
    ring.socket(direct=5)  # type: ignore[arg-type]
    number: str = ring.getsockopt(sock, 1, 3).result()  # type: ignore[assignment]
    print(number)
