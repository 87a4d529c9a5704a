"""Which lines a run has: over the depth in a cell, over the block size in a case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .case import readable_size
from .lines import Line, Point, Style, legend, line_drawing, styles
from .wording import figure, multiple

if TYPE_CHECKING:
    from .markup import Markup
    from .record import CellRecord, Entry

__all__ = ["Figure", "depth_figure", "shown_as_bars", "size_figures"]

#: A family with more depths than these has one bar, not one for each.
_BARS_OF_A_FAMILY = 3
#: More in one drawing cannot be told apart.
_LINES = 9


@dataclass(frozen=True)
class Figure:
    """Drawings with one legend."""

    title: str
    drawings: list[Markup]
    legend: Markup
    note: str = ""


@dataclass(frozen=True)
class _Measure:
    title: str
    value: Callable[[Entry], float]
    limits: Callable[[Entry], tuple[float, float]]
    words: Callable[[Entry], str]


@dataclass(frozen=True)
class _Axis:
    """What grows to the right."""

    place: Callable[[Entry], int]
    words: Callable[[int], str]
    styles: dict[str, Style]
    #: Names of contenders.
    baselines: set[str]


def _megabytes(entry: Entry, rate: float) -> float:
    return rate / entry.rate * (entry.megabytes or 0.0)


_RATE = _Measure("Throughput, op/s", lambda e: e.rate, lambda e: e.rates, lambda e: f"{figure(e.rate)} op/s")
_CPU = _Measure(
    "CPU per operation, µs",
    lambda e: e.cpu_microseconds,
    lambda e: e.cpu_range,
    lambda e: f"{figure(e.cpu_microseconds)} µs",
)
_MEGABYTES = _Measure(
    "Throughput, MB/s",
    lambda e: e.megabytes or 0.0,
    lambda e: (_megabytes(e, e.rates[0]), _megabytes(e, e.rates[1])),
    lambda e: f"{figure(e.megabytes or 0.0)} MB/s",
)
_RATIO = _Measure(
    "Ratio to the baseline",
    lambda e: e.ratio or 0.0,
    lambda e: (e.ratio or 0.0, e.ratio or 0.0),
    lambda e: multiple(e.ratio),
)


def _families(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.family, []).append(entry)
    return found


def _swept(cell: CellRecord) -> dict[str, list[Entry]]:
    """The families with more than one depth, by depth."""
    with_depth = _families(entry for entry in cell.entries if entry.depth)
    return {
        family: sorted(entries, key=lambda entry: entry.depth or 0)
        for family, entries in with_depth.items()
        if len({entry.depth for entry in entries}) > 1
    }


def shown_as_bars(cell: CellRecord) -> tuple[list[Entry], bool]:
    """Who has a bar, and whether that is one of several depths for some: the fastest, for all alike."""
    many = {family: entries for family, entries in _swept(cell).items() if len(entries) > _BARS_OF_A_FAMILY}
    chosen: list[Entry] = []
    for entry in cell.entries:
        family = many.get(entry.family)
        if not family or not entry.depth or entry is cell.baseline:
            chosen.append(entry)
            continue
        fastest = max(family, key=lambda each: 0.0 if each.failure else each.rate)
        if entry is fastest:
            chosen.append(entry)
    return chosen, bool(many)


def depth_figure(cell: CellRecord) -> Figure | None:
    """Throughput and CPU per operation over the depth."""
    swept = _swept(cell)
    if not any(not entry.failure for entries in swept.values() for entry in entries):
        return None
    base = cell.baseline
    depths = sorted({entry.depth for entries in swept.values() for entry in entries if entry.depth})
    ticks = [(float(depth), str(depth)) for depth in depths]
    names = {entry.contender for entries in swept.values() for entry in entries}
    axis = _Axis(lambda entry: entry.depth or 0, "depth {}".format, _styles(swept), {base.contender})
    drawings: list[Markup] = []
    lines: list[Line] = []
    for measure in (_CPU, _RATE):
        lines = _lines(swept, axis, measure)
        reference = None
        if not base.failure and base.contender not in names:
            reference = (measure.value(base), f"{base.contender}, baseline")
        drawings.insert(0, line_drawing(measure.title, cell.key.full_title, "depth", ticks, lines, reference=reference))
    return Figure("Over the depth", drawings, legend(lines))


def _styles(families: dict[str, list[Entry]]) -> dict[str, Style]:
    return styles([(family, entries[0].is_ours) for family, entries in families.items()])


def _lines(families: dict[str, list[Entry]], axis: _Axis, measure: _Measure) -> list[Line]:
    found = []
    for family, entries in families.items():
        points, failed = [], []
        for entry in entries:
            place = axis.place(entry)
            words = axis.words(place)
            if entry.failure:
                failed.append((float(place), f"{words}: {': '.join(entry.failure)}"))
            else:
                told = f"{words} {measure.words(entry)}"
                points.append(Point(place, measure.value(entry), *measure.limits(entry), told))
        name = f"{family} (baseline)" if entries[0].contender in axis.baselines else family
        found.append(Line(name, axis.styles[family], points, failed))
    return found


def size_figures(cells: Sequence[CellRecord]) -> list[Figure]:
    """For each mode and temperature of a case: throughput, CPU and ratio over the block size."""
    groups: dict[tuple[str | None, str | None], list[CellRecord]] = {}
    for cell in cells:
        if cell.key.size:
            groups.setdefault((cell.key.mode, cell.key.temperature), []).append(cell)
    return [figure for group in groups.values() if len(group) > 1 for figure in _over_size(group)]


def _over_size(cells: Sequence[CellRecord]) -> list[Figure]:
    ordered = sorted(cells, key=lambda cell: cell.key.size or 0)
    ticks = [(float(cell.key.size or 0), readable_size(cell.key.size or 0)) for cell in ordered]
    contenders, reduced = _at_one_depth(ordered)
    if not contenders:
        return []
    where = ordered[0].key
    title = " ".join(
        part for part in (where.temperature, "O_DIRECT" if where.mode == "direct" else "page cache") if part
    )
    note = "Of a contender with several depths, the deepest. " if reduced else ""
    figures = []
    parts = _parts(contenders, ordered[0].baseline.contender)
    # Without a baseline there is nothing to compare with.
    compared = all(entry.failure or entry.ratio for entries in contenders.values() for entry in entries)
    measures = [*([_RATIO] if compared else []), _CPU, _RATE, _MEGABYTES]
    bases = {cell.baseline.contender for cell in ordered}
    axis = _Axis(lambda entry: entry.key.size or 0, readable_size, _styles(contenders), bases)
    for number, part in enumerate(parts):
        drawings: list[Markup] = []
        lines: list[Line] = []
        for measure in measures:
            lines = _lines(part, axis, measure)
            if any(line.points for line in lines):
                drawings.insert(0, line_drawing(measure.title, f"{where.case}, {title}", "block size", ticks, lines))
        of = f", {number + 1} of {len(parts)}" if len(parts) > 1 else ""
        figures.append(Figure(f"{title}, over the block size{of}", drawings, legend(lines), note))
    return figures


def _at_one_depth(cells: Sequence[CellRecord]) -> tuple[dict[str, list[Entry]], bool]:
    """Contenders that were tried at more than one size and came through at one, by name."""
    swept: dict[str, int] = {}
    for cell in cells:
        for family, entries in _swept(cell).items():
            # One at which it has failed everywhere shows nothing.
            deepest = max((entry.depth or 0 for entry in entries if not entry.failure), default=0)
            swept[family] = max(swept.get(family, 0), deepest)
    found: dict[str, list[Entry]] = {}
    for cell in cells:
        for entry in cell.entries:
            if not entry.depth or entry.depth == swept.get(entry.family, entry.depth):
                found.setdefault(entry.contender, []).append(entry)
    lasting = {
        name: entries
        for name, entries in found.items()
        if len(entries) > 1 and not all(entry.failure for entry in entries)
    }
    return lasting, bool(swept)


def _parts(contenders: dict[str, list[Entry]], baseline: str) -> list[dict[str, list[Entry]]]:
    """All in one drawing if it can be read; else ours, and then the others, with the baseline in each."""
    if len(contenders) <= _LINES:
        return [contenders]
    names = [name for name in contenders if name != baseline]
    ours = [name for name in names if contenders[name][0].is_ours]
    others = [name for name in names if name not in ours]
    first = [baseline] if baseline in contenders else []
    # The one of ours that the others are looked at beside: the fastest at the largest size it was measured at.
    best = max(ours, key=lambda name: _last_rate(contenders[name]), default=None)
    parts = [[*first, *some] for some in _even(ours, _LINES - 1)]
    parts += [[*first, *([best] if best else []), *some] for some in _even(others, _LINES - 2)]
    return [{name: contenders[name] for name in part} for part in parts]


def _even(names: Sequence[str], most: int) -> list[Sequence[str]]:
    """As few parts as there can be, of about the same length."""
    step = -(-len(names) // max(-(-len(names) // most), 1)) or 1
    return [names[start : start + step] for start in range(0, len(names), step)]


def _last_rate(entries: Sequence[Entry]) -> float:
    return next((entry.rate for entry in reversed(entries) if not entry.failure), 0.0)
