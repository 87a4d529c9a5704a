"""Everything that touches a ring: what another thread, or a forked child, must not do."""

from __future__ import annotations

from collections.abc import Callable

import pyuring

USES: dict[str, Callable[[pyuring.Ring, int], object]] = {
    "nop": lambda ring, fd: ring.nop(),
    "read": lambda ring, fd: ring.read(fd, 1),
    "readinto": lambda ring, fd: ring.readinto(fd, bytearray(1)),
    "open": lambda ring, fd: ring.open("/etc/hostname"),
    "timed": lambda ring, fd: ring.nop(timeout=1),
    "submit": lambda ring, fd: ring.submit(),
    "wait": lambda ring, fd: ring.wait(),
    "timed wait": lambda ring, fd: ring.wait(1, timeout=0.1),
    "submit_and_wait": lambda ring, fd: ring.submit_and_wait(),
    "completions": lambda ring, fd: ring.completions(),
    "link": lambda ring, fd: ring.link().__enter__(),
    "register_buffers": lambda ring, fd: ring.register_buffers(count=1, size=4096),
    "register_files": lambda ring, fd: ring.register_files([fd]),
    "close": lambda ring, fd: ring.close(),
}
