"""Writing whole files, on one ring."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._ffi import CHARS, NULL, ffi, from_buffer, lib, new
from pyuring.batching.engine import check_depth, perform
from pyuring.batching.outcome import failed
from pyuring.batching.paths import joined
from pyuring.buffers import release, vectors
from pyuring.errors import operation_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyuring._ffi import CData
    from pyuring.batching.read_files import OnError
    from pyuring.inflight import InFlight

__all__ = ["WRITE_DEPTH", "Data", "check_mode", "pairs_of", "write_all"]

#: What can be written: contiguous memory of any kind.
Data: TypeAlias = bytes | bytearray | memoryview | Any

_WRITES = ffi.typeof("struct pyuring_writes *")
_NUMBERS = ffi.typeof("int64_t *")

#: Files in flight at the most, if nobody says how many; those to be synced are synced together.
WRITE_DEPTH = 64
SYNC_DEPTH = 256

#: SQEs for one file at a time.
_STEPS = 2

_TO_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOCTTY | os.O_NONBLOCK
_TO_SYNC = os.O_RDONLY | os.O_DIRECTORY


def pairs_of(items: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """The paths and what is to be written to each.

    Raises:
        TypeError: neither a mapping nor pairs.
        ValueError: one path twice.
    """
    if isinstance(items, str | bytes | bytearray | os.PathLike):
        raise TypeError(f"items is a mapping from paths to data, or pairs of these, not {type(items).__name__}")
    paths: list[Any] = []
    data: list[Any] = []
    for item in items.items() if isinstance(items, Mapping) else items:
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise TypeError(f"item {len(paths)} must be a pair of path and data, not {type(item).__name__}")
        paths.append(item[0])
        data.append(item[1])
    if len(set(paths)) < len(paths):
        twice = next(path for path, times in Counter(paths).items() if times > 1)
        raise ValueError(f"{twice!r} comes twice: which of the two would be written last is not certain")
    return paths, data


def check_mode(mode: Any) -> int:
    """`mode` as the permissions of a new file."""
    if isinstance(mode, bool) or not isinstance(mode, int):
        raise TypeError(f"mode is a number such as 0o644, not {type(mode).__name__}")
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"mode must be between 0 and 0o7777, not {mode:#o}")
    return mode


class WriteRun:
    """C's run for some files, and what it uses; it ends with `close`, or with the last reference."""

    __slots__ = ("_memory", "blob", "c", "export", "exports", "results", "ring", "vectors")

    def __init__(self, ring: InFlight, paths: Sequence[Any], data: Sequence[Any] | None, depth: int) -> None:
        self.ring = ring
        self.blob = joined(paths)
        #: By path: bytes written, or, negative, what failed.
        self.results = array("q", [0]) * len(paths)
        self.vectors: CData = NULL
        self.exports: list[CData] = []
        if data is not None:
            self.vectors, self.exports = vectors(data, writable=False)
        c: CData = ffi.gc(new(_WRITES), lib.pyuring_writes_end)
        self.c = c
        self.export: CData = from_buffer(CHARS, self.blob)
        self._memory: CData = from_buffer(CHARS, self.results, True)
        c.count = len(paths)
        c.paths = self.export
        c.data = self.vectors
        c.results = ffi.cast(_NUMBERS, self._memory)
        c.run.depth = max(min(depth, len(paths), ring._c.limit // _STEPS), 1)

    def perform(self) -> int:
        """Write them; returns how many failed."""
        c = self.c
        try:
            perform(self.ring, ffi.addressof(c, "run"), lambda: lib.pyuring_writes_begin(self.ring._c, c), self)
        finally:
            self.close()
        return int(c.failed)

    def close(self) -> None:
        """Let go of memory and descriptors, unless something is in flight."""
        if lib.pyuring_writes_end(self.c) == 0:
            release(self.exports)
            self.exports = []


def write_all(
    ring: InFlight,
    paths: list[Any],
    data: list[Any],
    depth: int | None,
    mode: int,
    on_error: OnError,
    *,
    fsync: bool,
) -> list[Any]:
    """Write `data` to the files, and return how many bytes of each."""
    count = (SYNC_DEPTH if fsync else WRITE_DEPTH) if depth is None else check_depth(depth)
    run = WriteRun(ring, paths, data, count)
    run.c.flags, run.c.mode, run.c.syncs = _TO_WRITE, mode, fsync
    has_failed = run.perform() > 0
    results = run.results
    if fsync:
        has_failed |= _sync_directories(ring, paths, results, count)
    if not has_failed:
        return list(results)
    errors: dict[int, OSError] = {}
    for index, result in enumerate(results):
        if result < 0:
            errors[index] = operation_error(result, "write_files", paths[index])
    if on_error == "raise":
        raise failed(errors, [None if result < 0 else result for result in results], "files")
    return [errors.get(index, result) for index, result in enumerate(results)]


def _sync_directories(ring: InFlight, paths: list[Any], results: array[int], depth: int) -> bool:
    """Sync the directories of the files that were written, each once; a failure is that of its files."""
    files: dict[bytes, list[int]] = {}
    for index, path in enumerate(paths):
        if results[index] >= 0:
            files.setdefault(os.path.dirname(os.fsencode(path)) or b".", []).append(index)
    if not files:
        return False
    run = WriteRun(ring, list(files), None, depth)
    run.c.flags, run.c.syncs = _TO_SYNC, True
    if run.perform() == 0:
        return False
    for indices, result in zip(files.values(), run.results, strict=True):
        for index in indices if result < 0 else ():
            results[index] = result
    return True
