"""Several threads, each with a ring, for one batch: a ring copies cached data on one core only."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeAlias

from pyuring.batching.ranges import perform_part
from pyuring.thread_ring import thread_ring

if TYPE_CHECKING:
    from pyuring.batching.request import RangeRequest

__all__ = ["spread"]

#: How finely a batch is divided: enough for a thread that is done early to help the others.
_PARTS_PER_WORKER = 4

_Part: TypeAlias = tuple[int, int, int]


class _Pool:
    """The threads, kept for the next call."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._size = 0
        self._pid = 0

    def of(self, size: int) -> ThreadPoolExecutor:
        """At least `size` threads."""
        threads = self._threads
        if threads is None or self._size < size or self._pid != os.getpid():
            if threads is not None and self._pid == os.getpid():
                threads.shutdown(wait=False)
            threads = self._threads = ThreadPoolExecutor(size, thread_name_prefix="pyuring")
            self._size, self._pid = size, os.getpid()
        return threads


_pool = _Pool()


def spread(request: RangeRequest, depth: int, workers: int) -> int:
    """Do `request` in this thread and ``workers - 1`` others; returns how many ranges failed."""
    parts = _divided(request, workers)
    pool = _pool.of(workers - 1)
    helpers: list[Future[int]] = []
    try:
        helpers += [pool.submit(_work, request, depth, parts) for _ in range(workers - 1)]
        return _work(request, depth, parts) + sum(helper.result() for helper in helpers)
    except BaseException:
        parts.clear()
        request.stop()
        _wait_for(helpers)
        raise


def _divided(request: RangeRequest, workers: int) -> deque[_Part]:
    count = request.count
    number = min(workers * _PARTS_PER_WORKER, count)
    bounds = [count * i // number for i in range(number + 1)]
    return deque(zip(bounds[:-1], bounds[1:], request.starts(bounds[:-1]), strict=True))


def _work(request: RangeRequest, depth: int, parts: deque[_Part]) -> int:
    """Do parts until there are no more."""
    failed = 0
    ring = thread_ring()
    while parts:
        try:
            start, stop, position = parts.popleft()
        except IndexError:  # another thread took the last one just now
            break
        failed += perform_part(ring, request, depth, start, stop, position)
    return failed


def _wait_for(helpers: list[Future[int]]) -> None:
    """Wait for threads that were told to stop: they use memory that is about to be released."""
    again: BaseException | None = None
    while not all(helper.cancel() or helper.done() for helper in helpers):
        try:
            wait(helpers)
        except BaseException as error:  # a signal handler's; they come first
            again = error
    if again is not None:
        raise again
