"""A case: one question, asked for every combination of mode and block size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .place import Files, Place

if TYPE_CHECKING:
    from .contender import Contender

__all__ = ["Case", "Cell", "Lineup", "file_case", "readable_size"]


def readable_size(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


@dataclass(frozen=True)
class Cell:
    """One combination: a table of the report."""

    case: str
    #: "cached" or "direct"; empty where no file is used, as `size` is 0 then.
    mode: str = ""
    size: int = 0

    @property
    def title(self) -> str:
        if not self.mode:
            return self.case
        where = "O_DIRECT" if self.mode == "direct" else "page cache"
        return f"{self.case}, {where}, {readable_size(self.size)}"


@dataclass(frozen=True)
class Lineup:
    """Who competes in a cell. The first is what the others are compared with."""

    contenders: list[Contender]
    #: Called after each turn, untimed.
    settle: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Case:
    """What `--case` chooses."""

    name: str
    question: str
    lineup: Callable[[Cell, Files], Lineup]
    uses_files: bool = True


def file_case(
    name: str, question: str, contenders: Callable[[Place], list[Contender]], *, sequential: bool, writing: bool
) -> Case:
    """A case whose contenders all do I/O on the same file, in the same order."""

    def lineup(cell: Cell, files: Files) -> Lineup:
        path = files.target if writing else files.source
        place = Place(path, size=cell.size, direct=cell.mode == "direct", sequential=sequential, writing=writing)
        if not place.direct:
            place.warm()
        return Lineup(contenders(place), place.settle)

    return Case(name, question, lineup)
