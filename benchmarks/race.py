"""Have the contenders of a cell take turns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .result import Failure, Result

if TYPE_CHECKING:
    from .case import Cell, Lineup
    from .contender import Contender, Turn

__all__ = ["race"]


def race(
    cell: Cell, lineup: Lineup, *, repetitions: int, seconds: float, progress: Callable[[float, str], None]
) -> list[Result]:
    """Let every contender take a turn in each repetition, each time in another order.

    What changes on the machine in the meantime so meets all of them alike. A contender
    that fails drops out and is reported; the others go on.
    """
    results = [
        Result(cell, each.name, each.backend, depth=each.depth, family=each.family) for each in lineup.contenders
    ]
    with ExitStack() as stack:
        turns = []
        for place, (contender, result) in enumerate(zip(lineup.contenders, results, strict=True)):
            progress(place / len(results) / (repetitions + 1), contender.name)
            turns.append(_prepare(stack, contender, result))
            lineup.settle()
        for repetition in range(repetitions):
            for step in range(len(results)):
                number = (repetition + step) % len(results)
                done = (repetition + 1) * len(results) + step
                progress(done / len(results) / (repetitions + 1), results[number].contender)
                _take(turns[number], results[number], seconds)
                lineup.settle()
    return results


def _prepare(stack: ExitStack, contender: Contender, result: Result) -> Turn | None:
    try:
        return stack.enter_context(contender.prepare())
    except Exception as error:  # whatever it is, it is that contender's result
        result.failure = Failure.of(error)
        return None


def _take(turn: Turn | None, result: Result, seconds: float) -> None:
    if turn is None or result.failure:
        return
    try:
        result.samples.append(turn(seconds))
    except Exception as error:  # as above
        result.failure = Failure.of(error)
