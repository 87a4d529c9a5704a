"""Many messages, few buffers: nothing is lost, nothing comes twice, nothing is out of order.

PYURING_MESSAGES sets how many; the contract is for a million.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from provided import check_balance

from pyuring import Ring, SetupFlags

MESSAGES = int(os.environ.get("PYURING_MESSAGES", "60000"))
Pair = tuple[socket.socket, socket.socket]


@contextmanager
def sender(ours: socket.socket, theirs: socket.socket, count: int, seed: int = 0) -> Iterator[None]:
    """Another process, which sends numbered messages of different lengths."""
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            for number in range(count):
                theirs.send(message(number, seed))
        finally:
            os._exit(0)
    theirs.close()
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def message(number: int, seed: int = 0) -> bytes:
    return b"%d:%d" % (seed, number) + b"." * (number * 7 % 50)


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("style", ["iterated", "waited for"])
def test_every_message_comes_once_and_in_order(count: int, style: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with Ring(8) as ring, ours, sender(ours, theirs, MESSAGES // 4):
        buffers = ring.buffer_ring(count, 64)
        shots = ring.recv_multishot(ours, buffers)
        number = 0
        if style == "iterated":
            for shot in shots:
                assert shot.result() == message(number)
                number += 1
        else:
            while not shots.done:
                for op in ring.wait(1):
                    if op.res:
                        assert op.result() == message(number)
                        number += 1
                    del op
        assert number == MESSAGES // 4
        assert ring.stats()["unexpected"] == 0
        assert ring.stats()["starved"] > 0
        assert ring.stats()["rearmed"] > 0
        check_balance(ring, buffers)


@pytest.mark.parametrize("setup", [0, SetupFlags.SQPOLL], ids=["plain", "SQPOLL"])
def test_every_byte_of_several_streams_comes_once_through_a_tiny_completion_queue(setup: SetupFlags) -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    sizes = [random.Random(seed).randbytes(MESSAGES * 10) for seed in range(3)]
    with Ring(2, setup=setup) as ring:
        buffers = ring.buffer_ring(4, 4096)
        handles = [ring.recv_multishot(ours, buffers) for ours, _ in pairs]
        threads = [
            threading.Thread(target=lambda end, data: (end.sendall(data), end.close()), args=(theirs, data))
            for (_, theirs), data in zip(pairs, sizes, strict=True)
        ]
        for thread in threads:
            thread.start()
        got: list[list[bytes]] = [[] for _ in pairs]
        while not all(handle.done for handle in handles):
            for op in ring.wait(1):
                got[handles.index(op.multishot)].append(op.result())  # type: ignore[attr-defined]
                del op
        for thread in threads:
            thread.join()
        for (ours, _), data, parts in zip(pairs, sizes, got, strict=True):
            assert b"".join(parts) == data
            ours.close()
        assert ring.stats()["rearmed"] > 0
        check_balance(ring, buffers)


def test_held_leases_only_slow_it_down() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    dice = random.Random(5)
    with Ring(8) as ring, ours, sender(ours, theirs, MESSAGES // 6):
        buffers = ring.buffer_ring(8, 64)
        shots = ring.recv_multishot(ours, buffers)
        held = []
        number = 0
        for shot in shots:
            assert bytes(shot.buffer) == message(number)  # type: ignore[arg-type]
            number += 1
            held.append((number - 1, shot))
            while len(held) >= 8 or (held and dice.random() < 0.4):
                which, lent = held.pop(dice.randrange(len(held)))
                with lent.buffer as view:  # type: ignore[union-attr]
                    assert view == message(which)
            del shot
        assert number == MESSAGES // 6
        del lent
        for which, lent in held:
            assert lent.result() == message(which)
        assert ring.stats()["starved"] > 0
        check_balance(ring, buffers)


def test_workers_in_other_threads_give_the_buffers_back() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    todo: list[object] = []
    seen: list[bytes] = []
    over = threading.Event()

    def work() -> None:
        while todo or not over.is_set():
            try:
                shot = todo.pop(0)
            except IndexError:
                time.sleep(0)
                continue
            seen.append(shot.result())  # type: ignore[attr-defined]

    with Ring(8) as ring, ours, sender(ours, theirs, MESSAGES // 20):
        buffers = ring.buffer_ring(4, 64)
        shots = ring.recv_multishot(ours, buffers)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            while not shots.done:
                todo += [op for op in ring.wait(1, timeout=0.002) if op.res]
        finally:
            over.set()
            for thread in threads:
                thread.join()
        ring.nop().result()
        assert sorted(seen) == sorted(message(number) for number in range(MESSAGES // 20))
        check_balance(ring, buffers)
