"""Giving a ring other sizes while it lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyuring import Completion, Restrictions, Ring, SetupFlags
from pyuring._ffi import lib


def use_fully(ring: Ring, data_file: int) -> None:
    """Fill the queues several times, in order and in chains."""
    limit = ring.cq_entries
    content = os.pread(data_file, 65536, 0)
    for _ in range(3):
        reads = [ring.read(data_file, 8, number % 60_000, user_data=number) for number in range(limit)]
        assert ring.in_flight == limit
        done = ring.wait(limit)
        assert len(done) == limit
        assert all(op.result() == content[op.user_data % 60_000 :][:8] for op in done)
        assert reads[0].done
    if ring.entries >= 4:
        with ring.link():
            chain = [ring.nop() for _ in range(4)]
        assert [op.result() for op in chain] == [0] * 4
    assert ring.stats()["unexpected"] == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((64, None), (512, None)), ((64, None), (8, None)), ((64, None), (64, 1024)), ((64, 1024), (64, 64)),
        ((1, None), (2, None)), ((8, None), (1, 1)), ((8, None), (8, None)), ((5, 30), (100, 300)),
    ],
)  # fmt: skip
def test_a_resized_ring_has_its_new_sizes_and_uses_all_of_them(
    data_file: int, before: tuple[int, Any], after: tuple[int, Any]
) -> None:
    with Ring(before[0], cq_entries=before[1]) as ring, Ring(after[0], cq_entries=after[1]) as model:
        use_fully(ring, data_file)
        ring.resize(after[0], cq_entries=after[1])
        assert (ring.entries, ring.cq_entries) == (model.entries, model.cq_entries)
        use_fully(ring, data_file)


def test_a_ring_can_be_resized_over_and_over(data_file: int) -> None:
    with Ring(8) as ring:
        for entries in (1, 4096, 2, 64, 32768, 1, 16):
            ring.resize(entries)
            assert ring.entries == entries
            assert [ring.nop().result() for _ in range(40)] == [0] * 40
        use_fully(ring, data_file)


@pytest.mark.parametrize("extra", [SetupFlags.SQE128, SetupFlags.CQE32, SetupFlags.CQE_MIXED], ids=lambda s: s.name)
def test_rings_with_large_entries_are_resized_too(data_file: int, extra: SetupFlags) -> None:
    with Ring(8, setup=SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN | extra) as ring:
        for entries in (128, 4):
            ring.resize(entries)
            use_fully(ring, data_file)


def test_all_else_that_the_ring_has_stays(
    ring: Ring, data_file: int, pipe: tuple[int, int], sockets: tuple[socket.socket, socket.socket]
) -> None:
    files, buffers = ring.register_files([data_file]), ring.register_buffers(count=2, size=64)
    number = ring.register_personality()
    eventfd = os.eventfd(0, os.EFD_NONBLOCK)
    ring.register_eventfd(eventfd)
    ring.register_ring_fd()
    ring.eventfd_enabled = False
    before = ring.stats()
    ring.resize(256)
    assert ring.eventfd_enabled is False
    ring.eventfd_enabled = True
    assert ring.readinto(files[0], buffers[1], 0).result() == 64
    assert buffers[1].view == os.pread(data_file, 64, 0)
    with ring.personality(number):
        assert ring.nop().result() == 0
    assert os.eventfd_read(eventfd) >= 1
    os.close(eventfd)
    assert ring.stats()["submitted"] == before["submitted"] + 2
    op = ring.read(pipe[0], 1, timeout=0.01)
    with pytest.raises(TimeoutError):
        op.result()
    shots = ring.recv(sockets[0], 5)
    sockets[1].send(b"hello")
    assert shots.result() == b"hello"


def test_what_is_done_but_not_delivered_is_not_lost(ring: Ring) -> None:
    operations = [ring.nop(user_data=number) for number in range(10)]
    ring.submit()
    operations[9].result()
    ring.resize(8)
    assert [op.user_data for op in ring.wait(9)] == list(range(9))


def test_a_cancel_of_before_hits_nothing_after(ring: Ring, pipe: tuple[int, int]) -> None:
    """Ids go on from where they were, though slots are other ones."""
    old = ring.nop()
    old_id = lib.pyuring_id_of(ring._c, old._slot)
    ring.wait(1)
    ring.resize(4096)
    for _ in range(100):
        op = ring.nop()
        assert lib.pyuring_id_of(ring._c, op._slot) > old_id
        op.result()
    ring.resize(1)
    op = ring.nop()
    assert lib.pyuring_id_of(ring._c, op._slot) > old_id
    assert op.result() == 0


def test_it_is_refused_while_something_is_prepared_or_in_flight(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="in flight"):
            ring.resize(128)
        ring.submit()
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == b"x"
    with pytest.raises(RuntimeError, match="link"), ring.link():
        ring.resize(128)
    assert (ring.entries, ring.cq_entries) == (64, 128)
    ring.resize(128)
    assert ring.nop().result() == 0


@pytest.mark.parametrize(
    "setup", [SetupFlags(0), SetupFlags.SQPOLL, SetupFlags.SINGLE_ISSUER], ids=lambda s: s.name or "plain"
)
def test_only_rings_with_defer_taskrun_are_resized(setup: SetupFlags) -> None:
    with Ring(8, setup=setup) as ring:
        with pytest.raises(ValueError, match="DEFER_TASKRUN"):
            ring.resize(16)
        assert ring.nop().result() == 0


@pytest.mark.parametrize(
    ("entries", "cq_entries"), [(0, None), (-1, None), (32769, None), (8, 4), (8, 65537), (8, 0), (2**40, None)]
)
def test_sizes_that_no_ring_has_are_refused(ring: Ring, entries: int, cq_entries: int | None) -> None:
    with pytest.raises(ValueError, match="between"):
        ring.resize(entries, cq_entries=cq_entries)
    assert ring.nop().result() == 0


def test_where_there_is_no_memory_for_it_the_ring_stays_as_it_was() -> None:
    """Its own memory, in a child: the mapping of the new queues fails, or the kernel refuses."""
    program = """
import resource
from pyuring import Ring
ring = Ring(8)
assert ring.nop().result() == 0
size = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), size + (1 << 20)))
try:
    ring.resize(32768)
except MemoryError as error:
    print("refused", ring.closed)
    if not ring.closed:
        assert (ring.entries, ring.cq_entries) == (8, 16)
        assert [ring.nop().result() for _ in range(100)] == [0] * 100
ring.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused")


def test_the_old_queues_are_unmapped() -> None:
    def mapped() -> int:
        return sum("io_uring" in line for line in Path("/proc/self/maps").read_text().splitlines())

    before = mapped()
    with Ring(8) as ring:
        for entries in (512, 8, 1024):
            ring.resize(entries)
            assert mapped() == before + 2
    assert mapped() == before


def test_a_forked_child_has_not_the_new_queues_either(ring: Ring) -> None:
    ring.resize(256)
    child = os.fork()
    if child == 0:
        os._exit(sum("io_uring" in line for line in Path("/proc/self/maps").read_text().splitlines()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ring.nop().result() == 0


def test_a_ring_that_may_not_be_resized_is_not(data_file: int) -> None:
    with Ring(64, restrictions=Restrictions(register_calls=[])) as ring:
        ring.enable()
        for entries in (8, 512):
            with pytest.raises(PermissionError):
                ring.resize(entries)
            assert (ring.entries, ring.cq_entries) == (64, 128)
            use_fully(ring, data_file)


def test_a_signal_handler_that_uses_the_ring_meanwhile_loses_nothing(ring: Ring) -> None:
    handled: list[Completion[int]] = []
    refused = 0

    def handler(*_: object) -> None:
        handled.append(ring.nop(user_data=len(handled)))
        if len(handled) % 2:
            ring.submit()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.000_5)
    try:
        for number in range(2000):
            try:
                ring.resize(16 << number % 4)
            except RuntimeError:
                refused += 1
                ring.wait(0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    ring.wait(0)
    assert handled
    assert refused < 2000
    assert all(op.res == 0 for op in handled)
    assert ring.in_flight == 0
    ring.resize(64)
    assert len([ring.nop() for _ in range(128)]) == len(ring.wait(128)) == 128
