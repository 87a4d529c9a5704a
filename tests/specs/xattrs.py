"""Sheets of the operations on extended attributes."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

from pyuring import Completion, Ring

from .kit import Failure, Row, Spec, Sqe, World, address_of, text_at

VALUE = bytearray(b"v" * 71)


def check_names(*, path: bool) -> Any:
    def check(sqe: Sqe, op: Completion[Any]) -> None:
        assert text_at(sqe.addr) == b"user.name"
        if path:
            assert text_at(sqe.addr3) == b"a/path"
        ctypes.string_at(sqe.off, sqe.len)  # it can be read, as far as it is to be written

    return check


def attributed(world: World, value: bytes = b"value") -> int:
    fd = world.file()
    os.setxattr(fd, "user.there", value)
    return fd


def getxattr(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    attributed(world)
    return ring.getxattr(world.folder / "file", "user.there", **keywords), lambda result: result == b"value"


def fgetxattr(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.fgetxattr(attributed(world), b"user.there", **keywords), lambda result: result == b"value"


def setxattr(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = world.file()
    op = ring.setxattr(world.folder / "file", "user.new", b"some\0value", os.XATTR_CREATE, **keywords)
    return op, lambda result: result is None and os.getxattr(fd, "user.new") == b"some\0value"


def fsetxattr(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = attributed(world)
    op = ring.fsetxattr(fd, "user.there", bytearray(b"other"), os.XATTR_REPLACE, **keywords)
    return op, lambda result: result is None and os.getxattr(fd, "user.there") == b"other"


def file(world: World) -> Any:
    attributed(world)
    return world.folder / "file"


SPECS = [
    Spec(
        "getxattr", "io_uring_prep_getxattr(3)", "5.19",
        prepare=lambda t, **k: t.ring.getxattr("x", "user.name", **k),
        rows=[
            Row(
                "getxattr", lambda r: r.getxattr("a/path", "user.name", 71), 44, {"len": 71},
                check_names(path=True), pointers=("addr", "off", "addr3"),
            ),
            Row(
                "getxattr of any length", lambda r: r.getxattr(b"a/path", b"user.name"), 44, {"len": 65536},
                check_names(path=True), pointers=("addr", "off", "addr3"),
            ),
            Row(
                "getxattr of a descriptor", lambda r: r.getxattr(11, "user.name", 71), 43, {"fd": 11, "len": 71},
                check_names(path=False), pointers=("addr", "off"),
            ),
        ],
        scenario=getxattr,
        failures=[
            Failure(
                "getxattr", lambda r, w: r.getxattr(w.folder / "no", "user.there"),
                FileNotFoundError, errno.ENOENT, "no",
            ),
            Failure("getxattr", lambda r, w: r.getxattr(file(w), "user.no"), OSError, errno.ENODATA, "file"),
            Failure("getxattr", lambda r, w: r.getxattr(file(w), "user.there", 4), OSError, errno.ERANGE, "file"),
            Failure("getxattr", lambda r, w: r.getxattr(file(w), "what"), OSError, errno.EOPNOTSUPP, "file"),
            Failure("getxattr", lambda r, w: r.getxattr(w.file(), "user.no"), OSError, errno.ENODATA),
        ],
        refused={
            "a NUL in the path": (ValueError, lambda t: t.ring.getxattr("a\0b", "user.name")),
            "a NUL in the name": (ValueError, lambda t: t.ring.getxattr("x", "user\0name")),
            "a number as name": (TypeError, lambda t: t.ring.getxattr("x", 5)),  # type: ignore[arg-type]
            "no name": (TypeError, lambda t: t.ring.getxattr("x", None)),  # type: ignore[arg-type]
            "no path": (TypeError, lambda t: t.ring.getxattr(None, "user.name")),
            "-1": (OSError, lambda t: t.ring.getxattr(-1, "user.name")),
            "no room": (ValueError, lambda t: t.ring.getxattr("x", "user.name", 0)),
            "less than no room": (ValueError, lambda t: t.ring.getxattr("x", "user.name", -1)),
            "too much room": (ValueError, lambda t: t.ring.getxattr("x", "user.name", 65537)),
            "room of text": (TypeError, lambda t: t.ring.getxattr("x", "user.name", "5")),  # type: ignore[arg-type]
            "room of a fraction": (TypeError, lambda t: t.ring.getxattr("x", "y", 5.0)),  # type: ignore[arg-type]
        },
    ),
    Spec(
        "fgetxattr", "io_uring_prep_fgetxattr(3)", "5.19",
        prepare=lambda t, **k: t.ring.fgetxattr(t.fd, "user.name", **k),
        rows=[
            Row(
                "fgetxattr", lambda r: r.fgetxattr(11, "user.name", 71), 43, {"fd": 11, "len": 71},
                check_names(path=False), pointers=("addr", "off"),
            ),
        ],
        scenario=fgetxattr,
        failures=[
            Failure("fgetxattr", lambda r, w: r.fgetxattr(w.file(), "user.no"), OSError, errno.ENODATA),
            Failure("fgetxattr", lambda r, w: r.fgetxattr(1_000_000, "user.no"), OSError, errno.EBADF),
        ],
        refused={
            "a NUL in the name": (ValueError, lambda t: t.ring.fgetxattr(t.fd, "user\0name")),
            "a path": (TypeError, lambda t: t.ring.fgetxattr("x", "user.name")),
            "no room": (ValueError, lambda t: t.ring.fgetxattr(t.fd, "user.name", 0)),
        },
        on_file=lambda r, fd, t: r.fgetxattr(fd, "user.name"),
        takes_registered_file=True,
    ),
    Spec(
        "setxattr", "io_uring_prep_setxattr(3)", "5.19",
        prepare=lambda t, **k: t.ring.setxattr("x", "user.name", t.buffer, **k),
        rows=[
            Row(
                "setxattr", lambda r: r.setxattr("a/path", "user.name", VALUE, 2), 42,
                {"off": address_of(VALUE), "len": 71, "rw_flags": 2},
                check_names(path=True), pointers=("addr", "addr3"),
            ),
            Row(
                "setxattr of a descriptor", lambda r: r.setxattr(11, b"user.name", VALUE, 1), 41,
                {"fd": 11, "off": address_of(VALUE), "len": 71, "rw_flags": 1},
                check_names(path=False), pointers=("addr",),
            ),
        ],
        scenario=setxattr,
        failures=[
            Failure(
                "setxattr", lambda r, w: r.setxattr(file(w), "user.there", b"", os.XATTR_CREATE),
                FileExistsError, errno.EEXIST, "file",
            ),
            Failure(
                "setxattr", lambda r, w: r.setxattr(file(w), "user.no", b"", os.XATTR_REPLACE),
                OSError, errno.ENODATA, "file",
            ),
            Failure("setxattr", lambda r, w: r.setxattr(file(w), "user.x", bytes(65537)), OSError, errno.E2BIG, "file"),
            Failure("setxattr", lambda r, w: r.setxattr(file(w), "user.x", b"", 64), OSError, errno.EINVAL, "file"),
            Failure(
                "setxattr", lambda r, w: r.setxattr(file(w), "user." + "x" * 255, b""), OSError, errno.ERANGE, "file"
            ),
        ],
        refused={
            "a NUL in the path": (ValueError, lambda t: t.ring.setxattr("a\0b", "user.name", t.buffer)),
            "a NUL in the name": (ValueError, lambda t: t.ring.setxattr("x", "user\0name", t.buffer)),
            "a number as name": (TypeError, lambda t: t.ring.setxattr("x", 5, t.buffer)),  # type: ignore[arg-type]
            "no path": (TypeError, lambda t: t.ring.setxattr(None, "user.name", t.buffer)),
            "-1": (OSError, lambda t: t.ring.setxattr(-1, "user.name", t.buffer)),
            "a value of text": (TypeError, lambda t: t.ring.setxattr("x", "user.name", "text")),
            "a value in pieces": (BufferError, lambda t: t.ring.setxattr("x", "y", memoryview(b"1234")[::2])),
            "flags of text": (
                TypeError, lambda t: t.ring.setxattr("x", "y", t.buffer, "create")  # type: ignore[arg-type]
            ),
            "flags too large": (OverflowError, lambda t: t.ring.setxattr("x", "y", t.buffer, 2**40)),
        },
    ),
    Spec(
        "fsetxattr", "io_uring_prep_fsetxattr(3)", "5.19",
        prepare=lambda t, **k: t.ring.fsetxattr(t.fd, "user.name", t.buffer, **k),
        rows=[
            Row(
                "fsetxattr", lambda r: r.fsetxattr(11, "user.name", VALUE, 2), 41,
                {"fd": 11, "off": address_of(VALUE), "len": 71, "rw_flags": 2},
                check_names(path=False), pointers=("addr",),
            ),
        ],
        scenario=fsetxattr,
        failures=[
            Failure(
                "fsetxattr", lambda r, w: r.fsetxattr(attributed(w), "user.there", b"", os.XATTR_CREATE),
                FileExistsError, errno.EEXIST,
            ),
            Failure("fsetxattr", lambda r, w: r.fsetxattr(1_000_000, "user.no", b""), OSError, errno.EBADF),
        ],
        refused={
            "a NUL in the name": (ValueError, lambda t: t.ring.fsetxattr(t.fd, "user\0name", t.buffer)),
            "a path": (TypeError, lambda t: t.ring.fsetxattr("x", "user.name", t.buffer)),
            "a value of text": (TypeError, lambda t: t.ring.fsetxattr(t.fd, "user.name", "text")),
            "flags too large": (OverflowError, lambda t: t.ring.fsetxattr(t.fd, "y", t.buffer, 2**40)),
        },
        on_file=lambda r, fd, t: r.fsetxattr(fd, "user.name", t.buffer),
        takes_registered_file=True,
    ),
]  # fmt: skip
