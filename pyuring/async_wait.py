"""Waiting for a ring's completions in an event loop, instead of in `io_uring_enter(2)`.

The loop watches an eventfd that the kernel signals for each completion. The ring's own
descriptor would not do: on a ring with DEFER_TASKRUN the kernel shows completions there
when it is polled, but does not wake a poll that sleeps.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from pyuring._ffi import ffi, lib

if TYPE_CHECKING:
    import asyncio

    from pyuring.inflight import InFlight

__all__ = ["Waker", "completions_of"]


class Waker:
    """Wakes the tasks of one event loop that wait for a ring."""

    def __init__(self, ring: InFlight, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ring = ring
        self._waiting: list[asyncio.Future[None]] = []
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            code = lib.io_uring_register_eventfd(ffi.addressof(ring._c, "ring"), self._fd)
            if code == -errno.EBUSY:
                raise RuntimeError("the ring has an eventfd of its own: unregister it for the event loop to have one")
            if code < 0:
                raise ring._rejection(code)
            loop.add_reader(self._fd, self._wake)
        except BaseException:
            os.close(self._fd)
            raise

    def wait(self) -> asyncio.Future[None]:
        """A future that is done once completions came that were not there when this was called."""
        future = self.loop.create_future()
        self._waiting.append(future)
        return future

    def wake_all(self) -> None:
        """Let everybody look whether something came for them."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _wake(self) -> None:
        try:
            os.eventfd_read(self._fd)
            self._ring._enter(0, -1)
        except BlockingIOError:
            return
        except Exception as error:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        self.wake_all()

    def close(self) -> None:
        """Stop watching: the ring is closed, or another loop wants it."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if not self.loop.is_closed():
            self.loop.remove_reader(fd)
            self.wake_all()
        if self._ring._c.owner:
            lib.io_uring_unregister_eventfd(ffi.addressof(self._ring._c, "ring"))
        os.close(fd)


def _running_loop() -> asyncio.AbstractEventLoop:
    # Where a loop runs asyncio is there, and to import it takes as long as all of pyuring.
    module = sys.modules.get("asyncio")
    if module is None:
        raise RuntimeError("no running event loop")
    loop: asyncio.AbstractEventLoop = module.get_running_loop()
    return loop


def _waker_of(ring: InFlight) -> Waker:
    loop = _running_loop()
    waker = ring._waker
    if waker is None or waker.loop is not loop:
        if waker is not None:
            if not waker.loop.is_closed():
                raise RuntimeError("another event loop waits for this ring; make one for each loop")
            waker.close()
        waker = ring._waker = Waker(ring, loop)
    return waker


async def completions_of(ring: InFlight) -> None:
    """Submit what is prepared, and return once something was reaped, for whomever."""
    ring._check_no_chain()
    if not lib.pyuring_is_mine(ring._c):
        raise ring._not_yours()
    waker = _waker_of(ring)
    future = waker.wait()  # first: from here on each completion signals
    if ring._enter(0, -1) > 0:
        waker.wake_all()
    await future
