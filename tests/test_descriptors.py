"""Operations that make, place and close descriptors."""

from __future__ import annotations

import errno
import gc
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from opened import descriptors
from specs.kit import sqe_at

import pyuring
from pyuring import RegisteredFile, RegisteredFiles, ResolveFlags, Ring, SetupFlags


@pytest.fixture
def files(ring: Ring) -> RegisteredFiles:
    return ring.register_files(sparse=4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def fill(ring: Ring, files: RegisteredFiles) -> None:
    for _ in files:
        ring.open(os.devnull, direct=files).result()


# -- opening into a table ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["open", "openat2"])
def test_a_file_is_opened_into_a_slot_and_into_no_descriptor(
    ring: Ring, files: RegisteredFiles, path: Path, method: str
) -> None:
    before = descriptors()
    chosen = getattr(ring, method)(path, direct=files[2]).result()
    assert chosen is files[2]
    assert ring.read(chosen, 4, 3).result() == b"3456"
    picked = getattr(ring, method)(path, os.O_RDWR, direct=files).result()
    assert isinstance(picked, RegisteredFile)
    assert picked in (files[0], files[1], files[3]), "a free one"
    assert ring.write(picked, b"ab", 0).result() == 2
    assert ring.read(files[2], 3, 0).result() == b"ab2"
    assert descriptors() == before


@pytest.mark.parametrize("method", ["open", "openat2"])
def test_o_cloexec_is_taken_for_what_a_slot_is_anyway(
    ring: Ring, files: RegisteredFiles, path: Path, method: str
) -> None:
    """The kernel would answer EINVAL."""
    opened = getattr(ring, method)(path, os.O_RDONLY | os.O_CLOEXEC, direct=files).result()
    assert ring.read(opened, 2, 0).result() == b"01"


@pytest.mark.parametrize("setup", [None, SetupFlags(0), SetupFlags.SQPOLL], ids=["best", "plain", "sqpoll"])
def test_open_read_and_close_is_one_chain_without_a_descriptor(path: Path, setup: SetupFlags | None) -> None:
    with Ring(8, setup=setup) as ring:
        files = ring.register_files(sparse=2)
        before = descriptors()
        for _ in range(5):  # each time into the slot that the time before has freed
            with ring.link():
                opened = ring.open(path, direct=files[1])
                read = ring.read(files[1], 10, 0)
                closed = ring.close_fd(files[1])
            ring.submit()
            assert descriptors() == before
            assert read.result(timeout=5) == b"0123456789"
            assert opened.result() is files[1]
            assert closed.result() is None
        with pytest.raises(OSError) as caught:
            ring.read(files[1], 1).result(timeout=5)
        assert caught.value.errno == errno.EBADF


def test_an_error_at_the_start_of_a_chain_leaves_the_slot_empty(ring: Ring, files: RegisteredFiles) -> None:
    with ring.link():
        opened = ring.open("/no/such/file", direct=files[0])
        read = ring.read(files[0], 10, 0)
        closed = ring.close_fd(files[0])
    with pytest.raises(FileNotFoundError):
        opened.result()
    for op in (read, closed):
        with pytest.raises(OSError) as caught:
            op.result()
        assert caught.value.errno == errno.ECANCELED
    assert ring.open(os.devnull, direct=files).result() is files[0]


def test_an_error_in_the_middle_of_a_chain_leaves_the_file_open(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    with ring.link():
        ring.open(path, direct=files[0])
        read = ring.read(files[0], 100, 0)  # short: it cuts the chain
        closed = ring.close_fd(files[0])
    assert read.result() == b"0123456789"
    with pytest.raises(OSError):
        closed.result()
    assert ring.read(files[0], 1, 0).result() == b"0", "nobody closed it"
    with ring.link(hard=True):
        ring.read(files[0], 100, 0)
        closed = ring.close_fd(files[0])
    assert closed.result() is None


def test_opening_into_an_occupied_slot_closes_what_was_there(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    reader, writer = os.pipe()
    files.update(1, writer)
    os.close(writer)
    assert ring.open(path, direct=files[1]).result() is files[1]
    assert os.read(reader, 1) == b"", "the write end is closed"
    assert ring.read(files[1], 1, 0).result() == b"0"
    os.close(reader)


def test_a_failed_open_leaves_what_was_in_the_slot(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    ring.open(path, direct=files[1]).result()
    with pytest.raises(FileNotFoundError) as caught:
        ring.open("/no/such/file", direct=files[1]).result()
    assert caught.value.filename == "/no/such/file"
    assert ring.read(files[1], 1, 0).result() == b"0"


def test_a_full_table_says_that_it_is_the_table(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    fill(ring, files)
    for op in (ring.open(path, direct=files), ring.openat2(path, direct=files)):
        with pytest.raises(OSError) as caught:
            op.result()
        assert caught.value.errno == errno.ENFILE
        assert any("no free slot" in note for note in caught.value.__notes__)
    assert ring.close_fd(files[3]).result() is None
    assert ring.open(path, direct=files).result() is files[3]


@pytest.mark.parametrize(
    "call",
    [
        lambda r, d: r.open("x", direct=d), lambda r, d: r.openat2("x", direct=d), lambda r, d: r.pipe(direct=d),
    ],
    ids=["open", "openat2", "pipe"],
)  # fmt: skip
def test_direct_is_registered_files_of_this_ring_that_still_are(ring: Ring, call: Any) -> None:
    with Ring(8) as other:
        theirs = other.register_files(sparse=4)
        for foreign in (theirs, theirs[1]):
            with pytest.raises(ValueError, match="not this ring's"):
                call(ring, foreign)
            files = ring._files or ring.register_files(sparse=4)
            with pytest.raises(ValueError, match="not this ring's"):
                call(ring, foreign)
    slot = files[1]
    files.unregister()
    for stale in (files, slot):
        with pytest.raises(ValueError, match="not this ring's"):
            call(ring, stale)
    for wrong in (3, "x", [slot], object(), True):
        with pytest.raises(TypeError, match="registered files"):
            call(ring, wrong)
    assert ring.in_flight == 0


def test_a_file_opened_into_a_table_is_closed_with_the_table(ring: Ring, tmp_path: Path) -> None:
    files = ring.register_files(sparse=2)
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    ring.open(tmp_path / "fifo", os.O_WRONLY, direct=files).result()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    files.unregister()
    while True:  # the kernel lets go of them a moment later
        try:
            assert os.read(reader, 1) == b""
            break
        except BlockingIOError:
            ring.timeout(0.001).result()
    os.close(reader)


# -- openat2 -----------------------------------------------------------------------------------


def test_openat2_creates_with_the_mode_less_the_umask(ring: Ring, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        os.close(ring.openat2(tmp_path / "a", os.O_CREAT | os.O_RDWR).result())
        os.close(ring.openat2(tmp_path / "b", os.O_CREAT | os.O_RDWR, 0o666).result())
    finally:
        os.umask(before)
    assert [os.stat(tmp_path / name).st_mode & 0o777 for name in "ab"] == [0o750, 0o640]


def test_openat2_makes_files_without_a_name(ring: Ring, tmp_path: Path) -> None:
    fd = ring.openat2(tmp_path, os.O_TMPFILE | os.O_RDWR).result()
    assert os.listdir(tmp_path) == []
    assert ring.hardlink(fd, tmp_path / "named").result() is None
    assert os.fstat(fd).st_ino == (tmp_path / "named").stat().st_ino
    os.close(fd)


def test_resolve_keeps_a_path_where_it_should_be(ring: Ring, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (inside / "file").write_bytes(b"file")
    os.symlink("file", inside / "near")
    os.symlink("../secret", inside / "away")
    os.symlink("/file", inside / "rooted")
    folder = os.open(inside, os.O_RDONLY)

    def outcome(name: str, resolve: int) -> Any:
        try:
            fd = ring.openat2(name, resolve=resolve, dir_fd=folder).result()
        except OSError as error:
            return error.errno
        content = os.read(fd, 99)
        os.close(fd)
        return content

    assert outcome("away", 0) == b"secret"
    assert outcome("away", ResolveFlags.BENEATH) == errno.EXDEV
    assert outcome("../secret", ResolveFlags.BENEATH) == errno.EXDEV
    assert outcome("/etc/hostname", ResolveFlags.BENEATH) == errno.EXDEV
    assert outcome("near", ResolveFlags.BENEATH) == b"file"
    assert outcome("near", ResolveFlags.NO_SYMLINKS) == errno.ELOOP
    assert outcome("rooted", ResolveFlags.IN_ROOT) == b"file"
    assert outcome("../file", ResolveFlags.IN_ROOT) == b"file"
    assert outcome("/proc/self/stat", ResolveFlags.NO_XDEV) == errno.EXDEV
    assert outcome(f"/proc/self/fd/{folder}/file", ResolveFlags.NO_MAGICLINKS) == errno.ELOOP
    assert outcome("file", ResolveFlags.CACHED) == b"file"
    os.close(folder)


def test_paths_that_are_too_long_are_the_kernels_error_with_the_name(ring: Ring) -> None:
    calls: list[Any] = [
        ring.open, ring.openat2, ring.statx, ring.unlink, ring.rmdir, ring.mkdir, lambda p: ring.getxattr(p, "user.x"),
        lambda p: ring.setxattr(p, "user.x", b""), lambda p: ring.rename(p, "x"), lambda p: ring.hardlink(p, "x"),
    ]  # fmt: skip
    for name in ("x" * 256, "x/" * 3000):
        for call in calls:
            with pytest.raises(OSError) as caught:
                call(name).result()
            assert (caught.value.errno, caught.value.filename) == (errno.ENAMETOOLONG, name)


# -- closing ------------------------------------------------------------------------------------


def test_close_fd_closes_the_descriptor_and_not_the_ring(ring: Ring, data_file: int) -> None:
    fd = os.dup(data_file)
    assert ring.close_fd(fd).result() is None
    with pytest.raises(OSError):
        os.fstat(fd)
    assert not ring.closed


def test_close_fd_does_not_end_a_read_that_is_in_flight(ring: Ring) -> None:
    reader, writer = os.pipe()
    read = ring.read(reader, 5)
    ring.submit()
    assert ring.close_fd(reader).result() is None
    os.write(writer, b"still")
    assert read.result(timeout=5) == b"still"
    os.close(writer)


def test_closing_a_registered_file_frees_its_slot_and_touches_no_descriptor(
    ring: Ring, files: RegisteredFiles, data_file: int
) -> None:
    files.update(0, data_file)
    before = descriptors()
    assert ring.close_fd(files[0]).result() is None
    assert descriptors() == before
    with pytest.raises(OSError) as caught:
        ring.read(files[0], 1).result()
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError) as caught:
        ring.close_fd(files[0]).result()
    assert caught.value.errno == errno.EBADF
    assert ring.open(os.devnull, direct=files).result() is files[0]


def test_closing_a_registered_file_is_asked_of_its_slot_and_not_of_descriptor_0(
    ring: Ring, files: RegisteredFiles
) -> None:
    ring.close_fd(files[0])
    sqe = sqe_at(ring)
    assert (sqe.opcode, sqe.fd, sqe.flags, sqe.file_index) == (19, 0, 0, 1)
    with pytest.raises(OSError) as caught:
        ring.wait(1)[0].result()
    assert caught.value.errno == errno.EBADF, "the slot is empty, and descriptor 0 was not meant"
    os.fstat(0)


def test_a_registered_file_of_another_ring_is_not_closed(ring: Ring, files: RegisteredFiles, data_file: int) -> None:
    with Ring(8) as other:
        theirs = other.register_files([data_file])
        with pytest.raises(ValueError, match="not this ring's"):
            ring.close_fd(theirs[0])
        assert other.read(theirs[0], 1, 0).result() == os.pread(data_file, 1, 0)
    slot = files[0]
    files.unregister()
    with pytest.raises(ValueError, match="not this ring's"):
        ring.close_fd(slot)


# -- back to descriptors ---------------------------------------------------------------------------


def test_a_registered_file_is_installed_as_a_descriptor(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    file = files[1]
    ring.open(path, direct=file).result()
    before = descriptors()
    closed, inherited = ring.fixed_fd_install(file).result(), ring.fixed_fd_install(file, inheritable=True).result()
    assert {closed, inherited} == descriptors() - before
    assert (os.get_inheritable(closed), os.get_inheritable(inherited)) == (False, True)
    assert os.read(closed, 5) == b"01234"
    assert ring.read(file, 5).result() == b"56789", "they share the file's position"
    ring.close_fd(file).result()
    assert os.pread(inherited, 2, 0) == b"01"
    os.close(closed)
    os.close(inherited)


def test_what_is_installed_is_a_registered_file_of_this_ring(ring: Ring, files: RegisteredFiles) -> None:
    with Ring(8) as other, pytest.raises(ValueError, match="not this ring's"):
        ring.fixed_fd_install(other.register_files(sparse=1)[0])
    slot = files[0]
    files.unregister()
    with pytest.raises(ValueError, match="not this ring's"):
        ring.fixed_fd_install(slot)


# -- files_update ------------------------------------------------------------------------------------


def test_files_update_fills_empties_and_leaves_slots(ring: Ring, files: RegisteredFiles, data_file: int) -> None:
    files.update(0, [data_file, data_file, data_file])
    with open("/dev/zero", "rb") as zero:
        assert ring.files_update(files, 0, [None, ..., zero]).result() == files[0:3]
    with pytest.raises(OSError):
        ring.read(files[0], 1).result()
    assert ring.read(files[1], 3, 0).result() == os.pread(data_file, 3, 0)
    assert ring.read(files[2], 3, 0).result() == bytes(3), "it is open in the table"


def test_files_update_lets_the_kernel_pick(ring: Ring, files: RegisteredFiles, data_file: int) -> None:
    files.update(1, data_file)
    op = ring.files_update(files, None, [data_file] * 3)
    assert sorted(op.result()) == [files[0], files[2], files[3]] == sorted(op.result())
    assert op.res == 3
    with pytest.raises(OSError) as caught:
        ring.files_update(files, None, [data_file]).result()
    assert caught.value.errno == errno.ENFILE


def test_files_update_tells_how_far_it_came(ring: Ring, files: RegisteredFiles, data_file: int) -> None:
    files.update(0, [data_file] * 4)
    assert ring.files_update(files, 0, [data_file, 1_000_000, data_file]).result() == [files[0]]
    with pytest.raises(OSError):
        ring.read(files[1], 1).result()
    assert ring.read(files[2], 1, 0).result() == os.pread(data_file, 1, 0)
    files.update(2, [None, None])
    assert sorted(ring.files_update(files, None, [data_file] * 4).result()) == files[1:], "there are no more"


def test_a_file_whose_object_is_dropped_is_put_into_the_table_all_the_same(
    ring: Ring, files: RegisteredFiles, path: Path
) -> None:
    def opened() -> Any:
        return path.open("rb")

    op = ring.files_update(files, 0, [opened()])
    gc.collect()
    with pytest.warns(ResourceWarning, match="unclosed file"):
        assert op.result() == [files[0]]  # only now may it be let go of
    assert ring.read(files[0], 2, 0).result() == b"01"


def test_files_update_works_inside_a_chain(ring: Ring, files: RegisteredFiles, path: Path) -> None:
    with open(path, "rb") as file:
        with ring.link():
            ring.files_update(files, 3, [file])
            read = ring.read(files[3], 10, 0)
            ring.files_update(files, 3, [None])
        assert len(ring.wait(3)) == 3
    assert read.result() == b"0123456789"


def test_the_table_of_another_ring_is_not_updated(ring: Ring, files: RegisteredFiles, data_file: int) -> None:
    with Ring(8) as other:
        theirs = other.register_files(sparse=4)
        with pytest.raises(ValueError, match="not this ring's"):
            ring.files_update(theirs, 0, [data_file])
    files.unregister()
    with pytest.raises(ValueError, match="not this ring's"):
        ring.files_update(files, 0, [data_file])


# -- several at once, and where the kernel picks ----------------------------------------------------


def test_update_takes_several_files(ring: Ring, files: RegisteredFiles, data_file: int, sockets: Any) -> None:
    files.update(2, data_file)
    assert files.update(1, (data_file, ..., sockets[0])) == [files[1], files[2], files[3]]
    sockets[1].send(b"hello")
    assert ring.recv(files[3], 5).result() == b"hello"
    assert ring.read(files[2], 2, 0).result() == ring.read(files[1], 2, 0).result() == os.pread(data_file, 2, 0)
    assert files.update(-2, [None, None]) == files[2:]
    for empty in (0, 2, 3):
        with pytest.raises(OSError):
            ring.read(files[empty], 1).result()


@pytest.mark.parametrize(
    ("index", "several", "kind"),
    [
        (3, [0, 0], IndexError), (-1, [0, 0], IndexError), (4, [0], IndexError), (0, [], ValueError),
        (0, [0, -1], pyuring.BadDescriptorError), (0, [0, -2], pyuring.BadDescriptorError), (0, [0, "x"], TypeError),
        (0, [0, 1_000_000], OSError), ("0", [0], TypeError), (None, [0], TypeError),
    ],
)  # fmt: skip
def test_several_files_are_put_in_place_all_or_none(
    ring: Ring, files: RegisteredFiles, data_file: int, index: Any, several: list[Any], kind: type[Exception]
) -> None:
    files.update(0, [data_file] * 4)
    with pytest.raises(kind):
        files.update(index, several)
    for file in files:
        assert ring.read(file, 2, 0).result() == os.pread(data_file, 2, 0)


def test_a_file_that_the_kernel_refuses_ends_an_update_and_is_named_by_its_number(
    ring: Ring, files: RegisteredFiles, data_file: int
) -> None:
    files.update(0, [data_file] * 4)
    with Ring(8) as other, pytest.raises(OSError, match=r"number 1.*a ring"):
        files.update(1, [os.open(os.devnull, os.O_RDONLY), other, data_file])
    assert ring.read(files[1], 1, 0).result() == b""
    with pytest.raises(OSError):
        ring.read(files[2], 1).result()
    assert ring.read(files[3], 1, 0).result() == os.pread(data_file, 1, 0)


def test_the_kernel_picks_slots_only_in_the_range_for_it(ring: Ring) -> None:
    files = ring.register_files(sparse=10)
    files.alloc_range(6, 2)
    picked = [ring.open(os.devnull, direct=files).result() for _ in range(2)]
    assert picked == [files[6], files[7]]
    with pytest.raises(OSError) as caught:
        ring.open(os.devnull, direct=files).result()
    assert caught.value.errno == errno.ENFILE
    assert ring.open(os.devnull, direct=files[0]).result() is files[0], "by its number any slot can be filled"
    files.alloc_range(0, 10)
    assert ring.open(os.devnull, direct=files).result() is files[1]
    files.alloc_range(5, 0)
    with pytest.raises(OSError):
        ring.open(os.devnull, direct=files).result()


@pytest.mark.parametrize(
    ("offset", "length", "kind"),
    [
        (-1, 1, ValueError), (0, -1, ValueError), (0, 5, ValueError), (4, 1, ValueError), (2**40, 0, ValueError),
        ("0", 1, TypeError), (0, None, TypeError),
    ],
)  # fmt: skip
def test_a_range_that_is_not_in_the_table_is_refused(
    files: RegisteredFiles, offset: Any, length: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        files.alloc_range(offset, length)


def test_a_range_needs_a_table_that_is_registered(ring: Ring, files: RegisteredFiles) -> None:
    files.unregister()
    with pytest.raises(ValueError, match="unregistered"):
        files.alloc_range(0, 1)
    with pytest.raises(ValueError, match="unregistered"):
        files.update(0, [None])


def test_a_socket_and_a_file_go_through_one_table_and_never_through_the_process(
    ring: Ring, files: RegisteredFiles, path: Path
) -> None:
    """As a server that sends files would."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        files.update(0, ours)
        before = descriptors()
        (reader, writer), opened = ring.pipe(direct=files[2]).result(), ring.open(path, direct=files[1]).result()
        with ring.link():
            ring.splice(opened, writer, 10, 0)
            sent = ring.splice(reader, files[0], 10)
        assert sent.result() == 10
        assert theirs.recv(99) == b"0123456789"
        assert descriptors() == before
