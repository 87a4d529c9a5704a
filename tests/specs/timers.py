"""Operations about time."""

from __future__ import annotations

import errno
import time
from typing import Any

from pyuring import Completion, Ring

from .kit import INTERNAL, Failure, Row, Spec, Sqe, World, timespec_at
from .targets import check_target, finished, is_cancelled, user_data_of

TIMEOUT, TIMEOUT_REMOVE, POLL_ADD = 11, 12, 6
ABS, UPDATE, LINK_UPDATE = 1, 2, 16


def check_update(sqe: Sqe, op: Any) -> None:
    assert sqe.addr == user_data_of(op._ring, TIMEOUT)
    assert timespec_at(sqe.off) == (7, 250_000_000)


def check_update_of_a_limit(sqe: Sqe, op: Any) -> None:
    assert sqe.addr == user_data_of(op._ring, POLL_ADD) | INTERNAL
    assert timespec_at(sqe.off) == (7, 250_000_000)


def remove(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    target = ring.timeout(60)
    ring.submit()
    return ring.timeout_remove(target, **keywords), lambda result: result is None and is_cancelled(target)


def update(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    started = time.monotonic()
    target = ring.timeout(60)
    ring.submit()

    def over(result: Any) -> bool:
        return result is target.result(timeout=5) is None and 0.02 <= time.monotonic() - started < 5

    return ring.timeout_update(target, 0.02, **keywords), over


def over(ring: Ring) -> Completion[None]:
    op = ring.timeout(0)
    op.result()
    return op


SPECS = [
    Spec(
        "timeout_remove", "io_uring_prep_timeout_remove(3)", "5.5",
        lambda t, **k: t.ring.timeout_remove(finished(t.ring, "timeout"), **k),
        rows=[
            Row(
                "timeout_remove", lambda r: r.timeout_remove(r.timeout(60)), TIMEOUT_REMOVE, {"fd": -1},
                check_target(TIMEOUT), pointers=("addr",), targets=1,
            ),
            Row(
                "timeout_remove of a finished one", lambda r: r.timeout_remove(finished(r, "timeout")),
                TIMEOUT_REMOVE, {"fd": -1, "addr": 0},
            ),
        ],
        scenario=remove,
        on_operations=True,
        failures=[Failure("timeout_remove", lambda r, w: r.timeout_remove(over(r)), FileNotFoundError, errno.ENOENT)],
        refused={
            "no handle": (TypeError, lambda t: t.ring.timeout_remove(5)),  # type: ignore[arg-type]
            "another kind of operation": (ValueError, lambda t: t.ring.timeout_remove(finished(t.ring, "read"))),
        },
    ),
    Spec(
        "timeout_update", "io_uring_prep_timeout_update(3)", "5.11",
        lambda t, **k: t.ring.timeout_update(finished(t.ring, "timeout"), 1, **k),
        rows=[
            Row(
                "timeout_update", lambda r: r.timeout_update(r.timeout(60), 7.25), TIMEOUT_REMOVE,
                {"fd": -1, "rw_flags": UPDATE}, check_update, pointers=("addr", "off"), targets=1,
            ),
            Row(
                "timeout_update to a time", lambda r: r.timeout_update(r.timeout(60), 7.25, absolute=True),
                TIMEOUT_REMOVE, {"fd": -1, "rw_flags": UPDATE | ABS}, check_update,
                pointers=("addr", "off"), targets=1,
            ),
            Row(
                "timeout_update of a time limit", lambda r: r.timeout_update(r.poll(11, timeout=60), 7.25),
                TIMEOUT_REMOVE, {"fd": -1, "rw_flags": UPDATE | LINK_UPDATE}, check_update_of_a_limit,
                pointers=("addr", "off"), targets=2,
            ),
            Row(
                "timeout_update of a finished one", lambda r: r.timeout_update(finished(r, "read"), 7.25),
                TIMEOUT_REMOVE, {"fd": -1, "addr": 0, "rw_flags": UPDATE | LINK_UPDATE}, pointers=("off",),
            ),
        ],
        scenario=update,
        on_operations=True,
        lacks=frozenset({"timeout"}),
        failures=[
            Failure("timeout_update", lambda r, w: r.timeout_update(over(r), 1), FileNotFoundError, errno.ENOENT),
        ],
        refused={
            "no handle": (TypeError, lambda t: t.ring.timeout_update(None, 1)),  # type: ignore[arg-type]
            "time before now": (ValueError, lambda t: t.ring.timeout_update(finished(t.ring, "timeout"), -1)),
            "time of text": (
                TypeError, lambda t: t.ring.timeout_update(finished(t.ring, "timeout"), "1"),  # type: ignore[arg-type]
            ),
            "a time that would be repeated": (
                ValueError,
                lambda t: t.ring.timeout_update(finished(t.ring, "timeout_multishot"), 1, absolute=True),
            ),
        },
    ),
]  # fmt: skip
