"""Sheets of the operations that make, place and close descriptors."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Any

from pyuring import Completion, RegisteredFiles, ResolveFlags, Ring

from .kit import AT_FDCWD, FIXED_FILE, Failure, Row, Spec, Sqe, World, text_at

U32 = 2**32


def files_of(ring: Ring, count: int = 8) -> RegisteredFiles:
    """The registered files of `ring`, which are made if need be."""
    return ring._files or ring.register_files(sparse=count)


def with_sqe_flags(keywords: dict[str, Any]) -> dict[str, Any]:
    return {("sqe_flags" if key == "flags" else key): value for key, value in keywords.items()}


def check_how(*expected: int) -> Any:
    def check(sqe: Sqe, op: Completion[Any]) -> None:
        assert text_at(sqe.addr) == b"a/path"
        assert struct.unpack("=QQQ", ctypes.string_at(sqe.off, 24)) == expected

    return check


def check_numbers(*expected: int) -> Any:
    def check(sqe: Sqe, op: Completion[Any]) -> None:
        assert struct.unpack(f"={len(expected)}i", ctypes.string_at(sqe.addr, 4 * len(expected))) == expected

    return check


def openat2(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    world.file(b"opened")
    folder = world.keep(os.open(world.folder, os.O_RDONLY))
    op = ring.openat2("file", resolve=ResolveFlags.BENEATH, dir_fd=folder, **with_sqe_flags(keywords))
    return op, lambda fd: os.read(world.keep(fd), 99) == b"opened" and not os.get_inheritable(fd)


def outside(ring: Ring, world: World) -> Completion[Any]:
    world.file()
    folder = world.keep(os.open(world.folder, os.O_RDONLY))
    os.symlink("file", world.folder / "link")
    return ring.openat2(world.folder / "file", resolve=ResolveFlags.BENEATH, dir_fd=folder)


def linked(ring: Ring, world: World) -> Completion[Any]:
    world.file()
    os.symlink("file", world.folder / "link")
    return ring.openat2(world.folder / "link", resolve=ResolveFlags.NO_SYMLINKS)


def fixed_fd_install(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    files = files_of(ring)
    op = ring.fixed_fd_install(files.update(3, world.file(b"installed")), **keywords)
    return op, lambda fd: os.pread(world.keep(fd), 99, 0) == b"installed" and not os.get_inheritable(fd)


def files_update(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    files = files_of(ring)
    first, last = world.file(b"1", "first"), world.file(b"2", "last")
    op = ring.files_update(files, 2, [first, ..., last], **keywords)

    def updated(result: object) -> bool:
        read = [ring.read(files[index], 9, 0).result(timeout=5) for index in (2, 4)]
        return result == files[2:5] and read == [b"1", b"2"]

    return op, updated


O_FLAGS = os.O_RDWR | os.O_CREAT

SPECS = [
    Spec(
        "openat2", "io_uring_prep_openat2(3)", "5.6",
        prepare=lambda t, **k: t.ring.openat2("x", **with_sqe_flags(k)),
        rows=[
            Row(
                "openat2", lambda r: r.openat2("a/path", O_FLAGS, 0o640, resolve=9, dir_fd=11), 28,
                {"fd": 11, "len": 24}, check_how(O_FLAGS | os.O_CLOEXEC, 0o640, 9), pointers=("addr", "off"),
            ),
            Row(
                "openat2 for reading", lambda r: r.openat2(b"a/path"), 28,
                {"fd": AT_FDCWD, "len": 24}, check_how(os.O_CLOEXEC, 0, 0), pointers=("addr", "off"),
            ),
            Row(
                "openat2 of a new file", lambda r: r.openat2("a/path", O_FLAGS), 28,
                {"fd": AT_FDCWD, "len": 24}, check_how(O_FLAGS | os.O_CLOEXEC, 0o777, 0), pointers=("addr", "off"),
            ),
            Row(
                "openat2 of a directory", lambda r: r.openat2("a/path", os.O_DIRECTORY), 28,
                {"fd": AT_FDCWD, "len": 24}, check_how(os.O_DIRECTORY | os.O_CLOEXEC, 0, 0), pointers=("addr", "off"),
            ),
            Row(
                "openat2 of no name", lambda r: r.openat2("a/path", os.O_TMPFILE | os.O_RDWR), 28,
                {"fd": AT_FDCWD, "len": 24}, check_how(os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o777, 0),
                pointers=("addr", "off"),
            ),
            Row(
                "openat2 into a slot", lambda r: r.openat2("a/path", os.O_CLOEXEC, direct=files_of(r, 40)[37]), 28,
                {"fd": AT_FDCWD, "len": 24, "file_index": 38}, check_how(0, 0, 0), pointers=("addr", "off"),
            ),
            Row(
                "openat2 into any slot", lambda r: r.openat2("a/path", direct=files_of(r)), 28,
                {"fd": AT_FDCWD, "len": 24, "file_index": U32 - 1}, check_how(0, 0, 0), pointers=("addr", "off"),
            ),
            Row(
                "open into a slot", lambda r: r.open("a/path", os.O_CLOEXEC, direct=files_of(r, 40)[37]), 18,
                {"fd": AT_FDCWD, "len": 0o777, "file_index": 38}, pointers=("addr",),
            ),
            Row(
                "open into any slot", lambda r: r.open("a/path", O_FLAGS, 0o640, dir_fd=11, direct=files_of(r)), 18,
                {"fd": 11, "len": 0o640, "rw_flags": O_FLAGS, "file_index": U32 - 1}, pointers=("addr",),
            ),
            Row("close_fd of a slot", lambda r: r.close_fd(files_of(r, 40)[37]), 19, {"file_index": 38}),
        ],
        scenario=openat2,
        failures=[
            Failure("openat2", lambda r, w: r.openat2(w.folder / "no"), FileNotFoundError, errno.ENOENT, "no"),
            Failure("openat2", outside, OSError, errno.EXDEV, "file"),
            Failure("openat2", linked, OSError, errno.ELOOP, "link"),
            Failure("openat2", lambda r, w: r.openat2(w.folder, 0, 0o600), OSError, errno.EINVAL, ""),
            Failure("openat2", lambda r, w: r.openat2(w.folder, resolve=2**60), OSError, errno.EINVAL, ""),
        ],
        refused={
            "a NUL": (ValueError, lambda t: t.ring.openat2("a\0b")),
            "a number": (TypeError, lambda t: t.ring.openat2(5)),  # type: ignore[arg-type]
            "the mode of a file object": (TypeError, lambda t: t.ring.openat2("x", "rb")),  # type: ignore[arg-type]
            "flags too large": (OverflowError, lambda t: t.ring.openat2("x", 2**64)),
            "flags below 0": (OverflowError, lambda t: t.ring.openat2("x", -(2**40))),
            "a mode below 0": (OverflowError, lambda t: t.ring.openat2("x", 0, -1)),
            "a mode of text": (TypeError, lambda t: t.ring.openat2("x", 0, "rwx")),  # type: ignore[arg-type]
            "resolve below 0": (OverflowError, lambda t: t.ring.openat2("x", resolve=-1)),
            "resolve of text": (TypeError, lambda t: t.ring.openat2("x", resolve="beneath")),  # type: ignore[arg-type]
            "direct of a number": (TypeError, lambda t: t.ring.openat2("x", direct=3)),  # type: ignore[arg-type]
        },
        makes_descriptor=True,
    ),
    Spec(
        "fixed_fd_install", "io_uring_prep_fixed_fd_install(3)", "6.8",
        prepare=lambda t, **k: t.ring.fixed_fd_install(files_of(t.ring)[3], **k),
        rows=[
            Row(
                "fixed_fd_install", lambda r: r.fixed_fd_install(files_of(r, 40)[37], inheritable=True), 54,
                {"fd": 37, "rw_flags": 1}, flags=FIXED_FILE,
            ),
            Row(
                "fixed_fd_install closed", lambda r: r.fixed_fd_install(files_of(r, 40)[37]), 54, {"fd": 37},
                flags=FIXED_FILE,
            ),
        ],
        scenario=fixed_fd_install,
        failures=[
            Failure("fixed_fd_install", lambda r, w: r.fixed_fd_install(files_of(r)[5]), OSError, errno.EBADF),
        ],
        refused={
            "a descriptor": (TypeError, lambda t: t.ring.fixed_fd_install(t.fd)),  # type: ignore[arg-type]
            "a socket": (TypeError, lambda t: t.ring.fixed_fd_install(t.sock)),  # type: ignore[arg-type]
            "the table": (TypeError, lambda t: t.ring.fixed_fd_install(files_of(t.ring))),  # type: ignore[arg-type]
        },
        makes_descriptor=True,
    ),
    Spec(
        "files_update", "io_uring_prep_files_update(3)", "5.6",
        prepare=lambda t, **k: t.ring.files_update(files_of(t.ring), 1, [t.fd], **k),
        rows=[
            Row(
                "files_update", lambda r: r.files_update(files_of(r, 40), 13, [11, None, ..., 17]), 20,
                {"fd": -1, "off": 13, "len": 4}, check_numbers(11, -1, -2, 17), pointers=("addr",),
            ),
            Row(
                "files_update from behind", lambda r: r.files_update(files_of(r, 40), -3, [11]), 20,
                {"fd": -1, "off": 37, "len": 1}, check_numbers(11), pointers=("addr",),
            ),
            Row(
                "files_update of any", lambda r: r.files_update(files_of(r), None, (11, 13)), 20,
                {"fd": -1, "off": 2**64 - 1, "len": 2}, check_numbers(11, 13), pointers=("addr",),
            ),
        ],
        scenario=files_update,
        failures=[
            Failure(
                "files_update", lambda r, w: r.files_update(files_of(r), 0, [1_000_000]), OSError, errno.EBADF
            ),
            Failure("files_update", lambda r, w: r.files_update(files_of(r), 0, [r]), OSError, errno.EBADF),
        ],
        refused={
            "no files": (TypeError, lambda t: t.ring.files_update(None, 0, [t.fd])),  # type: ignore[arg-type]
            "nothing": (ValueError, lambda t: t.ring.files_update(files_of(t.ring), 0, [])),
            "no list": (TypeError, lambda t: t.ring.files_update(files_of(t.ring), 0, 5)),  # type: ignore[arg-type]
            "beyond the table": (IndexError, lambda t: t.ring.files_update(files_of(t.ring), 7, [t.fd, t.fd])),
            "behind the table": (IndexError, lambda t: t.ring.files_update(files_of(t.ring), 8, [t.fd])),
            "an index of text": (
                TypeError, lambda t: t.ring.files_update(files_of(t.ring), "0", [t.fd])  # type: ignore[arg-type]
            ),
            "-1": (OSError, lambda t: t.ring.files_update(files_of(t.ring), 0, [t.fd, -1])),
            "-2": (OSError, lambda t: t.ring.files_update(files_of(t.ring), 0, [-2])),
            "text": (TypeError, lambda t: t.ring.files_update(files_of(t.ring), 0, ["x"])),
            "a registered file": (
                TypeError, lambda t: t.ring.files_update(files_of(t.ring), 0, [files_of(t.ring)[1]])
            ),
            "any slot to be emptied": (TypeError, lambda t: t.ring.files_update(files_of(t.ring), None, [None])),
            "any slot to be left": (TypeError, lambda t: t.ring.files_update(files_of(t.ring), None, [...])),
        },
    ),
]  # fmt: skip
