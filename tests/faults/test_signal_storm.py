"""Five thousand exceptions a second from a signal handler, and not one operation lost.

`test_interrupted_steps.py` covers every step; this is the same with real signals, which
also hit the C code and the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

import pyuring

from .signals import alarms
from .steps import Interrupted, is_ours

INTERVAL = 0.0002


class Storm:
    """Raises in pyuring's code, and nowhere else: the books of the test stay right."""

    def __init__(self) -> None:
        self.raised = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if frame is not None and is_ours(frame):
            self.raised += 1
            raise Interrupted


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is raised in a destructor is reported; nothing else may be."""
    errors: list[type[BaseException]] = []
    monkeypatch.setattr("sys.unraisablehook", lambda event: errors.append(event.exc_type))
    yield
    assert set(errors) <= {Interrupted}


def check(ring: pyuring.Ring, delivered: list[Any], returned: set[Any], total: int) -> None:
    """Each operation came out once, and all whose preparation succeeded did."""
    while ring.in_flight:
        delivered.extend(op.user_data for op in ring.wait(1, timeout=10))
    delivered.extend(op.user_data for op in ring.completions())
    assert len(set(delivered)) == len(delivered), "delivered twice"
    assert returned <= set(delivered) <= set(range(total)), "lost"
    stats = ring.stats()
    assert stats["completed"] == len(delivered)
    assert stats["unexpected"] == 0


def test_waiting_in_a_storm_loses_nothing() -> None:
    storm, total = Storm(), 30_000
    returned: set[int] = set()
    batches: list[list[pyuring.Completion[Any]]] = []
    with pyuring.Ring(32) as ring:
        with alarms(INTERVAL, storm):
            for number in range(total):
                try:
                    ring.nop(user_data=number)
                    returned.add(number)
                    if number % 24 == 23:
                        batches.append(ring.wait(8) if number % 48 == 23 else ring.wait(8, timeout=10))
                    elif number % 24 == 11:
                        ring.submit()
                        batches.append(ring.completions())
                except Interrupted:
                    pass
        check(ring, [op.user_data for batch in batches for op in batch], returned, total)
    assert storm.raised > 50


def test_asking_for_results_in_a_storm_loses_nothing() -> None:
    storm, total = Storm(), 15_000
    returned: set[int] = set()
    asked: list[pyuring.Completion[int]] = []
    batches: list[list[pyuring.Completion[Any]]] = []
    with pyuring.Ring(32) as ring:
        with alarms(INTERVAL, storm):
            for number in range(total):
                try:
                    op = ring.nop(user_data=number)
                    returned.add(number)
                    if number % 5 == 0:
                        asked.append(op)
                        assert op.result() == 0
                    elif number % 50 == 49:
                        batches.append(ring.wait(20))
                except Interrupted:
                    pass
        assert all(op.result() == 0 for op in asked)  # also where it was interrupted
        delivered = [op.user_data for batch in batches for op in batch]
        while ring.in_flight:
            delivered.extend(op.user_data for op in ring.wait(1, timeout=10))
        delivered.extend(op.user_data for op in ring.completions())
        delivered += {op.user_data for op in asked} - set(delivered)  # taken by result()
        check(ring, delivered, returned, total)
    assert storm.raised > 50


def test_linking_in_a_storm_loses_nothing_and_tears_no_chain() -> None:
    storm, total = Storm(), 15_000
    returned: set[int] = set()
    batches: list[list[pyuring.Completion[Any]]] = []
    with pyuring.Ring(32) as ring:
        with alarms(INTERVAL, storm):
            for first in range(0, total, 3):
                try:
                    with ring.link():
                        for number in range(first, first + 3):
                            ring.nop(user_data=number)
                            returned.add(number)
                    if first % 24 == 0:
                        batches.append(ring.wait(6))
                except Interrupted:
                    pass
        while ring.in_flight:
            batches.append(ring.wait(1, timeout=10))
        batches.append(ring.completions())
        done = [op for batch in batches for op in batch]
        check(ring, [op.user_data for op in done], returned, total)
    executed = {op.user_data for op in done if op.res == 0}
    for first in range(0, total, 3):
        assert len(executed & {first, first + 1, first + 2}) in (0, 3)
    assert storm.raised > 50


def test_time_limits_in_a_storm_lose_nothing() -> None:
    storm, total = Storm(), 8_000
    returned: set[int] = set()
    batches: list[list[pyuring.Completion[Any]]] = []
    with pyuring.Ring(32) as ring:
        with alarms(INTERVAL, storm):
            for number in range(total):
                try:
                    ring.nop(user_data=number, timeout=60)
                    returned.add(number)
                    if number % 16 == 15:
                        batches.append(ring.wait(8))
                except Interrupted:
                    pass
        check(ring, [op.user_data for batch in batches for op in batch], returned, total)
    assert storm.raised > 50


def test_rings_made_and_closed_in_a_storm_leave_nothing(pipe: tuple[int, int]) -> None:
    storm = Storm()
    buffers = []
    with alarms(INTERVAL, storm):
        for _ in range(1500):
            ring = None
            try:
                ring = pyuring.Ring(4)
                buffers.append(bytearray(10))
                ring.readinto(pipe[0], buffers[-1])
                ring.submit()
                ring.close()
            except Interrupted:
                pass
            while ring is not None:
                try:
                    ring.close()
                    ring = None
                except Interrupted:
                    pass
    for buffer in buffers:
        buffer.append(0)  # nobody holds it any more
    assert storm.raised > 50
