"""Messages and files from ring to ring."""

from __future__ import annotations

import errno
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confinement import run_confined

import pyuring
from pyuring import Completion, RegisteredFiles, Ring, SetupFlags, ffi, lib

SETUPS = {
    "best": None,
    "plain": SetupFlags(0),
    "coop": SetupFlags.COOP_TASKRUN | SetupFlags.TASKRUN_FLAG,
    "sqpoll": SetupFlags.SQPOLL,
}
R_DISABLED = 1 << 6


@pytest.fixture
def other() -> Iterator[Ring]:
    with Ring(8) as other:
        yield other


def messages_of(ring: Ring, count: int) -> list[Completion[Any]]:
    """The next messages, and nothing but messages but for a timer that keeps waits going."""
    found: list[Completion[Any]] = []
    timer = ring.timeout(10)
    while len(found) < count:
        done = ring.wait(1)
        assert timer not in done, f"{len(found)} of {count} messages came"
        found += [op for op in done if op.operation == "message"]
    timer.cancel()
    with pytest.raises(OSError):
        timer.result()
    return found


@pytest.mark.parametrize("receiver", SETUPS.values(), ids=SETUPS)
def test_a_ring_can_wait_for_messages_with_nothing_in_flight(receiver: SetupFlags | None) -> None:
    with Ring(8, setup=receiver) as ring:
        assert not ring.expects_messages
        with pytest.raises(RuntimeError, match="nothing is in flight"):
            ring.wait(1)
        ring.expects_messages = True
        threading.Timer(0.05, pyuring.send_message, (ring.fileno(), 1)).start()
        threading.Timer(0.1, pyuring.send_message, (ring.fileno(), 2)).start()
        assert [op.user_data for op in ring.wait(2)] == [1, 2]
        before = time.monotonic()
        assert ring.wait(1, timeout=0.05) == []
        assert time.monotonic() - before >= 0.05
        timer = ring.timeout(0.01)
        assert ring.wait(1) == [timer]


@pytest.mark.parametrize("receiver", SETUPS.values(), ids=SETUPS)
@pytest.mark.parametrize("sender", SETUPS.values(), ids=SETUPS)
def test_a_message_comes_out_of_the_other_ring(sender: SetupFlags | None, receiver: SetupFlags | None) -> None:
    with Ring(8, setup=sender) as ring, Ring(8, setup=receiver) as target:
        for number in range(5):
            assert ring.msg_ring(target, 2**60 - 1 - number, number).result(timeout=5) is None
        messages = messages_of(target, 5)
        assert [(op.user_data, op.res, op.flags, op.done) for op in messages] == [
            (2**60 - 1 - number, number, 0, True) for number in range(5)
        ]
        assert target.in_flight == 0
        assert target.stats()["unexpected"] == 0


def test_a_ring_can_write_to_itself(ring: Ring) -> None:
    send = ring.msg_ring(ring, 5, 7)
    done = ring.wait(2, timeout=5)
    assert sorted(op.operation for op in done) == ["message", "msg_ring"]
    assert send.result() is None


def test_a_message_wakes_the_thread_that_waits(ring: Ring) -> None:
    ready: list[int] = []
    found: list[Completion[Any]] = []
    started = threading.Event()

    def receive() -> None:
        with Ring(8) as own:
            ready.append(own.fileno())
            started.set()
            found.extend(messages_of(own, 3))

    receiver = threading.Thread(target=receive)
    receiver.start()
    assert started.wait(5)
    ring.msg_ring(ready[0], 1).result()
    pyuring.send_message(ready[0], 2)
    ring.msg_ring(ready[0], 3).result()
    receiver.join(timeout=15)
    assert [op.user_data for op in found] == [1, 2, 3]


def test_a_message_crosses_processes(other: Ring) -> None:
    descriptor = other.fileno()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with Ring(4) as own:
                own.msg_ring(descriptor, 5, 7).result(timeout=5)
            pyuring.send_message(descriptor, 6)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert [(op.user_data, op.res) for op in messages_of(other, 2)] == [(5, 7), (6, 0)]


def test_the_flags_of_a_message_arrive(ring: Ring, other: Ring) -> None:
    flags = 0xFFFF_FFFF & ~(lib.PYURING_CQE_F_32 | lib.PYURING_CQE_F_SKIP)
    ring.msg_ring(other, 5, 7, cqe_flags=flags).result()
    ring.msg_ring(other, 6, 8, cqe_flags=0).result()
    assert [(op.user_data, op.res, op.flags) for op in messages_of(other, 2)] == [(5, 7, flags), (6, 8, 0)]


def test_a_message_with_a_negative_res_is_an_error(ring: Ring, other: Ring) -> None:
    ring.msg_ring(other, 5, -errno.EPIPE).result()
    (message,) = messages_of(other, 1)
    assert message.res == -errno.EPIPE
    with pytest.raises(BrokenPipeError):
        message.result()


def test_flags_that_a_foreign_sender_made_up_do_not_get_a_ring_out_of_step(ring: Ring, other: Ring) -> None:
    """Whoever has its descriptor can send it a CQE that says it is 32 bytes long, or none."""
    nops = [other.nop() for _ in range(3)]
    for flags in (1 << 15, 1 << 5, 1 << 15 | 1 << 5):
        ring._start(
            Completion(), "msg_ring", None, None, 0, False, None,
            lib.pyuring_prep_msg_ring, other.fileno(), lib.PYURING_MESSAGE | flags, 1, 2, flags,
        )  # fmt: skip
    assert len(ring.wait(3, timeout=5)) == 3
    done = other.wait(6, timeout=1) + other.wait(6, timeout=0)
    assert sorted(op.user_data for op in done if op.operation == "message") == [1 << 5, 1 << 15, 1 << 15 | 1 << 5]
    assert all(nop.result() == 0 for nop in nops)
    assert other.stats()["unexpected"] == 0


@pytest.mark.parametrize("data", [0, 1, 127, 1 << 62, 1 << 63])
def test_a_cqe_that_a_foreign_sender_made_up_is_nobodys(ring: Ring, other: Ring, data: int) -> None:
    for _ in range(other.cq_entries):
        other.nop().result()
    ring._start(
        Completion(), "msg_ring", None, None, 0, False, None,
        lib.pyuring_prep_msg_ring, other.fileno(), data, 1, 0, 0,
    )  # fmt: skip
    assert len(ring.wait(1, timeout=5)) == 1
    assert other.wait(1, timeout=0.01) == []
    assert other.in_flight == 0
    assert other.nop().result() == 0
    assert other.stats()["unexpected"] == 1


def test_a_message_in_a_chain_comes_in_its_turn(ring: Ring, other: Ring, data_file: int) -> None:
    with ring.link():
        ring.write(data_file, b"written", 0)
        ring.msg_ring(other, 5)
        ring.read(data_file, 7, 0)
    assert len(ring.wait(3, timeout=5)) == 3
    assert [op.user_data for op in messages_of(other, 1)] == [5]


def test_a_message_to_a_ring_that_is_not_enabled_is_refused(ring: Ring) -> None:
    disabled: Any = ffi.new("struct io_uring *")
    assert lib.io_uring_queue_init(4, disabled, R_DISABLED) == 0
    try:
        with pytest.raises(OSError) as caught:
            ring.msg_ring(disabled.ring_fd, 5).result()
        assert caught.value.errno == errno.EBADFD
        with pytest.raises(OSError) as caught:
            pyuring.send_message(disabled.ring_fd, 5)
        assert caught.value.errno == errno.EBADFD
    finally:
        lib.io_uring_queue_exit(disabled)


class Owner:
    """What ends its ring with its own end."""

    def __init__(self) -> None:
        self.ring = Ring(4)

    def fileno(self) -> int:
        return self.ring.fileno()

    def __del__(self) -> None:
        self.ring.close()


def test_the_target_lives_until_the_message_is_sent(ring: Ring) -> None:
    owner = Owner()
    alive = weakref.ref(owner)
    op = ring.msg_ring(owner, 5)
    del owner
    gc.collect()
    assert op.result() is None
    assert alive() is None


def test_a_closed_ring_is_no_target(ring: Ring) -> None:
    with Ring(4) as closed:
        pass
    calls: list[Callable[[], object]] = [
        lambda: ring.msg_ring(closed, 5),
        lambda: ring.msg_ring_fd(closed, ring.register_files(sparse=1)[0]),
        lambda: pyuring.send_message(closed, 5),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()
    assert ring.in_flight == 0


# -- without a ring ----------------------------------------------------------------------


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_no_message_of_many_threads_is_lost(setup: SetupFlags | None) -> None:
    """Far more than the CQ holds: the kernel keeps the others."""
    threads, each = 4, 500
    with Ring(4, setup=setup) as ring:

        def send(first: int) -> None:
            for number in range(each):
                pyuring.send_message(ring, first + number, number % 7)

        senders = [threading.Thread(target=send, args=(i * each,)) for i in range(threads)]
        for sender in senders:
            sender.start()
        messages = messages_of(ring, threads * each)
        for sender in senders:
            sender.join()
        assert sorted(op.user_data for op in messages) == [*range(threads * each)]
        assert all(op.res == op.user_data % each % 7 for op in messages)
        for first in range(0, threads * each, each):
            of_one = [op.user_data for op in messages if first <= op.user_data < first + each]
            assert of_one == sorted(of_one), "each sender's come in order"


@pytest.mark.parametrize(
    ("target", "kind", "code"),
    [
        ("pipe", OSError, errno.EBADFD), ("closed", OSError, errno.EBADF),
        (-1, pyuring.BadDescriptorError, errno.EBADF),
        (2**31, pyuring.BadDescriptorError, errno.EBADF), ("text", TypeError, None), (None, TypeError, None),
    ],
)  # fmt: skip
def test_send_message_refuses_what_is_no_ring(
    pipe: tuple[int, int], target: Any, kind: type[Exception], code: int | None
) -> None:
    if target == "closed":
        target = os.dup(pipe[0])
        os.close(target)
    with pytest.raises(kind) as caught:
        pyuring.send_message(pipe[0] if target == "pipe" else target, 5)
    assert getattr(caught.value, "errno", None) == code


@pytest.mark.parametrize(
    ("value", "res", "kind"),
    [
        (-1, 0, ValueError), (2**60, 0, ValueError), ("5", 0, TypeError), (None, 0, TypeError),
        (5, 2**31, OverflowError), (5, -(2**31) - 1, OverflowError), (5, "0", TypeError),
    ],
)  # fmt: skip
def test_send_message_refuses_what_does_not_fit(other: Ring, value: Any, res: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        pyuring.send_message(other, value, res)
    assert other.completions() == []


def test_send_message_names_the_kernel_that_has_it() -> None:
    answer = run_confined("""
forbid_io_uring(errno.EINVAL)
report_as_linux_2_6()
try:
    pyuring.send_message(0, 5)
except pyuring.UnsupportedError as error:
    print(error)
""")
    assert "needs Linux 6.13; this is 2.6" in answer


# -- files ------------------------------------------------------------------------------


@pytest.fixture
def sent(ring: Ring, tmp_path: Path) -> RegisteredFiles:
    """Four registered files of `ring`, with their number in them, and no descriptor."""
    numbers = []
    for number in range(4):
        path = tmp_path / str(number)
        path.write_text(str(number))
        numbers.append(os.open(path, os.O_RDONLY))
    files = ring.register_files(numbers)
    for number in numbers:
        os.close(number)
    return files


def content(ring: Ring, file: int) -> bytes:
    return ring.read(file, 9, 0).result()


@pytest.mark.parametrize("receiver", SETUPS.values(), ids=SETUPS)
def test_a_file_goes_to_the_slot_that_was_named_or_to_a_free_one(
    ring: Ring, sent: RegisteredFiles, receiver: SetupFlags | None
) -> None:
    with Ring(8, setup=receiver) as other:
        files = other.register_files(sparse=4)
        assert ring.msg_ring_fd(other, sent[1], direct=files[2]).result(timeout=5) == 2
        assert ring.msg_ring_fd(other, sent[2], direct=3).result(timeout=5) == 3
        assert ring.msg_ring_fd(other.fileno(), sent[3]).result(timeout=5) == 0
        assert ring.msg_ring_fd(other, sent[0], direct=files).result(timeout=5) == 1
        assert [content(other, file) for file in files] == [b"3", b"0", b"1", b"2"]
        assert other.completions() == [], "nothing was said of a message"


def test_a_file_that_was_sent_replaces_another(ring: Ring, other: Ring, sent: RegisteredFiles) -> None:
    files = other.register_files(sparse=1)
    for number in (3, 1):
        assert ring.msg_ring_fd(other, sent[number], direct=files[0]).result() == 0
        assert content(other, files[0]) == str(number).encode()


def test_a_file_can_come_with_a_message(ring: Ring, other: Ring, sent: RegisteredFiles) -> None:
    files = other.register_files(sparse=4)
    assert ring.msg_ring_fd(other, sent[3], 2**60 - 1).result() == 0
    (message,) = messages_of(other, 1)
    assert (message.user_data, content(other, files[message.result()])) == (2**60 - 1, b"3")


def test_a_file_that_was_sent_outlives_the_sender(other: Ring, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"sent")
    files = other.register_files(sparse=1)
    with Ring(4) as sender, open(tmp_path / "file", "rb") as file:
        sender.msg_ring_fd(other, sender.register_files([file])[0]).result()
    assert content(other, files[0]) == b"sent"


def test_a_table_that_is_full_takes_no_more(ring: Ring, other: Ring, sent: RegisteredFiles) -> None:
    files = other.register_files(sparse=2)
    for _ in files:
        ring.msg_ring_fd(other, sent[0]).result()
    for direct, code in ((None, errno.ENFILE), (files, errno.ENFILE), (2, errno.EINVAL)):
        with pytest.raises(OSError) as caught:
            ring.msg_ring_fd(other, sent[0], direct=direct).result()
        assert caught.value.errno == code


def test_a_ring_without_a_table_takes_none(ring: Ring, other: Ring, sent: RegisteredFiles) -> None:
    for direct, code in ((None, errno.ENFILE), (0, errno.ENXIO)):
        with pytest.raises(OSError) as caught:
            ring.msg_ring_fd(other, sent[0], direct=direct).result()
        assert caught.value.errno == code


def test_a_slot_of_a_table_that_is_not_the_targets_is_refused(ring: Ring, other: Ring, sent: RegisteredFiles) -> None:
    files = other.register_files(sparse=2)
    with Ring(4) as third:
        theirs = third.register_files(sparse=2)
        for direct in (theirs, theirs[0], sent, sent[0]):
            with pytest.raises(ValueError, match="target"):
                ring.msg_ring_fd(other, sent[0], direct=direct)
    files.unregister()
    for direct in (files, files[0]):
        with pytest.raises(ValueError, match="unregistered"):
            ring.msg_ring_fd(other, sent[0], direct=direct)
    file = sent[0]
    sent.unregister()
    with pytest.raises(ValueError, match="unregistered"):
        ring.msg_ring_fd(other, file)
    assert ring.in_flight == 0


def test_a_message_can_carry_any_errno(other: Ring) -> None:
    other.expects_messages = True
    for code in (errno.EINVAL, errno.ENOENT):
        pyuring.send_message(other, 7, -code)
        (message,) = other.wait(1)
        with pytest.raises(OSError) as caught:
            message.result()
        assert type(caught.value) is not pyuring.UnsupportedError
        assert caught.value.errno == code
