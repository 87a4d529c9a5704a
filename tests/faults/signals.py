"""Real signals, sent when they hurt."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

IO_URING_ENTER = "426 "  # on every architecture


def sleeps_in_the_ring(thread: int, process: int | str = "self") -> bool:
    """Whether the thread with this kernel id is blocked in io_uring_enter."""
    with open(f"/proc/{process}/task/{thread}/syscall") as file:
        return file.read().startswith(IO_URING_ENTER)


@contextmanager
def when_it_sleeps(act: Callable[[], object], rescue: Callable[[], object]) -> Iterator[None]:
    """Call `act`, in a thread, once this thread is blocked in the ring.

    If that does not end the block soon, `rescue` is to: the test fails then, and does not hang.
    """
    target = threading.get_native_id()
    given_up = threading.Event()

    def watch() -> None:
        while not given_up.is_set():
            if sleeps_in_the_ring(target):
                act()
                if not given_up.wait(10):
                    rescue()
                return
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        given_up.set()
        thread.join()


@contextmanager
def signalled(number: int, rescue: Callable[[], object]) -> Iterator[None]:
    """Send this thread a signal once it is blocked in the ring."""
    target = threading.get_ident()
    with when_it_sleeps(lambda: signal.pthread_kill(target, number), rescue):
        yield


@contextmanager
def handled(number: int, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """In the block, `handler` handles the signal."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def alarms(interval: float, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """In the block, a SIGALRM every `interval` seconds."""
    with handled(signal.SIGALRM, handler):
        signal.setitimer(signal.ITIMER_REAL, interval, interval)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
