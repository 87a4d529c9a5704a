"""Rule 1 where it is hardest: reads that a disk has begun end when the disk ends them.

Cancelling or closing does not stop them, and the memory is the heap's, so that whatever is
freed too early belongs to somebody else when the disk writes to it. Tests with pipes do not
see that: a pipe's read can be cancelled.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyuring

from .memory import BLOCK, make_file
from .processes import SHARED_HEAP, run_python

BLOCKS = 1024
#: So many that the disk is busy with them for some 30 ms.
READS = 4096


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file that reads with O_DIRECT really fetch from a disk."""
    for folder in (tmp_path_factory.mktemp("direct"), Path(__file__).parent):
        path = folder / "direct-io-test.data"
        make_file(str(path), BLOCKS)
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        except OSError:
            path.unlink()
            continue
        yield path
        path.unlink()
        return
    pytest.fail("neither the temporary folder's file system nor the checkout's has O_DIRECT")


#: How a ring ends with thousands of reads under way. `ring` and `ops` are all there is of it.
ENDS = {
    "closed": """
        ring.close()
        assert all(op.done for op in ops)
        assert {op.res for op in ops} <= {BLOCK, -errno.ECANCELED}
        """,
    "cancelled and closed": """
        for op in ops:
            op.cancel()
        ring.close()
        assert all(op.done for op in ops)
        """,
    "dropped": """
        del ring, ops
        gc.collect()
        """,
    "dropped in another thread": """
        class Cell:
            pass
        cell = Cell()
        cell.itself, cell.ring = cell, ring
        def drop():
            cell.__dict__.clear()
            gc.collect()
        thread = threading.Thread(target=drop)
        del ring, ops
        thread.start()
        thread.join()
        """,
    "closed with no time to wait": """
        pyuring.closing.DRAIN_SECONDS = 0
        ring.close()
        assert all(op.done for op in ops)
        del ring, ops
        """,
    "dropped with no time to wait": """
        pyuring.closing.DRAIN_SECONDS = 0
        del ring, ops
        gc.collect()
        """,
    "closed again after Ctrl-C": """
        def interrupt(number, frame):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        try:
            ring.close()
        except KeyboardInterrupt:
            assert not ring.closed
            ring.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert ring.closed and all(op.done for op in ops)
        """,
    "given up by Ctrl-C and dropped": """
        def interrupt(number, frame):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        try:
            ring.close()
        except KeyboardInterrupt:
            pass
        pyuring.closing.DRAIN_SECONDS = 0
        del ring, ops
        gc.collect()
        """,
}


PROGRAM = """
import errno, gc, os, pyuring, pyuring.closing, signal, sys, threading
from lifetime.memory import BLOCK, churn, disk_has_settled, is_untouched, start_reads

def main():
    ring = pyuring.Ring(READS, cq_entries=READS)
    ops = start_reads(ring, fd, BLOCKS, READS)
    END

path = sys.argv[1]
for _ in range(3):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    main()
    os.close(fd)
    foreign = churn(READS * 5 // 4)
    disk_has_settled(path)
    assert is_untouched(foreign), "the disk wrote into memory that was freed"
    del foreign
"""


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_the_disk_writes_into_nobody_elses_memory(end: str, marked: Path) -> None:
    body = textwrap.indent(textwrap.dedent(end), "    ")
    program = PROGRAM.replace("    END\n", body).replace("BLOCKS", str(BLOCKS)).replace("READS", str(READS))
    run_python(program, marked, env=SHARED_HEAP, warnings="ignore")


def test_what_the_disk_reads_is_all_there_in_the_end(marked: Path) -> None:
    run_python(
        f"""
        import os, pyuring, sys
        from lifetime.memory import BLOCK, start_reads
        fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
        with pyuring.Ring(64, cq_entries=128) as ring:
            ops = start_reads(ring, fd, {BLOCKS}, 5000)
            assert ring.in_flight <= 128
            while ring.in_flight:
                ring.wait()
            assert [op.res for op in ops] == [BLOCK] * 5000
        """,
        marked,
    )


def test_a_fork_while_the_disk_writes_leaves_the_data_with_the_parent(marked: Path) -> None:
    run_python(
        f"""
        import os, pyuring, sys
        from lifetime.memory import BLOCK, MARK, ROOM, aligned
        fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
        with pyuring.Ring(512, cq_entries=512) as ring:
            for _ in range(5):
                buffers = [bytearray(ROOM) for _ in range(512)]
                for number, buffer in enumerate(buffers):
                    ring.readinto(fd, aligned(buffer), offset=number * 127 % {BLOCKS} * BLOCK)
                ring.submit()
                pid = os.fork()
                if pid == 0:
                    ring.close()
                    os._exit(0)
                for buffer in buffers:
                    buffer[0] = buffer[-1] = 1  # on the same pages
                assert {{op.res for op in ring.wait(512)}} == {{BLOCK}}
                assert all(aligned(buffer)[1:] == bytes([MARK]) * (BLOCK - 1) for buffer in buffers)
                assert os.waitpid(pid, 0)[1] == 0
        """,
        marked,
    )


def test_the_ring_is_told_apart_from_its_file(marked: Path) -> None:
    """Closing the file under way changes nothing for what is in flight."""
    with pyuring.Ring(8) as ring:
        fd = os.open(marked, os.O_RDONLY)
        op = ring.read(fd, BLOCK, offset=0)
        ring.submit()
        os.close(fd)
        assert len(op.result()) == BLOCK
