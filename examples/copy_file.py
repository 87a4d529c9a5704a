#!/usr/bin/env python3
"""Copy a file with many reads and writes in flight at once.

Each block goes round on its own: it is read, what was read is written, and its buffer takes
the next block. A short read or write is continued where it stopped. For one large file that
is in the page cache `shutil.copyfile` is as fast; fast storage with O_DIRECT is another matter.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

import pyuring


@dataclass
class Block:
    """A buffer, and which bytes of the file are in it."""

    buffer: memoryview
    offset: int = 0
    #: How many bytes of it are to be copied, and how many the present step has moved.
    length: int = 0
    moved: int = 0
    writing: bool = False


class Copy:
    """A copy from `source` to `target`, descriptors of regular files."""

    def __init__(self, ring: pyuring.Ring, source: int, target: int, block_size: int) -> None:
        self.ring = ring
        self.source = source
        self.target = target
        self.block_size = block_size
        self.size = os.fstat(source).st_size
        self.next_offset = 0

    def run(self, depth: int) -> None:
        """Keep `depth` blocks going round until the file is copied."""
        for _ in range(depth):
            self.start_next(Block(memoryview(bytearray(self.block_size))))
        while self.ring.in_flight:
            for completion in self.ring.submit_and_wait():
                self.advance(completion.user_data, completion.result())

    def start_next(self, block: Block) -> None:
        """Read the next block of the file, if there is one."""
        if self.next_offset < self.size:
            block.offset = self.next_offset
            block.length = min(self.block_size, self.size - block.offset)
            block.moved, block.writing = 0, False
            self.next_offset += block.length
            self.prepare(block)

    def prepare(self, block: Block) -> None:
        """Prepare what is left of the block's present step."""
        rest, offset = block.buffer[block.moved : block.length], block.offset + block.moved
        if block.writing:
            self.ring.write(self.target, rest, offset, user_data=block)
        else:
            self.ring.readinto(self.source, rest, offset, user_data=block)

    def advance(self, block: Block, moved: int) -> None:
        """A step of the block has moved so many bytes: what next?"""
        if moved == 0:
            raise EOFError(f"the source ended at {block.offset + block.moved} while it was copied")
        block.moved += moved
        if block.moved < block.length:
            self.prepare(block)
        elif block.writing:
            self.start_next(block)
        else:
            block.moved, block.writing = 0, True
            self.prepare(block)


def main() -> None:
    """Parse the arguments, open the files and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the file to copy")
    parser.add_argument("target", help="where to; replaced if it is there")
    parser.add_argument("--block-size", type=int, default=65536, metavar="BYTES", help="bytes in one read")
    parser.add_argument("--depth", type=int, default=32, help="blocks in flight at once (default: 32)")
    arguments = parser.parse_args()
    source = os.open(arguments.source, os.O_RDONLY)
    target = os.open(arguments.target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    with pyuring.Ring(entries=max(arguments.depth, 1)) as ring:
        copy = Copy(ring, source, target, arguments.block_size)
        copy.run(arguments.depth)
        ring.fsync(target).result()
        print(
            f"copied {copy.size} bytes, {ring.stats()['completed']} operations in {ring.stats()['enters']} system calls"
        )
    os.close(source)
    os.close(target)


if __name__ == "__main__":
    main()
