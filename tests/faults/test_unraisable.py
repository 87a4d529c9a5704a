"""Rule 11: nothing is swallowed. What cannot be raised reaches sys.unraisablehook."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lifetime.processes import run_python

import pyuring

Reports = list[tuple[type[BaseException] | None, str]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """What was reported: (type, text) of each exception."""
    reports: Reports = []

    def note(event: Any) -> None:
        reports.append((event.exc_type, str(event.exc_value)))

    monkeypatch.setattr(sys, "unraisablehook", note)
    yield reports
    gc.collect()


class Failing:
    """Its end raises."""

    def __del__(self) -> None:
        raise ZeroDivisionError("in a destructor")


class FailingBuffer(bytearray):
    """Its end raises, which happens where the ring lets go of it."""

    def __del__(self) -> None:
        raise ZeroDivisionError("in a buffer's destructor")


def test_a_destructor_that_raises_when_the_ring_lets_go_is_reported_and_harmless(
    reports: Reports, data_file: int
) -> None:
    with pyuring.Ring(8) as ring:
        for number in range(8):
            ring.readinto(data_file, FailingBuffer(10), offset=0, user_data=number)
        assert sorted(op.user_data for op in ring.wait(8)) == list(range(8))
        assert reports == [(ZeroDivisionError, "in a buffer's destructor")] * 8
        for _ in range(ring.cq_entries):
            ring.nop()
        assert ring.in_flight == ring.cq_entries


def test_a_destructor_of_user_data_that_raises_is_reported(reports: Reports) -> None:
    with pyuring.Ring(8) as ring:
        ring.nop(user_data=Failing())
        ring.wait(1)
        assert reports == [(ZeroDivisionError, "in a destructor")]


def test_a_destructor_that_uses_the_ring_disturbs_nothing(reports: Reports, data_file: int) -> None:
    with pyuring.Ring(8) as ring:

        class Reentrant(bytearray):
            def __del__(self) -> None:
                assert ring.nop(user_data="from the destructor").result() == 0
                seen.extend(op.user_data for op in ring.completions())

        seen: list[object] = []
        for number in range(8):
            ring.readinto(data_file, Reentrant(10), offset=0, user_data=number)
        seen.extend(op.user_data for op in ring.wait(8, timeout=1))
        seen.extend(op.user_data for op in ring.completions())
        assert sorted(number for number in seen if isinstance(number, int)) == list(range(8))
        assert ring.in_flight == 0
    assert reports == []


def test_a_destructor_that_closes_the_ring_disturbs_nothing(reports: Reports, data_file: int) -> None:
    ring = pyuring.Ring(8)

    class Closing(bytearray):
        def __del__(self) -> None:
            ring.close()

    ops = [ring.readinto(data_file, Closing(10), offset=0) for _ in range(8)]
    try:
        ring.wait(8)
    except RuntimeError as error:
        assert "closed" in str(error)
    assert ring.closed
    assert all(op.done for op in ops)
    assert reports == []


def test_a_warning_that_is_an_error_is_reported(reports: Reports, pipe: tuple[int, int]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    ring = pyuring.Ring(8)
    del ring
    assert [(kind, "unclosed <Ring" in text) for kind, text in reports] == [(ResourceWarning, True)]
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_error_while_the_last_reference_is_lost_is_reported(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no I/O that fails here: the failure is a warning filter that raises."""
    before = set(os.listdir("/proc/self/fd"))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in showwarning")

    monkeypatch.setattr("warnings.warn", fail)
    ring = pyuring.Ring(8)
    del ring
    assert reports == [(ZeroDivisionError, "in showwarning")]
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_error_at_the_end_of_the_interpreter_is_reported() -> None:
    err = run_python("import pyuring; rings = [pyuring.Ring(8), pyuring.Ring(8)]", warnings="error")
    assert err.count("ResourceWarning: unclosed <Ring fd=") >= 2


def test_ctrl_c_at_the_end_of_the_interpreter_is_reported_and_the_rings_are_seen_to() -> None:
    err = run_python(
        """
        import os, pyuring, pyuring.closing, signal
        readable, writable = os.pipe()
        rings = [pyuring.Ring(8) for _ in range(3)]
        for ring in rings:
            ring.read(readable, 10)
            ring.submit()
        warn = pyuring.closing.warn_unclosed
        def interrupted(ring):
            pyuring.closing.warn_unclosed = warn
            signal.raise_signal(signal.SIGINT)
            warn(ring)
        pyuring.closing.warn_unclosed = interrupted
        """,
        warnings="always",
    )
    assert "KeyboardInterrupt" in err
    assert err.count("unclosed <Ring") >= 2
