"""Rule 1: arguments that nobody else refers to survive until the kernel has no use for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .processes import STRICT_MEMORY, run_python

#: (prepared, with arguments that nobody else refers to; afterwards; checked)
DROPPED = {
    "read": ('ring.read(readable, 5)', 'os.write(writable, b"abcde")', 'assert op.result() == b"abcde"'),
    "recv": ('ring.recv(ours, 5)', 'theirs.send(b"abcde")', 'assert op.result() == b"abcde"'),
    "write": ('ring.write(writable, bytes(b"ab" * 50))', "pass", 'assert os.read(readable, 100) == b"ab" * 50'),
    "send": ('ring.send(ours, bytearray(b"ab" * 50))', "pass", 'assert theirs.recv(100) == b"ab" * 50'),
    "sendmsg": (
        'ring.sendmsg(udp, [bytearray(b"ab"), bytes(b"cd" * 50)], [(0, 1, bytearray(b" "))], 0, peer.getsockname())',
        "pass",
        'assert peer.recvfrom(200) == (b"ab" + b"cd" * 50, udp.getsockname())',
    ),
    "sendto": (
        'ring.sendto(udp, bytes(b"cd" * 50), ("127.0." + "0.1", peer.getsockname()[1]))',
        "pass",
        'assert peer.recvfrom(200) == (b"cd" * 50, udp.getsockname())',
    ),
    "recvmsg": (
        "ring.recvmsg(udp, 300, 64)",
        'peer.sendto(b"ab" * 100, udp.getsockname())',
        'assert op.result() == (b"ab" * 100, [], 0, peer.getsockname())',
    ),
    "recvmsg_into": (
        "ring.recvmsg_into(udp, [bytearray(2) for _ in range(100)], 64)",
        'peer.sendto(b"ab" * 100, udp.getsockname())',
        "assert op.result() == (200, [], 0, peer.getsockname())",
    ),
    "recvfrom": (
        "ring.recvfrom(udp, 300)",
        'peer.sendto(b"ab" * 100, udp.getsockname())',
        'assert op.result() == (b"ab" * 100, peer.getsockname())',
    ),
    "bind": (
        'ring.bind(client, ("127.0." + "0.1", 0))', "pass",
        'assert op.result() is None and client.getsockname()[0] == "127.0.0.1"',
    ),
    "setsockopt": (
        'ring.setsockopt(client, 1, socket.SO_LINGER, bytearray([1, 0, 0, 0, 7, 0, 0, 0]))', "pass",
        "assert client.getsockopt(1, socket.SO_LINGER, 8) == bytes([1, 0, 0, 0, 7, 0, 0, 0])",
    ),
    "getsockopt": ("ring.getsockopt(client, 1, socket.SO_LINGER, 8)", "pass", "assert op.result() == bytes(8)"),
    "send_zc": (
        'ring.send_zc(udp, bytes(b"cd" * 50), address=("127.0." + "0.1", peer.getsockname()[1]))',
        "pass",
        'assert peer.recvfrom(200) == (b"cd" * 50, udp.getsockname())',
    ),
    "writev": (
        'ring.writev(writable, [bytearray(b"ab" * 50) for _ in range(100)])',
        "pass",
        'assert os.read(readable, 10000) == b"ab" * 5000',
    ),
    "readv": (
        "ring.readv(readable, [bytearray(2) for _ in range(100)])",
        'os.write(writable, b"ab" * 100)',
        "assert op.result() == 200",
    ),
    "open": ('ring.open("/etc/" + "host" + "name")', "pass", "assert os.fstat(op.result()).st_ino == hostname"),
    "statx": ('ring.statx("/etc/" + "host" + "name")', "pass", "assert op.result().st_ino == hostname"),
    "mkdir": ('ring.mkdir("".join([folder, "/made"]))', "pass", 'assert os.path.isdir(folder + "/made")'),
    "unlink": (
        'ring.unlink("".join([folder, "/there"]))',
        "pass",
        'assert op.result() is None and not os.path.exists(folder + "/there")',
    ),
    "rename": (
        'ring.rename("".join([folder, "/there"]), "".join([folder, "/here"]))',
        "pass",
        'assert op.result() is None and os.path.exists(folder + "/here")',
    ),
    "openat2": ('ring.openat2("/etc/" + "host" + "name")', "pass", "assert os.fstat(op.result()).st_ino == hostname"),
    "hardlink": (
        'ring.hardlink("".join([folder, "/there"]), "".join([folder, "/too"]))',
        "pass",
        'assert op.result() is None and os.path.samefile(folder + "/too", folder + "/there")',
    ),
    "symlink": (
        'ring.symlink("".join(["to/", "nowhere"]), "".join([folder, "/link"]))',
        "pass",
        'assert op.result() is None and os.readlink(folder + "/link") == "to/nowhere"',
    ),
    "setxattr": (
        'ring.setxattr("".join([folder, "/there"]), "".join(["user.", "name"]), bytearray(b"ab" * 50))',
        "pass",
        'assert op.result() is None and os.getxattr(folder + "/there", "user.name") == b"ab" * 50',
    ),
    "getxattr": (
        'ring.getxattr("".join([folder, "/there"]), "".join(["user.", "name"]))',
        "pass",
        'assert op.res == -61',
    ),
    "pipe": ("ring.pipe()", "pass", 'assert os.write(op.result()[1], b"x") == 1 == len(os.read(op.result()[0], 9))'),
    "files_update": (
        "ring.files_update(ring.register_files(sparse=100), 0, [readable] * 100)", "pass", "assert op.res == 100"
    ),
    "readv of a registered buffer": (
        "ring.readv(readable, ring.register_buffers(count=100, size=2))",
        'os.write(writable, b"ab" * 100)',
        "assert op.result() == 200",
    ),
    "connect": (
        'ring.connect(client, ("127.0." + "0.1", listener.getsockname()[1]))',
        "pass",
        "assert op.result() is None and client.getpeername() == listener.getsockname()",
    ),
    "accept": (
        "ring.accept(listener)",
        "client.connect(listener.getsockname())",
        "assert os.close(op.result()) is None and op.address == client.getsockname()",
    ),
    "timeout": ("ring.timeout(0.3)", "begun = time.monotonic()", "assert 0.1 < time.monotonic() - begun < 5"),
    "its own timeout": (
        "ring.read(readable, 5, timeout=0.3)",
        "begun = time.monotonic()",
        "assert 0.1 < time.monotonic() - begun < 5 and op.res < 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("submitted", [True, False], ids=["submitted", "prepared"])
@pytest.mark.parametrize("name", DROPPED)
def test_dropped_arguments_survive_any_use_of_the_heap(name: str, submitted: bool, tmp_path: Path) -> None:
    prepare, then, check = DROPPED[name]
    (tmp_path / "there").touch()
    run_python(
        f"""
        import os, pyuring, socket, sys, time
        from lifetime.memory import churn, is_untouched
        folder = sys.argv[1]
        readable, writable = os.pipe()
        ours, theirs = socket.socketpair()
        hostname = os.stat("/etc/hostname").st_ino
        listener, client = socket.create_server(("127.0.0.1", 0)), socket.socket()
        udp, peer = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        peer.bind(("127.0.0.1", 0))
        ring = pyuring.Ring(8)
        {prepare}
        if {submitted}:
            ring.submit()
        foreign = churn()
        {then}
        (op,) = ring.wait(1)
        {check}
        assert is_untouched(foreign)
        ring.close()
        for sock in (ours, theirs, listener, client, udp, peer):
            sock.close()
        """,
        tmp_path,
        env=STRICT_MEMORY,
    )
