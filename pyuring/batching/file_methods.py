"""Many files in one call: the part of `Ring` that does it on that ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pyuring.batching.file_iterator import AHEAD, iterate
from pyuring.batching.paths import path_list
from pyuring.batching.read_files import OnError, check_on_error, read_all
from pyuring.batching.write_files import check_mode, pairs_of, write_all
from pyuring.inflight import InFlight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyuring.batching.write_files import Data
    from pyuring.completion import Path

    P = TypeVar("P", bound=Path)

__all__ = ["FileBatches"]


class FileBatches(InFlight):
    """The part of `Ring` that reads and writes whole files."""

    @overload
    def read_files(
        self, paths: Iterable[Path], *, depth: int | None = None, on_error: Literal["raise"] = "raise"
    ) -> list[bytes]: ...
    @overload
    def read_files(
        self, paths: Iterable[Path], *, depth: int | None = None, on_error: OnError
    ) -> list[bytes | OSError]: ...
    def read_files(self, paths: Iterable[Path], *, depth: int | None = None, on_error: OnError = "raise") -> list[Any]:
        """Read many files in one call: `pyuring.read_files` on this ring.

        Where the ring has no registered files, it has a table of them until the call is over;
        where it has, they are left alone, and files are opened as ordinary descriptors.

        Raises:
            RuntimeError: another thread's ring, a closed one, or one with an open `link`.

        See `pyuring.read_files`.
        """
        check_on_error(on_error)
        return read_all(self, path_list(paths), depth, on_error, keep=False)

    @overload
    def iter_files(
        self,
        paths: Iterable[P],
        *,
        depth: int | None = None,
        ahead: int = AHEAD,
        on_error: Literal["raise"] = "raise",
    ) -> Iterator[tuple[P, bytes]]: ...
    @overload
    def iter_files(
        self, paths: Iterable[P], *, depth: int | None = None, ahead: int = AHEAD, on_error: OnError
    ) -> Iterator[tuple[P, bytes | OSError]]: ...
    def iter_files(
        self, paths: Iterable[Any], *, depth: int | None = None, ahead: int = AHEAD, on_error: OnError = "raise"
    ) -> Iterator[tuple[Any, Any]]:
        """Read files one after another, some of them ahead of time: `pyuring.iter_files` on this ring.

        See `pyuring.iter_files`.
        """
        return iterate(lambda: self, paths, depth, ahead, on_error, keep=False)

    @overload
    def write_files(
        self,
        items: Mapping[Any, Data] | Iterable[tuple[Path, Data]],
        *,
        fsync: bool = False,
        mode: int = 0o666,
        depth: int | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[int]: ...
    @overload
    def write_files(
        self,
        items: Mapping[Any, Data] | Iterable[tuple[Path, Data]],
        *,
        fsync: bool = False,
        mode: int = 0o666,
        depth: int | None = None,
        on_error: OnError,
    ) -> list[int | OSError]: ...
    def write_files(
        self,
        items: Any,
        *,
        fsync: bool = False,
        mode: int = 0o666,
        depth: int | None = None,
        on_error: OnError = "raise",
    ) -> list[Any]:
        """Write many files in one call: `pyuring.write_files` on this ring.

        Raises:
            RuntimeError: another thread's ring, a closed one, or one with an open `link`.

        See `pyuring.write_files`.
        """
        check_on_error(on_error)
        return write_all(self, *pairs_of(items), depth, check_mode(mode), on_error, fsync=fsync)
