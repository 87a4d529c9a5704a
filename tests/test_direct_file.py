"""open_direct, and reads and writes of a DirectFile at any offset."""

from __future__ import annotations

import array
import copy
import errno
import gc
import io
import mmap
import os
import pickle
import random
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disks import ext4, loop_device, mounted
from hypothesis import given, settings
from hypothesis import strategies as st
from opened import descriptors
from pagecache import pages_of

from pyuring import DirectFile, Ring, aligned_buffer, alignment_of, open_direct
from pyuring.aligned import address_of

SIZE = 3 * (1 << 20) + 1234  # more than goes through a bounce buffer at once, and ragged
IO = settings(deadline=None, database=None, max_examples=60)


def folder_with_direct_io(kind: str, made: Path) -> Path:
    if kind == "memory":
        folder = Path("/dev/shm")
        if not folder.is_dir():
            pytest.skip("there is no /dev/shm")
        return folder
    for folder in (made, Path(__file__).parent):
        path = folder / "direct-file-test.probe"
        path.touch()
        try:
            if alignment_of(path).stated:
                return folder
        finally:
            path.unlink()
    pytest.fail("neither the temporary folder's file system nor the checkout's states an alignment for direct I/O")


@pytest.fixture(scope="module", params=["disk", "large sectors", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where alignments are those of the disk, 4096, and not stated."""
    made = tmp_path_factory.mktemp("direct")
    if request.param == "large sectors":
        with ext4(made) as root:
            yield root
    else:
        yield folder_with_direct_io(request.param, made)


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(SIZE)


@pytest.fixture
def path(folder: Path, content: bytes) -> Iterator[Path]:
    path = folder / "direct-file-test.data"
    path.write_bytes(content)
    os.sync()
    yield path
    path.unlink(missing_ok=True)


def plain(path: Path) -> bytes:
    return path.read_bytes()


# -- opening -------------------------------------------------------------------------------


def test_the_descriptor_has_o_direct_and_is_not_inherited(path: Path) -> None:
    with open_direct(path) as file:
        assert isinstance(file, DirectFile)
        status = Path(f"/proc/self/fdinfo/{file.fileno()}").read_text()
        flags = int(status.split("flags:")[1].split()[0], 8)
        assert flags & os.O_DIRECT
        assert flags & os.O_CLOEXEC
        assert not os.get_inheritable(file.fileno())
        assert (file.name, file.mode, file.closed, file.size) == (str(path), "r", False, SIZE)
        assert file.alignment == alignment_of(path)
        assert repr(file) == f"<DirectFile '{path}' mode='r' fd={file.fileno()}>"
    assert file.closed
    assert repr(file) == f"<DirectFile '{path}' mode='r' closed>"


def test_names_are_as_for_open(path: Path) -> None:
    for name in (str(path), os.fsencode(path), path):
        with open_direct(name) as file:
            assert file.name == os.fspath(name)
            assert file.size == SIZE


def test_a_new_file_has_the_permissions_that_open_gives(folder: Path) -> None:
    path = folder / "direct-file-test.new"
    before = os.umask(0o027)
    try:
        for mode in ("w", "x", "w+b", "xb+"):
            with open_direct(path, mode) as file:
                assert os.fstat(file.fileno()).st_mode & 0o777 == 0o640
            path.unlink()
    finally:
        os.umask(before)


def test_modes_do_what_they_do_for_open(path: Path) -> None:
    with open_direct(path, "r+") as file:
        assert file.size == SIZE
        file.pwrite(b"new", 0)
        assert file.pread(3, 0) == b"new"
    with pytest.raises(FileExistsError) as caught:
        open_direct(path, "x")
    assert caught.value.filename == str(path)
    with open_direct(path, "w") as file:
        assert file.size == 0
        with pytest.raises(io.UnsupportedOperation, match="not open for reading"):
            file.pread(1, 0)
        with pytest.raises(io.UnsupportedOperation, match="not open for reading"):
            file.preadinto(bytearray(1), 0)
    with open_direct(path, "rb") as file, pytest.raises(io.UnsupportedOperation, match="not open for writing"):
        file.pwrite(b"x", 0)
    path.unlink()
    for mode in ("r", "r+"):
        with pytest.raises(FileNotFoundError) as missing:
            open_direct(path, mode)
        assert missing.value.filename == str(path)
    with open_direct(path, "x+") as file:
        assert file.pwrite(b"abc", 0) == 3
        assert file.pread(10, 0) == b"abc"


@pytest.mark.parametrize("mode", ["a", "rt", "", "b", "rbb", "rw", "+", "R", "r+w"])
def test_other_modes_are_refused(path: Path, mode: str) -> None:
    with pytest.raises(ValueError, match=r"mode must be one of 'r', 'r\+', 'w', 'w\+', 'x', 'x\+', not"):
        open_direct(path, mode)
    assert path.stat().st_size == SIZE


def test_what_is_no_mode_or_path_is_a_type_error(path: Path) -> None:
    with pytest.raises(TypeError, match="mode is a str such as 'r', not int"):
        open_direct(path, 0o644)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        open_direct(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="null byte"):
        open_direct("a\0b")


# -- where there is no direct I/O ------------------------------------------------------------


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for mode in ("r", "w", "r+", "w+"):
        with pytest.raises(OSError, match="this is a FIFO or pipe") as caught:
            open_direct(tmp_path / "fifo", mode)
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(tmp_path / "fifo"))


def test_a_directory_and_a_device_of_characters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_direct(tmp_path)
    with pytest.raises(OSError, match="this is a character device"):
        open_direct("/dev/zero")


@pytest.mark.parametrize("mode", ["r", "w", "x"])
def test_a_file_system_without_direct_io_is_told(tmp_path: Path, mode: str) -> None:
    with mounted(tmp_path, "ramfs") as root:
        path = root / "file"
        if mode != "x":
            path.touch()
        before = descriptors()
        with pytest.raises(
            OSError, match="the file system has no direct I/O, as those that keep their files"
        ) as caught:
            open_direct(path, mode)
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
        assert descriptors() == before
    with pytest.raises(OSError, match=r"open\(\) the file without O_DIRECT"):
        open_direct("/proc/self/maps")


def test_a_file_that_would_go_through_the_page_cache_is_refused_and_not_emptied(tmp_path: Path) -> None:
    with ext4(tmp_path, options="data=journal") as root:
        path = root / "file"
        path.write_bytes(b"precious")
        before = descriptors()
        for mode in ("r", "r+", "w"):
            with pytest.raises(OSError, match="no direct I/O for this file") as caught:
                open_direct(path, mode)
            assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
        with pytest.raises(OSError, match="no direct I/O for this file"):
            open_direct(root / "new", "x")
        with pytest.raises(FileExistsError):
            open_direct(path, "x")
        assert path.read_bytes() == b"precious"
        assert descriptors() == before


# -- the end -------------------------------------------------------------------------------


def test_a_closed_file_says_so(path: Path) -> None:
    file = open_direct(path, "r+")
    file.close()
    file.close()
    calls: list[Any] = [
        file.fileno, lambda: file.size, lambda: file.pread(1, 0), lambda: file.preadinto(bytearray(1), 0),
        lambda: file.pwrite(b"x", 0), file.__enter__,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="closed file"):
            call()


def test_closing_closes_all_that_was_opened(path: Path) -> None:
    before = descriptors()
    with open_direct(path, "r+") as file:
        file.pwrite(b"ragged", 1)
        assert len(descriptors() - before) == 2
        assert all(not os.get_inheritable(fd) for fd in descriptors() - before)
    assert descriptors() == before


def drop(file: DirectFile) -> None:
    """It has no other reference when this returns."""
    assert file.pread(1, 0)


def test_a_file_dropped_unclosed_is_closed_with_a_warning(path: Path) -> None:
    before = descriptors()
    with pytest.warns(ResourceWarning, match=r"unclosed <DirectFile .* in a with statement, or close\(\) it"):
        drop(open_direct(path))
    assert descriptors() == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_direct(path).close()
        gc.collect()


# -- reading and writing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 0), (0, 1), (0, 512), (0, 4096), (1, 1), (511, 2), (4095, 2), (100, 4096), (0, SIZE), (0, SIZE + 1),
        (SIZE - 1, 1), (SIZE - 1, 10), (SIZE, 1), (SIZE + 5000, 10), (SIZE // 4096 * 4096, 4096), (3, SIZE),
        (0, 1 << 40), (1 << 20, 1 << 20), ((1 << 20) - 1, (1 << 20) + 2), (1 << 62, 10),
    ],
)  # fmt: skip
def test_any_part_is_read_as_os_pread_reads_it(path: Path, content: bytes, offset: int, length: int) -> None:
    with open_direct(path) as file:
        assert file.pread(length, offset) == content[offset : offset + length]
        for shift in (0, 1):
            if length < 1 << 40:
                memory = aligned_buffer(length + 3)
                memory[:] = b"." * len(memory)
                buffer = memory[shift : shift + length]
                got = file.preadinto(buffer, offset)
                assert got == len(content[offset : offset + length])
                assert bytes(buffer[:got]) == content[offset : offset + length]
                if shift:  # in memory that it is read into directly, the kernel fills up the block
                    assert bytes(buffer[got:]) == b"." * (length - got)
                assert bytes(memory[shift + length :]) == b"." * (3 - shift)


def test_random_parts_are_read_as_os_pread_reads_them(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_RDONLY)

    @IO
    @given(st.integers(0, SIZE + 10_000), st.integers(0, 1 << 21), st.integers(0, 8192))
    def check(offset: int, length: int, shift: int) -> None:
        expected = os.pread(fd, length, offset)
        assert file.pread(length, offset) == expected
        buffer = aligned_buffer(length + shift)[shift:]
        assert file.preadinto(buffer, offset) == len(expected)
        assert buffer[: len(expected)] == expected

    with open_direct(path) as file:
        check()
    os.close(fd)


def test_random_writes_leave_the_file_as_os_pwrite_leaves_it(folder: Path) -> None:
    path, twin = folder / "direct-file-test.written", folder / "direct-file-test.twin"

    @IO
    @given(
        st.lists(
            st.tuples(st.integers(0, 40_000), st.integers(0, 20_000) | st.just(1_500_000), st.integers(0, 513)),
            max_size=6,
        ),
        st.integers(0, 30_000),
        st.booleans(),
    )
    def check(writes: list[tuple[int, int, int]], size: int, rounded: bool) -> None:
        path.write_bytes(b"\xaa" * size)
        twin.write_bytes(b"\xaa" * size)
        fd = os.open(twin, os.O_RDWR)
        with open_direct(path, "r+") as file:
            for number, (offset, length, shift) in enumerate(writes):
                if rounded:
                    offset, length = offset // 4096 * 4096, length // 4096 * 4096  # noqa: PLW2901
                memory = aligned_buffer(length + shift)
                data = memory[shift:]
                data[:] = bytes([number + 1]) * length
                assert file.pwrite(data, offset) == os.pwrite(fd, data, offset) == length
                # Past the page cache, what was written through it is seen too.
                assert file.pread(length + 100, max(offset - 50, 0)) == os.pread(fd, length + 100, max(offset - 50, 0))
            assert file.size == os.fstat(fd).st_size
        os.close(fd)
        assert plain(path) == plain(twin)

    try:
        check()
    finally:
        path.unlink(missing_ok=True)
        twin.unlink(missing_ok=True)


def test_neighbours_in_a_block_do_not_overwrite_each_other(path: Path) -> None:
    """Each thread writes its own bytes of blocks that all of them write to."""
    threads, pieces = 6, 40

    def write(number: int) -> None:
        for piece in range(pieces):
            file.pwrite(bytes([number]) * 1000, (piece * threads + number) * 1000)

    with open_direct(path, "r+") as file:
        writers = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        expected = b"".join(bytes([number]) * 1000 for _ in range(pieces) for number in range(threads))
        assert file.pread(len(expected), 0) == expected
        assert file.size == SIZE
    assert plain(path)[: len(expected)] == expected


def test_several_threads_read_at_once(path: Path, content: bytes) -> None:
    failures: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            offset, length = chance.randrange(SIZE), chance.randrange(50_000)
            if file.pread(length, offset) != content[offset : offset + length]:
                failures.append(offset)

    with open_direct(path) as file:
        readers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert failures == []


@pytest.mark.parametrize(
    "buffer",
    [
        bytearray(10_000),
        mmap.mmap(-1, 10_000),
        array.array("d", bytes(8 * 1250)),
        memoryview(bytearray(10_000)).cast("B", (100, 100)),
        bytearray(),
        memoryview(bytearray(10_000))[1:1],
    ],
    ids=["bytearray", "mmap", "array", "matrix", "nothing", "empty part"],
)
def test_any_buffer_is_filled_and_written(path: Path, content: bytes, buffer: Any) -> None:
    size = memoryview(buffer).nbytes
    with open_direct(path, "r+") as file:
        assert file.preadinto(buffer, 777) == size
        assert memoryview(buffer).tobytes() == content[777 : 777 + size]
        assert file.pwrite(buffer, 100) == size
    assert plain(path)[: 100 + size] == content[:100] + content[777 : 777 + size]


def test_an_array_of_numpy_without_items_is_no_special_case(path: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is optional")
    with open_direct(path, "r+") as file:
        assert file.preadinto(numpy.zeros((0, 5)), 1) == file.pwrite(numpy.zeros((5, 0)), 1) == 0
        matrix = numpy.zeros((100, 100), numpy.uint16)
        assert file.preadinto(matrix, 3) == 20_000
        with pytest.raises(BufferError, match="not contiguous"):
            file.preadinto(matrix[:, ::2], 0)


def test_a_buffer_can_be_resized_again_whatever_happened(path: Path) -> None:
    buffer = bytearray(5000)
    with open_direct(path, "r+") as file:
        file.preadinto(buffer, 1)
        file.pwrite(buffer, 1)
        with pytest.raises((OSError, OverflowError)) as caught:
            file.preadinto(buffer, 2**64)
        buffer.append(1)
        with pytest.raises((OSError, OverflowError)):
            file.pwrite(buffer, 2**63 - 100)
        buffer.append(1)
        del caught


def test_bad_arguments_are_refused(path: Path) -> None:
    with open_direct(path, "r+") as file:
        with pytest.raises(ValueError, match="length must be 0 or more, not -1"):
            file.pread(-1, 0)
        calls: list[Any] = [
            lambda: file.pread(1, -1), lambda: file.preadinto(bytearray(1), -1), lambda: file.pwrite(b"x", -1),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(ValueError, match="offset must be 0 or more, not -1"):
                call()
        with pytest.raises(TypeError, match="read-only"):
            file.preadinto(b"constant", 0)
        with pytest.raises(TypeError, match="bytes-like object is required, not str"):
            file.pwrite("text", 0)
        for number in (1.0, "1", None):
            with pytest.raises(TypeError):
                file.pread(number, 0)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                file.pread(1, number)  # type: ignore[arg-type]
    assert path.stat().st_size == SIZE


def test_an_error_names_the_file(path: Path) -> None:
    with open_direct(path, "r+") as file:
        os.close(file.fileno())
        try:
            with pytest.raises(OSError, match="Bad file descriptor") as caught:
                file.pread(1, 0)
            assert caught.value.filename == str(path)
        finally:
            null = os.open("/dev/null", os.O_RDONLY)  # for close() to close
            if null != file.fileno():
                os.dup2(null, file.fileno())
                os.close(null)


def test_a_full_file_system_is_an_error_and_what_fits_is_written(tmp_path: Path) -> None:
    with mounted(tmp_path, "tmpfs", options="size=1m") as root:
        with open_direct(root / "file", "w") as file, pytest.raises(OSError, match="No space left") as caught:
            file.pwrite(b"x" * (2 << 20), 0)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(root / "file"))
        assert (root / "file").stat().st_size == 1 << 20


# -- past the page cache, and through a ring ------------------------------------------------------


def test_whole_blocks_do_not_go_through_the_page_cache(tmp_path: Path) -> None:
    path = folder_with_direct_io("disk", tmp_path) / "direct-file-test.uncached"
    try:
        with open_direct(path, "x+") as file:
            file.pwrite(b"x" * 65536, 0)
            file.pread(60_000, 100)
            file.preadinto(bytearray(65536), 0)
            assert pages_of(file.fileno()).cached == 0
            file.pwrite(b"y" * 100, 5000)
            assert pages_of(file.fileno()).cached == 1
            assert file.pread(102, 4999) == b"x" + b"y" * 100 + b"x"
    finally:
        path.unlink(missing_ok=True)


def test_a_block_device_is_read_written_and_measured(tmp_path: Path) -> None:
    with loop_device(tmp_path, 4096, size=1 << 20) as device, open_direct(device, "r+") as file:
        assert file.size == 1 << 20
        assert file.alignment.offset == 4096
        assert file.pwrite(b"abc" * 5000, 1000) == 15000
        assert file.pread(15002, 999) == b"\0" + b"abc" * 5000 + b"\0"
        assert file.pread(100, (1 << 20) - 10) == bytes(10)
        assert file.pread(100, 1 << 20) == b""
        with pytest.raises(OSError, match="No space left"):
            file.pwrite(b"beyond", 1 << 20)


def test_a_ring_takes_it_as_a_descriptor(ring: Ring, path: Path, content: bytes) -> None:
    buffer = aligned_buffer(8192)
    with open_direct(path, "r+") as file:
        assert address_of(buffer) % file.alignment.memory == 0
        assert ring.readinto(file, buffer, 4096).result() == 8192
        assert buffer == content[4096:12288]
        assert ring.write(file, buffer, 0).result() == 8192
        files = ring.register_files([file])
        assert ring.readinto(files[0], buffer, 8192).result() == 8192
    assert plain(path)[:8192] == content[4096:12288]


def test_a_ring_keeps_it_while_it_reads(ring: Ring, path: Path, content: bytes) -> None:
    buffer = aligned_buffer(4096)
    files = [open_direct(path)]
    dropped = weakref.ref(files[0])
    op = ring.readinto(files.pop(), buffer, 0)
    gc.collect()
    file = dropped()
    assert file is not None
    assert not file.closed
    assert op.result() == 4096
    file.close()
    del file
    assert dropped() is None
    assert buffer == content[:4096]


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_pickled_or_copied(path: Path, make: Any) -> None:
    with open_direct(path) as file, pytest.raises(TypeError, match="cannot be copied or pickled"):
        make(file)
