"""From a loop that reads or writes blocks to a contender that is checked and timed."""

from __future__ import annotations

import errno
import itertools
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .contender import Contender, NotPossibleError, Sample, Turn, WrongDataError
from .content import Block, Run, blank, check_reads, check_some, check_writes

if TYPE_CHECKING:
    from .place import Place

__all__ = ["Transfer", "cpu_seconds", "expect", "timed", "transfer_contender"]

_salts = itertools.count(1)
#: Trial runs double until one of them takes this part of a turn.
_TRIAL = 0.25
#: Operations: their offsets are made before, and take memory.
_LARGEST_TURN = 1 << 22


@dataclass
class Transfer:
    """An open contender: a loop over offsets, and the memory that it goes round in."""

    run: Run
    #: Where the last blocks read are, or where those to write come from.
    blocks: list[Block]
    #: Operations completed so far, as its ring counts them: proof that the ring did it.
    completed: Callable[[], int] | None = None


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
    place: Place, name: str, backend: str, open_transfer: Callable[[Place], AbstractContextManager[Transfer]]
) -> Contender:
    """A contender that has to prove its data before its first turn, and after each."""

    @contextmanager
    def prepare() -> Iterator[Turn]:
        with open_transfer(place) as transfer:
            turns = _Turns(place, transfer)
            try:
                turns.prove()
            except OSError as error:
                if error.errno == errno.EINVAL and place.direct and isinstance(transfer.blocks[0], bytes):
                    raise NotPossibleError(
                        "EINVAL: O_DIRECT wants aligned memory, which bytes objects are not"
                    ) from None
                raise
            yield turns.take

    return Contender(name, backend, prepare)


class _Turns:
    def __init__(self, place: Place, transfer: Transfer) -> None:
        self._place = place
        self._transfer = transfer
        self._blocks = transfer.blocks
        self._rate = 0.0
        self._position = 0

    def prove(self) -> None:
        if self._place.writing:
            sources = [block for block in self._blocks if isinstance(block, memoryview)]
            check_writes(self._place, self._transfer.run, sources, next(_salts))
        else:
            check_reads(self._place, self._transfer.run, self._blocks)

    def take(self, seconds: float) -> Sample:
        if not self._rate:
            self._calibrate(seconds)
        count = max(int(self._rate * seconds), len(self._blocks))
        sample = self._run(min(count, _LARGEST_TURN))
        self._rate = sample.rate
        return sample

    def _calibrate(self, seconds: float) -> None:
        count = len(self._blocks)
        while (sample := self._run(count)).seconds < seconds * _TRIAL and count < _LARGEST_TURN:
            count *= 2
        self._rate = sample.rate

    def _run(self, count: int) -> Sample:
        transfer, place = self._transfer, self._place
        offsets = place.course(self._position, count)
        self._position += count
        if not place.writing:
            blank(self._blocks)
        before = transfer.completed() if transfer.completed else 0
        sample = timed(lambda: transfer.run(offsets), count)
        if transfer.completed and transfer.completed() - before != count:
            raise WrongDataError(f"{count} operations timed, {transfer.completed() - before} done by the ring")
        if not place.writing:
            check_some(self._blocks, place.size)
        return sample
