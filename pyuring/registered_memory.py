"""The memory behind registered buffers: exported for as long as the kernel may use it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._ffi import new
from pyuring.buffers import export, release

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["Memory", "Piece", "check_length", "empty", "export_all", "share", "slab"]

PAGE = 4096
#: What the kernel takes in one registered buffer (1 GiB), and in one table.
LARGEST_BUFFER = 1 << 30
MAX_BUFFERS = 1 << 14

#: The number of no table of registered buffers.
NOWHERE = 2**64 - 1


class _Pin:
    """Keeps registered memory in place: as long as it is registered, or in flight."""

    __slots__ = ("export",)

    def __init__(self, held: CData) -> None:
        self.export = held


class Memory:
    """One registered piece of memory."""

    __slots__ = ("live", "owner", "pin")

    def __init__(self, owner: Any, pin: _Pin) -> None:
        self.owner = owner
        #: None once it is unregistered. Operations in flight hold the pin, not the export
        #: itself: one that fails to start gives up what it holds, and this is not its own.
        self.pin: _Pin | None = pin
        #: The number of the table it is registered in, where C looks it up.
        self.live: CData = new("uint64_t *", NOWHERE)

    @classmethod
    def of(cls, owner: Any) -> Memory:
        """Export the memory of `owner`."""
        return cls(owner, _Pin(export(owner, writable=True)))

    def shared(self) -> Memory | None:
        """The same memory, registered a second time: it stays in place until both are unregistered."""
        pin = self.pin
        return None if pin is None else Memory(self.owner, pin)

    def __len__(self) -> int:
        return len(self.pin.export) if self.pin else 0

    def leave(self) -> None:
        """It is registered no more: whatever still refers to it is refused from now on."""
        self.live[0] = NOWHERE
        self.pin = None

    def release(self) -> None:
        """Give up the memory at once: it was not registered after all."""
        if self.pin:
            release(self.pin.export)


#: (memory, offset in it, length, index in the kernel's table)
Piece: TypeAlias = tuple[Memory, int, int, int]


def check_length(memory: Memory, number: int) -> None:
    """Refuse what the kernel would refuse without saying why."""
    if not 0 < len(memory) <= LARGEST_BUFFER:
        raise ValueError(f"a registered buffer has between 1 byte and 1 GiB; number {number} has {len(memory)}")


def export_all(buffers: Iterable[object], memories: list[Memory | None]) -> list[Piece]:
    """Export the caller's `buffers` into `memories`, one piece each."""
    for buffer in buffers:
        memories.append(Memory.of(buffer))
    if not 1 <= len(memories) <= MAX_BUFFERS:
        raise ValueError(f"between 1 and {MAX_BUFFERS} buffers can be registered, not {len(memories)}")
    pieces: list[Piece] = []
    for number, memory in enumerate(memories):
        if memory is not None:
            check_length(memory, number)
            pieces.append((memory, 0, len(memory), number))
    return pieces


def empty(count: int, memories: list[Memory | None]) -> list[None]:
    """Nothing in `count` slots."""
    if not 1 <= count <= MAX_BUFFERS:
        raise ValueError(f"between 1 and {MAX_BUFFERS} buffers can be registered, not {count}")
    memories += [None] * count
    return [None] * count


def slab(count: int, size: int, memories: list[Memory | None]) -> list[Piece]:
    """One allocation for `count` buffers, in `memories` of at most 1 GiB."""
    if count < 1 or not 1 <= size <= LARGEST_BUFFER:
        raise ValueError(f"count must be 1 or more, and size between 1 byte and 1 GiB, not {count} and {size}")
    alignment = min(1 << (size - 1).bit_length(), PAGE)
    stride = (size + alignment - 1) // alignment * alignment
    per_memory = LARGEST_BUFFER // stride
    pieces: list[Piece] = []
    for first in range(0, count, per_memory):
        number = min(per_memory, count - first)
        memory = Memory.of(mmap.mmap(-1, number * stride, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        memories.append(memory)
        pieces.extend((memory, i * stride, size, len(memories) - 1) for i in range(number))
    return pieces


def share(pieces: list[Piece | None], count: int) -> tuple[list[Piece | None], list[Memory | None]]:
    """The same pieces over the same memory, for another table; and the memory, by number."""
    copies: dict[int, Memory | None] = {}
    memories: list[Memory | None] = [None] * count
    shared: list[Piece | None] = []
    for piece in pieces:
        copy = None
        if piece is not None:
            if id(piece[0]) not in copies:
                copies[id(piece[0])] = piece[0].shared()
            copy = memories[piece[3]] = copies[id(piece[0])]
        shared.append(None if piece is None or copy is None else (copy, *piece[1:]))
    return shared, memories
