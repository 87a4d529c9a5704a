"""File content that can tell whether it was read from the right place.

Every 512 bytes carry their own number and a pattern that follows from it, so a file
serves all block sizes, and a block that was read says by itself where it belongs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .contender import WrongDataError

if TYPE_CHECKING:
    from .place import Place

__all__ = ["SECTOR", "Block", "blank", "check_block", "check_reads", "check_some", "check_writes", "content"]

SECTOR = 512
_NUMBER = 8
_SALT_SHIFT = 40
_PATTERNS = 1 << 16
_noise = random.Random(SECTOR).randbytes(_PATTERNS + SECTOR)

#: Checking costs more than reading: after each turn no more than this is checked.
_CHECKED_BYTES = 8 << 20

Block = memoryview | bytes
Run = Callable[[Sequence[int]], None]


def _sector(number: int, salt: int) -> bytes:
    # The multiplier spreads neighbours, so that no two near each other look alike.
    start = (number * 40503 + salt * 8191) % _PATTERNS
    return (number | salt << _SALT_SHIFT).to_bytes(_NUMBER, "little") + _noise[start : start + SECTOR - _NUMBER]


def content(offset: int, length: int, salt: int = 0) -> bytes:
    """What belongs at `offset`; `salt` tells apart what different contenders write there."""
    first = offset // SECTOR
    return b"".join([_sector(number, salt) for number in range(first, first + length // SECTOR)])


def check_block(block: Block, size: int) -> int:
    """The offset at which `block` belongs.

    Raises:
        WrongDataError: it is not a whole block from anywhere in the file.
    """
    data = bytes(block)
    if len(data) != size:
        raise WrongDataError(f"a block of {len(data)} bytes where {size} were asked for")
    number = int.from_bytes(data[:_NUMBER], "little")
    offset = number * SECTOR
    if number >> _SALT_SHIFT:
        raise WrongDataError("a block that was not read, or that holds nothing of the file")
    if data != content(offset, size):
        raise WrongDataError(f"a block that claims to be from offset {offset} does not hold what is there")
    return offset


def blank(blocks: list[Block]) -> None:
    """Spoil what the blocks hold, so that nobody passes with what others have read."""
    for index, block in enumerate(blocks):
        if isinstance(block, memoryview):
            block[:_NUMBER] = b"\xff" * _NUMBER
        else:
            blocks[index] = b""


def check_reads(place: Place, run: Run, blocks: list[Block]) -> None:
    """One untimed pass in which every block that is read is checked, and that none is missing."""
    offsets = place.course(0, len(blocks))
    blank(blocks)
    run(offsets)
    found = {check_block(block, place.size) for block in blocks}
    if found != set(offsets):
        raise WrongDataError(f"{len(set(offsets) - found)} of {len(offsets)} blocks were not read")


def check_some(blocks: list[Block], size: int) -> None:
    """What a timed turn left in the blocks: all of them, or an even choice of large ones."""
    step = max(1, len(blocks) * size // _CHECKED_BYTES)
    for block in blocks[::step]:
        check_block(block, size)


def check_writes(place: Place, run: Run, sources: Sequence[memoryview], salt: int) -> None:
    """One untimed pass whose blocks are read back from the file and compared."""
    offsets = place.course(0, len(sources))
    for source, offset in zip(sources, offsets, strict=True):
        source[:] = content(offset, place.size, salt)
    run(offsets)
    for offset in set(offsets):
        if place.read_back(offset) != content(offset, place.size, salt):
            raise WrongDataError(f"the file does not hold at offset {offset} what was written there")
