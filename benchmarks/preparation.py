"""What does it cost to prepare each operation?

Only that is timed: the operations are never submitted, and taken back untimed. What they
would do is another case's question.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyuring import Ring

from .case import Case, Cell, Lineup
from .contender import Contender, Sample, Turn, WrongDataError
from .transfer import cpu_seconds

if TYPE_CHECKING:
    from .place import Files

__all__ = ["CASE", "NAME", "OPERATIONS", "PLAIN", "WITH_ARRAYS"]

NAME = "preparation"
#: What the others are compared with.
PLAIN = "nop"
#: These have a msghdr or an array of iovecs to build, and cannot be as cheap.
WITH_ARRAYS = frozenset(
    {"readv", "writev", "sendmsg", "sendmsg_zc", "recvmsg", "recvmsg_into", "recvfrom", "recvfrom_into"}
)

_AT_ONCE = 512


@dataclass
class Things:
    """What the operations are prepared with."""

    fd: int
    sock: socket.socket
    buffer: bytearray
    data: bytes
    buffers: list[bytearray]


Prepare = Callable[[Ring, Things], object]

#: One call of each operation, by the method's name.
OPERATIONS: dict[str, Prepare] = {
    PLAIN: lambda r, t: r.nop(),
    "read": lambda r, t: r.read(t.fd, 64, 0),
    "readinto": lambda r, t: r.readinto(t.fd, t.buffer, 0),
    "write": lambda r, t: r.write(t.fd, t.data, 0),
    "readv": lambda r, t: r.readv(t.fd, t.buffers, 0),
    "writev": lambda r, t: r.writev(t.fd, t.buffers, 0),
    "fsync": lambda r, t: r.fsync(t.fd),
    "fdatasync": lambda r, t: r.fdatasync(t.fd),
    "fallocate": lambda r, t: r.fallocate(t.fd, 0, 4096),
    "ftruncate": lambda r, t: r.ftruncate(t.fd, 4096),
    "close_fd": lambda r, t: r.close_fd(t.fd),
    "open": lambda r, t: r.open("some/path"),
    "statx": lambda r, t: r.statx("some/path"),
    "unlink": lambda r, t: r.unlink("some/path"),
    "rename": lambda r, t: r.rename("some/path", "other/path"),
    "mkdir": lambda r, t: r.mkdir("some/path"),
    "poll": lambda r, t: r.poll(t.fd),
    "timeout": lambda r, t: r.timeout(1.5),
    "socket": lambda r, t: r.socket(),
    "accept": lambda r, t: r.accept(t.sock),
    "connect": lambda r, t: r.connect(t.sock, ("127.0.0.1", 80)),
    "send": lambda r, t: r.send(t.sock, t.data),
    "recv": lambda r, t: r.recv(t.sock, 64),
    "recv_into": lambda r, t: r.recv_into(t.sock, t.buffer),
    "shutdown": lambda r, t: r.shutdown(t.sock, socket.SHUT_WR),
    "bind": lambda r, t: r.bind(t.sock, ("127.0.0.1", 80)),
    "listen": lambda r, t: r.listen(t.sock),
    "sendto": lambda r, t: r.sendto(t.sock, t.data, ("127.0.0.1", 80)),
    "sendmsg": lambda r, t: r.sendmsg(t.sock, t.buffers),
    "recvmsg": lambda r, t: r.recvmsg(t.sock, 64),
    "recvmsg_into": lambda r, t: r.recvmsg_into(t.sock, t.buffers),
    "recvfrom": lambda r, t: r.recvfrom(t.sock, 64),
    "recvfrom_into": lambda r, t: r.recvfrom_into(t.sock, t.buffer),
    "send_zc": lambda r, t: r.send_zc(t.sock, t.data),
    "sendmsg_zc": lambda r, t: r.sendmsg_zc(t.sock, t.buffers),
    "siocinq": lambda r, t: r.siocinq(t.sock),
    "siocoutq": lambda r, t: r.siocoutq(t.sock),
    "getsockopt": lambda r, t: r.getsockopt(t.sock, socket.SOL_SOCKET, socket.SO_TYPE),
    "setsockopt": lambda r, t: r.setsockopt(t.sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "getsockname": lambda r, t: r.getsockname(t.sock),
    "getpeername": lambda r, t: r.getpeername(t.sock),
}


@contextmanager
def _things() -> Iterator[Things]:
    with ExitStack() as stack:
        fd = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, fd)
        sock = stack.enter_context(socket.socket())
        yield Things(fd, sock, bytearray(64), b"d" * 64, [bytearray(32), bytearray(32)])


def _prepare_many(prepare: Prepare, things: Things) -> tuple[float, float]:
    """Seconds, of the clock and of the CPU, that so many preparations took."""
    with Ring(_AT_ONCE) as ring:
        for _ in range(_AT_ONCE):  # touches the ring's memory for the first time
            ring.nop()
        ring.wait(_AT_ONCE)
        cpu, start = cpu_seconds(), time.perf_counter()
        for _ in range(_AT_ONCE):
            prepare(ring, things)
        elapsed, cpu = time.perf_counter() - start, cpu_seconds() - cpu
        if ring.in_flight != _AT_ONCE or ring.stats()["submitted"] != _AT_ONCE:
            raise WrongDataError(f"{_AT_ONCE} preparations timed, {ring.in_flight} operations in flight")
    return elapsed, cpu


def _turns(prepare: Prepare) -> Callable[[], AbstractContextManager[Turn]]:
    @contextmanager
    def open_turn() -> Iterator[Turn]:
        with _things() as things:
            _prepare_many(prepare, things)

            def take_turn(seconds: float) -> Sample:
                rounds = elapsed = cpu = 0.0
                while elapsed < seconds:
                    each, its_cpu = _prepare_many(prepare, things)
                    elapsed, cpu, rounds = elapsed + each, cpu + its_cpu, rounds + 1
                return Sample(int(rounds) * _AT_ONCE, elapsed, cpu)

            yield take_turn

    return open_turn


def _lineup(cell: Cell, files: Files) -> Lineup:
    return Lineup([Contender(name, "no system call", _turns(prepare)) for name, prepare in OPERATIONS.items()])


CASE = Case(NAME, "What does it cost to prepare each operation?", _lineup, uses_files=False)
