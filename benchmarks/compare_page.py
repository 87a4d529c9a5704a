"""The page of a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .document import data_table, document
from .markup import Child, Markup, element
from .noise import METHOD
from .svg import MARGIN, WIDTH, drawing, name_text, text, text_width
from .wording import change, figure, multiple

if TYPE_CHECKING:
    from .compare import Comparison, Pair

__all__ = ["comparison_page"]

_ROW, _TOP, _BOTTOM, _FONT = 32.0, 28.0, 28.0, 12.5
_ROWS_OF_A_DRAWING = 20
#: The axis goes at least so far to both sides, and at most so far.
_LEAST, _MOST = 1.25, 4.0
_TICKS = (1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0)
_COLUMNS = [
    ("contender", True), ("verdict", True), ("old op/s", False), ("new op/s", False), ("change", False),
    ("old ratio", False), ("new ratio", False), ("change", False), ("noise", False),
    ("old CPU µs/op", False), ("new CPU µs/op", False),
]  # fmt: skip


def comparison_page(comparison: Comparison, old: str, new: str) -> str:
    """Make the page.

    Args:
        comparison: what to show.
        old: where the old run came from.
        new: where the new one did.
    """
    return document(
        "pyuring benchmarks, compared",
        element("p", f"old: {old} · new: {new}", class_="quiet"),
        element("p", element("strong", comparison.summary)),
        _regressions(comparison),
        element("p", METHOD),
        _differences(comparison),
        _only_in_one(comparison),
        [_cell(comparison, number) for number in range(len(comparison.cells))],
    )


def _regressions(comparison: Comparison) -> Markup | None:
    items = [
        element(
            "li",
            element("span", f"✗ {pair.verdict}", class_="bad"),
            f" {cell.key.full_title}: {pair.new.contender}",
            f", {change(pair.relative)}" if pair.relative else None,
        )
        for cell, pair in comparison.regressions
    ]
    return element("ul", items) if items else None


def _differences(comparison: Comparison) -> Markup | None:
    if not comparison.differences:
        return None
    rows = [
        element(
            "tr", element("th", name, scope="row", class_="words"), [element("td", e, class_="words") for e in both]
        )
        for name, *both in comparison.differences
    ]
    columns = [("what", True), ("old", True), ("new", True)]
    return element("section", element("h2", "What else differs"), data_table("Machine and versions", columns, rows))


def _only_in_one(comparison: Comparison) -> Markup | None:
    items: list[Markup] = []
    for what, titles in (("added", comparison.added), ("removed", comparison.removed)):
        items += [element("li", f"{what}: {title}, the whole cell") for title in titles]
    for cell in comparison.cells:
        for what, names in (("added", cell.added), ("removed", cell.removed)):
            items += [element("li", f"{what}: {name}, in {cell.key.full_title}") for name in names]
    return element("section", element("h2", "Added and removed"), element("ul", items)) if items else None


def _cell(comparison: Comparison, number: int) -> Markup:
    cell = comparison.cells[number]
    base = next((pair.new.contender for pair in cell.pairs if pair.is_baseline), None)
    judged = [pair for pair in cell.pairs if pair.judged]
    parts = [judged[start : start + _ROWS_OF_A_DRAWING] for start in range(0, len(judged), _ROWS_OF_A_DRAWING)]
    title = cell.key.full_title
    return element(
        "section",
        element("h2", title),
        element("p", f"Not comparable: {cell.trouble}.", class_="bad") if cell.trouble else None,
        element("p", f"Baseline of both: {base}. Wide bands: noise.", class_="quiet") if base else None,
        element("figure", element("div", [_drawing(title, part, judged) for part in parts], class_="pair"))
        if parts
        else None,
        data_table(f"{title}: old and new", _COLUMNS, [_row(pair) for pair in cell.pairs]),
    )


def _drawing(title: str, pairs: Sequence[Pair], all_pairs: Sequence[Pair]) -> Markup:
    """A dot for each change of the ratio, on the band of what noise does."""
    furthest = max(abs(pair.judged.size) for pair in all_pairs if pair.judged)
    reach = min(max(furthest * 1.1, math.log(_LEAST)), math.log(_MOST))
    middle, half = WIDTH / 2, WIDTH / 2 - MARGIN - 14

    def place(size: float) -> float:
        return middle + max(-1.0, min(size / reach, 1.0)) * half

    bottom = _TOP + len(pairs) * _ROW
    words = "; ".join(f"{p.new.contender} {change(p.relative or 1)}, {p.verdict}" for p in pairs)
    return drawing(
        bottom + _BOTTOM,
        f"Change of the ratio, {title}",
        words,
        text("slower", MARGIN, 15, class_="m"),
        text("Change of the ratio", middle, 15, class_="h", anchor="middle"),
        text("faster", WIDTH - MARGIN, 15, class_="m", anchor="end"),
        [_tick(place(size), change(math.exp(size)), bottom) for size in _ticks(reach)],
        [_dot(pair, place, _TOP + row * _ROW) for row, pair in enumerate(pairs)],
    )


def _ticks(reach: float) -> list[float]:
    """Three to each side at most, the outermost that fit."""
    fitting = [math.log(factor) for factor in _TICKS if math.log(factor) <= reach]
    chosen: list[float] = []
    for size in reversed(fitting):
        if not chosen or (chosen[-1] - size > 0.28 * reach and size > 0.28 * reach):
            chosen.append(size)
    return [*(-size for size in chosen), 0.0, *chosen]


def _tick(x: float, label: str, bottom: float) -> list[Markup]:
    return [
        element("line", class_="axis" if label == "+0.0%" else "grid", x1=x, x2=x, y1=_TOP, y2=bottom + 3),
        text("0" if label == "+0.0%" else label.replace(".0%", "%"), x, bottom + 17, class_="m", anchor="middle"),
    ]


def _dot(pair: Pair, place: Callable[[float], float], top: float) -> list[Child]:
    if pair.judged is None:
        return []
    size, noise = pair.judged.size, pair.judged.noise
    kind = "ours" if pair.is_ours else "other"
    mark = "✗ " if pair.is_regression else "✓ " if pair.is_improvement else ""
    note = f"{mark}{change(math.exp(size))}"
    y = top + 23
    # A solid dot outside of the noise, a hollow one within.
    outside = "out" if pair.judged.direction else "in"
    return [
        element("rect", class_="band", x=place(-noise), y=y - 6, width=place(noise) - place(-noise), height=12),
        element("line", class_="whisker", x1=place(0), x2=place(size), y1=y, y2=y),
        element("circle", element("title", note), class_=f"dot {kind} {outside}", cx=place(size), cy=y, r=4.5),
        name_text(
            pair.new.contender,
            top + 13,
            room=WIDTH - 2 * MARGIN - text_width(note, _FONT) - 10,
            size=_FONT,
            class_=f"n {kind} halo",
            is_bold=pair.is_ours,
        ),
        text(note, WIDTH - MARGIN, top + 13, class_="bad halo" if pair.is_regression else "v halo", anchor="end"),
    ]


def _row(pair: Pair) -> Markup:
    name = pair.new.contender + (" (baseline)" if pair.is_baseline else "")
    old, new = pair.old, pair.new
    cells = [
        "-" if old.failure else figure(old.rate),
        "-" if new.failure else figure(new.rate),
        change(pair.absolute) if pair.absolute else "-",
        multiple(old.ratio),
        multiple(new.ratio),
        change(pair.relative) if pair.relative else "-",
        change(pair.noise) if pair.noise else "-",
        "-" if old.failure else figure(old.cpu_microseconds),
        "-" if new.failure else figure(new.cpu_microseconds),
    ]
    mark, class_ = ("✗ ", "bad") if pair.is_regression else ("✓ ", "good") if pair.is_improvement else ("", "")
    reason = f": {new.failure[1]}" if new.failure else ""
    return element(
        "tr",
        element("th", name, scope="row"),
        element("td", f"{mark}{pair.verdict}{reason}", class_=f"words {class_}".strip()),
        [element("td", each) for each in cells],
        class_="base" if pair.is_baseline else "ours" if pair.is_ours else "other",
    )
