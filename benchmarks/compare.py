"""What became faster and what slower from one run to another."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .noise import METHOD, Judged, Shift, judge_shifts
from .record import CellRecord, Entry, Key, Record, RecordError
from .wording import change, multiple

__all__ = ["Comparison", "Pair", "compare", "comparison_text"]

_WIDTH = 116
_COLUMNS = (
    f"{'contender':<32}{'old op/s':>11}{'new op/s':>11}{'change':>9}{'old ratio':>10}{'new ratio':>10}{'change':>9}"
    f"{'noise':>8}  verdict"
)
_WORDS = {-1: "regression", 0: "within noise", 1: "improvement"}
#: Kinds of failures that say that something broke, rather than that it is absent here.
_BROKEN = ("failed", "wrong data")


@dataclass
class Pair:
    """A contender that both runs have."""

    old: Entry
    new: Entry
    is_baseline: bool = False
    judged: Judged | None = None

    @property
    def is_ours(self) -> bool:
        return self.new.is_ours

    @property
    def absolute(self) -> float | None:
        """The new rate, in parts of the old one."""
        return None if self.old.failure or self.new.failure else self.new.rate / self.old.rate

    @property
    def relative(self) -> float | None:
        """The same of the ratio to the baseline."""
        return math.exp(self.judged.size) if self.judged else None

    @property
    def noise(self) -> float | None:
        """What `relative` has to pass, on its side of 1."""
        return math.exp(math.copysign(self.judged.noise, self.judged.size)) if self.judged else None

    @property
    def verdict(self) -> str:
        if self.new.failure:
            return f"still {self.new.failure[0]}" if self.old.failure else f"{self.new.failure[0]} now"
        if self.old.failure:
            return "works now"
        if self.is_baseline:
            return "baseline"
        return _WORDS[self.judged.direction] if self.judged else "not comparable"

    @property
    def is_regression(self) -> bool:
        if self.new.failure and not self.old.failure:
            return self.new.failure[0] in _BROKEN
        return self.judged is not None and self.judged.direction < 0

    @property
    def is_improvement(self) -> bool:
        return self.judged is not None and self.judged.direction > 0


@dataclass
class _CellPair:
    """A cell that both runs have."""

    key: Key
    pairs: list[Pair]
    added: list[str]
    removed: list[str]
    #: Why nothing in it can be compared, where that is so.
    trouble: str = ""


@dataclass
class Comparison:
    """Two runs, cell by cell."""

    cells: list[_CellPair]
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    #: What else differs between the runs: name, old, new.
    differences: list[tuple[str, str, str]] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[_CellPair, Pair]]:
        for cell in self.cells:
            for pair in cell.pairs:
                yield cell, pair

    @property
    def regressions(self) -> list[tuple[_CellPair, Pair]]:
        """Of pyuring's contenders."""
        return [(cell, pair) for cell, pair in self.pairs() if pair.is_ours and pair.is_regression]

    @property
    def summary(self) -> str:
        """One sentence."""
        counts = {True: [0, 0], False: [0, 0]}
        judged = 0
        for _, pair in self.pairs():
            judged += pair.judged is not None
            counts[pair.is_ours][0] += pair.is_regression
            counts[pair.is_ours][1] += pair.is_improvement
        ours, others = counts[True], counts[False]
        return (
            f"{judged} compared; of pyuring's {_count(ours[0], 'regression')} and {_count(ours[1], 'improvement')}, "
            f"of others {_count(others[0], 'regression')} and {_count(others[1], 'improvement')}."
        )


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def compare(old: Record, new: Record) -> Comparison:
    """Compare them.

    Raises:
        RecordError: they have nothing in common.
    """
    before = {cell.key: cell for cell in old.cells}
    after = {cell.key: cell for cell in new.cells}
    cells = [_pair_cell(before[key], cell) for key, cell in after.items() if key in before]
    if not any(cell.pairs for cell in cells):
        raise RecordError("the two runs have no contender of the same cell in common")
    _judge(cells)
    return Comparison(
        cells,
        [key.full_title for key in after if key not in before],
        [key.full_title for key in before if key not in after],
        list(_differences(old, new)),
    )


def _pair_cell(old: CellRecord, new: CellRecord) -> _CellPair:
    before = {entry.contender: entry for entry in old.entries}
    after = {entry.contender: entry for entry in new.entries}
    pairs = [Pair(before[name], entry, entry is new.baseline) for name, entry in after.items() if name in before]
    cell = _CellPair(
        new.key, pairs, [name for name in after if name not in before], [name for name in before if name not in after]
    )
    if old.baseline.contender != new.baseline.contender:
        cell.trouble = f"the baseline was {old.baseline.contender}, and is {new.baseline.contender}"
        for pair in pairs:
            pair.is_baseline = False
    elif old.baseline.failure or new.baseline.failure:
        cell.trouble = f"the baseline, {new.baseline.contender}, has no figures in {_which(old.baseline)} run"
    return cell


def _which(old: Entry) -> str:
    return "the old" if old.failure else "the new"


def _judge(cells: Sequence[_CellPair]) -> None:
    chosen: list[tuple[Pair, Shift]] = []
    for cell in cells:
        base = next((pair for pair in cell.pairs if pair.is_baseline), None)
        if cell.trouble or base is None:
            continue
        for pair in cell.pairs:
            if pair is base or pair.absolute is None:
                continue
            shift = Shift(_logs(pair.old, base.old), _logs(pair.new, base.new), cell.key, not pair.is_ours)
            if shift.is_enough:
                chosen.append((pair, shift))
    for (pair, _), judged in zip(chosen, judge_shifts([shift for _, shift in chosen]), strict=True):
        pair.judged = judged


def _logs(entry: Entry, base: Entry) -> list[float]:
    """The logarithms of the ratios, repetition by repetition.

    Raises:
        RecordError: one has more turns than the other.
    """
    if len(entry.samples) != len(base.samples):
        raise RecordError(
            f"{entry.key.full_title}: {entry.contender} has {len(entry.samples)} turns, "
            f"the baseline has {len(base.samples)}"
        )
    return [math.log(mine.rate / its.rate) for mine, its in zip(entry.samples, base.samples, strict=True)]


def _differences(old: Record, new: Record) -> Iterator[tuple[str, str, str]]:
    """What the runs were made with, where that differs and may explain something."""
    for name in dict.fromkeys([*old.environment, *new.environment]):
        before, after = old.environment.get(name, "not said"), new.environment.get(name, "not said")
        if before != after:
            yield name, before, after
    for name in dict.fromkeys([*old.settings, *new.settings]):
        if old.settings.get(name) != new.settings.get(name):
            yield name, _told(old.settings.get(name)), _told(new.settings.get(name))


def _told(setting: object) -> str:
    return "not said" if setting is None else str(setting) if setting != [] else "none"


def comparison_text(comparison: Comparison) -> str:
    """The whole of it, for a terminal."""
    lines = [f"{name:<13} {before} -> {after}" for name, before, after in comparison.differences]
    for cell in comparison.cells:
        lines += ["", cell.key.full_title, _COLUMNS, *(_line(pair) for pair in cell.pairs)]
        if cell.trouble:
            lines += _wrapped(f"not comparable: {cell.trouble}")
        for what, names in (("added", cell.added), ("removed", cell.removed)):
            if names:
                lines += _wrapped(f"{what}: {'; '.join(names)}")
    for what, titles in (("added", comparison.added), ("removed", comparison.removed)):
        lines += [""] * bool(titles) + [f"{what}: {title}" for title in titles]
    lines += ["", *textwrap.wrap(METHOD, _WIDTH), "", comparison.summary]
    lines += [
        f"  {pair.verdict.upper():<11} {cell.key.full_title}: {pair.new.contender}"
        + (f" {change(pair.relative)}" if pair.relative else "")
        for cell, pair in comparison.regressions
    ]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _line(pair: Pair) -> str:
    values = [
        "-" if pair.old.failure else f"{pair.old.rate:,.0f}",
        "-" if pair.new.failure else f"{pair.new.rate:,.0f}",
        change(pair.absolute) if pair.absolute else "-",
        multiple(pair.old.ratio),
        multiple(pair.new.ratio),
        change(pair.relative) if pair.relative else "-",
        change(pair.noise) if pair.noise else "-",
    ]
    widths = (11, 11, 9, 10, 10, 9, 8)
    figures = "".join(f"{value:>{width}}" for value, width in zip(values, widths, strict=True))
    verdict = pair.verdict
    if pair.is_ours and pair.is_regression:
        verdict = verdict.upper()
    if pair.new.failure and not pair.old.failure:
        verdict += f": {pair.new.failure[1]}"
    return f"{pair.new.contender:<32}{figures}  {verdict}"
