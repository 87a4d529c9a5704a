"""Paths and directories as the kernel takes them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = [
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_SYMLINK_FOLLOW",
    "AT_SYMLINK_NOFOLLOW",
    "encoded",
    "encoded_both",
    "is_path",
]

#: What a path without ``dir_fd=`` is relative to: the current directory.
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

#: Made once, as what follows: a union costs more to make than to use.
_PATHS = (str, bytes, os.PathLike)
#: What encodes nearly every path, in a quarter of the time of os.fsencode, which does the others.
_encode = str.encode if sys.getfilesystemencoding() == "utf-8" else os.fsencode


def is_path(thing: object) -> bool:
    """Whether `thing` is a path, and not something with a descriptor."""
    return isinstance(thing, _PATHS)


def encoded(path: Path) -> bytes:
    """`path` as the kernel takes it. CFFI passes the address of the bytes object's memory."""
    try:
        raw = _encode(path)  # type: ignore[arg-type]  # one that is no str raises TypeError
    except (TypeError, UnicodeEncodeError):
        raw = os.fsencode(path)
    if 0 in raw:  # with a number to look for: with b"\0" it takes ten times as long
        raise ValueError("embedded null byte in path")
    return raw


def encoded_both(first: Path, second: Path) -> tuple[bytes, bytes]:
    """Two paths, in one call."""
    try:
        both = _encode(first), _encode(second)  # type: ignore[arg-type]
    except (TypeError, UnicodeEncodeError):
        both = os.fsencode(first), os.fsencode(second)
    if 0 in both[0] or 0 in both[1]:
        raise ValueError("embedded null byte in path")
    return both
