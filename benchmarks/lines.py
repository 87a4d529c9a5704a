"""Lines: what becomes of a figure as the depth or the block size grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .markup import Markup, element
from .svg import WIDTH, Logarithmic, Scale, drawing, fitted, text, y_scale
from .wording import figure

__all__ = ["Line", "Point", "Style", "legend", "line_drawing", "styles"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 30.0, 44.0
#: Two above each other, with their legend, on half a page of paper.
_HEIGHT = 250.0
_MARKERS = ("circle", "square", "triangle", "diamond", "down", "plus", "bar")
_DASHES = (None, "7 3", "2 3", "9 3 2 3")
_COLOURS = 4


@dataclass(frozen=True)
class Point:
    """One place of a line: where, how much, between what, and in words."""

    x: float
    value: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class Style:
    """How a line is told from the others: by its marker and its dashes as well as by its colour."""

    class_: str
    marker: str
    dash: str | None

    def stroke(self, path: str) -> Markup:
        return element("path", class_=f"line {self.class_}", d=path, stroke_dasharray=self.dash)

    def mark(self, x: float, y: float, words: str | None = None) -> Markup:
        title = element("title", words) if words else None
        return element("path", title, class_=f"mark {self.class_}", d=_marker(self.marker, x, y))


@dataclass(frozen=True)
class Line:
    """One contender's."""

    name: str
    style: Style
    points: list[Point]
    #: Where it was tried and failed.
    failed: list[tuple[float, str]] = field(default_factory=list)


def styles(families: Sequence[tuple[str, bool]]) -> dict[str, Style]:
    """One for each name, given whether it is ours; the same in all drawings that get the same names."""
    found, counts = {}, {True: 0, False: 0}
    for name, is_ours in families:
        number = counts[is_ours]
        counts[is_ours] += 1
        # Ours and the others go through the markers from opposite ends.
        marker = _MARKERS[number % len(_MARKERS) if is_ours else -1 - number % len(_MARKERS)]
        # Markers and dashes have no common divisor, so that no pair comes again soon.
        dash = _DASHES[number % len(_DASHES)]
        found[name] = Style(f"{'a' if is_ours else 'g'}{number % _COLOURS}", marker, dash)
    return found


def line_drawing(
    title: str,
    where: str,
    axis: str,
    ticks: Sequence[tuple[float, str]],
    lines: Sequence[Line],
    *,
    reference: tuple[float, str] | None = None,
) -> Markup:
    """One drawing.

    Args:
        title: what is shown, and its unit.
        where: the cell.
        axis: what grows to the right.
        ticks: the places that were measured there, with their labels.
        lines: at least one, with a point each.
        reference: a horizontal line, and in words what it stands for.
    """
    bottom, right = _HEIGHT - _BOTTOM, WIDTH - _RIGHT
    values = [value for line in lines for point in line.points for value in (point.low, point.high)]
    y = y_scale([*values, *([reference[0]] if reference else [])], bottom, _TOP + 6)
    x = Logarithmic(ticks[0][0], ticks[-1][0], _LEFT + 12, right - 10, tuple(ticks))
    kind = ", log scale" if isinstance(y, Logarithmic) else ""
    words = "; ".join(f"{line.name}: " + ", ".join(point.words for point in line.points) for line in lines)
    return drawing(
        _HEIGHT,
        f"{title}, {where}",
        f"Lines over {axis}. {words}" + (f"; {reference[1]}: {figure(reference[0])}" if reference else ""),
        text(title + kind, 4, 15, class_="h"),
        _axes(x, y, axis, bottom, right),
        element("line", class_="ref", x1=_LEFT, x2=right, y1=y(reference[0]), y2=y(reference[0]))
        if reference
        else None,
        [_line(line, x, y) for line in lines],
        _reference_name(reference[1], right, y(reference[0])) if reference else None,
        [_crosses(line, x, bottom) for line in lines],
    )


def legend(lines: Sequence[Line]) -> Markup:
    """The lines by name, those that end highest first; for all drawings that have the same ones."""
    ordered = sorted(lines, key=lambda line: -line.points[-1].value if line.points else 0.0)
    items = []
    for line in ordered:
        swatch = element(
            "svg",
            line.style.stroke("M2 8H34"),
            line.style.mark(18, 8),
            xmlns="http://www.w3.org/2000/svg",
            viewBox="0 0 36 16",
            width=36,
            height=16,
            aria_hidden="true",
        )
        failed = element("span", f" (✗ failed at {len(line.failed)})", class_="bad") if line.failed else None
        items.append(element("li", swatch, element("span", line.name), failed))
    return element("ul", items, class_="legend")


def _axes(x: Logarithmic, y: Scale, axis: str, bottom: float, right: float) -> list[Markup]:
    found = []
    for value, label in y.ticks:
        place = y(value)
        found.append(element("line", class_="grid", x1=_LEFT, x2=right, y1=place, y2=place))
        found.append(text(label, _LEFT - 6, place + 4, class_="m", anchor="end"))
    last = -1e9
    for value, label in x.ticks:
        place = x(value)
        found.append(element("line", class_="grid", x1=place, x2=place, y1=bottom, y2=bottom + 5))
        half = len(label) * 3.6
        if place - half > last:
            found.append(text(label, place, bottom + 18, class_="m", anchor="middle"))
            last = place + half + 4
    found.append(element("line", class_="axis", x1=_LEFT, x2=right, y1=bottom, y2=bottom))
    found.append(text(f"{axis}, log scale", (_LEFT + right) / 2, bottom + 37, class_="m", anchor="middle"))
    return found


def _reference_name(words: str, right: float, y: float) -> Markup:
    return text(fitted(words, right - _LEFT, 11.5), right, y - 5, class_="m halo", anchor="end")


def _line(line: Line, x: Scale, y: Scale) -> Markup:
    places = [(x(point.x), y(point.value)) for point in line.points]
    path = "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in places) if places else ""
    whiskers = "".join(
        f"M{across - 3:.1f} {y(point.low):.1f}h6M{across:.1f} {y(point.low):.1f}V{y(point.high):.1f}"
        f"M{across - 3:.1f} {y(point.high):.1f}h6"
        for point, (across, _) in zip(line.points, places, strict=True)
    )
    marks = [
        line.style.mark(across, down, f"{line.name}: {point.words}")
        for point, (across, down) in zip(line.points, places, strict=True)
    ]
    spread = element("path", class_=f"spread {line.style.class_}", d=whiskers) if whiskers else None
    return element("g", spread, line.style.stroke(path) if path else None, marks)


def _crosses(line: Line, x: Scale, bottom: float) -> list[Markup]:
    """On the axis, under the places where a contender failed."""
    return [
        element(
            "path",
            element("title", f"{line.name}: {why}"),
            class_="fail",
            d=f"M{x(place) - 4:.1f} {bottom - 4:.1f}l8 8m0 -8l-8 8",
        )
        for place, why in line.failed
    ]


def _marker(shape: str, x: float, y: float) -> str:
    at = f"M{x:.1f} {y:.1f}"
    return (
        at
        + {
            "circle": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
            "square": "m-3.6 -3.6h7.2v7.2h-7.2z",
            "triangle": "m0 -4.6l4.6 8h-9.2z",
            "diamond": "m0 -5l5 5l-5 5l-5 -5z",
            "down": "m0 4.6l4.6 -8h-9.2z",
            "plus": "m-4.5 0h9m-4.5 -4.5v9",
            "bar": "m-1.5 -4.5h3v9h-3z",
        }[shape]
    )
