"""Socket addresses to and from struct sockaddr, against the kernel's own view of them."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from pyuring import Ring
from pyuring.addresses import decode, encode, family_of


def sockaddr(family: int, rest: bytes) -> bytes:
    return struct.pack("=H", family) + rest


def test_an_ipv4_address_is_a_sockaddr_in() -> None:
    assert encode(("1.2.3.4", 80)) == sockaddr(socket.AF_INET, b"\x00\x50\x01\x02\x03\x04" + bytes(8))


def test_an_ipv6_address_is_a_sockaddr_in6() -> None:
    packed = socket.inet_pton(socket.AF_INET6, "2001:db8::5")
    for address in [("2001:db8::5", 443, 7, 3)]:
        raw = sockaddr(socket.AF_INET6, struct.pack("!HI", 443, 7) + packed + struct.pack("=I", 3))
        assert encode(address) == encode(address, socket.AF_INET6) == raw


def test_what_is_left_out_of_an_ipv6_address_is_0() -> None:
    for address in [("::1", 80), ("::1", 80, 0), ("::1", 80, 0, 0)]:
        assert encode(address, socket.AF_INET6) == encode(("::1", 80, 0, 0))


def test_a_scope_can_be_in_the_name() -> None:
    index = socket.if_nametoindex("lo")
    assert encode(("fe80::1%lo", 80), socket.AF_INET6) == encode(("fe80::1", 80, 0, index), socket.AF_INET6)


def test_an_empty_host_is_the_wildcard() -> None:
    assert encode(("", 80), socket.AF_INET) == encode(("0.0.0.0", 80))
    assert encode(("", 80), socket.AF_INET6) == encode(("::", 80, 0, 0))


@pytest.mark.parametrize("path", ["/a/path", b"/a/path", Path("/a/path")])
def test_a_unix_path_ends_with_nul(path: Any) -> None:
    assert encode(path) == encode(path, socket.AF_UNIX) == sockaddr(socket.AF_UNIX, b"/a/path\0")


def test_an_abstract_unix_name_does_not_end_with_nul() -> None:
    assert encode("\0name") == encode(b"\0name") == sockaddr(socket.AF_UNIX, b"\0name")


@pytest.mark.parametrize("path", ["x" * 107, "\0" + "x" * 107, b"x" * 107])
def test_the_longest_unix_paths_are_those_of_the_kernel(path: Any) -> None:
    assert len(encode(path)) == 2 + 108


@pytest.mark.parametrize("path", ["x" * 108, "\0" + "x" * 108, b"x" * 1000])
def test_a_longer_unix_path_is_refused_as_socket_refuses_it(path: Any) -> None:
    with pytest.raises(OSError, match="AF_UNIX path too long"):
        encode(path)


@pytest.mark.parametrize(
    ("address", "family"),
    [
        (5, None), (None, None), (("127.0.0.1",), None), (("127.0.0.1", 1, 2, 3, 4), None), ((5, 80), None),
        (("127.0.0.1", "80"), None), (("127.0.0.1", 80.0), None), ([1, 2], None), ((None, 80), None),
        ("/path", socket.AF_INET), ("/path", socket.AF_INET6), (("127.0.0.1", 80), socket.AF_UNIX),
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_family_is_a_typeerror_as_in_socket(address: Any, family: int | None) -> None:
    if family is not None:
        with socket.socket(family) as sock, pytest.raises(TypeError):
            sock.connect(address)
    with pytest.raises(TypeError):
        encode(address, family)


@pytest.mark.parametrize("address", [("::1", 65536), ("::1", -1), ("::1", 80, -1, 0), ("::1", 80, 2**20, 0)])
def test_numbers_out_of_range_are_an_overflowerror_as_in_socket(address: Any) -> None:
    with socket.socket(socket.AF_INET6) as sock, pytest.raises(OverflowError):
        sock.connect(address)
    with pytest.raises(OverflowError):
        encode(address, socket.AF_INET6)


def test_an_address_of_the_other_ip_family_is_a_gaierror_as_in_socket() -> None:
    with socket.socket() as sock, pytest.raises(socket.gaierror):
        sock.connect(("::1", 80))
    with pytest.raises(socket.gaierror):
        encode(("::1", 80), socket.AF_INET)


@pytest.mark.parametrize(
    "address",
    [
        ("1.2.3.4", 5),
        ("255.255.255.255", 65535),
        ("::", 0, 0, 0),
        ("2001:db8::1", 1, 0xFFFFF, 9),
        "/path",
        b"\0abstract",
    ],
)
def test_decoding_gives_back_what_was_encoded(address: Any) -> None:
    assert decode(encode(address)) == address


def test_decoding_follows_socket_for_what_has_no_name() -> None:
    assert decode(sockaddr(socket.AF_UNIX, b"")) == ""
    assert decode(b"") is None
    assert decode(sockaddr(socket.AF_NETLINK, b"abc")) == (socket.AF_NETLINK, b"abc"), "too short for one"
    assert decode(sockaddr(socket.AF_CAN, bytes(14))) == (socket.AF_CAN, bytes(14)), "a family without a form here"


def test_a_unix_path_that_is_not_utf_8_survives() -> None:
    assert os.fsencode(decode(encode(b"/\xff\xfe"))) == b"/\xff\xfe"  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_the_family_of_a_socket_is_found_from_object_and_descriptor(family: int) -> None:
    with socket.socket(family) as sock:
        assert family_of(sock) == family_of(sock.fileno()) == family
        assert sock.fileno() >= 0


def test_finding_the_family_leaks_no_descriptor(data_file: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket() as sock:
        family_of(sock.fileno())
    try:
        family_of(data_file)
    except OSError as error:
        assert error.errno == 88
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_broadcast_has_a_name_as_in_socket() -> None:
    assert encode(("<broadcast>", 80), socket.AF_INET) == encode(("255.255.255.255", 80))
    with pytest.raises(socket.gaierror):
        encode(("<broadcast>", 80), socket.AF_INET6)


def test_a_numeric_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("socket.getaddrinfo")
    for address, family in ((("1.2.3.4", 80), None), (("1.2.3.4", 80), socket.AF_INET), (("::1", 80), socket.AF_INET6)):
        assert encode(address, family)


# -- families that only Linux has --------------------------------------------------------------------

NETLINK, VSOCK, PACKET = socket.AF_NETLINK, socket.AF_VSOCK, socket.AF_PACKET


def test_a_netlink_address_is_a_sockaddr_nl() -> None:
    raw = struct.pack("=HHII", socket.AF_NETLINK, 0, 2**32 - 1, 0x11)
    assert encode((2**32 - 1, 0x11), socket.AF_NETLINK) == raw
    assert decode(raw) == (2**32 - 1, 0x11)


def test_a_vsock_address_is_a_sockaddr_vm() -> None:
    raw = struct.pack("=HHIII", socket.AF_VSOCK, 0, 1024, 2**32 - 1, 0)
    assert encode((2**32 - 1, 1024), socket.AF_VSOCK) == raw
    assert decode(raw) == (2**32 - 1, 1024)


def test_a_packet_address_is_a_sockaddr_ll() -> None:
    lo = socket.if_nametoindex("lo")
    raw = (
        struct.pack("=H", socket.AF_PACKET)
        + struct.pack("!H", 0x800)
        + struct.pack("=iHBB8s", lo, 772, 3, 6, b"abcdef")
    )
    assert encode(("lo", 0x800, 3, 772, b"abcdef"), socket.AF_PACKET) == raw
    assert decode(raw) == ("lo", 0x800, 3, 772, b"abcdef")
    short = struct.pack("=H", socket.AF_PACKET) + struct.pack("!H", 0x800) + struct.pack("=iHBB8x", lo, 0, 0, 0)
    assert encode(("lo", 0x800), socket.AF_PACKET) == short
    assert decode(short) == ("lo", 0x800, 0, 0, b"")


def test_a_packet_of_no_interface_or_of_one_that_is_gone_has_no_name() -> None:
    for index in (0, 2**31 - 1):
        raw = struct.pack("=HHiHBB8x", socket.AF_PACKET, 0, index, 0, 0, 0)
        assert decode(raw) == ("", 0, 0, 0, b"")


@pytest.mark.parametrize(
    ("address", "family", "kind"),
    [
        ("x", NETLINK, TypeError), ((1,), NETLINK, TypeError), ((1, 2, 3), NETLINK, TypeError),
        (("1", 2), NETLINK, TypeError), ((2**32, 0), NETLINK, OverflowError), ((-1, 0), NETLINK, OverflowError),
        ((1, 1.5), NETLINK, TypeError),
        ((1,), VSOCK, TypeError), ((1, "2"), VSOCK, TypeError), ((1, 2**32), VSOCK, OverflowError),
        (("lo",), PACKET, TypeError), ((5, 0), PACKET, TypeError), (("lo", "0"), PACKET, TypeError),
        (("lo", 2**16), PACKET, OverflowError), (("lo", 0, 256), PACKET, OverflowError),
        (("lo", 0, 0, 0, "abc"), PACKET, TypeError), (("lo", 0, 0, 0, b"123456789"), PACKET, ValueError),
        (("no interface", 0), PACKET, OSError), (("lo", 0, 0, 0, b"", 0), PACKET, TypeError),
        (("can0",), socket.AF_CAN, TypeError), (("x", 1), 12345, TypeError),
    ],
)  # fmt: skip
def test_what_is_no_address_of_such_a_family_is_refused(address: Any, family: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        encode(address, family)


def test_a_family_without_known_addresses_is_named() -> None:
    with pytest.raises(TypeError, match=r"AF_CAN are not known here, only those of AF_UNIX, AF_INET, .*AF_VSOCK"):
        encode(("can0",), socket.AF_CAN)
    with pytest.raises(TypeError, match="family 12345"):
        encode(("can0",), 12345)


def test_the_kernel_takes_and_gives_a_netlink_address_as_with_socket(ring: Ring) -> None:
    with (
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as ours,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as theirs,
    ):
        assert ring.bind(ours, (0, 0)).result() is None
        theirs.bind((0, 0))
        received = []
        # RTM_GETLINK: all interfaces, each one message.
        request = struct.pack("=IHHIIB15x", 32, 18, 0x301, 1, 0, 0)
        for _ in range(2):
            assert ring.sendto(ours, request, (0, 0)).result() == len(request)
        received = [ring.recvfrom(ours, 1 << 16).result(), ours.recvfrom(1 << 16)]
        assert [address for _, address in received] == [(0, 0), (0, 0)]
        assert ours.getsockname()[0] != 0


def test_the_kernel_takes_and_gives_a_packet_address_as_with_socket(ring: Ring) -> None:
    try:
        ours = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    except PermissionError:
        pytest.skip("packet sockets need CAP_NET_RAW")
    with ours, socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as theirs:
        assert ring.bind(ours, ("lo", 0x1234)).result() is None
        theirs.bind(("lo", 0x1234))
        assert ours.getsockname() == theirs.getsockname()
        to = ("lo", 0x1234, 0, 0, bytes(6))
        assert ring.sendto(ours, b"packet", to).result() == 6
        assert ring.recvfrom(theirs, 99, socket.MSG_PEEK).result() == theirs.recvfrom(99)
