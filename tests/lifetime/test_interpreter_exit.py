"""Rules 1 and 8 at the end of the interpreter: no crash, no hang, no memory freed too early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .memory import make_file
from .processes import SHARED_HEAP, STRICT_MEMORY, run_python

BLOCKS = 1024

#: What is left when the program ends.
LEFT = {
    "a pipe's read": "ops = [ring.read(readable, 100)]; ring.submit()",
    "reads never submitted": "ops = [ring.readinto(readable, bytearray(100)) for _ in range(5)]",
    "a socket's accept": "ops = [ring.accept(listener)]; ring.submit()",
    "a timer": "ops = [ring.timeout(3600)]; ring.submit()",
    "an open chain": "chain = ring.link(); chain.__enter__(); ops = [ring.nop(), ring.read(readable, 10)]",
    "registered buffers": (
        "buffers = ring.register_buffers(count=4, size=4096); files = ring.register_files([readable]);"
        "ops = [ring.readinto(files[0], buffers[1])]; ring.submit()"
    ),
    "more than fits": "ops = [ring.poll(readable) for _ in range(16)]; ring.submit()",
    "undelivered completions": "ops = [ring.nop() for _ in range(8)]; ops[0].result()",
    "another ring's": (
        "other = pyuring.Ring(8); ops = [ring.poll(other.fileno()), other.read(readable, 1)]; other.submit()"
    ),
    "a cycle": "ops = [ring.read(readable, 100, user_data=[ring])]; ring.submit(); ring.me = ring; del ring",
}

START = """
import atexit, os, pyuring, socket, sys, threading
readable, writable = os.pipe()
listener = socket.create_server(("127.0.0.1", 0))
ring = pyuring.Ring(8)
"""


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_the_interpreter_ends_whatever_is_in_flight(left: str) -> None:
    for end in ("pass", "sys.exit(0)", "ring = None"):
        run_python(f"{START}{left}\n{end}\n", env=STRICT_MEMORY, warnings="ignore")


@pytest.mark.parametrize("left", ["ops = [ring.read(readable, 100)]; ring.submit()", "pass"], ids=["busy", "idle"])
def test_a_ring_left_open_at_exit_gives_a_warning(left: str) -> None:
    assert "ResourceWarning: unclosed <Ring fd=" in run_python(f"{START}{left}\nlistener.close()", warnings="always")


def test_what_is_prepared_and_never_submitted_is_not_executed_at_exit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    run_python(
        """
        import os, pyuring, sys
        ring = pyuring.Ring(8)
        ring.write(os.open(sys.argv[1], os.O_WRONLY), b"after!", offset=0)
        ring.unlink(sys.argv[1])
        """,
        path,
        warnings="ignore",
    )
    assert path.read_bytes() == b"before"


def test_threads_that_are_waiting_do_not_hold_up_the_exit() -> None:
    run_python(
        """
        import os, pyuring, threading
        readable, writable = os.pipe()
        waiting = threading.Barrier(9)

        def work(number):
            ring = pyuring.Ring(8)
            ops = [ring.readinto(readable, bytearray(100)) for _ in range(4)]
            ring.submit()
            waiting.wait()
            if number % 2:
                ops[0].result()
            else:
                ring.wait(4, timeout=3600)

        for number in range(8):
            threading.Thread(target=work, args=(number,), daemon=True).start()
        waiting.wait()
        """,
        warnings="ignore",
    )


def test_threads_that_make_and_close_rings_do_not_disturb_the_exit() -> None:
    for _ in range(5):
        err = run_python(
            """
            import os, pyuring, sys, threading
            readable, writable = os.pipe()
            kept = [pyuring.Ring(4) for _ in range(200)]
            sys.setswitchinterval(1e-6)
            started = threading.Semaphore(0)

            def work():
                rings = []
                while True:
                    with pyuring.Ring(4) as ring:
                        ring.readinto(readable, bytearray(100))
                        ring.submit()
                    rings.append(pyuring.Ring(4))
                    if len(rings) == 5:
                        for ring in rings:
                            ring.close()
                        rings.clear()
                        started.release()

            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            for _ in range(4):
                started.acquire()
            """,
            warnings="ignore",
        )
        assert not err, err


def test_a_warning_that_is_an_error_leaves_no_ring_unattended() -> None:
    err = run_python(
        """
        import gc, os, weakref
        from lifetime.memory import Buffer
        import pyuring
        readable, writable = os.pipe()
        rings = [pyuring.Ring(4) for _ in range(3)]
        for ring in rings:
            ring.readinto(readable, Buffer(100))
            ring.submit()
        """,
        warnings="error",
    )
    assert err.count("unclosed <Ring") >= 3, err


#: Who refers to a ring until the very end, when modules and what they hold are freed.
REFERENCES = {
    "the main module": "kept = ring",
    "builtins": "import builtins; builtins.ring = ring",
    "a module older than pyuring": "os.ring = ring",
    "pyuring itself": "pyuring.kept = ring",
    "a cycle": "ring.itself = ring",
    "nobody": "pass",
}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES.keys())
@pytest.mark.parametrize("owner", ["dead", "alive"])
def test_what_is_in_flight_is_never_freed_while_the_interpreter_ends(reference: str, owner: str) -> None:
    """The rings of other threads cannot be closed at the exit, only left alone."""
    err = run_python(
        f"""
        import os, pyuring, threading, time

        class Buffer(bytearray):
            def __del__(self, write=os.write):
                write(2, b"freed while in flight")

        readable, writable = os.pipe()
        started = threading.Event()

        def work():
            global ring
            ring = pyuring.Ring(8)
            ring.readinto(readable, Buffer(100))
            ring.submit()
            started.set()
            while {owner!r} == "alive":
                time.sleep(3600)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        started.wait()
        if {owner!r} == "dead":
            thread.join()
        {reference}
        del ring
        """,
        warnings="ignore",
    )
    assert "freed" not in err, err


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("exit") / "data"
    make_file(str(path), BLOCKS)
    yield path
    path.unlink()


@pytest.mark.parametrize("where", ["main", "daemon"])
@pytest.mark.parametrize("time_to_wait", [10, 0])
def test_the_disk_writes_into_nobody_elses_memory_after_the_exit_began(
    where: str, time_to_wait: int, marked: Path
) -> None:
    run_python(
        f"""
        import atexit, gc, os, sys, threading, time

        def after_pyuring():
            if rings[0].closed != ("{where}" == "main"):
                os._exit(4)
            rings.clear()
            gc.collect()
            foreign = churn(5000)
            disk_has_settled(sys.argv[1])
            sys.stderr.flush()
            os._exit(0 if is_untouched(foreign) else 3)

        atexit.register(after_pyuring)  # before pyuring's own, hence called after it
        import pyuring, pyuring.closing
        from lifetime.memory import churn, disk_has_settled, is_untouched, start_reads
        pyuring.closing.DRAIN_SECONDS = {time_to_wait}
        rings = []
        started = threading.Event()

        def work():
            rings.append(pyuring.Ring(4096, cq_entries=4096))
            start_reads(rings[0], os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), {BLOCKS}, 4096)
            started.set()

        def work_on():
            work()
            time.sleep(3600)

        if "{where}" == "main":
            work()
        else:
            threading.Thread(target=work_on, daemon=True).start()
            started.wait()
        """,
        marked,
        env=SHARED_HEAP,
        warnings="ignore",
    )


def test_a_process_that_is_killed_or_ends_at_once_just_ends() -> None:
    run_python(
        """
        import os, pyuring, signal
        ring = pyuring.Ring(8)
        ring.read(os.pipe()[0], 100)
        ring.submit()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        expect=-9,
    )
    run_python(
        "import os, pyuring; ring = pyuring.Ring(8); ring.read(os.pipe()[0], 9); ring.submit(); os._exit(7)", expect=7
    )
