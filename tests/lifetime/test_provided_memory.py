"""Rule 1 for provided buffers: what the kernel may write to stays, whatever becomes of the rest."""

from __future__ import annotations

import errno
import gc
import socket
import weakref
from typing import Any

import pytest
from provided import check_balance

from pyuring import Ring

from .limits import no_longer_than
from .memory import churn, is_untouched
from .processes import STRICT_MEMORY, run_python

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def test_buffers_that_only_the_ring_knows_are_written_to_and_nothing_else_is(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    ring.recv_multishot(ours, ring.buffer_ring(64, 4096))
    ring.submit()
    foreign = churn()
    for number in range(200):
        theirs.send(bytes([number]) * 4096)
        (shot,) = ring.wait(1)
        assert shot.result() == bytes([number]) * 4096
        del shot
    assert is_untouched(foreign)


def test_a_lease_outlives_everything(packets: Pair) -> None:
    ours, theirs = packets
    with Ring(4) as ring:
        theirs.send(b"still there")
        lease: Any = next(ring.recv_multishot(ours, ring.buffer_ring(2, 64)))
        view = lease.buffer.__enter__()
    del ring
    gc.collect()
    foreign = churn()
    theirs.send(b"too late")
    assert view == b"still there"
    view[:5] = b"STILL"
    assert bytes(lease.buffer) == b"STILL there"
    assert is_untouched(foreign)
    lease.buffer.release()
    lease.buffer.release()


def test_leases_in_cycles_end_with_the_ring(packets: Pair) -> None:
    ours, theirs = packets
    gone: list[weakref.ref[Any]] = []
    for _ in range(50):
        with Ring(4) as ring:
            shots = ring.recv_multishot(ours, ring.buffer_ring(4, 16))
            for _ in range(4):
                theirs.send(b"x")
            held = [next(shots) for _ in range(4)]
            held[0].user_data = held
            held[1].user_data = ring
            gone += [weakref.ref(ring), *map(weakref.ref, held)]
            del held
        del ring, shots
        gc.collect()
    assert [each() for each in gone] == [None] * 250


@pytest.mark.parametrize("queued_by", ["wait", "iteration"])
def test_unread_results_give_their_buffers_back_without_the_collector(
    ring: Ring, packets: Pair, queued_by: str
) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(8, 16)
    shots = ring.recv_multishot(ours, buffers)
    if queued_by == "iteration":
        theirs.send(b"0")
        next(shots).result()
    for number in range(4):
        theirs.send(b"%d" % number)
    ring.nop().result()  # reaps them
    gc.disable()
    try:
        for shot in shots:
            assert shot.multishot is shots  # type: ignore[attr-defined]
            break
        shots.cancel()
        while not shots.done:
            ring.nop().result()
        assert buffers.lent == 4
        gone = weakref.ref(shots)
        del shot
        assert buffers.lent == 3
        del shots
        assert gone() is None
        check_balance(ring, buffers)
    finally:
        gc.enable()


def drop(things: list[Any]) -> None:
    things.clear()
    gc.collect()


DROPPED: dict[str, Any] = {
    "starving": lambda ring, sock, listener: ring.recv_multishot(sock, ring.buffer_ring(1, 16)),
    "read": lambda ring, sock, listener: ring.read_multishot(sock, ring.buffer_ring(8, 16)),
    "recv_into": lambda ring, sock, listener: ring.recv_into(listener, ring.buffer_ring(8, 16)),
    "accept": lambda ring, sock, listener: ring.accept_multishot(listener, direct=ring.register_files(sparse=2)),
    "timer": lambda ring, sock, listener: ring.timeout_multishot(0.0001),
}


@pytest.mark.parametrize("start", DROPPED.values(), ids=DROPPED)
def test_a_ring_that_is_dropped_with_multishots_in_flight_says_so_and_ends(
    start: Any, packets: Pair, listener: socket.socket
) -> None:
    ours, theirs = packets
    for _ in range(3):
        theirs.send(b"x")
    ring = Ring(4)
    shots = start(ring, ours, listener)
    kept = ring.wait(1, timeout=0.01)
    kept += ring.wait(1, timeout=0.01)
    gone = weakref.ref(ring)
    everything = [ring, shots, kept]  # which may know each other
    del ring, shots, kept
    with no_longer_than(5), pytest.warns(ResourceWarning, match="unclosed"):
        drop(everything)
    assert gone() is None


def test_unregistering_waits_for_nothing_and_frees_what_is_not_lent(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    for _ in range(20):
        buffers = ring.buffer_ring(4, 16)
        shots = ring.recv_multishot(ours, buffers)
        theirs.send(b"x")
        lease: Any = next(shots)
        shots.cancel()
        assert list(shots) == []
        assert shots.res == -errno.ECANCELED
        buffers.unregister()
        del buffers, shots
        gc.collect()
        foreign = churn(reads=10)
        assert lease.result() == b"x"
        assert is_untouched(foreign)


PROGRAM = """
    import ctypes, os, socket, sys, threading, warnings
    from pyuring import Ring, ffi
    warnings.simplefilter("ignore", ResourceWarning)
    how = sys.argv[1]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ring = Ring(8)
    buffers = ring.buffer_ring(4, 16, incremental=how == "incremental")
    shots = ring.recv_multishot(ours, buffers, bundle=how == "bundle")
    for _ in range(9):
        theirs.send(b"x" * 12)
    leases = [next(shots) for _ in range(3)]
    view = leases[0].buffer.__enter__()
    if how == "export":
        kept = ctypes.c_char.from_buffer(view)
        held = ffi.from_buffer(leases[1].buffer.__enter__())
    elif how == "starving":
        leases.append(next(shots))
        ring.wait(0)
    elif how == "unclosed":
        timer = ring.timeout_multishot(0.001)
    elif how == "cycle":
        leases[0].user_data = leases
        del leases, view, shots, buffers, ring
    elif how == "closed":
        ring.close()
    elif how == "thread":
        threading.Thread(target=leases.clear).start()
    elif how == "fork":
        child = os.fork()
        if child == 0:
            assert bytes(view) == b"x" * 12
            leases.clear()
            sys.exit(0)
        status = os.waitpid(child, 0)[1]
        assert status == 0, status
        assert buffers.lent == 4
        for lease in leases[1:]:
            assert lease.result() == b"x" * 12
        assert next(shots).result() == b"x" * 12
"""


@pytest.mark.parametrize(
    "how", ["plain", "incremental", "bundle", "export", "starving", "unclosed", "cycle", "closed", "thread", "fork"]
)
def test_the_interpreter_exits_with_leases_held(how: str) -> None:
    run_python(PROGRAM, how, env=STRICT_MEMORY)
