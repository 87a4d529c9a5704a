"""Several threads, each with a ring, for one batch: a ring copies cached data on one core only."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from pyuring.batching.ranges import perform_part
from pyuring.thread_ring import thread_ring

if TYPE_CHECKING:
    from pyuring.batching.request import RangeRequest

__all__ = ["spread"]

#: How finely a batch is divided: enough for a thread that is done early to help the others.
_PARTS_PER_WORKER = 4
#: How often a wait for other threads is looked after: a signal handler that raises may have
#: lost the news that one is done, and a forked child has none of them.
_LOOK_SECONDS = 0.05
#: What the threads have to close their rings, at the end of the interpreter.
_END_SECONDS = 0.5

_Part: TypeAlias = tuple[int, int, int]


class _Team:
    """The threads that work on one batch: that of the caller, and those that have time.

    There is no lock in it, and no Future, which has some: a signal handler that raises between
    taking one and noting that would leave it taken.
    """

    def __init__(self, request: RangeRequest, depth: int, workers: int) -> None:
        self.request = request
        self.depth = depth
        self.parts = _divided(request, workers)
        self.failed: list[int] = []
        self.errors: list[BaseException] = []
        self._news: SimpleQueue[None] = SimpleQueue()

    def work(self) -> None:
        """Do parts until there are no more."""
        request, parts, me = self.request, self.parts, object()
        try:
            request.workers.add(me)
            while parts and not request.stopped:
                ring = thread_ring()
                try:
                    start, stop, position = parts.popleft()
                except IndexError:  # another thread took the last one just now
                    break
                self.failed.append(perform_part(ring, request, self.depth, start, stop, position))
        finally:
            request.workers.discard(me)
            if request.closed:  # while this went on
                request.close()
            self._news.put(None)

    def wait(self) -> None:
        """Wait until all of them are done."""
        while self.request.workers and self._is_here():
            with suppress(Empty):
                self._news.get(timeout=_LOOK_SECONDS)

    def stop(self) -> None:
        """Have all of them stop, and wait for that, whatever signal handlers raise meanwhile."""
        again: BaseException | None = None
        self.parts.clear()
        self.request.stop()
        while self.request.workers:
            try:
                self.wait()
                break
            except BaseException as error:  # they use memory that is about to be released
                again = error
        if again is not None:
            raise again

    def _is_here(self) -> bool:
        return os.getpid() == self.request.ring._pid


class _Pool:
    """Threads that are kept for the next call.

    Daemons, unlike those of an executor: one that waits for a pipe must not keep the
    interpreter from ending. Who helps one caller helps no other meanwhile, and that one does
    more by itself. Here too is no lock: at worst there is a thread too many.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        #: No team lives longer for being here.
        self._teams: SimpleQueue[weakref.ref[_Team] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def help(self, team: _Team, size: int) -> None:
        """Have up to `size` threads work on it too."""
        if self._pid != os.getpid():
            self.__init__()  # type: ignore[misc]  # a forked child has none of the threads
        while len(self._threads) < size:
            thread = threading.Thread(target=_serve, args=(self._teams,), name="pyuring", daemon=True)
            thread.start()
            self._threads.append(thread)
        for _ in range(size):
            self._teams.put(weakref.ref(team))

    def end(self) -> None:
        """Let the threads end that have nothing to do, and with them their rings."""
        if self._pid != os.getpid():
            return
        threads = self._threads.copy()
        for _ in threads:
            self._teams.put(None)
        for thread in threads:
            thread.join(_END_SECONDS / len(threads))


def _serve(teams: SimpleQueue[weakref.ref[_Team] | None]) -> None:
    while (reference := teams.get()) is not None:
        team = reference()
        if team is not None:
            _work_on(team)
        del team


def _work_on(team: _Team) -> None:
    try:
        team.work()
    except BaseException as error:  # raised in the caller's thread
        team.errors.append(error)


_pool = _Pool()
atexit.register(_pool.end)


def spread(request: RangeRequest, depth: int, workers: int) -> int:
    """Do `request` in this thread and ``workers - 1`` others; returns how many ranges failed."""
    team = _Team(request, depth, workers)
    try:
        _pool.help(team, workers - 1)
        team.work()
        team.wait()
    except BaseException:
        team.stop()
        raise
    if request.workers:
        raise RuntimeError("the threads that work on this are the parent's: this process was forked meanwhile")
    if team.errors:
        del team.errors[1:]
        raise team.errors.pop()  # which has to do with it no more: the two would be a cycle
    return sum(team.failed)


def _divided(request: RangeRequest, workers: int) -> deque[_Part]:
    count = request.count
    number = min(workers * _PARTS_PER_WORKER, count)
    bounds = [count * i // number for i in range(number + 1)]
    return deque(zip(bounds[:-1], bounds[1:], request.starts(bounds[:-1]), strict=True))
