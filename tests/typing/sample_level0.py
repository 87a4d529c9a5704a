"""What type checkers make of level 0. Checked by test_typing.py, never run."""

from __future__ import annotations

from typing import assert_type

from pyuring import ffi, lib


def constants() -> None:
    assert_type(lib.IORING_OP_READ, int)
    assert_type(lib.IOSQE_IO_LINK, int)
    assert_type(lib.IORING_SETUP_SQPOLL, int)


def calls() -> None:
    ring = ffi.new("struct io_uring *")
    assert_type(lib.io_uring_queue_init(8, ring, 0), int)
    sqe = lib.io_uring_get_sqe(ring)
    lib.io_uring_prep_nop(sqe)
    assert_type(lib.io_uring_submit(ring), int)
    lib.io_uring_queue_exit(ring)
    lib.io_uring_frobnicate(ring)  # type: ignore[attr-defined]
