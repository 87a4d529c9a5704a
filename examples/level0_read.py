#!/usr/bin/env python3
"""Print the beginning of a file with liburing's own calls, as a C program would make them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from pyuring import ffi, lib


def check(result: int, what: str) -> int:
    """Level 0 raises nothing by itself: a negative result is an errno."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result


def read_once(ring: Any, fd: int, size: int, offset: int) -> bytes:
    """One SQE in, one CQE out."""
    buffer = ffi.new("char[]", size)  # kept by this frame until the CQE is here
    sqe = lib.io_uring_get_sqe(ring)
    if not sqe:
        raise RuntimeError("the submission queue is full")
    lib.io_uring_prep_read(sqe, fd, buffer, size, offset)
    lib.io_uring_sqe_set_data64(sqe, 1)
    check(lib.io_uring_submit(ring), "io_uring_submit")
    cqe = ffi.new("struct io_uring_cqe **")
    check(lib.io_uring_wait_cqe(ring, cqe), "io_uring_wait_cqe")
    res = cqe[0].res
    lib.io_uring_cqe_seen(ring, cqe[0])
    return bytes(ffi.buffer(buffer, check(res, "read"))[:])


def main() -> None:
    """Parse the arguments, make a ring, read, and take the ring down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", help="the file to read")
    parser.add_argument("--bytes", type=int, default=4096, help="how many at the most (default: 4096)")
    parser.add_argument("--offset", type=int, default=0, help="where to start (default: 0)")
    arguments = parser.parse_args()
    fd = os.open(arguments.path, os.O_RDONLY)
    ring: Any = ffi.new("struct io_uring *")
    check(lib.io_uring_queue_init(8, ring, 0), "io_uring_queue_init")
    try:
        sys.stdout.buffer.write(read_once(ring, fd, arguments.bytes, arguments.offset))
    finally:
        lib.io_uring_queue_exit(ring)
        os.close(fd)


if __name__ == "__main__":
    main()
