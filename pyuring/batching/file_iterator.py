"""Reading files one after another, some of them ahead of time."""

from __future__ import annotations

import errno
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyuring.batching.engine import check_depth
from pyuring.batching.paths import path_iterator
from pyuring.batching.read_files import FileRun, OnError, check_on_error
from pyuring.errors import operation_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyuring.inflight import InFlight

__all__ = ["AHEAD", "iterate"]

#: Bytes that are read ahead, about.
AHEAD = 64 << 20

#: Paths that are taken ahead: few at first, so that the first file is there soon.
_FIRST_PART = 16
_LARGEST_PART = 2048


def iterate(
    ring_of: Callable[[], InFlight],
    paths: Iterable[Any],
    depth: int | None,
    ahead: int,
    on_error: OnError,
    *,
    keep: bool,
) -> Iterator[tuple[Any, Any]]:
    """Check the arguments, and return the generator; `ring_of` tells the ring to use."""
    check_on_error(on_error)
    if depth is not None:
        check_depth(depth)
    if isinstance(ahead, bool) or not isinstance(ahead, int):
        raise TypeError(f"ahead is a number of bytes, not {type(ahead).__name__}")
    if ahead < 1:
        raise ValueError(f"ahead must be 1 or more bytes, not {ahead}")
    return _generate(ring_of, path_iterator(paths), depth, ahead, on_error, keep=keep)


def _generate(
    ring_of: Callable[[], InFlight],
    source: Iterator[Any],
    depth: int | None,
    ahead: int,
    on_error: OnError,
    *,
    keep: bool,
) -> Iterator[tuple[Any, Any]]:
    waiting: list[Any] = []
    part = _FIRST_PART
    window = 0
    while True:
        waiting.extend(islice(source, max(part - len(waiting), 0)))
        if not waiting:
            return
        run = FileRun(ring_of(), waiting, depth)
        run.c.keeps_table, run.c.budget, run.c.window = keep, ahead, window
        run.perform()
        window = run.c.window
        results = run.results
        # What is missing did not fit in beside what is there, and comes next.
        done = results.index(None) if None in results else len(results)
        if done == 0:
            done, results[0] = 1, -errno.ENOMEM
        del results[done:]
        pairs = list(zip(waiting, results, strict=False))
        del waiting[:done], results, run
        part = min(2 * part, _LARGEST_PART)
        pairs.reverse()
        while pairs:
            path, data = pairs.pop()
            if data.__class__ is not bytes:
                data = operation_error(data, "iter_files", path)
                if on_error == "raise":
                    raise data
            yield path, data
            # The consumer may keep it; this is not to.
            del path, data
