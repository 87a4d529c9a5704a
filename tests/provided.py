"""What the kernel itself says about provided buffers: what ours is compared with."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

from pyuring import BufferRing, Ring

IO_URING_REGISTER = 427
IORING_REGISTER_PBUF_STATUS = 26
TAIL = 14  # of struct io_uring_buf_ring, shared with its first entry

libc = ctypes.CDLL(None, use_errno=True)
assert platform.machine() in {"x86_64", "aarch64"}, "IO_URING_REGISTER has another number here"


def available_to_kernel(ring: Ring, buffers: BufferRing) -> int:
    """How many buffers the kernel can still take: tail of the ring less the kernel's own head."""
    status = ctypes.create_string_buffer(40)
    struct.pack_into("=I", status, 0, buffers.group)
    if libc.syscall(IO_URING_REGISTER, ring.fileno(), IORING_REGISTER_PBUF_STATUS, status, 1) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    (head,) = struct.unpack_from("=I", status, 4)
    (tail,) = struct.unpack_from("=H", buffers._entries, TAIL)
    return int(tail - head) & 0xFFFF


def check_balance(ring: Ring, buffers: BufferRing, lent: int = 0) -> None:
    """Every buffer is lent or there, in our books and the kernel's; nothing was given back twice."""
    assert buffers.lent == lent
    assert ring.stats()["lent"] == lent
    assert buffers.available == available_to_kernel(ring, buffers) == buffers.available_now()
    assert ring._c.starving == 0 or lent > 0, "somebody waits for buffers that are there"
    if lent == 0 and not buffers.incremental:
        assert buffers.available == buffers.count
