"""Messages from ring to ring."""

from __future__ import annotations

import errno
from typing import Any

from pyuring import RegisteredFile, Ring

from .kit import U32, Failure, Row, Spec, World

MSG_RING = 40
MESSAGE = 1 << 61
CQE_SKIP, FLAGS_PASS = 1, 2
SEND_FD = 1
ANY_SLOT = 2**32 - 1
F_SKIP, F_32 = 1 << 5, 1 << 15


def file_of(ring: Ring, index: int = 0) -> RegisteredFile:
    """A registered file of the ring, whatever is in the slot."""
    return (ring._files or ring.register_files(sparse=40))[index]


def file_elsewhere() -> RegisteredFile:
    with Ring(4) as ring:
        return file_of(ring)


def msg_ring(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    target = world.other_ring()

    def arrived(result: Any) -> bool:
        (message,) = target.completions()
        seen = (message.operation, message.user_data, message.res, message.result())
        return result is None and seen == ("message", 2**60 - 1, 7, 7)

    return ring.msg_ring(target, 2**60 - 1, 7, **keywords), arrived


def msg_ring_fd(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    target = world.other_ring()
    theirs = target.register_files(sparse=4)
    ours = ring.register_files([world.file(b"sent")])
    op = ring.msg_ring_fd(target, ours[0], direct=theirs[2], **keywords)
    return op, lambda result: result == 2 and target.read(theirs[2], 9, 0).result() == b"sent"


SPECS = [
    Spec(
        "msg_ring", "io_uring_prep_msg_ring(3)", "5.18",
        lambda t, **k: t.ring.msg_ring(t.fd, 5, **k),
        rows=[
            Row(
                "msg_ring", lambda r: r.msg_ring(11, 13, 17), MSG_RING, {"fd": 11, "off": MESSAGE | 13, "len": 17},
            ),
            Row(
                "msg_ring with flags", lambda r: r.msg_ring(11, 2**60 - 1, -17, cqe_flags=19), MSG_RING,
                {"fd": 11, "off": MESSAGE | 2**60 - 1, "len": U32 - 17, "rw_flags": FLAGS_PASS, "file_index": 19},
            ),
        ],
        scenario=msg_ring,
        failures=[Failure("msg_ring", lambda r, w: r.msg_ring(w.pipe()[0], 5), OSError, errno.EBADFD)],
        on_file=lambda r, fd, t: r.msg_ring(fd, 5),
        takes_registered_file=True,
        refused={
            "a number below 0": (ValueError, lambda t: t.ring.msg_ring(t.ring, -1)),
            "a number of 61 bits": (ValueError, lambda t: t.ring.msg_ring(t.ring, 2**60)),
            "a number of text": (TypeError, lambda t: t.ring.msg_ring(t.ring, "5")),  # type: ignore[arg-type]
            "a res of 33 bits": (OverflowError, lambda t: t.ring.msg_ring(t.ring, 5, 2**31)),
            "flags of 33 bits": (OverflowError, lambda t: t.ring.msg_ring(t.ring, 5, cqe_flags=2**32)),
            "flags that make it a long CQE": (ValueError, lambda t: t.ring.msg_ring(t.ring, 5, cqe_flags=1 | F_32)),
            "flags that make it none": (ValueError, lambda t: t.ring.msg_ring(t.ring, 5, cqe_flags=1 | F_SKIP)),
        },
    ),
    Spec(
        "msg_ring_fd", "io_uring_prep_msg_ring_fd(3)", "6.0",
        lambda t, **k: t.ring.msg_ring_fd(t.fd, file_of(t.ring), **k),
        rows=[
            Row(
                "msg_ring_fd", lambda r: r.msg_ring_fd(11, file_of(r, 13)), MSG_RING,
                {"fd": 11, "addr": SEND_FD, "addr3": 13, "off": MESSAGE, "rw_flags": CQE_SKIP, "file_index": ANY_SLOT},
            ),
            Row(
                "msg_ring_fd to a slot", lambda r: r.msg_ring_fd(11, file_of(r, 13), 17, direct=19), MSG_RING,
                {"fd": 11, "addr": SEND_FD, "addr3": 13, "off": MESSAGE | 17, "file_index": 20},
            ),
            Row(
                "msg_ring_fd to a slot of a ring",
                lambda r: r.msg_ring_fd(11, file_of(r, 13), direct=file_elsewhere()), MSG_RING,
                {"fd": 11, "addr": SEND_FD, "addr3": 13, "off": MESSAGE, "rw_flags": CQE_SKIP, "file_index": 1},
            ),
        ],
        scenario=msg_ring_fd,
        failures=[
            Failure("msg_ring_fd", lambda r, w: r.msg_ring_fd(w.file(), file_of(r)), OSError, errno.EBADFD),
            Failure("msg_ring_fd", lambda r, w: r.msg_ring_fd(w.other_ring(), file_of(r)), OSError, errno.EBADF),
            Failure(
                "msg_ring_fd", lambda r, w: r.msg_ring_fd(w.other_ring(), r.register_files([w.file()])[0]),
                OSError, errno.ENFILE,
            ),
        ],
        on_file=lambda r, fd, t: r.msg_ring_fd(fd, file_of(r)),
        takes_registered_file=True,
        refused={
            "an ordinary descriptor": (TypeError, lambda t: t.ring.msg_ring_fd(0, t.fd)),  # type: ignore[arg-type]
            "a file of another ring": (ValueError, lambda t: t.ring.msg_ring_fd(0, file_elsewhere())),
            "to itself": (ValueError, lambda t: t.ring.msg_ring_fd(t.ring, file_of(t.ring))),
            "a negative slot": (ValueError, lambda t: t.ring.msg_ring_fd(0, file_of(t.ring), direct=-1)),
            "a slot that no table has": (ValueError, lambda t: t.ring.msg_ring_fd(0, file_of(t.ring), direct=2**24)),
            "a slot of text": (TypeError, lambda t: t.ring.msg_ring_fd(0, file_of(t.ring), direct="1")),  # type: ignore[arg-type]
            "a number of 61 bits": (ValueError, lambda t: t.ring.msg_ring_fd(0, file_of(t.ring), 2**60)),
        },
    ),
]  # fmt: skip
