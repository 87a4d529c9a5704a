"""Every operation's SQE, field by field.

Written by hand from io_uring_enter(2), the io_uring_prep_*(3) pages and the kernel's
struct io_uring_sqe, not from pyuring's C: a swapped argument must fail here. Each
argument has a number that no other has. Nothing is submitted: an operation that was
only prepared is never executed, so the descriptors need not exist.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from specs import SPECS
from specs.kit import (
    ASYNC,
    AT_FDCWD,
    BUFFER_SELECT,
    FIXED_FILE,
    INTERNAL,
    IO_DRAIN,
    IO_HARDLINK,
    IO_LINK,
    LAYOUT,
    U32,
    U64,
    Prepare,
    Row,
    Sqe,
    Things,
    address_of,
    address_of_bytes,
    check_path,
    iovecs_at,
    sqe_at,
    taken,
    text_at,
    timespec_at,
)
from specs.multishots import buffers_of

import pyuring
from pyuring import Completion, Ring, SqeFlags
from pyuring.completion import Handle
from pyuring.kernel import SINCE, is_older
from pyuring.operations import Operations

BUFFER = bytearray(71)
OTHER = bytearray(73)
DATA = b"d" * 79
VIEW = memoryview(BUFFER)[7:60]


def check_read(sqe: Sqe, op: Completion[Any]) -> None:
    assert sqe.addr == address_of_bytes(op._data)  # type: ignore[attr-defined]


def check_readv(sqe: Sqe, op: Completion[Any]) -> None:
    assert iovecs_at(sqe.addr, 2) == [(address_of(BUFFER), 71), (address_of(OTHER), 73)]


def check_writev(sqe: Sqe, op: Completion[Any]) -> None:
    assert iovecs_at(sqe.addr, 3) == [(address_of_bytes(DATA), 79), (address_of(OTHER), 73), (address_of(BUFFER), 71)]


def check_statx(sqe: Sqe, op: Completion[Any]) -> None:
    assert text_at(sqe.addr) == b"a/path"
    assert sqe.off == address_of_bytes(op._statx)  # type: ignore[attr-defined]


def check_statx_of_descriptor(sqe: Sqe, op: Completion[Any]) -> None:
    assert text_at(sqe.addr) == b""
    assert sqe.off == address_of_bytes(op._statx)  # type: ignore[attr-defined]


def check_rename(sqe: Sqe, op: Completion[Any]) -> None:
    assert text_at(sqe.addr) == b"the/old"
    assert text_at(sqe.off) == b"the/new"


def check_timeout(sqe: Sqe, op: Completion[Any]) -> None:
    assert timespec_at(sqe.addr) == (12, 500_000_000)


def check_accept(sqe: Sqe, op: Completion[Any]) -> None:
    (room,) = struct.unpack("=I", ctypes.string_at(sqe.off, 4))
    assert room == 128  # sizeof(struct sockaddr_storage)
    assert ctypes.string_at(sqe.addr, room) == bytes(room)


def check_connect(sqe: Sqe, op: Completion[Any]) -> None:
    expected = struct.pack("=H", socket.AF_INET) + struct.pack("!H4B8x", 4660, 127, 0, 0, 9)
    assert ctypes.string_at(sqe.addr, sqe.off) == expected


def check_connect_unix(sqe: Sqe, op: Completion[Any]) -> None:
    assert ctypes.string_at(sqe.addr, sqe.off) == struct.pack("=H", socket.AF_UNIX) + b"/a/socket\0"


OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL
AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = 0x100, 0x1000
TIMEOUT_ABS, TIMEOUT_BOOTTIME, TIMEOUT_REALTIME, TIMEOUT_ETIME_SUCCESS = 1, 4, 8, 32
MASK = 0x7FF | 0x800 | 0x1000 | 0x2000 | 0x8000 | 0x10000 | 0x20000

ROWS = [
    Row("nop", lambda r: r.nop(), 0, {"fd": -1}),
    Row(
        "read", lambda r: r.read(11, 13, 17), 22, {"fd": 11, "len": 13, "off": 17},
        check_read, pointers=("addr",),
    ),
    Row(
        "read at the file's position", lambda r: r.read(11, 13), 22, {"fd": 11, "len": 13, "off": U64 - 1},
        check_read, pointers=("addr",),
    ),
    Row(
        "read far out", lambda r: r.read(2**31 - 1, 1, 2**63 - 1), 22, {"fd": 2**31 - 1, "len": 1, "off": 2**63 - 1},
        check_read, pointers=("addr",),
    ),
    Row(
        "readinto", lambda r: r.readinto(11, BUFFER, 17), 22,
        {"fd": 11, "addr": address_of(BUFFER), "len": 71, "off": 17},
    ),
    Row(
        "readinto a part", lambda r: r.readinto(11, VIEW, offset=17), 22,
        {"fd": 11, "addr": address_of(BUFFER) + 7, "len": 53, "off": 17},
    ),
    Row(
        "write", lambda r: r.write(11, DATA, 17), 23,
        {"fd": 11, "addr": address_of_bytes(DATA), "len": 79, "off": 17},
    ),
    Row(
        "write a buffer", lambda r: r.write(11, BUFFER), 23,
        {"fd": 11, "addr": address_of(BUFFER), "len": 71, "off": U64 - 1},
    ),
    Row(
        "readv", lambda r: r.readv(11, [BUFFER, OTHER], 17), 1, {"fd": 11, "len": 2, "off": 17},
        check_readv, pointers=("addr",),
    ),
    Row(
        "writev", lambda r: r.writev(11, (DATA, OTHER, BUFFER), 17), 2, {"fd": 11, "len": 3, "off": 17},
        check_writev, pointers=("addr",),
    ),
    Row("fsync", lambda r: r.fsync(11), 3, {"fd": 11}),
    Row("fdatasync", lambda r: r.fdatasync(11), 3, {"fd": 11, "rw_flags": 1}),
    Row("fallocate", lambda r: r.fallocate(11, 13, 17, 3), 17, {"fd": 11, "off": 13, "addr": 17, "len": 3}),
    Row(
        "fallocate far out", lambda r: r.fallocate(11, 2**40, 2**41), 17, {"fd": 11, "off": 2**40, "addr": 2**41},
    ),
    Row("ftruncate", lambda r: r.ftruncate(11, 2**40 + 13), 55, {"fd": 11, "off": 2**40 + 13}),
    Row(
        "open", lambda r: r.open("a/path", OPEN_FLAGS, 0o640, dir_fd=11), 18,
        {"fd": 11, "len": 0o640, "rw_flags": OPEN_FLAGS | os.O_CLOEXEC},
        check_path(b"a/path"), pointers=("addr",),
    ),
    Row(
        "open for reading", lambda r: r.open(b"a/path"), 18,
        {"fd": AT_FDCWD, "len": 0o777, "rw_flags": os.O_CLOEXEC},
        check_path(b"a/path"), pointers=("addr",),
    ),
    Row("close_fd", lambda r: r.close_fd(1_000_003), 19, {"fd": 1_000_003}),
    Row(
        "statx", lambda r: r.statx("a/path", dir_fd=11, follow_symlinks=False, mask=0x202), 21,
        {"fd": 11, "len": 0x202, "rw_flags": AT_SYMLINK_NOFOLLOW},
        check_statx, pointers=("addr", "off"),
    ),
    Row(
        "statx of all", lambda r: r.statx(Path("a/path")), 21, {"fd": AT_FDCWD, "len": MASK},
        check_statx, pointers=("addr", "off"),
    ),
    Row(
        "statx of a descriptor", lambda r: r.statx(11), 21, {"fd": 11, "len": MASK, "rw_flags": AT_EMPTY_PATH},
        check_statx_of_descriptor, pointers=("addr", "off"),
    ),
    Row(
        "unlink", lambda r: r.unlink("a/path", dir_fd=11), 36, {"fd": 11},
        check_path(b"a/path"), pointers=("addr",),
    ),
    Row(
        "rename", lambda r: r.rename("the/old", "the/new", src_dir_fd=11, dst_dir_fd=13), 35, {"fd": 11, "len": 13},
        check_rename, pointers=("addr", "off"),
    ),
    Row(
        "rename here", lambda r: r.rename(b"the/old", Path("the/new")), 35,
        {"fd": AT_FDCWD, "len": U32 + AT_FDCWD},
        check_rename, pointers=("addr", "off"),
    ),
    Row(
        "mkdir", lambda r: r.mkdir("a/path", 0o751, dir_fd=11), 37, {"fd": 11, "len": 0o751},
        check_path(b"a/path"), pointers=("addr",),
    ),
    Row(
        "poll", lambda r: r.poll(11, select.POLLOUT | select.POLLPRI), 6,
        {"fd": 11, "rw_flags": select.POLLOUT | select.POLLPRI},
    ),
    Row(
        "timeout", lambda r: r.timeout(12.5, count=13), 11, {"fd": -1, "len": 1, "off": 13},
        check_timeout, pointers=("addr",),
    ),
    Row(
        "timeout at a time", lambda r: r.timeout(12.5, absolute=True, clock=time.CLOCK_BOOTTIME), 11,
        {"fd": -1, "len": 1, "rw_flags": TIMEOUT_ABS | TIMEOUT_BOOTTIME}, check_timeout, pointers=("addr",),
    ),
    Row(
        "timeout of another clock", lambda r: r.timeout(12.5, clock=time.CLOCK_REALTIME, etime_success=True), 11,
        {"fd": -1, "len": 1, "rw_flags": TIMEOUT_REALTIME | TIMEOUT_ETIME_SUCCESS}, check_timeout, pointers=("addr",),
    ),
    Row(
        "socket", lambda r: r.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP), 45,
        {"fd": socket.AF_INET6, "off": socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, "len": socket.IPPROTO_UDP},
    ),
    Row(
        "accept", lambda r: r.accept(11, socket.SOCK_NONBLOCK), 13,
        {"fd": 11, "rw_flags": socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC},
        check_accept, pointers=("addr", "off"),
    ),
    Row(
        "socket into any slot", lambda r: r.socket(socket.AF_INET6, direct=r.register_files(sparse=7)), 45,
        {"fd": socket.AF_INET6, "off": socket.SOCK_STREAM, "file_index": U32 - 1},
    ),
    Row(
        "socket into a slot", lambda r: r.socket(socket.AF_INET6, direct=r.register_files(sparse=7)[4]), 45,
        {"fd": socket.AF_INET6, "off": socket.SOCK_STREAM, "file_index": 5},
    ),
    Row(
        "accept into a slot", lambda r: r.accept(11, direct=r.register_files(sparse=7)[4]), 13,
        {"fd": 11, "file_index": 5}, check_accept, pointers=("addr", "off"),
    ),
    Row(
        "accept what is there", lambda r: r.accept(11, dont_wait=True), 13,
        {"fd": 11, "ioprio": 2, "rw_flags": socket.SOCK_CLOEXEC}, check_accept, pointers=("addr", "off"),
    ),
    Row(
        "accept what comes", lambda r: r.accept(11, poll_first=True), 13,
        {"fd": 11, "ioprio": 4, "rw_flags": socket.SOCK_CLOEXEC}, check_accept, pointers=("addr", "off"),
    ),
    Row(
        "send when there is room", lambda r: r.send(11, DATA, socket.MSG_DONTWAIT, poll_first=True), 26,
        {"fd": 11, "addr": address_of_bytes(DATA), "len": 79, "rw_flags": socket.MSG_DONTWAIT, "ioprio": 1},
    ),
    Row(
        "recv what comes", lambda r: r.recv(11, 13, poll_first=True), 27, {"fd": 11, "len": 13, "ioprio": 1},
        check_read, pointers=("addr",),
    ),
    Row(
        "recv_into what comes", lambda r: r.recv_into(11, BUFFER, poll_first=True), 27,
        {"fd": 11, "addr": address_of(BUFFER), "len": 71, "ioprio": 1},
    ),
    Row(
        "send", lambda r: r.send(11, DATA, socket.MSG_WAITALL), 26,
        {"fd": 11, "addr": address_of_bytes(DATA), "len": 79, "rw_flags": socket.MSG_WAITALL},
    ),
    Row(
        "recv", lambda r: r.recv(11, 13, socket.MSG_PEEK), 27, {"fd": 11, "len": 13, "rw_flags": socket.MSG_PEEK},
        check_read, pointers=("addr",),
    ),
    Row(
        "recv_into", lambda r: r.recv_into(11, BUFFER, 13, socket.MSG_PEEK), 27,
        {"fd": 11, "addr": address_of(BUFFER), "len": 13, "rw_flags": socket.MSG_PEEK},
    ),
    Row(
        "recv_into all", lambda r: r.recv_into(11, OTHER), 27, {"fd": 11, "addr": address_of(OTHER), "len": 73},
    ),
    Row(
        "recv_into provided buffers", lambda r: r.recv_into(11, buffers_of(r), 13, socket.MSG_PEEK, poll_first=True),
        27, {"fd": 11, "len": 13, "rw_flags": socket.MSG_PEEK, "ioprio": 1, "buf_index": 21}, flags=BUFFER_SELECT,
    ),
    Row(
        "recv_into a bundle", lambda r: r.recv_into(11, buffers_of(r, 23), 0, socket.MSG_DONTWAIT, bundle=True), 27,
        {"fd": 11, "rw_flags": socket.MSG_DONTWAIT, "ioprio": 16, "buf_index": 23}, flags=BUFFER_SELECT,
    ),
    Row(
        "readinto provided buffers", lambda r: r.readinto(11, buffers_of(r), 17), 22,
        {"fd": 11, "len": 64, "off": 17, "buf_index": 21}, flags=BUFFER_SELECT,
    ),
    Row("shutdown", lambda r: r.shutdown(11, socket.SHUT_RDWR), 34, {"fd": 11, "len": 2}),
]  # fmt: skip
ROWS += [row for spec in SPECS for row in spec.rows]


def method_of(row: Row) -> str:
    return row.name.split()[0]


MULTISHOTS = {spec.name for spec in SPECS if spec.scenario is None}


@pytest.fixture
def unsubmitted() -> Iterator[Ring]:
    """A ring in which these tests only prepare."""
    with Ring(entries=16) as ring:
        yield ring
        assert ring.stats()["submitted"] == 0, "this test must not submit: its descriptors are made up"


def assert_fields(sqe: Sqe, row: Row, flags: int = 0) -> None:
    expected = dict.fromkeys(Sqe._fields, 0) | {"opcode": row.opcode, "flags": flags | row.flags} | row.fields
    seen = sqe._asdict()
    for name in ("user_data", *row.pointers):
        assert seen.pop(name) != 0, name
        del expected[name]
    assert seen == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_argument_arrives_in_its_field_of_the_sqe(unsubmitted: Ring, row: Row) -> None:
    before = taken(unsubmitted)
    op = row.prepare(unsubmitted)
    assert taken(unsubmitted) == before + 1 + row.targets
    sqe = sqe_at(unsubmitted)
    assert_fields(sqe, row)
    if row.check:
        row.check(sqe, op)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_field_of_an_earlier_sqe_shines_through(unsubmitted: Ring, row: Row) -> None:
    sq = unsubmitted._c.ring.sq
    pyuring.ffi.buffer(sq.sqes, LAYOUT.size * unsubmitted.entries)[:] = b"\xa5" * (LAYOUT.size * unsubmitted.entries)
    row.prepare(unsubmitted)
    assert_fields(sqe_at(unsubmitted), row)


@pytest.mark.parametrize("row", [row for row in ROWS if method_of(row) not in MULTISHOTS], ids=lambda row: row.name)
def test_an_sqe_is_the_same_inside_a_chain(unsubmitted: Ring, row: Row) -> None:
    with unsubmitted.link():
        op = row.prepare(unsubmitted)
        unsubmitted.nop()
    sqe = sqe_at(unsubmitted, back=2)
    assert_fields(sqe, row, flags=IO_LINK)
    if row.check:
        row.check(sqe, op)


COMMON: list[tuple[dict[str, Any], int]] = [
    ({"flags": SqeFlags.ASYNC}, ASYNC),
    ({"drain": True}, IO_DRAIN),
    ({"flags": SqeFlags.IO_DRAIN}, IO_DRAIN),
    ({"flags": SqeFlags.ASYNC, "drain": True}, ASYNC | IO_DRAIN),
]


def arguments_of(method: str) -> tuple[Any, ...]:
    """Some arguments that are good enough to prepare `method`."""
    known: dict[str, tuple[Any, ...]] = {
        "nop": (), "read": (11, 13), "readinto": (11, BUFFER), "write": (11, DATA), "readv": (11, [BUFFER]),
        "writev": (11, [DATA]), "fallocate": (11, 0, 1), "ftruncate": (11, 1), "open": ("path",), "statx": ("path",),
        "unlink": ("path",), "rename": ("old", "new"), "mkdir": ("path",), "timeout": (1,), "socket": (),
        "send": (11, DATA), "recv": (11, 13), "recv_into": (11, BUFFER), "shutdown": (11, 0),
        "connect": (11, ("127.0.0.1", 1)),
    }  # fmt: skip
    return known.get(method, (11,))


METHODS = sorted({method_of(row) for row in ROWS})
#: Those of the first row, which is the plain one.
OWN_FLAGS = {method_of(row): row.flags for row in reversed(ROWS)}
LACKING = {spec.name: spec.lacks for spec in SPECS} | {"timeout": frozenset({"timeout"})}


def prepare(ring: Ring, method: str, *, file: Any = 11, **keywords: Any) -> Handle:
    """Prepare `method` with some arguments that will do."""
    for spec in SPECS:
        if spec.name == method:
            things = Things(ring, 11, 11)  # type: ignore[arg-type]
            if file != 11:
                assert spec.on_file
                return spec.on_file(ring, file, things)
            return spec.prepare(things, **keywords)
    arguments = arguments_of(method)
    if file != 11:
        arguments = (file, *arguments[1:])
    op: Completion[Any] = getattr(ring, method)(*arguments, **keywords)
    return op


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("keywords", "expected"), COMMON, ids=["async", "drain", "flag-drain", "both"])
def test_flags_and_drain_arrive_in_the_flags_field(
    unsubmitted: Ring, method: str, keywords: dict[str, Any], expected: int
) -> None:
    if method == "open" and "flags" in keywords:
        keywords = {("sqe_flags" if name == "flags" else name): value for name, value in keywords.items()}
    prepare(unsubmitted, method, **keywords)
    assert sqe_at(unsubmitted).flags & ~BUFFER_SELECT == expected | OWN_FLAGS[method]


@pytest.mark.parametrize("method", [method for method in METHODS if "timeout" not in LACKING.get(method, ())])
def test_a_time_limit_is_a_link_timeout_right_behind_the_operation(unsubmitted: Ring, method: str) -> None:
    before = taken(unsubmitted)
    prepare(unsubmitted, method, timeout=3.25)
    assert taken(unsubmitted) == before + 2
    operation, limit = sqe_at(unsubmitted, 2), sqe_at(unsubmitted, 1)
    assert operation.flags == IO_LINK | OWN_FLAGS[method]
    assert timespec_at(limit.addr) == (3, 250_000_000)
    assert limit == Sqe(
        opcode=15, flags=0, ioprio=0, fd=-1, off=0, addr=limit.addr, len=1, rw_flags=0,
        user_data=operation.user_data | INTERNAL, buf_index=0, personality=0, file_index=0, addr3=0, pad=0,
    )  # fmt: skip


def test_a_link_timeout_in_a_chain_stays_right_behind_its_operation(unsubmitted: Ring) -> None:
    with unsubmitted.link(hard=True):
        unsubmitted.nop(timeout=1)
        unsubmitted.nop()
    first, limit, last = (sqe_at(unsubmitted, back) for back in (3, 2, 1))
    assert [first.opcode, limit.opcode, last.opcode] == [0, 15, 0]
    assert first.flags & IO_LINK, "what a link timeout is for has a soft link"
    assert limit.flags in (IO_LINK, IO_HARDLINK)
    assert last.flags == 0


@pytest.mark.parametrize(("hard", "link"), [(False, IO_LINK), (True, IO_HARDLINK)])
def test_every_sqe_of_a_chain_but_the_last_is_linked(unsubmitted: Ring, hard: bool, link: int) -> None:
    with unsubmitted.link(hard=hard):
        for _ in range(4):
            unsubmitted.nop()
    unsubmitted.nop()
    assert [sqe_at(unsubmitted, back).flags for back in (5, 4, 3, 2, 1)] == [link, link, link, 0, 0]


def test_cancel_names_its_target_by_the_user_data_of_that_sqe(unsubmitted: Ring) -> None:
    for _ in range(3):
        unsubmitted.nop()
    target = unsubmitted.nop()
    wanted = sqe_at(unsubmitted).user_data
    unsubmitted.nop()
    unsubmitted.cancel(target)
    assert_fields(sqe_at(unsubmitted), Row("cancel", lambda r: r.nop(), 14, {"fd": -1, "addr": wanted}))


def test_the_cancel_of_a_handle_names_its_target_and_is_not_an_operation(ring: Ring, pipe: tuple[int, int]) -> None:
    target = ring.poll(pipe[0])
    wanted = sqe_at(ring).user_data
    target.cancel()
    sqe = sqe_at(ring)
    assert (sqe.opcode, sqe.fd, sqe.addr, sqe.rw_flags) == (14, -1, wanted, 0)
    assert sqe.user_data & INTERNAL
    assert sqe.user_data != wanted | INTERNAL, "that is the id of its time limit"
    assert ring.in_flight == 1


def test_connect_has_the_address_where_the_kernel_looks(unsubmitted: Ring) -> None:
    with socket.socket() as sock:
        op = unsubmitted.connect(sock, ("127.0.0.9", 4660))
        sqe = sqe_at(unsubmitted)
        row = Row("connect", lambda r: r.nop(), 16, {"fd": sock.fileno(), "off": 16}, pointers=("addr",))
        assert_fields(sqe, row)
        check_connect(sqe, op)
    with socket.socket(socket.AF_UNIX) as sock:
        op = unsubmitted.connect(sock, "/a/socket")
        sqe = sqe_at(unsubmitted)
        row = Row("connect", lambda r: r.nop(), 16, {"fd": sock.fileno(), "off": 12}, pointers=("addr",))
        assert_fields(sqe, row)
        check_connect_unix(sqe, op)


def test_a_registered_buffer_makes_read_fixed_and_write_fixed(unsubmitted: Ring) -> None:
    first, second = bytearray(4096), bytearray(8192)
    buffers = unsubmitted.register_buffers([first, second])
    there = address_of(second)
    fixed: list[tuple[Prepare, int, int, int]] = [
        (lambda r: r.readinto(11, buffers[1], 17), 4, there, 8192),
        (lambda r: r.write(11, buffers[1], 17), 5, there, 8192),
        (lambda r: r.readinto(11, buffers[1][100:350], 17), 4, there + 100, 250),
        (lambda r: r.write(11, buffers[1][100:350][50:], 17), 5, there + 150, 200),
    ]
    for prepare, opcode, address, length in fixed:
        prepare(unsubmitted)
        row = Row(
            "fixed", prepare, opcode, {"fd": 11, "off": 17, "addr": address, "len": length, "buf_index": 1}
        )  # fmt: skip
        assert_fields(sqe_at(unsubmitted), row)


def test_a_slab_is_one_registered_buffer_cut_into_pieces(unsubmitted: Ring) -> None:
    pool = unsubmitted.register_buffers(count=5, size=4096)
    addresses = []
    for buffer in pool:
        unsubmitted.readinto(11, buffer, 0)
        sqe = sqe_at(unsubmitted)
        assert (sqe.opcode, sqe.len, sqe.buf_index) == (4, 4096, 0)
        addresses.append(sqe.addr)
    assert [address - addresses[0] for address in addresses] == [0, 4096, 8192, 12288, 16384]
    assert addresses[0] % 4096 == 0


REGISTERED_FILE_METHODS = [
    method for method in METHODS if method in (
        "read", "readinto", "write", "readv", "writev", "fsync", "fdatasync", "fallocate", "ftruncate", "poll",
        "accept", "send", "recv", "recv_into", "shutdown",
    )
]  # fmt: skip
REGISTERED_FILE_METHODS += [spec.name for spec in SPECS if spec.takes_registered_file]


@pytest.mark.parametrize("method", [*REGISTERED_FILE_METHODS, "connect"])
def test_a_registered_file_is_a_table_index_and_the_fixed_file_flag(unsubmitted: Ring, method: str) -> None:
    files = unsubmitted.register_files(sparse=40)
    prepare(unsubmitted, method, file=files[37])
    sqe = sqe_at(unsubmitted)
    assert (sqe.fd, sqe.flags & ~BUFFER_SELECT) == (37, FIXED_FILE)


def test_user_data_ids_are_unique_and_outside_the_internal_range() -> None:
    with Ring(entries=4) as ring:
        ids = set()
        for _ in range(1000):
            ring.nop()
            ids.add(sqe_at(ring).user_data)
            ring.wait(1)
        assert len(ids) == 1000
        assert not any(number & INTERNAL for number in ids)
        assert 0 not in ids


def test_the_oracle_has_a_row_for_every_operation() -> None:
    """Also the one that keeps this table from falling behind when an operation is added."""
    elsewhere = {"cancel", "connect"}
    methods = {
        name
        for domain in Operations.__mro__
        if domain.__module__.startswith("pyuring.operations.")
        for name in vars(domain)
        if not name.startswith("_")
    }
    assert methods == set(METHODS) | elsewhere


def test_the_prepared_sqe_decodes_as_cffi_decodes_it(unsubmitted: Ring) -> None:
    unsubmitted.read(11, 13, 17)
    sq = unsubmitted._c.ring.sq
    c = sq.sqes[(sq.sqe_tail - 1) & sq.ring_mask]
    sqe = sqe_at(unsubmitted)
    for name in ("opcode", "flags", "ioprio", "fd", "off", "addr", "len", "rw_flags", "user_data", "buf_index"):
        assert getattr(c, name) == getattr(sqe, name), name


def test_the_opcode_numbers_of_the_oracle_are_those_the_probe_uses() -> None:
    with Ring(entries=4) as ring:
        for row in ROWS:
            assert ring.supports(row.opcode), f"{row.name}: this kernel ({os.uname().release}) lacks it"
            assert ring.supports(method_of(row)) is not is_older(SINCE[method_of(row)])
