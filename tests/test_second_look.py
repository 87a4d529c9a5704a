"""What a second reader found: each was wrong once."""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path

import pytest

import pyuring
from pyuring import Ring


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_file_object_that_the_caller_drops_is_not_closed_before_it_is_read(ring: Ring, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(f"this is {name}")
    op = ring.read((tmp_path / "a").open("rb"), 100, 0)
    with (tmp_path / "b").open("rb"):
        assert op.result() == b"this is a"


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_write_goes_to_the_file_that_was_given(ring: Ring, tmp_path: Path) -> None:
    op = ring.write((tmp_path / "a").open("wb"), b"for a", 0)
    with (tmp_path / "b").open("wb"):
        assert op.result() == 5
    assert (tmp_path / "a").read_bytes() == b"for a"
    assert (tmp_path / "b").read_bytes() == b""


def test_cancelling_in_a_child_that_closed_the_ring_is_refused(ring: Ring, pipe: tuple[int, int]) -> None:
    op = ring.read(pipe[0], 10)
    ring.submit()
    child = os.fork()
    if child == 0:
        ring.close()
        done = op.done
        try:
            ring.cancel(op)
        except RuntimeError:
            os._exit(0 if done else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not op.done


def test_a_link_that_waits_for_its_turn_is_cancelled_when_it_has_come(pipe: tuple[int, int]) -> None:
    second = os.pipe()
    with Ring(8) as ring:
        with ring.link():
            first, waiting = ring.read(pipe[0], 1), ring.read(second[0], 1)
        ring.submit()
        waiting.cancel()
        assert ring.wait(1, timeout=0.05) == []
        os.write(pipe[1], b"x")
        assert first.result() == b"x"
        with pytest.raises(OSError) as caught:
            waiting.result(timeout=5)
        assert caught.value.errno == errno.ECANCELED
    for fd in second:
        os.close(fd)


def test_a_drained_operation_and_what_it_waits_for_can_be_cancelled(pipe: tuple[int, int]) -> None:
    with Ring(8) as ring:
        first, drained = ring.read(pipe[0], 1), ring.read(pipe[0], 1, drain=True)
        ring.submit()
        drained.cancel()
        first.cancel()
        for op in (first, drained):
            with pytest.raises(OSError) as caught:
                op.result(timeout=5)
            assert caught.value.errno == errno.ECANCELED


def test_connect_leaves_the_descriptor_as_it_was(ring: Ring) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setblocking(True)
        socket.setdefaulttimeout(5)
        try:
            ring.connect(client.fileno(), listener.getsockname()).result()
        finally:
            socket.setdefaulttimeout(None)
        assert os.get_blocking(client.fileno())


def test_another_thread_does_not_undo_a_registration(ring: Ring, data_file: int) -> None:
    files, buffers = ring.register_files([data_file]), ring.register_buffers(count=1, size=4096)
    refused: list[type] = []

    def intrude() -> None:
        for register in (lambda: ring.register_files([data_file]), lambda: ring.register_buffers(count=1, size=4096)):
            try:
                register()
            except RuntimeError as error:
                refused.append(type(error))

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert refused == [RuntimeError, RuntimeError]
    assert ring.readinto(files[0], buffers[0], 0).result() == 4096


def test_a_wait_submits_all_that_is_prepared_also_behind_a_bad_operation(pipe: tuple[int, int]) -> None:
    with Ring(8, setup=0) as ring:  # without SUBMIT_ALL
        ops = [ring.nop(), ring.accept(pipe[0], -1), ring.nop(), ring.nop()]
        ring.wait(0)
        assert ring.stats()["submitted"] == 4
        assert [op.done for op in ops] == [True] * 4


def test_more_than_any_ring_holds_can_be_asked_for(ring: Ring) -> None:
    ring.nop()
    assert len(ring.wait(2**40)) == 1


def test_the_time_limit_of_a_result_is_checked_on_a_finished_operation_too(ring: Ring) -> None:
    op = ring.nop()
    op.result()
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            op.result(timeout=timeout)


def test_what_is_unregistered_is_so_also_for_those_who_asked_before(ring: Ring) -> None:
    buffers = ring.register_buffers(count=2, size=512)
    assert len(buffers[0]) == 512
    buffers.unregister()
    for index in (0, 1):
        with pytest.raises(ValueError, match="unregistered"):
            buffers[index]


def test_a_list_of_buffers_and_a_count_exclude_each_other(ring: Ring) -> None:
    with pytest.raises(TypeError):
        ring.register_buffers([bytearray(4096)], count=3)


@pytest.mark.parametrize("seconds", [1234567890.123456789, 0.1, 1e9 + 0.000000001])
def test_times_are_those_of_os_stat_to_the_last_bit(ring: Ring, tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "file"
    path.touch()
    os.utime(path, ns=(int(seconds * 1e9), int(seconds * 1e9) + 1))
    ours, theirs = ring.statx(path).result(), path.stat()
    assert (ours.st_atime, ours.st_mtime) == (theirs.st_atime, theirs.st_mtime)


def test_pyuring_has_closed_what_it_held_after_these(ring: Ring) -> None:
    before = len(os.listdir("/proc/self/fd"))
    pyuring.Ring(4).close()
    assert len(os.listdir("/proc/self/fd")) == before
