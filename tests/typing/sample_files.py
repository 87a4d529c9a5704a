"""What type checkers make of files, paths and direct descriptors. Checked by test_typing.py, never run."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import assert_type

from pyuring import (
    Alignment,
    AlignmentError,
    DirectFile,
    RegisteredFile,
    RegisteredFiles,
    RenameFlags,
    ResolveFlags,
    Ring,
    RwFlags,
    StatxAttributes,
    StatxFlags,
    StatxMask,
    SyncFileRangeFlags,
    aligned_buffer,
    alignment_of,
    open_direct,
)


def paths(ring: Ring) -> None:
    assert_type(ring.openat2("x", os.O_RDWR, 0o600, resolve=ResolveFlags.BENEATH, dir_fd=3).result(), int)
    assert_type(ring.rmdir(Path("x")).result(), None)
    assert_type(ring.rename("x", "y", rename_flags=RenameFlags.NOREPLACE).result(), None)
    assert_type(ring.hardlink(5, b"y", follow_symlinks=False).result(), None)
    assert_type(ring.symlink("x", "y", dir_fd=5).result(), None)
    found = ring.statx("x", mask=StatxMask.SIZE, statx_flags=StatxFlags.DONT_SYNC).result()
    assert_type(found.stx_mask, StatxMask)
    assert_type(found.stx_attributes, StatxAttributes)
    assert_type(found.stx_subvol, int)
    assert_type(ring.getxattr("x", "user.name").result(), bytes)
    assert_type(ring.fgetxattr(5, "user.name", 100).result(), bytes)
    assert_type(ring.setxattr("x", "user.name", b"value", os.XATTR_CREATE).result(), None)
    assert_type(ring.fsetxattr(5, b"user.name", b"value").result(), None)


def files(ring: Ring, buffer: bytearray) -> None:
    assert_type(ring.read(5, 10, 0, RwFlags.NOWAIT).result(), bytes)
    assert_type(ring.write(5, buffer, rw_flags=RwFlags.APPEND | RwFlags.DSYNC).result(), int)
    assert_type(ring.readv(5, [buffer], 0, RwFlags.HIPRI).result(), int)
    assert_type(ring.fsync(5, 0, 4096).result(), None)
    assert_type(ring.fadvise(5, 0, 0, os.POSIX_FADV_DONTNEED).result(), None)
    assert_type(ring.madvise(mmap.mmap(-1, 4096), mmap.MADV_DONTNEED, length=4096).result(), None)
    assert_type(ring.sync_file_range(5, 0, 0, SyncFileRangeFlags.WRITE).result(), None)
    assert_type(ring.splice(5, 6, 100, 0, splice_flags=os.SPLICE_F_MORE).result(), int)
    assert_type(ring.tee(5, 6, 100).result(), int)
    assert_type(ring.pipe(os.O_NONBLOCK).result(), tuple[int, int])


def direct(ring: Ring, table: RegisteredFiles) -> None:
    assert_type(ring.open("x", direct=table).result(), int)
    assert_type(ring.openat2("x", direct=table[3]).result(), int)
    assert_type(ring.pipe(direct=table).result(), tuple[int, int])
    assert_type(ring.close_fd(table[3]).result(), None)
    assert_type(ring.fixed_fd_install(table[3], inheritable=True).result(), int)
    assert_type(ring.files_update(table, None, [5, 6]).result(), list[RegisteredFile])
    assert_type(ring.files_update(table, 3, [5, ..., None]).result(), list[RegisteredFile])
    assert_type(table.update(3, 5), RegisteredFile)
    assert_type(table.update(3, [5, ..., None]), list[RegisteredFile])
    assert_type(table.alloc_range(3, 5), None)


def wrong(ring: Ring, table: RegisteredFiles) -> None:
    """Each line is an error for type checkers: an ignore that is not needed is one, too."""
    ring.open("x", direct=5)  # type: ignore[arg-type]
    ring.fixed_fd_install(5)  # type: ignore[arg-type]
    ring.splice(5, 6, 100, timeout=1)  # type: ignore[call-arg]
    ring.getxattr("x", 5)  # type: ignore[arg-type]
    table.alloc_range("0", 1)  # type: ignore[arg-type]


def direct_io(path: Path) -> None:
    buffer = aligned_buffer(8192, align=512)
    assert_type(buffer, memoryview)
    alignment = alignment_of(path)
    assert_type(alignment, Alignment)
    assert_type(alignment.read_offset, int)
    assert_type(alignment.stated, bool)
    assert_type(alignment_of(5), Alignment)
    with open_direct(path, "r+") as file:
        assert_type(file, DirectFile)
        assert_type(alignment_of(file), Alignment)
        assert_type(file.alignment.memory, int)
        assert_type(file.size, int)
        assert_type(file.pread(100, 5), bytes)
        assert_type(file.preadinto(buffer[:4096], 0), int)
        assert_type(file.pwrite(b"data", 1), int)
        assert_type(file.name, str | bytes)
    error = AlignmentError(22, "offset 1 is not aligned")
    assert_type(error.errno, int | None)
