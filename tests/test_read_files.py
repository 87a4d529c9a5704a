"""read_files and iter_files: against what open().read() gives, of every kind of file there is."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import pty
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import SETUPS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opened import descriptors

import pyuring
from pyuring import BatchError, Ring, SetupFlags

#: Read in one go, and then its end found.
ROOM = 65536

Read = Callable[..., list[Any]]


def ring_of(kind: str, stack: ExitStack) -> Ring | None:
    """The ring to read on; with the thread's own, None."""
    if kind == "thread":
        return None
    if kind == "ordinary descriptors":
        ring = stack.enter_context(Ring(64))
        ring.register_files([0])
        return ring
    if kind == "no chains":
        return stack.enter_context(Ring(1))
    return stack.enter_context(Ring(64, **SETUPS[kind]))


KINDS = ["thread", "ordinary descriptors", "no chains", *SETUPS]


@pytest.fixture(params=KINDS)
def read(request: pytest.FixtureRequest) -> Iterator[Read]:
    """read_files, on each kind of ring; nothing may stay open behind it."""
    with ExitStack() as stack:
        ring = ring_of(request.param, stack)
        pyuring.read_files(["/dev/null"], ring=ring)  # makes the thread's ring
        before = descriptors()
        yield lambda paths, **options: pyuring.read_files(paths, ring=ring, **options)
        assert descriptors() == before
        assert ring is None or ring.in_flight == 0


def fill(path: Path, size: int) -> bytes:
    data = os.urandom(min(size, 1 << 20)) * (size // (1 << 20) + 1)
    path.write_bytes(data[:size])
    return data[:size]


# -- contents ------------------------------------------------------------------------------

SIZES = [0, 1, 100, 4095, 4096, 4097, ROOM - 2, ROOM - 1, ROOM, ROOM + 1, ROOM + 2, 2 * ROOM, 3_000_000]


def test_files_of_all_sizes_come_in_the_order_of_the_paths(read: Read, tmp_path: Path) -> None:
    expected = [fill(tmp_path / str(size), size) for size in SIZES]
    assert read([tmp_path / str(size) for size in SIZES]) == expected
    assert read([tmp_path / str(size) for size in reversed(SIZES)]) == expected[::-1]


def test_more_files_than_are_in_flight_at_a_time(read: Read, tmp_path: Path) -> None:
    expected = [fill(tmp_path / str(i), i * 37 % 20000) for i in range(1500)]
    assert read([str(tmp_path / str(i)) for i in range(1500)]) == expected


@pytest.mark.parametrize("depth", [1, 2, 3, 16, 100_000])
def test_any_depth_reads_the_same(read: Read, tmp_path: Path, depth: int) -> None:
    expected = [fill(tmp_path / str(i), i * 3000) for i in range(40)]
    assert read([tmp_path / str(i) for i in range(40)], depth=depth) == expected


def test_one_path_may_come_again_and_again(read: Read, tmp_path: Path) -> None:
    data = fill(tmp_path / "a", 70_000)
    assert read([tmp_path / "a"] * 300) == [data] * 300


def test_no_paths_give_an_empty_list(read: Read) -> None:
    assert read([]) == []
    assert read(iter(())) == []


def test_a_generator_is_taken_once(read: Read, tmp_path: Path) -> None:
    expected = [fill(tmp_path / str(i), 10 + i) for i in range(5)]
    assert read(tmp_path / str(i) for i in range(5)) == expected


def test_names_of_any_bytes_and_of_every_type(read: Read, tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe name\nof many\x01 bytes \xe2\x82\xac"
    with open(raw, "wb") as file:
        file.write(b"here")
    (tmp_path / "\u20ac").write_bytes(b"euro")
    assert read([raw, os.fsdecode(raw), Path(os.fsdecode(raw))]) == [b"here"] * 3
    assert read([str(tmp_path / "\u20ac"), tmp_path / "\u20ac"]) == [b"euro"] * 2


def test_paths_are_relative_to_the_current_directory(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").write_bytes(b"relative")
    monkeypatch.chdir(tmp_path)
    assert read(["here", "./here"]) == [b"relative"] * 2


def test_files_that_tell_no_size_are_read_to_their_end(read: Read) -> None:
    kallsyms = [f"/proc/{os.getpid()}/{name}" for name in ("cmdline", "environ", "maps", "limits", "smaps")]
    paths = ["/proc/version", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/self/cmdline"]
    paths += ["/proc/sys/kernel/ostype", "/proc/sys/kernel/pid_max", "/proc/kallsyms", "/proc/filesystems"]
    for path, data in zip(paths, read(paths), strict=True):
        assert data == Path(path).read_bytes(), path
    assert all(read(kallsyms))


def test_a_sparse_file_comes_with_its_holes(read: Read, tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
        file.truncate(9_000_000)
    assert read([tmp_path / "sparse"]) == [(tmp_path / "sparse").read_bytes()]


def test_links_are_followed(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"linked")
    (tmp_path / "b").symlink_to("a")
    assert read([tmp_path / "b"]) == [b"linked"]


@pytest.mark.skipif(
    os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGESIZE") < 6 << 30, reason="needs 6 GiB of free memory"
)
def test_a_file_of_more_than_2_gib(tmp_path: Path) -> None:
    size = (2 << 30) + 12_345
    with open(tmp_path / "large", "wb") as file:
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    (data,) = pyuring.read_files([tmp_path / "large"])
    assert len(data) == size
    assert data.endswith(b"\0end")


@given(st.lists(st.integers(0, 2 * ROOM + 100), max_size=30), st.integers(1, 20))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sizes_at_any_depth_are_what_open_reads(tmp_path: Path, sizes: list[int], depth: int) -> None:
    paths = [tmp_path / str(i) for i in range(len(sizes))]
    expected = [fill(path, size) for path, size in zip(paths, sizes, strict=True)]
    assert pyuring.read_files(paths, depth=depth) == expected
    with Ring(64) as ring:
        ring.register_files([0])
        assert ring.read_files(paths, depth=depth) == expected
    assert [data for _, data in pyuring.iter_files(paths, depth=depth, ahead=100_000)] == expected


# -- failures --------------------------------------------------------------------------------


def outcome(path: Any) -> bytes | type[OSError]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return type(error)


def test_what_cannot_be_read_fails_as_with_open(read: Read, tmp_path: Path) -> None:
    good = fill(tmp_path / "good", 5000)
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        bad = [tmp_path / "missing", tmp_path, tmp_path / "loop", tmp_path / ("x" * 300), tmp_path / "good" / "x", ""]
        bad += [tmp_path / "socket", "/" * 5000]
        paths = [path for each in bad for path in (each, tmp_path / "good")]
        with pytest.raises(BatchError) as caught:
            read(paths)
        expected = [outcome(path) for path in bad]
    error = caught.value
    assert list(error.errors) == list(range(0, len(paths), 2))
    assert error.results == [None, good] * len(bad)
    assert [type(each) for each in error.errors.values()] == expected
    assert [each.filename for each in error.errors.values()] == bad
    assert (error.errno, error.filename) == (errno.ENOENT, tmp_path / "missing")


def test_failures_can_be_returned_in_place_of_the_bytes(read: Read, tmp_path: Path) -> None:
    good = fill(tmp_path / "good", 5000)
    first, second, third = read([tmp_path / "good", "/missing", tmp_path / "good"], on_error="return")
    assert (first, third) == (good, good)
    assert isinstance(second, FileNotFoundError)
    assert second.filename == "/missing"
    assert second.__notes__ == ["io_uring operation: read_files"]


def test_a_pipe_is_refused_and_not_read_from(read: Read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    without_writer = read([tmp_path / "fifo"], on_error="return")[0]
    assert without_writer.errno == errno.ESPIPE
    ours = os.open(tmp_path / "fifo", os.O_RDWR)
    os.write(ours, b"for somebody else")
    assert read([tmp_path / "fifo"], on_error="return")[0].errno == errno.ESPIPE
    assert os.read(ours, 100) == b"for somebody else"
    os.close(ours)


def test_devices(read: Read) -> None:
    null, zero = read(["/dev/null", "/dev/zero"], on_error="return")
    assert null == b""
    assert zero.errno == errno.EFBIG


def test_a_terminal_is_read_to_the_end_of_the_input(read: Read) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"typed\n\x04")
        assert read([os.ttyname(theirs)]) == [b"typed\n"]
    finally:
        os.close(ours)
        os.close(theirs)


def in_child(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    code = (
        "import os, sys, pyuring\n"
        "ring = pyuring.Ring()\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "for on in (None, ring):\n"
        "    print(*(type(e).__name__ for e in pyuring.read_files(['secret'], on_error='return', ring=on)))\n"
    )
    assert in_child(code, str(tmp_path)).split() == ["PermissionError"] * 2


@pytest.mark.parametrize("kind", ["thread", "ordinary descriptors", "best"])
def test_few_descriptors_are_enough(kind: str, tmp_path: Path) -> None:
    """With RLIMIT_NOFILE barely above what is open, in a child that has nothing else to do."""
    for i in range(200):
        (tmp_path / str(i)).write_bytes(b"%d" % i)
    code = (
        "import os, sys, resource, pyuring\n"
        "kind, folder = sys.argv[1:]\n"
        "ring = None if kind == 'thread' else pyuring.Ring(64)\n"
        "if kind == 'ordinary descriptors': ring.register_files([0])\n"
        "pyuring.read_files(['/dev/null'], ring=ring)\n"
        "top = max(int(name) for name in os.listdir('/proc/self/fd'))\n"
        "for room in (1, 2, 7):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (top + room, 4096))\n"
        "    for depth in (None, 100):\n"
        "        data = pyuring.read_files([f'{folder}/{i}' for i in range(200)], ring=ring, depth=depth)\n"
        "        assert data == [b'%d' % i for i in range(200)]\n"
        "print('good')\n"
    )
    assert in_child(code, kind, str(tmp_path)) == "good\n"


def test_no_descriptor_at_all_is_an_error_where_one_is_needed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with Ring(64) as ring, limit_descriptors(ring):
        errors = ring.read_files([tmp_path / "a"] * 5, on_error="return")
        assert [error.errno for error in errors if isinstance(error, OSError)] == [errno.EMFILE] * 5


@contextmanager
def limit_descriptors(ring: Ring) -> Iterator[None]:
    """Leave no room for another descriptor."""
    ring.register_files([0])
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(set(range(10_000)) - descriptors()), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# -- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [pyuring.read_files, lambda paths, **o: list(pyuring.iter_files(paths, **o))])
def test_bad_arguments_are_refused_before_anything_is_opened(call: Read, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    for one in ("name", b"name", tmp_path / "a"):
        with pytest.raises(TypeError, match="not one path"):
            call(one)
    with pytest.raises(TypeError, match=r"path 1: .*int"):
        call([tmp_path / "a", 3])
    with pytest.raises(TypeError):
        call(3)
    with pytest.raises(ValueError, match="embedded null byte in path 1"):
        call([tmp_path / "a", "b\0c", "d"])
    with pytest.raises(ValueError, match="embedded null byte in path 1"):
        call([b"a", b"b\0c"])
    with pytest.raises(UnicodeEncodeError):
        call(["\ud800"])
    with pytest.raises(ValueError, match="on_error"):
        call([tmp_path / "a"], on_error="ignore")
    with pytest.raises(ValueError, match="depth"):
        call([tmp_path / "a"], depth=0)
    with pytest.raises(TypeError, match="depth"):
        call([tmp_path / "a"], depth=True)


# -- the ring --------------------------------------------------------------------------------------


def test_the_rings_other_operations_go_on(tmp_path: Path, pipe: tuple[int, int]) -> None:
    data = fill(tmp_path / "a", 10_000)
    with Ring(64) as ring:
        waits = ring.read(pipe[0], 10, offset=-1, user_data="theirs")
        soon = ring.nop(user_data="soon")
        assert ring.read_files([tmp_path / "a"] * 500) == [data] * 500
        assert ring.in_flight == 1
        os.write(pipe[1], b"late")
        assert ring.read_files([tmp_path / "a"] * 500) == [data] * 500
        assert {done.user_data for done in ring.wait(2)} == {"theirs", "soon"}
        assert (waits.result(), soon.done) == (b"late", True)


def test_registered_files_of_the_user_are_left_alone(tmp_path: Path) -> None:
    data = fill(tmp_path / "a", 1000)
    with Ring(64) as ring, open(tmp_path / "a", "rb") as file:
        files = ring.register_files([file] * 8)
        assert ring.read_files([tmp_path / "a"] * 100) == [data] * 100
        assert [ring.read(each, 10, offset=0).result() for each in files] == [data[:10]] * 8


def test_the_table_does_not_stay_on_the_users_ring(tmp_path: Path) -> None:
    data = fill(tmp_path / "a", 1000)
    with Ring(64) as ring:
        for _ in range(3):
            assert ring.read_files([tmp_path / "a"] * 20) == [data] * 20
            assert registered_files_of(ring) == 0
            ring.register_files([0, 1]).unregister()


def registered_files_of(ring: Ring) -> int:
    info = Path(f"/proc/self/fdinfo/{ring.fileno()}").read_text()
    return next(int(line.split()[1]) for line in info.splitlines() if line.startswith("UserFiles:"))


def test_no_file_stays_open_in_the_threads_table(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(300)]
    for path in paths:
        path.write_bytes(b"x")
    pyuring.read_files(paths, depth=200)
    # Whoever still has it open would keep the lease from being given.
    code = "import fcntl, sys\nfor path in sys.argv[1:]:\n    fcntl.fcntl(open(path, 'rb+'), 1024, 1)\n"
    in_child(code, *map(str, paths))


def test_a_ring_that_polls_is_refused() -> None:
    with Ring(8, setup=SetupFlags.IOPOLL) as ring, pytest.raises(ValueError, match="IOPOLL"):
        ring.read_files(["/dev/null"])


def test_a_chain_a_closed_ring_and_another_thread_are_refused() -> None:
    with Ring(8) as ring:
        with ring.link(), pytest.raises(RuntimeError):
            ring.read_files(["/dev/null"])
        raised: list[BaseException] = []

        def elsewhere() -> None:
            try:
                ring.read_files(["/dev/null"])
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(raised) == 1
        assert ring.read_files(["/dev/null"]) == [b""]
    with pytest.raises(RuntimeError):
        ring.read_files(["/dev/null"])


def test_each_thread_reads_on_a_ring_of_its_own(tmp_path: Path) -> None:
    expected = [fill(tmp_path / str(i), 3000 + i) for i in range(400)]
    paths = [tmp_path / str(i) for i in range(400)]
    results: list[list[bytes]] = []
    threads = [threading.Thread(target=lambda: results.append(pyuring.read_files(paths))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 6


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / str(i)).write_bytes(b"x" * 10_000)
    count, over = 0, threading.Event()

    def run() -> None:
        nonlocal count
        while not over.is_set():
            count += 1

    thread = threading.Thread(target=run)
    thread.start()
    before = count
    data = pyuring.read_files([tmp_path / str(i) for i in range(3000)])
    after = count
    over.set()
    thread.join()
    assert len(data) == 3000
    assert after > before


# -- one after another --------------------------------------------------------------------------------


def test_the_iterator_gives_paths_and_contents_in_order(tmp_path: Path) -> None:
    expected = [fill(tmp_path / str(i), i * 53 % 30_000) for i in range(5000)]
    paths = [tmp_path / str(i) for i in range(5000)]
    assert list(pyuring.iter_files(paths)) == list(zip(paths, expected, strict=True))
    with Ring(64) as ring:
        assert list(pyuring.iter_files(paths, ring=ring)) == list(ring.iter_files(iter(paths)))


def test_the_iterator_is_content_with_an_endless_generator(tmp_path: Path) -> None:
    data = fill(tmp_path / "a", 100)
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield tmp_path / "a"

    got = list(itertools.islice(pyuring.iter_files(endless()), 10_000))
    assert got == [(tmp_path / "a", data)] * 10_000
    assert taken <= 10_000 + 2 * 2048


def test_the_iterator_raises_when_the_turn_of_the_failure_comes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    paths: list[Any] = [tmp_path / "a", tmp_path / "a", "/missing", tmp_path / "a"]
    files = pyuring.iter_files(paths)
    assert [next(files)[1], next(files)[1]] == [b"a", b"a"]
    with pytest.raises(FileNotFoundError) as caught:
        next(files)
    assert caught.value.filename == "/missing"
    assert list(files) == []


def test_the_iterator_returns_failures_if_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    paths: list[Any] = [tmp_path / "a", "/missing", tmp_path, tmp_path / "a"]
    got = [data for _, data in pyuring.iter_files(paths, on_error="return")]
    assert (got[0], got[3]) == (b"a", b"a")
    assert (type(got[1]), type(got[2])) == (FileNotFoundError, IsADirectoryError)


def test_the_iterator_holds_no_more_than_it_is_allowed(tmp_path: Path) -> None:
    """In a child, whose memory nobody else uses: 600 MB of files, 20 MB of them ahead."""
    sizes = [3_000_000 if i % 2 else 50_000 for i in range(400)]
    for i, size in enumerate(sizes):
        with open(tmp_path / str(i), "wb") as file:
            file.truncate(size)
    code = (
        "import resource, sys, pyuring\n"
        "paths = [f'{sys.argv[1]}/{i}' for i in range(400)]\n"
        "next(pyuring.iter_files(paths[:1]))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "sizes = [len(data) for _, data in pyuring.iter_files(paths, ahead=20_000_000)]\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *sizes)\n"
    )
    more, *got = map(int, in_child(code, str(tmp_path)).split())
    assert got == sizes
    assert more < 60_000, "KiB"


@pytest.mark.parametrize("ahead", [1, 1000, 100_000, 1 << 30])
def test_any_read_ahead_gives_the_same(tmp_path: Path, ahead: int) -> None:
    sizes = [0, 200_000, 10, 300_000, 65_536, 70_000, 1, 0, 500_000, 123, 400_000, 5]
    expected = [fill(tmp_path / str(i), size) for i, size in enumerate(sizes)]
    got = pyuring.iter_files([tmp_path / str(i) for i in range(len(sizes))], ahead=ahead)
    assert [data for _, data in got] == expected


def test_the_iterator_can_be_left_at_any_time(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(100)]
    for path in paths:
        path.write_bytes(b"x" * 100)
    pyuring.read_files(paths[:1])
    before = descriptors()
    for _ in pyuring.iter_files(paths):
        break
    files = pyuring.iter_files(paths)
    next(files)
    del files
    gc.collect()
    with pytest.raises(ZeroDivisionError):
        for _ in pyuring.iter_files(paths):
            1 / 0  # noqa: B018
    assert descriptors() == before
    assert len(list(pyuring.iter_files(paths))) == 100


def test_ahead_is_a_number_of_bytes() -> None:
    for bad in (0, -1):
        with pytest.raises(ValueError, match="ahead"):
            pyuring.iter_files([], ahead=bad)
    for wrong in (1.5, True, "1"):
        with pytest.raises(TypeError, match="ahead"):
            pyuring.iter_files([], ahead=wrong)  # type: ignore[arg-type]


def test_an_iterator_may_go_on_in_another_thread(tmp_path: Path) -> None:
    data = fill(tmp_path / "a", 100)
    files = pyuring.iter_files([tmp_path / "a"] * 100)
    got = [next(files)]
    thread = threading.Thread(target=lambda: got.extend(files))
    thread.start()
    thread.join()
    assert got == [(tmp_path / "a", data)] * 100
