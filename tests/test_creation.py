"""Making rings: sizes, setup flags, features, and what a ring tells of itself."""

from __future__ import annotations

import errno
import mmap
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyuring import Features, Ring, SetupFlags, UnsupportedError, ffi, lib
from pyuring._ffi import new
from pyuring.creation import REFUSED

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
    S.SQPOLL | S.SUBMIT_ALL, S.IOPOLL, S.IOPOLL | S.HYBRID_IOPOLL, S.SQE128, S.CQE32, S.CQE_MIXED,
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


# -- SQPOLL ------------------------------------------------------------------------------


def needs_wakeup(ring: Ring) -> bool:
    return bool(ring._c.ring.sq.kflags[0] & lib.IORING_SQ_NEED_WAKEUP)


def submitter_threads() -> list[int]:
    """The kernel's SQPOLL threads in this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            name = (task / "comm").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if name.startswith("iou-sqp"):
            found.append(int(task.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.001)


def test_a_sleeping_submitter_is_woken_and_a_running_one_left_alone() -> None:
    wait_for(lambda: not submitter_threads())
    with Ring(8, setup=S.SQPOLL, sq_thread_idle=200) as ring:
        ring.nop().result()
        assert not needs_wakeup(ring), "it looks for work for 200 ms"
        enters = ring.stats()["enters"]
        ring.nop()
        ring.submit()
        assert ring.stats()["enters"] == enters
        wait_for(lambda: needs_wakeup(ring))
        (thread,) = submitter_threads()
        state = Path(f"/proc/self/task/{thread}/stat")
        wait_for(lambda: state.read_text().rpartition(")")[2].split()[0] == "S")
        ring.completions()
        enters = ring.stats()["enters"]
        op = ring.nop()
        ring.submit()
        assert ring.stats()["enters"] == enters + 1
        wait_for(lambda: bool(ring.completions()))
        assert op.res == 0


def test_an_idle_time_is_kept_to() -> None:
    with Ring(8, setup=S.SQPOLL, sq_thread_idle=5) as short, Ring(8, setup=S.SQPOLL, sq_thread_idle=5000) as long:
        for ring in (short, long):
            ring.nop().result()
        wait_for(lambda: needs_wakeup(short))
        assert not needs_wakeup(long)


def test_attached_rings_share_one_submitter() -> None:
    wait_for(lambda: not submitter_threads())
    with Ring(8, setup=S.SQPOLL) as first:
        wait_for(lambda: len(submitter_threads()) == 1)
        with Ring(8, setup=S.SQPOLL) as alone:
            wait_for(lambda: len(submitter_threads()) == 2)
            alone.nop().result()
        with Ring(8, setup=S.SQPOLL, attach_wq=first) as second:
            wait_for(lambda: len(submitter_threads()) == 1)
            assert S.ATTACH_WQ in second.setup
            first.close()
            assert [second.nop().result() for _ in range(3)] == [0, 0, 0]


def test_a_ring_without_sqpoll_can_be_attached_too() -> None:
    with Ring(8) as first, Ring(8, attach_wq=first) as second:
        assert S.ATTACH_WQ in second.setup
        assert second.nop().result() == 0


def test_what_cannot_be_attached_to_is_refused() -> None:
    closed = Ring(8)
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        Ring(8, attach_wq=closed)
    with pytest.raises(TypeError, match="Ring"):
        Ring(8, attach_wq=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="attach_wq"):
        Ring(8, setup=S.ATTACH_WQ)


def test_a_childs_ring_is_not_attached_to_its_parents(ring: Ring) -> None:
    child = os.fork()
    if child == 0:
        try:
            Ring(8, attach_wq=ring)
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- large SQEs and CQEs ------------------------------------------------------------------


LARGE = [S.SQE128, S.CQE32, S.SQE128 | S.CQE32, S.CQE_MIXED, S.SQE128 | S.CQE_MIXED]


@pytest.mark.parametrize("setup", LARGE, ids=lambda setup: setup.name)
def test_rings_with_large_entries_work_as_others(
    setup: SetupFlags, data_file: int, pipe: tuple[int, int], sockets: tuple[socket.socket, socket.socket]
) -> None:
    with Ring(8, setup=setup) as ring:
        content = os.pread(data_file, 5000, 0)
        reads = [ring.read(data_file, 10, number * 10, user_data=number) for number in range(500)]
        assert all(op.result() == content[number * 10 :][:10] for number, op in enumerate(reads))
        assert len([ring.nop() for _ in range(16)]) == len(ring.wait(16)) == 16, "as many as the CQ has"
        with ring.link():
            first, second = ring.write(pipe[1], b"linked"), ring.read(pipe[0], 6)
        assert (first.result(), second.result()) == (6, b"linked")
        with pytest.raises(TimeoutError):
            ring.read(pipe[0], 1, timeout=0.01).result()
        waiting = ring.recv(sockets[0], 5)
        ring.submit()
        waiting.cancel()
        with pytest.raises(OSError) as caught:
            waiting.result()
        assert caught.value.errno == errno.ECANCELED
        assert ring.stats()["unexpected"] == 0


@pytest.mark.parametrize("setup", LARGE, ids=lambda setup: setup.name)
def test_sqes_and_cqes_are_as_large_as_asked(setup: SetupFlags) -> None:
    with Ring(8, setup=setup) as ring:
        ring.nop(user_data="first")
        ring.nop(user_data="second")
        base = int(ffi.cast("uintptr_t", ring._c.ring.sq.sqes))
        size = 128 if setup & S.SQE128 else 64
        entries: list[Any] = [ffi.cast("struct io_uring_sqe *", base + number * size) for number in (0, 1)]
        assert [entry.user_data & 15 for entry in entries] == [0, 1]
        assert [op.user_data for op in ring.wait(2)] == ["first", "second"]


# -- what is refused, and why ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("setup", "text"),
    [
        (S.DEFER_TASKRUN, "SINGLE_ISSUER"),
        (S.TASKRUN_FLAG, "COOP_TASKRUN or DEFER_TASKRUN"),
        (S.HYBRID_IOPOLL, "IOPOLL too"),
        (S.SQPOLL | S.DEFER_TASKRUN | S.SINGLE_ISSUER, "exclude"),
        (S.SQPOLL | S.COOP_TASKRUN, "exclude"),
        (S.CQE32 | S.CQE_MIXED, "one of them"),
        (S.CQSIZE, "cq_entries="),
        (S.SQ_AFF | S.SQPOLL, "sq_thread_cpu="),
        (S.NO_SQARRAY, "by itself"),
        (S.NO_MMAP, "forked children"),
        (S.REGISTERED_FD_ONLY, "register_ring_fd"),
        (1 << 30, "combination"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_with_the_reason(setup: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Ring(8, setup=setup)


@pytest.mark.parametrize(("flag", "since"), [(S.SQE_MIXED, "6.19"), (S.SQ_REWIND, "7.0")])
def test_a_flag_that_is_newer_than_the_kernel_is_refused_with_its_version(flag: SetupFlags, since: str) -> None:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    newer = release >= tuple(map(int, since.split(".")))
    with pytest.raises(ValueError if newer else UnsupportedError, match=flag.name if newer else rf"Linux {since}"):
        Ring(8, setup=flag)


@pytest.mark.parametrize("flag", list(S), ids=lambda flag: flag.name)
def test_every_flag_has_a_meaning_or_is_refused_by_name(flag: SetupFlags) -> None:
    needed = {S.DEFER_TASKRUN: S.SINGLE_ISSUER, S.TASKRUN_FLAG: S.COOP_TASKRUN, S.HYBRID_IOPOLL: S.IOPOLL}
    try:
        ring = Ring(8, setup=flag | needed.get(flag, S(0)))
    except (ValueError, UnsupportedError) as error:
        assert flag in REFUSED
        assert str(flag.name) in str(error)
    else:
        with ring:
            assert flag in ring.setup
            if flag == S.R_DISABLED:
                ring.enable()
            assert ring.nop().result() == 0


def test_clamp_takes_any_size() -> None:
    with Ring(1_000_000, setup=S.CLAMP) as ring:
        assert (ring.entries, ring.cq_entries) == (32768, 65536)
    with Ring(8, cq_entries=10**9, setup=S.CLAMP) as ring:
        assert (ring.entries, ring.cq_entries) == (8, 65536)
    for entries, cq_entries in ((0, None), (8, 0)):
        with pytest.raises(ValueError, match="must be between"):
            Ring(entries, cq_entries=cq_entries, setup=S.CLAMP)


# -- IOPOLL ------------------------------------------------------------------------------------


def answer_to(opcode: int, setup: int) -> int:
    """What the kernel answers to an SQE that has nothing but an opcode."""
    ring = new("struct io_uring *")
    assert lib.io_uring_queue_init(4, ring, setup) == 0
    try:
        sqe = lib.io_uring_get_sqe(ring)
        lib.io_uring_prep_nop(sqe)
        sqe.opcode, sqe.fd, sqe.len = opcode, -1, 1
        if opcode == lib.IORING_OP_REMOVE_BUFFERS:
            sqe.fd, sqe.len = 1, 0  # how many, and what must be 0
        assert lib.io_uring_submit(ring) == 1
        cqe = new("struct io_uring_cqe **")
        limit = new("struct __kernel_timespec *", (0, 20_000_000))
        code = lib.io_uring_wait_cqe_timeout(ring, cqe, limit)
        return int(cqe[0].res) if code == 0 else int(code)
    finally:
        lib.io_uring_queue_exit(ring)


def test_the_operations_of_a_polled_ring_are_those_that_the_kernel_polls() -> None:
    """EINVAL is its answer to the others; to these it finds something else to say."""
    with Ring(8) as ring:
        opcodes = sorted(ring._supported())
    for opcode in opcodes:
        assert (answer_to(opcode, lib.IORING_SETUP_IOPOLL) != -errno.EINVAL) == lib.pyuring_is_polled(opcode), opcode


@pytest.mark.parametrize("setup", [S.IOPOLL, S.IOPOLL | S.HYBRID_IOPOLL], ids=lambda setup: setup.name)
def test_a_polled_ring_refuses_what_it_cannot_poll_before_it_is_queued(setup: SetupFlags, data_file: int) -> None:
    with Ring(8, setup=setup) as ring:
        calls: list[Callable[[], object]] = [
            lambda: ring.fsync(data_file), lambda: ring.timeout(1), lambda: ring.statx("/"), lambda: ring.open("/"),
            lambda: ring.poll(data_file), ring.socket, lambda: ring.close_fd(100),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(ValueError, match="IOPOLL"):
                call()
        assert ring.in_flight == 0
        assert ring._c.ring.sq.sqe_tail == 0
        assert ring.nop().result() == 0
