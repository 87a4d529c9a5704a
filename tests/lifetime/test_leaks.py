"""Nothing piles up: descriptors, memory, rings."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import warnings

import pyuring

from .processes import run_python

MIB = 1 << 20


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident() -> int:
    """Bytes of memory in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_a_thousand_rings_made_and_closed_leave_nothing(pipe: tuple[int, int]) -> None:
    def make() -> None:
        with pyuring.Ring(64) as ring:
            ring.register_buffers(count=4, size=4096)
            ring.register_files(sparse=8)
            ring.readinto(pipe[0], bytearray(4096))
            ring.nop()
            ring.submit()

    for _ in range(100):
        make()
    gc.collect()
    before, memory = descriptors(), resident()
    for _ in range(1000):
        make()
    gc.collect()
    assert descriptors() == before
    assert resident() - memory < 4 * MIB


def test_a_thousand_rings_made_and_dropped_leave_nothing(pipe: tuple[int, int]) -> None:
    def make() -> None:
        ring = pyuring.Ring(64)
        ring.register_buffers(count=4, size=4096)
        ring.readinto(pipe[0], bytearray(4096))
        ring.nop()
        ring.submit()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(100):
            make()
        gc.collect()
        before, memory = descriptors(), resident()
        for number in range(1000):
            make()
            if number % 100 == 99:
                gc.collect()
        gc.collect()
    assert descriptors() == before
    assert resident() - memory < 4 * MIB


def test_two_million_operations_need_no_more_memory_than_the_first() -> None:
    with pyuring.Ring(256) as ring:

        def run(count: int) -> None:
            for _ in range(count // 256):
                for _ in range(256):
                    ring.nop()
                ring.wait(256)

        run(100_000)
        memory = resident()
        run(2_000_000)
        assert resident() - memory < 2 * MIB


def test_operations_of_all_kinds_need_no_more_memory_than_the_first(data_file: int, pipe: tuple[int, int]) -> None:
    with pyuring.Ring(64) as ring:
        buffers = ring.register_buffers(count=4, size=4096)
        files = ring.register_files([data_file])
        buffer, vectors = bytearray(4096), [bytearray(100), bytearray(100)]

        def run(count: int) -> None:
            for number in range(count):
                ring.read(data_file, 4096, offset=0, user_data=[number])
                ring.readinto(data_file, buffer, offset=0, timeout=60)
                ring.readv(data_file, vectors, offset=0)
                ring.readinto(files[0], buffers[number % 4], offset=0)
                ring.statx("/etc/hostname").result()
                with ring.link():
                    ring.nop()
                    ring.read(files[0], 10, offset=5)
                waiting = ring.read(pipe[0], 10)
                waiting.cancel()
                for bad in (-1, None):
                    with contextlib.suppress(TypeError, OSError):
                        ring.readinto(bad, buffer)
                ring.wait(ring.in_flight)

        run(1000)
        memory = resident()
        run(10_000)
        assert resident() - memory < 2 * MIB


def test_results_that_are_taken_and_never_delivered_do_not_pile_up() -> None:
    with pyuring.Ring(64) as ring:
        memory = resident()
        for _ in range(300_000):
            ring.nop().result()
        assert resident() - memory < 2 * MIB
        assert len(ring._ready) < 100


def test_interrupted_preparations_leak_no_memory() -> None:
    run_python(
        """
        import os, pyuring, resource, signal
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
        class Storm(Exception):
            pass
        def handler(number, frame):
            if "pyuring" in frame.f_code.co_filename:
                raise Storm
        signal.signal(signal.SIGALRM, handler)
        file = os.open("/dev/zero", os.O_RDONLY)
        raised = 0
        def run(count):
            global raised
            for _ in range(count):
                try:
                    ring.readinto(file, bytearray(50_000), offset=0)
                    ring.wait(1)
                except Storm:
                    raised += 1
        with pyuring.Ring(8) as ring:
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            run(20_000)
            before = resident()
            run(60_000)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert raised > 100, raised
            assert resident() - before < 1 << 20, resident() - before
        """,
        warnings="ignore",
    )
