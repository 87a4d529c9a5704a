"""write_files: against what open(path, "wb").write(data) leaves, and what it does when it fails."""

from __future__ import annotations

import array
import ctypes
import errno
import mmap
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opened import descriptors
from test_read_files import ring_of

import pyuring
from pyuring import BatchError, Ring, SetupFlags

Write = Callable[..., list[Any]]

KINDS = ["thread", "ordinary descriptors", "best", "plain", "sqpoll", "large", "mixed", "waits"]


@pytest.fixture(params=KINDS)
def write(request: pytest.FixtureRequest) -> Iterator[Write]:
    """write_files, on each kind of ring; nothing may stay open behind it."""
    with ExitStack() as stack:
        ring = ring_of(request.param, stack)
        pyuring.read_files(["/dev/null"], ring=ring)  # makes the thread's ring
        before = descriptors()
        yield lambda items, **options: pyuring.write_files(items, ring=ring, **options)
        assert descriptors() == before
        assert ring is None or ring.in_flight == 0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fsync", [False, True])
def test_files_of_all_sizes_have_their_data(write: Write, tmp_path: Path, fsync: bool) -> None:
    sizes = [0, 1, 4095, 4096, 4097, 70_000, 1_000_000, 40_000_000]
    data = {str(size): os.urandom(1000) * (size // 1000 + 1) for size in sizes}
    data = {name: value[: int(name)] for name, value in data.items()}
    assert write({tmp_path / name: value for name, value in data.items()}, fsync=fsync) == sizes
    assert contents(tmp_path) == data


@pytest.mark.parametrize("depth", [1, 2, 16, 100_000])
def test_more_files_than_are_in_flight_at_a_time(write: Write, tmp_path: Path, depth: int) -> None:
    data = {str(i): os.urandom(i * 7) for i in range(400)}
    assert write(((f"{tmp_path}/{name}", value) for name, value in data.items()), depth=depth) == [
        i * 7 for i in range(400)
    ]
    assert contents(tmp_path) == data


def test_what_was_there_is_replaced_and_stays_the_same_file(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"longer than what comes")
    path.chmod(0o640)
    before = path.stat()
    write({path: b"short"})
    assert path.read_bytes() == b"short"
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


def test_new_files_have_the_mode_less_the_umask(write: Write, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write({tmp_path / "usual": b""})
        write({tmp_path / "private": b"", tmp_path / "too": b""}, mode=0o600)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"usual": 0o640, "private": 0o600, "too": 0o600}


def test_any_contiguous_memory_can_be_written(write: Write, tmp_path: Path) -> None:
    numbers = array.array("i", [1, 2, 3])
    with mmap.mmap(-1, 4096) as memory:
        memory[:3] = b"map"
        items: dict[str, Any] = {
            "bytes": b"abc",
            "bytearray": bytearray(b"def"),
            "view": memoryview(b"abcdef")[2:4],
            "array": numbers,
            "map": memory,
            "ctypes": (ctypes.c_char * 3).from_buffer_copy(b"xyz"),
        }
        write({tmp_path / name: value for name, value in items.items()})
        expected = {name: bytes(memoryview(value)) for name, value in items.items()}
    assert contents(tmp_path) == expected


def test_the_data_can_be_resized_again_afterwards(write: Write, tmp_path: Path) -> None:
    data = bytearray(b"abc")
    write({tmp_path / "a": data})
    data.extend(b"more")
    with pytest.raises(BatchError):
        write({tmp_path: data})
    data.extend(b"and more")


def test_names_of_any_bytes_and_of_every_type(write: Write, tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe\nx"
    write([(raw, b"raw"), (tmp_path / "path", b"path"), (f"{tmp_path}/\u20ac", b"str")])
    assert sorted(os.listdir(os.fsencode(tmp_path))) == sorted([b"\xff\xfe\nx", b"path", "\u20ac".encode()])
    assert Path(os.fsdecode(raw)).read_bytes() == b"raw"


def test_nothing_to_write(write: Write) -> None:
    assert write({}) == []
    assert write([], fsync=True) == []


def test_paths_are_relative_to_the_current_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write({"here": b"relative"}, fsync=True) == [8]
    assert (tmp_path / "here").read_bytes() == b"relative"


@given(st.lists(st.binary(max_size=5000), max_size=30), st.integers(1, 20), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(tmp_path: Path, data: list[bytes], depth: int, fsync: bool) -> None:
    paths = [tmp_path / str(i) for i in range(len(data))]
    sizes = pyuring.write_files(zip(paths, data, strict=True), depth=depth, fsync=fsync)
    assert sizes == [len(each) for each in data]
    assert pyuring.read_files(paths) == data


# -- durable ---------------------------------------------------------------------------------


def test_fsync_syncs_each_file_before_it_is_closed_and_each_directory_once(tmp_path: Path) -> None:
    """As the kernel tells it, which traces what io_uring is asked to do."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with Ring(64) as ring:
        before = ring.stats()["completed"]
        ring.write_files({folder / str(i): b"x" for folder in folders for i in range(10)})
        plain = ring.stats()["completed"] - before
        before = ring.stats()["completed"]
        ring.write_files({folder / str(i): b"x" for folder in folders for i in range(10)}, fsync=True)
        durable = ring.stats()["completed"] - before
    assert plain == 20 * 3
    assert durable == 20 * 4 + len(folders) * 3


# -- failures --------------------------------------------------------------------------------


def test_failures_are_collected_and_the_rest_is_written(write: Write, tmp_path: Path) -> None:
    bad = [tmp_path, tmp_path / "missing" / "x", tmp_path / ("x" * 300), ""]
    items = [(path, b"data") for each in bad for path in (each, tmp_path / f"good{bad.index(each)}")]
    for fsync in (False, True):
        with pytest.raises(BatchError) as caught:
            write(items, fsync=fsync)
        error = caught.value
        assert error.results == [None, 4] * len(bad)
        assert [each.errno for each in error.errors.values()] == [
            errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.ENOENT,
        ]  # fmt: skip
        assert [each.filename for each in error.errors.values()] == bad
        assert (error.errno, error.filename) == (errno.EISDIR, tmp_path)
    assert contents(tmp_path) == {f"good{i}": b"data" for i in range(len(bad))}


def test_failures_can_be_returned(write: Write, tmp_path: Path) -> None:
    first, second = write([(tmp_path, b"x"), (tmp_path / "a", b"abc")], on_error="return")
    assert isinstance(first, IsADirectoryError)
    assert second == 3


def test_a_pipe_without_a_reader_is_not_waited_for(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (error,) = write({tmp_path / "fifo": b"x"}, on_error="return")
    assert error.errno == errno.ENXIO


def in_child(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_full_file_system_fails_what_it_has_no_room_for(tmp_path: Path) -> None:
    code = (
        "import ctypes, errno, os, sys, pyuring\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.unshare(0x20000) == 0 and libc.mount(b'none', b'/', None, 0x44000, None) == 0\n"
        "folder = sys.argv[1]\n"
        "assert libc.mount(b'none', folder.encode(), b'tmpfs', 0, b'size=1m') == 0\n"
        "for on in (None, pyuring.Ring(64)):\n"
        "    items = {f'{folder}/{i}': bytes([i]) * 100_000 for i in range(20)}\n"
        "    try:\n"
        "        pyuring.write_files(items, ring=on)\n"
        "    except pyuring.BatchError as error:\n"
        "        assert {e.errno for e in error.errors.values()} == {errno.ENOSPC}, error.errors\n"
        "        good = [i for i, size in enumerate(error.results) if size is not None]\n"
        "        assert 5 <= len(good) <= 10, good\n"
        "        for i in good:\n"
        "            assert open(f'{folder}/{i}', 'rb').read() == bytes([i]) * 100_000\n"
        "        for i in error.errors:\n"
        "            data = open(f'{folder}/{i}', 'rb').read() if os.path.exists(f'{folder}/{i}') else b''\n"
        "            assert data == bytes([i]) * len(data) and len(data) < 100_000\n"
        "    else:\n"
        "        raise SystemExit('not full')\n"
        "    for name in os.listdir(folder): os.unlink(f'{folder}/{name}')\n"
        "print('good', len(os.listdir('/proc/self/fd')))\n"
    )
    assert in_child(code, str(tmp_path)).startswith("good")


def test_a_limit_of_the_file_size_cuts_the_write_and_tells(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    items = {tmp_path / "small": b"x" * 100, tmp_path / "large": b"y" * 100_000}
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        small, large = pyuring.write_files(items, on_error="return")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert small == 100
    assert isinstance(large, OSError)
    assert large.errno == errno.EFBIG
    assert (tmp_path / "large").stat().st_size <= 50_000


@pytest.mark.parametrize("room", [1, 2, 7])
def test_few_descriptors_are_enough(tmp_path: Path, room: int) -> None:
    code = (
        "import os, sys, resource, pyuring\n"
        "pyuring.write_files({})\n"
        "pyuring.read_files(['/dev/null'])\n"
        "top = max(int(name) for name in os.listdir('/proc/self/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (top + int(sys.argv[2]), 4096))\n"
        "assert pyuring.write_files({f'{sys.argv[1]}/{i}': b'%d' % i for i in range(200)}, fsync=True)\n"
    )
    in_child(code, str(tmp_path), str(room))
    assert contents(tmp_path) == {str(i): b"%d" % i for i in range(200)}


# -- arguments ----------------------------------------------------------------------------------


def test_bad_arguments_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    good = (tmp_path / "a", b"a")
    write: Any = pyuring.write_files
    for items, error, text in [
        ("name", TypeError, "mapping"),
        (3, TypeError, "iterable"),
        ([good, "ab"], TypeError, "item 1"),
        ([good, (1, 2, 3)], TypeError, "item 1"),
        ([good, (3, b"")], TypeError, "path 1"),
        ([good, ("b", "text")], TypeError, "bytes-like"),
        ([good, ("b", 3)], TypeError, "bytes-like"),
        ([good, ("b", memoryview(b"abcdef")[::2])], BufferError, "contiguous"),
        ([good, ("b\0c", b"")], ValueError, "null byte in path 1"),
        ([good, good], ValueError, "twice"),
    ]:
        with pytest.raises(error, match=text):
            write(items)
    bad_options: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"depth": 0}, ValueError, "depth"),
        ({"depth": 1.5}, TypeError, "depth"),
        ({"mode": -1}, ValueError, "mode"),
        ({"mode": "r"}, TypeError, "mode"),
        ({"on_error": "ignore"}, ValueError, "on_error"),
    ]
    for options, error, text in bad_options:
        with pytest.raises(error, match=text):
            write([good], **options)
    assert list(tmp_path.iterdir()) == []


def test_rings_that_cannot_are_refused(tmp_path: Path) -> None:
    with Ring(8, setup=SetupFlags.IOPOLL) as ring, pytest.raises(ValueError, match="IOPOLL"):
        ring.write_files({tmp_path / "a": b""})
    with Ring(1) as ring, pytest.raises(ValueError, match="ring larger"):
        ring.write_files({tmp_path / "a": b""})
    with pytest.raises(RuntimeError):
        ring.write_files({tmp_path / "a": b""})
    assert list(tmp_path.iterdir()) == []
