"""What type checkers make of level 1. Checked by test_typing.py, never run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, assert_type

import pyuring
from pyuring import (
    Completion,
    Features,
    RegisteredBuffer,
    RegisteredBuffers,
    RegisteredFile,
    RegisteredFiles,
    Ring,
    SetupFlags,
    SqeFlags,
    StatxResult,
)


def life_cycle(ring: Ring) -> None:
    with Ring(entries=8, cq_entries=16, setup=SetupFlags.SQPOLL, sq_thread_idle=5) as inner:
        assert_type(inner, Ring)
    assert_type(ring.submit(), int)
    assert_type(ring.wait(8, timeout=1.0), list[Completion[Any]])
    assert_type(ring.submit_and_wait(), list[Completion[Any]])
    assert_type(ring.completions(), list[Completion[Any]])
    assert_type(ring.in_flight, int)
    assert_type(ring.closed, bool)
    assert_type(ring.entries, int)
    assert_type(ring.setup, SetupFlags)
    assert_type(ring.features, Features)
    assert_type(ring.supports("read"), bool)
    assert_type(ring.supports(22), bool)
    assert_type(ring.stats(), dict[str, int])
    assert_type(ring.fileno(), int)
    assert_type(ring.close(), None)


def handles(ring: Ring) -> None:
    op = ring.read(0, 10)
    assert_type(op, Completion[bytes])
    assert_type(op.result(), bytes)
    assert_type(op.result(timeout=0.5), bytes)
    assert_type(op.res, int | None)
    assert_type(op.flags, int)
    assert_type(op.done, bool)
    assert_type(op.user_data, Any)
    assert_type(op.operation, str)
    assert_type(op.cancel(), None)
    for completion in ring.wait():
        assert_type(completion, Completion[Any])


def results(ring: Ring, sock: socket.socket, buffer: bytearray) -> None:
    assert_type(ring.nop().result(), int)
    assert_type(ring.readinto(0, buffer, 5).result(), int)
    assert_type(ring.write(0, b"x", offset=5, user_data=1, flags=SqeFlags.ASYNC).result(), int)
    assert_type(ring.readv(0, [buffer, buffer]).result(), int)
    assert_type(ring.writev(0, (b"x", buffer)).result(), int)
    assert_type(ring.fsync(0, drain=True).result(), None)
    assert_type(ring.fdatasync(0, timeout=1).result(), None)
    assert_type(ring.fallocate(0, 0, 1).result(), None)
    assert_type(ring.ftruncate(0, 0).result(), None)
    assert_type(ring.open(Path("x"), 0, 0o600).result(), int)
    assert_type(ring.open(b"x", dir_fd=5, sqe_flags=SqeFlags.ASYNC).result(), int)
    assert_type(ring.close_fd(5).result(), None)
    assert_type(ring.statx("x").result(), StatxResult)
    assert_type(ring.statx("x").result().st_size, int)
    assert_type(ring.statx("x").result().st_mtime, float)
    assert_type(ring.unlink("x").result(), None)
    assert_type(ring.rename("x", Path("y")).result(), None)
    assert_type(ring.mkdir("x", 0o700).result(), None)
    assert_type(ring.poll(sock).result(), int)
    assert_type(ring.timeout(1.5).result(), None)
    assert_type(ring.cancel(ring.nop()).result(), None)
    assert_type(ring.socket(socket.AF_INET, socket.SOCK_STREAM).result(), int)
    assert_type(ring.accept(sock).result(), int)
    assert_type(ring.connect(sock, ("127.0.0.1", 80)).result(), None)
    assert_type(ring.connect(sock, "/path").result(), None)
    assert_type(ring.send(sock, b"x", socket.MSG_DONTWAIT).result(), int)
    assert_type(ring.recv(sock, 5).result(), bytes)
    assert_type(ring.recv_into(sock, buffer).result(), int)
    assert_type(ring.buffer_ring(4, 4096).available_now(), int)
    assert_type(ring.recv_into(sock, ring.buffer_ring(4, 4096), bundle=True).result(), int)
    assert_type(ring.shutdown(sock, socket.SHUT_WR).result(), None)
    print(ring.accept(sock).address)


def links(ring: Ring) -> None:
    with ring.link(hard=True):
        ring.nop()


def registered(ring: Ring, buffer: bytearray) -> None:
    pool = ring.register_buffers(count=4, size=4096)
    assert_type(pool, RegisteredBuffers)
    assert_type(pool[0], RegisteredBuffer)
    assert_type(pool[0:2], list[RegisteredBuffer])
    assert_type(pool[0][5:10], RegisteredBuffer)
    assert_type(pool[0].view, memoryview)
    assert_type(pool[0].index, int)
    assert_type(pool.unregister(), None)
    ring.register_buffers([buffer, buffer])
    files = ring.register_files([0, socket.socket()])
    assert_type(files, RegisteredFiles)
    assert_type(files[0], RegisteredFile)
    assert_type(files.update(0, None), RegisteredFile)
    assert_type(files.update(0, 0, tag="tag"), RegisteredFile)
    assert_type(files.update(0, [0, None], tags=["tag", None]), list[RegisteredFile])
    assert_type(ring.register_files([0], tags=["tag"]), RegisteredFiles)
    assert_type(ring.readinto(files[0], pool[0]).result(), int)


def errors() -> None:
    try:
        Ring()
    except pyuring.UnavailableError as error:
        assert_type(error.errno, int | None)
    assert_type(pyuring.liburing_version, str)
    assert_type(pyuring.__version__, str)


def wrong(ring: Ring) -> None:
    """Each line is an error for type checkers: an ignore that is not needed is one, too."""
    ring.read(0, "10")  # type: ignore[arg-type]
    ring.open(5)  # type: ignore[arg-type]
    ring.wait("1")  # type: ignore[arg-type]
    ring.nop(5)  # type: ignore[call-arg]
    ring.nop(user_dat=5)  # type: ignore[call-arg]
    ring.link(True)  # type: ignore[call-arg]
    print(ring.statx("x").result().st_birth)  # type: ignore[attr-defined]
    ring.cancel(5)  # type: ignore[arg-type]
    number: str = ring.write(0, b"").result()  # type: ignore[assignment]
    print(number)
