"""Multishots in an event loop: woken by the kernel, never by polling."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
import threading
import time
import warnings
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from lifetime.processes import run_python
from provided import check_balance

from pyuring import Ring, SetupFlags, ffi, lib

Pair = tuple[socket.socket, socket.socket]
SETUPS = pytest.mark.parametrize("setup", [None, 0, SetupFlags.SQPOLL, SetupFlags.COOP_TASKRUN], ids=str)


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with no_longer_than(20):
        return asyncio.run(main)


@asynccontextmanager
async def task_of(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """A task that has come to where it waits, and is cancelled in the end."""
    task = asyncio.ensure_future(work)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def collect(shots: Any, into: list[bytes]) -> None:
    async for shot in shots:
        into.append(shot.result())


@SETUPS
def test_a_sleeping_loop_is_woken(setup: SetupFlags | None, packets: Pair) -> None:
    ours, theirs = packets
    got: list[bytes] = []

    async def main() -> None:
        with Ring(8, setup=setup) as ring:
            shots = ring.recv_multishot(ours, ring.buffer_ring(2, 16))
            async with task_of(collect(shots, got)) as task:
                for number in range(10):
                    # From a thread: this one really sleeps in its selector.
                    threading.Timer(0.005, theirs.send, [b"%d" % number]).start()
                    enters, cpu = ring.stats()["enters"], time.process_time()
                    while len(got) <= number:
                        await asyncio.sleep(0.02)
                    assert ring.stats()["enters"] - enters < 20
                    assert time.process_time() - cpu < 0.05
                theirs.close()
                await asyncio.wait_for(task, 5)

    run(main())
    assert got == [b"%d" % number for number in range(10)]


def test_many_tasks_share_a_ring() -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    got: list[list[bytes]] = [[] for _ in pairs]

    async def main() -> None:
        with Ring(4) as ring:  # fewer CQEs than tasks have in flight
            buffers = ring.buffer_ring(4, 16)
            handles = [ring.recv_multishot(ours, buffers) for ours, _ in pairs[:8]]
            tasks = [asyncio.ensure_future(collect(*pair)) for pair in zip(handles, got, strict=False)]
            for number in range(100):
                for _, theirs in pairs[:8]:
                    theirs.send(b"%d" % number)
                await asyncio.sleep(0)
            for _, theirs in pairs:
                theirs.close()
            await asyncio.gather(*tasks)
            check_balance(ring, buffers)

    run(main())
    assert got[:8] == [[b"%d" % number for number in range(100)]] * 8
    for ours, _ in pairs:
        ours.close()


def test_a_cancelled_task_loses_nothing(packets: Pair) -> None:
    ours, theirs = packets

    async def main() -> list[bytes]:
        with Ring(8) as ring:
            shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
            got: list[bytes] = []
            for number in range(30):
                async with task_of(collect(shots, got)):
                    theirs.send(b"%d" % number)
                    await asyncio.sleep(0.0003 * (number % 3))
            theirs.close()
            await collect(shots, got)
            assert not ring._waker._waiting  # type: ignore[union-attr]
            return got

    assert run(main()) == [b"%d" % number for number in range(30)]


def test_an_impatient_task_leaves_nothing_behind(packets: Pair) -> None:
    async def main() -> None:
        with Ring(8) as ring:
            shots = ring.recv_multishot(packets[0], ring.buffer_ring(4, 16))
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(shots), 0.001)
            assert len(ring._waker._waiting) == 0  # type: ignore[union-attr]

    run(main())


def test_the_end_and_errors_come_through(ring: Ring, packets: Pair) -> None:
    async def main() -> None:
        timer = ring.timeout_multishot(0.001, count=3)
        assert [shot.result() async for shot in timer] == [None] * 3
        with socket.socket() as unconnected:
            failing = ring.recv_multishot(unconnected, ring.buffer_ring(4, 16))
            with pytest.raises(OSError) as caught:
                await anext(failing)
            assert caught.value.errno == errno.ENOTCONN
        with pytest.raises(StopAsyncIteration):
            await anext(timer)

    run(main())


def test_a_buffer_that_is_given_back_lets_a_waiting_task_go_on(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    got: list[bytes] = []

    async def main() -> None:
        shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
        for number in range(3):
            theirs.send(b"%d" % number)
        held: Any = await anext(shots)
        async with task_of(collect(shots, got)):
            with held.buffer:
                pass
            while len(got) < 2:  # nobody else enters the ring
                await asyncio.sleep(0.001)

    run(main())
    assert got == [b"1", b"2"]


def test_a_buffer_that_another_thread_gives_back_lets_a_waiting_task_go_on(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    got: list[bytes] = []

    async def main() -> None:
        shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
        for number in range(3):
            theirs.send(b"%d" % number)
        held: Any = await anext(shots)
        async with task_of(collect(shots, got)):
            await asyncio.to_thread(held.result)
            while len(got) < 2:
                await asyncio.sleep(0.001)

    run(main())
    assert got == [b"1", b"2"]


def test_what_is_armed_again_while_a_task_looks_is_submitted(packets: Pair) -> None:
    ours, theirs = packets

    async def main() -> None:
        with Ring(8, setup=0) as ring:
            shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
            theirs.send(b"0")
            held = await anext(shots)
            theirs.send(b"1")
            time.sleep(0.005)  # the kernel ends it for lack of buffers, which nobody has seen yet
            assert held.result() == b"0"
            shot = await asyncio.wait_for(anext(shots), 5)
            assert shot.result() == b"1"
            assert ring.stats()["rearmed"] > 0

    run(main())


def test_what_starves_is_cancelled_for_a_waiting_task(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets

    async def main() -> None:
        shots = ring.recv_multishot(ours, ring.buffer_ring(1, 16))
        for number in range(3):
            theirs.send(b"%d" % number)
        held = await anext(shots)
        async with task_of(collect(shots, [])) as task:
            await asyncio.sleep(0.005)
            shots.cancel()
            await asyncio.wait_for(asyncio.shield(task), 5)
        assert held.result() == b"0"

    run(main())


def test_what_somebody_else_reaps_wakes_the_task(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    got: list[bytes] = []

    async def main() -> None:
        shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
        async with task_of(collect(shots, got)):
            for number in range(5):
                theirs.send(b"%d" % number)
                ring.nop().result()
                await asyncio.sleep(0.005)
                assert len(got) == number + 1

    run(main())


def test_closing_the_ring_ends_the_iteration(packets: Pair) -> None:
    async def main() -> None:
        ring = Ring(8)
        shots = ring.recv_multishot(packets[0], ring.buffer_ring(4, 16))
        async with task_of(collect(shots, [])) as task:
            ring.close()
            await asyncio.wait_for(asyncio.shield(task), 5)
        assert shots.res == -errno.ECANCELED

    run(main())


def test_a_ring_serves_one_loop_at_a_time(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))

    async def one() -> bytes:
        theirs.send(b"x")
        return (await anext(shots)).result()

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    with no_longer_than(10):
        assert first.run_until_complete(one()) == b"x"
        with pytest.raises(RuntimeError, match="another event loop"):
            second.run_until_complete(anext(ring.timeout_multishot(60)))
        first.close()
        assert second.run_until_complete(one()) == b"x"
        second.close()
        assert next(shots).result() == b"x" if theirs.send(b"x") else None
        assert run(one()) == b"x"


def test_a_loop_that_is_closed_with_a_waiting_task_leaves_the_ring_usable(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
    loop = asyncio.new_event_loop()
    task = loop.create_task(collect(shots, []))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    theirs.send(b"x")
    with no_longer_than(5):
        assert next(shots).result() == b"x"


def test_a_ring_that_nobody_has_any_more_is_not_kept_by_the_loop(packets: Pair) -> None:
    async def main() -> None:
        ring = Ring(8)
        timer = ring.timeout_multishot(0.001)
        await anext(timer)
        gone = weakref.ref(ring)
        fds = len(os.listdir("/proc/self/fd"))
        del ring, timer
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gc.collect()
        assert gone() is None
        assert [warning.category for warning in caught] == [ResourceWarning]
        assert len(os.listdir("/proc/self/fd")) == fds - 2, "the ring, and what woke the loop"
        await asyncio.sleep(0.005)

    run(main())


def test_an_eventfd_of_the_users_own_is_not_taken_away(ring: Ring) -> None:
    fd = os.eventfd(0)
    assert lib.io_uring_register_eventfd(ffi.addressof(ring._c, "ring"), fd) == 0

    async def main() -> None:
        timer = ring.timeout_multishot(0.001)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(RuntimeError, match="eventfd of its own"):
            await anext(timer)
        assert len(os.listdir("/proc/self/fd")) == before
        assert lib.io_uring_unregister_eventfd(ffi.addressof(ring._c, "ring")) == 0
        await anext(timer)

    run(main())
    os.close(fd)


def test_a_loop_that_cannot_watch_descriptors_leaves_no_eventfd_behind(ring: Ring) -> None:
    class Unable(asyncio.SelectorEventLoop):
        def add_reader(self, *_: Any) -> None:  # type: ignore[override]
            raise NotImplementedError

    timer = ring.timeout_multishot(0.001)
    loop = Unable()

    async def main() -> None:
        with pytest.raises(NotImplementedError):
            await anext(timer)

    loop.run_until_complete(main())
    loop.close()

    async def again() -> None:
        await anext(timer)

    run(again())


def test_another_thread_cannot_wait(ring: Ring, packets: Pair) -> None:
    shots = ring.recv_multishot(packets[0], ring.buffer_ring(4, 16))
    packets[1].send(b"x")
    assert next(shots).result() == b"x"
    errors: list[str] = []

    def other() -> None:
        try:
            asyncio.run(collect(shots, []))
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "belongs to the thread" in errors[0]


def test_a_forked_child_that_ends_does_not_deafen_its_parent() -> None:
    run_python(
        """
        import asyncio, os, socket
        from pyuring import Ring

        async def main():
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with Ring(8) as ring, ours, theirs:
                shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
                theirs.send(b"x")
                assert (await anext(shots)).result() == b"x"
                child = os.fork()
                if child == 0:
                    ring.close()
                    os._exit(0)
                os.waitpid(child, 0)
                asyncio.get_running_loop().call_later(0.01, theirs.send, b"y")
                assert (await asyncio.wait_for(anext(shots), 5)).result() == b"y"

        asyncio.run(main())
        """
    )
