"""Reading whole files, on one ring."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pyuring._ffi import CHARS, ffi, from_buffer, lib, new
from pyuring.batching.engine import check_depth, perform
from pyuring.batching.outcome import failed
from pyuring.batching.paths import joined
from pyuring.errors import operation_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyuring._ffi import CData
    from pyuring.inflight import InFlight

__all__ = ["COLD_DEPTH", "FileRun", "OnError", "check_on_error", "file_failures", "read_all"]

OnError: TypeAlias = Literal["raise", "return"]

_FILES = ffi.typeof("struct pyuring_files *")

#: Files in flight at the most, if nobody says how many: what a disk can choose from. As long
#: as they are in the page cache, there are fewer at a time; C sees to that.
COLD_DEPTH = 256

#: SQEs for one file, which all count against the ring's limit.
_STEPS = 4


def check_on_error(value: Any) -> None:
    """Refuse what `on_error` cannot be."""
    if value not in ("raise", "return"):
        raise ValueError(f"on_error is 'raise' or 'return', not {value!r}")


class FileRun:
    """C's run for some files, and what it uses; it ends with `close`, or with the last reference."""

    #: What a run returns to its ring takes C's structure, which is let go of after `c`.
    __slots__ = ("blob", "c", "export", "results", "ring", "ring_c")

    def __init__(self, ring: InFlight, paths: Sequence[Any], depth: int | None) -> None:
        self.ring = ring
        self.ring_c = ring._c
        self.blob = joined(paths)
        #: By path: the bytes, or, negative, what failed.
        self.results: list[Any] = [None] * len(paths)
        self.export: CData = from_buffer(CHARS, self.blob)
        # Not in a __del__, where what a signal handler raises would be lost.
        c: CData = ffi.gc(new(_FILES), lib.pyuring_files_end)
        self.c = c
        c.count = len(paths)
        c.paths = self.export
        c.results = id(self.results)
        c.adaptive = depth is None
        wanted = COLD_DEPTH if depth is None else check_depth(depth)
        c.run.depth = max(min(wanted, len(paths), ring._c.limit // _STEPS), 1)

    def perform(self) -> None:
        """Read them."""
        c = self.c
        try:
            perform(self.ring, ffi.addressof(c, "run"), lambda: lib.pyuring_files_begin(self.ring_c, c), self)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of memory, descriptors and the table, unless something is in flight."""
        lib.pyuring_files_end(self.c)


def read_all(ring: InFlight, paths: list[Any], depth: int | None, on_error: OnError, *, keep: bool) -> list[Any]:
    """What is in the files, in the order of `paths`; `keep`: the ring's table stays."""
    run = FileRun(ring, paths, depth)
    run.c.keeps_table = keep
    run.perform()
    results = run.results
    if run.c.failed:
        errors = file_failures(results, paths, "read_files", bytes)
        if on_error == "raise":
            raise failed(errors, results, "files")
        for index, error in errors.items():
            results[index] = error
    return results


def file_failures(results: list[Any], paths: Sequence[Any], operation: str, kind: type) -> dict[int, OSError]:
    """The failures by index; `results` gets None in their place."""
    errors: dict[int, OSError] = {}
    for index, result in enumerate(results):
        if result.__class__ is not kind:
            errors[index] = operation_error(-errno.ENOMEM if result is None else result, operation, paths[index])
            results[index] = None
    return errors
