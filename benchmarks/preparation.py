"""What does it cost to prepare each operation?

Only that is timed: the operations are never submitted, and taken back untimed. What they
would do is another case's question.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from pyuring import Ring

from .case import Case, Cell, Lineup, Setting
from .contender import Contender, Sample, Turn, WrongDataError
from .prepared import OPERATIONS, Prepare, things_for
from .transfer import cpu_seconds

__all__ = ["CASE", "NAME"]

NAME = "preparation"
_AT_ONCE = 512
#: What is not timed takes most of the time: no more of it than this, in turns.
_PATIENCE = 2


@contextmanager
def _no_collection() -> Iterator[None]:
    """As in `timeit`: whether the garbage collector's turn comes among so few operations is chance."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _prepare_many(prepare: Prepare) -> tuple[float, float]:
    """Seconds, of the clock and of the CPU, that so many preparations took."""
    with Ring(_AT_ONCE * 2) as ring:
        for _ in range(_AT_ONCE * 2):  # touches the ring's memory for the first time
            ring.nop()
        ring.wait(_AT_ONCE * 2)
        with things_for(ring) as things:
            before = ring.in_flight, ring.stats()["submitted"]
            with _no_collection():
                cpu, start = cpu_seconds(), time.perf_counter()
                for _ in range(_AT_ONCE):
                    prepare(ring, things)
                elapsed, cpu = time.perf_counter() - start, cpu_seconds() - cpu
            if (ring.in_flight, ring.stats()["submitted"]) != (before[0] + _AT_ONCE, before[1]):
                raise WrongDataError(
                    f"{_AT_ONCE} preparations timed, {ring.in_flight - before[0]} operations in flight"
                )
            ring.close()
    return elapsed, cpu


def _turns(prepare: Prepare) -> Callable[[], AbstractContextManager[Turn]]:
    @contextmanager
    def open_turn() -> Iterator[Turn]:
        _prepare_many(prepare)

        def take_turn(seconds: float) -> Sample:
            rounds = elapsed = cpu = 0.0
            end = time.monotonic() + seconds * _PATIENCE
            while elapsed < seconds and (not rounds or time.monotonic() < end):
                each, its_cpu = _prepare_many(prepare)
                elapsed, cpu, rounds = elapsed + each, cpu + its_cpu, rounds + 1
            return Sample(int(rounds) * _AT_ONCE, elapsed, cpu)

        yield take_turn

    return open_turn


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    return Lineup([Contender(name, "no system call", _turns(prepare)) for name, prepare in OPERATIONS.items()])


CASE = Case(NAME, "What does it cost to prepare each operation?", _lineup, uses_files=False)
