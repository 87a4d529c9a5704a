"""Whether two runs differ by more than their turns do.

What is compared is the ratio to the baseline, turn by turn, as a logarithm: the baseline takes its turn in the same
repetition, so what slows the whole machine cancels, and a halving counts as much as a doubling.

- How much changed: the median of the quotients of every new turn and every old one (Hodges and Lehmann). It
  moves little when one turn was disturbed, and wastes less of five turns than the difference of two medians.
- How much is noise: five turns tell their own spread badly. So it is mixed with the usual spread of the cell, which
  counts as much as `_BORROWED` degrees of freedom, and Student's distribution takes account of what is left of doubt.
  Rank tests and the bootstrap were the alternatives: of two times three turns no rank test can say anything, and a
  bootstrap of five takes the spread for a third smaller than it is.
- How much differs between runs although nothing changed: what is not pyuring did not change with it. Where these
  contenders moved further than their turns explain, all noise is counted as that much larger, never as smaller.
- A hundred comparisons find chance in five of them at 5%. Benjamini and Hochberg's limit holds for all together:
  of two runs of the same code, at most one pair in twenty shows anything at all.
- Below `FLOOR` nothing counts, however sure: other layouts of code and data do that much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, median, variance

__all__ = ["FLOOR", "METHOD", "Judged", "Shift", "judge_shifts"]

#: A change by less than this factor is none.
FLOOR = 1.05
_BORROWED = 8
_FALSE_ALARMS = 0.05
_CONTROLS = 20
#: The score of a change between turns without any spread.
_CERTAIN = 30.0
#: The median of the absolute value of a standard normal variable.
_TYPICAL = 0.6745

METHOD = (
    "Compared: the ratio to the baseline of the same repetition. Change: the median over all pairs of a new turn and "
    "an old one. Noise: what the change has to exceed; from the spread of the turns of both runs, mixed with that of "
    "their cell, by Student's distribution, at 5% false alarms for the whole comparison (Benjamini and Hochberg), "
    "wider where contenders other than pyuring moved too, and never below a factor of 1.05."
)


@dataclass(frozen=True)
class Shift:
    """One contender's turns in both runs: logarithms of the ratio to the baseline."""

    old: Sequence[float]
    new: Sequence[float]
    #: The cell it is in: contenders of one cell share their noise.
    cell: object
    #: Not pyuring's: nothing should have changed.
    is_control: bool

    @property
    def size(self) -> float:
        return median(after - before for before in self.old for after in self.new)

    @property
    def freedom(self) -> int:
        return len(self.old) + len(self.new) - 2

    @property
    def variance(self) -> float:
        """Of one turn, from both runs."""
        squares = sum(variance(turns) * (len(turns) - 1) for turns in (self.old, self.new) if len(turns) > 1)
        return squares / self.freedom

    @property
    def is_enough(self) -> bool:
        """Whether both runs have turns enough to tell their noise."""
        return min(len(self.old), len(self.new)) > 1


@dataclass(frozen=True)
class Judged:
    """What came of a shift; both are logarithms."""

    size: float
    #: What `size` has to exceed, either way.
    noise: float

    @property
    def direction(self) -> int:
        """-1 for slower, 1 for faster, 0 for within noise."""
        return 0 if abs(self.size) <= self.noise else int(math.copysign(1, self.size))


@dataclass(frozen=True)
class _Estimate:
    size: float
    error: float
    freedom: float

    @property
    def score(self) -> float:
        """How many standard deviations from nothing: as rare as this is, for a normal variable."""
        if self.error == 0:
            return 0.0 if self.size == 0 else _CERTAIN
        times = abs(self.size) / self.error
        return _wallace(self.freedom) * math.sqrt(self.freedom * math.log1p(times * times / self.freedom))

    def band(self, score: float) -> float:
        """The size with that score."""
        return self.error * math.sqrt(self.freedom * math.expm1((score / _wallace(self.freedom)) ** 2 / self.freedom))


def _wallace(freedom: float) -> float:
    """Of Wallace's approximation of Student's distribution by the normal one, good to a tenth of a percent."""
    return (8 * freedom + 1) / (8 * freedom + 3)


def judge_shifts(shifts: Sequence[Shift]) -> list[Judged]:
    """Judge all comparisons of two runs together. Each shift has to have turns enough."""
    if not shifts:
        return []
    estimates = [_estimate(shift, typical) for shift, typical in zip(shifts, _typical_variances(shifts), strict=True)]
    wider = _between_runs(shifts, estimates)
    estimates = [replace(estimate, error=estimate.error * wider) for estimate in estimates]
    limit = _critical([estimate.score for estimate in estimates])
    return [Judged(estimate.size, max(estimate.band(limit), math.log(FLOOR))) for estimate in estimates]


def _estimate(shift: Shift, typical: float) -> _Estimate:
    freedom = shift.freedom + _BORROWED
    mixed = (shift.freedom * shift.variance + _BORROWED * typical) / freedom
    return _Estimate(shift.size, math.sqrt(mixed * (1 / len(shift.old) + 1 / len(shift.new))), freedom)


def _typical_variances(shifts: Sequence[Shift]) -> list[float]:
    """For each, that of its cell; of all where the cell has too few to have one."""
    cells: dict[object, list[float]] = {}
    for shift in shifts:
        cells.setdefault(shift.cell, []).append(_unbiased(shift))
    everywhere = median(_unbiased(shift) for shift in shifts)
    return [median(found) if len(found := cells[shift.cell]) > 2 else everywhere for shift in shifts]


def _unbiased(shift: Shift) -> float:
    """The variance, as large as its median would be if it were known: the median of chi squared is below its mean."""
    return shift.variance / (1 - 2 / (9 * shift.freedom)) ** 3


def _between_runs(shifts: Sequence[Shift], estimates: Sequence[_Estimate]) -> float:
    scores = [estimate.score for shift, estimate in zip(shifts, estimates, strict=True) if shift.is_control]
    return max(1.0, median(scores) / _TYPICAL) if len(scores) >= _CONTROLS else 1.0


def _critical(scores: Sequence[float]) -> float:
    """The score above which a comparison counts, for all together."""
    normal = NormalDist()
    chances = sorted(2 * normal.cdf(-score) for score in scores)
    passed = len(chances)
    while passed > 1 and chances[passed - 1] > _FALSE_ALARMS * passed / len(chances):
        passed -= 1
    return -normal.inv_cdf(_FALSE_ALARMS * max(passed, 1) / len(chances) / 2)
