"""Bad arguments: the exception that a Python programmer expects, and nothing queued."""

from __future__ import annotations

import errno
import math
import mmap
import os
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from specs import SPECS
from specs.kit import Call, Things

import pyuring
from pyuring import Completion, Ring, SetupFlags, SqeFlags
from pyuring.completion import Handle

NAN = math.nan
MAP_NORESERVE = 0x4000  # not in mmap before Python 3.13


@pytest.fixture
def things(ring: Ring, data_file: int, sockets: tuple[socket.socket, socket.socket]) -> Things:
    return Things(ring, data_file, sockets[0])


def assert_refused(things: Things, kind: type[Exception] | tuple[type[Exception], ...], call: Call) -> Exception:
    """`call` raises `kind`, queues nothing, leaves no export behind and spoils nothing."""
    ring = things.ring
    pending = ring.nop(user_data="pending")
    before = ring.in_flight, ring._c.ring.sq.sqe_tail
    caught: Exception | None = None
    try:
        call(things)
    except kind as error:
        # Still being handled: the traceback has the frames of pyuring alive.
        things.buffer.append(0)
        caught = error
    assert caught is not None, f"nothing raised, {kind} expected"
    assert (ring.in_flight, ring._c.ring.sq.sqe_tail) == before
    things.buffer.append(0)
    good = ring.nop(user_data="good")
    while not good.done:
        assert {op.user_data for op in ring.wait(2, timeout=10)} <= {"pending", "good"}
    assert pending.result() == good.result() == 0
    assert ring.in_flight == 0
    return caught


# -- descriptors ------------------------------------------------------------------------

FILE_METHODS: dict[str, Callable[[Ring, Any, Things], Handle]] = {
    "read": lambda r, fd, t: r.read(fd, 1),
    "readinto": lambda r, fd, t: r.readinto(fd, t.buffer),
    "write": lambda r, fd, t: r.write(fd, t.buffer),
    "readv": lambda r, fd, t: r.readv(fd, [t.buffer]),
    "writev": lambda r, fd, t: r.writev(fd, [t.buffer]),
    "fsync": lambda r, fd, t: r.fsync(fd),
    "fdatasync": lambda r, fd, t: r.fdatasync(fd),
    "fallocate": lambda r, fd, t: r.fallocate(fd, 0, 1),
    "ftruncate": lambda r, fd, t: r.ftruncate(fd, 1),
    "close_fd": lambda r, fd, t: r.close_fd(fd),
    "poll": lambda r, fd, t: r.poll(fd),
    "accept": lambda r, fd, t: r.accept(fd),
    "connect": lambda r, fd, t: r.connect(fd, ("127.0.0.1", 9)),
    "send": lambda r, fd, t: r.send(fd, t.buffer),
    "recv": lambda r, fd, t: r.recv(fd, 1),
    "recv_into": lambda r, fd, t: r.recv_into(fd, t.buffer),
    "shutdown": lambda r, fd, t: r.shutdown(fd, 0),
    "open's dir_fd": lambda r, fd, t: r.open("x", dir_fd=fd),
    "statx": lambda r, fd, t: r.statx(fd),
    "statx's dir_fd": lambda r, fd, t: r.statx("x", dir_fd=fd),
    "unlink's dir_fd": lambda r, fd, t: r.unlink("x", dir_fd=fd),
    "rename's src_dir_fd": lambda r, fd, t: r.rename("x", "y", src_dir_fd=fd),
    "rename's dst_dir_fd": lambda r, fd, t: r.rename("x", "y", dst_dir_fd=fd),
    "mkdir's dir_fd": lambda r, fd, t: r.mkdir("x", dir_fd=fd),
}
FILE_METHODS |= {spec.name: spec.on_file for spec in SPECS if spec.on_file}
NO_REGISTERED_FILE = {spec.name for spec in SPECS if spec.on_file and not spec.takes_registered_file}
each_file_method = pytest.mark.parametrize("method", FILE_METHODS)


@each_file_method
@pytest.mark.parametrize("number", [-1, -2, -100, -(2**31), 2**31, 2**40])
def test_a_number_that_is_no_descriptor_is_both_a_bad_descriptor_and_a_bad_value(
    things: Things, method: str, number: int
) -> None:
    error = assert_refused(
        things, pyuring.BadDescriptorError, lambda t: FILE_METHODS[method](t.ring, number, t)
    )  # fmt: skip
    assert isinstance(error, OSError)
    assert isinstance(error, ValueError)
    assert error.errno == errno.EBADF
    assert str(number) in str(error)


@each_file_method
@pytest.mark.parametrize("number", [2**63, 2**70, -(2**70)])
def test_a_number_beyond_any_c_type_is_refused(things: Things, method: str, number: int) -> None:
    kinds = (OverflowError, pyuring.BadDescriptorError)
    assert_refused(things, kinds, lambda t: FILE_METHODS[method](t.ring, number, t))


class Fileno:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fileno(self) -> Any:
        return self.answer


NO_FILES = ["5", 1.5, b"x", object(), [3], Fileno("3"), Fileno(None), Fileno(2.0), None]


@pytest.mark.parametrize(
    ("method", "thing"),
    [
        (method, thing)
        for method in FILE_METHODS
        for thing in NO_FILES
        # A path, and the current directory.
        if not (method == "statx" and isinstance(thing, str | bytes)) and not ("dir_fd" in method and thing is None)
    ],
)
def test_something_without_a_descriptor_is_a_typeerror(things: Things, method: str, thing: object) -> None:
    assert_refused(things, TypeError, lambda t: FILE_METHODS[method](t.ring, thing, t))


@each_file_method
def test_a_closed_file_or_socket_object_is_refused(things: Things, method: str) -> None:
    with open(os.devnull, "rb") as file:
        pass
    error = assert_refused(things, ValueError, lambda t: FILE_METHODS[method](t.ring, file, t))
    assert "closed file" in str(error)
    sock = socket.socket()
    sock.close()
    assert_refused(things, pyuring.BadDescriptorError, lambda t: FILE_METHODS[method](t.ring, sock, t))


@pytest.mark.parametrize(
    "method",
    [name for name in FILE_METHODS if "dir_fd" in name or name == "statx" or name in NO_REGISTERED_FILE],
)
def test_a_registered_file_is_refused_where_a_real_descriptor_is_needed(things: Things, method: str) -> None:
    files = things.ring.register_files([things.fd])
    assert_refused(things, TypeError, lambda t: FILE_METHODS[method](t.ring, files[0], t))


# -- buffers ------------------------------------------------------------------------------

READERS: dict[str, Callable[[Things, Any], Completion[Any]]] = {
    "readinto": lambda t, b: t.ring.readinto(t.fd, b),
    "readv": lambda t, b: t.ring.readv(t.fd, [t.buffer, b, t.buffer]),
    "recv_into": lambda t, b: t.ring.recv_into(t.sock, b),
    "recvfrom_into": lambda t, b: t.ring.recvfrom_into(t.sock, b),
    "recvmsg_into": lambda t, b: t.ring.recvmsg_into(t.sock, [t.buffer, b, t.buffer]),
}
WRITERS: dict[str, Callable[[Things, Any], Completion[Any]]] = {
    "write": lambda t, b: t.ring.write(t.fd, b),
    "writev": lambda t, b: t.ring.writev(t.fd, [t.buffer, b, t.buffer]),
    "send": lambda t, b: t.ring.send(t.sock, b),
    "sendto": lambda t, b: t.ring.sendto(t.sock, b, "/path"),
    "send_zc": lambda t, b: t.ring.send_zc(t.sock, b),
    "sendmsg": lambda t, b: t.ring.sendmsg(t.sock, [t.buffer, b, t.buffer]),
    "sendmsg_zc": lambda t, b: t.ring.sendmsg_zc(t.sock, [t.buffer, b, t.buffer]),
}


def read_only_mapping() -> mmap.mmap:
    with open(__file__, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@pytest.mark.parametrize("method", READERS)
@pytest.mark.parametrize(
    "make",
    [lambda: b"bytes", lambda: memoryview(b"bytes"), lambda: memoryview(bytearray(8)).toreadonly(), read_only_mapping],
    ids=["bytes", "memoryview", "read-only view", "read-only mapping"],
)
def test_read_only_memory_is_never_read_into(things: Things, method: str, make: Callable[[], Any]) -> None:
    buffer = make()
    content = bytes(buffer)
    error = assert_refused(things, TypeError, lambda t: READERS[method](t, buffer))
    assert "read-only" in str(error)
    assert "writable" in str(error)
    assert bytes(buffer) == content


@pytest.mark.parametrize("method", [*READERS, *WRITERS])
def test_memory_in_pieces_is_refused(things: Things, method: str) -> None:
    pieces = memoryview(things.other)[::2]
    error = assert_refused(things, BufferError, lambda t: (READERS | WRITERS)[method](t, pieces))
    assert "contiguous" in str(error)
    pieces.release()
    things.other.append(0)


@pytest.mark.parametrize("method", [*READERS, *WRITERS])
@pytest.mark.parametrize("thing", ["text", 5, None, object(), [1, 2], 1.5], ids=repr)
def test_what_is_not_bytes_like_is_a_typeerror(things: Things, method: str, thing: object) -> None:
    error = assert_refused(things, TypeError, lambda t: (READERS | WRITERS)[method](t, thing))
    assert type(thing).__name__ in str(error)


def test_a_released_memoryview_is_refused(things: Things) -> None:
    view = memoryview(things.other)
    view.release()
    for method in READERS | WRITERS:
        assert_refused(things, ValueError, lambda t, method=method: (READERS | WRITERS)[method](t, view))  # type: ignore[misc]


def test_a_closed_mapping_is_refused(things: Things) -> None:
    mapping = mmap.mmap(-1, 4096)
    mapping.close()
    for method in READERS | WRITERS:
        assert_refused(things, ValueError, lambda t, method=method: (READERS | WRITERS)[method](t, mapping))  # type: ignore[misc]


@pytest.fixture
def two_gib() -> Iterator[mmap.mmap]:
    """2 GiB that are never touched, and so cost nothing."""
    with mmap.mmap(-1, 2**31, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE) as mapping:
        yield mapping


@pytest.mark.parametrize("method", ["readinto", "recv_into", "recvfrom_into", "write", "send", "sendto", "send_zc"])
def test_a_buffer_longer_than_one_sqe_transfers_is_refused(things: Things, method: str, two_gib: mmap.mmap) -> None:
    error = assert_refused(things, ValueError, lambda t: (READERS | WRITERS)[method](t, two_gib))
    assert str(2**31 - 1) in str(error)
    assert str(2**31) in str(error)


# -- one bad argument each ---------------------------------------------------------------------

CASES: dict[str, tuple[type[Exception], Call]] = {
    # lengths
    "read of less than nothing": (ValueError, lambda t: t.ring.read(t.fd, -1)),
    "read of 2 GiB": (ValueError, lambda t: t.ring.read(t.fd, 2**31)),
    "read of 2**64": (ValueError, lambda t: t.ring.read(t.fd, 2**64)),
    "read of text": (TypeError, lambda t: t.ring.read(t.fd, "5")),  # type: ignore[arg-type]
    "read of a fraction": (TypeError, lambda t: t.ring.read(t.fd, 1.5)),  # type: ignore[arg-type]
    "recv of less than nothing": (ValueError, lambda t: t.ring.recv(t.sock, -1)),
    "recv of 2 GiB": (ValueError, lambda t: t.ring.recv(t.sock, 2**31)),
    "recv of text": (TypeError, lambda t: t.ring.recv(t.sock, "5")),  # type: ignore[arg-type]
    "recv_into more than the buffer": (ValueError, lambda t: t.ring.recv_into(t.sock, t.buffer, 4097)),
    "recv_into less than nothing": (ValueError, lambda t: t.ring.recv_into(t.sock, t.buffer, -1)),
    "recv_into text bytes": (TypeError, lambda t: t.ring.recv_into(t.sock, t.buffer, "1")),  # type: ignore[arg-type]
    "recv_into a bundle of one's own buffer": (TypeError, lambda t: t.ring.recv_into(t.sock, t.buffer, bundle=True)),
    "recv_into a bundle of some bytes": (
        ValueError,
        lambda t: t.ring.recv_into(t.sock, t.ring.buffer_ring(4, 16), 5, bundle=True),
    ),
    "recv_into a bundle to look at": (
        ValueError,
        lambda t: t.ring.recv_into(t.sock, t.ring.buffer_ring(4, 16), 0, socket.MSG_PEEK, bundle=True),
    ),
    "recv_into a bundle that is full": (
        ValueError,
        lambda t: t.ring.recv_into(t.sock, t.ring.buffer_ring(4, 16), 0, socket.MSG_WAITALL, bundle=True),
    ),
    # vectors
    "readv without a list": (TypeError, lambda t: t.ring.readv(t.fd, 5)),  # type: ignore[arg-type]
    "readv of bytes": (TypeError, lambda t: t.ring.readv(t.fd, b"ab")),
    "readv of too many": (ValueError, lambda t: t.ring.readv(t.fd, [t.buffer] * 1025)),
    "writev of too many": (ValueError, lambda t: t.ring.writev(t.fd, [t.buffer] * 1025)),
    "writev of text": (TypeError, lambda t: t.ring.writev(t.fd, "ab")),
    # files
    "fallocate at -1": (ValueError, lambda t: t.ring.fallocate(t.fd, -1, 5)),
    "fallocate of nothing": (ValueError, lambda t: t.ring.fallocate(t.fd, 0, 0)),
    "fallocate of less": (ValueError, lambda t: t.ring.fallocate(t.fd, 0, -5)),
    "fallocate too far": (OverflowError, lambda t: t.ring.fallocate(t.fd, 2**63, 5)),
    "fallocate too much": (OverflowError, lambda t: t.ring.fallocate(t.fd, 0, 2**63)),
    "fallocate in a mode of text": (TypeError, lambda t: t.ring.fallocate(t.fd, 0, 5, "0")),  # type: ignore[arg-type]
    "fallocate at text": (TypeError, lambda t: t.ring.fallocate(t.fd, "0", 5)),  # type: ignore[arg-type]
    "ftruncate to -1": (ValueError, lambda t: t.ring.ftruncate(t.fd, -1)),
    "ftruncate too far": (OverflowError, lambda t: t.ring.ftruncate(t.fd, 2**63)),
    "ftruncate to text": (TypeError, lambda t: t.ring.ftruncate(t.fd, "0")),  # type: ignore[arg-type]
    # paths
    "open of a NUL": (ValueError, lambda t: t.ring.open("a\0b")),
    "open of a NUL in bytes": (ValueError, lambda t: t.ring.open(b"a\0b")),
    "open of a number": (TypeError, lambda t: t.ring.open(5)),  # type: ignore[arg-type]
    "open of nothing": (TypeError, lambda t: t.ring.open(None)),  # type: ignore[arg-type]
    "open with the mode of a file object": (TypeError, lambda t: t.ring.open("x", "rb")),  # type: ignore[arg-type]
    "open with flags too large": (OverflowError, lambda t: t.ring.open("x", 2**40)),
    "open with a mode below 0": (OverflowError, lambda t: t.ring.open("x", os.O_CREAT, -1)),
    "statx of a NUL": (ValueError, lambda t: t.ring.statx("a\0b")),
    "statx with a mask below 0": (OverflowError, lambda t: t.ring.statx("x", mask=-1)),
    "unlink of a NUL": (ValueError, lambda t: t.ring.unlink("a\0b")),
    "unlink of a number": (TypeError, lambda t: t.ring.unlink(5)),  # type: ignore[arg-type]
    "rename from a NUL": (ValueError, lambda t: t.ring.rename("a\0b", "x")),
    "rename to a NUL": (ValueError, lambda t: t.ring.rename("x", "a\0b")),
    "rename to a number": (TypeError, lambda t: t.ring.rename("x", 5)),  # type: ignore[arg-type]
    "mkdir of a NUL": (ValueError, lambda t: t.ring.mkdir("a\0b")),
    "mkdir of a number": (TypeError, lambda t: t.ring.mkdir(5)),  # type: ignore[arg-type]
    "mkdir with a mode of text": (TypeError, lambda t: t.ring.mkdir("x", "rwx")),  # type: ignore[arg-type]
    "mkdir with a mode below 0": (OverflowError, lambda t: t.ring.mkdir("x", -1)),
    # readiness, time, other operations
    "poll for less than nothing": (OverflowError, lambda t: t.ring.poll(t.fd, -1)),
    "poll for more than 32 bits": (OverflowError, lambda t: t.ring.poll(t.fd, 2**32)),
    "poll for text": (TypeError, lambda t: t.ring.poll(t.fd, "in")),  # type: ignore[arg-type]
    "timeout of -1": (ValueError, lambda t: t.ring.timeout(-1)),
    "timeout of -0.001": (ValueError, lambda t: t.ring.timeout(-0.001)),
    "timeout of NaN": (ValueError, lambda t: t.ring.timeout(NAN)),
    "timeout of an eternity": (ValueError, lambda t: t.ring.timeout(1e300)),
    "timeout of infinity": (ValueError, lambda t: t.ring.timeout(math.inf)),
    "timeout of text": (TypeError, lambda t: t.ring.timeout("1")),  # type: ignore[arg-type]
    "timeout of None": (TypeError, lambda t: t.ring.timeout(None)),  # type: ignore[arg-type]
    "timeout of a count below 0": (OverflowError, lambda t: t.ring.timeout(1, count=-1)),
    "timeout of a count of text": (TypeError, lambda t: t.ring.timeout(1, count="1")),  # type: ignore[arg-type]
    "cancel of nothing": (TypeError, lambda t: t.ring.cancel(None)),  # type: ignore[arg-type]
    "cancel of a number": (TypeError, lambda t: t.ring.cancel(5)),  # type: ignore[arg-type]
    # sockets
    "socket of text": (TypeError, lambda t: t.ring.socket("inet")),  # type: ignore[arg-type]
    "socket of a large family": (OverflowError, lambda t: t.ring.socket(2**40)),
    "accept with text": (TypeError, lambda t: t.ring.accept(t.sock, "x")),  # type: ignore[arg-type]
    "send with text": (TypeError, lambda t: t.ring.send(t.sock, t.buffer, "x")),  # type: ignore[arg-type]
    "send with large flags": (OverflowError, lambda t: t.ring.send(t.sock, t.buffer, 2**40)),
    "recv with text": (TypeError, lambda t: t.ring.recv(t.sock, 1, "x")),  # type: ignore[arg-type]
    "recv_into with text": (TypeError, lambda t: t.ring.recv_into(t.sock, t.buffer, 1, "x")),  # type: ignore[arg-type]
    "shutdown with text": (TypeError, lambda t: t.ring.shutdown(t.sock, "wr")),  # type: ignore[arg-type]
    # the ring itself
    "wait for less than nothing": (ValueError, lambda t: t.ring.wait(-1)),
    "wait for text": (TypeError, lambda t: t.ring.wait("1")),  # type: ignore[arg-type]
    "wait for -1 s": (ValueError, lambda t: t.ring.wait(1, timeout=-1)),
    "wait for NaN": (ValueError, lambda t: t.ring.wait(1, timeout=NAN)),
    "wait for an eternity": (ValueError, lambda t: t.ring.wait(1, timeout=1e300)),
    "wait for a time of text": (TypeError, lambda t: t.ring.wait(1, timeout="1")),  # type: ignore[arg-type]
    "submit_and_wait for less than nothing": (ValueError, lambda t: t.ring.submit_and_wait(-1)),
    "submit_and_wait for -1 s": (ValueError, lambda t: t.ring.submit_and_wait(1, timeout=-1)),
    "submit_and_wait for NaN": (ValueError, lambda t: t.ring.submit_and_wait(1, NAN)),
    # registration
    "register_buffers of nothing": (TypeError, lambda t: t.ring.register_buffers()),
    "register_buffers of both kinds": (TypeError, lambda t: t.ring.register_buffers([t.buffer], count=1, size=1)),
    "register_buffers without size": (TypeError, lambda t: t.ring.register_buffers(count=1)),
    "register_buffers without count": (TypeError, lambda t: t.ring.register_buffers(size=1)),
    "register_buffers of 0": (ValueError, lambda t: t.ring.register_buffers(count=0, size=4096)),
    "register_buffers of -1": (ValueError, lambda t: t.ring.register_buffers(count=-1, size=4096)),
    "register_buffers of size 0": (ValueError, lambda t: t.ring.register_buffers(count=1, size=0)),
    "register_buffers of size -1": (ValueError, lambda t: t.ring.register_buffers(count=1, size=-1)),
    "register_buffers over 1 GiB": (ValueError, lambda t: t.ring.register_buffers(count=1, size=2**30 + 1)),
    "register_buffers of text": (TypeError, lambda t: t.ring.register_buffers(count="1", size=1)),  # type: ignore[arg-type]
    "register_buffers of an empty list": (ValueError, lambda t: t.ring.register_buffers([])),
    "register_buffers of too many": (ValueError, lambda t: t.ring.register_buffers([t.buffer] * 16385)),
    "register_buffers of an empty buffer": (ValueError, lambda t: t.ring.register_buffers([t.buffer, bytearray()])),
    "register_buffers of read-only": (TypeError, lambda t: t.ring.register_buffers([t.buffer, b"read-only"])),
    "register_buffers of a number": (TypeError, lambda t: t.ring.register_buffers([t.buffer, 5])),
    "register_buffers of no list": (TypeError, lambda t: t.ring.register_buffers(5)),  # type: ignore[arg-type]
    "register_files of nothing": (TypeError, lambda t: t.ring.register_files()),
    "register_files of both kinds": (TypeError, lambda t: t.ring.register_files([t.fd], sparse=1)),
    "register_files of an empty list": (ValueError, lambda t: t.ring.register_files([])),
    "register_files of -1": (ValueError, lambda t: t.ring.register_files([t.fd, -1])),
    "register_files of text": (TypeError, lambda t: t.ring.register_files(["x"])),
    "register_files of no list": (TypeError, lambda t: t.ring.register_files(5)),  # type: ignore[arg-type]
    "register_files of 0": (ValueError, lambda t: t.ring.register_files(sparse=0)),
    "register_files of less": (ValueError, lambda t: t.ring.register_files(sparse=-1)),
    "register_files of too many": (ValueError, lambda t: t.ring.register_files(sparse=2**24)),
    "register_files of text slots": (TypeError, lambda t: t.ring.register_files(sparse="1")),  # type: ignore[arg-type]
    "register_files of the ring": (OSError, lambda t: t.ring.register_files([t.ring])),
}


CASES |= {f"{spec.name}: {what}": case for spec in SPECS for what, case in spec.refused.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_argument_raises_and_queues_nothing(things: Things, case: str) -> None:
    kind, call = CASES[case]
    assert_refused(things, kind, call)


OFFSETS: dict[str, Callable[[Things, Any], object]] = {
    "read": lambda t, offset: t.ring.read(t.fd, 1, offset),
    "readinto": lambda t, offset: t.ring.readinto(t.fd, t.buffer, offset),
    "write": lambda t, offset: t.ring.write(t.fd, t.buffer, offset),
    "write of bytes": lambda t, offset: t.ring.write(t.fd, b"x", offset),
    "readv": lambda t, offset: t.ring.readv(t.fd, [t.buffer, t.buffer], offset),
    "writev": lambda t, offset: t.ring.writev(t.fd, [t.buffer, b"x"], offset),
}


@pytest.mark.parametrize("method", OFFSETS)
@pytest.mark.parametrize(
    ("offset", "kind"),
    [
        (-2, ValueError), (-(2**63), ValueError), (2**63, OverflowError), (2**64 - 1, OverflowError),
        (-(2**63) - 1, OverflowError), (1.0, TypeError), ("0", TypeError), (None, TypeError),
    ],
)  # fmt: skip
def test_an_offset_that_no_file_has_is_refused(
    things: Things, method: str, offset: object, kind: type[Exception]
) -> None:
    error = assert_refused(things, kind, lambda t: OFFSETS[method](t, offset))
    if kind is ValueError:
        assert str(offset) in str(error)
    if kind is OverflowError:
        assert "2**63-1" in "".join(error.__notes__)


@pytest.mark.parametrize("offset", [-2, 2**63, "0"])
def test_a_registered_buffer_stays_registered_when_its_operation_is_refused(things: Things, offset: Any) -> None:
    ring, registered = things.ring, bytearray(4096)
    buffers = ring.register_buffers([registered])
    assert_refused(things, Exception, lambda t: t.ring.readinto(t.fd, buffers[0], offset))
    assert_refused(things, Exception, lambda t: t.ring.write(t.fd, buffers[0], offset))
    assert_refused(things, Exception, lambda t: t.ring.send(t.sock, buffers[0], "flags"))  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        registered.append(0)
    assert ring.readinto(things.fd, buffers[0], 0).result() == 4096
    assert registered == os.pread(things.fd, 4096, 0)


# -- keywords of all operations ---------------------------------------------------------------

METHODS: dict[str, Callable[..., Handle]] = {
    "nop": lambda t, **k: t.ring.nop(**k),
    "read": lambda t, **k: t.ring.read(t.fd, 1, **k),
    "readinto": lambda t, **k: t.ring.readinto(t.fd, t.buffer, **k),
    "write": lambda t, **k: t.ring.write(t.fd, t.buffer, **k),
    "readv": lambda t, **k: t.ring.readv(t.fd, [t.buffer, t.buffer], **k),
    "writev": lambda t, **k: t.ring.writev(t.fd, [t.buffer, b"x"], **k),
    "fsync": lambda t, **k: t.ring.fsync(t.fd, **k),
    "fdatasync": lambda t, **k: t.ring.fdatasync(t.fd, **k),
    "fallocate": lambda t, **k: t.ring.fallocate(t.fd, 0, 1, **k),
    "ftruncate": lambda t, **k: t.ring.ftruncate(t.fd, 1, **k),
    "open": lambda t, **k: t.ring.open("x", **({"sqe_flags" if n == "flags" else n: v for n, v in k.items()})),
    "close_fd": lambda t, **k: t.ring.close_fd(1_000_000, **k),
    "statx": lambda t, **k: t.ring.statx("x", **k),
    "unlink": lambda t, **k: t.ring.unlink("x", **k),
    "rename": lambda t, **k: t.ring.rename("x", "y", **k),
    "mkdir": lambda t, **k: t.ring.mkdir("x", **k),
    "poll": lambda t, **k: t.ring.poll(t.fd, **k),
    "timeout": lambda t, **k: t.ring.timeout(1, **k),
    "cancel": lambda t, **k: t.ring.cancel(t.ring.nop(), **k),
    "socket": lambda t, **k: t.ring.socket(**k),
    "accept": lambda t, **k: t.ring.accept(t.sock, **k),
    "connect": lambda t, **k: t.ring.connect(t.sock, "/path", **k),
    "send": lambda t, **k: t.ring.send(t.sock, t.buffer, **k),
    "recv": lambda t, **k: t.ring.recv(t.sock, 1, **k),
    "recv_into": lambda t, **k: t.ring.recv_into(t.sock, t.buffer, **k),
    "shutdown": lambda t, **k: t.ring.shutdown(t.sock, 0, **k),
}
METHODS |= {spec.name: spec.prepare for spec in SPECS}
LACKING = {spec.name: spec.lacks for spec in SPECS} | {"timeout": frozenset({"timeout"})}
each_method = pytest.mark.parametrize("method", METHODS)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "cancel" and "timeout" not in LACKING.get(m, ())])
@pytest.mark.parametrize(
    ("seconds", "kind"),
    [
        (-1, ValueError), (-1e-9, ValueError), (NAN, ValueError), (-math.inf, ValueError), (math.inf, ValueError),
        ("1", TypeError),
    ],
)  # fmt: skip
def test_a_time_limit_that_is_none_is_refused(things: Things, method: str, seconds: Any, kind: type[Exception]) -> None:
    error = assert_refused(things, kind, lambda t: METHODS[method](t, timeout=seconds))
    if kind is ValueError:
        assert re.match(f"timeout .*{seconds!r}", str(error))
    assert "offset" not in "".join([str(error), *getattr(error, "__notes__", [])])


@pytest.mark.parametrize("method", [method for method in METHODS if method != "cancel"])
@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (SqeFlags.IO_LINK, ValueError), (SqeFlags.IO_HARDLINK, ValueError), (SqeFlags.FIXED_FILE, ValueError),
        (SqeFlags.BUFFER_SELECT, ValueError), (SqeFlags.CQE_SKIP_SUCCESS | SqeFlags.ASYNC, ValueError),
        (1 << 7, ValueError), (1 << 40, ValueError), (-1, ValueError), ("ASYNC", TypeError), (1.5, TypeError),
    ],
)  # fmt: skip
def test_flags_that_would_break_a_single_operation_are_refused(
    things: Things, method: str, flags: Any, kind: type[Exception]
) -> None:
    assert_refused(things, kind, lambda t: METHODS[method](t, flags=flags))


@each_method
def test_an_unknown_keyword_is_a_typeerror(things: Things, method: str) -> None:
    if method == "cancel":
        with pytest.raises(TypeError):
            METHODS[method](things, offsett=5)
        return
    assert_refused(things, TypeError, lambda t: METHODS[method](t, offsett=5))


# -- a ring that is closed ----------------------------------------------------------------------


@each_method
def test_an_operation_on_a_closed_ring_is_a_runtimeerror(things: Things, method: str) -> None:
    target = things.ring.nop()
    things.ring.close()
    with pytest.raises(RuntimeError, match="closed"):
        if method == "cancel":
            things.ring.cancel(target)
        else:
            METHODS[method](things)
    assert things.ring.in_flight == 0
    things.buffer.append(0)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.submit(), lambda r: r.wait(), lambda r: r.wait(0), lambda r: r.wait(1, timeout=1),
        lambda r: r.submit_and_wait(), lambda r: r.completions(), lambda r: r.link().__enter__(),
        lambda r: r.__enter__(), lambda r: r.register_buffers(count=1, size=1),
        lambda r: r.register_buffers([bytearray(1)]), lambda r: r.register_files([0]),
        lambda r: r.register_files(sparse=1),
    ],
)  # fmt: skip
def test_everything_else_on_a_closed_ring_is_a_runtimeerror_too(call: Callable[[Ring], object]) -> None:
    ring = Ring(8)
    ring.close()
    with pytest.raises(RuntimeError, match="closed"):
        call(ring)


def test_a_closed_ring_has_no_descriptor() -> None:
    ring = Ring(8)
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        ring.fileno()


def test_registering_on_a_closed_ring_leaves_no_export_behind() -> None:
    ring, buffer = Ring(8), bytearray(10)
    ring.close()
    try:
        ring.register_buffers([buffer])
    except RuntimeError:
        buffer.append(0)
    assert len(buffer) == 11


# -- making a ring ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [0, -1, 32769, 10**9, 2**40, -(2**40)])
def test_entries_that_no_ring_has_are_a_valueerror(entries: int) -> None:
    with pytest.raises(ValueError, match="32768"):
        Ring(entries)


@pytest.mark.parametrize("entries", ["8", None, 8.0, b"8", [8]])
def test_entries_that_are_no_int_are_a_typeerror(entries: Any) -> None:
    with pytest.raises(TypeError):
        Ring(entries)


@pytest.mark.parametrize("cq_entries", [0, -1, 7, 65537, 10**9])
def test_cq_entries_that_no_ring_has_are_a_valueerror(cq_entries: int) -> None:
    with pytest.raises(ValueError, match="65536"):
        Ring(8, cq_entries=cq_entries)


@pytest.mark.parametrize(
    "setup",
    [
        SetupFlags.CQSIZE, SetupFlags.SQ_AFF | SetupFlags.SQPOLL, SetupFlags.NO_SQARRAY, SetupFlags.ATTACH_WQ,
        SetupFlags.HYBRID_IOPOLL, SetupFlags.CQE32 | SetupFlags.CQE_MIXED, SetupFlags.NO_MMAP,
        SetupFlags.REGISTERED_FD_ONLY, SetupFlags.DEFER_TASKRUN, SetupFlags.TASKRUN_FLAG, -1,
        SetupFlags.SQPOLL | SetupFlags.DEFER_TASKRUN | SetupFlags.SINGLE_ISSUER, 1 << 30,
    ],
)  # fmt: skip
def test_setup_flags_that_cannot_be_are_a_valueerror(setup: int) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        Ring(8, setup=setup)


def test_the_arguments_of_an_sqpoll_thread_need_sqpoll() -> None:
    with pytest.raises(ValueError, match="SQPOLL"):
        Ring(8, sq_thread_idle=10)
    with pytest.raises(ValueError, match="SQPOLL"):
        Ring(8, sq_thread_cpu=0)
    with pytest.raises(OverflowError):
        Ring(8, setup=SetupFlags.SQPOLL, sq_thread_idle=-1)
    with pytest.raises(ValueError, match=r"\w+"):
        Ring(8, setup=SetupFlags.SQPOLL, sq_thread_cpu=100_000)


def test_a_ring_that_could_not_be_made_leaves_nothing_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for setup in (SetupFlags.DEFER_TASKRUN, SetupFlags.TASKRUN_FLAG):
        with pytest.raises(ValueError):
            Ring(8, setup=setup)
    assert len(os.listdir("/proc/self/fd")) == before


# -- registered things ---------------------------------------------------------------------------------


def test_registering_twice_is_a_runtimeerror_and_changes_nothing(things: Things) -> None:
    ring, registered = things.ring, bytearray(64)
    buffers, files = ring.register_buffers([registered]), ring.register_files([things.fd])
    for call in (
        lambda t: t.ring.register_buffers([t.buffer]),
        lambda t: t.ring.register_buffers(count=1, size=1),
        lambda t: t.ring.register_files([t.fd]),
        lambda t: t.ring.register_files(sparse=1),
    ):
        assert_refused(things, RuntimeError, call)
    assert ring.readinto(files[0], buffers[0], 0).result() == 64
    assert registered == os.pread(things.fd, 64, 0)


@pytest.mark.parametrize("index", [3, -4, 10**9, -(10**20), 2**70])
def test_an_index_out_of_range_is_an_indexerror(things: Things, index: int) -> None:
    buffers = things.ring.register_buffers(count=3, size=64)
    files = things.ring.register_files(sparse=3)
    assert_refused(things, IndexError, lambda t: buffers[index])
    assert_refused(things, IndexError, lambda t: files[index])
    assert_refused(things, IndexError, lambda t: files.update(index, t.fd))


@pytest.mark.parametrize("index", ["0", None, 1.5])
def test_an_index_that_is_no_int_is_a_typeerror(things: Things, index: Any) -> None:
    buffers = things.ring.register_buffers(count=3, size=64)
    files = things.ring.register_files(sparse=3)
    assert_refused(things, TypeError, lambda t: buffers[index])
    assert_refused(things, TypeError, lambda t: files[index])
    assert_refused(things, TypeError, lambda t: files.update(index, t.fd))
    assert_refused(things, TypeError, lambda t: buffers[0][index])


def test_a_registered_buffer_is_cut_with_a_plain_slice_only(things: Things) -> None:
    buffers = things.ring.register_buffers(count=1, size=64)
    assert_refused(things, TypeError, lambda t: buffers[0][5])  # type: ignore[index]
    assert_refused(things, ValueError, lambda t: buffers[0][::2])
    assert_refused(things, ValueError, lambda t: buffers[0][::-1])


@pytest.mark.parametrize(
    ("file", "kind"),
    [(-1, pyuring.BadDescriptorError), (2**31, pyuring.BadDescriptorError), ("x", TypeError), (1_000_000, OSError)],
)
def test_a_slot_is_not_filled_with_what_is_no_file(things: Things, file: Any, kind: type[Exception]) -> None:
    files = things.ring.register_files([things.fd, things.fd])
    assert_refused(things, kind, lambda t: files.update(0, file))
    assert things.ring.read(files[0], 5, 0).result() == os.pread(things.fd, 5, 0)


def test_things_registered_with_another_ring_are_a_valueerror(things: Things) -> None:
    with Ring(8) as other:
        buffers, files = other.register_buffers(count=2, size=64), other.register_files([things.fd])
        for _ in range(2):  # the second time with a table of its own
            for call in (
                lambda t: t.ring.read(files[0], 1),
                lambda t: t.ring.fsync(files[0]),
                lambda t: t.ring.recv(files[0], 1),
                lambda t: t.ring.readinto(t.fd, buffers[1]),
                lambda t: t.ring.write(t.fd, buffers[1]),
                lambda t: t.ring.send(t.sock, buffers[1]),
                lambda t: t.ring.recv_into(t.sock, buffers[1]),
                lambda t: t.ring.recvfrom_into(t.sock, buffers[1]),
                lambda t: t.ring.sendto(t.sock, buffers[1], "/path"),
                lambda t: t.ring.send_zc(t.sock, buffers[1]),
            ):
                assert_refused(things, ValueError, call)
            if _ == 0:
                things.ring.register_buffers(count=2, size=64)
                things.ring.register_files([things.fd])


def test_things_that_were_unregistered_are_a_valueerror(things: Things) -> None:
    ring = things.ring
    buffers, files = ring.register_buffers([things.other, bytearray(9)]), ring.register_files([things.fd])
    buffer, part, file = buffers[0], buffers[0][5:9], files[0]
    buffers.unregister()
    files.unregister()
    for call in (
        lambda t: t.ring.read(file, 1),
        lambda t: t.ring.fsync(file),
        lambda t: files.update(0, t.fd),
        lambda t: t.ring.readinto(t.fd, buffer),
        lambda t: t.ring.write(t.fd, buffer),
        lambda t: t.ring.readinto(t.fd, part),
        lambda t: t.ring.send(t.sock, buffer),
        lambda t: t.ring.recv_into(t.sock, part),
        lambda t: buffers[1],
    ):
        assert_refused(things, ValueError, call)
    ring.register_buffers(count=1, size=64)
    ring.register_files([things.fd])
    assert_refused(things, ValueError, lambda t: t.ring.readinto(t.fd, buffer))
    assert_refused(things, ValueError, lambda t: t.ring.read(file, 1))


def test_an_operation_of_another_ring_cannot_be_cancelled_here(things: Things) -> None:
    with Ring(8) as other:
        op = other.nop()
        assert_refused(things, ValueError, lambda t: t.ring.cancel(op))


@pytest.mark.parametrize(
    ("seconds", "kind"), [(-1, ValueError), (NAN, ValueError), ("1", TypeError), (1e300, ValueError)]
)
def test_a_bad_timeout_of_result_leaves_the_operation_alone(
    ring: Ring, pipe: tuple[int, int], seconds: Any, kind: type[Exception]
) -> None:
    op = ring.read(pipe[0], 5)
    with pytest.raises(kind):
        op.result(timeout=seconds)
    assert ring.in_flight == 1
    os.write(pipe[1], b"later")
    assert op.result() == b"later"


def test_thousands_of_refusals_do_not_use_up_the_table(ring: Ring) -> None:
    for _ in range(3 * ring.cq_entries):
        with pytest.raises(OSError):
            ring.read(-1, 1)
        with pytest.raises(ValueError):
            ring.nop(timeout=-1)
    operations = [ring.nop() for _ in range(ring.cq_entries)]
    assert [op.result() for op in operations] == [0] * ring.cq_entries
