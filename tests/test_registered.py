"""Registered buffers and registered files."""

from __future__ import annotations

import array
import ctypes
import errno
import itertools
import mmap
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from specs.kit import sqe_at

from pyuring import RegisteredBuffer, RegisteredBuffers, RegisteredFile, RegisteredFiles, Ring, SqeFlags
from pyuring.registered_memory import slab

READ, WRITE, READ_FIXED, WRITE_FIXED = 22, 23, 4, 5


def last_opcode(ring: Ring) -> int:
    return sqe_at(ring).opcode


# -- buffers ---------------------------------------------------------------------------


def test_a_slab_is_read_into_and_written_from(ring: Ring, data_file: int) -> None:
    pool = ring.register_buffers(count=8, size=4096)
    for i, buffer in enumerate(pool):
        ring.readinto(data_file, buffer, offset=i * 4096)
        assert last_opcode(ring) == READ_FIXED
    assert [op.res for op in ring.wait(8)] == [4096] * 8
    for i, buffer in enumerate(pool):
        assert buffer.view == os.pread(data_file, 4096, i * 4096)
    pool[3].view[:] = b"w" * 4096
    assert ring.write(data_file, pool[3], 0).result() == 4096
    assert last_opcode(ring) == WRITE_FIXED
    assert os.pread(data_file, 4096, 0) == b"w" * 4096


def test_own_buffers_are_read_into_and_written_from(ring: Ring, data_file: int) -> None:
    first, second, third = bytearray(4096), mmap.mmap(-1, 8192), array.array("I", [0] * 64)
    memories: list[Any] = [first, second, third]
    buffers = ring.register_buffers(memories)
    assert [len(buffer) for buffer in buffers] == [4096, 8192, 256]
    assert [buffer.index for buffer in buffers] == [0, 1, 2]
    for buffer, memory in zip(buffers, memories, strict=True):
        assert ring.readinto(data_file, buffer, 100).result() == len(buffer)
        assert last_opcode(ring) == READ_FIXED
        assert memoryview(memory).tobytes() == os.pread(data_file, len(buffer), 100)
        assert ring.write(data_file, buffer, 0).result() == len(buffer)
        assert last_opcode(ring) == WRITE_FIXED
        assert os.pread(data_file, len(buffer), 0) == memoryview(memory).tobytes()


def test_a_plain_buffer_stays_plain(ring: Ring, data_file: int) -> None:
    ring.register_buffers(count=1, size=64)
    ring.readinto(data_file, bytearray(5))
    assert last_opcode(ring) == READ
    ring.write(data_file, b"x")
    assert last_opcode(ring) == WRITE


@pytest.mark.parametrize("size", [1, 3, 64, 100, 512, 4096, 4097, 10_000])
def test_the_buffers_of_a_slab_are_aligned_and_apart(ring: Ring, data_file: int, size: int) -> None:
    pool = ring.register_buffers(count=5, size=size)
    addresses = []
    for buffer in pool:
        assert len(buffer) == len(buffer.view) == size
        ring.readinto(data_file, buffer, 0)
        addresses.append(sqe_at(ring).addr)
    alignment = min(1 << (size - 1).bit_length(), 4096)
    assert all(address % alignment == 0 for address in addresses)
    assert all(there - here >= size for here, there in itertools.pairwise(addresses))
    assert len(ring.wait(5)) == 5
    for buffer in pool:
        assert buffer.view == os.pread(data_file, size, 0)


def test_a_page_aligned_slab_is_fit_for_direct_io(ring: Ring, tmp_path: Path) -> None:
    content = os.urandom(16384)
    (tmp_path / "file").write_bytes(content)
    try:
        fd = os.open(tmp_path / "file", os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        pytest.skip(f"{tmp_path} has no O_DIRECT: {error}")
    pool = ring.register_buffers(count=4, size=4096)
    for i in range(4):
        assert ring.readinto(fd, pool[i], i * 4096).result() == 4096
    assert b"".join(buffer.view for buffer in pool) == content
    os.close(fd)


def test_a_part_of_a_buffer_is_a_transfer_of_its_length(ring: Ring, data_file: int) -> None:
    memory = bytearray(b"." * 100)
    (buffer,) = ring.register_buffers([memory])
    part = buffer[20:30]
    assert len(part) == 10
    assert ring.readinto(data_file, part, 5).result() == 10
    assert last_opcode(ring) == READ_FIXED
    assert memory == b"." * 20 + os.pread(data_file, 10, 5) + b"." * 70
    assert part.view == memory[20:30]
    assert part[2:4].view == memory[22:24], "a part of a part"
    assert ring.write(data_file, part[:3], 0).result() == 3
    assert os.pread(data_file, 3, 0) == memory[20:23]


@pytest.mark.parametrize("part", [slice(None), slice(5), slice(-5, None), slice(3, 2), slice(90, 1000), slice(0, 0)])
def test_parts_are_cut_as_python_cuts(ring: Ring, part: slice) -> None:
    memory = bytearray(range(100))
    (buffer,) = ring.register_buffers([memory])
    assert buffer[part].view == memory[part]
    assert len(buffer[part]) == len(memory[part])


def test_an_empty_part_transfers_nothing(ring: Ring, data_file: int) -> None:
    pool = ring.register_buffers(count=1, size=64)
    assert ring.readinto(data_file, pool[0][5:5], 0).result() == 0


def test_a_view_is_the_memory_itself(ring: Ring) -> None:
    memory = bytearray(10)
    (buffer,) = ring.register_buffers([memory])
    buffer.view[2:5] = b"abc"
    assert memory == b"\0\0abc\0\0\0\0\0"
    assert buffer.view.format == "B"
    assert not buffer.view.readonly


@pytest.mark.parametrize(
    "make",
    [ctypes.c_uint32 * 4, lambda: array.array("d", [0] * 2), lambda: memoryview(bytearray(16)).cast("B", (4, 4))],
    ids=["ctypes", "array", "matrix"],
)  # fmt: skip
def test_a_view_is_of_bytes_whatever_was_registered(ring: Ring, data_file: int, make: Any) -> None:
    (buffer,) = ring.register_buffers([make()])
    ring.readinto(data_file, buffer, 0).result()
    assert buffer.view == os.pread(data_file, 16, 0)
    assert buffer[3:7].view == os.pread(data_file, 4, 3)


def test_buffers_are_a_sequence(ring: Ring) -> None:
    pool = ring.register_buffers(count=4, size=64)
    assert isinstance(pool, RegisteredBuffers)
    assert len(pool) == len(list(pool)) == 4
    assert all(isinstance(buffer, RegisteredBuffer) for buffer in pool)
    assert pool[0] is pool[0]
    assert pool[-1] is pool[3]
    assert pool[1:3] == [pool[1], pool[2]]
    assert "length=64" in repr(pool[0])


def test_a_registered_buffer_cannot_be_resized_until_it_is_unregistered(ring: Ring) -> None:
    memory = bytearray(100)
    buffers = ring.register_buffers([memory])
    with pytest.raises(BufferError):
        memory.append(0)
    buffers.unregister()
    memory.append(0)


def test_closing_the_ring_unregisters() -> None:
    memory = bytearray(100)
    ring = Ring(8)
    buffers = ring.register_buffers([memory])
    with pytest.raises(BufferError):
        memory.append(0)
    ring.close()
    memory.append(0)
    assert len(memory) == 101
    with pytest.raises(ValueError, match="the buffers were unregistered"):
        buffers[0]


def test_unregistering_twice_is_once_and_another_set_can_follow(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers(count=2, size=64)
    buffers.unregister()
    buffers.unregister()
    again = ring.register_buffers(count=3, size=64)
    buffers.unregister()
    assert ring.readinto(data_file, again[2], 0).result() == 64


def test_unregistering_does_not_disturb_a_read_in_flight(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = bytearray(100)
    buffers = ring.register_buffers([memory])
    op = ring.readinto(pipe[0], buffers[0][10:20])
    ring.submit()
    buffers.unregister()
    with pytest.raises(BufferError):
        memory.append(0)
    os.write(pipe[1], b"in the end")
    assert op.result(timeout=5) == 10
    assert memory[10:20] == b"in the end"
    memory.append(0)


def test_a_read_prepared_before_unregistering_is_refused_by_the_kernel(ring: Ring, data_file: int) -> None:
    memory = bytearray(100)
    buffers = ring.register_buffers([memory])
    op = ring.readinto(data_file, buffers[0], 0)
    buffers.unregister()
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.EFAULT
    assert memory == bytes(100)


def test_memory_mapped_from_a_file_cannot_be_registered(ring: Ring, data_file: int) -> None:
    with mmap.mmap(data_file, 4096) as mapping, pytest.raises(ValueError, match="mapped from a file"):
        ring.register_buffers([mapping])
    ring.register_buffers(count=1, size=64)


def test_a_slab_larger_than_one_registered_buffer_can_be_is_cut() -> None:
    """The kernel takes 1 GiB in one piece. Not registered here: that would touch every page."""
    memories: list[Any] = []
    pieces = slab(5, 400 << 20, memories)
    assert [(offset, length, index) for _, offset, length, index in pieces] == [
        (0, 400 << 20, 0), (400 << 20, 400 << 20, 0), (0, 400 << 20, 1), (400 << 20, 400 << 20, 1), (0, 400 << 20, 2),
    ]  # fmt: skip
    assert [len(memory.owner) for memory in memories] == [800 << 20, 800 << 20, 400 << 20]


def test_the_same_buffer_can_be_registered_twice_in_one_table(ring: Ring, data_file: int) -> None:
    memory = bytearray(64)
    buffers = ring.register_buffers([memory, memory])
    assert ring.readinto(data_file, buffers[1], 0).result() == 64
    assert buffers[0].view == os.pread(data_file, 64, 0)
    buffers.unregister()
    memory.append(0)


def test_registered_buffers_work_at_depth_and_in_chains(ring: Ring, data_file: int) -> None:
    pool = ring.register_buffers(count=2, size=4096)
    pool[0].view[:] = os.urandom(4096)
    with ring.link():
        ring.write(data_file, pool[0], 8192)
        last = ring.readinto(data_file, pool[1], 8192)
    assert last.result() == 4096
    assert pool[0].view == pool[1].view


# -- files ------------------------------------------------------------------------------


@pytest.fixture
def two_files(tmp_path: Path) -> Iterator[tuple[int, int]]:
    fds = []
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
        fds.append(os.open(tmp_path / name, os.O_RDWR))
    yield fds[0], fds[1]
    for fd in fds:
        os.close(fd)


def test_registered_files_are_read_by_slot(ring: Ring, two_files: tuple[int, int]) -> None:
    files = ring.register_files(two_files)
    assert isinstance(files, RegisteredFiles)
    assert ring.read(files[0], 9, 0).result() == b"one"
    assert ring.read(files[1], 9, 0).result() == b"two"
    assert ring.read(files[-1], 9, 0).result() == b"two"


def test_files_are_a_sequence(ring: Ring, two_files: tuple[int, int]) -> None:
    files = ring.register_files(two_files)
    assert len(files) == len(list(files)) == 2
    assert all(isinstance(file, RegisteredFile) for file in files)
    assert [file.index for file in files] == [0, 1]
    assert files[0:2] == [files[0], files[1]]
    assert "1" in repr(files[1])


def test_objects_with_fileno_are_registered(ring: Ring, tmp_path: Path, sockets: Any) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with open(tmp_path / "file", "rb") as file:
        files = ring.register_files([file, sockets[0]])
        assert ring.read(files[0], 9, 0).result() == b"content"
        assert ring.send(files[1], b"x").result() == 1


def test_a_registered_file_stays_open_in_the_kernel(ring: Ring, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    files = ring.register_files([fd])
    os.close(fd)
    assert ring.read(files[0], 9, 0).result() == b"content"


def test_the_slots_of_a_sparse_table_are_empty_until_filled(ring: Ring, two_files: tuple[int, int]) -> None:
    files = ring.register_files(sparse=100)
    assert len(files) == 100
    with pytest.raises(OSError) as caught:
        ring.read(files[50], 9, 0).result()
    assert caught.value.errno == errno.EBADF
    file = files.update(50, two_files[1])
    assert file.index == 50
    assert ring.read(file, 9, 0).result() == ring.read(files[50], 9, 0).result() == b"two"


def test_update_replaces_and_empties_a_slot(ring: Ring, two_files: tuple[int, int]) -> None:
    files = ring.register_files([two_files[0]])
    assert ring.read(files.update(0, two_files[1]), 9, 0).result() == b"two"
    assert ring.read(files.update(-1, two_files[0]), 9, 0).result() == b"one"
    empty = files.update(0, None)
    with pytest.raises(OSError) as caught:
        ring.read(empty, 9, 0).result()
    assert caught.value.errno == errno.EBADF


def test_an_operation_in_flight_goes_on_with_the_file_it_started_with(ring: Ring, pipe: tuple[int, int]) -> None:
    files = ring.register_files([pipe[0]])
    op = ring.read(files[0], 5)
    ring.submit()
    files.update(0, None)
    files.unregister()
    os.write(pipe[1], b"hello")
    assert op.result(timeout=5) == b"hello"


def test_unregistered_files_make_room_for_others(ring: Ring, two_files: tuple[int, int]) -> None:
    files = ring.register_files([two_files[0]])
    files.unregister()
    files.unregister()
    again = ring.register_files([two_files[1]])
    files.unregister()
    assert ring.read(again[0], 9, 0).result() == b"two"


def test_a_registered_file_is_taken_for_no_descriptor_by_the_system(ring: Ring, data_file: int) -> None:
    """It is a number, and must not reach another file by accident."""
    files = ring.register_files([data_file])
    for call in (os.fstat, os.close, lambda fd: os.read(fd, 1)):
        with pytest.raises((OverflowError, OSError)):
            call(files[0])


def test_registered_files_carry_the_fixed_file_flag(ring: Ring, sockets: tuple[socket.socket, socket.socket]) -> None:
    files = ring.register_files([sockets[0]])
    ring.recv(files[0], 1)
    assert sqe_at(ring).flags == SqeFlags.FIXED_FILE


def test_files_and_buffers_are_registered_together(ring: Ring, data_file: int) -> None:
    files, pool = ring.register_files([data_file]), ring.register_buffers(count=4, size=1024)
    for i in range(4):
        ring.readinto(files[0], pool[i], i * 1024)
    assert [op.res for op in ring.wait(4)] == [1024] * 4
    assert b"".join(buffer.view for buffer in pool) == os.pread(data_file, 4096, 0)
