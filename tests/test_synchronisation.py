"""waitid against os.waitid; futexes between threads and processes."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import select
import signal
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from lifetime.memory import Buffer
from specs.kit import World

from pyuring import Completion, Ring


@pytest.fixture
def world(tmp_path: object) -> Iterator[World]:
    world = World(tmp_path)  # type: ignore[arg-type]
    yield world
    world.close()


# -- waitid -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["exit 0", "exit 42", "kill -9 $$", "kill -TERM $$"])
def test_waitid_tells_what_os_waitid_tells(ring: Ring, world: World, command: str) -> None:
    pid = world.child(command)
    seen = ring.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).result(timeout=10)
    assert seen == os.waitid(os.P_PID, pid, os.WEXITED)
    assert isinstance(seen, os.waitid_result)
    with pytest.raises(ChildProcessError):
        ring.waitid(os.P_PID, pid, os.WEXITED).result()


def test_waitid_tells_of_stops_and_of_going_on(ring: Ring, world: World) -> None:
    pid = world.child("sleep 60")
    for number, option, code in (
        (signal.SIGSTOP, os.WSTOPPED, os.CLD_STOPPED),
        (signal.SIGCONT, os.WCONTINUED, os.CLD_CONTINUED),
    ):
        op = ring.waitid(os.P_PID, pid, option)
        ring.submit()
        os.kill(pid, number)
        seen = op.result(timeout=10)
        assert seen is not None
        assert (seen.si_pid, seen.si_status, seen.si_code, seen.si_signo) == (pid, number, code, signal.SIGCHLD)


def test_waitid_with_wnohang_returns_none_where_nothing_happened(ring: Ring, world: World) -> None:
    pid = world.child("sleep 60")
    assert ring.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG).result() is None


def test_waitid_waits_by_pidfd_by_group_and_for_any(ring: Ring, world: World) -> None:
    pid = world.child("exit 7")
    pidfd = world.keep(os.pidfd_open(pid))
    for kind, number in ((os.P_PIDFD, pidfd), (os.P_PGID, os.getpgid(0)), (os.P_ALL, 0)):
        seen = ring.waitid(kind, number, os.WEXITED | os.WNOWAIT).result(timeout=10)
        assert seen is not None
        assert seen.si_pid == pid
    assert os.waitpid(pid, 0) == (pid, 7 << 8)


def test_waitid_waits_until_the_child_ends(ring: Ring, world: World) -> None:
    pid = world.child("sleep 60")
    op = ring.waitid(os.P_PID, pid, os.WEXITED)
    assert ring.wait(1, timeout=0.05) == []
    os.kill(pid, signal.SIGTERM)
    seen = op.result(timeout=10)
    assert seen is not None
    assert (seen.si_code, seen.si_status) == (os.CLD_KILLED, signal.SIGTERM)
    assert op.result() == seen


def test_waitid_of_several_children_tells_them_apart(ring: Ring, world: World) -> None:
    pids = {number: world.child(f"exit {number}") for number in range(1, 9)}
    ops = [ring.waitid(os.P_PID, pid, os.WEXITED, user_data=number) for number, pid in pids.items()]
    while not all(op.done for op in ops):
        ring.wait(1, timeout=10)
    for op in ops:
        seen = op.result()
        assert seen is not None
        assert (seen.si_pid, seen.si_status) == (pids[op.user_data], op.user_data)


def test_the_memory_for_a_child_is_held_though_the_handle_is_not(ring: Ring, world: World) -> None:
    pid = world.child("sleep 60")
    slot = ring.waitid(os.P_PID, pid, os.WEXITED)._slot
    ring.submit()
    gc.collect()
    assert ring._holds[slot] is not None
    os.kill(pid, signal.SIGKILL)
    (op,) = ring.wait(1, timeout=10)
    assert op.result().si_status == signal.SIGKILL
    assert ring._holds[slot] is None


# -- futexes ----------------------------------------------------------------------------


def test_a_futex_wakes_who_waits_for_it(ring: Ring) -> None:
    words = mmap.mmap(-1, 4096)
    op = ring.futex_wait(words, 0, 8)
    assert ring.wait(1, timeout=0.02) == []
    assert ring.futex_wake(words, 1, 4).result() == 0, "another word"
    assert ring.futex_wake(words, 1, 8).result() == 1
    assert op.result(timeout=5) is None


def test_a_futex_that_has_changed_is_not_waited_for(ring: Ring) -> None:
    words = bytearray(struct.pack("@II", 5, 2**32 - 1))
    for value, offset in ((4, 0), (0, 4)):
        with pytest.raises(BlockingIOError):
            ring.futex_wait(words, value, offset).result()
    ops = [ring.futex_wait(words, 5), ring.futex_wait(words, 2**32 - 1, 4)]
    assert ring.wait(1, timeout=0.02) == []
    assert not any(op.done for op in ops)


def test_a_futex_wakes_no_more_than_it_is_told(ring: Ring) -> None:
    words = bytearray(4)
    ops = [ring.futex_wait(words, 0) for _ in range(5)]
    ring.submit()
    assert ring.futex_wake(words, 0).result() == 0
    assert ring.futex_wake(words, 2).result() == 2
    assert ring.futex_wake(words).result() == 1
    assert ring.futex_wake(words, 2**31 - 1).result() == 2
    assert ring.futex_wake(words, 1).result() == 0
    while not all(op.done for op in ops):
        ring.wait(1, timeout=5)


def test_a_mask_chooses_who_is_woken(ring: Ring) -> None:
    words = bytearray(4)
    ops = {mask: ring.futex_wait(words, 0, mask=mask) for mask in (1, 2, 6)}
    ring.submit()
    assert ring.futex_wake(words, 9, mask=8).result() == 0
    assert ring.futex_wake(words, 9, mask=2).result() == 2
    assert ops[2].result(timeout=5) is ops[6].result(timeout=5) is None
    assert not ops[1].done


def test_private_and_shared_are_two_different_words(ring: Ring) -> None:
    words = bytearray(4)
    op = ring.futex_wait(words, 0, private=True)
    ring.submit()
    assert ring.futex_wake(words).result() == 0
    assert ring.futex_wake(words, private=True).result() == 1
    assert op.result(timeout=5) is None


def test_a_futex_is_woken_by_another_process(ring: Ring) -> None:
    words = mmap.mmap(-1, 4096)
    op = ring.futex_wait(words, 0, 64)
    ring.submit()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with Ring(4) as own:
                words[64:68] = struct.pack("@I", 7)
                code = 0 if own.futex_wake(words, 1, 64).result(timeout=5) == 1 else 2
        finally:
            os._exit(code)
    assert op.result(timeout=10) is None
    assert words[64:68] == struct.pack("@I", 7)
    assert os.waitpid(child, 0)[1] == 0


def test_a_mapped_file_is_shared_memory_too(ring: Ring, data_file: int) -> None:
    first, second = mmap.mmap(data_file, 4096), mmap.mmap(data_file, 4096)
    (value,) = struct.unpack("@I", first[:4])
    op = ring.futex_wait(first, value)
    ring.submit()
    assert ring.futex_wake(second).result() == 1
    assert op.result(timeout=5) is None


def test_threads_wait_for_each_other_by_futexes() -> None:
    """Ping-pong: a wake-up that came too early is told as a value that has changed."""
    words, rounds = bytearray(8), 200

    def play(mine: int, theirs: int, seen: list[int]) -> None:
        with Ring(4) as ring:
            for turn in range(1, rounds + 1):
                while (now := struct.unpack_from("@I", words, mine)[0]) < turn:
                    try:
                        ring.futex_wait(words, now, mine, timeout=10).result()
                    except BlockingIOError:
                        continue
                seen.append(turn)
                struct.pack_into("@I", words, theirs, turn + (theirs == 0))
                ring.futex_wake(words, 1, theirs).result()

    logs: tuple[list[int], list[int]] = ([], [])
    players = [threading.Thread(target=play, args=(4 * i, 4 - 4 * i, logs[i])) for i in range(2)]
    for player in players:
        player.start()
    struct.pack_into("@I", words, 0, 1)
    with Ring(4) as ring:
        ring.futex_wake(words).result()
    for player in players:
        player.join(timeout=30)
    assert logs == ([*range(1, rounds + 1)],) * 2


def test_futex_waitv_tells_which_word_it_was(ring: Ring) -> None:
    words = [bytearray(8) for _ in range(128)]
    for index, offset in ((0, 0), (64, 4), (127, 4)):
        op = ring.futex_waitv([(word, 0, offset) for word in words])
        ring.submit()
        assert ring.futex_wake(words[index], 9, offset).result() == 1
        assert op.result(timeout=5) == index
        assert ring.futex_wake(words[index], 9, offset).result() == 0


def test_futex_waitv_waits_for_none_if_one_has_changed(ring: Ring) -> None:
    words = bytearray(12)
    with pytest.raises(BlockingIOError):
        ring.futex_waitv([(words, 0), (words, 1, 4), (words, 0, 8)]).result()
    assert ring.futex_wake(words).result() == 0


# -- memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["wake", "cancel", "timeout", "close"])
@pytest.mark.parametrize("method", ["futex_wait", "futex_waitv"])
def test_a_word_is_held_until_the_wait_is_over(method: str, end: str) -> None:
    with Ring(8) as ring:
        words, mapping = bytearray(8), mmap.mmap(-1, 4096)
        limit = 0.02 if end == "timeout" else None
        ops: list[Completion[Any]]
        if method == "futex_wait":
            ops = [ring.futex_wait(memory, 0, timeout=limit) for memory in (words, mapping)]
        else:
            ops = [ring.futex_waitv([(words, 0), (mapping, 0)], timeout=limit)]
        ring.submit()
        with pytest.raises(BufferError):
            words.append(0)
        with pytest.raises(BufferError):
            mapping.close()
        if end == "wake":
            assert ring.futex_wake(words).result() == 1
            ring.futex_wake(mapping).result()
        elif end == "cancel":
            for op in ops:
                op.cancel()
        elif end == "close":
            ring.close()
        while not all(op.done for op in ops):
            ring.wait(1, timeout=5)
        words.append(0)
        mapping.close()
        if end == "timeout":
            assert {op.res for op in ops} == {-errno.ECANCELED}


def test_a_word_that_nobody_refers_to_is_held(ring: Ring) -> None:
    words, others = Buffer(4), Buffer(8)
    alive = weakref.ref(words), weakref.ref(others)
    ring.futex_wait(words, 0, timeout=0.02)
    ring.futex_waitv([(others, 0), (others, 0, 4)], timeout=0.02)
    del words, others
    ring.submit()
    gc.collect()
    assert all(reference() is not None for reference in alive)
    while ring.in_flight:
        ring.wait(1, timeout=5)
    assert not any(reference() is not None for reference in alive)


def test_words_that_are_refused_can_be_resized_at_once(ring: Ring) -> None:
    words = bytearray(8)
    errors = []  # with their tracebacks
    for call in (
        lambda: ring.futex_wait(words, 0, 2), lambda: ring.futex_wait(words, 2**32), lambda: ring.futex_wake(words, -1),
        lambda: ring.futex_waitv([(words, 0), (words, 0, 6)]), lambda: ring.futex_waitv([(words, 0), (words, 0), 5]),  # type: ignore[list-item]
        lambda: ring.futex_waitv([(words, 0), (words, 2**32)]), lambda: ring.futex_wait(words, 0, timeout=-1),
        lambda: ring.futex_waitv([(words, 0)], flags=1 << 7),
    ):  # fmt: skip
        with pytest.raises((ValueError, OverflowError, TypeError)) as caught:
            call()
        errors.append(caught.value)
        words.append(0)
        words.pop()
    assert ring.in_flight == 0
    assert len(errors) == 8


def test_a_wait_for_a_word_does_not_hold_up_the_ring(ring: Ring, pipe: tuple[int, int]) -> None:
    ring.futex_wait(bytearray(4), 0)
    started = time.monotonic()
    os.write(pipe[1], b"x")
    assert ring.poll(pipe[0]).result(timeout=5) == select.POLLIN
    assert time.monotonic() - started < 1
