"""What came of a contender, and the figures made of its samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from .contender import NotInstalledError, NotPossibleError, Sample, WrongDataError

if TYPE_CHECKING:
    from .case import Cell

__all__ = ["Failure", "Result", "extra_microseconds", "ratio"]

_KINDS: dict[type[Exception], str] = {
    NotInstalledError: "not installed",
    NotPossibleError: "not possible",
    WrongDataError: "wrong data",
    # RLIMIT_MEMLOCK, which many users cannot raise.
    MemoryError: "not allowed",
}


@dataclass(frozen=True)
class Failure:
    """Why a contender has no figures."""

    kind: str
    reason: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        kind = _KINDS.get(type(error), "failed")
        return cls(kind, str(error) if kind != "failed" else f"{type(error).__name__}: {error}")

    @property
    def is_alarming(self) -> bool:
        """Whether something is broken, rather than absent."""
        return self.kind in ("wrong data", "failed")


@dataclass
class Result:
    """One line of a table."""

    cell: Cell
    contender: str
    backend: str
    samples: list[Sample] = field(default_factory=list)
    failure: Failure | None = None
    depth: int | None = None
    #: The name without the depth.
    family: str = ""

    @property
    def rate(self) -> float:
        """Operations per second, the median of all turns."""
        return median(sample.rate for sample in self.samples)

    @property
    def spread(self) -> float:
        """The fastest turn less the slowest, in parts of the median."""
        rates = [sample.rate for sample in self.samples]
        return (max(rates) - min(rates)) / median(rates)

    @property
    def microseconds(self) -> float:
        """Time per operation; not a latency where more than one is in flight."""
        return 1e6 / self.rate

    @property
    def cpu_microseconds(self) -> float:
        return median(sample.cpu_seconds / sample.operations for sample in self.samples) * 1e6

    @property
    def megabytes(self) -> float:
        """Millions of bytes per second."""
        return self.rate * self.cell.size / 1e6

    def as_json(self, first: Result) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "case": self.cell.case,
            "mode": self.cell.mode or None,
            "size": self.cell.size or None,
            "contender": self.contender,
            "backend": self.backend,
            "family": self.family or self.contender,
            "depth": self.depth,
            "unit": self.cell.unit,
            "temperature": self.cell.temperature or None,
        }
        if self.failure is not None:
            entry["failure"] = {"kind": self.failure.kind, "reason": self.failure.reason}
        else:
            entry["operations_per_second"] = self.rate
            entry["spread"] = self.spread
            entry["microseconds"] = self.microseconds
            entry["megabytes_per_second"] = self.megabytes if self.cell.size else None
            entry["cpu_microseconds"] = self.cpu_microseconds
            entry["ratio"] = ratio(self, first)
        entry["samples"] = [
            {"operations": s.operations, "seconds": s.seconds, "cpu_seconds": s.cpu_seconds} for s in self.samples
        ]
        return entry


def ratio(result: Result, other: Result) -> float | None:
    """How many times as fast as `other`: the median over the repetitions, each compared within itself."""
    if result.failure or other.failure:
        return None
    return median(mine.rate / its.rate for mine, its in zip(result.samples, other.samples, strict=True))


def extra_microseconds(result: Result, other: Result) -> float:
    """Microseconds per operation more than `other`, compared as by `ratio`."""
    return median(1e6 / mine.rate - 1e6 / its.rate for mine, its in zip(result.samples, other.samples, strict=True))
