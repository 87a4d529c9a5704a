"""After fork the child's copy of a ring is dead, and the parent's goes on undisturbed."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable

import pytest
from lifetime.limits import no_longer_than
from lifetime.processes import run_python

import pyuring

from .steps import each_step
from .uses import USES
from .workload import Workload


def in_a_child(check: Callable[[], object]) -> None:
    """Fork, call `check` in the child, and fail if it fails there."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed, see its traceback"


def refuses(call: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="made before the fork"):
        call()


@pytest.mark.parametrize("name", [name for name in USES if name != "close"])
def test_the_child_may_not_use_the_ring(name: str, ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    waiting, prepared = ring.read(pipe[0], 3, user_data="first"), ring.nop(user_data="second")
    ring.submit()
    third = ring.nop(user_data="third")
    in_a_child(lambda: refuses(lambda: USES[name](ring, pipe[0])))
    assert ring.in_flight == 3
    os.write(pipe[1], b"abc")
    assert {op.user_data for op in ring.wait(3)} == {"first", "second", "third"}
    assert (waiting.result(), prepared.result(), third.result()) == (b"abc", 0, 0)


def test_the_child_may_not_wait_for_or_cancel_an_operation(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    waiting = ring.read(pipe[0], 3)
    done = ring.nop()
    done.result()

    def check() -> None:
        refuses(waiting.result)
        refuses(lambda: waiting.result(timeout=0.1))
        refuses(waiting.cancel)
        assert done.result() == 0

    in_a_child(check)
    os.write(pipe[1], b"abc")
    assert waiting.result(timeout=5) == b"abc"


def test_the_child_may_not_use_or_change_what_is_registered(ring: pyuring.Ring, data_file: int) -> None:
    buffers, files = ring.register_buffers(count=1, size=4096), ring.register_files([data_file])

    def check() -> None:
        refuses(buffers.unregister)
        refuses(files.unregister)
        refuses(lambda: files.update(0, None))
        refuses(lambda: ring.readinto(files[0], buffers[0], offset=0))

    in_a_child(check)
    assert ring.readinto(files[0], buffers[0], offset=0).result() == 4096
    assert bytes(buffers[0].view) == os.pread(data_file, 4096, 0)


def test_the_child_is_refused_when_nothing_more_can_be_in_flight(pipe: tuple[int, int]) -> None:
    with pyuring.Ring(2, cq_entries=2) as ring:
        ring.read(pipe[0], 1)
        ring.read(pipe[0], 1)
        in_a_child(lambda: refuses(ring.nop))


@pytest.mark.parametrize("how", ["close", "with", "drop"])
def test_closing_in_the_child_closes_its_descriptor_and_nothing_else(how: str, pipe: tuple[int, int]) -> None:
    rings = [pyuring.Ring(8)]
    waiting, prepared = rings[0].read(pipe[0], 3), None
    rings[0].submit()
    prepared = rings[0].nop()
    fd = rings[0].fileno()

    def check() -> None:
        ring = rings.pop()
        if how == "close":
            ring.close()
            ring.close()
        elif how == "with":
            ring.__exit__(None, None, None)
        waiting._ring = prepared._ring = None  # type: ignore[assignment]  # the last references
        assert ring.closed == (how != "drop")
        del ring
        with pytest.raises(OSError):
            os.fstat(fd)

    in_a_child(check)
    with rings[0] as ring:
        assert ring.in_flight == 2
        os.write(pipe[1], b"abc")
        assert waiting.result(timeout=5) == b"abc"
        assert prepared.result() == 0


def test_the_child_does_not_inherit_the_rings_memory(ring: pyuring.Ring) -> None:
    """Else it could take the parent's SQEs, and would keep the ring alive."""

    def mapped() -> bool:
        with open("/proc/self/maps") as file:
            return "io_uring" in file.read()

    def check() -> None:
        assert not mapped()

    assert mapped()
    in_a_child(check)
    assert ring.nop().result() == 0


def test_a_ring_made_in_the_child_works(ring: pyuring.Ring, data_file: int) -> None:
    expected = os.pread(data_file, 100, 0)

    def check() -> None:
        with pyuring.Ring(8) as own:
            assert own.read(data_file, 100, offset=0).result() == expected
            refuses(ring.nop)
            in_a_child(lambda: refuses(own.nop))
            with pytest.raises(ValueError, match="another ring"):
                own.cancel(waiting)

    waiting = ring.timeout(30)
    ring.submit()
    in_a_child(check)
    assert ring.nop().result() == 0


def test_a_child_of_a_thread_that_owns_no_ring_may_not_use_it_either(ring: pyuring.Ring, pipe: tuple[int, int]) -> None:
    waiting = ring.read(pipe[0], 3)
    ring.submit()

    def check() -> None:
        refuses(ring.nop)
        refuses(waiting.result)
        with pyuring.Ring(8) as own:
            assert own.nop().result() == 0
            refuses(ring.nop)
        ring.close()

    errors: list[BaseException] = []

    def fork() -> None:
        try:
            in_a_child(check)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join(30)
    assert not errors
    os.write(pipe[1], b"abc")
    assert waiting.result(timeout=5) == b"abc"


def test_fork_between_any_two_steps_disturbs_nothing(data_file: int, pipe: tuple[int, int]) -> None:
    works: list[Workload] = []

    def check() -> None:
        with no_longer_than(20):
            work = works[-1]
            refuses(work.ring.nop)
            work.ring.close()
            assert work.ring.closed
            with pyuring.Ring(2) as own:
                assert own.nop().result() == 0

    for step in each_step(lambda: in_a_child(check), at_least=40):
        with pyuring.Ring(4) as ring:
            work = Workload(ring, data_file, idle=pipe[0])
            works.append(work)
            with step:
                for number in range(6):
                    work.write(number)
                with ring.link():
                    work.write(6)
                    work.write(7, timeout=60)
                work.delivered.append(ring.wait(2))
                work.result(work.prepared[-1])
            work.check(step.place)


def test_a_child_that_ends_normally_disturbs_nothing() -> None:
    run_python(
        """
        import os, sys, pyuring
        ring = pyuring.Ring(8)
        readable, writable = os.pipe()
        buffer = bytearray(3)
        op = ring.readinto(readable, buffer)
        ring.submit()
        later = ring.write(writable, b"def")
        if os.fork() == 0:
            mine = pyuring.Ring(8)
            assert mine.nop().result() == 0
            mine.close()
            sys.exit(0)  # finalizes the interpreter, with the parent's ring in it
        assert os.wait()[1] == 0
        assert ring.in_flight == 2 and not op.done
        os.write(writable, b"abc")
        assert op.result() == 3 and buffer == b"abc"
        assert later.result() == 3
        ring.close()
        """
    )


def test_a_process_of_multiprocessing_disturbs_nothing() -> None:
    run_python(
        """
        import multiprocessing, os, pyuring
        ring = pyuring.Ring(8)
        readable, writable = os.pipe()

        def work(queue):
            try:
                ring.nop()
            except RuntimeError as error:
                refused = "fork" in str(error)
            with pyuring.Ring(8) as own:
                queue.put((refused, own.write(writable, b"abc").result()))

        context = multiprocessing.get_context("fork")
        op = ring.read(readable, 3)
        ring.submit()
        queue = context.SimpleQueue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        assert queue.get() == (True, 3)
        process.join()
        assert process.exitcode == 0
        assert op.result() == b"abc"
        with context.Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        assert ring.nop().result() == 0
        ring.close()
        """
    )


def test_subprocesses_neither_inherit_nor_disturb_the_ring() -> None:
    run_python(
        """
        import os, subprocess, pyuring
        ring = pyuring.Ring(8)
        readable, writable = os.pipe()
        op = ring.read(readable, 3)
        ring.submit()
        for options in ({}, {"preexec_fn": lambda: None}, {"start_new_session": True}):
            options |= {"close_fds": False, "capture_output": True, "check": True}
            done = subprocess.run(["ls", "-l", "/proc/self/fd"], **options)
            assert b"io_uring" not in done.stdout, done.stdout
        os.write(writable, b"abc")
        assert op.result() == b"abc"
        ring.close()
        """
    )


def test_fork_before_the_first_ring_leaves_both_processes_free_to_make_them() -> None:
    run_python(
        """
        import os, pyuring
        pid = os.fork()
        with pyuring.Ring(8) as ring:
            assert ring.nop().result() == 0
        if pid:
            assert os.wait()[1] == 0
        """
    )
