"""File content that can tell whether it was read from the right place.

Every 512 bytes carry their own number and a pattern that follows from it, so a file
serves all block sizes, and a block that was read says by itself where it belongs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .contender import WrongDataError

if TYPE_CHECKING:
    from .place import Place

__all__ = [
    "SECTOR",
    "Block",
    "blank",
    "check_block",
    "check_order",
    "check_reads",
    "check_some",
    "check_writes",
    "content",
    "fill",
    "is_blank",
]

SECTOR = 512
_NUMBER = 8
_SALT_SHIFT = 40
_BLANK = b"\xff" * _NUMBER
_PATTERNS = 1 << 16
_noise = random.Random(SECTOR).randbytes(_PATTERNS + SECTOR)

#: Checking costs more than reading: after each turn no more than this is checked.
_CHECKED_BYTES = 8 << 20

Block = memoryview | bytes | bytearray


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


def blank(blocks: list[Block], count: int) -> None:
    """Spoil what the first blocks hold, so that nobody passes with what others have read."""
    for index in range(min(count, len(blocks))):
        block = blocks[index]
        if isinstance(block, memoryview):
            block[:_NUMBER] = _BLANK
        else:
            blocks[index] = b""


def is_blank(block: Block) -> bool:
    """Whether nothing was read into `block` since it was spoiled."""
    return not block or block[:_NUMBER] == _BLANK


def check_reads(offsets: Sequence[int], blocks: Sequence[Block], size: int) -> None:
    """One untimed pass in which every block that is read is checked, and that none is missing."""
    found = {check_block(block, size) for block in blocks[: len(offsets)]}
    if found != set(offsets):
        raise WrongDataError(f"{len(set(offsets) - found)} of {len(offsets)} blocks were not read")


def check_some(blocks: Sequence[Block], size: int) -> None:
    """What a timed turn left in the blocks: all of them, or an even choice of large ones."""
    for index in _choice(len(blocks), size):
        check_block(blocks[index], size)


def check_order(offsets: Sequence[int], blocks: Sequence[Block], size: int) -> None:
    """The same, of somebody who says which block is where: the n-th, counted round and round."""
    slots = len(blocks)
    last = len(offsets) - min(len(offsets), slots)
    for step in _choice(len(offsets) - last, size):
        number = last + step
        if (found := check_block(blocks[number % slots], size)) != offsets[number]:
            raise WrongDataError(f"block {number} is from offset {found}, not from {offsets[number]}")


def _choice(count: int, size: int) -> range:
    return range(0, count, max(1, count * size // _CHECKED_BYTES))


def fill(sources: Sequence[memoryview], offsets: Sequence[int], size: int, salt: int) -> None:
    """Give each source what is to be at its offset."""
    for source, offset in zip(sources, offsets, strict=True):
        source[:] = content(offset, size, salt)


def check_writes(place: Place, offsets: Sequence[int], salt: int) -> None:
    """Read back from the file what `fill` has given to be written."""
    for offset in set(offsets):
        if place.read_back(offset) != content(offset, place.size, salt):
            raise WrongDataError(f"the file does not hold at offset {offset} what was written there")
