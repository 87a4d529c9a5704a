"""Chains of linked SQEs."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyuring import Completion, Ring


def canceled(op: Completion[object]) -> bool:
    return op.res == -errno.ECANCELED


def test_a_chain_runs_in_order(ring: Ring, data_file: int) -> None:
    with ring.link():
        write = ring.write(data_file, b"header", 0)
        flush = ring.fsync(data_file)
        read = ring.read(data_file, 6, 0)
    assert read.result() == b"header"
    assert write.result() == 6
    assert flush.result() is None


def test_each_operation_of_a_chain_waits_for_the_one_before(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        first = ring.read(pipe[0], 1)
        second = ring.nop()
        third = ring.nop()
    ring.submit()
    assert ring.wait(1, timeout=0.02) == []
    os.write(pipe[1], b"x")
    assert ring.wait(3, timeout=5) == [first, second, third]


def test_operations_after_a_chain_do_not_wait_for_it(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        blocked = ring.read(pipe[0], 1)
        last = ring.nop()
    free = ring.nop()
    assert ring.wait(1, timeout=5) == [free]
    assert not blocked.done
    assert not last.done


def test_two_chains_are_two(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        ring.read(pipe[0], 1)
        ring.nop()
    with ring.link():
        first = ring.nop()
        second = ring.nop()
    assert ring.wait(2, timeout=5) == [first, second]


def test_a_failure_cancels_what_follows_in_a_soft_chain(ring: Ring, data_file: int, tmp_path: Path) -> None:
    with ring.link():
        before = ring.nop()
        fails = ring.open(tmp_path / "no")
        write = ring.write(data_file, b"never", 0)
        last = ring.nop()
    assert len(ring.wait(4)) == 4
    assert before.res == 0
    assert fails.res == -errno.ENOENT
    assert canceled(write)
    assert canceled(last)
    assert os.pread(data_file, 5, 0) != b"never"


CUTTING: dict[str, Callable[[Ring, int], Completion[Any]]] = {
    "read": lambda r, fd: r.read(fd, 1),
    "readinto": lambda r, fd: r.readinto(fd, bytearray(1)),
    "write": lambda r, fd: r.write(fd, b"x"),
    "readv": lambda r, fd: r.readv(fd, [bytearray(1)]),
    "writev": lambda r, fd: r.writev(fd, [b"x"]),
    "open": lambda r, fd: r.open("/no/such/file"),
    "close_fd": lambda r, fd: r.close_fd(fd),
    "poll": lambda r, fd: r.poll(fd),
    "socket": lambda r, fd: r.socket(12345),
    "accept": lambda r, fd: r.accept(fd),
    "send": lambda r, fd: r.send(fd, b"x"),
    "recv": lambda r, fd: r.recv(fd, 1),
    "recv_into": lambda r, fd: r.recv_into(fd, bytearray(1)),
    "shutdown": lambda r, fd: r.shutdown(fd, 0),
    "timeout": lambda r, fd: r.timeout(0.001),
}


@pytest.mark.parametrize("operation", CUTTING)
def test_these_operations_cut_a_soft_chain_when_they_fail(ring: Ring, operation: str) -> None:
    with ring.link():
        fails = CUTTING[operation](ring, 1_000_003)
        rest = ring.nop()
    assert len(ring.wait(2, timeout=5)) == 2
    assert fails.res is not None
    assert fails.res < 0
    assert canceled(rest)


#: The kernel does not count the failure of these as one: docs/design.md and Ring.link say so.
LENIENT: dict[str, Callable[[Ring, int], Completion[Any]]] = {
    "fsync": lambda r, pipe: r.fsync(pipe),
    "fallocate": lambda r, pipe: r.fallocate(pipe, 0, 1),
    "ftruncate": lambda r, pipe: r.ftruncate(pipe, 1),
    "statx": lambda r, pipe: r.statx("/no/such/file"),
    "unlink": lambda r, pipe: r.unlink("/no/such/file"),
    "rename": lambda r, pipe: r.rename("/no/such/file", "/no/such/other"),
    "mkdir": lambda r, pipe: r.mkdir("/"),
    "rmdir": lambda r, pipe: r.rmdir("/no/such/folder"),
    "hardlink": lambda r, pipe: r.hardlink("/no/such/file", "/no/such/other"),
    "symlink": lambda r, pipe: r.symlink("target", "/no/such/link"),
    "madvise": lambda r, pipe: r.madvise(mmap.mmap(-1, 4096), 999),
    "sync_file_range": lambda r, pipe: r.sync_file_range(pipe, 0, 0),
    "getxattr": lambda r, pipe: r.getxattr("/no/such/file", "user.name"),
    "setxattr": lambda r, pipe: r.setxattr("/no/such/file", "user.name", b""),
}


@pytest.mark.parametrize("operation", LENIENT)
def test_after_these_operations_a_failure_has_to_be_looked_for(
    ring: Ring, pipe: tuple[int, int], operation: str
) -> None:
    """Should a kernel cut the chain one day, the text in the documentation is to be changed."""
    with ring.link():
        fails = LENIENT[operation](ring, pipe[1])
        rest = ring.nop()
    assert len(ring.wait(2, timeout=5)) == 2
    with pytest.raises(OSError):
        fails.result()
    assert rest.res in (0, -errno.ECANCELED)


def test_a_failure_does_not_end_a_hard_chain(ring: Ring, data_file: int, tmp_path: Path) -> None:
    with ring.link(hard=True):
        fails = ring.unlink(tmp_path / "no")
        write = ring.write(data_file, b"still", 0)
        last = ring.nop()
    assert last.result() == 0
    assert fails.res == -errno.ENOENT
    assert write.result() == 5
    assert os.pread(data_file, 5, 0) == b"still"


def test_a_short_read_cuts_a_soft_chain(ring: Ring, data_file: int) -> None:
    with ring.link():
        short = ring.read(data_file, 100, 65536 - 10)
        rest = ring.nop()
    assert len(short.result()) == 10
    with pytest.raises(OSError) as caught:
        rest.result()
    assert caught.value.errno == errno.ECANCELED


def test_a_short_read_does_not_cut_a_hard_chain(ring: Ring, data_file: int) -> None:
    with ring.link(hard=True):
        short = ring.read(data_file, 100, 65536 - 10)
        rest = ring.nop()
    assert len(short.result()) == 10
    assert rest.result() == 0


def test_an_exception_in_the_block_discards_the_chain(ring: Ring, data_file: int) -> None:
    before = os.pread(data_file, 5, 0)
    buffer = bytearray(8)
    with pytest.raises(ZeroDivisionError), ring.link():
        write = ring.write(data_file, b"never", 0)
        read = ring.readinto(data_file, buffer, 0)
        timed = ring.nop(timeout=5)
        raise ZeroDivisionError
    assert canceled(write)
    assert canceled(read)
    assert canceled(timed)
    assert ring.stats()["submitted"] == 0
    assert ring.in_flight == 0
    buffer.append(0)
    assert os.pread(data_file, 5, 0) == before
    with pytest.raises(OSError) as caught:
        timed.result()
    assert caught.value.errno == errno.ECANCELED
    assert not isinstance(caught.value, TimeoutError)


def test_the_handles_of_a_discarded_chain_are_delivered_once(ring: Ring) -> None:
    with pytest.raises(ZeroDivisionError), ring.link():
        ring.nop(user_data=1)
        ring.nop(user_data=2)
        raise ZeroDivisionError
    assert [op.user_data for op in ring.completions()] == [1, 2]
    assert ring.completions() == []


def test_what_was_prepared_before_a_discarded_chain_goes_on(ring: Ring) -> None:
    before = ring.nop()
    with pytest.raises(ZeroDivisionError), ring.link():
        ring.nop()
        raise ZeroDivisionError
    after = ring.nop()
    assert before.result() == after.result() == 0


def test_nothing_of_a_chain_is_submitted_before_its_end(ring: Ring) -> None:
    with ring.link():
        for _ in range(5):
            ring.nop()
        assert ring.stats()["submitted"] == 0
        assert ring.in_flight == 5
    assert ring.stats()["submitted"] == 0, "its end does not submit either"
    assert ring.submit() == 5


@pytest.mark.parametrize("call", ["submit", "wait", "submit_and_wait", "result", "result(timeout)", "link", "cancel"])
def test_what_would_split_a_chain_is_a_runtimeerror_inside(ring: Ring, call: str) -> None:
    before = ring.nop()
    with ring.link():
        first = ring.nop()
        with pytest.raises(RuntimeError, match=r"link\(\)"):
            match call:
                case "result":
                    before.result()
                case "result(timeout)":
                    first.result(timeout=1)
                case "cancel":
                    before.cancel()
                case "link":
                    with ring.link():
                        pytest.fail("a chain in a chain")
                case "wait":
                    ring.wait(1, timeout=1)
                case _:
                    getattr(ring, call)()
        second = ring.nop()
    assert [op.result() for op in (before, first, second)] == [0, 0, 0], "the chain is as it was"
    assert ring.stats()["submitted"] == 3


def test_the_result_of_a_finished_operation_is_there_inside_a_chain(ring: Ring, data_file: int) -> None:
    finished = ring.read(data_file, 5, 0)
    finished.result()
    with ring.link():
        ring.write(data_file, finished.result(), 5)
        last = ring.read(data_file, 10, 0)
    assert last.result() == finished.result() * 2


def test_a_chain_has_at_most_as_many_sqes_as_the_ring_has_entries() -> None:
    with Ring(8) as ring:
        with ring.link():
            operations = [ring.nop() for _ in range(8)]
        assert [op.result() for op in operations] == [0] * 8
        with pytest.raises(ValueError, match="entries"), ring.link():
            operations = [ring.nop() for _ in range(8)]
            ring.nop()
        assert all(canceled(op) for op in operations)
        assert ring.stats()["submitted"] == 8


def test_an_operation_with_a_time_limit_counts_two_in_a_chain() -> None:
    with Ring(8) as ring:
        with ring.link():
            operations = [ring.nop(timeout=30) for _ in range(4)]
        assert [op.result() for op in operations] == [0] * 4
        with pytest.raises(ValueError, match="entries"), ring.link():
            for _ in range(7):
                ring.nop()
            ring.nop(timeout=30)
        with ring.link():
            for _ in range(7):
                last = ring.nop()
            with pytest.raises(ValueError, match="entries"):
                ring.nop(timeout=30)
            last = ring.nop()
        assert last.result() == 0


def test_a_chain_too_long_can_be_caught_inside_and_the_rest_of_it_runs() -> None:
    with Ring(4) as ring:
        with ring.link():
            operations = [ring.nop() for _ in range(4)]
            with pytest.raises(ValueError):
                ring.nop()
        assert [op.result() for op in operations] == [0] * 4


@pytest.mark.parametrize("before", range(9))
def test_a_chain_is_never_split_wherever_it_meets_the_end_of_the_queue(pipe: tuple[int, int], before: int) -> None:
    with Ring(8) as ring:
        for _ in range(before):
            ring.nop()
        with ring.link():
            first = ring.read(pipe[0], 1)
            rest = [ring.nop() for _ in range(5)]
        while ring.in_flight > 6:
            ring.wait(1)
        assert ring.wait(1, timeout=0.01) == [], "a chain in two pieces would run its second piece at once"
        assert not any(op.done for op in rest)
        os.write(pipe[1], b"x")
        seen: list[Completion[object]] = []
        while len(seen) < 6:
            seen += ring.wait(1, timeout=5)
        assert seen == [first, *rest]


def test_a_chain_finds_room_when_the_ring_is_at_its_limit() -> None:
    with Ring(8, cq_entries=8) as ring:
        for turn in range(50):
            before = [ring.nop() for _ in range(turn % 8)]
            with ring.link():
                operations = [ring.nop() for _ in range(8)]
            assert [op.result() for op in operations] == [0] * 8
            assert all(op.done for op in before)


def test_an_empty_chain_is_nothing(ring: Ring) -> None:
    with ring.link():
        pass
    assert ring.submit() == 0


def test_a_chain_of_one_is_an_operation(ring: Ring) -> None:
    with ring.link():
        op = ring.nop()
    assert op.result() == 0


def test_a_bad_argument_in_a_chain_discards_it_unless_it_is_caught(ring: Ring) -> None:
    with pytest.raises(ValueError), ring.link():
        first = ring.nop()
        ring.read(-1, 1)
    assert canceled(first)
    with ring.link():
        first = ring.nop()
        with pytest.raises(ValueError):
            ring.read(-1, 1)
        second = ring.nop()
    assert first.result() == second.result() == 0


def test_a_time_limit_that_expires_cuts_a_soft_chain(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        slow = ring.read(pipe[0], 1, timeout=0.02)
        rest = ring.nop()
    with pytest.raises(TimeoutError):
        slow.result()
    ring.wait(1, timeout=5)
    assert canceled(rest)


def test_a_time_limit_that_is_kept_does_not_cut_a_chain(ring: Ring, data_file: int) -> None:
    with ring.link():
        write = ring.write(data_file, b"in time", 0, timeout=30)
        read = ring.read(data_file, 7, 0, timeout=30)
    assert read.result() == b"in time"
    assert write.result() == 7


def test_cancelling_one_operation_of_a_chain_cancels_the_rest(ring: Ring, pipe: tuple[int, int]) -> None:
    with ring.link():
        first = ring.read(pipe[0], 1)
        second = ring.nop()
    first.cancel()
    assert len(ring.wait(2, timeout=5)) == 2
    assert canceled(first)
    assert canceled(second)


def test_a_drained_chain_waits_as_a_whole(ring: Ring) -> None:
    slow = ring.timeout(0.03)
    with ring.link():
        first = ring.nop(drain=True)
        second = ring.nop()
    started = time.monotonic()
    assert second.result() == 0
    assert time.monotonic() - started > 0.02
    assert slow.done
    assert first.done


def test_a_file_is_written_flushed_and_renamed_in_one_submission(ring: Ring, tmp_path: Path) -> None:
    """What a chain is for: the new file is complete before it replaces the old one."""
    (tmp_path / "file").write_bytes(b"old")
    fd = os.open(tmp_path / "file.new", os.O_WRONLY | os.O_CREAT)
    with ring.link():
        ring.write(fd, b"new content", 0)
        ring.fsync(fd)
        ring.rename(tmp_path / "file.new", tmp_path / "file")
        last = ring.close_fd(fd)
    assert ring.submit() == 4
    assert last.result() is None
    assert (tmp_path / "file").read_bytes() == b"new content"
    with pytest.raises(OSError):
        os.fstat(fd)


def test_link_on_a_ring_can_be_prepared_and_not_used(ring: Ring) -> None:
    ring.link()
    assert ring.nop().result() == 0
