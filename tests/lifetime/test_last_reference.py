"""Rule 8: a ring that nobody refers to any more is closed, in any thread, in any cycle."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from typing import Any

import pytest

import pyuring

from .memory import Buffer
from .processes import STRICT_MEMORY, run_python


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Any:
    gc.collect()
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() == before


def test_an_idle_ring_is_closed_with_its_last_reference() -> None:
    before = descriptors()
    ring = pyuring.Ring(8)
    ring.nop().result()
    with pytest.warns(ResourceWarning, match=r"unclosed <Ring fd=\d+ entries=8"):
        del ring
    assert descriptors() == before


def test_a_closed_ring_gives_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    ring = pyuring.Ring(8)
    ring.close()
    del ring
    with pyuring.Ring(8):
        pass
    gc.collect()
    assert not recwarn


def test_a_ring_with_operations_in_flight_is_closed_by_the_garbage_collector(pipe: tuple[int, int]) -> None:
    before = descriptors()
    ring = pyuring.Ring(8)
    buffer = Buffer(10)
    alive = weakref.ref(buffer)
    op = ring.readinto(pipe[0], buffer)
    ring.submit()
    del ring, op, buffer
    with pytest.warns(ResourceWarning, match="unclosed"):
        gc.collect()
    assert descriptors() == before
    assert alive() is None


def test_a_handle_that_is_kept_keeps_its_ring(pipe: tuple[int, int]) -> None:
    ring = pyuring.Ring(8)
    op = ring.read(pipe[0], 3)
    del ring
    gc.collect()
    os.write(pipe[1], b"abc")
    assert op.result() == b"abc"
    with pytest.warns(ResourceWarning, match="unclosed"):
        del op


def test_a_ring_in_a_cycle_is_closed(pipe: tuple[int, int]) -> None:
    before = descriptors()
    ring: Any = pyuring.Ring(8)
    ring.itself = ring
    ring.read(pipe[0], 10, user_data=[ring])
    ring.submit()
    del ring
    with pytest.warns(ResourceWarning, match="unclosed"):
        gc.collect()
    assert descriptors() == before


def test_a_ring_whose_owner_is_gone_is_closed_elsewhere_and_its_memory_kept(pipe: tuple[int, int]) -> None:
    before = descriptors()
    buffers: list[Buffer] = []
    rings: list[pyuring.Ring] = []

    def work() -> None:
        rings.append(pyuring.Ring(8))
        buffers.append(Buffer(10))
        rings[0].readinto(pipe[0], buffers[0])
        rings[0].submit()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    alive = weakref.ref(buffers.pop())
    rings.clear()
    with pytest.warns(ResourceWarning, match="unclosed"):
        gc.collect()
    assert descriptors() == before
    buffer = alive()
    assert buffer is not None, "the kernel might still write to it"
    with pytest.raises(BufferError):
        buffer.append(0)


def test_an_idle_ring_whose_owner_is_gone_leaves_nothing() -> None:
    before = descriptors()
    rings: list[pyuring.Ring] = []
    memory = Buffer(4096)

    def work() -> None:
        rings.append(pyuring.Ring(8))
        rings[0].register_buffers([memory])
        rings[0].nop().result()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    rings.clear()  # what is registered refers to the ring
    with pytest.warns(ResourceWarning, match="unclosed"):
        gc.collect()
    assert descriptors() == before
    memory.append(0)


def test_a_ring_lost_in_another_thread_while_its_owner_lives_does_not_disturb_the_owner(pipe: tuple[int, int]) -> None:
    ring = pyuring.Ring(8)
    ring.read(pipe[0], 10)
    ring.submit()
    cell = [ring]
    del ring

    def lose() -> None:
        cell.clear()
        with pytest.warns(ResourceWarning, match="unclosed"):
            gc.collect()

    thread = threading.Thread(target=lose)
    thread.start()
    thread.join()
    with pyuring.Ring(8) as other:
        assert other.nop().result() == 0


def test_losing_a_ring_does_not_hang(pipe: tuple[int, int]) -> None:
    before = time.monotonic()
    for _ in range(20):
        ring = pyuring.Ring(8)
        ring.timeout(3600)
        ring.read(pipe[0], 10, timeout=3600)
        ring.submit()
        del ring
        with pytest.warns(ResourceWarning):
            gc.collect()
    assert time.monotonic() - before < 10


def test_losing_a_ring_inside_a_link_block_executes_nothing(data_file: int) -> None:
    before = os.pread(data_file, 10, 0)
    ring = pyuring.Ring(8)
    chain = ring.link()
    chain.__enter__()
    ring.write(data_file, b"overwritten", offset=0)
    del ring, chain
    with pytest.warns(ResourceWarning, match="unclosed"):
        gc.collect()
    assert os.pread(data_file, 10, 0) == before


#: Garbage that holds, or held, an export of a memoryview.
GARBAGE = {
    "in flight": "ops = [ring.readinto(readable, view) for view in views]; ring.submit()",
    "aligned": """
views = [pyuring.aligned_buffer(4096)[n:] for n in range(8)]
ops = [ring.readinto(readable, view) for view in views]
ring.submit()
""",
    "prepared": "ops = [ring.readinto(readable, view) for view in views]",
    "vectors": "ops = [ring.readv(readable, views), ring.writev(full, views)]; ring.submit()",
    "sockets": "ops = [ring.recv_into(ours, view) for view in views] + [ring.send(ours, views[0])]; ring.submit()",
    "done": "ops = [ring.readinto(zero, view) for view in views]; ring.wait(len(ops))",
    "cancelled": "ops = [ring.readinto(readable, view) for view in views]; [op.cancel() for op in ops]",
    "registered": "ops = [ring.register_buffers(views)]",
    "unregistered": (
        "buffers = ring.register_buffers(views); ops = [ring.readinto(readable, buffers[0])]; buffers.unregister()"
    ),
    "chained": (
        "chain = ring.link(); chain.__enter__(); ops = [chain] + [ring.readinto(readable, view) for view in views]"
    ),
    "refused": """
ops = []
for call in (
    lambda: ring.readinto(-1, views[0]), lambda: ring.readinto(readable, views[0], offset=-5),
    lambda: ring.readinto(readable, views[0], timeout=-5), lambda: ring.write(-1, views[0]),
    lambda: ring.send(object(), views[0]), lambda: ring.send(ours, views[0], 2**40),
    lambda: ring.recv_into(ours, views[0], 2**20), lambda: ring.recv_into(object(), views[0]),
    lambda: ring.readv(readable, [*views, None]), lambda: ring.readv(readable, views * 400),
    lambda: ring.readv(-1, views), lambda: ring.register_buffers([*views, b""]),
):
    try:
        call()
    except Exception as error:
        ops.append(error)
        error.itself = error
""",
    "interrupted": """
import signal
ops = []
def handler(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
full = [ring.poll(readable) for _ in range(ring.cq_entries)]
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
try:
    ring.readinto(readable, views[0])
except KeyboardInterrupt as error:
    ops.append(error)
    error.itself = error
signal.setitimer(signal.ITIMER_REAL, 0)
""",
}


@pytest.mark.parametrize("where", ["here", "in another thread"])
@pytest.mark.parametrize("make", GARBAGE.values(), ids=GARBAGE.keys())
def test_collecting_garbage_with_exports_of_memoryviews_does_not_crash(make: str, where: str) -> None:
    """CPython 3.11 crashes when garbage that it collects holds such an export."""
    if "signal" in make:
        where = "here"  # where signal handlers run
    lines = "\n    ".join(make.strip().splitlines())
    run_python(
        f"""
import gc, os, pyuring, socket, threading
gc.disable()
readable, writable = os.pipe()
other, full = os.pipe()
os.set_blocking(full, False)
try:
    while True:
        os.write(full, bytes(65536))
except BlockingIOError:
    os.set_blocking(full, True)
ours, theirs = socket.socketpair()
zero = os.open("/dev/zero", os.O_RDWR)

def make():
    ring = pyuring.Ring(16)
    views = [memoryview(bytearray(4096))[n:] for n in range(8)]
    {lines}
    cycle = [ring, ops, views]
    cycle.append(cycle)
    ring.cycle = ops.append(cycle) or cycle

for _ in range(5):
    if {where!r} == "here":
        make()
    else:
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
    gc.collect()
    gc.collect()
ours.close(), theirs.close()
""",
        env=STRICT_MEMORY,
        warnings="ignore",
    )
