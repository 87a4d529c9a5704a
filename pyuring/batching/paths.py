"""Many paths in one piece of memory, as C takes them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["joined", "path_iterator", "path_list"]

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()


def path_list(paths: Iterable[Any]) -> list[Any]:
    """The paths, which the caller may change from here on.

    Raises:
        TypeError: one path, or what cannot be iterated over.
    """
    _check_many(paths)
    return list(paths)


def path_iterator(paths: Iterable[Any]) -> Iterator[Any]:
    """The same, one at a time."""
    _check_many(paths)
    return iter(paths)


def _check_many(paths: Iterable[Any]) -> None:
    if isinstance(paths, str | bytes | bytearray | os.PathLike):
        raise TypeError(f"paths is a list or another iterable of paths, not one path: pass [{paths!r}]")


def joined(paths: Sequence[Any]) -> bytes:
    """The paths as the kernel takes them, with a null byte between two of them.

    Raises:
        TypeError: one that is neither str, bytes nor ``os.PathLike``.
        ValueError: one with a null byte in it.
    """
    try:
        blob = "\0".join(map(os.fspath, paths)).encode(_ENCODING, _ERRORS)
    except TypeError:  # some are bytes, or no paths
        blob = b"\0".join([_encoded(path, index) for index, path in enumerate(paths)])
    if paths and blob.count(0) != len(paths) - 1:
        index = next(index for index, path in enumerate(paths) if 0 in os.fsencode(path))
        raise ValueError(f"embedded null byte in path {index}: {paths[index]!r}")
    return blob


def _encoded(path: Any, index: int) -> bytes:
    try:
        return os.fsencode(path)
    except TypeError as error:
        raise TypeError(f"path {index}: {error}") from None
