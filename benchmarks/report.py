"""Tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .result import Result, ratio

if TYPE_CHECKING:
    from .targets import Target

__all__ = ["LEGEND", "table", "target_lines"]

LEGEND = """\
op/s, us/op: median of all turns; us/op is no latency where more than one operation is in flight.
spread: fastest turn less slowest, in parts of the median. MB: 1,000,000 bytes.
CPU us/op: user and system time of all threads; of fio's own thread only, without the kernel's workers;
of a peer's own process.
ratio: how many times as fast as the first line, compared within each repetition, the median.
uses: what did the work. Each ring of pyuring proved it by its own count, all data read by its content."""

_COLUMNS = f"{'op/s':>11}{'spread':>8}{'MB/s':>8}{'us/op':>8}{'CPU us/op':>11}{'ratio':>8}  uses"
_NAMES = 30
_WIDTH = 116


def table(question: str, results: Sequence[Result]) -> str:
    """One cell's results."""
    width = max([_NAMES, *(len(result.contender) + 1 for result in results if not result.failure)])
    lines = ["", f"{results[0].cell.title}: {question}", f"{'contender':<{width}}{_COLUMNS}"]
    lines += [f"{result.contender:<{width}}{_line(result, results[0])}" for result in results if not result.failure]
    missing: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.failure:
            missing.setdefault((result.failure.kind, result.failure.reason), []).append(result.contender)
    for (kind, reason), names in missing.items():
        text = f"{kind}: {reason}: {'; '.join(names)}"
        lines.append(textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def _line(result: Result, first: Result) -> str:
    compared = ratio(result, first)
    return (
        f"{result.rate:>11,.0f}{result.spread:>8.0%}"
        f"{_figure(result.megabytes) if result.cell.size else '-':>8}{_figure(result.microseconds):>8}"
        f"{_figure(result.cpu_microseconds):>11}{'-' if compared is None else f'{compared:.2f}x':>8}  {result.backend}"
    )


def _figure(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def target_lines(targets: Sequence[Target]) -> str:
    lines = ["", "speed targets, from this run:"]
    for target in targets:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[target.met]
        text = f"  {verdict:<13} {target.name}: {target.measured} (target: {target.goal})"
        lines.append(textwrap.fill(text, _WIDTH, subsequent_indent=" " * 16))
        if target.remark:
            lines.append(textwrap.fill(target.remark, _WIDTH, initial_indent=" " * 16, subsequent_indent=" " * 16))
    return "\n".join(lines)
