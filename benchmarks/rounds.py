"""Turns of what goes round in a loop, so many operations each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from .contender import Contender, Sample, Turn
from .transfer import timed

__all__ = ["Loop", "loop_contender", "nop_turns"]

_TRIAL_ROUNDS = 200

#: Goes round so many times.
Loop = Callable[[int], object]


@contextmanager
def nop_turns(opener: AbstractContextManager[Loop], batch: int, trial: int = _TRIAL_ROUNDS) -> Iterator[Turn]:
    """The turns of a loop that does `batch` operations in each round."""
    with opener as loop:
        rate = timed(lambda: loop(trial), trial).rate

        def take_turn(seconds: float) -> Sample:
            rounds = max(int(rate * seconds), 1)
            return timed(lambda: loop(rounds), rounds * batch)

        yield take_turn


def loop_contender(
    name: str, backend: str, open_loop: Callable[[], AbstractContextManager[Loop]], batch: int, depth: int | None = None
) -> Contender:
    """A contender that is such a loop."""
    return Contender(name, backend, lambda: nop_turns(open_loop(), batch), depth)
