"""Commands to drivers, and provided buffers of the old kind."""

from __future__ import annotations

import errno
import socket
from typing import Any

from pyuring import Ring

from .kit import Failure, Row, Spec, World, address_of

URING_CMD, PROVIDE_BUFFERS, REMOVE_BUFFERS = 46, 31, 32
CMD_FIXED = 1
SIOCINQ = 0
MEMORY = bytearray(100)


def word(data: bytes) -> int:
    """Eight bytes of an SQE as one of its fields of 64 bits."""
    return int.from_bytes(data, "little")


def connection(world: World) -> tuple[socket.socket, socket.socket]:
    listener, client = world.listener(), world.client()
    client.connect(listener.getsockname())
    accepted, _ = listener.accept()
    world.sockets.append(accepted)
    return client, accepted


def uring_cmd(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    client, accepted = connection(world)
    client.send(b"hello")
    accepted.recv(1, socket.MSG_PEEK)
    return ring.uring_cmd(accepted, SIOCINQ, **keywords), lambda result: result == 5


def provide(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    op = ring.provide_buffers(bytearray(100), 10, 7, **keywords)
    return op, lambda result: result is None and ring.remove_buffers(99, 7).result() == 10


def remove(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    given = ring.provide_buffers(bytearray(100), 10, 7)
    return ring.remove_buffers(4, 7, **keywords), lambda result: given.result() is None and result == 4


def group_of_a_ring(ring: Ring) -> int:
    return ring.buffer_ring(4, 64).group


SPECS = [
    Spec(
        "uring_cmd", "io_uring_prep_uring_cmd(3)", "5.19",
        lambda t, **k: t.ring.uring_cmd(t.sock, SIOCINQ, **k),
        rows=[
            Row("uring_cmd", lambda r: r.uring_cmd(11, 13), URING_CMD, {"fd": 11, "off": 13}),
            Row(
                "uring_cmd with all there is",
                lambda r: r.uring_cmd(
                    11, 2**32 - 1, b"abcdefghijklmnop", addr=2**63 + 17, length=19, file_index=23, holds=[MEMORY]
                ),
                URING_CMD,
                {
                    "fd": 11, "off": 2**32 - 1, "addr": 2**63 + 17, "len": 19, "file_index": 23,
                    "addr3": word(b"abcdefgh"), "pad": word(b"ijklmnop"),
                },
            ),
            Row(
                "uring_cmd with some bytes", lambda r: r.uring_cmd(11, 13, bytearray(b"abc")), URING_CMD,
                {"fd": 11, "off": 13, "addr3": word(b"abc")},
            ),
            Row(
                "uring_cmd with a registered buffer",
                lambda r: r.uring_cmd(11, 13, b"abc", buffer=r.register_buffers([bytearray(9), bytearray(9)])[1]),
                URING_CMD, {"fd": 11, "off": 13, "addr3": word(b"abc"), "rw_flags": CMD_FIXED, "buf_index": 1},
            ),
        ],
        scenario=uring_cmd,
        failures=[Failure("uring_cmd", lambda r, w: r.uring_cmd(w.pipe()[0], 1), OSError, errno.EOPNOTSUPP)],
        on_file=lambda r, fd, t: r.uring_cmd(fd, SIOCINQ),
        takes_registered_file=True,
        refused={
            "a command of 33 bits": (OverflowError, lambda t: t.ring.uring_cmd(t.fd, 2**32)),
            "a negative command": (OverflowError, lambda t: t.ring.uring_cmd(t.fd, -1)),
            "17 bytes": (ValueError, lambda t: t.ring.uring_cmd(t.fd, 1, bytes(17), holds=[t.buffer])),
            "bytes of text": (TypeError, lambda t: t.ring.uring_cmd(t.fd, 1, "abc", holds=[t.buffer])),
            "a number for bytes": (TypeError, lambda t: t.ring.uring_cmd(t.fd, 1, 16)),
            "nothing to go through": (TypeError, lambda t: t.ring.uring_cmd(t.fd, 1, holds=5)),  # type: ignore[arg-type]
            "an address of 65 bits": (OverflowError, lambda t: t.ring.uring_cmd(t.fd, 1, addr=2**64)),
            "a buffer that is not registered": (
                TypeError, lambda t: t.ring.uring_cmd(t.fd, 1, buffer=t.buffer),  # type: ignore[arg-type]
            ),
            "memory in pieces": (
                BufferError, lambda t: t.ring.uring_cmd(t.fd, 1, holds=[t.buffer, memoryview(t.other)[::2]]),
            ),
        },
    ),
    Spec(
        "provide_buffers", "io_uring_prep_provide_buffers(3)", "5.7",
        lambda t, **k: t.ring.provide_buffers(t.buffer, 64, 7, **k),
        rows=[
            Row(
                "provide_buffers", lambda r: r.provide_buffers(MEMORY, 13, 17, 19), PROVIDE_BUFFERS,
                {"fd": 7, "addr": address_of(MEMORY), "len": 13, "off": 19, "buf_index": 17},
            ),
        ],
        scenario=provide,
        failures=[
            Failure(
                "provide_buffers", lambda r, w: r.provide_buffers(bytearray(64), 8, group_of_a_ring(r)),
                OSError, errno.EINVAL,
            ),
        ],
        refused={
            "buffers of no size": (ValueError, lambda t: t.ring.provide_buffers(t.buffer, 0, 7)),
            "a buffer too small": (ValueError, lambda t: t.ring.provide_buffers(t.buffer, 4097 + len(t.buffer), 7)),
            "more than there are numbers": (ValueError, lambda t: t.ring.provide_buffers(bytearray(65536), 1, 7)),
            "numbers beyond the last": (ValueError, lambda t: t.ring.provide_buffers(bytearray(2), 1, 7, 65535)),
            "a negative number": (ValueError, lambda t: t.ring.provide_buffers(t.buffer, 64, 7, -1)),
            "a group below 0": (ValueError, lambda t: t.ring.provide_buffers(t.buffer, 64, -1)),
            "a group of 17 bits": (ValueError, lambda t: t.ring.provide_buffers(t.buffer, 64, 65536)),
            "read-only memory": (TypeError, lambda t: t.ring.provide_buffers(b"abc", 1, 7)),
        },
    ),
    Spec(
        "remove_buffers", "io_uring_prep_remove_buffers(3)", "5.7",
        lambda t, **k: t.ring.remove_buffers(1, 7, **k),
        rows=[Row("remove_buffers", lambda r: r.remove_buffers(11, 13), REMOVE_BUFFERS, {"fd": 11, "buf_index": 13})],
        scenario=remove,
        failures=[
            Failure("remove_buffers", lambda r, w: r.remove_buffers(1, 7), FileNotFoundError, errno.ENOENT),
        ],
        refused={
            "none": (ValueError, lambda t: t.ring.remove_buffers(0, 7)),
            "more than there can be": (ValueError, lambda t: t.ring.remove_buffers(65536, 7)),
            "a group of 17 bits": (ValueError, lambda t: t.ring.remove_buffers(1, 65536)),
        },
    ),
]  # fmt: skip
