"""A test that would hang fails instead."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Hang(BaseException):
    """Something took so long that it would never have ended."""


@contextmanager
def no_longer_than(seconds: float, note: str = "") -> Iterator[None]:
    """Raise `Hang` in the block when it has taken that long."""

    def give_up(*_: object) -> None:
        raise Hang(f"still not done after {seconds} s {note}")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
