"""Messages with ancillary data: struct cmsghdr, and what recvmsg writes into memory.

Pure functions over bytes. The kernel lays out a cmsghdr as the C compiler does: a size_t, two
ints, the data, and padding up to the next multiple of a size_t.
"""

from __future__ import annotations

import socket
import struct
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pyuring.addresses import decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyuring.addresses import Address

__all__ = ["HEADER", "Ancillary", "ReceivedMessage", "pack", "parse_recvmsg_out", "unpack"]

#: (level, type, data), as in `socket`.
Ancillary: TypeAlias = "tuple[int, int, bytes]"

_HEADER = struct.Struct("@Nii")
_DATA: int = socket.CMSG_LEN(0)
#: struct io_uring_recvmsg_out: namelen, controllen, payloadlen, flags.
_RECVMSG_OUT = struct.Struct("=IIII")
#: How long it is.
HEADER: int = _RECVMSG_OUT.size


class ReceivedMessage(NamedTuple):
    """One message of a multishot recvmsg, as it lies in a provided buffer."""

    #: A part of that buffer, not a copy.
    data: memoryview
    ancdata: list[Ancillary]
    msg_flags: int
    address: Address | tuple[int, bytes] | None


def pack(ancdata: Iterable[Any]) -> bytes:
    """`ancdata`, ``(level, type, data)`` each, as the kernel takes it.

    Raises:
        TypeError: not such tuples, or data that is not bytes-like.
        OverflowError: a level or type that is no C int.
    """
    packed = bytearray()
    for item in ancdata:
        if not isinstance(item, tuple | list) or len(item) != 3:
            raise TypeError(f"an item of ancillary data is (level, type, data), not {item!r}")
        level, kind = (_c_int(number) for number in item[:2])
        with memoryview(item[2]) as view:
            if not view.c_contiguous:
                raise BufferError("ancillary data is not contiguous: copy it")
            data = view.tobytes()
        packed += _HEADER.pack(_DATA + len(data), level, kind).ljust(_DATA, b"\0")
        packed += data.ljust(socket.CMSG_SPACE(len(data)) - _DATA, b"\0")
    return bytes(packed)


def _c_int(number: Any) -> int:
    value = index(number)
    if not -(2**31) <= value < 2**31:
        raise OverflowError(f"the level and the type of ancillary data are C ints, not {value}")
    return value


def unpack(control: bytes | memoryview) -> list[Ancillary]:
    """What the kernel wrote as ancillary data; a last item that was cut is what there is of it."""
    found: list[Ancillary] = []
    start, end = 0, len(control)
    while end - start >= _DATA:
        length, level, kind = _HEADER.unpack_from(control, start)
        if length < _DATA:
            break
        stop = start + length
        found.append((level, kind, bytes(control[start + _DATA : min(stop, end)])))
        if stop >= end:
            break
        start += socket.CMSG_SPACE(length - _DATA)
    return found


def parse_recvmsg_out(buffer: memoryview, name_len: int, control_len: int) -> ReceivedMessage:
    """Take apart what a multishot recvmsg left in a provided buffer.

    The kernel writes a struct io_uring_recvmsg_out, the room for a name and for ancillary data
    that the request's msghdr asked for, filled or not, and then the payload.

    Args:
        buffer: what the CQE says was written, its ``res`` bytes.
        name_len: ``msg_namelen`` of the request.
        control_len: ``msg_controllen`` of the request.

    Raises:
        ValueError: the buffer is shorter than that.

    See `io_uring_recvmsg_out(3)`.
    """
    control = _RECVMSG_OUT.size + name_len
    payload = control + control_len
    if len(buffer) < payload:
        raise ValueError(f"a message with {name_len} + {control_len} bytes of room has {payload} bytes or more")
    name_used, control_used, _, flags = _RECVMSG_OUT.unpack_from(buffer)
    # The length of the name is that before it was cut; that of the payload, too.
    name = bytes(buffer[_RECVMSG_OUT.size : _RECVMSG_OUT.size + min(name_used, name_len)])
    return ReceivedMessage(
        buffer[payload:], unpack(buffer[control : control + min(control_used, control_len)]), flags, decode(name)
    )
