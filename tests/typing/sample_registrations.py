"""What type checkers make of setup, register calls and probe(). Checked by test_typing.py, never run."""

from __future__ import annotations

import time
from typing import Any, assert_type

import pyuring
from pyuring import (
    Completion,
    KernelItem,
    NapiSettings,
    Probe,
    RegisteredBuffer,
    RegisteredBuffers,
    Restrictions,
    Ring,
    SetupFlags,
    SqeFlags,
)


def making(ring: Ring) -> None:
    rules = Restrictions(operations=["read", 0], register_calls=["REGISTER_PROBE"], flags=SqeFlags.ASYNC, required=0)
    assert_type(Ring(8, restrictions=rules, registered_waits=True, attach_wq=ring), Ring)
    assert_type(ring.enable(), None)
    assert_type(ring.enabled, bool)
    assert_type(ring.resize(16, cq_entries=64), None)
    Ring(setup=SetupFlags.SQE128 | SetupFlags.CQE_MIXED)


def telling(ring: Ring, op: Completion[Any]) -> None:
    assert_type(ring.register_eventfd(3, async_only=True), None)
    assert_type(ring.eventfd_enabled, bool)
    ring.eventfd_enabled = False
    assert_type(ring.register_personality(), int)
    with ring.personality(1):
        pass
    assert_type(ring.register_ring_fd(), None)
    assert_type(ring.sync_cancel(op, timeout=1), None)
    ring.sync_cancel(3)
    ring.sync_cancel()
    ring.min_wait = 0.5
    assert_type(ring.min_wait, float)
    ring.iowait = False
    assert_type(ring.iowait, bool)
    ring.register_clock(time.CLOCK_BOOTTIME)
    assert_type(ring.register_napi(50, prefer=True), NapiSettings)
    assert_type(ring.unregister_napi().busy_poll_us, int)
    ring.iowq_affinity({0, 1})
    ring.iowq_affinity(None)
    assert_type(ring.iowq_max_workers(bounded=4), tuple[int, int])


def buffers(ring: Ring, other: Ring) -> None:
    table = ring.register_buffers([bytearray(8)], tags=["tag"])
    assert_type(table, RegisteredBuffers)
    assert_type(table.update(0, None), RegisteredBuffer | None)
    assert_type(other.clone_buffers(ring), RegisteredBuffers)
    ring.register_buffers(sparse=5)


def probing() -> None:
    assert_type(pyuring.probe(), Probe)
    assert_type(pyuring.probe()["READ"], KernelItem)
    assert_type(pyuring.probe().operations, tuple[KernelItem, ...])
    assert_type(pyuring.probe()["READ"].methods, tuple[str, ...])
