"""What `--json` has written, read again: checked once, so that nothing after it has to be."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .case import readable_size
from .ours import is_ours

__all__ = ["CellRecord", "Entry", "Key", "Record", "RecordError", "Turned", "load", "parse"]

#: Nothing that is measured comes near it, and sums and squares of what is below it are finite.
_LARGEST = 1e100


class RecordError(ValueError):
    """A file that is not one of ours; the message says why, in one line."""


@dataclass(frozen=True)
class Key:
    """Which cell an entry belongs to."""

    case: str
    mode: str | None
    size: int | None
    temperature: str | None

    @property
    def title(self) -> str:
        where = {"direct": "O_DIRECT", "cached": "page cache", None: None}.get(self.mode, self.mode)
        if where and self.temperature:
            where = f"{self.temperature} {where}"
        parts = [where or self.temperature, readable_size(self.size) if self.size else None]
        return ", ".join(part for part in parts if part)

    @property
    def full_title(self) -> str:
        return f"{self.case}, {self.title}" if self.title else self.case


@dataclass(frozen=True)
class Turned:
    """One turn."""

    operations: float
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / self.operations * 1e6


@dataclass(frozen=True)
class Entry:
    """One contender in one cell: figures, or the reason why there are none."""

    key: Key
    contender: str
    family: str
    depth: int | None
    unit: str
    backend: str
    samples: tuple[Turned, ...]
    #: Kind and reason.
    failure: tuple[str, str] | None = None
    rate: float = math.nan
    spread: float = math.nan
    microseconds: float = math.nan
    cpu_microseconds: float = math.nan
    megabytes: float | None = None
    ratio: float | None = None

    @property
    def is_ours(self) -> bool:
        return is_ours(self.contender, self.key.case)

    @property
    def rates(self) -> tuple[float, float]:
        """The slowest turn and the fastest."""
        rates = [turn.rate for turn in self.samples] or [self.rate]
        return min(rates), max(rates)

    @property
    def cpu_range(self) -> tuple[float, float]:
        """CPU per operation, microseconds: the least of all turns and the most."""
        values = [turn.cpu_microseconds for turn in self.samples] or [self.cpu_microseconds]
        return min(values), max(values)


@dataclass
class CellRecord:
    """A cell with its contenders; the first is the baseline."""

    key: Key
    entries: list[Entry] = field(default_factory=list)

    @property
    def baseline(self) -> Entry:
        return self.entries[0]

    @property
    def measured(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.failure]

    @property
    def failed(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.failure]


@dataclass
class Record:
    """A whole run."""

    environment: dict[str, str]
    settings: dict[str, Any]
    questions: dict[str, str]
    cells: list[CellRecord]
    targets: list[dict[str, Any]]

    @property
    def cases(self) -> dict[str, list[CellRecord]]:
        """The cells by case, in the order in which they ran."""
        found: dict[str, list[CellRecord]] = {}
        for cell in self.cells:
            found.setdefault(cell.key.case, []).append(cell)
        return found


def load(path: str) -> Record:
    """Read a file.

    Raises:
        OSError: it cannot be read.
        RecordError: it holds something else than a run.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return parse(json.load(file, parse_constant=_refuse))
        except UnicodeDecodeError as error:
            raise RecordError(f"{path}: not a text of UTF-8, at byte {error.start}") from None
        except json.JSONDecodeError as error:
            raise RecordError(f"{path}: not JSON, {error.msg} in line {error.lineno}") from None
        except RecursionError:
            raise RecordError(f"{path}: nested too deeply") from None
        except ValueError as error:
            raise RecordError(f"{path}: {error}") from None


def _refuse(constant: str) -> NoReturn:
    raise RecordError(f"{constant} is not a number")


def parse(data: object) -> Record:
    """Take a run apart.

    Raises:
        RecordError: something is missing, or is not what it should be.
    """
    if not isinstance(data, dict) or not isinstance(data.get("results"), list) or not data["results"]:
        raise RecordError("not what --json writes: it has no results")
    cells: dict[Key, CellRecord] = {}
    for number, raw in enumerate(data["results"]):
        if not isinstance(raw, dict):
            raise RecordError(f"results[{number}] is no object")
        entry = _entry(raw, f"results[{number}]")
        cell = cells.setdefault(entry.key, CellRecord(entry.key))
        if any(entry.contender == other.contender for other in cell.entries):
            raise RecordError(f"results[{number}]: {entry.contender!r} is there twice")
        cell.entries.append(entry)
    targets = data.get("targets", [])
    if not isinstance(targets, list) or not all(isinstance(each, dict) for each in targets):
        raise RecordError("targets is no list of objects")
    return Record(
        {str(name): str(value) for name, value in _object(data, "environment").items()},
        dict(_object(data, "settings")),
        {str(name): str(value) for name, value in _object(data, "questions").items()},
        list(cells.values()),
        targets,
    )


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise RecordError(f"{name} is no object")
    return found


def _entry(raw: Mapping[str, Any], where: str) -> Entry:
    key = Key(
        _text(raw, "case", where),
        _text(raw, "mode", where, optional=True) or None,
        _whole(raw, "size", where) or None,
        _text(raw, "temperature", where, optional=True) or None,
    )
    contender = _text(raw, "contender", where)
    depth = _whole(raw, "depth", where)
    entry: dict[str, Any] = {
        "key": key,
        "contender": contender,
        "family": _text(raw, "family", where, optional=True) or contender,
        "depth": depth,
        "unit": _text(raw, "unit", where, optional=True) or "operation",
        "backend": _text(raw, "backend", where, optional=True),
        "samples": tuple(_turns(raw, where)),
    }
    if failure := _object(raw, "failure"):
        reason = _text(failure, "reason", where, optional=True)
        return Entry(**entry, failure=(_text(failure, "kind", where, optional=True) or "failed", reason))
    megabytes, compared = raw.get("megabytes_per_second"), raw.get("ratio")
    return Entry(
        **entry,
        rate=_number(raw, "operations_per_second", where, above_zero=True),
        spread=_number(raw, "spread", where),
        microseconds=_number(raw, "microseconds", where),
        cpu_microseconds=_number(raw, "cpu_microseconds", where),
        megabytes=None if megabytes is None else _number(raw, "megabytes_per_second", where),
        ratio=None if compared is None else _number(raw, "ratio", where, above_zero=True),
    )


def _turns(raw: Mapping[str, Any], where: str) -> Iterator[Turned]:
    samples = raw.get("samples", [])
    if not isinstance(samples, list) or not all(isinstance(sample, dict) for sample in samples):
        raise RecordError(f"{where}: samples is no list of objects")
    for sample in samples:
        yield Turned(
            _number(sample, "operations", where, above_zero=True),
            _number(sample, "seconds", where, above_zero=True),
            _number(sample, "cpu_seconds", where),
        )


def _text(raw: Mapping[str, Any], name: str, where: str, *, optional: bool = False) -> str:
    value = raw.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise RecordError(f"{where}: {name} is no text")
    return value


def _whole(raw: Mapping[str, Any], name: str, where: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RecordError(f"{where}: {name} is no whole number")
    return value


def _number(raw: Mapping[str, Any], name: str, where: str, *, above_zero: bool = False) -> float:
    value = raw.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        raise RecordError(f"{where}: {name} is no number")
    if value < 0 or (above_zero and value == 0):
        raise RecordError(f"{where}: {name} is {value}")
    return float(value)
