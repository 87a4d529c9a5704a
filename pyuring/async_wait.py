"""Waiting for a ring's completions in an event loop, instead of in `io_uring_enter(2)`.

The loop watches an eventfd that the kernel signals for each completion. The ring's own
descriptor would not do: on a ring with DEFER_TASKRUN the kernel shows completions there
when it is polled, but does not wake a poll that sleeps.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from threading import get_ident
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
        # The loop knows this object: it must not keep the ring.
        self._ring = weakref.ref(ring)
        self._thread = get_ident()
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._looks_soon = False
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            code = lib.io_uring_register_eventfd(ffi.addressof(ring._c, "ring"), self._fd)
            if code == -errno.EBUSY:
                raise RuntimeError("the ring has an eventfd of its own: unregister it for the event loop to have one")
            if code < 0:
                raise ring._rejection(code)
            try:
                loop.add_reader(self._fd, self._wake)
            except BaseException:
                lib.io_uring_unregister_eventfd(ffi.addressof(ring._c, "ring"))
                raise
        except BaseException:
            os.close(self._fd)
            raise

    async def wait(self) -> None:
        """Look for completions, and return once there were some, for whomever."""
        future = self.loop.create_future()
        self._waiting[future] = None  # first: from here on each completion signals
        try:
            self._look()
            await future
        finally:
            self._waiting.pop(future, None)

    def soon(self) -> None:
        """Have the loop look: something is to be submitted, or has ended without the kernel.

        From any thread.
        """
        if self._looks_soon or not self._waiting or self.loop.is_closed():
            return
        self._looks_soon = True
        self.loop.call_soon_threadsafe(self._look_now)

    def _look_now(self) -> None:
        self._looks_soon = False
        self._look_for_all()

    def _wake(self) -> None:
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return
        self._look_for_all()
        self._wake_all()

    def _look(self) -> None:
        """Submit, reap, and submit what that has armed again: nobody else may enter the ring for long."""
        ring = self._ring()
        if ring is None or self._fd < 0:
            return
        if ring._enter(0, -1) > 0:
            self._wake_all()
        code = lib.pyuring_submit(ring._c)
        if code in (-errno.EINTR, -errno.EBUSY, -errno.EAGAIN):
            self.soon()

    def _look_for_all(self) -> None:
        try:
            self._look()
        except Exception as error:
            for future in self._took_waiting():
                if not future.done():
                    future.set_exception(error)

    def _took_waiting(self) -> list[asyncio.Future[None]]:
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def _wake_all(self) -> None:
        """Let everybody see whether something came for them."""
        for future in self._took_waiting():
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Stop watching: the ring is closed, or another loop wants it."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        ring = self._ring()
        if ring is not None and ring._c.owner:
            lib.io_uring_unregister_eventfd(ffi.addressof(ring._c, "ring"))
        try:
            if get_ident() == self._thread:
                self._let_go(fd)
            else:
                self.loop.call_soon_threadsafe(self._let_go, fd)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            os.close(fd)

    def _let_go(self, fd: int) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(fd)
            self._wake_all()
        os.close(fd)

    def forget(self) -> None:
        """In a forked child, where the loop's registrations are the parent's too."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
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
    await _waker_of(ring).wait()
