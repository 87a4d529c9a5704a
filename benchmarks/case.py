"""A case: one question, asked for every combination of mode, block size and temperature."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .place import Files, Place

if TYPE_CHECKING:
    from .contender import Contender
    from .peers.host import Peers

__all__ = ["MODES", "Case", "Cell", "Lineup", "Setting", "file_case", "readable_size"]

MODES = ("cached", "direct")


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
    #: "cold" or "warm" where the case sees to it before each turn.
    temperature: str = ""
    #: What is counted, for the report.
    unit: str = field(default="operation", compare=False)

    @property
    def title(self) -> str:
        if not self.mode:
            return self.case
        where = "O_DIRECT" if self.mode == "direct" else "page cache"
        if self.temperature:
            where = f"{self.temperature} {where}"
        return f"{self.case}, {where}, {readable_size(self.size)}" if self.size else f"{self.case}, {where}"


@dataclass(frozen=True)
class Lineup:
    """Who competes in a cell. The first is what the others are compared with."""

    contenders: list[Contender]
    #: Called after each turn, untimed.
    settle: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Setting:
    """What a run gives to its cases."""

    files: Files
    peers: Peers
    #: Whether sweeps are wanted, and all contenders: without --quick.
    thorough: bool = True
    #: How many there are in the case that reads many.
    small_files: int = 20_000


@dataclass(frozen=True)
class Case:
    """What `--case` chooses."""

    name: str
    question: str
    lineup: Callable[[Cell, Setting], Lineup]
    uses_files: bool = True
    unit: str = "operation"
    modes: Collection[str] = MODES
    #: Block sizes where none are asked for; empty for those that all cases have.
    sizes: tuple[int, ...] = ()
    #: The same, for a run with sweeps.
    sweep: tuple[int, ...] = ()
    temperatures: tuple[str, ...] = ("",)

    def cells(
        self, modes: Collection[str], asked: tuple[int, ...], usual: tuple[int, ...], *, thorough: bool
    ) -> list[Cell]:
        """The combinations, in the order in which they run."""
        if not self.uses_files:
            return [Cell(self.name, unit=self.unit)]
        sizes = asked or (self.sweep if thorough else ()) or self.sizes or usual
        if self.sizes == (0,):
            sizes = self.sizes
        return [
            Cell(self.name, mode, size, temperature, self.unit)
            for mode in MODES
            if mode in modes and mode in self.modes
            for temperature in self.temperatures
            for size in sizes
        ]


def file_case(
    name: str,
    question: str,
    contenders: Callable[[Place, Setting], list[Contender]],
    *,
    sequential: bool,
    writing: bool,
) -> Case:
    """A case whose contenders all do I/O on the same file, in the same order."""

    def lineup(cell: Cell, setting: Setting) -> Lineup:
        path = setting.files.target if writing else setting.files.source
        place = Place(path, size=cell.size, direct=cell.mode == "direct", sequential=sequential, writing=writing)
        if not place.direct:
            place.warm()
        return Lineup(contenders(place, setting), place.settle)

    return Case(name, question, lineup, unit="write" if writing else "read")
