"""aligned_buffer: memory for direct I/O."""

from __future__ import annotations

import gc
import mmap
import os
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

import pyuring
from pyuring import Ring, aligned_buffer
from pyuring.aligned import address_of

MIB = 1 << 20


def resident() -> int:
    """The memory that the process takes up now, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.parametrize("align", [1 << n for n in range(22)])
@pytest.mark.parametrize("nbytes", [1, 4095, 4096, 100_000, 2 * MIB, 5 * MIB + 1])
def test_the_memory_is_aligned_zeroed_and_of_the_length_asked_for(nbytes: int, align: int) -> None:
    buffer = aligned_buffer(nbytes, align)
    assert address_of(buffer) % max(align, mmap.PAGESIZE) == 0
    assert len(buffer) == buffer.nbytes == nbytes
    assert bytes(buffer) == bytes(nbytes)
    buffer[0] = buffer[-1] = 255
    assert (buffer.format, buffer.readonly, buffer.c_contiguous) == ("B", False, True)


def test_it_is_page_aligned_without_being_asked() -> None:
    assert all(address_of(aligned_buffer(n)) % 4096 == 0 for n in range(1, 100))


def test_a_length_of_zero_is_an_empty_buffer() -> None:
    buffer = aligned_buffer(0)
    assert (len(buffer), bytes(buffer), buffer.readonly) == (0, b"", False)
    assert address_of(buffer) % 4096 == 0
    assert len(aligned_buffer(0, 2 * MIB)) == 0


def test_parts_of_it_are_parts_of_the_same_memory() -> None:
    buffer = aligned_buffer(8192)
    buffer[4096:] = b"x" * 4096
    assert address_of(buffer[4096:]) == address_of(buffer) + 4096
    buffer[4096:4100][:] = b"abcd"
    assert bytes(buffer[4094:4102]) == b"\0\0abcdxx"


@pytest.mark.parametrize(
    ("nbytes", "align", "error", "text"),
    [
        (-1, 4096, ValueError, "nbytes must be 0 or more, not -1"),
        (1.0, 4096, TypeError, "nbytes is an int, a number of bytes, not float"),
        (True, 4096, TypeError, "nbytes is an int, a number of bytes, not bool"),
        ("1", 4096, TypeError, "nbytes is an int, a number of bytes, not str"),
        (1, 0, ValueError, "align must be a power of two up to 2097152 .* not 0"),
        (1, -4096, ValueError, "not -4096"),
        (1, 3000, ValueError, "not 3000"),
        (1, 4 * MIB, ValueError, "not 4194304"),
        (1, None, TypeError, "align is an int, a number of bytes, not NoneType"),
        (1, 512.0, TypeError, "not float"),
    ],
)
def test_what_is_no_length_or_alignment_is_refused(nbytes: int, align: int, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        aligned_buffer(nbytes, align)


def test_numpy_integers_are_integers() -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is optional")
    assert len(aligned_buffer(numpy.uint32(5000), numpy.int64(8192))) == 5000


@pytest.mark.parametrize("nbytes", [1 << 60, sys.maxsize, 1 << 70])
def test_no_room_is_a_memory_error(nbytes: int) -> None:
    with pytest.raises(MemoryError, match=f"no room for a buffer of {nbytes} bytes"):
        aligned_buffer(nbytes)


@pytest.mark.parametrize("nbytes", [4096, 8 * MIB])
def test_it_is_given_back_with_the_last_view_of_it(nbytes: int) -> None:
    buffer = aligned_buffer(nbytes)
    memory = weakref.ref(buffer.obj)
    part = buffer[10:20]
    del buffer
    assert memory() is not None
    part[0] = 1
    del part
    assert memory() is None


def test_making_many_leaves_nothing_behind() -> None:
    before = resident()
    for _ in range(1000):
        aligned_buffer(4 * MIB)[0] = 1
    assert resident() - before < 16 * MIB


def smaps_of(buffer: memoryview) -> dict[str, int]:
    """What the kernel tells of the mapping that has the middle of `buffer` in it, in kB."""
    wanted = address_of(buffer) + len(buffer) // 2
    found = False
    numbers: dict[str, int] = {}
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if place := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            found = int(place[1], 16) <= wanted < int(place[2], 16)
        elif found and (number := re.match(r"(\w+):\s+(\d+) kB", line)):
            numbers[number[1]] = int(number[2])
    return numbers


def test_large_buffers_are_made_of_huge_pages_and_of_no_more_than_they_are_long() -> None:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not enabled.exists() or "[never]" in enabled.read_text():
        pytest.skip("this system has no transparent huge pages")
    buffer = aligned_buffer(6 * MIB + 4096)
    buffer[:] = bytes([1]) * len(buffer)
    found = smaps_of(buffer)
    assert found["AnonHugePages"] == 6 * 1024
    before = resident()
    small = [aligned_buffer(2 * MIB + 4096) for _ in range(50)]
    for view in small:
        view[2 * MIB] = 1  # the last page, which is no part of a huge one
    assert resident() - before < 20 * MIB


def test_memory_that_is_not_touched_takes_up_no_room() -> None:
    before = resident()
    buffer = aligned_buffer(1 << 34)
    buffer[-1] = buffer[0] = 1
    assert resident() - before < 16 * MIB


@pytest.mark.parametrize("nbytes", [8192, 4 * MIB])
def test_a_forked_child_has_a_copy(nbytes: int) -> None:
    code = f"""
import os, pyuring
buffer = pyuring.aligned_buffer({nbytes})
buffer[:5] = b"whose"
child = os.fork()
if not child:
    right = bytes(buffer[:5]) == b"whose"
    buffer[:5] = b"child"
    os._exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0
assert bytes(buffer[:5]) == b"whose", bytes(buffer[:5])
"""
    path = str(Path(pyuring.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=False)
    assert done.returncode == 0


def test_the_mapping_cannot_be_closed_under_its_views() -> None:
    buffer = aligned_buffer(4096)
    assert isinstance(buffer.obj, mmap.mmap)
    with pytest.raises(BufferError):
        buffer.obj.close()


# -- where it goes -------------------------------------------------------------------------


def test_reads_fill_it_and_writes_take_from_it(ring: Ring, data_file: int) -> None:
    buffer = aligned_buffer(8192)
    assert ring.readinto(data_file, buffer, 0).result() == 8192
    assert bytes(buffer) == os.pread(data_file, 8192, 0)
    assert ring.readinto(data_file, buffer[100:200], 50).result() == 100
    assert bytes(buffer[100:200]) == os.pread(data_file, 100, 50)
    assert ring.write(data_file, buffer[:10], 60000).result() == 10
    assert os.pread(data_file, 10, 60000) == bytes(buffer[:10])
    assert ring.readv(data_file, [buffer[:1000], buffer[4096:]], 0).result() == 5096


def test_it_can_be_registered(ring: Ring, data_file: int) -> None:
    buffer = aligned_buffer(3 * MIB)
    registered = ring.register_buffers([buffer])
    assert ring.readinto(data_file, registered[0][:4096], 0).result() == 4096
    assert bytes(buffer[:4096]) == os.pread(data_file, 4096, 0)


@pytest.mark.parametrize("nbytes", [0, 4096, 4 * MIB])
def test_numpy_makes_an_array_of_it(nbytes: int) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is optional")
    buffer = aligned_buffer(nbytes)
    array = numpy.frombuffer(buffer, dtype=numpy.float32)
    assert array.nbytes == nbytes
    array[:] = 1.5
    assert bytes(buffer) == numpy.full(nbytes // 4, 1.5, numpy.float32).tobytes()
    del buffer
    assert array.sum() == 1.5 * (nbytes // 4)


def test_it_stays_while_an_operation_uses_it(ring: Ring, pipe: tuple[int, int]) -> None:
    buffer = aligned_buffer(4096)
    memory = weakref.ref(buffer.obj)
    op = ring.readinto(pipe[0], buffer)
    del buffer
    gc.collect()
    assert memory() is not None
    ring.submit()
    os.write(pipe[1], b"late")
    assert op.result() == 4
    assert memory() is None
