"""Vectored reads and writes, against their cousins in `os`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pagecache import PAGE, pages_of, write_pages
from specs.kit import address_of, iovecs_at, sqe_at

from pyuring import Ring, RwFlags


@pytest.mark.parametrize("sizes", [[], [0], [5], [1, 2, 3], [4096, 4096, 1], [10] * 1024])
def test_readv_does_what_preadv_does(ring: Ring, data_file: int, sizes: list[int]) -> None:
    ours, theirs = [bytearray(size) for size in sizes], [bytearray(size) for size in sizes]
    assert ring.readv(data_file, ours, 7).result() == os.preadv(data_file, theirs, 7)
    assert ours == theirs


@pytest.mark.parametrize("parts", [[], [b""], [b"one"], [b"a", b"", b"bc"], [b"0123456789"] * 1024])
def test_writev_does_what_pwritev_does(ring: Ring, tmp_path: Path, parts: list[bytes]) -> None:
    results, contents = [], []
    for name in ("ours", "theirs"):
        fd = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
        results.append(ring.writev(fd, parts, 3).result() if name == "ours" else os.pwritev(fd, parts, 3))
        contents.append(os.pread(fd, 20000, 0))
        os.close(fd)
    assert results[0] == results[1] == sum(map(len, parts))
    assert contents[0] == contents[1]


def test_readv_near_the_end_fills_what_there_is(ring: Ring, data_file: int) -> None:
    buffers = [bytearray(b"." * 8) for _ in range(3)]
    assert ring.readv(data_file, buffers, 65536 - 12).result() == 12
    assert b"".join(buffers) == os.pread(data_file, 12, 65536 - 12) + b"." * 12


def test_vectors_use_and_move_the_files_own_position(ring: Ring, data_file: int) -> None:
    content = os.pread(data_file, 10, 0)
    buffers = [bytearray(4), bytearray(6)]
    assert ring.readv(data_file, buffers).result() == 10
    assert b"".join(buffers) == content
    assert os.lseek(data_file, 0, os.SEEK_CUR) == 10
    assert ring.writev(data_file, [b"ab", b"c"]).result() == 3
    assert os.pread(data_file, 3, 10) == b"abc"


def test_vectors_come_from_any_iterable_and_hold_each_part(ring: Ring, pipe: tuple[int, int]) -> None:
    parts = [bytearray(2), bytearray(3)]
    op = ring.readv(pipe[0], (part for part in parts))
    for part in parts:
        with pytest.raises(BufferError):
            part.append(0)
    os.write(pipe[1], b"hello")
    assert op.result() == 5
    assert parts == [b"he", b"llo"]
    for part in parts:
        part.append(0)


def test_an_iterable_that_fails_on_the_way_leaves_no_export(ring: Ring, data_file: int) -> None:
    buffer = bytearray(5)

    def parts() -> Iterator[bytearray]:
        yield buffer
        raise ZeroDivisionError

    try:
        ring.readv(data_file, parts())
    except ZeroDivisionError:
        buffer.append(0)
    assert ring.in_flight == 0


# -- pieces of a registered buffer --------------------------------------------------------


@pytest.mark.parametrize("method", ["readv", "writev"])
def test_pieces_of_a_registered_buffer_are_an_opcode_of_its_own(ring: Ring, method: str) -> None:
    memory = bytearray(8192)
    buffers = ring.register_buffers([bytearray(64), memory])
    base = address_of(memory)
    pieces = [buffers[1][100:150], buffers[1][5000:5007], buffers[1][0:1]]
    getattr(ring, method)(11, pieces, 17, RwFlags.DSYNC)
    sqe = sqe_at(ring)
    assert (sqe.opcode, sqe.fd, sqe.off, sqe.len) == (60 if method == "readv" else 61, 11, 17, 3)
    assert (sqe.rw_flags, sqe.buf_index, sqe.flags, sqe.file_index, sqe.addr3) == (2, 1, 0, 0, 0)
    assert iovecs_at(sqe.addr, 3) == [(base + 100, 50), (base + 5000, 7), (base, 1)]


def test_a_pool_is_filled_by_one_readv_and_written_by_one_writev(ring: Ring, tmp_path: Path, data_file: int) -> None:
    pool = ring.register_buffers(count=10, size=1000)
    assert ring.readv(data_file, pool, 7).result() == 10_000
    expected = os.pread(data_file, 10_000, 7)
    assert b"".join(buffer.view for buffer in pool) == expected
    fd = os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT)
    assert ring.writev(fd, reversed(pool), 3).result() == 10_000
    parts = [expected[start : start + 1000] for start in range(0, 10_000, 1000)]
    assert os.pread(fd, 20_000, 3) == b"".join(reversed(parts))
    os.close(fd)


def test_pieces_may_overlap_be_empty_and_be_of_any_length(ring: Ring, data_file: int) -> None:
    memory = bytearray(b"." * 100)
    buffer = ring.register_buffers([memory])[0]
    assert ring.readv(data_file, [buffer[0:0], buffer[10:13], buffer[50:50], buffer[20:25]], 0).result() == 8
    content = os.pread(data_file, 8, 0)
    assert memory == b"." * 10 + content[:3] + b"." * 7 + content[3:] + b"." * 75
    assert ring.readv(data_file, [buffer[5:5], buffer[7:7]], 0).result() == 0
    assert ring.readv(data_file, [buffer[:1]] * 1024, 0).result() == 1024
    assert memory[:1] == os.pread(data_file, 1, 1023)


def test_pieces_work_through_registered_files_pipes_and_chains(ring: Ring, pipe: tuple[int, int]) -> None:
    pool = ring.register_buffers(count=2, size=4)
    files = ring.register_files(pipe)
    pool[0].view[:], pool[1].view[:] = b"abcd", b"efgh"
    with ring.link():
        written = ring.writev(files[1], pool)
        read = ring.readv(files[0], [pool[1], pool[0]])
    assert read.result() == written.result() == 8
    assert bytes(pool[0].view) == b"efgh"
    assert bytes(pool[1].view) == b"abcd"


def test_pieces_of_different_buffers_are_refused_with_the_numbers_and_the_way_out(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers([bytearray(64), bytearray(64), bytearray(64)])
    with pytest.raises(ValueError, match=r"number 2 and number 1.*count="):
        ring.readv(data_file, [buffers[2], buffers[2][5:], buffers[1]])
    for mixed in ([buffers[0], bytearray(5)], [bytearray(5), buffers[0]]):
        with pytest.raises(TypeError, match=r"not both|RegisteredBuffer"):
            ring.readv(data_file, mixed)
    with pytest.raises(ValueError, match="1024"):
        ring.readv(data_file, [buffers[0]] * 1025)
    assert ring.in_flight == 0


def test_pieces_of_unregistered_or_foreign_buffers_are_refused(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers([bytearray(64)])
    piece = buffers[0][:5]
    with Ring(8) as other:
        foreign = other.register_buffers([bytearray(64)])[0]
        with pytest.raises(ValueError, match="not this ring's"):
            ring.readv(data_file, [foreign])
        with pytest.raises(ValueError, match="pieces of one"):
            ring.readv(data_file, [piece, foreign])
    buffers.unregister()
    with pytest.raises(ValueError, match="not this ring's"):
        ring.writev(data_file, [piece])
    assert ring.in_flight == 0


def test_pieces_in_flight_keep_their_memory_although_it_is_unregistered(ring: Ring, pipe: tuple[int, int]) -> None:
    memory = bytearray(64)
    buffers = ring.register_buffers([memory])
    op = ring.readv(pipe[0], [buffers[0][:3], buffers[0][10:]])
    ring.submit()
    buffers.unregister()
    with pytest.raises(BufferError):
        memory.append(0)
    os.write(pipe[1], b"hello")
    assert op.result(timeout=5) == 5
    assert memory[:3] + memory[10:12] == b"hello"
    del buffers
    memory.append(0)


# -- flags ----------------------------------------------------------------------------------

TRANSFERS: dict[str, Any] = {
    "read": lambda r, fd, rw, **k: r.read(fd, 1, 0, rw, **k),
    "readinto": lambda r, fd, rw, **k: r.readinto(fd, bytearray(1), 0, rw, **k),
    "readv": lambda r, fd, rw, **k: r.readv(fd, [bytearray(1)], 0, rw, **k),
    "write": lambda r, fd, rw, **k: r.write(fd, b"x", 0, rw, **k),
    "writev": lambda r, fd, rw, **k: r.writev(fd, [b"x"], 0, rw, **k),
    "readinto a registered buffer": lambda r, fd, rw, **k: r.readinto(fd, fixed(r), 0, rw, **k),
    "write of a registered buffer": lambda r, fd, rw, **k: r.write(fd, fixed(r), 0, rw, **k),
    "readv of a registered buffer": lambda r, fd, rw, **k: r.readv(fd, [fixed(r)], 0, rw, **k),
    "writev of a registered buffer": lambda r, fd, rw, **k: r.writev(fd, [fixed(r)], 0, rw, **k),
}
each_transfer = pytest.mark.parametrize("transfer", TRANSFERS.values(), ids=TRANSFERS)


def fixed(ring: Ring) -> Any:
    return (ring._buffers or ring.register_buffers(count=1, size=1))[0]


@each_transfer
@pytest.mark.parametrize("flags", [0x5A, 2**31, 2**32 - 1])
def test_rw_flags_arrive_in_the_sqe_and_in_no_later_one(ring: Ring, transfer: Any, flags: int) -> None:
    transfer(ring, 11, flags)
    first = sqe_at(ring)
    assert (first.fd, first.rw_flags, first.flags) == (11, flags, 0)
    transfer(ring, 11, 0)
    second = sqe_at(ring)
    assert second._replace(rw_flags=flags, user_data=0, addr=0) == first._replace(user_data=0, addr=0)
    assert second.rw_flags == 0


@each_transfer
def test_rw_flags_go_with_every_other_keyword_and_into_chains(ring: Ring, transfer: Any) -> None:
    transfer(ring, 11, RwFlags.NOWAIT, drain=True, timeout=5, flags=16)
    operation, limit = sqe_at(ring, 2), sqe_at(ring, 1)
    assert (operation.rw_flags, operation.flags) == (8, 2 | 4 | 16)
    assert (limit.opcode, limit.rw_flags) == (15, 0)
    with ring.link():
        transfer(ring, 11, RwFlags.NOWAIT)
        ring.nop()
    assert (sqe_at(ring, 2).rw_flags, sqe_at(ring, 1).rw_flags) == (8, 0)


@each_transfer
@pytest.mark.parametrize(("flags", "kind"), [(-1, OverflowError), (2**32, OverflowError), ("x", TypeError)])
def test_rw_flags_that_are_none_are_refused_and_leave_no_trace(
    ring: Ring, transfer: Any, flags: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        transfer(ring, 11, flags)
    assert ring.in_flight == 0
    transfer(ring, 11, 0)
    assert sqe_at(ring).rw_flags == 0


@each_transfer
def test_flags_that_the_kernel_does_not_know_are_its_error(ring: Ring, data_file: int, transfer: Any) -> None:
    with pytest.raises(OSError) as caught:
        transfer(ring, data_file, 1 << 30).result()
    assert caught.value.errno == errno.EOPNOTSUPP


def test_nowait_fails_instead_of_waiting(ring: Ring, pipe: tuple[int, int]) -> None:
    for transfer in (
        ring.read(pipe[0], 1, 0, RwFlags.NOWAIT),
        ring.readinto(pipe[0], bytearray(1), 0, RwFlags.NOWAIT),
        ring.readv(pipe[0], [bytearray(1)], 0, RwFlags.NOWAIT),
    ):
        with pytest.raises(BlockingIOError):
            transfer.result(timeout=5)
    os.write(pipe[1], b"x")
    assert ring.read(pipe[0], 1, 0, os.RWF_NOWAIT).result(timeout=5) == b"x"


def test_append_writes_at_the_end_whatever_the_offset(ring: Ring, data_file: int) -> None:
    assert ring.write(data_file, b"end", 5, RwFlags.APPEND).result() == 3
    assert ring.writev(data_file, [b"of", b"it"], 5, RwFlags.APPEND).result() == 4
    assert os.pread(data_file, 99, 65536) == b"endofit"


def test_noappend_writes_at_the_offset_of_a_file_opened_for_appending(ring: Ring, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"0123456789")
    assert ring.write(fd, b"xy", 3, RwFlags.NOAPPEND).result() == 2
    assert ring.write(fd, b"z", 3).result() == 1
    assert os.pread(fd, 99, 0) == b"012xy56789z"
    os.close(fd)


def test_dsync_and_sync_leave_nothing_dirty(ring: Ring, data_file: int) -> None:
    write_pages(data_file, 16)
    for flag in (RwFlags.DSYNC, RwFlags.SYNC):
        os.fsync(data_file)
        assert ring.write(data_file, b"x" * PAGE, PAGE).result() == PAGE
        assert pages_of(data_file).dirty == 1
        assert ring.write(data_file, b"x" * PAGE, 2 * PAGE, flag).result() == PAGE
        assert pages_of(data_file).dirty == 1, "the page of the write before, which had no flag"


def test_dontcache_leaves_nothing_in_the_page_cache(ring: Ring, data_file: int) -> None:
    os.fsync(data_file)
    os.posix_fadvise(data_file, 0, 0, os.POSIX_FADV_DONTNEED)
    assert len(ring.read(data_file, 65536, 0, RwFlags.DONTCACHE).result()) == 65536
    assert pages_of(data_file).cached == 0
    assert len(ring.read(data_file, 65536, 0).result()) == 65536
    assert pages_of(data_file).cached == 16


def test_rw_flags_go_with_provided_buffers(ring: Ring, pipe: tuple[int, int]) -> None:
    buffers = ring.buffer_ring(4, 64)
    empty = ring.readinto(pipe[0], buffers, 0, RwFlags.NOWAIT)
    assert (sqe_at(ring).opcode, sqe_at(ring).rw_flags) == (22, 8)
    with pytest.raises(BlockingIOError):
        empty.result(timeout=5)
    os.write(pipe[1], b"hello")
    assert ring.readinto(pipe[0], buffers, 0, RwFlags.NOWAIT).result(timeout=5) == 5
