"""Runs that never were: what `--json` would have written of them."""

from __future__ import annotations

import random
from statistics import median
from typing import Any

__all__ = ["cell", "entry", "run_of"]


def entry(name: str, rates: list[float], *, cpu: float = 2e-6, size: int | None = 4096, **more: Any) -> dict[str, Any]:
    """One contender's entry, from the rate of each turn; `more` overrides."""
    samples = [{"operations": 1000, "seconds": 1000 / rate, "cpu_seconds": 1000 * cpu} for rate in rates]
    made: dict[str, Any] = {
        "case": "random-read",
        "mode": "direct",
        "size": size,
        "contender": name,
        "backend": "a test",
        "operations_per_second": median(rates),
        "spread": (max(rates) - min(rates)) / median(rates),
        "microseconds": 1e6 / median(rates),
        "megabytes_per_second": median(rates) * size / 1e6 if size else None,
        "cpu_microseconds": cpu * 1e6,
        "ratio": 1.0,
        "samples": samples,
    }
    made.update(more)
    if "failure" in made:
        figures = ("_second", "microseconds", "spread", "ratio")
        made = {key: value for key, value in made.items() if not key.endswith(figures)} | {"samples": []}
    return made


def cell(
    rates: dict[str, float], *, seed: int, noise: float = 0.03, turns: int = 5, **more: Any
) -> list[dict[str, Any]]:
    """A cell of contenders with these true rates, each turn disturbed by its own noise; the first is the baseline."""
    chance = random.Random(seed)
    found = []
    first: list[float] = []
    for name, rate in rates.items():
        measured = [rate * (1 + chance.gauss(0, noise)) for _ in range(turns)]
        first = first or measured
        compared = median(mine / its for mine, its in zip(measured, first, strict=True))
        found.append(entry(name, measured, **{"ratio": compared, **more}))
    return found


def run_of(*cells: list[dict[str, Any]], **environment: str) -> dict[str, Any]:
    return {
        "environment": {"date": "2026-11-21 11:00 UTC", "kernel": "Linux 6.18 x86_64", "commit": "abc", **environment},
        "settings": {"repetitions": 5, "seconds": 0.1, "refusals": []},
        "results": [one for each in cells for one in each],
        "targets": [],
    }
