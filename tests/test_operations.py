"""What all operations have in common: results, errors, user_data, flags, drain and time limits."""

from __future__ import annotations

import errno
import inspect
import os
import select
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from specs import SPECS
from specs.kit import Failure, Scenario, World

import pyuring
from pyuring import Completion, Ring, SetupFlags, SqeFlags
from pyuring.kernel import is_older
from pyuring.operations import Operations


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def nop(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.nop(**keywords), lambda result: result == 0


def read(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.read(world.file(), 5, 3, **keywords), lambda result: result == b"34567"


def readinto(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    buffer = bytearray(4)
    op = ring.readinto(world.file(), buffer, 3, **keywords)
    return op, lambda result: result == 4 and buffer == b"3456"


def write(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = world.file()
    return ring.write(fd, b"xyz", 4, **keywords), lambda r: r == 3 and os.pread(fd, 99, 0) == b"0123xyz789"


def readv(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    first, second = bytearray(2), bytearray(3)
    op = ring.readv(world.file(), [first, second], 1, **keywords)
    return op, lambda result: result == 5 and first == b"12" and second == b"345"


def writev(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = world.file()
    op = ring.writev(fd, [b"ab", bytearray(b"c")], 2, **keywords)
    return op, lambda result: result == 3 and os.pread(fd, 99, 0) == b"01abc56789"


def fsync(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.fsync(world.file(), **keywords), lambda result: result is None


def fdatasync(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.fdatasync(world.file(), **keywords), lambda result: result is None


def fallocate(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = world.file()
    op = ring.fallocate(fd, 100, 8092, **keywords)
    return op, lambda result: result is None and os.fstat(fd).st_size == 8192


def ftruncate(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = world.file()
    return ring.ftruncate(fd, 4, **keywords), lambda r: r is None and os.pread(fd, 99, 0) == b"0123"


def open_(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    if "flags" in keywords:
        keywords = {("sqe_flags" if key == "flags" else key): value for key, value in keywords.items()}
    world.file(b"opened")
    op = ring.open(world.folder / "file", **keywords)
    return op, lambda fd: os.read(world.keep(fd), 99) == b"opened" and not os.get_inheritable(fd)


def close_fd(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    fd = os.dup(world.file())

    def closed(result: object) -> bool:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        return result is None

    return ring.close_fd(fd, **keywords), closed


def statx(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    inode = os.fstat(world.file()).st_ino
    return ring.statx(world.folder / "file", **keywords), lambda s: (s.st_size, s.st_ino) == (10, inode)


def unlink(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    world.file()
    op = ring.unlink(world.folder / "file", **keywords)
    return op, lambda result: result is None and os.listdir(world.folder) == []


def rename(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    world.file()
    op = ring.rename(world.folder / "file", world.folder / "new", **keywords)
    return op, lambda result: result is None and os.listdir(world.folder) == ["new"]


def mkdir(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    path = world.folder / "made"
    op = ring.mkdir(path, 0o750, **keywords)
    return op, lambda result: result is None and stat.S_IMODE(path.stat().st_mode) == 0o750


def poll(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    reader, writer = world.pipe()
    os.write(writer, b"x")
    return ring.poll(reader, **keywords), lambda result: result == select.POLLIN


def timeout(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    return ring.timeout(0.005, **keywords), lambda result: result is None


def cancel(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    pending = ring.poll(world.pipe()[0])
    ring.submit()

    def cancelled(result: object) -> bool:
        with pytest.raises(OSError) as caught:
            pending.result(timeout=5)
        return result is None and caught.value.errno == errno.ECANCELED

    return ring.cancel(pending, **keywords), cancelled


def socket_(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    def made(fd: int) -> bool:
        with socket.socket(fileno=fd) as sock:
            return (sock.family, sock.type) == (socket.AF_INET6, socket.SOCK_DGRAM) and not sock.get_inheritable()

    return ring.socket(socket.AF_INET6, socket.SOCK_DGRAM, **keywords), made


def accept(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    listener, client = world.listener(), world.client()
    client.connect(listener.getsockname())
    op = ring.accept(listener, **keywords)

    def accepted(fd: int) -> bool:
        with socket.socket(fileno=fd) as sock:
            return sock.getpeername() == client.getsockname() == op.address and not sock.get_inheritable()

    return op, accepted


def connect(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    listener, client = world.listener(), world.client()
    op = ring.connect(client, listener.getsockname(), **keywords)
    return op, lambda result: result is None and client.getpeername() == listener.getsockname()


def send(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.pair()
    return ring.send(ours, b"hello", **keywords), lambda result: result == 5 and theirs.recv(99) == b"hello"


def recv(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.pair()
    theirs.send(b"hello")
    return ring.recv(ours, 99, **keywords), lambda result: result == b"hello"


def recv_into(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.pair()
    theirs.send(b"hello")
    buffer = bytearray(8)
    op = ring.recv_into(ours, buffer, **keywords)
    return op, lambda result: result == 5 and buffer == b"hello\0\0\0"


def shutdown(ring: Ring, world: World, keywords: dict[str, Any]) -> Any:
    ours, theirs = world.pair()
    return ring.shutdown(ours, socket.SHUT_WR, **keywords), lambda result: result is None and theirs.recv(1) == b""


SCENARIOS: list[Scenario] = [
    nop, read, readinto, write, readv, writev, fsync, fdatasync, fallocate, ftruncate, open_, close_fd, statx, unlink,
    rename, mkdir, poll, timeout, cancel, socket_, accept, connect, send, recv, recv_into, shutdown,
]  # fmt: skip


NAMES = {scenario: scenario.__name__.rstrip("_") for scenario in SCENARIOS} | {
    spec.scenario: spec.name for spec in SPECS
}
#: What this kernel is too old for; the tests of their modules say how it answers.
LACKED = {spec.name for spec in SPECS if is_older(spec.kernel)}
SCENARIOS += [spec.scenario for spec in SPECS if spec.scenario and spec.name not in LACKED]
MULTISHOTS = {spec.name for spec in SPECS if spec.scenario is None}
ON_OPERATIONS = {"cancel"} | {spec.name for spec in SPECS if spec.on_operations}
CUTS_CHAINS = {"timeout"} | {spec.name for spec in SPECS if spec.cuts_chains}
LACKING = {spec.name: spec.lacks for spec in SPECS} | {"timeout": frozenset({"timeout"})}
MAKE_DESCRIPTORS = {"open", "socket", "accept"} | {spec.name for spec in SPECS if spec.makes_descriptor}


def name_of(scenario: Scenario) -> str:
    return NAMES[scenario]


each_operation = pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)

SETUPS = {
    "best": None,
    "plain": SetupFlags(0),
    "coop": SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG,
    "deferred-unflagged": SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN,
    "sqpoll": SetupFlags.SQPOLL,
}


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
@each_operation
def test_each_operation_succeeds_under_each_setup(world: World, scenario: Scenario, setup: SetupFlags | None) -> None:
    with Ring(entries=8, setup=setup) as ring:
        op, correct = scenario(ring, world, {})
        assert correct(op.result(timeout=10))
        assert op.done
        assert op.res is not None


@each_operation
def test_each_operation_returns_the_same_result_again(ring: Ring, world: World, scenario: Scenario) -> None:
    op, _ = scenario(ring, world, {})
    if name_of(scenario) in MAKE_DESCRIPTORS:
        world.keep(op.result())
    assert op.result() == op.result()
    assert op not in ring.completions()


@each_operation
def test_each_operation_comes_out_of_wait_with_its_user_data(ring: Ring, world: World, scenario: Scenario) -> None:
    thing = ["any", {"object": 1}]
    op, correct = scenario(ring, world, {"user_data": thing})
    assert op.user_data is thing
    while not op.done:
        for done in ring.wait(1, timeout=5):
            assert done is not op or done.user_data is thing
    assert correct(op.result())


@each_operation
def test_each_operation_can_go_straight_to_a_worker(ring: Ring, world: World, scenario: Scenario) -> None:
    op, correct = scenario(ring, world, {"flags": SqeFlags.ASYNC})
    assert correct(op.result(timeout=10))


@pytest.mark.parametrize("keywords", [{"drain": True}, {"flags": SqeFlags.IO_DRAIN}], ids=["drain", "flag"])
# One that is about others would wait for these.
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if name_of(s) not in ON_OPERATIONS], ids=name_of)
def test_each_operation_can_drain(ring: Ring, world: World, scenario: Scenario, keywords: dict[str, Any]) -> None:
    before = ring.timeout(0.01)
    op, correct = scenario(ring, world, keywords)
    result = op.result(timeout=10)
    assert before.done
    assert correct(result)


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if "timeout" not in LACKING.get(name_of(s), ())], ids=name_of
)
def test_each_operation_that_is_in_time_ignores_its_time_limit(ring: Ring, world: World, scenario: Scenario) -> None:
    op, correct = scenario(ring, world, {"timeout": 30})
    assert correct(op.result(timeout=10))
    assert ring.wait(1, timeout=0) == []
    if name_of(scenario) != "cancel":
        assert ring.in_flight == 0


# These submit their targets first, which a chain forbids; test_control.py has some in a chain.
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if name_of(s) not in ON_OPERATIONS], ids=name_of)
def test_each_operation_works_in_the_middle_of_a_chain(ring: Ring, world: World, scenario: Scenario) -> None:
    # A result that is not what was asked for cuts a soft chain: a timeout's is ETIME.
    with ring.link(hard=name_of(scenario) in CUTS_CHAINS):
        first = ring.nop()
        op, correct = scenario(ring, world, {})
        last = ring.nop()
    assert correct(op.result(timeout=10))
    assert first.result() == 0
    assert last.result() == 0


# -- failures ----------------------------------------------------------------------


def closed_descriptor(world: World) -> int:
    fd = os.dup(world.file())
    os.close(fd)
    return fd


FAILURES = [
    Failure("read", lambda r, w: r.read(closed_descriptor(w), 1), OSError, errno.EBADF),
    Failure("read", lambda r, w: r.read(w.keep(os.open(w.folder, 0)), 1), IsADirectoryError, errno.EISDIR),
    Failure("readinto", lambda r, w: r.readinto(closed_descriptor(w), bytearray(1)), OSError, errno.EBADF),
    Failure("write", lambda r, w: r.write(closed_descriptor(w), b"x"), OSError, errno.EBADF),
    Failure("write", lambda r, w: r.write(w.keep(os.open("/dev/full", os.O_WRONLY)), b"x"), OSError, errno.ENOSPC),
    Failure("readv", lambda r, w: r.readv(closed_descriptor(w), [bytearray(1)]), OSError, errno.EBADF),
    Failure("writev", lambda r, w: r.writev(closed_descriptor(w), [b"x"]), OSError, errno.EBADF),
    Failure("fsync", lambda r, w: r.fsync(w.pipe()[0]), OSError, errno.EINVAL),
    Failure("fdatasync", lambda r, w: r.fdatasync(w.pipe()[0]), OSError, errno.EINVAL),
    Failure("fallocate", lambda r, w: r.fallocate(w.pipe()[1], 0, 1), OSError, errno.ESPIPE),
    Failure("ftruncate", lambda r, w: r.ftruncate(w.pipe()[1], 1), OSError, errno.EINVAL),
    Failure("open", lambda r, w: r.open(w.folder / "no"), FileNotFoundError, errno.ENOENT, "no"),
    Failure(
        "open", lambda r, w: r.open(w.folder, os.O_RDWR), IsADirectoryError, errno.EISDIR, ""
    ),
    Failure("close_fd", lambda r, w: r.close_fd(closed_descriptor(w)), OSError, errno.EBADF),
    Failure("statx", lambda r, w: r.statx(w.folder / "no"), FileNotFoundError, errno.ENOENT, "no"),
    Failure("unlink", lambda r, w: r.unlink(w.folder / "no"), FileNotFoundError, errno.ENOENT, "no"),
    Failure("unlink", lambda r, w: r.unlink(w.folder), IsADirectoryError, errno.EISDIR, ""),
    Failure(
        "rename", lambda r, w: r.rename(w.folder / "no", w.folder / "to"), FileNotFoundError, errno.ENOENT, "no", "to"
    ),
    Failure("mkdir", lambda r, w: r.mkdir(w.folder), FileExistsError, errno.EEXIST, ""),
    Failure("mkdir", lambda r, w: r.mkdir(w.folder / "no/no"), FileNotFoundError, errno.ENOENT, "no/no"),
    Failure("poll", lambda r, w: r.poll(closed_descriptor(w)), OSError, errno.EBADF),
    Failure("cancel", lambda r, w: r.cancel(finished(r)), FileNotFoundError, errno.ENOENT),
    Failure("socket", lambda r, w: r.socket(12345), OSError, errno.EAFNOSUPPORT),
    Failure("accept", lambda r, w: r.accept(w.pair()[0]), OSError, errno.EINVAL),
    Failure("accept", lambda r, w: r.accept(w.file()), OSError, errno.ENOTSOCK),
    Failure(
        "connect", lambda r, w: r.connect(w.client(), closed_port()), ConnectionRefusedError, errno.ECONNREFUSED
    ),
    Failure(
        "connect", lambda r, w: r.connect(w.client(socket.AF_UNIX), str(w.folder / "no")),
        FileNotFoundError, errno.ENOENT,
    ),
    Failure("send", lambda r, w: r.send(w.client(), b"x", socket.MSG_NOSIGNAL), BrokenPipeError, errno.EPIPE),
    Failure("recv", lambda r, w: r.recv(w.client(), 1), OSError, errno.ENOTCONN),
    Failure("recv", lambda r, w: r.recv(reset_connection(w), 1), ConnectionResetError, errno.ECONNRESET),
    Failure("recv_into", lambda r, w: r.recv_into(w.client(), bytearray(1)), OSError, errno.ENOTCONN),
    Failure("shutdown", lambda r, w: r.shutdown(w.client(), socket.SHUT_WR), OSError, errno.ENOTCONN),
    Failure("shutdown", lambda r, w: r.shutdown(w.pair()[0], 17), OSError, errno.EINVAL),
]  # fmt: skip
FAILURES += [failure for spec in SPECS for failure in spec.failures]
INFALLIBLE = {"nop", "timeout", "cancel_all"}


def finished(ring: Ring) -> Completion[int]:
    op = ring.nop()
    op.result()
    return op


def closed_port() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
    return address


def reset_connection(world: World) -> socket.socket:
    listener, client = world.listener(), world.client()
    client.connect(listener.getsockname())
    accepted, _ = listener.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    accepted.close()
    return client


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f"{f.name}-{errno.errorcode[f.code]}")
def test_a_failure_is_the_builtin_exception_of_its_errno(ring: Ring, world: World, failure: Failure) -> None:
    op = failure.prepare(ring, world)
    assert op.operation == failure.name
    with pytest.raises(OSError) as caught:
        op.result(timeout=10)
    error = caught.value
    assert type(error) is failure.kind
    assert (error.errno, error.strerror) == (failure.code, os.strerror(failure.code))
    assert op.res == -failure.code
    names = [
        os.fspath(world.folder / name) if name is not None else None for name in (failure.filename, failure.filename2)
    ]
    # As in os, a descriptor stands in for the name that it is about.
    seen = [None if isinstance(name, int) else name for name in (error.filename, error.filename2)]
    assert seen == names
    assert any(failure.name in note for note in error.__notes__)
    assert ring.in_flight == 0


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f"{f.name}-{errno.errorcode[f.code]}")
def test_a_failure_comes_out_of_wait_as_a_negative_res(ring: Ring, world: World, failure: Failure) -> None:
    op = failure.prepare(ring, world)
    assert ring.wait(1, timeout=10) == [op]
    assert op.res == -failure.code


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f"{f.name}-{errno.errorcode[f.code]}")
def test_each_time_a_failed_result_is_asked_for_the_error_is_new(ring: Ring, world: World, failure: Failure) -> None:
    op = failure.prepare(ring, world)
    errors = []
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            op.result(timeout=10)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert errors[0].__notes__ == errors[1].__notes__
    assert len(errors[0].__notes__) == len(set(errors[0].__notes__)), "none is added twice"


def test_every_operation_that_can_fail_has_a_failure_here() -> None:
    assert {f.name for f in FAILURES} - LACKED == {name_of(s) for s in SCENARIOS} - INFALLIBLE


# -- time limits ----------------------------------------------------------------------

BLOCKING: dict[str, Callable[[Ring, World, float | None], Completion[Any]]] = {
    "read": lambda r, w, t: r.read(w.pipe()[0], 1, timeout=t),
    "readinto": lambda r, w, t: r.readinto(w.pipe()[0], bytearray(1), timeout=t),
    "readv": lambda r, w, t: r.readv(w.pipe()[0], [bytearray(1)], timeout=t),
    "write": lambda r, w, t: r.write(w.full_pipe(), b"x", timeout=t),
    "writev": lambda r, w, t: r.writev(w.full_pipe(), [b"x"], timeout=t),
    "poll": lambda r, w, t: r.poll(w.pipe()[0], timeout=t),
    "accept": lambda r, w, t: r.accept(w.listener(), timeout=t),
    "connect": lambda r, w, t: r.connect(w.client(socket.AF_UNIX), w.crowded_listener(), timeout=t),
    "send": lambda r, w, t: r.send(w.full_socket(), b"x", timeout=t),
    "recv": lambda r, w, t: r.recv(w.pair()[0], 1, timeout=t),
    "recv_into": lambda r, w, t: r.recv_into(w.pair()[0], bytearray(1), timeout=t),
}
BLOCKING |= {spec.name: spec.blocking for spec in SPECS if spec.blocking}
each_blocking_operation = pytest.mark.parametrize("name", BLOCKING)


@each_blocking_operation
def test_an_operation_whose_time_limit_runs_out_raises_timeouterror(ring: Ring, world: World, name: str) -> None:
    op = BLOCKING[name](ring, world, 0.02)
    started = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        op.result(timeout=10)
    assert 0.015 < time.monotonic() - started < 5
    assert caught.value.errno == errno.ETIMEDOUT
    assert any(name in note for note in caught.value.__notes__)
    assert op.done, "its own time limit ends it, unlike that of result()"
    assert ring.in_flight == 0
    assert ring.wait(1, timeout=0) == [], "the timeout's own CQE is nobody's business"


@each_blocking_operation
def test_a_cancelled_operation_is_no_timeouterror(ring: Ring, world: World, name: str) -> None:
    op = BLOCKING[name](ring, world, 30)
    ring.submit()
    deadline = time.monotonic() + 10
    while not op.done and time.monotonic() < deadline:
        # Again, because it misses an operation between two queues of the kernel.
        op.cancel()
        ring.wait(1, timeout=0.1)
    with pytest.raises(OSError) as caught:
        op.result(timeout=0)
    assert not isinstance(caught.value, TimeoutError)
    assert caught.value.errno in (errno.ECANCELED, errno.EINTR)
    assert ring.in_flight == 0


@each_blocking_operation
def test_the_time_of_result_running_out_leaves_the_operation_running(ring: Ring, world: World, name: str) -> None:
    op = BLOCKING[name](ring, world, None)
    with pytest.raises(TimeoutError, match=name):
        op.result(timeout=0.01)
    assert not op.done
    assert ring.in_flight == 1


def test_a_time_limit_of_0_is_over_at_once(ring: Ring, pipe: tuple[int, int]) -> None:
    with pytest.raises(TimeoutError):
        ring.read(pipe[0], 1, timeout=0).result(timeout=10)


def test_time_limits_run_from_submission_and_end_in_their_own_order(ring: Ring, pipe: tuple[int, int]) -> None:
    for number, seconds in enumerate((0.06, 0.02, 0.04)):
        ring.poll(pipe[0], timeout=seconds, user_data=number)
    order: list[Any] = []
    while len(order) < 3:
        order += [op.user_data for op in ring.wait(1, timeout=5)]
    assert order == [1, 2, 0]


def test_an_operation_of_every_kind_has_the_common_keywords(ring: Ring) -> None:
    for scenario in SCENARIOS:
        parameters = inspect.signature(getattr(ring, name_of(scenario))).parameters
        expected = {"user_data", "sqe_flags" if name_of(scenario) in ("open", "openat2") else "flags", "drain"}
        expected |= {"timeout"}
        expected -= LACKING.get(name_of(scenario), frozenset())
        assert expected <= parameters.keys(), name_of(scenario)
        assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in expected), name_of(scenario)


def test_scenarios_cover_all_methods_that_are_operations() -> None:
    methods = {
        name
        for domain in Operations.__mro__
        if domain.__module__.startswith("pyuring.operations.")
        for name in vars(domain)
        if not name.startswith("_")
    }
    assert methods == {name_of(scenario) for scenario in SCENARIOS} | MULTISHOTS | LACKED


def test_a_machine_without_io_uring_does_not_pass_these_tests() -> None:
    """The suite has no skip for it: this is the one place that says so."""
    try:
        pyuring.Ring(1).close()
    except pyuring.UnavailableError as error:
        pytest.fail(f"io_uring is needed to test pyuring, and is refused here: {error}")
