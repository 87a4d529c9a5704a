"""File systems that fail on purpose, where nobody but one thread sees them mounted.

A thread with a mount namespace of its own mounts them and opens files, which all threads can
use. With the thread and the files the mount is gone, whatever becomes of the test.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_MS_PRIVATE_ALL = 0x44000  # MS_REC | MS_PRIVATE


def _check(answer: int, what: str) -> None:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(kind: str, where: Path, options: str = "") -> None:
    """Mount a file system that has no device."""
    _check(_libc.mount(kind.encode(), os.fsencode(where), kind.encode(), 0, options.encode()), f"mount {kind}")


def privately(act: Callable[[], int]) -> int:
    """What `act` returns, in a thread whose mounts are its own; the test is skipped where that is not allowed."""
    found: list[int] = []
    problems: list[BaseException] = []

    def work() -> None:
        try:
            _check(_libc.unshare(_CLONE_NEWNS), "unshare")
            _check(_libc.mount(b"none", b"/", None, _MS_PRIVATE_ALL, None), "making mounts private")
            found.append(act())
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for problem in problems:
        if isinstance(problem, OSError) and problem.errno in (errno.EPERM, errno.EACCES, errno.ENODEV, errno.ENOENT):
            pytest.skip(f"this test mounts a file system: {problem}")
        raise problem
    return found[0]


@contextlib.contextmanager
def small_tmpfs(where: Path, size: int) -> Iterator[int]:
    """A descriptor of an empty file on a tmpfs that has room for `size` bytes."""

    def make() -> int:
        mount("tmpfs", where, f"size={size}")
        return os.open(where / "file", os.O_RDWR | os.O_CREAT)

    fd = privately(make)
    try:
        yield fd
    finally:
        os.close(fd)


# -- a block device whose end is missing -----------------------------------------------------

_LOOP_CTL_GET_FREE, _LOOP_SET_FD, _LOOP_CLR_FD, _BLKFLSBUF = 0x4C82, 0x4C00, 0x4C01, 0x1261


@contextlib.contextmanager
def torn_device(path: Path, size: int, left: int) -> Iterator[int]:
    """A descriptor, with O_DIRECT, of a block device of `size` bytes that has only the first `left`.

    It is a loop device whose file was truncated: the kernel reports EIO for what is missing.
    """
    file = os.open(path, os.O_RDWR)
    try:
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
        device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_DIRECT)
        fcntl.ioctl(device, _LOOP_SET_FD, file)
    except OSError as error:
        os.close(file)
        pytest.skip(f"this test makes a loop device: {error}")
    try:
        assert os.lseek(device, 0, os.SEEK_END) == size
        os.ftruncate(file, left)
        yield device
    finally:
        fcntl.ioctl(device, _LOOP_CLR_FD, 0)
        os.close(device)
        os.close(file)


# -- a file system in Python, by FUSE's own protocol ------------------------------------------

_LOOKUP, _GETATTR, _OPEN, _READ, _WRITE, _RELEASE, _FLUSH, _INIT = 1, 3, 14, 15, 16, 18, 25, 26
_FORGET, _INTERRUPT, _BATCH_FORGET = 2, 36, 42
_ASYNC_READ, _DIRECT_IO = 1, 1


class Fuse:
    """A file system with one file, whose every read and write is answered by the test.

    Args:
        where: an empty folder.
        size: of the file, as far as the kernel is told.
        direct: without the page cache. Then it must not answer with less than it was asked
            for: Linux 6.18 has io_uring read the rest from where it began.
        read: called with offset and length, returns bytes, or the number of an error, or
            None for no answer until `answer_all`.
        write: called with offset and bytes, returns how many were taken, or as `read`.
    """

    def __init__(
        self,
        where: Path,
        size: int,
        read: Callable[[int, int], bytes | int | None] | None = None,
        write: Callable[[int, bytes], int | None] | None = None,
        *,
        direct: bool = False,
    ) -> None:
        self._size = size
        self._read = read
        self._write = write
        self._direct = direct
        #: Requests that wait for their answer, by number.
        self.waiting: list[int] = []
        self._device = -1
        self.fd = privately(lambda: self._mount(where))

    def _mount(self, where: Path) -> int:
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        try:
            mount("fuse", where, f"fd={self._device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}")
        except OSError:
            os.close(self._device)
            raise
        threading.Thread(target=self._serve, daemon=True).start()
        return os.open(where / "file", os.O_RDWR)

    def __enter__(self) -> Fuse:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer_all()
        os.close(self.fd)

    def answer_all(self) -> None:
        """Let what waits fail with EIO."""
        while self.waiting:
            self._reply(self.waiting.pop(), error=errno.EIO)

    def _serve(self) -> None:
        try:
            while True:
                request = os.read(self._device, 1 << 18)
                _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
                self._answer(opcode, unique, node, request[40:])
        except OSError as error:
            if error.errno != errno.ENODEV:  # nothing has it mounted any more
                raise
        finally:
            os.close(self._device)  # then whoever waits for an answer gets an error

    def _reply(self, unique: int, body: bytes = b"", error: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits for it any more
            os.write(self._device, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)

    def _attributes(self, node: int) -> bytes:
        mode, size = (0o40755, 0) if node == 1 else (0o100666, self._size)
        owner = os.getuid(), os.getgid()
        return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, *owner, 0, 4096, 0)

    def _answer(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return
        if opcode == _INIT:
            self._reply(
                unique,
                struct.pack("=IIIIHHIIHHI7I", 7, 31, 1 << 17, _ASYNC_READ, 64, 48, 1 << 17, 1, 32, 0, 0, *[0] * 7),
            )
        elif opcode == _LOOKUP:
            self._reply(unique, struct.pack("=QQQQII", 2, 0, 3600, 3600, 0, 0) + self._attributes(2))
        elif opcode == _GETATTR:
            self._reply(unique, struct.pack("=QII", 3600, 0, 0) + self._attributes(node))
        elif opcode == _OPEN:
            self._reply(unique, struct.pack("=QII", 1, _DIRECT_IO if self._direct else 0, 0))
        elif opcode == _READ and self._read is not None:
            _, offset, size = struct.unpack_from("=QQI", body)
            self._answer_transfer(unique, self._read(offset, size))
        elif opcode == _WRITE and self._write is not None:
            _, offset, size = struct.unpack_from("=QQI", body)
            taken = self._write(offset, body[40 : 40 + size])
            self._answer_transfer(unique, struct.pack("=II", taken, 0) if taken is not None and taken > 0 else taken)
        else:
            self._reply(unique, error=0 if opcode in (_RELEASE, _FLUSH) else errno.ENOSYS)

    def _answer_transfer(self, unique: int, answer: bytes | int | None) -> None:
        if answer is None:
            self.waiting.append(unique)
        elif isinstance(answer, int):
            self._reply(unique, error=abs(answer))
        else:
            self._reply(unique, answer)
