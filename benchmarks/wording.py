"""Figures as people read them."""

from __future__ import annotations

import math

__all__ = ["change", "figure", "multiple", "short"]


def figure(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def multiple(value: float | None) -> str:
    """A ratio: three digits also where it is far from 1."""
    if value is None:
        return "-"
    return f"{value:.2f}x" if value >= 0.1 else f"{value:.3f}x"


def change(factor: float) -> str:
    """0.85 is -15.0%."""
    # Without the sign that a rounded nothing would keep.
    return f"{round((factor - 1) * 100, 1) + 0.0:+.1f}%"


def short(value: float) -> str:
    """The label of a tick: 0.5, 20, 20k, 1.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit * 0.9995:
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}" if value == 0 or math.log10(abs(value)) > -5 else f"{value:.1e}"
