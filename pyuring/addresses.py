"""Socket addresses: Python's tuples and the kernel's struct sockaddr."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any, TypeAlias

from pyuring._ffi import ffi, lib, new

if TYPE_CHECKING:
    from pyuring._ffi import CData

__all__ = ["Address", "AddressBuffer", "encode", "family_of"]

#: As in `socket`: (host, port), (host, port, flowinfo, scope_id), or a path.
Address: TypeAlias = "tuple[Any, ...] | str | bytes"

LONGEST = 128  # struct sockaddr_storage
UNIX_PATH = 108
_FAMILY = struct.Struct("=H")
_INET = struct.Struct("!H4s8x")
_INET6 = struct.Struct("!HI16s")
_SCOPE = struct.Struct("=I")


def family_of(sock: object) -> int | None:
    """The address family of a socket object or descriptor; None for a registered file."""
    family = getattr(sock, "family", None)
    if family is not None:
        return int(family)
    if not isinstance(sock, int) or not 0 <= sock < 2**31:
        return None
    answer = lib.pyuring_socket_family(sock)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return answer


def encode(address: Address, family: int | None = None) -> bytes:
    """`address` as a struct sockaddr.

    A host name is looked up with ``getaddrinfo``, which blocks; a numeric address is not.

    Raises:
        TypeError: not an address of `family`.
        OverflowError: a number in it is out of range.
        socket.gaierror: the name is unknown.
    """
    is_path = isinstance(address, str | bytes | os.PathLike)
    if not is_path and (not isinstance(address, tuple) or len(address) not in (2, 3, 4)):
        raise TypeError(f"an address is (host, port), (host, port, flowinfo, scope_id) or a path, not {address!r}")
    if family and is_path != (family == socket.AF_UNIX):
        raise TypeError(f"not an address for a socket of the family {socket.AddressFamily(family).name}: {address!r}")
    if isinstance(address, str | bytes | os.PathLike):
        return _encode_unix(address)
    return _encode_inet(address, family or 0)


def _encode_inet(address: tuple[Any, ...], family: int) -> bytes:
    host, port, *rest = address
    if not isinstance(port, int) or not isinstance(host, str | bytes):
        raise TypeError(f"an address is (host, port), with host a str and port an int, not {address!r}")
    if not 0 <= port <= 65535:
        raise OverflowError(f"port must be between 0 and 65535, not {port}")
    if any(not 0 <= number < limit for number, limit in zip(rest, (2**20, 2**32), strict=False)):
        raise OverflowError(f"flowinfo must be between 0 and 2**20-1, scope_id between 0 and 2**32-1, not {rest}")
    family = family or (socket.AF_INET6 if rest else 0)
    found = socket.getaddrinfo(host or None, port, family, socket.SOCK_STREAM, 0, 0 if host else socket.AI_PASSIVE)
    found_family, _, _, _, resolved = found[0]
    if found_family == socket.AF_INET:
        if rest:
            raise TypeError(f"an address of the family AF_INET is (host, port), not {address!r}")
        return _FAMILY.pack(found_family) + _INET.pack(port, socket.inet_pton(found_family, str(resolved[0])))
    flow = rest[0] if rest else 0
    scope = rest[1] if len(rest) > 1 else resolved[3]  # type: ignore[misc]
    packed = socket.inet_pton(found_family, str(resolved[0]).partition("%")[0])
    return _FAMILY.pack(found_family) + _INET6.pack(port, flow, packed) + _SCOPE.pack(int(scope))


def _encode_unix(address: str | bytes | os.PathLike[str]) -> bytes:
    path = os.fsencode(address)
    if len(path) > UNIX_PATH - (not path.startswith(b"\0")):
        raise OSError(f"AF_UNIX path too long: {len(path)} bytes, {UNIX_PATH - 1} at the most")
    # An abstract name (leading NUL) ends with the address, a path with a NUL.
    return _FAMILY.pack(socket.AF_UNIX) + path + (b"" if path.startswith(b"\0") else b"\0")


class AddressBuffer:
    """Room for the kernel to write a peer's address into."""

    __slots__ = ("length", "memory")

    def __init__(self) -> None:
        self.memory: CData = new("char[]", LONGEST)
        self.length: CData = new("socklen_t *", LONGEST)

    @property
    def pointer(self) -> CData:
        """As the kernel takes it."""
        return ffi.cast("struct sockaddr *", self.memory)

    def decode(self) -> Address | None:
        """What the kernel wrote, as `socket` would return it; None if it wrote nothing."""
        return decode(bytes(ffi.buffer(self.memory, min(self.length[0], LONGEST))))


def decode(raw: bytes) -> Address | None:
    """A struct sockaddr as the address that `socket` returns for it."""
    if len(raw) < _FAMILY.size:
        return None
    (family,) = _FAMILY.unpack_from(raw)
    rest = raw[_FAMILY.size :]
    if family == socket.AF_INET:
        port, packed = _INET.unpack_from(rest)
        return socket.inet_ntop(family, packed), port
    if family == socket.AF_INET6:
        port, flow, packed = _INET6.unpack_from(rest)
        (scope,) = _SCOPE.unpack_from(rest, _INET6.size)
        return socket.inet_ntop(family, packed), port, flow, scope
    if family == socket.AF_UNIX:
        if rest.startswith(b"\0"):
            return rest
        return os.fsdecode(rest.partition(b"\0")[0])
    return family, rest
