"""Operations on sockets, against their cousins in `socket`."""

from __future__ import annotations

import array
import errno
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import pyuring
from pyuring import RegisteredFile, Ring

Pair = tuple[socket.socket, socket.socket]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM | socket.SOCK_NONBLOCK])
def test_socket_makes_what_socket_socket_makes(ring: Ring, family: int, kind: int) -> None:
    with socket.socket(family, kind) as theirs, socket.socket(fileno=ring.socket(family, kind).result()) as ours:
        assert (ours.family, ours.type) == (theirs.family, theirs.type)
        assert ours.get_inheritable() is theirs.get_inheritable() is False
        assert os.get_blocking(ours.fileno()) is not bool(kind & socket.SOCK_NONBLOCK)


def test_socket_is_inet_stream_by_default_as_in_socket(ring: Ring) -> None:
    with socket.socket(fileno=ring.socket().result()) as ours:
        assert (ours.family, ours.type) == (socket.AF_INET, socket.SOCK_STREAM)


# -- accept ------------------------------------------------------------------------


def test_accept_tells_the_peers_address_as_socket_accept_does(ring: Ring, listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        op = ring.accept(listener)
        assert op.address is None, "nobody was accepted yet"
        with socket.socket(fileno=op.result()) as accepted:
            assert op.address == accepted.getpeername() == client.getsockname()


@needs_ipv6
def test_accept_tells_an_ipv6_address(ring: Ring) -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        socket.create_connection(listener.getsockname()[:2]) as client,
    ):
        op = ring.accept(listener)
        os.close(op.result())
        assert op.address == client.getsockname()


@pytest.mark.parametrize("name", ["", "client", "\0pyuring test"], ids=["unnamed", "path", "abstract"])
def test_accept_tells_a_unix_address(ring: Ring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    if name.startswith("\0"):
        name += str(os.getpid())
    addresses = []
    for which in ("ours", "theirs"):
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(which)
            listener.listen()
            if name:
                client.bind(name)
            client.connect(which)
            if which == "ours":
                op = ring.accept(listener)
                os.close(op.result())
                addresses.append(op.address)
            else:
                accepted, address = listener.accept()
                accepted.close()
                addresses.append(address)
            if name == "client":
                os.unlink(name)
    assert addresses[0] == addresses[1]


def test_accept_waits_for_a_connection(ring: Ring, listener: socket.socket) -> None:
    op = ring.accept(listener)
    assert ring.wait(1, timeout=0.01) == []
    with socket.create_connection(listener.getsockname()):
        os.close(op.result(timeout=5))


def test_accept_takes_flags_for_the_new_descriptor(ring: Ring, listener: socket.socket) -> None:
    for flags in (0, socket.SOCK_NONBLOCK):
        with socket.create_connection(listener.getsockname()):
            fd = ring.accept(listener, flags).result()
            assert os.get_blocking(fd) is (flags == 0)
            assert not os.get_inheritable(fd)
            os.close(fd)


def test_many_accepts_are_one_connection_each(ring: Ring, listener: socket.socket) -> None:
    operations = [ring.accept(listener) for _ in range(5)]
    ring.submit()
    clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
    for op in operations:
        os.close(op.result(timeout=5))
    assert {op.address for op in operations} == {client.getsockname() for client in clients}
    for client in clients:
        client.close()


def test_a_failed_accept_has_no_address(ring: Ring, sockets: Pair) -> None:
    op = ring.accept(sockets[0])
    with pytest.raises(OSError):
        op.result()
    assert op.address is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_server_is_made_of_operations_only(ring: Ring, tmp_path: Path, family: int) -> None:
    address: Any = ("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "server")
    with socket.socket(fileno=ring.socket(family).result()) as listener, socket.socket(family) as client:
        assert ring.bind(listener, address).result() is None
        assert ring.listen(listener).result() is None
        op = ring.accept(listener)
        ring.connect(client, listener.getsockname()).result()
        with socket.socket(fileno=op.result(timeout=5)) as accepted:
            assert accepted.getsockname() == listener.getsockname()


def test_bind_takes_what_socket_bind_takes(ring: Ring, tmp_path: Path) -> None:
    for address in (("", 0), ("localhost", 0), ("127.1", 0), (b"127.0.0.1", 0)):
        with socket.socket() as ours, socket.socket() as theirs:
            ring.bind(ours, address).result()
            theirs.bind(address)
            assert ours.getsockname()[0] == theirs.getsockname()[0]
    for path in (f"\0pyuring bind {os.getpid()}", tmp_path / "path", str(tmp_path / "text").encode()):
        with socket.socket(socket.AF_UNIX) as ours:
            ring.bind(ours, path).result()
            assert os.fsencode(ours.getsockname()) == os.fsencode(path)


@needs_ipv6
def test_bind_takes_an_ipv6_address(ring: Ring) -> None:
    with socket.socket(socket.AF_INET6) as sock:
        ring.bind(sock, ("::1", 0, 0, 0)).result()
        assert sock.getsockname()[0] == "::1"


@pytest.mark.parametrize("backlog", [-1, 0, 1])
def test_the_backlog_is_what_waits_to_be_accepted(ring: Ring, tmp_path: Path, backlog: int) -> None:
    waiting = []
    for which in ("ours", "theirs"):
        path = str(tmp_path / which)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            if which == "ours":
                ring.listen(listener, backlog).result()
            else:
                listener.listen(backlog)
            clients = []
            try:
                while True:
                    client = socket.socket(socket.AF_UNIX)
                    clients.append(client)
                    client.setblocking(False)
                    client.connect(path)
            except BlockingIOError:
                waiting.append(len(clients) - 1)
            for client in clients:
                client.close()
    assert waiting[0] == waiting[1] > 0


def test_accept_with_dont_wait_fails_rather_than_wait(ring: Ring, listener: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        ring.accept(listener, dont_wait=True).result(timeout=5)
    with socket.create_connection(listener.getsockname()) as client:
        op = ring.accept(listener, dont_wait=True)
        os.close(op.result(timeout=5))
        assert op.address == client.getsockname()


def test_accept_with_poll_first_takes_what_comes(ring: Ring, listener: socket.socket) -> None:
    op = ring.accept(listener, poll_first=True)
    assert ring.wait(1, timeout=0.01) == []
    with socket.create_connection(listener.getsockname()) as client:
        os.close(op.result(timeout=5))
        assert op.address == client.getsockname()
        waiting = ring.accept(listener, poll_first=True)
        with socket.create_connection(listener.getsockname()):
            os.close(waiting.result(timeout=5))


# -- direct descriptors ----------------------------------------------------------------


@pytest.mark.parametrize("place", ["any slot", "one slot"])
def test_a_socket_goes_straight_into_the_table(ring: Ring, listener: socket.socket, place: str) -> None:
    files = ring.register_files(sparse=4)
    before = len(os.listdir("/proc/self/fd"))
    sock = ring.socket(direct=files if place == "any slot" else files[2]).result()
    assert isinstance(sock, RegisteredFile)
    assert sock == files[0 if place == "any slot" else 2]
    assert len(os.listdir("/proc/self/fd")) == before
    ring.connect(sock, listener.getsockname()).result()
    accepted, _ = listener.accept()
    with accepted:
        assert ring.send(sock, b"direct").result() == 6
        assert accepted.recv(9) == b"direct"
        files.update(sock.index, None)
        assert accepted.recv(9) == b"", "an emptied slot closes its socket"


@pytest.mark.parametrize("place", ["any slot", "one slot"])
def test_a_connection_goes_straight_into_the_table(ring: Ring, listener: socket.socket, place: str) -> None:
    files = ring.register_files(sparse=4)
    clients = []
    for number in range(2):
        clients.append(socket.create_connection(listener.getsockname()))
        before = len(os.listdir("/proc/self/fd"))
        op = ring.accept(listener, direct=files if place == "any slot" else files[3])
        sock = op.result(timeout=5)
        assert isinstance(sock, RegisteredFile)
        assert sock.index == (number if place == "any slot" else 3)
        assert op.address == clients[number].getsockname()
        assert len(os.listdir("/proc/self/fd")) == before
        assert ring.send(sock, b"direct").result() == 6
        assert clients[number].recv(9) == b"direct"
    for client in clients:
        client.close()


def test_a_full_table_takes_no_more(ring: Ring) -> None:
    files = ring.register_files(sparse=1)
    assert ring.socket(direct=files).result() == files[0]
    with pytest.raises(OSError) as caught:
        ring.socket(direct=files).result()
    assert caught.value.errno == errno.ENFILE


def test_a_table_of_another_ring_is_refused(ring: Ring, listener: socket.socket) -> None:
    with Ring(4) as other:
        files = other.register_files(sparse=4)
        for direct in (files, files[1]):
            with pytest.raises(ValueError, match="registered file"):
                ring.socket(direct=direct)
            with pytest.raises(ValueError, match="registered file"):
                ring.accept(listener, direct=direct)
    with pytest.raises(TypeError, match="direct takes"):
        ring.socket(direct=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="direct takes"):
        ring.accept(listener, direct="any")  # type: ignore[arg-type]
    assert ring.in_flight == 0


# -- connect ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", b"127.0.0.1"])
def test_connect_takes_a_host_as_socket_connect_does(ring: Ring, listener: socket.socket, host: Any) -> None:
    with socket.socket() as client:
        assert ring.connect(client, (host, listener.getsockname()[1])).result() is None
        assert client.getpeername() == listener.getsockname()


@needs_ipv6
@pytest.mark.parametrize("more", [(), (0, 0), (5, 0)])
def test_connect_takes_an_ipv6_address(ring: Ring, more: tuple[int, ...]) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener, socket.socket(socket.AF_INET6) as client:
        ring.connect(client, ("::1", listener.getsockname()[1], *more)).result()
        assert client.getpeername()[:2] == listener.getsockname()[:2]


@pytest.mark.parametrize("form", ["str", "bytes", "abstract", "abstract bytes"])
def test_connect_takes_a_unix_address(ring: Ring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    abstract = f"\0pyuring connect {os.getpid()}"
    forms: dict[str, str | bytes] = {
        "str": "path", "bytes": b"path", "abstract": abstract, "abstract bytes": abstract.encode(),
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(forms[form])
        listener.listen()
        assert ring.connect(client, forms[form]).result() is None
        assert client.getpeername() == listener.getsockname()


@pytest.mark.parametrize("form", ["object", "descriptor", "registered"])
def test_a_socket_is_named_by_object_by_number_or_by_slot(ring: Ring, listener: socket.socket, form: str) -> None:
    with socket.socket() as client:
        sock: Any = {"object": client, "descriptor": client.fileno()}.get(form)
        if form == "registered":
            files = ring.register_files([client, listener])
            sock, server = files[0], files[1]
        else:
            server = listener if form == "object" else listener.fileno()  # type: ignore[assignment]
        accept = ring.accept(server)
        ring.connect(sock, listener.getsockname()).result()
        accepted = accept.result()
        assert ring.send(sock, b"ping").result() == 4
        assert ring.recv(accepted, 9).result() == b"ping"
        assert ring.send(accepted, b"pong").result() == 4
        buffer = bytearray(9)
        assert ring.recv_into(sock, buffer).result() == 4
        assert ring.shutdown(sock, socket.SHUT_WR).result() is None
        assert ring.recv(accepted, 9).result() == b""
        os.close(accepted)


def test_connect_to_a_datagram_peer_sets_it(ring: Ring) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as theirs:
        theirs.bind(("127.0.0.1", 0))
        ring.connect(ours, theirs.getsockname()).result()
        assert ring.send(ours, b"datagram").result() == 8
        assert theirs.recv(99) == b"datagram"


def test_connecting_what_is_no_socket_fails_and_leaks_nothing(ring: Ring, data_file: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError, match=r"[Ss]ocket"):
            ring.connect(data_file, ("127.0.0.1", 9)).result()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_name_that_nobody_has_is_a_gaierror_before_anything_is_queued(ring: Ring) -> None:
    with socket.socket() as client, pytest.raises(socket.gaierror):
        ring.connect(client, ("name.invalid", 9))
    assert ring.in_flight == 0


# -- send and recv ------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"bytearray"), memoryview(b"view"), array.array("i", [1, 2])])
def test_send_sends_any_bytes(ring: Ring, sockets: Pair, data: Any) -> None:
    ours, theirs = sockets
    assert ring.send(ours, data).result() == memoryview(data).nbytes
    assert theirs.recv(99) == memoryview(data).tobytes()


def test_recv_gives_what_is_there_up_to_bufsize(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    theirs.send(b"0123456789")
    assert ring.recv(ours, 4).result() == b"0123"
    assert ring.recv(ours, 1).result() == b"4"
    assert ring.recv(ours, 99).result() == b"56789"
    theirs.shutdown(socket.SHUT_WR)
    assert ring.recv(ours, 99).result() == b""


def test_recv_into_fills_no_more_than_nbytes(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    theirs.send(b"0123456789")
    buffer = bytearray(b"." * 8)
    assert ring.recv_into(ours, buffer, 3).result() == 3
    assert buffer == b"012....."
    assert ring.recv_into(ours, memoryview(buffer)[4:6]).result() == 2
    assert buffer == b"012.34.."
    assert ring.recv_into(ours, buffer, 0).result() == 5, "0 is the whole buffer, as in socket"
    assert buffer == b"5678934.."[:5] + b"4.."


@pytest.mark.parametrize("waiting", [b"", b"something"])
def test_receiving_nothing_returns_at_once_as_in_socket(ring: Ring, sockets: Pair, waiting: bytes) -> None:
    ours, theirs = sockets
    theirs.send(waiting)
    assert ours.recv(0) == b""
    assert ring.recv(ours, 0).result(timeout=5) == b""
    assert ours.recv_into(bytearray()) == 0
    assert ring.recv_into(ours, bytearray()).result(timeout=5) == 0
    if waiting:
        assert ours.recv(99) == waiting


def test_sending_nothing_is_no_error(ring: Ring, sockets: Pair) -> None:
    assert ring.send(sockets[0], b"").result() == 0


def test_messages_keep_their_ends(ring: Ring) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for message in (b"one", b"", b"three"):
            assert ring.send(ours, message).result() == len(message)
        assert [ring.recv(theirs, 99).result() for _ in range(3)] == [b"one", b"", b"three"]


def test_msg_peek_leaves_the_data_there(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    theirs.send(b"look")
    assert ring.recv(ours, 9, socket.MSG_PEEK).result() == b"look"
    assert ring.recv(ours, 9).result() == b"look"


def test_msg_waitall_waits_for_all(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    op = ring.recv(ours, 6, socket.MSG_WAITALL)
    theirs.send(b"abc")
    assert ring.wait(1, timeout=0.02) == []
    theirs.send(b"def")
    assert op.result(timeout=5) == b"abcdef"


def test_msg_waitall_sends_all_of_a_large_buffer(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    data = os.urandom(3 << 20)
    op = ring.send(ours, data, socket.MSG_WAITALL)
    ring.submit()
    received = bytearray()
    while len(received) < len(data):
        received += theirs.recv(1 << 20)
        ring.wait(0)
    assert op.result(timeout=5) == len(data)
    assert received == data


def test_msg_dontwait_does_not_wait(ring: Ring, sockets: Pair) -> None:
    with pytest.raises(BlockingIOError):
        ring.recv(sockets[0], 1, socket.MSG_DONTWAIT).result(timeout=5)


def test_a_nonblocking_socket_waits_in_the_ring_all_the_same(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    ours.setblocking(False)
    op = ring.recv(ours, 9)
    assert ring.wait(1, timeout=0.01) == []
    theirs.send(b"late")
    assert op.result(timeout=5) == b"late"


def test_registered_buffers_are_sent_and_received_into(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    pool = ring.register_buffers(count=2, size=64)
    pool[0].view[:5] = b"hello"
    assert ring.send(ours, pool[0][:5]).result() == 5
    assert ring.recv_into(theirs, pool[1][10:]).result() == 5
    assert pool[1].view[:20] == bytes(10) + b"hello" + bytes(5)


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
def test_shutdown_shuts_what_socket_shutdown_shuts(ring: Ring, how: int) -> None:
    outcomes = []
    for which in ("ours", "theirs"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            if which == "ours":
                assert ring.shutdown(ours, how).result() is None
            else:
                ours.shutdown(how)
            outcomes.append([state_of(ours), state_of(theirs)])
    assert outcomes[0] == outcomes[1]


def state_of(sock: socket.socket) -> list[object]:
    """What sending and receiving do."""
    outcome: list[object] = []
    try:
        outcome.append(sock.send(b"x"))
    except OSError as error:
        outcome.append(type(error))
    try:
        outcome.append(sock.recv(1, socket.MSG_DONTWAIT))
    except OSError as error:
        outcome.append(type(error))
    return outcome


def test_an_echo_server_serves_many_clients_from_one_ring(listener: socket.socket) -> None:
    """accept, recv, send and close_fd by user_data, as a server would."""
    messages = [os.urandom(100 + i) for i in range(20)]
    answers: dict[int, bytes] = {}

    def client(number: int) -> None:
        with socket.create_connection(listener.getsockname()) as sock:
            sock.sendall(messages[number])
            sock.shutdown(socket.SHUT_WR)
            answers[number] = b"".join(iter(lambda: sock.recv(50), b""))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
    with Ring(8) as ring:
        for thread in threads:
            thread.start()
        ring.accept(listener, user_data=("accept", 0))
        closed = 0
        while closed < 20:
            for op in ring.wait(1, timeout=10):
                what, fd = op.user_data
                if what == "accept":
                    ring.accept(listener, user_data=("accept", 0))
                    ring.recv(op.result(), 64, user_data=("recv", op.result()))
                elif what == "recv" and op.result():
                    ring.send(fd, op.result(), socket.MSG_WAITALL, user_data=("send", fd))
                elif what == "recv":
                    ring.close_fd(fd, user_data=("close", fd))
                elif what == "send":
                    ring.recv(fd, 64, user_data=("recv", fd))
                else:
                    closed += 1
    for thread in threads:
        thread.join()
    assert [answers[number] for number in range(20)] == messages


@pytest.mark.parametrize("late", [False, True])
def test_poll_first_waits_and_then_does_the_same(ring: Ring, sockets: Pair, late: bool) -> None:
    ours, theirs = sockets
    buffer = bytearray(9)
    for receive in (
        lambda: ring.recv(ours, 9, poll_first=True),
        lambda: ring.recv_into(ours, buffer, poll_first=True),
        lambda: ring.recvfrom(ours, 9, poll_first=True),
    ):
        if not late:
            theirs.send(b"hello")
        op = receive()
        if late:
            assert ring.wait(1, timeout=0.01) == []
            theirs.send(b"hello")
        op.result(timeout=5)
        assert op.res == 5
    assert ring.send(ours, b"hello", poll_first=True).result(timeout=5) == 5
    assert theirs.recv(9) == b"hello"


def test_poll_first_goes_with_provided_buffers(ring: Ring, sockets: Pair) -> None:
    ours, theirs = sockets
    buffers = ring.buffer_ring(4, 64)
    op = ring.recv_into(ours, buffers, poll_first=True)
    sq = ring._c.ring.sq
    assert sq.sqes[(sq.sqe_tail - 1) & sq.ring_mask].ioprio == 1
    theirs.send(b"hello")
    assert op.result(timeout=5) == 5


def test_the_handle_of_accept_is_a_completion(ring: Ring, listener: socket.socket) -> None:
    assert isinstance(ring.accept(listener), pyuring.Completion)
