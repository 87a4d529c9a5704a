"""A target, and what it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .result import Result, ratio

if TYPE_CHECKING:
    from .case import Cell

__all__ = ["Found", "Target", "at_least", "at_most"]


@dataclass(frozen=True)
class Target:
    """One figure, what it was to be, and whether it is."""

    name: str
    goal: str
    measured: str = "-"
    met: bool | None = None
    remark: str = ""


class Found:
    """The results of a run, by cell and contender."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = {(result.cell, result.contender): result for result in results if not result.failure}

    def pair(self, cell: Cell, contender: str, other: str) -> tuple[Result, Result] | None:
        mine, its = self.get(cell, contender), self.get(cell, other)
        return (mine, its) if mine and its else None

    def get(self, cell: Cell, contender: str) -> Result | None:
        return self._results.get((cell, contender))

    def ratio(self, cell: Cell, contender: str, other: str) -> float | None:
        pair = self.pair(cell, contender, other)
        return ratio(*pair) if pair else None


def at_least(name: str, goal: float, times: float | None, remark: str = "", than: str = "") -> Target:
    """A ratio that is to be as large as `goal`."""
    text = f"at least {goal:g}x{than}"
    return Target(name, text) if times is None else Target(name, text, f"{times:.2f}x", times >= goal, remark)


def at_most(name: str, goal: float, times: float | None, remark: str = "", than: str = "") -> Target:
    """A ratio that is to be no larger than `goal`."""
    text = f"at most {goal:g}x{than}"
    return Target(name, text) if times is None else Target(name, text, f"{times:.2f}x", times <= goal, remark)
