"""What direct I/O demands, and what is said where it is not met."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import ext4, loop_device, run
from hypothesis import given
from hypothesis import strategies as st

import pyuring
from pyuring import Alignment, AlignmentError, Ring, StatxMask, aligned_buffer, alignment_of
from pyuring.aligned import address_of
from pyuring.alignment import alignment_told, explain_misalignment, look, widen

BLKSSZGET = 0x1268


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of 8 blocks on a file system where a block is 4096 bytes for direct I/O too."""
    with ext4(tmp_path_factory.mktemp("large")) as root:
        path = root / "file"
        path.write_bytes(os.urandom(8 * 4096))
        yield path


# -- alignment_of --------------------------------------------------------------------------


def test_it_is_what_the_file_system_states(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    stated = ring.statx(path, mask=StatxMask.DIOALIGN).result()
    if not stated.stx_mask & StatxMask.DIOALIGN:
        pytest.skip("the file system of the temporary folder does not state it")
    found = alignment_of(path)
    assert found == (stated.stx_dio_mem_align, stated.stx_dio_offset_align, stated.stx_dio_offset_align, True)
    assert found.memory > 0
    assert (found.memory, found.offset, found.read_offset, found.stated) == tuple(found)


def test_large_sectors_need_large_alignment(large: Path) -> None:
    found = alignment_of(large)
    assert (found.offset, found.read_offset, found.stated) == (4096, 4096, True)


def test_a_path_a_descriptor_and_a_file_are_the_same(large: Path) -> None:
    expected = alignment_of(large)
    assert alignment_of(str(large)) == alignment_of(os.fsencode(large)) == expected
    with large.open("rb") as file:
        assert alignment_of(file) == alignment_of(file.fileno()) == expected


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_block_device_tells_its_sector(tmp_path: Path, sector: int) -> None:
    with loop_device(tmp_path, sector) as device:
        found = alignment_of(device)
        assert found.offset == found.read_offset == sector
        assert found.memory <= 4096


def as_an_older_kernel_tells(path: Path) -> Alignment:
    info = look(path)
    info.stx_mask &= ~StatxMask.DIOALIGN
    info.stx_dio_mem_align = info.stx_dio_offset_align = info.stx_dio_read_offset_align = 0
    return alignment_told(info)


def test_an_older_kernel_tells_the_sector_of_the_device(large: Path) -> None:
    assert as_an_older_kernel_tells(large) == Alignment(4096, 4096, 4096, stated=False)


@pytest.mark.parametrize("sector", [512, 4096])
def test_an_older_kernel_tells_the_sector_of_a_block_device_and_its_partitions(tmp_path: Path, sector: int) -> None:
    with loop_device(tmp_path, sector) as device:
        fd = os.open(device, os.O_RDONLY)
        assert struct.unpack("i", fcntl.ioctl(fd, BLKSSZGET, bytes(4))) == (sector,)
        os.close(fd)
        assert as_an_older_kernel_tells(device) == Alignment(sector, sector, sector, stated=False)
        run("addpart", device, 1, 8, 64)
        try:
            partition = Path(f"{device}p1")
            assert as_an_older_kernel_tells(partition) == Alignment(sector, sector, sector, stated=False)
        finally:
            run("delpart", device, 1)


def test_files_in_memory_are_taken_to_need_a_page() -> None:
    with open("/dev/shm/pyuring-alignment-test", "xb") as file:
        os.unlink(file.name)
        found = alignment_of(file)
    if found.stated:
        pytest.skip("/dev/shm states its alignment here")
    assert found == Alignment(4096, 4096, 4096, stated=False)


def test_what_is_smaller_for_reads_is_told() -> None:
    info = look("/")
    info.stx_mask |= StatxMask.DIOALIGN
    info.stx_dio_mem_align, info.stx_dio_offset_align, info.stx_dio_read_offset_align = 4, 16384, 512
    assert alignment_told(info) == Alignment(4, 16384, 512, stated=True)


def test_a_file_that_its_file_system_keeps_from_direct_io_has_none(tmp_path: Path) -> None:
    with ext4(tmp_path, options="data=journal") as root:
        path = root / "journalled"
        path.touch()
        with pytest.raises(OSError, match=r"no direct I/O for this file") as caught:
            alignment_of(path)
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)  # the flag is taken, and means nothing
        assert os.preadv(fd, [bytearray(1)], 1) == 0
        assert explain_misalignment(fd, 1, 1, 1) is None
        os.close(fd)


def test_what_is_neither_file_nor_block_device_has_none(tmp_path: Path, pipe: tuple[int, int]) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="this is a FIFO or pipe") as caught:
        alignment_of(tmp_path / "fifo")
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(tmp_path / "fifo"))
    with pytest.raises(OSError, match="this is a FIFO or pipe"):
        alignment_of(pipe[0])
    with pytest.raises(OSError, match="this is a character device"):
        alignment_of("/dev/null")
    with pytest.raises(IsADirectoryError):
        alignment_of(tmp_path)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError, match="this is a socket"):
        alignment_of(ours)


def test_what_is_not_there_is_told_as_by_stat(ring: Ring, tmp_path: Path, data_file: int) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        alignment_of(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        alignment_of("")
    closed = os.dup(data_file)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        alignment_of(closed)
    with pytest.raises(pyuring.BadDescriptorError):
        alignment_of(-1)
    with pytest.raises(TypeError, match="file descriptor is an int"):
        alignment_of(None)
    with pytest.raises(TypeError, match="not a registered file"):
        alignment_of(ring.register_files([data_file])[0])
    with pytest.raises(ValueError, match="null byte"):
        alignment_of("a\0b")


def test_a_name_that_is_not_utf8_is_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe"
    Path(os.fsdecode(path)).touch()
    assert alignment_of(path) == alignment_of(os.fsdecode(path))


# -- widen ---------------------------------------------------------------------------------

BLOCKS = st.sampled_from([1, 512, 4096, 65536])


@given(st.integers(0, 2**63), st.integers(0, 2**40), BLOCKS)
def test_widened_it_is_the_least_that_is_aligned_and_has_all_in_it(offset: int, length: int, block: int) -> None:
    start, span = widen(offset, length, block)
    assert start % block == span % block == 0
    assert start <= offset < start + block
    if length:
        assert start + span - block < offset + length <= start + span
    else:
        assert span == 0


@given(st.integers(0, 2**40), st.integers(0, 2**20), BLOCKS)
def test_what_is_aligned_is_not_widened(first: int, count: int, block: int) -> None:
    assert widen(first * block, count * block, block) == (first * block, count * block)


# -- explain_misalignment ------------------------------------------------------------------


@pytest.fixture
def direct(large: Path) -> Iterator[int]:
    fd = os.open(large, os.O_RDWR | os.O_DIRECT)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("offset", "length", "wrong"),
    [
        (100, 4096, "offset 100 is not aligned"),
        (0, 100, "length 100 is not aligned"),
        (512, 512, "offset 512 and length 512 are not aligned"),
    ],
)
def test_what_the_kernel_refuses_is_explained(ring: Ring, direct: int, offset: int, length: int, wrong: str) -> None:
    buffer = aligned_buffer(8192)
    for writing, operation in ((False, ring.readinto), (True, ring.write)):
        with pytest.raises(OSError, match="Invalid argument"):
            operation(direct, buffer[:length], offset).result()
        text = explain_misalignment(direct, offset, length, address_of(buffer), writing=writing)
        assert text is not None
        assert text.startswith(wrong)
        assert "multiples of 4096" in text


def test_an_address_is_explained_and_helped(direct: int) -> None:
    text = explain_misalignment(direct, 4096, 4096, 0x7001)
    assert text is not None
    assert text.startswith("address 0x7001 is not aligned")
    assert re.search(r"memory at a multiple of \d+: aligned_buffer\(\) makes such memory$", text)
    text = explain_misalignment(direct, 1, 4096, 0x7001)
    assert text is not None
    assert text.startswith("offset 1 and address 0x7001 are not aligned")


def test_what_is_aligned_has_no_explanation(direct: int) -> None:
    assert explain_misalignment(direct, 4096, 8192, 1 << 20) is None
    assert explain_misalignment(direct, 0, 0, 0, writing=True) is None


def test_a_descriptor_without_direct_io_has_no_explanation(large: Path, data_file: int) -> None:
    assert explain_misalignment(data_file, 1, 1, 1) is None
    with large.open("rb") as file:
        assert explain_misalignment(file, 1, 1, 1) is None


def test_what_is_only_taken_to_be_needed_is_so_called(tmp_path: Path) -> None:
    fd = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    try:
        try:
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
        except OSError:
            pytest.skip("tmpfs has no direct I/O before Linux 6.6")
        text = explain_misalignment(fd, 1, 4096, 0)
        assert text is not None
        assert "this file is taken to need" in text
    finally:
        os.close(fd)


def test_a_misalignment_is_both_what_the_kernel_says_and_a_value_error() -> None:
    error = AlignmentError(errno.EINVAL, "offset 1 is not aligned", "file")
    assert isinstance(error, ValueError)
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (errno.EINVAL, "file")
    assert str(error) == "[Errno 22] offset 1 is not aligned: 'file'"
