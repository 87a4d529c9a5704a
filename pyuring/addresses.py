"""Socket addresses: Python's tuples and the kernel's struct sockaddr."""

from __future__ import annotations

import _socket
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._ffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ROOM", "Address", "decode", "encode", "encode_for", "family_of", "received"]

#: As in `socket`: (host, port), (host, port, flowinfo, scope_id), a path, or what the family has.
Address: TypeAlias = "tuple[Any, ...] | str | bytes | os.PathLike[str] | os.PathLike[bytes]"

#: Bytes of room for the kernel to write an address into; C says how many of them it may take.
ROOM = ffi.sizeof("struct pyuring_address")

LONGEST: int = lib.PYURING_LONGEST_ADDRESS
_LENGTH = struct.Struct("=I")
UNIX_PATH = 108
HARDWARE = 8

#: As plain numbers, which struct packs faster than members of an enum.
_INET_FAMILY, _INET6_FAMILY = int(socket.AF_INET), int(socket.AF_INET6)
_FAMILY = struct.Struct("=H")
_INET = struct.Struct("=H2s4s8x")
_INET6 = struct.Struct("=H2s4s16sI")
_NETLINK = struct.Struct("=HxxII")
_VSOCK = struct.Struct("=HxxII4x")
_PACKET = struct.Struct("=H2siHBB8s")
_PORT = struct.Struct("!H")
_FLOW = struct.Struct("!I")

#: An Internet address at once, its family being bytes already.
_pack_inet = struct.Struct("!2sH4s8x").pack
_INET_BYTES = _FAMILY.pack(socket.AF_INET)
_inet_pton = socket.inet_pton

#: The number itself, where the attribute makes an enum of it.
_family_of_object: Callable[[object], int] = _socket.socket.family.__get__


def family_of(sock: object) -> int | None:
    """The address family of a socket object or descriptor; None for a registered file."""
    if isinstance(sock, _socket.socket):
        return _family_of_object(sock)
    family = getattr(sock, "family", None)
    if family is not None:
        return int(family)
    if not isinstance(sock, int) or not 0 <= sock < 2**31:
        return None
    answer = lib.pyuring_socket_family(sock)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return answer


def encode_for(sock: object, address: Address) -> bytes:
    """`address` as a struct sockaddr of the family of `sock`; see `encode`."""
    family = _family_of_object(sock) if isinstance(sock, _socket.socket) else family_of(sock)
    raw: bytes | None = None
    if family == _INET_FAMILY and address.__class__ is tuple and len(address) == 2:
        host, port = address
        try:
            raw = _pack_inet(_INET_BYTES, port, _inet_pton(_INET_FAMILY, host))
        except (OSError, TypeError, ValueError, struct.error):
            raw = None  # a name, or a mistake
    return encode(address, family) if raw is None else raw


def encode(address: Address, family: int | None = None) -> bytes:
    """`address` as a struct sockaddr.

    A host name is looked up with ``getaddrinfo``, which blocks; a numeric address is not.

    Args:
        address: as in `socket`.
        family: of the socket it is for; where it is not known, an Internet address or a path.

    Raises:
        TypeError: not an address of `family`, or a family that pyuring does not know.
        OverflowError: a number in it is out of range.
        socket.gaierror: the name is unknown.
    """
    if family is None:
        return _encode_unix(address, 0) if isinstance(address, str | bytes | os.PathLike) else _encode_inet(address, 0)
    encoder = _ENCODERS.get(family)
    if encoder is None:
        known = ", ".join(_name(number) for number in sorted(_ENCODERS))
        raise TypeError(f"addresses of {_name(family)} are not known here, only those of {known}")
    return encoder(address, family)


def _name(family: int) -> str:
    return next((known.name for known in socket.AddressFamily if known == family), f"family {family}")


def _refuse(family: int, form: str, address: object) -> TypeError:
    return TypeError(f"not an address for a socket of the family {_name(family)}, which is {form}: {address!r}")


def _check(what: str, number: object, limit: int) -> int:
    """`number`, which must be an int from 0 to below `limit`."""
    if not isinstance(number, int):
        raise TypeError(f"{what} must be an int, not {type(number).__name__}")
    if not 0 <= number < limit:
        raise OverflowError(f"{what} must be between 0 and {limit - 1}, not {number}")
    return number


def _numeric(host: object, family: int) -> bytes | None:
    """A host that is an address already, and needs no lookup."""
    try:
        return socket.inet_pton(family, host)  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return None


def _encode_inet(address: object, family: int) -> bytes:
    if not isinstance(address, tuple) or len(address) not in (2, 3, 4):
        form = "(host, port) or (host, port, flowinfo, scope_id)"
        if family:
            raise _refuse(family, form, address)
        raise TypeError(f"an address is {form} or a path, not {address!r}")
    host, port = address[:2]
    if not isinstance(port, int) or not isinstance(host, str | bytes):
        raise TypeError(f"an address is (host, port), with host a str and port an int, not {address!r}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"port must be between 0 and 65535, not {port}")
    flow = scope = 0
    if len(address) > 2:
        if family == _INET_FAMILY:
            raise _refuse(family, "(host, port)", address)
        family = _INET6_FAMILY
        flow = _check("flowinfo", address[2], 2**20)
        scope = _check("scope_id", address[3], 2**32) if len(address) > 3 else 0
    packed = _numeric(host, family or _INET_FAMILY)
    if packed is None:
        family, packed, found_scope = _look_up(host, family)
        scope = scope or found_scope
    if len(packed) == 4:
        return _INET.pack(_INET_FAMILY, _PORT.pack(port), packed)
    return _INET6.pack(_INET6_FAMILY, _PORT.pack(port), _FLOW.pack(flow), packed, scope)


def _look_up(host: str | bytes, family: int) -> tuple[int, bytes, int]:
    """(family, packed address, scope) of a name; the empty one is the wildcard."""
    if host in ("<broadcast>", b"<broadcast>") and family != _INET6_FAMILY:
        return _INET_FAMILY, b"\xff\xff\xff\xff", 0
    found = socket.getaddrinfo(host or None, 0, family, socket.SOCK_STREAM, 0, 0 if host else socket.AI_PASSIVE)
    found_family, _, _, _, resolved = found[0]
    packed = socket.inet_pton(found_family, str(resolved[0]).partition("%")[0])
    return found_family, packed, int(resolved[3]) if len(resolved) > 3 else 0


def _encode_unix(address: object, family: int) -> bytes:
    if not isinstance(address, str | bytes | os.PathLike):
        raise _refuse(family, "a path", address)
    path = os.fsencode(address)
    if len(path) > UNIX_PATH - (not path.startswith(b"\0")):
        raise OSError(f"AF_UNIX path too long: {len(path)} bytes, {UNIX_PATH - 1} at the most")
    # An abstract name (leading NUL) ends with the address, a path with a NUL.
    return _FAMILY.pack(socket.AF_UNIX) + path + (b"" if path.startswith(b"\0") else b"\0")


def _encode_netlink(address: object, family: int) -> bytes:
    if not isinstance(address, tuple) or len(address) != 2:
        raise _refuse(family, "(pid, groups)", address)
    return _NETLINK.pack(family, _check("pid", address[0], 2**32), _check("groups", address[1], 2**32))


def _encode_vsock(address: object, family: int) -> bytes:
    if not isinstance(address, tuple) or len(address) != 2:
        raise _refuse(family, "(cid, port)", address)
    return _VSOCK.pack(family, _check("port", address[1], 2**32), _check("cid", address[0], 2**32))


def _encode_packet(address: object, family: int) -> bytes:
    form = "(ifname, proto[, pkttype[, hatype[, addr]]])"
    if not isinstance(address, tuple) or not 2 <= len(address) <= 5 or not isinstance(address[0], str):
        raise _refuse(family, form, address)
    given: list[Any] = [*address, *(0, 0, b"")[len(address) - 2 :]]
    name, protocol, packet_type, hardware_type, hardware = given
    if not isinstance(hardware, bytes | bytearray | memoryview):
        raise _refuse(family, form, address)
    if len(hardware) > HARDWARE:
        raise ValueError(f"a hardware address has up to {HARDWARE} bytes, not {len(hardware)}")
    return _PACKET.pack(
        family, _PORT.pack(_check("proto", protocol, 2**16)), socket.if_nametoindex(name),
        _check("hatype", hardware_type, 2**16), _check("pkttype", packet_type, 2**8), len(hardware), bytes(hardware),
    )  # fmt: skip


_ENCODERS: dict[int, Callable[[object, int], bytes]] = {
    socket.AF_INET: _encode_inet,
    socket.AF_INET6: _encode_inet,
    socket.AF_UNIX: _encode_unix,
    socket.AF_NETLINK: _encode_netlink,
    socket.AF_PACKET: _encode_packet,
    socket.AF_VSOCK: _encode_vsock,
}


def received(room: bytes) -> Address | None:
    """What the kernel wrote into `room` as `socket` would return it; None if it wrote nothing."""
    (length,) = _LENGTH.unpack_from(room, LONGEST)
    return decode(room[: min(length, LONGEST)])


def decode(raw: bytes) -> Address | tuple[int, bytes] | None:
    """A struct sockaddr as the address that `socket` returns for it.

    One of a family that pyuring does not know is ``(family, bytes)``, one of nothing is None.
    """
    if len(raw) < _FAMILY.size:
        return None
    (family,) = _FAMILY.unpack_from(raw)
    if family == socket.AF_UNIX:
        path = raw[_FAMILY.size :]
        return path if path.startswith(b"\0") else os.fsdecode(path.partition(b"\0")[0])
    decoder = _DECODERS.get(family)
    if decoder is None or len(raw) < decoder[0].size:
        return family, raw[_FAMILY.size :]
    return decoder[1](*decoder[0].unpack_from(raw))


def _decode_inet(family: int, port: bytes, packed: bytes) -> Address:
    return socket.inet_ntop(family, packed), *_PORT.unpack(port)


def _decode_inet6(family: int, port: bytes, flow: bytes, packed: bytes, scope: int) -> Address:
    return socket.inet_ntop(family, packed), *_PORT.unpack(port), *_FLOW.unpack(flow), scope


def _decode_netlink(family: int, pid: int, groups: int) -> Address:
    return pid, groups


def _decode_vsock(family: int, port: int, cid: int) -> Address:
    return cid, port


def _decode_packet(
    family: int, protocol: bytes, interface: int, hardware_type: int, packet_type: int, length: int, hardware: bytes
) -> Address:
    try:
        name = socket.if_indextoname(interface) if interface else ""
    except OSError:  # it is gone
        name = ""
    return name, *_PORT.unpack(protocol), packet_type, hardware_type, hardware[:length]


#: The layout of an address, and the function that takes its fields.
_DECODERS: dict[int, tuple[struct.Struct, Callable[..., Address]]] = {
    socket.AF_INET: (_INET, _decode_inet),
    socket.AF_INET6: (_INET6, _decode_inet6),
    socket.AF_NETLINK: (_NETLINK, _decode_netlink),
    socket.AF_PACKET: (_PACKET, _decode_packet),
    socket.AF_VSOCK: (_VSOCK, _decode_vsock),
}
