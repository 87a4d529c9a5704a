"""The files of a batch: what has a descriptor already, and paths opened for it."""

from __future__ import annotations

import os
from array import array
from io import FileIO
from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, NULL, ffi, from_buffer, lib
from pyuring.alignment import alignment_of
from pyuring.errors import misuse
from pyuring.pathnames import is_path
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyuring._ffi import CData
    from pyuring.completion import Path
    from pyuring.inflight import InFlight

__all__ = ["BatchFiles"]


class BatchFiles:
    """One file for all ranges, or one for each."""

    def __init__(self, file: object, *, writing: bool) -> None:
        #: Objects, and not descriptors, because one that is lost closes itself.
        self._opened: list[FileIO] = []
        self._writing = writing
        self._given = file
        #: None: one for all of them.
        self.count: int | None = None
        self.single = 0
        self.export: CData | None = None
        try:
            if isinstance(file, list | tuple):
                # Not the caller's own, which may change, or say that it has more than it has.
                self._given = file = tuple(file)
                self.count = len(file)
                self.export = from_buffer(CHARS, self._numbers(self._keys(file)))
            else:
                self.single = self._numbers([self._key(file)])[0]
        except BaseException:
            self.close()
            raise

    def items(self, start: int) -> CData:
        """For C: the keys from range `start` on, or NULL where there is only one."""
        return NULL if self.export is None else self.export + 8 * start

    def of(self, index: int) -> Any:
        """What was given for range `index`."""
        return self._given if self.count is None else self._given[index]  # type: ignore[index]

    def block(self) -> int:
        """What offsets, lengths and addresses must be multiples of for O_DIRECT, in all of the files."""
        given = [self._given] if self.count is None else set(self._given)  # type: ignore[call-overload]
        alignments = [alignment_of(file) for file in given]
        return max((max(each.memory, each.read_offset) for each in alignments), default=1)

    def refusal(self, ring: InFlight, index: int) -> Exception:
        """The exception for what was given for range `index`, which is no file of `ring`."""
        key = self.single if self.export is None else int(ffi.cast("int64_t *", self.export)[index])
        code = lib.PYURING_BAD_TABLE if key >= 1 << lib.PYURING_FILE_BIT else lib.PYURING_BAD_FD
        return misuse(code, (self.of(index),))

    def path(self, index: int) -> Path | None:
        """The path of range `index`, if it was given by one."""
        file = self.of(index)
        return os.fspath(file) if is_path(file) else None

    def _keys(self, files: tuple[Any, ...]) -> Sequence[int]:
        if set(map(type, files)) <= {int}:
            return files
        # By object: what is equal may be another file, and what can be compared need not have a hash.
        distinct = {id(each): each for each in files}
        paths: dict[Any, int] = {}
        keys = {}
        for name, each in distinct.items():
            path = os.fspath(each) if is_path(each) else None
            if path is None:
                keys[name] = self._key(each)
            elif path not in paths:
                paths[path] = keys[name] = self._key(path)
            else:
                keys[name] = paths[path]
        return [keys[id(each)] for each in files]

    def _key(self, file: object) -> int:
        if not is_path(file):
            return descriptor(file)
        opened = self._open(os.fspath(file))  # type: ignore[call-overload]
        self._opened.append(opened)
        return opened.fileno()

    def _numbers(self, keys: Sequence[int]) -> array[int]:
        try:
            return array("q", keys)
        except OverflowError:
            raise misuse(lib.PYURING_BAD_FD, (max(keys, key=abs),)) from None

    def _open(self, path: Any) -> FileIO:
        if not self._writing:
            return FileIO(path, "rb")
        try:
            return FileIO(path, "r+b")
        except PermissionError:
            # It may be there to be written only.
            return FileIO(path, "r+b", opener=lambda name, _flags: os.open(name, os.O_WRONLY | os.O_CLOEXEC))

    def close(self) -> None:
        """Close what was opened here."""
        for opened in self._opened:
            opened.close()
