"""What all plots share: scales with their ticks, text that fits, the frame of a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .markup import Child, Markup, element
from .wording import short

__all__ = [
    "MARGIN",
    "WIDTH",
    "Linear",
    "Logarithmic",
    "Scale",
    "drawing",
    "fitted",
    "name_text",
    "text",
    "text_width",
    "y_scale",
]

#: Of every drawing, in its own units: two stand side by side on paper, one fills a telephone.
WIDTH = 440.0
MARGIN = 8.0
#: In parts of the font size, with the widest font that is usual: a larger figure would cut names that fit, a smaller
#: one let them run into what stands beside them.
_CHARACTER = 0.57
#: So much wider are bold ones.
_BOLD = 1.13
#: So much longer than its room may be what is squeezed into it.
_SQUEEZE = 1.15
#: Above it a linear axis shows the smallest as nothing.
_DECADES_FOR_LOGARITHMIC = 1.3


class Scale(Protocol):
    """From figures to places."""

    @property
    def ticks(self) -> list[tuple[float, str]]: ...

    def __call__(self, value: float) -> float: ...


@dataclass(frozen=True)
class Linear:
    """From 0 to at least `most`."""

    most: float
    start: float
    end: float

    @property
    def _step(self) -> float:
        raw = (self.most or 1.0) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        return next(power * factor for factor in (1, 2, 2.5, 5, 10) if raw <= power * factor * 1.000001)

    @property
    def top(self) -> float:
        return math.ceil((self.most or 1.0) / self._step - 1e-9) * self._step

    @property
    def ticks(self) -> list[tuple[float, str]]:
        return [(number * self._step, short(number * self._step)) for number in range(round(self.top / self._step) + 1)]

    def __call__(self, value: float) -> float:
        return self.start + value / self.top * (self.end - self.start)


@dataclass(frozen=True)
class Logarithmic:
    """From `least` to `most`, both above 0; `labels` are the ticks, powers and their parts where there are none."""

    least: float
    most: float
    start: float
    end: float
    labels: tuple[tuple[float, str], ...] = ()

    @property
    def ticks(self) -> list[tuple[float, str]]:
        if self.labels:
            return list(self.labels)
        low, high = math.floor(math.log10(self.least)), math.ceil(math.log10(self.most))
        factors = (1, 2, 5) if high - low <= 3 else (1,)
        found = [factor * 10.0**power for power in range(low, high + 1) for factor in factors]
        return [(value, short(value)) for value in found if self.least * 0.999 <= value <= self.most * 1.001]

    def __call__(self, value: float) -> float:
        if self.most <= self.least:
            return (self.start + self.end) / 2
        share = math.log(value / self.least) / math.log(self.most / self.least)
        return self.start + share * (self.end - self.start)


def y_scale(values: Iterable[float], start: float, end: float) -> Linear | Logarithmic:
    """Linear from 0, unless the values are decades apart: then a linear one would hide the small ones."""
    found = list(values)
    positive = [value for value in found if value > 0]
    if len(positive) < len(found) or not positive:
        return Linear(max(found, default=0.0), start, end)
    if math.log10(max(positive) / min(positive)) < _DECADES_FOR_LOGARITHMIC:
        return Linear(max(positive), start, end)
    return Logarithmic(_step_down(min(positive)), -_step_down(-max(positive)), start, end)


def _step_down(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, downwards; for a negative one, away from 0."""
    size = abs(value)
    power = 10.0 ** math.floor(math.log10(size))
    if value > 0:
        return max(power * factor for factor in (1, 2, 5) if power * factor <= size * 1.000001)
    return -min(power * factor for factor in (1, 2, 5, 10) if power * factor >= size * 0.999999)


def text_width(content: str, size: float) -> float:
    return len(content) * size * _CHARACTER


def fitted(content: str, width: float, size: float) -> str:
    """Shortened in the middle, where names that differ at their ends stay apart."""
    room = max(int(width / (size * _CHARACTER)), 3)
    if len(content) <= room:
        return content
    head = (room - 1) // 2
    return f"{content[:head]}…{content[len(content) - (room - 1 - head) :]}"


def name_text(content: str, y: float, *, room: float, size: float, class_: str, is_bold: bool) -> Markup:
    """A contender's name at the left edge, in no more than `room`: what is a little too long is set closer."""
    factor = _BOLD if is_bold else 1.0
    shown = fitted(content, room * _SQUEEZE / factor, size)
    is_tight = text_width(shown, size) * factor > room
    return element(
        "text",
        shown,
        x=MARGIN,
        y=y,
        class_=class_,
        textLength=room if is_tight else None,
        lengthAdjust="spacingAndGlyphs" if is_tight else None,
    )


def text(content: str, x: float, y: float, *, class_: str | None = None, anchor: str | None = None) -> Markup:
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def drawing(height: float, title: str, description: str, *children: Child) -> Markup:
    """An image, with what it says in words for those who do not see it."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_label=title,
    )
