"""From a loop that reads or writes blocks to a contender that is checked and timed."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from .contender import Contender, NotPossibleError, Sample, Turn, WrongDataError
from .place import SLOTS
from .verification import Transfer, checks_for

if TYPE_CHECKING:
    from .place import Place

__all__ = ["Transfer", "cpu_seconds", "expect", "timed", "transfer_contender", "turns_of"]

#: Trial runs double until one of them takes this part of a turn.
_TRIAL = 0.25
#: Operations: their offsets are made before, and take memory.
_LARGEST_TURN = 1 << 22


def expect(moved: int, size: int) -> None:
    """Refuse a transfer that moved something else than a block."""
    if moved < 0:
        raise OSError(-moved, os.strerror(-moved))
    raise WrongDataError(f"a transfer of {moved} bytes where {size} were asked for")


def cpu_seconds() -> float:
    """CPU time of all threads of this process, the kernel's workers for its rings included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], object], operations: int) -> Sample:
    """Do `work` and look at the clocks before and after."""
    cpu, start = cpu_seconds(), perf_counter()
    work()
    seconds = perf_counter() - start
    return Sample(operations, seconds, cpu_seconds() - cpu)


def transfer_contender(
    place: Place,
    name: str,
    backend: str,
    open_transfer: Callable[[Place], AbstractContextManager[Transfer]],
    depth: int | None = None,
) -> Contender:
    """A contender that has to prove its data before its first turn, and after each."""

    @contextmanager
    def prepare() -> Iterator[Turn]:
        with turns_of(place, open_transfer) as turn:
            yield turn

    return Contender(name, backend, prepare, depth)


@contextmanager
def turns_of(place: Place, open_transfer: Callable[[Place], AbstractContextManager[Transfer]]) -> Iterator[Turn]:
    """The turns of what `open_transfer` opens, once it has proved its data."""
    with open_transfer(place) as transfer:
        turns = _Turns(place, transfer)
        try:
            turns.prove()
        except OSError as error:
            if error.errno == errno.EINVAL and place.direct and isinstance(transfer.blocks[0], bytes):
                raise NotPossibleError("EINVAL: O_DIRECT wants aligned memory, which bytes objects are not") from None
            raise
        yield turns.take


class _Turns:
    def __init__(self, place: Place, transfer: Transfer) -> None:
        self._place = place
        self._transfer = transfer
        self._checks = checks_for(place, transfer)
        self._shortest = transfer.at_least or min(len(transfer.blocks), SLOTS)
        self._rate = 0.0
        self._position = 0

    def prove(self) -> None:
        self._checks.prove()

    def take(self, seconds: float) -> Sample:
        if not self._rate:
            self._calibrate(seconds)
        count = max(int(self._rate * seconds), self._shortest)
        sample = self._run(min(count, _LARGEST_TURN))
        self._rate = sample.rate
        return sample

    def _calibrate(self, seconds: float) -> None:
        count = self._shortest
        while (sample := self._run(count)).seconds < seconds * _TRIAL and count < _LARGEST_TURN:
            count *= 2
        self._rate = sample.rate

    def _run(self, count: int) -> Sample:
        transfer = self._transfer
        count -= count % transfer.whole
        offsets = self._place.course(self._position, count)
        self._position += count
        work = transfer.form(offsets)
        self._checks.before(count)
        before = transfer.completed() if transfer.completed else 0
        sample = timed(lambda: transfer.run(work), count)
        if transfer.completed and transfer.completed() - before != count:
            raise WrongDataError(f"{count} operations timed, {transfer.completed() - before} done by the ring")
        transfer.collect()
        self._checks.after(offsets)
        return sample
