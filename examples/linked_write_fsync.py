#!/usr/bin/env python3
"""Replace a file so that a crash leaves either the old content or the new, never a mixture.

The write and the fsync are one chain: the fsync starts once the write is complete, and not at all
if it failed. The rename is not in the chain, because the kernel does not cut a chain
after a failed fsync: whether the data are on the disk is looked at first.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pyuring


def replace(ring: pyuring.Ring, path: Path, content: bytes) -> None:
    """Write `content` to a new file beside `path`, flush it, and put it in the place of `path`."""
    new = path.with_name(path.name + ".new")
    fd = ring.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666).result()
    try:
        with ring.link():
            write = ring.write(fd, content, offset=0)
            flush = ring.fsync(fd)
        if write.result() < len(content):
            raise OSError(f"only {write.res} of {len(content)} bytes were written")
        flush.result()
    except OSError:
        ring.unlink(new).result()
        raise
    finally:
        ring.close_fd(fd).result()
    ring.rename(new, path).result()
    folder = ring.open(path.parent, os.O_RDONLY | os.O_DIRECTORY).result()
    ring.fsync(folder).result()  # the new name is in the folder
    ring.close_fd(folder).result()


def main() -> None:
    """Parse the arguments and replace the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="the file to replace")
    parser.add_argument("text", nargs="?", help="its new content (default: what comes from standard input)")
    arguments = parser.parse_args()
    content = sys.stdin.buffer.read() if arguments.text is None else arguments.text.encode()
    with pyuring.Ring(entries=8) as ring:
        replace(ring, arguments.path.resolve(), content)
        print(f"wrote {len(content)} bytes to {arguments.path}")


if __name__ == "__main__":
    main()
