"""Memory that users hand over: exported for as long as the kernel may touch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, ffi, from_buffer, new

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyuring._ffi import CData

_IOVECS = ffi.typeof("struct iovec[]")

#: What one operation takes, as preadv(2) and sendmsg(2) do.
IOV_MAX = 1024

__all__ = ["export", "listed", "refusal", "release", "vectors"]


def refusal(buffer: object, error: Exception, *, writable: bool) -> Exception:
    """The exception that says what is wrong with `buffer`, which could not be exported."""
    needed = "a writable bytes-like object" if writable else "a bytes-like object"
    try:
        view = memoryview(buffer)  # type: ignore[arg-type]
    except TypeError:
        return TypeError(f"{needed} is required, not {type(buffer).__name__}")
    except (BufferError, ValueError):
        return error
    with view:
        if not view.c_contiguous:
            return BufferError("the buffer is not contiguous: copy it, or read row by row")
        if writable and view.readonly:
            return TypeError(f"{needed} is required, this {type(buffer).__name__} is read-only")
    return error


def export(buffer: object, *, writable: bool) -> CData:
    """Export `buffer` (a ``char[]`` of its length) until the result is dropped.

    A resize of a bytearray or mmap meanwhile raises ``BufferError`` there.

    Raises:
        TypeError: not bytes-like, or read-only where it is to be written.
        BufferError: not contiguous.
    """
    try:
        return from_buffer(CHARS, buffer, writable)
    except (TypeError, BufferError, ValueError) as error:
        raise refusal(buffer, error, writable=writable) from None


def listed(operation: str, buffers: Iterable[Any]) -> list[Any]:
    """All of `buffers`, seen before any is exported: they may come from a generator, which fails.

    Raises:
        ValueError: more than one operation takes.
    """
    parts = [*buffers]
    if len(parts) > IOV_MAX:
        raise ValueError(f"{operation} takes up to {IOV_MAX} buffers, not {len(parts)}")
    return parts


def vectors(buffers: Iterable[Any], *, writable: bool) -> tuple[CData, list[CData]]:
    """An array of iovecs over `buffers`, and the exports that keep them in place."""
    exports: list[CData] = []
    try:
        for buffer in buffers:
            try:
                exports.append(from_buffer(CHARS, buffer, writable))
            except (TypeError, BufferError, ValueError) as error:
                raise refusal(buffer, error, writable=writable) from None
        return new(_IOVECS, [(held, len(held)) for held in exports]), exports
    except BaseException:
        release(exports)
        raise


def release(hold: Any) -> None:
    """Give up the exports in `hold`, also where something still refers to it."""
    if isinstance(hold, list | tuple):
        for part in hold:
            release(part)
    elif isinstance(hold, ffi.CData) and ffi.typeof(hold) is CHARS:
        ffi.release(hold)
