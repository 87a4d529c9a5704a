"""Ancillary data to and from bytes, byte by byte, and what a multishot recvmsg writes."""

from __future__ import annotations

import os
import socket
import struct
from array import array
from pathlib import Path
from typing import Any

import pytest

from pyuring import ffi, lib
from pyuring.ancillary import ReceivedMessage, pack, parse_recvmsg_out, unpack

SIZE = struct.calcsize("N")


def header(length: int, level: int, kind: int) -> bytes:
    """A cmsghdr, whose data starts 12 or 16 bytes further on."""
    return struct.pack("@Nii", length, level, kind).ljust(socket.CMSG_LEN(0), b"\0")


def padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // SIZE) * SIZE, b"\0")


def item(level: int, kind: int, data: bytes) -> bytes:
    return header(socket.CMSG_LEN(len(data)), level, kind) + padded(data)


def test_nothing_is_packed_as_nothing() -> None:
    assert pack([]) == pack(()) == b""
    assert unpack(b"") == []


@pytest.mark.parametrize("size", range(20))
def test_an_item_has_the_layout_of_the_c_macros(size: int) -> None:
    data = bytes(range(1, size + 1))
    packed = pack([(-5, 2**31 - 1, data)])
    assert packed == item(-5, 2**31 - 1, data)
    assert len(packed) == socket.CMSG_SPACE(size)


def test_items_follow_one_another() -> None:
    items = [(1, 1, b"abc"), (41, 67, b""), (0, 8, bytes(range(33)))]
    assert pack(items) == b"".join(item(*each) for each in items)
    assert unpack(pack(items)) == items
    assert unpack(memoryview(pack(items))) == items


@pytest.mark.parametrize("data", [bytearray(b"abcd"), memoryview(b"abcd"), array("b", b"abcd")])
def test_any_bytes_are_packed(data: Any) -> None:
    assert pack([[1, 1, data]]) == item(1, 1, b"abcd")


def test_what_was_cut_is_what_there_is_of_it() -> None:
    whole = pack([(1, 1, b"abcdefgh"), (1, 2, b"ijklmnop")])
    for end in range(len(whole)):
        found = unpack(whole[:end])
        first = max(end - socket.CMSG_LEN(0), -1)
        expected = [(1, 1, b"abcdefgh"[:first])] if first >= 0 else []
        second = max(end - socket.CMSG_SPACE(8) - socket.CMSG_LEN(0), -1)
        expected += [(1, 2, b"ijklmnop"[:second])] if second >= 0 else []
        assert found == expected


@pytest.mark.parametrize("length", [0, 1, SIZE, socket.CMSG_LEN(0) - 1, 2**31, 2**63 - 1, 2**64 - 1])
def test_lengths_that_cannot_be_neither_loop_nor_read_beyond_the_end(length: int) -> None:
    raw = struct.pack("@Nii", length % 2 ** (8 * SIZE), 1, 1).ljust(socket.CMSG_LEN(0), b"\0") + b"abcd"
    assert unpack(raw) in ([], [(1, 1, b"abcd")])
    assert len(unpack(item(1, 2, b"x") + raw)) <= 2


# -- struct io_uring_recvmsg_out -------------------------------------------------------------------

NAME = struct.pack("=H", socket.AF_INET) + struct.pack("!H4B8x", 4660, 127, 0, 0, 9)


def message(name: bytes, control: bytes, payload: bytes, *, room: tuple[int, int], flags: int = 0) -> bytearray:
    """As the kernel lays it out: the header, the rooms, the payload."""
    head = struct.pack("=IIII", len(name), len(control), len(payload), flags)
    return bytearray(head + name.ljust(room[0], b"\xa5") + control.ljust(room[1], b"\xa5") + payload)


def as_tuple(parsed: ReceivedMessage) -> tuple[Any, ...]:
    return bytes(parsed.data), *parsed[1:]


def test_a_message_is_taken_apart_without_a_copy_of_its_data() -> None:
    control = pack([(1, 1, b"abcd"), (0, 8, b"x")])
    buffer = message(NAME, control, b"payload", room=(128, 64), flags=socket.MSG_EOR)
    parsed = parse_recvmsg_out(memoryview(buffer), 128, 64)
    assert as_tuple(parsed) == (b"payload", [(1, 1, b"abcd"), (0, 8, b"x")], socket.MSG_EOR, ("127.0.0.9", 4660))
    buffer[-1] = ord("!")
    assert bytes(parsed.data) == b"payloa!"


def test_a_message_without_name_or_ancillary_data_has_none() -> None:
    assert as_tuple(parse_recvmsg_out(memoryview(message(b"", b"", b"x", room=(0, 0))), 0, 0)) == (b"x", [], 0, None)
    assert as_tuple(parse_recvmsg_out(memoryview(message(b"", b"", b"", room=(16, 24))), 16, 24)) == (b"", [], 0, None)


def test_lengths_from_before_something_was_cut_are_no_lengths_of_what_is_there() -> None:
    buffer = message(NAME, b"", b"payl", room=(16, 32))
    buffer[:12] = struct.pack("=III", 1000, 1000, 1000)
    parsed = parse_recvmsg_out(memoryview(buffer), 16, 32)
    assert (bytes(parsed.data), parsed.address) == (b"payl", ("127.0.0.9", 4660))


@pytest.mark.parametrize("length", [0, 15, 16, 16 + 128, 16 + 128 + 63])
def test_a_buffer_too_short_for_its_rooms_is_refused(length: int) -> None:
    buffer = message(NAME, b"", b"", room=(128, 64))
    with pytest.raises(ValueError, match="208 bytes or more"):
        parse_recvmsg_out(memoryview(buffer)[:length], 128, 64)


@pytest.mark.parametrize("sent", [b"hello", b"", b"x" * 400])
def test_what_the_kernel_writes_is_taken_apart(sent: bytes, tmp_path: Path, data_file: int) -> None:
    """A multishot recvmsg of liburing itself, with a buffer of 512 bytes for each message."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs,
    ):
        ours.bind(str(tmp_path / "ours"))
        theirs.bind(str(tmp_path / "theirs"))
        theirs.sendmsg(
            [sent], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [data_file]))], 0, str(tmp_path / "ours")
        )
        raw, flags = received_at_level_0(ours.fileno(), name_len=110, control_len=socket.CMSG_SPACE(4))
    assert flags & lib.IORING_CQE_F_BUFFER
    data, ancdata, msg_flags, address = parse_recvmsg_out(memoryview(raw), 110, socket.CMSG_SPACE(4))
    room = 512 - 16 - 110 - socket.CMSG_SPACE(4)
    assert (bytes(data), address) == (sent[:room], str(tmp_path / "theirs"))
    assert msg_flags == (socket.MSG_TRUNC if len(sent) > room else 0)
    ((level, kind, packed),) = ancdata
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    (fd,) = array("i", packed)
    assert os.path.samestat(os.fstat(fd), os.fstat(data_file))
    os.close(fd)


def received_at_level_0(fd: int, *, name_len: int, control_len: int) -> tuple[bytes, int]:
    """One message by way of IORING_OP_PROVIDE_BUFFERS and a multishot recvmsg: (bytes, CQE flags)."""
    ring, cqe = ffi.new("struct io_uring *"), ffi.new("struct io_uring_cqe **")
    memory = ffi.new("char[]", 2 * 512)
    asked: Any = ffi.new("struct pyuring_message *")
    asked.namelen, asked.controllen = name_len, control_len
    assert lib.io_uring_queue_init(8, ring, 0) == 0
    try:
        sqe = lib.io_uring_get_sqe(ring)
        lib.io_uring_prep_provide_buffers(sqe, memory, 512, 2, 5, 0)
        assert lib.io_uring_submit(ring) == 1
        assert lib.io_uring_wait_cqe(ring, cqe) == 0
        assert cqe[0].res == 0
        lib.io_uring_cqe_seen(ring, cqe[0])
        sqe = lib.io_uring_get_sqe(ring)
        lib.io_uring_prep_recvmsg_multishot(sqe, fd, ffi.cast("struct msghdr *", asked), 0)
        sqe.flags |= lib.IOSQE_BUFFER_SELECT
        sqe.buf_index = 5  # also buf_group
        assert lib.io_uring_submit(ring) == 1
        assert lib.io_uring_wait_cqe(ring, cqe) == 0
        start = 512 * (cqe[0].flags >> 16)
        return bytes(ffi.buffer(memory)[start : start + cqe[0].res]), int(cqe[0].flags)
    finally:
        lib.io_uring_queue_exit(ring)
