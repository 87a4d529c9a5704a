"""What the sheets in this folder are made of, and the tests that read them."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyuring
from pyuring import Completion, Ring
from pyuring.completion import Handle

U32 = 2**32
U64 = 2**64
AT_FDCWD = -100
INTERNAL = 1 << 63

FIXED_FILE, IO_DRAIN, IO_LINK, IO_HARDLINK, ASYNC, BUFFER_SELECT = 1, 2, 4, 8, 16, 32


class Sqe(NamedTuple):
    """struct io_uring_sqe of 64 bytes, decoded without CFFI."""

    opcode: int
    flags: int
    ioprio: int
    fd: int
    off: int  # also addr2
    addr: int
    len: int
    rw_flags: int  # also fsync_flags, poll32_events, open_flags, ...
    user_data: int
    buf_index: int
    personality: int
    file_index: int  # also splice_fd_in, addr_len
    addr3: int
    pad: int


LAYOUT = struct.Struct("=BBHiQQIIQHHIQQ")
assert LAYOUT.size == 64


def sqe_at(ring: Ring, back: int = 1) -> Sqe:
    """The SQE that was taken `back` SQEs ago: 1 is the latest."""
    sq = ring._c.ring.sq
    stride = 2 if ring.setup & pyuring.SetupFlags.SQE128 else 1
    raw = bytes(pyuring.ffi.buffer(sq.sqes + ((sq.sqe_tail - back) & sq.ring_mask) * stride, LAYOUT.size))
    return Sqe(*LAYOUT.unpack(raw))


def taken(ring: Ring) -> int:
    """How many SQEs were ever taken."""
    return int(ring._c.ring.sq.sqe_tail)


def address_of(buffer: Any) -> int:
    """Where the bytes of a writable buffer are, by ctypes."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def address_of_bytes(data: bytes) -> int:
    """Where the contents of a bytes object are."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    assert address is not None
    return address


@dataclass(frozen=True)
class Named:
    """A socket as far as preparing looks at it: a descriptor that need not exist, and a family."""

    file: Any
    family: int = socket.AF_INET

    def fileno(self) -> int:
        number = self.file if isinstance(self.file, int) else self.file.fileno()
        assert isinstance(number, int)
        return number


def text_at(address: int) -> bytes:
    return ctypes.string_at(address)


def timespec_at(address: int) -> tuple[int, int]:
    seconds, ns = struct.unpack("=qq", ctypes.string_at(address, 16))
    return seconds, ns


def iovecs_at(address: int, count: int) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("@PN", ctypes.string_at(address, 16 * count)))


Prepare = Callable[[Ring], Handle]
#: Checks of what a pointer points to: given the SQE and the handle.
Check = Callable[[Sqe, Any], None]


@dataclass
class Row:
    """One call, and the fields its SQE must have; those not named must be 0."""

    name: str
    prepare: Prepare
    opcode: int
    fields: dict[str, int] = field(default_factory=dict)
    check: Check | None = None
    #: Fields that hold a pointer, which `check` looks at.
    pointers: tuple[str, ...] = ()
    #: SQEs that it takes before its own, for operations that this one is about.
    targets: int = 0
    #: IOSQE_* that it has whatever its arguments are.
    flags: int = 0


def check_path(expected: bytes) -> Check:
    def check(sqe: Sqe, op: Completion[Any]) -> None:
        assert text_at(sqe.addr) == expected

    return check


@dataclass
class World:
    """Real things for operations to work on."""

    folder: Path
    #: Closed when the test is over.
    descriptors: list[int] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    #: What else is to be ended with the test.
    stack: ExitStack = field(default_factory=ExitStack)

    def file(self, content: bytes = b"0123456789", name: str = "file") -> int:
        path = self.folder / name
        path.write_bytes(content)
        return self.keep(os.open(path, os.O_RDWR))

    def keep(self, fd: int) -> int:
        self.descriptors.append(fd)
        return fd

    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self.descriptors += ends
        return ends

    def full_pipe(self) -> int:
        """The write end of a pipe that takes no more."""
        end = self.pipe()[1]
        os.set_blocking(end, False)
        for size in (65536, 1):
            try:
                while True:
                    os.write(end, bytes(size))
            except BlockingIOError:
                pass
        os.set_blocking(end, True)
        return end

    def pair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        self.sockets += pair
        return pair

    def tcp_pair(self) -> tuple[socket.socket, socket.socket]:
        """Two ends of a TCP connection, which zero copy and SIOCINQ need."""
        client = socket.create_connection(self.listener().getsockname())
        accepted, _ = self.sockets[-1].accept()
        self.sockets += [client, accepted]
        return client, accepted

    def datagrams(self) -> tuple[socket.socket, socket.socket]:
        """Two UDP sockets that are bound and not connected."""
        pair = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
        for sock in pair:
            sock.bind(("127.0.0.1", 0))
        self.sockets += pair
        return pair

    def full_socket(self) -> socket.socket:
        """A socket whose peer reads nothing."""
        ours, _ = self.pair()
        ours.setblocking(False)
        try:
            while True:
                ours.send(bytes(65536))
        except BlockingIOError:
            ours.setblocking(True)
        return ours

    def listener(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        self.sockets.append(listener)
        return listener

    def crowded_listener(self) -> str:
        """The path of a listening socket whose backlog is full: one more waits."""
        path = str(self.folder / "crowded")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(0)
        first = socket.socket(socket.AF_UNIX)
        first.connect(path)
        self.sockets += [listener, first]
        return path

    def client(self, family: int = socket.AF_INET) -> socket.socket:
        client = socket.socket(family)
        self.sockets.append(client)
        return client

    def other_ring(self) -> Ring:
        return self.stack.enter_context(Ring(8))

    def child(self, command: str) -> int:
        """A child process, which nobody has waited for; a shell that runs `command`."""
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ)
        self.stack.callback(end_child, pid)
        return pid

    def close(self) -> None:
        self.stack.close()
        for sock in self.sockets:
            sock.close()
        for fd in self.descriptors:
            try:
                os.close(fd)
            except OSError as error:
                assert error.errno == errno.EBADF


def end_child(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return  # the test has waited for it


#: Prepares one operation that succeeds, and returns it with a check of its result.
Scenario = Callable[[Ring, World, dict[str, Any]], tuple[Completion[Any], Callable[[Any], bool]]]


@dataclass
class Failure:
    """An operation that fails, and how."""

    name: str
    prepare: Callable[[Ring, World], Completion[Any]]
    kind: type[OSError]
    code: int
    #: File names relative to the folder.
    filename: str | None = None
    filename2: str | None = None


class Things:
    """Good arguments, for the case that only one of them is bad."""

    def __init__(self, ring: Ring, fd: int, sock: socket.socket) -> None:
        self.ring = ring
        self.fd = fd
        self.sock = sock
        #: Must be resizable again as soon as a call that it was passed to has raised.
        self.buffer = bytearray(4096)
        #: Another one, for what the caller himself exports.
        self.other = bytearray(4096)


Call = Callable[[Things], object]


@dataclass
class Spec:
    """All that the tests know of one operation."""

    name: str
    #: The manual page, and the first kernel that has it, from the kernel's history.
    page: str
    kernel: str
    #: Prepares it with arguments that are good enough, and these keywords. It is never submitted.
    prepare: Callable[..., Handle]
    #: Its SQE for different arguments; one at least.
    rows: list[Row]
    #: None for a multishot: what these do is in test_multishot.py.
    scenario: Scenario | None = None
    #: How it fails; one at least, where it can.
    failures: list[Failure] = field(default_factory=list)
    #: Prepares one that would take for ever, with a time limit.
    blocking: Callable[[Ring, World, float | None], Completion[Any]] | None = None
    #: Bad arguments, by what is bad about them.
    refused: dict[str, tuple[type[Exception], Call]] = field(default_factory=dict)
    #: Prepares it on a descriptor, and whether that may be a registered file.
    on_file: Callable[[Ring, Any, Things], Handle] | None = None
    takes_registered_file: bool = False
    #: Those of the common keywords that it has not, by their names.
    lacks: frozenset[str] = frozenset()
    #: Whether it can stand in the middle of a soft chain, which what it returns must not cut.
    cuts_chains: bool = False
    #: Whether it is about operations in flight, which a chain or a drain would hold up.
    on_operations: bool = False
    #: Whether it makes a descriptor, which the test has to close.
    makes_descriptor: bool = False
