"""Registered buffers that are exchanged, tagged, or shared between rings."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import socket
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from pyuring import Completion, RegisteredBuffer, RegisteredBuffers, Ring, SetupFlags

READ_FIXED = 4


def last_opcode(ring: Ring) -> int:
    sq = ring._c.ring.sq
    return int(sq.sqes[(sq.sqe_tail - 1) & sq.ring_mask].opcode)


def updated(buffers: RegisteredBuffers, index: int, memory: object, **keywords: Any) -> RegisteredBuffer:
    buffer = buffers.update(index, memory, **keywords)
    assert buffer is not None
    return buffer


# -- empty slots and updates ----------------------------------------------------------------


def test_the_slots_of_a_sparse_table_are_empty_until_filled(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers(sparse=4)
    assert len(buffers) == 4
    with pytest.raises(ValueError, match="slot 2"):
        buffers[2]
    memory = bytearray(10)
    assert updated(buffers, 2, memory) is buffers[2]
    assert buffers[2].index == 2
    assert ring.readinto(data_file, buffers[2], 5).result() == 10
    assert last_opcode(ring) == READ_FIXED
    assert memory == os.pread(data_file, 10, 5)
    with pytest.raises(BufferError):
        memory.append(0)
    with pytest.raises(ValueError, match="slot 0"):
        buffers[0]


def test_update_replaces_a_buffer_and_lets_go_of_the_old_one(ring: Ring, data_file: int) -> None:
    first, second, other = bytearray(10), bytearray(20), bytearray(5)
    buffers = ring.register_buffers([first, other])
    buffers.update(0, second)
    first.append(0)
    with pytest.raises(BufferError):
        second.append(0)
    assert ring.readinto(data_file, buffers[0], 0).result() == 20
    assert second == os.pread(data_file, 20, 0)
    assert ring.readinto(data_file, buffers[1], 0).result() == 5
    assert buffers.update(-2, None) is None
    second.append(0)
    with pytest.raises(ValueError, match="slot 0"):
        buffers[0]
    buffers.unregister()
    other.append(0)


def test_what_was_replaced_is_refused_with_all_its_parts(
    ring: Ring, data_file: int, sockets: tuple[socket.socket, socket.socket]
) -> None:
    """Also where new memory lies at its address: the operation would not hold that."""
    memory = bytearray(100)
    buffers = ring.register_buffers([memory])
    old = buffers[0]
    part = old[10:20]
    buffers.update(0, memory)
    for stale in (old, part, part[2:3]):
        with pytest.raises(ValueError, match="unregistered"):
            ring.readinto(data_file, stale, 0)
        with pytest.raises(ValueError, match="unregistered"):
            ring.write(data_file, stale, 0)
        with pytest.raises(ValueError, match="unregistered"):
            ring.send(sockets[0], stale)
    assert ring.in_flight == 0
    assert ring.readinto(data_file, buffers[0], 0).result() == 100
    buffers.unregister()
    for stale in (old, part):
        with pytest.raises(ValueError, match="unregistered"):
            ring.readinto(data_file, stale, 0)
    memory.append(0)


def test_an_operation_in_flight_keeps_the_memory_it_started_with(ring: Ring, pipe: tuple[int, int]) -> None:
    first, second = bytearray(10), bytearray(10)
    buffers = ring.register_buffers([first])
    op = ring.readinto(pipe[0], buffers[0])
    ring.submit()
    buffers.update(0, second)
    with pytest.raises(BufferError):
        first.append(0)
    os.write(pipe[1], b"0123456789")
    assert op.result(timeout=5) == 10
    assert first == b"0123456789"
    assert second == bytes(10)
    first.append(0)


def test_a_slot_can_be_exchanged_many_times(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers(sparse=2)
    for round_ in range(300):
        memory = bytearray(64)
        assert ring.readinto(data_file, updated(buffers, round_ % 2, memory), round_).result() == 64
        assert memory == os.pread(data_file, 64, round_)
    assert len(ring._kept[3]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("buffer", "kind"),
    [(b"read-only", TypeError), ("text", TypeError), (5, TypeError), (bytearray(), ValueError)],
)
def test_what_cannot_be_registered_leaves_the_slot_as_it_was(
    ring: Ring, data_file: int, buffer: Any, kind: type[Exception]
) -> None:
    memory = bytearray(10)
    buffers = ring.register_buffers([memory])
    with pytest.raises(kind):
        buffers.update(0, buffer)
    if isinstance(buffer, bytearray):
        buffer.append(0)
    assert ring.readinto(data_file, buffers[0], 0).result() == 10


def test_memory_that_the_kernel_refuses_is_let_go_of(ring: Ring, data_file: int) -> None:
    memory = bytearray(10)
    buffers = ring.register_buffers([memory])
    with mmap.mmap(data_file, 4096) as mapping, pytest.raises(ValueError, match="mapped from a file"):
        buffers.update(0, mapping)
    assert ring.readinto(data_file, buffers[0], 0).result() == 10
    assert len(ring._kept[3]) == 1  # type: ignore[arg-type]


def test_updates_that_make_no_sense_are_refused(ring: Ring) -> None:
    slab = ring.register_buffers(count=4, size=64)
    with pytest.raises(ValueError, match="slab"):
        slab.update(1, bytearray(64))
    slab.unregister()
    with pytest.raises(ValueError, match="unregistered"):
        slab.update(1, bytearray(64))
    buffers = ring.register_buffers(sparse=2)
    for index in (2, -3):
        with pytest.raises(IndexError):
            buffers.update(index, bytearray(1))
    with pytest.raises(ValueError, match="tag"):
        buffers.update(0, None, tag="a")


@pytest.mark.parametrize("sparse", [0, -1, 16385])
def test_tables_that_cannot_be_are_refused(ring: Ring, sparse: int) -> None:
    with pytest.raises(ValueError, match="16384"):
        ring.register_buffers(sparse=sparse)


def test_the_ways_to_register_exclude_each_other(ring: Ring) -> None:
    for keywords in ({"sparse": 1, "count": 1, "size": 1}, {"buffers": [], "sparse": 1}, {"sparse": 1, "size": 5}):
        with pytest.raises(TypeError):
            ring.register_buffers(**keywords)
    for keywords in ({"sparse": 1, "tags": ["a"]}, {"count": 1, "size": 1, "tags": ["a"]}):
        with pytest.raises(TypeError, match="tags"):
            ring.register_buffers(**keywords)  # type: ignore[arg-type]
    memory = bytearray(1)
    with pytest.raises(ValueError, match="as many tags"):
        ring.register_buffers([memory], tags=["a", "b"])
    memory.append(0)
    assert ring.register_buffers(sparse=1)


# -- tags ------------------------------------------------------------------------------------------


def released(ring: Ring) -> list[object]:
    """The tags that the kernel has given back, in order."""
    found: list[Completion[Any]] = ring.wait(0)
    assert {op.operation for op in found} <= {"released"}
    return [op.user_data for op in found]


def test_a_tag_comes_back_when_its_buffer_is_unregistered(ring: Ring) -> None:
    tag = object()
    buffers = ring.register_buffers([bytearray(10), bytearray(10), bytearray(10)], tags=[tag, None, "third"])
    assert released(ring) == []
    buffers.unregister()
    assert set(released(ring)) == {tag, "third"}
    assert released(ring) == []


def test_a_tag_comes_back_when_its_buffer_is_replaced(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers(sparse=2)
    updated(buffers, 0, bytearray(10), tag="first")
    updated(buffers, 1, bytearray(10), tag="other")
    assert ring.readinto(data_file, updated(buffers, 0, bytearray(10), tag="second"), 0).result() == 10
    assert released(ring) == ["first"]
    buffers.update(0, None)
    assert released(ring) == ["second"]


def test_a_tag_comes_back_only_after_the_last_operation(ring: Ring, pipe: tuple[int, int]) -> None:
    buffers = ring.register_buffers([bytearray(10)], tags=["it"])
    op = ring.readinto(pipe[0], buffers[0])
    ring.submit()
    buffers.unregister()
    assert released(ring) == []
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == 1
    assert released(ring) == ["it"]


def test_tags_do_not_disturb_operations(ring: Ring, data_file: int) -> None:
    buffers = ring.register_buffers(sparse=1)
    for number in range(200):
        ring.read(data_file, 4, number, user_data=number)
        updated(buffers, 0, bytearray(10), tag=f"tag {number}")
        ring.nop(user_data=number)
        done = ring.wait(2)
        assert [op.user_data for op in done if op.operation != "released"] == [number, number]
        tags = [op.user_data for op in done if op.operation == "released"]
        assert tags == ([f"tag {number - 1}"] if number else [])
        assert len(ring._tags) == 1, "those that came are forgotten"
    assert ring.stats()["unexpected"] == 0
    assert ring.in_flight == 0


def test_what_is_submitted_has_the_buffer_it_was_submitted_with(data_file: int) -> None:
    # A SQPOLL thread comes to it later than submit().
    with Ring(128, setup=SetupFlags.SQPOLL) as ring:
        buffers = ring.register_buffers([bytearray(512)])
        for _ in range(20):
            reads = [ring.readinto(data_file, buffers[0], 0) for _ in range(100)]
            ring.submit()
            buffers.update(0, bytearray(512))
            assert [op.result() for op in reads] == [512] * 100


def test_a_tag_that_came_back_is_not_kept(ring: Ring) -> None:
    class Tag:
        pass

    buffers = ring.register_buffers(sparse=1)
    tags = weakref.WeakSet[Tag]()
    for _ in range(100):
        tag = Tag()
        tags.add(tag)
        updated(buffers, 0, bytearray(10), tag=tag)
        ring.wait(0)
    del tag
    assert len(tags) == 1, "that of the buffer which is still there"
    assert len(ring._tags) == 1


# -- tags of files -----------------------------------------------------------------------------------


def test_a_tag_comes_back_when_its_file_is_unregistered(ring: Ring, data_file: int) -> None:
    tag = object()
    files = ring.register_files([data_file] * 3, tags=[tag, None, "third"])
    assert ring.read(files[0], 4, 0).result() == os.pread(data_file, 4, 0)
    assert released(ring) == []
    files.unregister()
    found = released(ring)
    assert len(found) == 2
    assert set(found) == {tag, "third"}
    assert ring._tags == {}


def test_a_tag_comes_back_when_its_file_is_replaced(ring: Ring, data_file: int) -> None:
    files = ring.register_files(sparse=3)
    assert files.update(0, data_file, tag="first") is files[0]
    assert files.update(1, [data_file, data_file], tags=["second", None]) == files[1:]
    assert ring.read(files.update(0, data_file, tag="next"), 4, 0).result() == os.pread(data_file, 4, 0)
    assert released(ring) == ["first"]
    files.update(0, [..., None, None])
    assert released(ring) == ["second"]
    files.update(0, [data_file, ..., data_file], tags=["last", None, "other"])
    assert released(ring) == ["next"]
    assert sorted(ring._tags.values(), key=str) == ["last", "other"]


def test_a_tag_comes_back_when_an_operation_empties_or_fills_the_slot(ring: Ring, data_file: int) -> None:
    files = ring.register_files([data_file] * 3, tags=["updated", "opened", "closed"])
    assert ring.files_update(files, 0, [data_file]).result() == [files[0]]
    assert ring.open(os.devnull, direct=files[1]).result() is files[1]
    ring.close_fd(files[2]).result()
    tags = {op.user_data for op in ring.wait(0) if op.operation == "released"}
    assert tags == {"updated", "opened", "closed"}


def test_a_tag_of_a_file_comes_back_only_after_the_last_operation(ring: Ring, pipe: tuple[int, int]) -> None:
    files = ring.register_files([pipe[0]], tags=["it"])
    op = ring.read(files[0], 5)
    ring.submit()
    files.unregister()
    assert released(ring) == []
    os.write(pipe[1], b"x")
    assert op.result(timeout=5) == b"x"
    assert released(ring) == ["it"]


def test_tags_of_files_that_were_not_put_in_place_are_forgotten(ring: Ring, data_file: int) -> None:
    files = ring.register_files([data_file] * 3, tags=["a", "b", "c"])
    with Ring(8) as other:
        with pytest.raises(OSError, match=r"number 1.*a ring"):
            files.update(0, [data_file, other, data_file], tags=["d", "e", "f"])
        assert set(released(ring)) == {"a", "b"}
        assert sorted(map(str, ring._tags.values())) == ["c", "d"]
        with pytest.raises(OSError, match="Bad file descriptor"):
            files.update(2, other, tag="g")
    assert released(ring) == ["c"]
    files.unregister()
    assert released(ring) == ["d"]
    assert ring._tags == {}
    with Ring(8) as other, pytest.raises(OSError):
        ring.register_files([data_file, other], tags=["h", "i"])
    ring.wait(0)
    assert ring._tags == {}


def test_buffers_and_files_have_tags_of_their_own(ring: Ring, data_file: int) -> None:
    files = ring.register_files([data_file], tags=["file"])
    buffers = ring.register_buffers([bytearray(10)], tags=["buffer"])
    assert ring.readinto(files[0], buffers[0], 0).result() == 10
    files.unregister()
    assert released(ring) == ["file"]
    buffers.unregister()
    assert released(ring) == ["buffer"]


def test_tags_of_files_that_cannot_be_are_refused(ring: Ring, data_file: int) -> None:
    with pytest.raises(TypeError, match="list of files"):
        ring.register_files(sparse=2, tags=["a", "b"])
    with pytest.raises(ValueError, match="2 files need as many tags, not 1"):
        ring.register_files([data_file] * 2, tags=["a"])
    with pytest.raises(TypeError):
        ring.register_files([data_file], tags=5)  # type: ignore[arg-type]
    files = ring.register_files([data_file] * 2)
    refused: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        (data_file, {"tags": ["a"]}, TypeError),
        ([data_file], {"tag": "a"}, TypeError),
        ([data_file] * 2, {"tags": ["a"]}, ValueError),
        (None, {"tag": "a"}, ValueError),
        ([None, data_file], {"tags": ["a", "b"]}, ValueError),
        ([..., data_file], {"tags": ["a", "b"]}, ValueError),
    ]
    for file, keywords, kind in refused:
        with pytest.raises(kind):
            files.update(0, file, **keywords)
    assert ring._tags == {}
    assert ring.read(files[0], 4, 0).result() == os.pread(data_file, 4, 0)
    files.unregister()
    with pytest.raises(ValueError, match="unregistered"):
        files.update(0, data_file, tag="a")
    assert ring._tags == {}


# -- buffers of another ring ------------------------------------------------------------------------------


def test_cloned_buffers_are_the_same_memory(ring: Ring, data_file: int) -> None:
    with Ring(8) as source:
        pool = source.register_buffers(count=4, size=512)
        clone = ring.clone_buffers(source)
        assert [(len(buffer), buffer.index) for buffer in clone] == [(len(buffer), buffer.index) for buffer in pool]
        for number in range(4):
            assert ring.readinto(data_file, clone[number], number * 512).result() == 512
            assert last_opcode(ring) == READ_FIXED
            assert pool[number].view == clone[number].view == os.pread(data_file, 512, number * 512)
        with pytest.raises(ValueError, match="not this ring's"):
            ring.readinto(data_file, pool[0], 0)
        with pytest.raises(ValueError, match="not this ring's"):
            source.readinto(data_file, clone[0], 0)


def test_a_clone_outlives_what_it_was_made_from(ring: Ring, data_file: int) -> None:
    memory = bytearray(100)
    with Ring(8) as source:
        original = source.register_buffers([memory])
        clone = ring.clone_buffers(source)
        original.unregister()
        with pytest.raises(BufferError):
            memory.append(0)
    assert ring.readinto(data_file, clone[0], 0).result() == 100
    with pytest.raises(BufferError):
        memory.append(0)
    clone.unregister()
    memory.append(0)


def test_what_a_clone_was_made_from_outlives_it(ring: Ring, data_file: int) -> None:
    memory = bytearray(100)
    buffers = ring.register_buffers([memory])
    with Ring(8) as other:
        other.clone_buffers(ring)
    assert ring.readinto(data_file, buffers[0], 0).result() == 100
    with pytest.raises(BufferError):
        memory.append(0)
    ring.close()
    memory.append(0)


def test_clones_are_updated_on_their_own(ring: Ring, data_file: int) -> None:
    first, second = bytearray(10), bytearray(10)
    with Ring(8) as source:
        original = source.register_buffers([first])
        clone = ring.clone_buffers(source)
        clone.update(0, second)
        assert ring.readinto(data_file, clone[0], 0).result() == 10
        assert source.readinto(data_file, original[0], 10).result() == 10
    assert first == os.pread(data_file, 10, 10)
    assert second == os.pread(data_file, 10, 0)


def test_empty_slots_are_cloned_as_such(ring: Ring, data_file: int) -> None:
    memory = bytearray(10)
    with Ring(8) as source:
        updated(source.register_buffers(sparse=3), 1, memory)
        clone = ring.clone_buffers(source)
    assert len(clone) == 3
    assert ring.readinto(data_file, clone[1], 0).result() == 10
    for index in (0, 2):
        with pytest.raises(ValueError, match="slot"):
            clone[index]
    assert ring.readinto(data_file, updated(clone, 0, bytearray(5)), 0).result() == 5


def test_threads_share_buffers_by_cloning_them(data_file: int) -> None:
    content = os.pread(data_file, 65536, 0)
    answers: list[bool] = []
    with Ring(8, setup=SetupFlags(0)) as source:
        pool = source.register_buffers(count=4, size=4096)

        def work(number: int) -> None:
            with Ring(8) as own:
                buffer = own.clone_buffers(source)[number]
                answers.extend(own.readinto(data_file, buffer, number * 4096).result() == 4096 for _ in range(100))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [True] * 400
        assert b"".join(buffer.view for buffer in pool) == content[:16384]


def test_buffers_that_are_exchanged_while_they_are_cloned_are_never_mixed_up(data_file: int) -> None:
    """Either the clone is of one table, memory and all, or it is refused."""
    with Ring(8, setup=SetupFlags(0)) as source:
        stop = threading.Event()
        outcomes: list[str] = []

        def clone() -> None:
            while not stop.is_set():
                with Ring(2) as own:
                    try:
                        buffers = own.clone_buffers(source)
                        outcomes.append(str(own.readinto(data_file, buffers[0], 0).result()))
                    except (RuntimeError, ValueError) as error:
                        outcomes.append(type(error).__name__)
                    except OSError as error:
                        outcomes.append(errno.errorcode[error.errno or 0])

        thread = threading.Thread(target=clone)
        thread.start()
        for number in range(2000):
            buffers = source.register_buffers([bytearray(64)])
            if number % 3 == 0:
                buffers.update(0, bytearray(64))
            buffers.unregister()
        stop.set()
        thread.join()
    assert set(outcomes) <= {"64", "RuntimeError", "ValueError", "EFAULT"}
    gc.collect()


def test_what_cannot_be_cloned_is_refused(ring: Ring) -> None:
    with Ring(8) as source:
        with pytest.raises(ValueError, match="no registered buffers"):
            ring.clone_buffers(source)
        source.register_buffers(count=1, size=8)
        own = ring.register_buffers(count=1, size=8)
        with pytest.raises(RuntimeError, match="unregister"):
            ring.clone_buffers(source)
        own.unregister()
        ring.clone_buffers(source).unregister()
    with pytest.raises(RuntimeError, match="closed"):
        ring.clone_buffers(source)
    child = os.fork()
    if child == 0:
        try:
            with Ring(8) as mine:
                mine.clone_buffers(ring)
        except RuntimeError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_single_issuers_buffers_stay_in_its_thread() -> None:
    caught: list[str] = []

    def clone() -> None:
        with Ring(8) as own, pytest.raises(RuntimeError, match="SINGLE_ISSUER") as error:
            own.clone_buffers(source)
        caught.append(str(error.value))

    with Ring(8, setup=SetupFlags.SINGLE_ISSUER) as source:
        source.register_buffers(count=1, size=8)
        thread = threading.Thread(target=clone)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_a_ring_with_clones_is_collected_without_its_source(tmp_path: Path) -> None:
    with Ring(8) as source:
        source.register_buffers(count=1, size=8)
        ring = Ring(8)
        ring.clone_buffers(source)
        reference = weakref.ref(ring)
        ring.close()
        del ring
        gc.collect()
        assert reference() is None
