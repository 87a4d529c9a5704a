"""Pipes, splice and tee, against their cousins in `os`."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from opened import descriptors

from pyuring import Completion, RegisteredFiles, Ring


@pytest.fixture
def other() -> Any:
    """A second pipe: (read end, write end)."""
    pair = os.pipe()
    yield pair
    for fd in pair:
        os.close(fd)


# -- pipe ---------------------------------------------------------------------------------------


def test_a_pipe_is_what_os_pipe_makes(ring: Ring) -> None:
    before = descriptors()
    op = ring.pipe()
    reader, writer = op.result()
    assert op.result() == (reader, writer)
    assert {reader, writer} == descriptors() - before
    os.write(writer, b"through")
    assert os.read(reader, 99) == b"through"
    assert not os.get_inheritable(reader)
    assert not os.get_inheritable(writer)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_pipe_takes_the_flags_of_pipe2(ring: Ring) -> None:
    reader, writer = ring.pipe(os.O_NONBLOCK | os.O_DIRECT).result()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.write(writer, b"one")
    os.write(writer, b"two")
    assert os.read(reader, 99) == b"one", "packets stay apart"
    os.close(reader)
    os.close(writer)


def test_a_pipe_is_made_into_two_slots_without_a_descriptor(ring: Ring) -> None:
    files = ring.register_files(sparse=4)
    before = descriptors()
    chosen = ring.pipe(direct=files[1]).result()
    assert chosen == (files[1], files[2])
    picked = ring.pipe(os.O_CLOEXEC, direct=files).result()
    assert set(picked) == {files[0], files[3]}
    assert descriptors() == before
    for reader, writer in (chosen, picked):
        assert ring.write(writer, b"through").result() == 7
        assert ring.read(reader, 99).result() == b"through"
        ring.close_fd(writer).result()
        assert ring.read(reader, 99).result() == b""


def test_a_pipe_needs_two_free_slots(ring: Ring) -> None:
    files = ring.register_files(sparse=3)
    ring.open(os.devnull, direct=files[0]).result()
    ring.open(os.devnull, direct=files[1]).result()
    with pytest.raises(OSError) as caught:
        ring.pipe(direct=files).result()
    assert caught.value.errno == errno.ENFILE
    assert any("no free slot" in note for note in caught.value.__notes__)
    assert ring.open(os.devnull, direct=files).result() is files[2], "the one for its first end was given back"


def test_a_pipe_closes_what_is_in_the_slots_it_is_made_into(ring: Ring, pipe: tuple[int, int]) -> None:
    files = ring.register_files([pipe[1], pipe[1], pipe[1]])
    os.close(pipe[1])
    reader, writer = ring.pipe(direct=files[1]).result()
    ring.close_fd(files[0]).result()
    assert os.read(pipe[0], 1) == b"", "no slot has its write end any more"
    assert ring.write(writer, b"x").result() == 1
    assert ring.read(reader, 9).result() == b"x"


def test_the_last_slot_has_none_for_the_other_end(ring: Ring) -> None:
    files = ring.register_files(sparse=3)
    with pytest.raises(ValueError, match="2 is the last"):
        ring.pipe(direct=files[2])
    with Ring(8) as foreign:
        larger = foreign.register_files(sparse=9)
        with pytest.raises(ValueError, match="not this ring's"):
            ring.pipe(direct=larger[7])
        with pytest.raises(ValueError, match="not this ring's"):
            ring.pipe(direct=larger[1])
    assert ring.in_flight == 0


# -- splice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "offset"), [(10, None), (10, 0), (10, 65530), (65536, None), (0, None), (10, 2**40)])
def test_splice_from_a_file_does_what_os_splice_does(
    ring: Ring, data_file: int, pipe: tuple[int, int], other: tuple[int, int], count: int, offset: int | None
) -> None:
    os.lseek(data_file, 100, os.SEEK_SET)
    theirs = os.splice(data_file, pipe[1], count, offset)
    after = os.lseek(data_file, 0, os.SEEK_CUR)
    os.lseek(data_file, 100, os.SEEK_SET)
    ours = ring.splice(data_file, other[1], count, offset).result()
    assert ours == theirs
    assert os.lseek(data_file, 0, os.SEEK_CUR) == after
    assert drained(other[0], ours) == drained(pipe[0], theirs)


def drained(fd: int, length: int) -> bytes:
    return os.read(fd, 99_999) if length else b""


def test_splice_into_a_file_lands_at_the_offset(ring: Ring, tmp_path: Path, pipe: tuple[int, int]) -> None:
    fd = os.open(tmp_path / "to", os.O_RDWR | os.O_CREAT)
    os.write(pipe[1], b"hello world")
    assert ring.splice(pipe[0], fd, 5, None, 3).result() == 5
    assert ring.splice(pipe[0], fd, 99).result() == 6
    assert os.pread(fd, 99, 0) == b" world" + b"lo"
    os.close(fd)


def test_splice_moves_more_than_fits_by_and_by(ring: Ring, data_file: int, pipe: tuple[int, int]) -> None:
    content, offset = b"", 0
    while moved := ring.splice(data_file, pipe[1], 1 << 20, offset).result():
        content += drained(pipe[0], moved)
        offset += moved
    assert content == os.pread(data_file, 99_999, 0)


@pytest.mark.parametrize("registered", ["source", "destination", "both"])
def test_splice_goes_between_registered_files(
    ring: Ring, data_file: int, pipe: tuple[int, int], registered: str
) -> None:
    files = ring.register_files([os.open(os.devnull, os.O_RDWR)] * 3 + [data_file, pipe[1]])
    src = data_file if registered == "destination" else files[3]
    dst = pipe[1] if registered == "source" else files[4]
    assert ring.splice(src, dst, 10, 5).result() == 10
    assert os.read(pipe[0], 99) == os.pread(data_file, 10, 5)


@pytest.mark.parametrize("operation", ["splice", "tee"])
def test_a_registered_source_is_one_of_this_ring(ring: Ring, pipe: tuple[int, int], operation: str) -> None:
    move = getattr(ring, operation)
    with Ring(8) as foreign:
        theirs: RegisteredFiles = foreign.register_files([pipe[0]])
        ring.register_files(sparse=1)
        for src, dst in ((theirs[0], pipe[1]), (pipe[0], theirs[0])):
            with pytest.raises(ValueError, match="not this ring's"):
                move(src, dst, 1)
    with pytest.raises(OSError, match="-1"):
        move(-1, pipe[1], 1)
    with pytest.raises(OSError, match="-1"):
        move(pipe[0], -1, 1)
    assert ring.in_flight == 0


def test_splice_of_what_is_not_there_does_not_wait_if_told_so(ring: Ring, pipe: tuple[int, int], other: Any) -> None:
    with pytest.raises(BlockingIOError):
        ring.splice(pipe[0], other[1], 5, splice_flags=os.SPLICE_F_NONBLOCK).result(timeout=5)


@pytest.mark.parametrize("operation", ["splice", "tee"])
def test_a_splice_that_waits_is_cancelled_as_interrupted(
    ring: Ring, pipe: tuple[int, int], other: tuple[int, int], operation: str
) -> None:
    restart, deadline = -512, time.monotonic() + 20
    res: int | None = None
    while res != restart and time.monotonic() < deadline:
        op: Completion[int] = getattr(ring, operation)(pipe[0], other[1], 5)
        ring.timeout(0.01).result()  # time for a worker to get there; one that did not is ECANCELED
        while not op.done:
            op.cancel()
            ring.wait(1, timeout=0.1)
        with pytest.raises(OSError) as caught:
            op.result()
        res = op.res
        assert caught.value.errno == (errno.EINTR if res == restart else errno.ECANCELED)
    assert res == restart, "this kernel has another way of telling: see errors.py"
    assert ring.in_flight == 0


@pytest.mark.parametrize("operation", ["splice", "tee"])
def test_a_ring_with_a_splice_that_waits_can_be_closed(pipe: tuple[int, int], other: Any, operation: str) -> None:
    ring = Ring(8)
    op = getattr(ring, operation)(pipe[0], other[1], 5)
    ring.submit()
    begun = time.monotonic()
    ring.close()
    assert time.monotonic() - begun < 5
    assert op.res < 0


def test_a_time_limit_for_splice_is_a_poll_before_it(ring: Ring, pipe: tuple[int, int], other: Any) -> None:
    """The docstring says so; the kernel starts its link timeout too late for a worker."""
    with ring.link():
        ready = ring.poll(pipe[0], timeout=0.02)
        op = ring.splice(pipe[0], other[1], 5)
    with pytest.raises(TimeoutError):
        ready.result(timeout=5)
    with pytest.raises(OSError) as caught:
        op.result(timeout=5)
    assert caught.value.errno == errno.ECANCELED


def test_a_copy_through_a_pipe_is_a_chain_of_two(ring: Ring, tmp_path: Path, data_file: int) -> None:
    fd = os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT)
    reader, writer = ring.pipe().result()
    with ring.link():
        ring.splice(data_file, writer, 65536, 0)
        op = ring.splice(reader, fd, 65536, None, 0)
    assert op.result() == 65536
    assert os.pread(fd, 99_999, 0) == os.pread(data_file, 99_999, 0)
    for each in (fd, reader, writer):
        os.close(each)


# -- tee -----------------------------------------------------------------------------------------------


def test_tee_copies_and_leaves_what_it_copies(ring: Ring, pipe: tuple[int, int], other: tuple[int, int]) -> None:
    os.write(pipe[1], b"hello world")
    assert ring.tee(pipe[0], other[1], 5).result() == 5
    assert os.read(other[0], 99) == b"hello"
    files = ring.register_files([other[1], pipe[0]])
    assert ring.tee(files[1], files[0], 99).result() == 11
    assert os.read(other[0], 99) == os.read(pipe[0], 99) == b"hello world"


def test_tee_of_a_pipe_that_is_at_its_end_copies_nothing(ring: Ring, other: tuple[int, int]) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    assert ring.tee(reader, other[1], 5).result(timeout=5) == 0
    os.close(reader)
