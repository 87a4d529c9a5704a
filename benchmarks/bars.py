"""Bars with their spread, one for each contender, under its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .markup import Markup, element
from .svg import MARGIN, WIDTH, Linear, drawing, fitted, name_text, text, text_width
from .wording import figure, multiple

if TYPE_CHECKING:
    from .record import CellRecord, Entry

__all__ = ["bar_figures", "kind_of"]

_ROW = 36.0
_BAR = 11.0
_TOP = 26.0
_BOTTOM = 30.0
_FONT = 12.5
_SMALL = 11.5
#: So many fit on a page of paper, with the heading; where there are more, two drawings are to fit on one.
_ROWS_OF_A_PAGE = 24
_ROWS_OF_HALF_A_PAGE = 15


@dataclass(frozen=True)
class _Measure:
    """What the bars of a drawing show."""

    title: str
    unit: str
    better: str
    value: Callable[[Entry], float]
    limits: Callable[[Entry], tuple[float, float]]
    note: Callable[[Entry], str]


_RATE = _Measure(
    "Throughput",
    "op/s · ratio",
    "longer is better",
    lambda entry: entry.rate,
    lambda entry: entry.rates,
    lambda entry: figure(entry.rate) + (f" · {multiple(entry.ratio)}" if entry.ratio is not None else ""),
)
_CPU = _Measure(
    "CPU per operation",
    "µs",
    "shorter is better",
    lambda entry: entry.cpu_microseconds,
    lambda entry: entry.cpu_range,
    lambda entry: figure(entry.cpu_microseconds),
)


def kind_of(entry: Entry, baseline: Entry) -> str:
    """The class of what stands for it: how it is drawn."""
    if entry is baseline:
        return "base"
    return "ours" if entry.is_ours else "other"


def bar_figures(cell: CellRecord, entries: Sequence[Entry]) -> list[tuple[Markup, Markup]]:
    """Pairs of drawings, throughput and CPU per operation; more than one where paper would cut it."""
    parts = 1 if len(entries) <= _ROWS_OF_A_PAGE else -(-len(entries) // _ROWS_OF_HALF_A_PAGE)
    rows = -(-len(entries) // parts)
    return [
        (_drawing(cell, entries, part, _RATE), _drawing(cell, entries, part, _CPU))
        for part in (range(start, min(start + rows, len(entries))) for start in range(0, len(entries), rows))
    ]


def _drawing(cell: CellRecord, entries: Sequence[Entry], part: range, measure: _Measure) -> Markup:
    """Some of the rows, to the scale of all of them."""
    most = max((measure.limits(entry)[1] for entry in entries if not entry.failure), default=0.0)
    scale = Linear(most, MARGIN, WIDTH - MARGIN - 10)
    bottom = _TOP + len(part) * _ROW
    base = cell.baseline
    shown = [entries[number] for number in part]
    title = f"{measure.title}, {cell.key.full_title}"
    words = [f"{e.contender}: " + (f"{e.failure[0]}" if e.failure else measure.note(e)) for e in shown]
    described = f"{measure.unit}; bars to the median, whiskers over all turns; baseline {base.contender}. "
    return drawing(
        bottom + _BOTTOM,
        title,
        described + "; ".join(words),
        text(measure.title, MARGIN, 15, class_="h"),
        text(f"{measure.unit}, {measure.better}", WIDTH - MARGIN, 15, class_="m", anchor="end"),
        _grid(scale, bottom),
        None if base.failure else _reference(scale(measure.value(base)), bottom),
        [_row(entry, base, measure, scale, _TOP + row * _ROW) for row, entry in enumerate(shown)],
    )


def _grid(scale: Linear, bottom: float) -> list[Markup]:
    found = []
    for value, label in scale.ticks:
        x = scale(value)
        found.append(element("line", class_="grid", x1=x, x2=x, y1=_TOP, y2=bottom + 4))
        found.append(text(label, x, bottom + 18, class_="m", anchor="middle"))
    return found


def _reference(x: float, bottom: float) -> Markup:
    return element("line", class_="ref", x1=x, x2=x, y1=_TOP, y2=bottom + 4)


def _row(entry: Entry, base: Entry, measure: _Measure, scale: Linear, top: float) -> Markup:
    note = entry.failure[0] if entry.failure else measure.note(entry)
    room = WIDTH - 2 * MARGIN - text_width(note, _FONT) - 10
    name = entry.contender + (" (baseline)" if entry is base else "")
    kind = kind_of(entry, base)
    y = top + 19
    if entry.failure:
        why = fitted(entry.failure[1], WIDTH - 2 * MARGIN - 12, _SMALL)
        what = f"{entry.contender}: {entry.failure[0]}: {entry.failure[1]}"
        body = [
            _back(MARGIN, y, text_width(why, _SMALL)),
            element("path", class_="fail", d=f"M{MARGIN:g} {y + 2:.1f}l7 7m0 -7l-7 7"),
            text(why, MARGIN + 12, y + 9.5, class_="m"),
        ]
    else:
        low, high = measure.limits(entry)
        what = f"{entry.contender}: {note}; turns from {figure(low)} to {figure(high)}"
        width = max(scale(measure.value(entry)) - scale(0), 0.8)
        body = [
            element("rect", class_=f"bar {kind}", x=scale(0), y=y, width=width, height=_BAR),
            _whisker(scale(low), scale(high), y + _BAR / 2),
        ]
    return element(
        "g",
        element("title", what),
        _back(MARGIN, top + 2, min(text_width(name, _FONT), room)),
        _back(WIDTH - MARGIN - text_width(note, _FONT), top + 2, text_width(note, _FONT)),
        name_text(name, top + 14, room=room, size=_FONT, class_=f"n {kind}", is_bold=kind == "ours"),
        text(note, WIDTH - MARGIN, top + 14, class_="bad" if entry.failure else "v", anchor="end"),
        body,
    )


def _back(x: float, y: float, width: float) -> Markup:
    """Hides the grid and the line of the baseline behind words."""
    return element("rect", class_="back", x=x, y=y, width=width * 0.95, height=15)


def _whisker(low: float, high: float, y: float) -> Markup:
    return element(
        "path", class_="whisker", d=f"M{low:.1f} {y - 4:.1f}v8M{low:.1f} {y:.1f}H{high:.1f}M{high:.1f} {y - 4:.1f}v8"
    )
