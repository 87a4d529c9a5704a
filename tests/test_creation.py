"""Making rings: sizes, setup flags, features, and what a ring tells of itself."""

from __future__ import annotations

import errno
import mmap
import os
import time
from pathlib import Path

import pytest

from pyuring import Features, Ring, SetupFlags

S = SetupFlags


@pytest.mark.parametrize(("entries", "rounded"), [(1, 1), (2, 2), (3, 4), (8, 8), (100, 128), (256, 256), (257, 512)])
def test_entries_are_rounded_up_to_a_power_of_two(entries: int, rounded: int) -> None:
    with Ring(entries) as ring:
        assert (ring.entries, ring.cq_entries) == (rounded, 2 * rounded)


def test_a_ring_has_256_entries_by_default() -> None:
    with Ring() as ring:
        assert (ring.entries, ring.cq_entries) == (256, 512)


@pytest.mark.parametrize(("cq_entries", "rounded"), [(8, 8), (9, 16), (16, 16), (1000, 1024)])
def test_the_completion_queue_can_have_its_own_size(cq_entries: int, rounded: int) -> None:
    with Ring(8, cq_entries=cq_entries) as ring:
        assert (ring.entries, ring.cq_entries) == (8, rounded)
        operations = [ring.nop() for _ in range(rounded)]
        assert ring.in_flight == rounded
        assert all(op.result() == 0 for op in operations)


def test_the_largest_ring_can_be_made_and_used() -> None:
    with Ring(32768, cq_entries=65536) as ring:
        assert (ring.entries, ring.cq_entries) == (32768, 65536)
        for _ in range(40_000):
            ring.nop()
        assert len(ring.wait(40_000)) == 40_000


def test_the_smallest_ring_works() -> None:
    with Ring(1, cq_entries=1) as ring:
        assert [ring.nop().result() for _ in range(10)] == [0] * 10
        ring.nop()
        ring.nop()
        assert len(ring.wait(2)) == 2


def test_an_operation_with_a_time_limit_needs_two_sqes_and_says_so() -> None:
    with Ring(1) as ring:
        with pytest.raises(ValueError, match="timeout="):
            ring.nop(timeout=5)
        assert ring.nop().result() == 0


def test_the_default_setup_is_the_best_that_the_kernel_takes() -> None:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    with Ring(8) as ring:
        setup = ring.setup
    assert not setup & (S.SQPOLL | S.IOPOLL), "these are opt-in"
    if release >= (6, 1):
        assert S.SUBMIT_ALL | S.SINGLE_ISSUER | S.DEFER_TASKRUN | S.TASKRUN_FLAG in setup
    elif release >= (5, 19):
        assert S.SUBMIT_ALL | S.COOP_TASKRUN | S.TASKRUN_FLAG in setup


SETUPS = [
    S(0), S.CLAMP, S.SUBMIT_ALL, S.COOP_TASKRUN, S.COOP_TASKRUN | S.TASKRUN_FLAG, S.SINGLE_ISSUER,
    S.SINGLE_ISSUER | S.DEFER_TASKRUN, S.SINGLE_ISSUER | S.DEFER_TASKRUN | S.TASKRUN_FLAG, S.SQPOLL,
    S.SQPOLL | S.SUBMIT_ALL, S.IOPOLL,
]  # fmt: skip


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name or "plain")
def test_a_ring_has_the_setup_it_was_asked_for(setup: SetupFlags) -> None:
    with Ring(8, setup=setup) as ring:
        # liburing adds NO_SQARRAY where the kernel has it.
        assert ring.setup & ~S.NO_SQARRAY == setup
        assert ring.nop().result() == 0
        assert isinstance(ring.setup, SetupFlags)
    with Ring(8, setup=int(setup)) as ring:
        assert ring.setup & ~S.NO_SQARRAY == setup


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name or "plain")
def test_repr_shows_the_flags_in_effect(setup: SetupFlags) -> None:
    with Ring(8, setup=setup) as ring:
        shown = repr(ring).partition("setup=")[2].rstrip(">")
        names = set() if shown == "plain" else set(shown.split("|"))
        assert names - {"NO_SQARRAY"} == {flag.name for flag in setup}


def test_clamp_cuts_what_is_too_large_instead_of_refusing() -> None:
    with Ring(32768, setup=S.CLAMP) as ring:
        assert ring.entries == 32768


def test_a_ring_with_its_own_kernel_thread_works_also_after_that_went_to_sleep(data_file: int) -> None:
    with Ring(8, setup=S.SQPOLL, sq_thread_idle=1) as ring:
        for _ in range(5):
            assert ring.read(data_file, 10, 0).result(timeout=10) == os.pread(data_file, 10, 0)
            time.sleep(0.01)
        operations = [ring.nop(user_data=number) for number in range(100)]
        assert all(op.result(timeout=10) == 0 for op in operations)


def test_that_thread_submits_without_being_asked(data_file: int) -> None:
    with Ring(8, setup=S.SQPOLL, sq_thread_idle=1000) as ring:
        assert ring.nop().result() == 0
        op = ring.nop()
        assert ring.submit() == 1
        deadline = time.monotonic() + 5
        while not op.done and time.monotonic() < deadline:
            ring.completions()
        assert op.done


def test_that_thread_can_be_pinned_to_a_cpu() -> None:
    cpu = min(os.sched_getaffinity(0))
    with Ring(8, setup=S.SQPOLL, sq_thread_cpu=cpu) as ring:
        assert ring.setup & S.SQ_AFF
        assert ring.nop().result() == 0


def test_a_polled_ring_refuses_buffered_files_and_still_works(data_file: int) -> None:
    with Ring(8, setup=S.IOPOLL) as ring:
        with pytest.raises(OSError) as caught:
            ring.read(data_file, 512, 0).result(timeout=10)
        assert caught.value.errno in (errno.EOPNOTSUPP, errno.EINVAL)
        assert ring.nop().result(timeout=10) == 0


def test_a_polled_ring_reads_directly_where_the_device_can_be_polled(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        pytest.skip(f"{tmp_path} has no O_DIRECT: {error}")
    with Ring(8, setup=S.IOPOLL) as ring, mmap.mmap(-1, 4096) as block:
        op = ring.readinto(fd, block, 4096)
        try:
            assert op.result(timeout=10) == 4096
            assert block[:] == b"x" * 4096
        except OSError as error:
            assert error.errno == errno.EOPNOTSUPP, "this device cannot be polled"
    os.close(fd)


def test_features_are_those_of_the_running_kernel() -> None:
    with Ring(8) as ring:
        assert isinstance(ring.features, Features)
        # All of these came before 5.11, and pyuring's tests need a kernel with more.
        for feature in ("SINGLE_MMAP", "NODROP", "SUBMIT_STABLE", "RW_CUR_POS", "FAST_POLL", "EXT_ARG"):
            assert Features[feature] in ring.features
        assert ring.features == ring._c.ring.features


def test_rings_cost_one_descriptor_each() -> None:
    before = len(os.listdir("/proc/self/fd"))
    rings = [Ring(8) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before + 20
    assert len({ring.fileno() for ring in rings}) == 20
    for ring in rings:
        ring.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_rings_descriptor_is_not_inheritable(ring: Ring) -> None:
    assert not os.get_inheritable(ring.fileno())
