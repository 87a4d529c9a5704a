"""Rings that start disabled, and what they may do once they are enabled."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from pyuring import Restrictions, Ring, SetupFlags, SqeFlags, UnsupportedError
from pyuring._ffi import lib

DISABLED = [
    SetupFlags.R_DISABLED,
    SetupFlags.R_DISABLED | SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN,
    SetupFlags.R_DISABLED | SetupFlags.SQPOLL,
]


# -- disabled rings ------------------------------------------------------------------------


@pytest.mark.parametrize("setup", DISABLED, ids=lambda setup: setup.name)
def test_a_disabled_ring_prepares_and_submits_once_it_is_enabled(setup: SetupFlags, data_file: int) -> None:
    with Ring(8, setup=setup) as ring:
        assert not ring.enabled
        op = ring.read(data_file, 10, 0)
        for call in (ring.submit, op.result, ring.wait, lambda: ring.wait(1, timeout=1)):
            with pytest.raises(RuntimeError, match="enable"):
                call()
        assert ring.completions() == []
        ring.enable()
        assert ring.enabled
        assert op.result(timeout=10) == os.pread(data_file, 10, 0)
        assert ring.nop().result() == 0


@pytest.mark.parametrize("setup", DISABLED, ids=lambda setup: setup.name)
def test_a_disabled_ring_is_closed_at_once_and_executes_nothing(setup: SetupFlags, pipe: tuple[int, int]) -> None:
    ring = Ring(8, setup=setup)
    op = ring.write(pipe[1], b"never")
    with pytest.raises(RuntimeError):
        ring.submit()
    begun = time.monotonic()
    ring.close()
    assert time.monotonic() - begun < 5
    assert op.res == -errno.ECANCELED
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


@pytest.mark.parametrize("setup", DISABLED, ids=lambda setup: setup.name)
def test_a_full_queue_of_a_disabled_ring_is_refused_and_not_lost(setup: SetupFlags) -> None:
    with Ring(4, setup=setup) as ring:
        operations = [ring.nop() for _ in range(4)]
        with pytest.raises(RuntimeError, match="enable"):
            ring.nop()
        ring.enable()
        assert len(ring.wait(4)) == 4
        assert all(op.res == 0 for op in operations)


def test_a_ring_is_enabled_once(ring: Ring) -> None:
    assert ring.enabled
    with pytest.raises(RuntimeError, match="enabled already"):
        ring.enable()
    with Ring(8, setup=SetupFlags.R_DISABLED) as other:
        other.enable()
        with pytest.raises(RuntimeError, match="enabled already"):
            other.enable()


# -- restrictions ------------------------------------------------------------------------------


def restricted(**rules: Any) -> Ring:
    ring = Ring(8, restrictions=Restrictions(**rules))
    assert not ring.enabled
    return ring


def test_only_the_operations_that_are_allowed_are_executed(data_file: int, pipe: tuple[int, int]) -> None:
    with restricted(operations=["read", "nop"]) as ring:
        ring.enable()
        assert ring.read(data_file, 10, 0).result() == os.pread(data_file, 10, 0)
        assert ring.nop().result() == 0
        before = os.pread(data_file, 10, 0)
        for op in (ring.write(data_file, b"x", 0), ring.fsync(data_file), ring.open("/")):
            with pytest.raises(PermissionError) as caught:
                op.result()
            assert caught.value.errno == errno.EACCES
        assert os.pread(data_file, 10, 0) == before


def test_what_pyuring_sends_for_itself_is_allowed(pipe: tuple[int, int]) -> None:
    ring = restricted(operations=["read"], register_calls=[], flags=0)
    ring.enable()
    with pytest.raises(TimeoutError):
        ring.read(pipe[0], 1, timeout=0.01).result()
    op = ring.read(pipe[0], 1)
    op.cancel()
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.ECANCELED
    last = ring.read(pipe[0], 1)
    ring.submit()
    begun = time.monotonic()
    ring.close()
    assert last.res == -errno.ECANCELED
    assert time.monotonic() - begun < 5


def test_opcodes_are_allowed_by_number_too() -> None:
    with restricted(operations=[lib.IORING_OP_NOP]) as ring:
        ring.enable()
        assert ring.nop().result() == 0
        with pytest.raises(PermissionError):
            ring.timeout(0).result()


def test_only_the_register_calls_that_are_allowed_are_made(data_file: int) -> None:
    with restricted(register_calls=["REGISTER_PERSONALITY", 10]) as ring:
        files = ring.register_files([data_file])
        buffers = ring.register_buffers([bytearray(10)])
        ring.enable()
        ring.unregister_personality(ring.register_personality())
        calls: list[Callable[[], object]] = [
            ring.iowq_max_workers, lambda: ring.register_clock(time.CLOCK_MONOTONIC), files.unregister,
            lambda: files.update(0, None), buffers.unregister, ring.register_ring_fd,
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(PermissionError):
                call()
        assert ring.readinto(files[0], buffers[0], 0).result() == 10
        assert ring.supports("read"), "known by the kernel's release, if not by asking"


def test_a_registered_ring_can_be_unregistered_again() -> None:
    with restricted(register_calls=["REGISTER_RING_FDS"]) as ring:
        ring.enable()
        ring.register_ring_fd()
        assert ring.nop().result() == 0
        ring.unregister_ring_fd()
        assert ring.nop().result() == 0


def test_only_the_flags_that_are_allowed_may_be_set(data_file: int) -> None:
    with restricted(flags=SqeFlags.IO_DRAIN) as ring:
        files = ring.register_files([data_file])
        ring.enable()
        assert ring.nop(drain=True).result() == 0
        for op in (ring.nop(flags=SqeFlags.ASYNC), ring.read(files[0], 1)):
            with pytest.raises(PermissionError):
                op.result()


def test_registered_files_can_be_required(data_file: int, pipe: tuple[int, int]) -> None:
    ring = restricted(required=SqeFlags.FIXED_FILE)
    files = ring.register_files([data_file, pipe[0]])
    ring.enable()
    assert ring.read(files[0], 10, 0).result() == os.pread(data_file, 10, 0)
    with pytest.raises(PermissionError):
        ring.read(data_file, 10, 0).result()
    with pytest.raises(TimeoutError):
        ring.read(files[1], 1, timeout=0.01).result()
    op = ring.read(files[1], 1)
    op.cancel()
    with pytest.raises(OSError) as caught:
        op.result()
    assert caught.value.errno == errno.ECANCELED
    last = ring.read(files[1], 1)
    ring.submit()
    ring.close()
    assert last.res == -errno.ECANCELED


def test_async_can_be_required(pipe: tuple[int, int]) -> None:
    with restricted(required=SqeFlags.ASYNC) as ring:
        ring.enable()
        with pytest.raises(PermissionError):
            ring.nop().result()
        assert ring.nop(flags=SqeFlags.ASYNC).result() == 0
        with pytest.raises(TimeoutError):
            ring.read(pipe[0], 1, flags=SqeFlags.ASYNC, timeout=0.01).result()
        ring.read(pipe[0], 1, flags=SqeFlags.ASYNC).cancel()


def test_without_a_list_everything_is_allowed(data_file: int) -> None:
    with restricted() as ring:
        ring.enable()
        assert ring.write(data_file, b"x", 0, flags=SqeFlags.ASYNC).result() == 1
        assert ring.register_personality() > 0
        ring.register_buffers(count=1, size=8).unregister()
        with ring.link():
            chain = [ring.nop(), ring.nop()]
        assert [op.result() for op in chain] == [0, 0]


def test_restrictions_go_with_registered_waits(pipe: tuple[int, int]) -> None:
    with Ring(8, restrictions=Restrictions(["read"]), registered_waits=True) as ring:
        assert not ring.enabled
        ring.enable()
        with pytest.raises(TimeoutError):
            ring.read(pipe[0], 1).result(timeout=0.01)


def test_restrictions_can_be_used_again() -> None:
    rules = Restrictions(operations=["nop"])
    for _ in range(2):
        with Ring(8, restrictions=rules) as ring:
            ring.enable()
            assert ring.nop().result() == 0
            with pytest.raises(PermissionError):
                ring.timeout(0).result()


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"operations": ["reed"]}, "reed"),
        ({"operations": [-1]}, "-1"),
        ({"operations": [1000]}, "1000"),
        ({"register_calls": ["REGISTER_NOTHING"]}, "REGISTER_NOTHING"),
        ({"register_calls": [-1]}, "-1"),
        ({"required": SqeFlags.IO_LINK}, "required"),
        ({"required": SqeFlags.IO_DRAIN | SqeFlags.ASYNC}, "required"),
        ({"required": 1 << 10}, "required"),
        ({"flags": 1 << 10}, "flags"),
        ({"flags": -1}, "flags"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules: dict[str, Any], text: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match=text):
        Ring(8, restrictions=Restrictions(**rules))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("rules", "since"), [({"operations": [63]}, "6.19"), ({"register_calls": [37]}, "7.0")])
def test_what_the_kernel_lacks_cannot_be_allowed(rules: dict[str, Any], since: str) -> None:
    release = [int(part) for part in os.uname().release.split("-")[0].split(".")[:2]]
    if release >= [int(part) for part in since.split(".")]:
        Ring(8, restrictions=Restrictions(**rules)).close()
        return
    with pytest.raises(UnsupportedError, match=f"Linux {since}"):
        Ring(8, restrictions=Restrictions(**rules))


@pytest.mark.parametrize("rules", [{"operations": "read"}, {"register_calls": "REGISTER_PROBE"}])
def test_a_single_name_is_not_a_list(rules: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="list"):
        Restrictions(**rules)
