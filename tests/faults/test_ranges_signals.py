"""Signal handlers that raise in the middle of a batch, or use its ring."""

from __future__ import annotations

import array
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from lifetime.limits import no_longer_than

import pyuring
from pyuring import Ring, SetupFlags
from pyuring.thread_ring import thread_ring

from .signals import alarms, handled, signalled
from .steps import Interrupted, each_step, interrupt, is_ours

RINGS: dict[str, dict[str, Any]] = {
    "best": {},
    "plain": {"setup": SetupFlags(0)},
    "sqpoll": {"setup": SetupFlags.SQPOLL},
}

OFFSETS = [0, 9, 4096, 5]


class Stop(BaseException):
    """What a signal handler raises that is to end the batch."""


def stop(*_: object) -> None:
    raise Stop


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """In the block, a signal handler raises `Stop` after that many seconds."""
    with handled(signal.SIGALRM, stop):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture(params=RINGS)
def any_ring(request: pytest.FixtureRequest) -> Iterator[Ring]:
    with Ring(16, **RINGS[request.param]) as ring:
        yield ring
        assert ring.stats()["unexpected"] == 0


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is raised in a destructor is reported, and that a lost file closed itself; nothing else may be."""
    errors: list[type[BaseException]] = []
    monkeypatch.setattr("sys.unraisablehook", lambda event: errors.append(event.exc_type))
    yield
    gc.collect()
    assert set(errors) <= {Interrupted, ResourceWarning}


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """SIGINT raises, also where the tests run in the background."""
    with handled(signal.SIGINT, signal.default_int_handler):
        yield


@pytest.fixture
def full_pipe(pipe: tuple[int, int]) -> int:
    """The end of a pipe to which nothing can be written now."""
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], bytes(65536))
    os.set_blocking(pipe[1], True)
    return pipe[1]


def check(ring: Ring, fd: int, *memory: bytearray) -> None:
    """Nothing of a batch is left, and the ring is as good as before."""
    assert ring.in_flight == 0
    assert not ring._runs
    assert ring._c.running == 0
    assert ring._c.expected == 0
    for each in memory:
        each.extend(b"x")
        each.pop()
    views = ring.read_ranges(fd, OFFSETS, 5)
    assert [bytes(view) for view in views] == [os.pread(fd, 5, offset) for offset in OFFSETS]
    assert ring.nop().result() == 0


# -- Ctrl-C ----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 128])
def test_ctrl_c_ends_reads_that_would_wait_for_ever(
    depth: int, any_ring: Ring, pipe: tuple[int, int], data_file: int
) -> None:
    out = bytearray(200)
    before = time.monotonic()
    with signalled(signal.SIGINT, lambda: os.write(pipe[1], b"x" * 200)), pytest.raises(KeyboardInterrupt):
        any_ring.read_ranges(pipe[0], [0] * 20, 10, out, depth=depth)
    assert time.monotonic() - before < 5
    check(any_ring, data_file, out)
    os.write(pipe[1], b"late")
    assert os.read(pipe[0], 10) == b"late", "nobody else reads"
    assert not any(out)


def test_ctrl_c_ends_writes_that_would_wait_for_ever(any_ring: Ring, full_pipe: int, data_file: int) -> None:
    data = bytearray(200)
    with signalled(signal.SIGINT, lambda: os.close(full_pipe)), pytest.raises(KeyboardInterrupt):
        any_ring.write_ranges(full_pipe, [0] * 20, data)
    check(any_ring, data_file, data)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_ctrl_c_ends_all_threads(workers: int, pipe: tuple[int, int], data_file: int) -> None:
    out, offsets = bytearray(200), array.array("q", [0] * 20)
    for _ in range(3):
        with signalled(signal.SIGINT, lambda: os.write(pipe[1], b"x" * 200)), pytest.raises(KeyboardInterrupt):
            pyuring.read_ranges(pipe[0], offsets, 10, out, workers=workers)
        offsets.append(0)
        offsets.pop()
        check(thread_ring(), data_file, out)
    os.write(pipe[1], b"late")
    assert os.read(pipe[0], 10) == b"late", "no thread reads any more"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_a_batch_of_cached_data_that_never_waits(workers: int, data_file: int) -> None:
    count = 5_000_000
    offsets = array.array("q", [0]) * count
    out = bytearray(b"\xee") * count
    os.pwrite(data_file, b"\0", 0)
    ring, me = thread_ring(), threading.get_ident()
    before = ring.stats()["completed"]

    def watch() -> None:
        while ring.stats()["completed"] == before:
            time.sleep(0.001)
        signal.pthread_kill(me, signal.SIGUSR1)

    watcher = threading.Thread(target=watch)
    with handled(signal.SIGUSR1, stop), pytest.raises(Stop):
        watcher.start()
        pyuring.read_ranges(data_file, offsets, 1, out, workers=workers)
    watcher.join()
    assert out.count(0xEE) > count // 10, "it did not go on to the end"
    check(thread_ring(), data_file, out)


def test_a_signal_ends_a_batch_of_cold_data(tmp_path: Path, data_file: int) -> None:
    path = tmp_path / "cold"
    blocks = 16384
    path.write_bytes(b"c" * (blocks * 4096))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    try:
        for seconds in (0.001, 0.01, 0.03):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            out = bytearray(blocks * 4096)
            with suppress(Stop), interrupted_after(seconds):
                pyuring.read_ranges(fd, [i * 7919 % blocks * 4096 for i in range(blocks)], 4096, out)
            check(thread_ring(), data_file, out)
            found = bytes(out)
            time.sleep(0.01)
            assert out == found, "nothing is written to it any more"
    finally:
        os.close(fd)


def test_a_timeout_error_of_a_handler_is_not_taken_for_one_of_the_call(data_file: int, pipe: tuple[int, int]) -> None:
    """An OSError that a handler raises ends the call for one range too, and that on a ring."""

    def handler(*_: object) -> None:
        raise TimeoutError("the handler's")

    class Signals:
        sent = False

        def __index__(self) -> int:
            if not self.sent:
                self.sent = True
                os.kill(os.getpid(), signal.SIGALRM)
            return 0

    with handled(signal.SIGALRM, handler):
        with pytest.raises(TimeoutError, match="the handler's"):
            pyuring.read_ranges(data_file, [Signals()], 10)
        with pytest.raises(TimeoutError, match="the handler's"):
            pyuring.write_ranges(data_file, [Signals()], [b"x"])
        with signalled(signal.SIGALRM, lambda: os.write(pipe[1], b"rescue")), pytest.raises(TimeoutError):
            pyuring.read_ranges(pipe[0], [0, 0], 3)
    check(thread_ring(), data_file)


# -- at every step --------------------------------------------------------------------------


def transfers(ring: Ring | None, fd: int, memory: bytearray, workers: int | None = None) -> Callable[[], object]:
    def act() -> None:
        pyuring.read_ranges(fd, OFFSETS, [5, 0, 100, 7], memory, ring=ring, depth=2, workers=workers)
        pyuring.read_ranges([fd, "/proc/self/exe"], (0, 1), 50, ring=ring, workers=workers)
        pyuring.write_ranges(fd, [0, 60], [memory, b"abc"], ring=ring, workers=workers)

    return act


@pytest.mark.parametrize("workers", [None, 2])
def test_nothing_is_left_of_a_batch_wherever_a_handler_raises(workers: int | None, data_file: int) -> None:
    descriptors = None
    pyuring.read_ranges(data_file, OFFSETS, 1, workers=3)
    for step in each_step(interrupt, at_least=150):
        memory = bytearray(200)
        with no_longer_than(10), step:
            transfers(None, data_file, memory, workers)()
        try:
            check(thread_ring(), data_file, memory)
            if descriptors is not None and workers is None:
                assert os.listdir("/proc/self/fd") == descriptors
            descriptors = os.listdir("/proc/self/fd")
        except BaseException as error:
            error.add_note(step.place)
            raise


def test_other_operations_of_the_ring_come_out_once_wherever_a_handler_raises(
    data_file: int, pipe: tuple[int, int]
) -> None:
    for step in each_step(interrupt, at_least=100):
        with Ring(4) as ring:
            waiting = ring.read(pipe[0], 3, user_data="waiting")
            for i in range(3):
                ring.nop(user_data=i)
            memory = bytearray(200)
            with step:
                transfers(ring, data_file, memory)()
            assert ring.in_flight <= 4, step.place
            memory.extend(b"x")
            os.write(pipe[1], b"abc")
            with no_longer_than(5, step.place):
                delivered = []
                while ring.in_flight:
                    delivered += ring.wait(1)
                delivered += ring.completions()
            assert sorted(str(op.user_data) for op in delivered) == ["0", "1", "2", "waiting"], step.place
            assert waiting.result() == b"abc"
            check(ring, data_file)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_during_the_drain_leaves_nothing_behind(
    workers: int, pipe: tuple[int, int], data_file: int
) -> None:
    """The first ends a batch that waits for ever; the second comes at every step of what that entails."""
    pyuring.read_ranges(data_file, OFFSETS, 1, workers=3)
    drained = 0
    for step in each_step(interrupt, at_least=60):
        memory = bytearray(40)
        with no_longer_than(10, step.place), step, suppress(Stop), signal_when_waiting():
            pyuring.read_ranges(pipe[0], [0] * 4, 10, memory, workers=workers)
        drained += "_stop" in step.place or "stop" in step.place
        with no_longer_than(5, step.place):
            while not is_free(memory):  # the other thread's part, if this one was torn away from it
                assert workers > 1, step.place
                time.sleep(0.001)
            check(thread_ring(), data_file, memory)
    assert drained > 3


@contextmanager
def signal_when_waiting() -> Iterator[None]:
    """`Stop` comes a moment later: the steps up to there take less, those in the drain come after."""
    with interrupted_after(0.03):
        yield


def is_free(memory: bytearray) -> bool:
    try:
        memory.extend(b"x")
    except BufferError:
        return False
    return True


# -- handlers that use the ring -------------------------------------------------------------


def nested(ring: Ring | None, fd: int) -> Callable[[], object]:
    def act() -> None:
        views = pyuring.read_ranges(fd, OFFSETS, 5, ring=ring)
        assert [bytes(view) for view in views] == [os.pread(fd, 5, offset) for offset in OFFSETS]

    return act


def waits(ring: Ring) -> None:
    ops = [ring.nop(), ring.nop()]
    assert ops[1].result() == 0
    ring.wait(1)


def waits_for_nothing(ring: Ring) -> None:
    with no_longer_than(5), pytest.raises(RuntimeError, match="nothing is in flight"):
        ring.wait()


ACTIONS: dict[str, Callable[[Ring, int], object]] = {
    "a batch": lambda ring, fd: nested(ring, fd)(),
    "result and wait": lambda ring, fd: waits(ring),
    "completions": lambda ring, fd: ring.completions(),
    "submit": lambda ring, fd: ring.submit(),
    "wait for nothing": lambda ring, fd: waits_for_nothing(ring),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_handler_uses_the_ring_at_every_step_of_a_batch(name: str, data_file: int) -> None:
    expected = [os.pread(data_file, length, offset) for offset, length in zip(OFFSETS, [5, 0, 100, 7], strict=True)]
    with Ring(4) as ring:
        for step in each_step(lambda: ACTIONS[name](ring, data_file), at_least=20):
            with step:
                views = ring.read_ranges(data_file, OFFSETS, [5, 0, 100, 7], depth=2)
            assert [bytes(view) for view in views] == expected, step.place
            assert ring.in_flight == 0, step.place
            assert not ring._runs, step.place


def test_a_handler_uses_the_default_ring_at_every_step_of_a_batch(data_file: int) -> None:
    expected = [os.pread(data_file, 6, offset) for offset in OFFSETS]
    for workers in (1, 2):
        for step in each_step(nested(None, data_file), at_least=20):
            with step:
                views = pyuring.read_ranges(data_file, OFFSETS, 6, depth=2, workers=workers)
            assert [bytes(view) for view in views] == expected, step.place


def test_a_handler_that_closes_the_ring_ends_the_batch_at_any_step(data_file: int, pipe: tuple[int, int]) -> None:
    rings: list[Ring] = []

    def close() -> None:
        rings[-1].close()

    for fd in (data_file, pipe[0]):
        for number, step in enumerate(each_step(close, at_least=20)):
            if fd == pipe[0] and number > 60:
                break  # the steps from there on are those of a wait, again and again
            memory = bytearray(20)
            rings.append(Ring(4))
            with no_longer_than(10, step.place), step, suppress(RuntimeError):
                rings[-1].read_ranges(fd, [0, 5], 10, memory)
            memory.extend(b"x")
            rings.pop().close()


@pytest.mark.parametrize("name", ["close", "raise", "fork"])
def test_a_handler_in_the_middle_of_reads_that_wait(name: str, pipe: tuple[int, int], data_file: int) -> None:
    memory = bytearray(40)
    with Ring(4) as ring:

        def handler(*_: object) -> None:
            if name == "close":
                ring.close()
            elif name == "raise":
                raise RuntimeError("the ring is closed")
            else:
                in_a_child()
                raise RuntimeError("the ring is closed")

        def in_a_child() -> None:
            pid = os.fork()
            if pid == 0:
                forked.append(True)
                return
            assert os.waitpid(pid, 0)[1] == 0

        forked: list[bool] = []
        rescue = lambda: os.write(pipe[1], b"x" * 40)  # noqa: E731
        status = 1
        try:
            with handled(signal.SIGUSR1, handler), signalled(signal.SIGUSR1, rescue):
                try:
                    ring.read_ranges(pipe[0], [0] * 4, 10, memory, depth=3)
                except RuntimeError as error:
                    assert str(error) == "the ring is closed"
                else:
                    raise AssertionError("it was not ended")
            memory.extend(b"x")
            status = 0
        finally:
            if forked:
                os._exit(status)
        if name == "close":
            assert ring.closed
        else:
            check(ring, data_file, memory)


def test_a_child_forked_in_a_handler_may_not_go_on_with_the_batch(pipe: tuple[int, int], data_file: int) -> None:
    for workers in (1, 2):
        memory = bytearray(40)
        children: list[int] = []

        def handler(*_: object) -> None:
            children.append(os.fork())  # noqa: B023
            if children[0]:  # noqa: B023
                os.write(pipe[1], b"x" * 40)

        with handled(signal.SIGUSR1, handler), signalled(signal.SIGUSR1, lambda: os.write(pipe[1], b"y" * 40)):
            try:
                pyuring.read_ranges(pipe[0], [0] * 4, 10, memory, workers=workers)
            except BaseException as error:
                if children == [0]:
                    ok = isinstance(error, RuntimeError) and "fork" in str(error) and is_free(memory)
                    ok = ok and len(pyuring.read_ranges(data_file, OFFSETS, 5, workers=workers)) == 4
                    os._exit(0 if ok else 2)
                raise
            if children == [0]:
                os._exit(3)
        assert memory == b"x" * 40
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
        check(thread_ring(), data_file, memory)


def test_a_chain_that_a_handler_leaves_open_does_not_hold_up_the_batch(pipe: tuple[int, int], data_file: int) -> None:
    with Ring(4) as ring:
        chains = []

        def handler(*_: object) -> None:
            chains.append(ring.link())
            chains[0].__enter__()
            ring.nop(user_data="linked")
            os.write(pipe[1], b"x" * 20)

        with handled(signal.SIGUSR1, handler), signalled(signal.SIGUSR1, lambda: os.close(pipe[1])):
            views = ring.read_ranges(pipe[0], [0, 0], 10)
        assert [bytes(view) for view in views] == [b"x" * 10] * 2
        with pytest.raises(RuntimeError, match="link"):
            ring.read_ranges(data_file, [0, 0], 1)
        chains[0].__exit__(None, None, None)
        assert [op.user_data for op in ring.wait()] == ["linked"]

        def raising(*_: object) -> None:
            chains[0] = ring.link()
            chains[0].__enter__()
            raise Stop

        with (
            no_longer_than(5),
            handled(signal.SIGUSR1, raising),
            signalled(signal.SIGUSR1, lambda: os.close(pipe[1])),
            pytest.raises(Stop),
        ):
            ring.read_ranges(pipe[0], [0, 0], 10)
        assert ring.in_flight == 0
        chains[0].__exit__(None, None, None)
        check(ring, data_file)


# -- signals all the time ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_every_millisecond_changes_nothing(workers: int, data_file: int) -> None:
    count, seen = 200_000, []
    offsets = [i * 7919 % 65536 for i in range(count)]
    whole = os.pread(data_file, 65536, 0)
    with alarms(0.001, lambda *_: seen.append(1)):
        for _ in range(3):
            out = bytearray(count)
            counts = pyuring.read_ranges(data_file, offsets, 1, out, workers=workers)
    assert seen
    assert counts.count(1) == count
    assert out == bytes(map(whole.__getitem__, offsets))


def test_a_handler_that_uses_the_ring_every_millisecond_changes_nothing(data_file: int) -> None:
    count, nested_batches = 200_000, []
    offsets = [i * 7919 % 65536 for i in range(count)]
    whole = os.pread(data_file, 65536, 0)
    with Ring(16) as ring:

        def handler(*_: object) -> None:
            ring.nop().result()
            nested_batches.append([bytes(view) for view in ring.read_ranges(data_file, OFFSETS, 5)])
            ring.nop()
            ring.completions()

        with alarms(0.001, handler):
            for _ in range(3):
                out = bytearray(count)
                ring.read_ranges(data_file, offsets, 1, out)
                assert out == bytes(map(whole.__getitem__, offsets))
        assert nested_batches
        assert all(each == [whole[offset : offset + 5] for offset in OFFSETS] for each in nested_batches)
        while ring.in_flight:  # the last handler's
            ring.wait()
        check(ring, data_file)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_handler_that_raises_every_millisecond_leaves_nothing_behind(workers: int, data_file: int) -> None:
    raised = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if frame is not None and is_ours(frame):
            raised += 1
            raise Interrupted

    offsets = array.array("q", [i * 7919 % 65536 for i in range(20_000)])
    with no_longer_than_in_a_storm(60), alarms(0.001, handler):
        for _ in range(400):
            out = bytearray(20_000)
            with suppress(Interrupted):
                pyuring.read_ranges(data_file, offsets, 1, out, workers=workers)
            deadline = time.monotonic() + 5
            while not is_free(out):
                assert workers > 1
                assert time.monotonic() < deadline
                time.sleep(0.001)
    assert raised > 20
    check(thread_ring(), data_file)


@contextmanager
def no_longer_than_in_a_storm(seconds: float) -> Iterator[None]:
    """As `no_longer_than`, whose signal is that of the storm: with another one."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"still not done after {seconds} s")

    with handled(signal.SIGVTALRM, give_up):
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
