"""Paths and directories as the kernel takes them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pyuring.registered_files import plain_descriptor

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = ["AT_EMPTY_PATH", "AT_FDCWD", "AT_SYMLINK_FOLLOW", "AT_SYMLINK_NOFOLLOW", "directory", "encoded", "is_path"]

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

#: Made once, as what follows: a union costs more to make than to use.
_PATHS = (str, bytes, os.PathLike)
_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()


def is_path(thing: object) -> bool:
    """Whether `thing` is a path, and not something with a descriptor."""
    return isinstance(thing, _PATHS)


def encoded(path: Path) -> bytes:
    """`path` as the kernel takes it. CFFI passes the address of the bytes object's memory."""
    # Without os.fsencode, and with a number to look for: that is half of the time.
    raw = path.encode(_ENCODING, _ERRORS) if path.__class__ is str else os.fsencode(path)
    if 0 in raw:
        raise ValueError("embedded null byte in path")
    return raw


def directory(dir_fd: Any) -> int:
    """What a path is relative to: a directory's descriptor, or the current directory."""
    return AT_FDCWD if dir_fd is None else plain_descriptor(dir_fd)
