"""Level 0: liburing itself, as CFFI exposes it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pyuring import ffi, lib


@pytest.fixture
def bare() -> Iterator[Any]:
    """A struct io_uring of liburing's own."""
    ring = ffi.new("struct io_uring *")
    assert lib.io_uring_queue_init(8, ring, 0) == 0
    yield ring
    lib.io_uring_queue_exit(ring)


def wait_for_one(ring: Any) -> tuple[int, int]:
    """(res, user_data) of the next CQE."""
    cqe = ffi.new("struct io_uring_cqe **")
    assert lib.io_uring_wait_cqe(ring, cqe) == 0
    answer = cqe[0].res, cqe[0].user_data
    lib.io_uring_cqe_seen(ring, cqe[0])
    return answer


def test_a_whole_read_with_liburings_own_calls(bare: Any, data_file: int) -> None:
    buffer = ffi.new("char[]", 100)
    sqe = lib.io_uring_get_sqe(bare)
    lib.io_uring_prep_read(sqe, data_file, buffer, 100, 50)
    lib.io_uring_sqe_set_data64(sqe, 1234)
    assert lib.io_uring_submit(bare) == 1
    assert wait_for_one(bare) == (100, 1234)
    assert ffi.buffer(buffer)[:] == os.pread(data_file, 100, 50)


def test_get_sqe_returns_null_when_the_queue_is_full(bare: Any) -> None:
    for _ in range(8):
        lib.io_uring_prep_nop(lib.io_uring_get_sqe(bare))
    assert lib.io_uring_get_sqe(bare) == ffi.NULL
    assert lib.io_uring_submit_and_wait(bare, 8) == 8
    cqes = ffi.new("struct io_uring_cqe *[8]")
    assert lib.io_uring_peek_batch_cqe(bare, cqes, 8) == 8
    lib.io_uring_cq_advance(bare, 8)
    assert lib.io_uring_cq_ready(bare) == 0


def test_a_link_is_made_with_flags(bare: Any, data_file: int) -> None:
    first, second = lib.io_uring_get_sqe(bare), lib.io_uring_get_sqe(bare)
    lib.io_uring_prep_write(first, data_file, ffi.from_buffer(b"level 0"), 7, 0)
    lib.io_uring_sqe_set_flags(first, lib.IOSQE_IO_LINK)
    lib.io_uring_prep_fsync(second, data_file, lib.IORING_FSYNC_DATASYNC)
    assert lib.io_uring_submit(bare) == 2
    assert sorted(wait_for_one(bare)[0] for _ in range(2)) == [0, 7]
    assert os.pread(data_file, 7, 0) == b"level 0"


def test_operations_that_level_1_does_not_have_yet_are_there(bare: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader, writer = os.pipe()
        os.write(writer, b"spliced")
        sqe = lib.io_uring_get_sqe(bare)
        lib.io_uring_prep_splice(sqe, reader, -1, ours.fileno(), -1, 7, 0)
        lib.io_uring_submit(bare)
        assert wait_for_one(bare)[0] == 7
        assert theirs.recv(9) == b"spliced"
        os.close(reader)
        os.close(writer)


def test_errors_are_negative_errnos_and_nothing_is_raised(bare: Any) -> None:
    ring = ffi.new("struct io_uring *")
    assert lib.io_uring_queue_init(0, ring, 0) == -errno.EINVAL
    sqe = lib.io_uring_get_sqe(bare)
    lib.io_uring_prep_close(sqe, 1_000_003)
    lib.io_uring_submit(bare)
    assert wait_for_one(bare)[0] == -errno.EBADF


def test_the_probe_tells_what_the_kernel_has(bare: Any) -> None:
    probe = lib.io_uring_get_probe_ring(bare)
    assert lib.io_uring_opcode_supported(probe, lib.IORING_OP_READ)
    lib.io_uring_free_probe(probe)


def test_parameters_are_a_struct(bare: Any) -> None:
    ring: Any = ffi.new("struct io_uring *")
    params: Any = ffi.new("struct io_uring_params *")
    params.flags = lib.IORING_SETUP_CQSIZE
    params.cq_entries = 64
    assert lib.io_uring_queue_init_params(4, ring, params) == 0
    assert (params.sq_entries, params.cq_entries) == (4, 64)
    assert ring.features == params.features
    lib.io_uring_queue_exit(ring)


def test_a_wait_with_a_time_limit_is_given_a_timespec(bare: Any) -> None:
    time = ffi.new("struct __kernel_timespec *", {"tv_nsec": 5_000_000})
    cqe = ffi.new("struct io_uring_cqe **")
    assert lib.io_uring_wait_cqe_timeout(bare, cqe, time) == -errno.ETIME


def test_what_liburing_lacks_is_an_attributeerror() -> None:
    with pytest.raises(AttributeError):
        lib.io_uring_frobnicate  # type: ignore[attr-defined]  # noqa: B018
