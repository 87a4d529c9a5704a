"""provide_buffers and remove_buffers: the memory stays until the kernel has no use for it."""

from __future__ import annotations

import gc
import os
import weakref

import pytest
from lifetime.memory import Buffer

from pyuring import Ring, ffi, lib

GROUP = 7


def receive(ring: Ring, fd: int, length: int = 99) -> None:
    """A read that selects a buffer, as level 0 prepares it; its CQE belongs to no operation."""
    sqe = lib.io_uring_get_sqe(ffi.addressof(ring._c, "ring"))
    lib.io_uring_prep_read(sqe, fd, ffi.NULL, length, 2**64 - 1)
    sqe.flags = lib.IOSQE_BUFFER_SELECT
    sqe.buf_index = GROUP
    sqe.user_data = 0
    before = ring.stats()["unexpected"]
    ring.submit()
    while ring.stats()["unexpected"] == before:
        ring.completions()


def is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(0)
    except BufferError:
        return False
    buffer.pop()
    return True


def test_the_kernel_fills_the_pieces_in_order(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = bytearray(35)
    ring.provide_buffers(memory, 10, GROUP, 5).result()
    for text in (b"first", b"second", b"third"):
        os.write(pipe[1], text)
        receive(ring, pipe[0])
    assert bytes(memory) == b"first".ljust(10, b"\0") + b"second".ljust(10, b"\0") + b"third".ljust(15, b"\0")


def test_what_is_provided_is_held_until_all_of_it_is_removed(ring: Ring) -> None:
    first, second = bytearray(40), bytearray(30)
    given = [ring.provide_buffers(first, 10, GROUP), ring.provide_buffers(second, 10, GROUP, 4)]
    assert [op.result() for op in given] == [None, None]
    assert ring.remove_buffers(4, GROUP).result() == 4
    assert not is_free(first), "only the kernel knows which they were"
    removed = ring.remove_buffers(99, GROUP)
    ring.wait(1, timeout=5)
    assert not is_free(second), "result() tells"
    assert removed.result() == removed.result() == 3
    assert is_free(first)
    assert is_free(second)


def test_what_the_kernel_has_used_keeps_the_memory(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = bytearray(40)
    ring.provide_buffers(memory, 10, GROUP).result()
    os.write(pipe[1], b"x")
    receive(ring, pipe[0])
    assert ring.remove_buffers(99, GROUP).result() == 3
    assert not is_free(memory)
    ring.close()
    assert is_free(memory)


def test_a_group_can_be_provided_again(ring: Ring) -> None:
    for _ in range(3):
        memory = bytearray(40)
        ring.provide_buffers(memory, 10, GROUP).result()
        assert ring.remove_buffers(4, GROUP).result() == 4
        assert is_free(memory)


def test_groups_are_counted_apart(ring: Ring) -> None:
    first, second = bytearray(40), bytearray(40)
    ring.provide_buffers(first, 10, GROUP).result()
    ring.provide_buffers(second, 10, 65535).result()
    assert ring.remove_buffers(4, 65535).result() == 4
    assert not is_free(first)
    assert is_free(second)


def test_what_the_kernel_refused_is_free_once_that_is_known(ring: Ring) -> None:
    memory = bytearray(40)
    group = ring.buffer_ring(4, 16).group
    op = ring.provide_buffers(memory, 10, group)
    assert not is_free(memory)
    for _ in range(2):
        with pytest.raises(OSError):
            op.result()
    assert is_free(memory)


def test_the_memory_outlives_the_handles_and_ends_with_the_ring() -> None:
    with Ring(8) as ring:
        memory = Buffer(40)
        alive = weakref.ref(memory)
        ring.provide_buffers(memory, 10, GROUP).result()
        ring.completions()
        del memory
        gc.collect()
        assert alive() is not None
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("size", [1, 65535])
def test_the_largest_and_the_smallest_groups(ring: Ring, size: int) -> None:
    ring.provide_buffers(bytearray(65535), size, GROUP).result()
    assert ring.remove_buffers(65535, GROUP).result() == 65535 // size


def test_a_refused_call_leaves_nothing_behind(ring: Ring) -> None:
    memory = bytearray(40)
    errors = []  # with their tracebacks
    for arguments, keywords in (
        ((0, GROUP), {}), ((41, GROUP), {}), ((10, GROUP, 65533), {}), ((10, -1), {}),
        ((10, GROUP), {"flags": 1 << 7}), ((10, GROUP), {"timeout": -1}),
    ):  # fmt: skip
        with pytest.raises(ValueError) as caught:
            ring.provide_buffers(memory, *arguments, **keywords)  # type: ignore[arg-type]
        errors.append(caught.value)
        assert is_free(memory)
    ring.provide_buffers(memory, 10, GROUP).result()
    assert ring.remove_buffers(4, GROUP).result() == 4
    assert is_free(memory)
    assert len(errors) == 6
