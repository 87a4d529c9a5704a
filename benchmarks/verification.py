"""How a contender's data is checked: before its first turn all of it, after each turn what it left."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .contender import WrongDataError
from .content import (
    Block,
    blank,
    check_block,
    check_order,
    check_reads,
    check_some,
    check_writes,
    content,
    fill,
    is_blank,
)

if TYPE_CHECKING:
    from .place import Place

__all__ = ["Checks", "Transfer", "checks_for"]

_salts = itertools.count(1)
#: Operations of the first, untimed pass at the most: checking costs more than reading.
_PROVED = 2048


def _as_it_is(offsets: list[int]) -> Any:
    return offsets


@dataclass
class Transfer:
    """An open contender: a loop over offsets, and the memory that it goes round in."""

    run: Callable[[Any], None]
    #: Where the last blocks read are, or where those to write come from.
    blocks: list[Block]
    #: Operations completed so far, as its ring counts them: proof that the ring did it.
    completed: Callable[[], int] | None = None
    #: Operations of the shortest turn, such as a whole batch; without it, each block once.
    at_least: int | None = None
    #: Turns are a multiple of this.
    whole: int = 1
    #: Whether the n-th block read is in the n-th block of memory, counted round and round.
    in_order: bool = False
    #: Makes of a list of offsets what `run` takes, untimed.
    form: Callable[[list[int]], Any] = _as_it_is
    #: Called after a turn, untimed, by what has to look for its blocks in what it has read.
    collect: Callable[[], None] = lambda: None
    #: Where the blocks to write come from, in a mixed case, where `blocks` are those read into.
    sources: Sequence[memoryview] = ()


class Checks(Protocol):
    """What is done around the turns, untimed."""

    def prove(self) -> None:
        """Have it move some blocks, and look at all of them."""

    def before(self, count: int) -> None:
        """Spoil what a turn of so many operations will read over."""

    def after(self, offsets: Sequence[int]) -> None:
        """Look at what a turn has left."""


def checks_for(place: Place, transfer: Transfer) -> Checks:
    if place.boundary is not None:
        return _Mixed(place, transfer, place.boundary)
    return (_Writes if place.writing else _Reads)(place, transfer)


class _Reads:
    def __init__(self, place: Place, transfer: Transfer) -> None:
        self._place = place
        self._transfer = transfer

    def prove(self) -> None:
        transfer, size = self._transfer, self._place.size
        offsets = self._place.course(0, min(len(transfer.blocks), _PROVED))
        self.before(len(offsets))
        transfer.run(transfer.form(offsets))
        transfer.collect()
        check_reads(offsets, transfer.blocks, size)
        if transfer.in_order:
            check_order(offsets, transfer.blocks, size)

    def before(self, count: int) -> None:
        blank(self._transfer.blocks, count)

    def after(self, offsets: Sequence[int]) -> None:
        if self._transfer.in_order:
            check_order(offsets, self._transfer.blocks, self._place.size)
        else:
            check_some(self._transfer.blocks[: len(offsets)], self._place.size)


class _Writes:
    def __init__(self, place: Place, transfer: Transfer) -> None:
        self._place = place
        self._transfer = transfer

    def prove(self) -> None:
        transfer = self._transfer
        sources = [block for block in transfer.blocks if isinstance(block, memoryview)][:_PROVED]
        offsets = self._place.course(0, len(sources))
        salt = next(_salts)
        fill(sources, offsets, self._place.size, salt)
        transfer.run(transfer.form(offsets))
        check_writes(self._place, offsets, salt)

    def before(self, count: int) -> None:
        pass

    def after(self, offsets: Sequence[int]) -> None:
        pass


class _Mixed:
    """Blocks before the boundary are read, those behind it written."""

    def __init__(self, place: Place, transfer: Transfer, boundary: int) -> None:
        self._place = place
        self._transfer = transfer
        self._boundary = boundary

    def prove(self) -> None:
        transfer, size = self._transfer, self._place.size
        offsets = self._place.course(0, len(transfer.blocks))
        # Which source is written where is the contender's own choice: they are all alike.
        written = content(0, size, next(_salts))
        for source in transfer.sources:
            source[:] = written
        self.before(len(offsets))
        transfer.run(transfer.form(offsets))
        wanted = {offset for offset in offsets if offset < self._boundary}
        found = {check_block(block, size) for block in transfer.blocks if not is_blank(block)}
        if found != wanted:
            raise WrongDataError(f"{len(wanted - found)} of {len(wanted)} blocks were not read")
        for offset in set(offsets) - wanted:
            if self._place.read_back(offset) != written:
                raise WrongDataError(f"the file does not hold at offset {offset} what was written there")

    def before(self, count: int) -> None:
        blank(self._transfer.blocks, len(self._transfer.blocks))

    def after(self, offsets: Sequence[int]) -> None:
        read = [block for block in self._transfer.blocks if not is_blank(block)]
        if not read:
            raise WrongDataError("nothing was read")
        check_some(read, self._place.size)
