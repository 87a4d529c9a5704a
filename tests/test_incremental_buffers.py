"""Buffers that several completions share, and completions that have several: against a model."""

from __future__ import annotations

import os
import random
import socket
import struct
from contextlib import suppress
from typing import Any

import pytest
from lifetime.limits import no_longer_than
from provided import available_to_kernel, check_balance

from pyuring import Ring, SqeFlags

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def packets() -> Any:
    """Two connected sockets that keep messages apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def test_completions_share_a_buffer_until_it_is_full(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(2, 10, incremental=True)
    assert buffers.incremental
    shots = ring.recv_multishot(ours, buffers)
    for text in (b"abc", b"defg", b"hi", b"j"):
        theirs.send(text)
    held: list[Any] = [next(shots) for _ in range(4)]
    assert [bytes(shot.buffer) for shot in held] == [b"abc", b"defg", b"hi", b"j"]
    assert [shot.flags >> 16 for shot in held] == [0, 0, 0, 0]
    check_balance(ring, buffers, lent=4)
    assert buffers.available == 1
    for shot in (held[3], held[0], held[2]):
        with shot.buffer:
            pass
        assert buffers.available == 1, "one lease is left"
    assert held[1].result() == b"defg"
    check_balance(ring, buffers)


def test_a_buffer_that_is_not_full_is_not_given_back_by_its_leases(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(1, 10, incremental=True)
    shots = ring.recv_multishot(ours, buffers)
    for text in (b"abc", b"def", b"ghi"):
        theirs.send(text)
        shot: Any = next(shots)
        assert buffers.available == available_to_kernel(ring, buffers) == 1
        with shot.buffer as view:
            assert view == text
    theirs.send(b"z")
    assert next(shots).result() == b"z"
    theirs.send(b"the next round")
    assert next(shots).result() == b"the next r", "from its beginning again, cut as SEQPACKET does"
    check_balance(ring, buffers)


def test_a_lease_on_a_shared_buffer_keeps_the_rest_of_it_from_being_used_again(ring: Ring, packets: Pair) -> None:
    ours, theirs = packets
    buffers = ring.buffer_ring(1, 8, incremental=True)
    shots = ring.recv_multishot(ours, buffers)
    theirs.send(b"1234")
    theirs.send(b"5678")
    first: Any = next(shots)
    assert next(shots).result() == b"5678"
    theirs.send(b"XXXX")
    with no_longer_than(5), pytest.raises(RuntimeError, match="waits for a provided buffer"):
        next(shots)
    assert bytes(first.buffer) == b"1234"
    del first
    assert next(shots).result() == b"XXXX"


def test_a_file_is_read_into_incremental_buffers(ring: Ring, data_file: int, tmp_path: Any) -> None:
    buffers = ring.buffer_ring(4, 64, incremental=True)
    for flags in (0, SqeFlags.ASYNC):
        op: Any = ring.readinto(data_file, buffers, offset=65526, flags=flags)
        assert op.result() == 10
        late: Any = ring.readinto(data_file, buffers, offset=0, flags=flags)
        assert late.result() == 64
        ring.fsync(data_file).result()
        assert bytes(op.buffer) == os.pread(data_file, 10, 65526)
        assert bytes(late.buffer) == os.pread(data_file, 64, 0)
        del op, late
        check_balance(ring, buffers)


def test_a_part_of_an_incremental_buffer_cannot_be_asked_for(ring: Ring, sockets: Pair) -> None:
    buffers = ring.buffer_ring(2, 64, incremental=True)
    with pytest.raises(ValueError, match="nbytes must be 0 with incremental buffers"):
        ring.recv_into(sockets[0], buffers, 20)
    with pytest.raises(ValueError, match="nbytes must be between 0 and the buffers' 64 bytes"):
        ring.recv_into(sockets[0], buffers, 65)
    assert ring.in_flight == 0


def test_receives_in_worker_threads_bring_the_right_bytes(ring: Ring, sockets: Pair) -> None:
    others = socket.socketpair()
    buffers = ring.buffer_ring(4, 64, incremental=True)
    late: Any = ring.recv_into(sockets[0], buffers, flags=SqeFlags.ASYNC)
    ring.submit()
    shots = ring.recv_multishot(others[0], buffers)
    for number in range(5):
        others[1].send(b"shot %d" % number)
        assert next(shots).result() == b"shot %d" % number
    sockets[1].send(b"late")
    assert late.result() == 4
    assert bytes(late.buffer) == b"late"
    del late
    shots.cancel()
    assert list(shots) == []
    check_balance(ring, buffers)
    for sock in others:
        sock.close()


def undelivered(shots: Any) -> int:
    """Results that the iteration has yet to give."""
    return len(shots._shots) + len(shots._came)


@pytest.mark.parametrize("seed", range(60))
def test_random_messages_through_incremental_buffers_are_as_the_model_says(seed: int) -> None:
    dice = random.Random(seed)
    size, power = dice.randint(1, 40), dice.randint(0, 3)
    messages = [dice.randint(1, 40) for _ in range(dice.randint(1, 60))]
    ours, theirs = socket.socketpair()
    sent = b"".join(dice.randbytes(length) for length in messages)
    with ours, theirs, Ring(4) as ring, no_longer_than(20):
        buffers = ring.buffer_ring(1 << power, size, incremental=True)
        shots = ring.recv_multishot(ours, buffers)
        received = 0
        held: list[tuple[int, Any]] = []
        #: The model: of each buffer how much is used, as it was published.
        used = dict.fromkeys(range(1 << power), 0)
        at = 0
        for length in messages:
            theirs.send(sent[at : at + length])
            at += length
            while received < at:
                try:
                    shot: Any = next(shots)
                except RuntimeError:
                    assert available_to_kernel(ring, buffers) == 0
                    held.pop(dice.randrange(len(held)))
                    continue
                bid, start, count = shot._where()
                if start == 0:
                    used[bid] = 0
                assert start == used[bid]
                used[bid] += count
                assert used[bid] <= size
                assert bytes(shot.buffer) == sent[received : received + count]
                held.append((received, shot))
                received += count
                del shot
                for where, lease in held:
                    assert bytes(lease.buffer) == sent[where : where + lease.res], "used again while it was lent"
                    del lease
                while held and dice.random() < 0.5:
                    held.pop(dice.randrange(len(held)))
                check_balance(ring, buffers, lent=len(held) + undelivered(shots))
        held.clear()
        assert buffers.lent == 0
        assert buffers.available == available_to_kernel(ring, buffers) == buffers.count


def connected(family: str) -> Pair:
    if family == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return ours, theirs


# -- bundles ------------------------------------------------------------------------------------


def test_a_bundle_has_several_buffers(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(8, 4)
    shots = ring.recv_multishot(ours, buffers, bundle=True)
    theirs.send(b"abcdefghijkl")
    shot: Any = next(shots)
    bundle = shot.buffer
    assert len(bundle) == 12
    with pytest.raises(BufferError, match="bundle of 3 buffers"), bundle:
        pass
    assert [bytes(view) for view in bundle.views] == [b"abcd", b"efgh", b"ijkl"]
    assert bytes(bundle) == b"abcdefghijkl"
    assert buffers.available == available_to_kernel(ring, buffers) == 5
    views = bundle.views
    bundle.release()
    for view in views:
        with pytest.raises(ValueError, match="released"):
            view[0]
    check_balance(ring, buffers)
    theirs.send(b"xyz")
    shot = next(shots)
    with shot.buffer as view:
        assert view == b"xyz"
    theirs.send(b"01234567")
    assert next(shots).result() == b"01234567"


def test_one_receive_can_have_several_buffers(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(8, 4)
    theirs.send(b"abcdefghijkl")
    op: Any = ring.recv_into(ours, buffers, bundle=True)
    assert op.result() == 12
    assert [bytes(view) for view in op.buffer.views] == [b"abcd", b"efgh", b"ijkl"]
    check_balance(ring, buffers, lent=1)
    assert buffers.available == 5
    op.buffer.release()
    check_balance(ring, buffers)
    theirs.send(b"xyz")
    op = ring.recv_into(ours, buffers, bundle=True)
    op.result()
    with op.buffer as view:
        assert view == b"xyz"
    late: Any = ring.recv_into(ours, buffers, bundle=True, timeout=5)
    ring.submit()
    theirs.send(b"01234567")
    assert late.result() == 8
    assert bytes(late.buffer) == b"01234567"
    del late
    theirs.close()
    end = ring.recv_into(ours, buffers, bundle=True)
    assert end.result() == 0
    assert end.buffer is None
    check_balance(ring, buffers)


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_DGRAM], ids=["seqpacket", "dgram"])
def test_a_bundle_does_not_join_messages(ring: Ring, kind: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        buffers = ring.buffer_ring(8, 4)
        for text in (b"abcd", b"ef"):
            theirs.send(text)
        for text in (b"abcd", b"ef"):
            op: Any = ring.recv_into(ours, buffers, bundle=True)
            op.result()
            with op.buffer as view:
                assert view == text
        check_balance(ring, buffers)


@pytest.mark.parametrize("incremental", [False, True], ids=["whole", "incremental"])
@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_megabytes_of_single_bundles_are_what_was_sent(ring: Ring, family: str, incremental: bool) -> None:
    dice = random.Random(5)
    data = dice.randbytes(1 << 20)
    ours, theirs = connected(family)
    with ours, theirs:
        theirs.setblocking(False)
        buffers = ring.buffer_ring(64, 700, incremental=incremental)
        at, received, most = 0, 0, 0
        held: list[tuple[int, Any]] = []
        while received < len(data):
            if at < len(data):
                with suppress(BlockingIOError):
                    at += theirs.send(data[at : at + dice.randrange(1, 50000)])
            if received == at:
                continue
            op: Any = ring.recv_into(ours, buffers, bundle=True, flags=SqeFlags.ASYNC if dice.random() < 0.2 else 0)
            held.append((received, op))
            received += op.result()
            most = max(most, len(op.buffer.views))
            del op
            dice.shuffle(held)
            while held and (dice.random() < 0.6 or buffers.available < 16):
                where, lease = held.pop()
                assert bytes(lease.buffer) == data[where : where + lease.res]
                lease.buffer.release()
            check_balance(ring, buffers, lent=len(held))
        assert most > 3


def test_a_bundle_can_be_looked_at_when_the_ring_or_its_buffers_are_gone(sockets: Pair) -> None:
    ours, theirs = sockets
    with Ring(4) as ring:
        leases: list[Any] = []
        for end in (False, True):
            buffers = ring.buffer_ring(8, 4)
            shots = ring.recv_multishot(ours, buffers, bundle=True)
            theirs.send(b"abcdefghijkl")
            leases.append(next(shots))
            shots.cancel()
            assert list(shots) == []
            if end:
                buffers.unregister()
                assert bytes(leases[1].buffer) == b"abcdefghijkl"
    for lease in leases:
        assert [bytes(view) for view in lease.buffer.views] == [b"abcd", b"efgh", b"ijkl"]
        assert lease.result() == b"abcdefghijkl"
        lease.buffer.release()


@pytest.mark.parametrize("incremental", [False, True], ids=["whole", "incremental"])
@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_megabytes_of_bundles_are_what_was_sent(ring: Ring, family: str, incremental: bool) -> None:
    ours, theirs = connected(family)
    dice = random.Random(3)
    data = dice.randbytes(3 << 20)
    with ours, theirs:
        theirs.setblocking(False)
        buffers = ring.buffer_ring(64, 700, incremental=incremental)
        shots = ring.recv_multishot(ours, buffers, bundle=True)
        ring.submit()
        at, received, most = 0, 0, 0
        held: list[tuple[int, Any]] = []
        while received < len(data):
            if at < len(data):
                with suppress(BlockingIOError):
                    at += theirs.send(data[at : at + dice.randrange(1, 50000)])
            for op in ring.wait(0):
                assert op.res is not None
                held.append((received, op))
                most = max(most, len(op.buffer.views))  # type: ignore[union-attr]
                received += op.res
                del op
            dice.shuffle(held)
            while held and (dice.random() < 0.6 or buffers.available < 16):
                where, lease = held.pop()
                assert lease.result() == data[where : where + lease.res]
                del lease
        for where, lease in held:
            assert lease.result() == data[where : where + lease.res]
            lease.buffer.release()
        assert most > 3
        shots.cancel()
        ring.wait(1)
        assert buffers.lent == 0
        assert buffers.available == available_to_kernel(ring, buffers) == buffers.count


def test_a_bundle_that_begins_in_a_short_entry_is_right(ring: Ring, sockets: Pair) -> None:
    """The kernel cuts an entry to what a socket has, and leaves it so if somebody else was faster."""
    ours, theirs = sockets
    buffers = ring.buffer_ring(8, 4)
    struct.pack_into("=I", buffers._entries, 8, 2)  # as it would, at a moment that cannot be hit
    shots = ring.recv_multishot(ours, buffers, bundle=True)
    theirs.send(b"abcdefghij")
    shot: Any = next(shots)
    assert [bytes(view) for view in shot.buffer.views] == [b"ab", b"cdef", b"ghij"]
    shot.buffer.release()
    del shot
    check_balance(ring, buffers)
    for number in range(5):
        theirs.send(b"%08d" % number)
        assert next(shots).result() == b"%08d" % number
