"""One call of each operation, with arguments that are no dearer than they have to be.

Descriptors are numbers, but where the operation has to know the family of a socket.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pyuring import BufferRing, Completion, EpollOp, RegisteredFile, RegisteredFiles, Ring

__all__ = ["OPERATIONS", "PLAIN", "WITH_ARRAYS", "Prepare", "Things", "things_for"]

#: Looked up once: that an enum's members take long to find is not the operation's fault.
_ADD = EpollOp.ADD

#: What the others are compared with.
PLAIN = "nop"
#: These have a msghdr or an array of iovecs to build, and cannot be as cheap.
WITH_ARRAYS = frozenset(
    {
        "readv", "writev", "sendmsg", "sendmsg_zc", "recvmsg", "recvmsg_into", "recvfrom", "recvfrom_into",
        "recvmsg_multishot",
    }
)  # fmt: skip


@dataclass
class Things:
    """What the operations are prepared with."""

    fd: int
    sock: socket.socket
    socket_fd: int
    epoll_fd: int
    ring_fd: int
    buffer: bytearray
    data: bytes
    buffers: list[bytearray]
    pages: mmap.mmap
    #: Registered with the ring, and in flight there.
    files: RegisteredFiles
    file: RegisteredFile
    provided: BufferRing
    roomy: BufferRing
    target: Completion[Any]
    timer: Completion[Any]


@contextmanager
def things_for(ring: Ring) -> Iterator[Things]:
    """Things to prepare operations with, two of which are in flight."""
    with ExitStack() as stack:
        fd = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, fd)
        sock = stack.enter_context(socket.socket())
        epoll = stack.enter_context(select.epoll())
        pages = mmap.mmap(-1, mmap.PAGESIZE)
        files = ring.register_files([fd] * 4)
        yield Things(
            fd, sock, sock.fileno(), epoll.fileno(), ring.fileno(),
            bytearray(64), b"d" * 64, [bytearray(32), bytearray(32)], pages,
            files, files[1], ring.buffer_ring(4, 64), ring.buffer_ring(4, 512),
            ring.poll(fd), ring.timeout(100),
        )  # fmt: skip


Prepare = Callable[[Ring, Things], object]

#: By the method's name.
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
    "accept": lambda r, t: r.accept(t.socket_fd),
    "connect": lambda r, t: r.connect(t.sock, ("127.0.0.1", 80)),
    "send": lambda r, t: r.send(t.socket_fd, t.data),
    "recv": lambda r, t: r.recv(t.socket_fd, 64),
    "recv_into": lambda r, t: r.recv_into(t.socket_fd, t.buffer),
    "shutdown": lambda r, t: r.shutdown(t.socket_fd, socket.SHUT_WR),
    "bind": lambda r, t: r.bind(t.sock, ("127.0.0.1", 80)),
    "listen": lambda r, t: r.listen(t.socket_fd),
    "sendto": lambda r, t: r.sendto(t.sock, t.data, ("127.0.0.1", 80)),
    "sendmsg": lambda r, t: r.sendmsg(t.socket_fd, t.buffers),
    "recvmsg": lambda r, t: r.recvmsg(t.socket_fd, 64),
    "recvmsg_into": lambda r, t: r.recvmsg_into(t.socket_fd, t.buffers),
    "recvfrom": lambda r, t: r.recvfrom(t.socket_fd, 64),
    "recvfrom_into": lambda r, t: r.recvfrom_into(t.socket_fd, t.buffer),
    "send_zc": lambda r, t: r.send_zc(t.socket_fd, t.data),
    "sendmsg_zc": lambda r, t: r.sendmsg_zc(t.socket_fd, t.buffers),
    "siocinq": lambda r, t: r.siocinq(t.socket_fd),
    "siocoutq": lambda r, t: r.siocoutq(t.socket_fd),
    "getsockopt": lambda r, t: r.getsockopt(t.socket_fd, socket.SOL_SOCKET, socket.SO_TYPE),
    "setsockopt": lambda r, t: r.setsockopt(t.socket_fd, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "getsockname": lambda r, t: r.getsockname(t.socket_fd),
    "getpeername": lambda r, t: r.getpeername(t.socket_fd),
    "openat2": lambda r, t: r.openat2("some/path"),
    "rmdir": lambda r, t: r.rmdir("some/path"),
    "hardlink": lambda r, t: r.hardlink("some/path", "other/path"),
    "symlink": lambda r, t: r.symlink("some/path", "other/path"),
    "getxattr": lambda r, t: r.getxattr("some/path", "user.name", 64),
    "setxattr": lambda r, t: r.setxattr("some/path", "user.name", t.data),
    "fgetxattr": lambda r, t: r.fgetxattr(t.fd, "user.name", 64),
    "fsetxattr": lambda r, t: r.fsetxattr(t.fd, "user.name", t.data),
    "fadvise": lambda r, t: r.fadvise(t.fd, 0, 4096, os.POSIX_FADV_WILLNEED),
    "madvise": lambda r, t: r.madvise(t.pages, mmap.MADV_WILLNEED),
    "sync_file_range": lambda r, t: r.sync_file_range(t.fd, 0, 4096),
    "pipe": lambda r, t: r.pipe(),
    "splice": lambda r, t: r.splice(t.fd, t.fd, 4096),
    "tee": lambda r, t: r.tee(t.fd, t.fd, 4096),
    "files_update": lambda r, t: r.files_update(t.files, 0, [t.fd]),
    "fixed_fd_install": lambda r, t: r.fixed_fd_install(t.file),
    "accept_multishot": lambda r, t: r.accept_multishot(t.socket_fd),
    "recv_multishot": lambda r, t: r.recv_multishot(t.socket_fd, t.provided),
    "recvmsg_multishot": lambda r, t: r.recvmsg_multishot(t.socket_fd, t.roomy),
    "recv_zc": lambda r, t: r.recv_zc(t.socket_fd, 0),
    "read_multishot": lambda r, t: r.read_multishot(t.fd, t.provided),
    "poll_multishot": lambda r, t: r.poll_multishot(t.fd),
    "timeout_multishot": lambda r, t: r.timeout_multishot(1.5),
    "timeout_update": lambda r, t: r.timeout_update(t.timer, 1.5),
    "timeout_remove": lambda r, t: r.timeout_remove(t.timer),
    "poll_update": lambda r, t: r.poll_update(t.target, select.POLLIN),
    "poll_remove": lambda r, t: r.poll_remove(t.target),
    "cancel": lambda r, t: r.cancel(t.target),
    "cancel_fd": lambda r, t: r.cancel_fd(t.fd),
    "cancel_op": lambda r, t: r.cancel_op("read"),
    "cancel_all": lambda r, t: r.cancel_all(),
    "epoll_ctl": lambda r, t: r.epoll_ctl(t.epoll_fd, _ADD, t.fd, select.EPOLLIN),
    "epoll_wait": lambda r, t: r.epoll_wait(t.epoll_fd, 8),
    "waitid": lambda r, t: r.waitid(os.P_ALL, 0, os.WEXITED),
    "futex_wait": lambda r, t: r.futex_wait(t.pages, 0),
    "futex_wake": lambda r, t: r.futex_wake(t.pages, 1),
    "futex_waitv": lambda r, t: r.futex_waitv([(t.pages, 0)]),
    "msg_ring": lambda r, t: r.msg_ring(t.ring_fd, 1),
    "msg_ring_fd": lambda r, t: r.msg_ring_fd(t.ring_fd, t.file),
    "provide_buffers": lambda r, t: r.provide_buffers(t.pages, 64, 1),
    "remove_buffers": lambda r, t: r.remove_buffers(1, 1),
    "uring_cmd": lambda r, t: r.uring_cmd(t.fd, 1),
    "nop_result": lambda r, t: r.nop_result(1),
}
