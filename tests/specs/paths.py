"""Sheets of the operations on paths."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from pyuring import Completion, Ring

from .kit import AT_FDCWD, U32, Check, Failure, Row, Spec, Sqe, World, check_path, text_at

AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x200, 0x400, 0x1000


def check_both(first: bytes, second: bytes) -> Check:
    def check(sqe: Sqe, op: Completion[Any]) -> None:
        assert text_at(sqe.addr) == first
        assert text_at(sqe.off) == second

    return check


def rmdir(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    os.mkdir(world.folder / "made")
    op = ring.rmdir(world.folder / "made", **keywords)
    return op, lambda result: result is None and os.listdir(world.folder) == []


def hardlink(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    inode = os.fstat(world.file()).st_ino
    op = ring.hardlink(world.folder / "file", world.folder / "too", **keywords)
    return op, lambda result: result is None and os.stat(world.folder / "too").st_ino == inode


def symlink(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    op = ring.symlink("to/nowhere", world.folder / "link", **keywords)
    return op, lambda result: result is None and os.readlink(world.folder / "link") == "to/nowhere"


def occupied(world: World) -> Path:
    world.file()
    return world.folder / "file"


SPECS = [
    Spec(
        "rmdir", "io_uring_prep_unlinkat(3)", "5.11",
        prepare=lambda t, **k: t.ring.rmdir("x", **k),
        rows=[
            Row(
                "rmdir", lambda r: r.rmdir("a/path", dir_fd=11), 36, {"fd": 11, "rw_flags": AT_REMOVEDIR},
                check_path(b"a/path"), pointers=("addr",),
            ),
        ],
        scenario=rmdir,
        failures=[
            Failure("rmdir", lambda r, w: r.rmdir(w.folder / "no"), FileNotFoundError, errno.ENOENT, "no"),
            Failure("rmdir", lambda r, w: r.rmdir(occupied(w)), NotADirectoryError, errno.ENOTDIR, "file"),
            Failure("rmdir", lambda r, w: r.rmdir(occupied(w).parent), OSError, errno.ENOTEMPTY, ""),
        ],
        refused={
            "a NUL": (ValueError, lambda t: t.ring.rmdir("a\0b")),
            "a number": (TypeError, lambda t: t.ring.rmdir(5)),  # type: ignore[arg-type]
            "nothing": (TypeError, lambda t: t.ring.rmdir(None)),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "hardlink", "io_uring_prep_linkat(3)", "5.15",
        prepare=lambda t, **k: t.ring.hardlink("x", "y", **k),
        rows=[
            Row(
                "hardlink", lambda r: r.hardlink("the/old", "the/new", src_dir_fd=11, dst_dir_fd=13), 39,
                {"fd": 11, "len": 13, "rw_flags": AT_SYMLINK_FOLLOW},
                check_both(b"the/old", b"the/new"), pointers=("addr", "off"),
            ),
            Row(
                "hardlink of a link", lambda r: r.hardlink(b"the/old", Path("the/new"), follow_symlinks=False), 39,
                {"fd": AT_FDCWD, "len": U32 + AT_FDCWD},
                check_both(b"the/old", b"the/new"), pointers=("addr", "off"),
            ),
            Row(
                "hardlink of a descriptor", lambda r: r.hardlink(11, "the/new", dst_dir_fd=13), 39,
                {"fd": 11, "len": 13, "rw_flags": AT_EMPTY_PATH},
                check_both(b"", b"the/new"), pointers=("addr", "off"),
            ),
            Row(
                "rename as told",
                lambda r: r.rename("the/old", "the/new", src_dir_fd=11, dst_dir_fd=13, rename_flags=5), 35,
                {"fd": 11, "len": 13, "rw_flags": 5},
                check_both(b"the/old", b"the/new"), pointers=("addr", "off"),
            ),
            Row(
                "statx as told", lambda r: r.statx("a/path", mask=0x202, statx_flags=0x4800), 21,
                {"fd": AT_FDCWD, "len": 0x202, "rw_flags": 0x4800}, check_path(b"a/path"), pointers=("addr", "off"),
            ),
        ],
        scenario=hardlink,
        failures=[
            Failure(
                "hardlink", lambda r, w: r.hardlink(w.folder / "no", w.folder / "to"),
                FileNotFoundError, errno.ENOENT, "no", "to",
            ),
            Failure(
                "hardlink", lambda r, w: r.hardlink(occupied(w), w.folder / "file"),
                FileExistsError, errno.EEXIST, "file", "file",
            ),
            Failure(
                "hardlink", lambda r, w: r.hardlink(w.folder, w.folder / "to"), PermissionError, errno.EPERM, "", "to"
            ),
        ],
        refused={
            "from a NUL": (ValueError, lambda t: t.ring.hardlink("a\0b", "x")),
            "to a NUL": (ValueError, lambda t: t.ring.hardlink("x", "a\0b")),
            "to a number": (TypeError, lambda t: t.ring.hardlink("x", 5)),  # type: ignore[arg-type]
            "from nothing": (TypeError, lambda t: t.ring.hardlink(None, "x")),
            "from -1": (OSError, lambda t: t.ring.hardlink(-1, "x")),
            "from -100": (OSError, lambda t: t.ring.hardlink(AT_FDCWD, "x")),
            "from 2**31": (OSError, lambda t: t.ring.hardlink(2**31, "x")),
            "in -1": (OSError, lambda t: t.ring.hardlink("x", "y", src_dir_fd=-1)),
            "into -1": (OSError, lambda t: t.ring.hardlink("x", "y", dst_dir_fd=-1)),
        },
    ),
    Spec(
        "symlink", "io_uring_prep_symlinkat(3)", "5.15",
        prepare=lambda t, **k: t.ring.symlink("x", "y", **k),
        rows=[
            Row(
                "symlink", lambda r: r.symlink("the/old", "the/new", dir_fd=11), 38, {"fd": 11},
                check_both(b"the/old", b"the/new"), pointers=("addr", "off"),
            ),
            Row(
                "symlink here", lambda r: r.symlink(Path("the/old"), b"the/new"), 38, {"fd": AT_FDCWD},
                check_both(b"the/old", b"the/new"), pointers=("addr", "off"),
            ),
        ],
        scenario=symlink,
        failures=[
            Failure(
                "symlink", lambda r, w: r.symlink(w.folder / "to", occupied(w)),
                FileExistsError, errno.EEXIST, "to", "file",
            ),
            Failure(
                "symlink", lambda r, w: r.symlink(w.folder / "to", w.folder / "no/no"),
                FileNotFoundError, errno.ENOENT, "to", "no/no",
            ),
        ],
        refused={
            "to a NUL": (ValueError, lambda t: t.ring.symlink("a\0b", "x")),
            "at a NUL": (ValueError, lambda t: t.ring.symlink("x", "a\0b")),
            "to a number": (TypeError, lambda t: t.ring.symlink(5, "x")),  # type: ignore[arg-type]
            "at a number": (TypeError, lambda t: t.ring.symlink("x", 5)),  # type: ignore[arg-type]
            "in -1": (OSError, lambda t: t.ring.symlink("x", "y", dir_fd=-1)),
        },
    ),
]  # fmt: skip
