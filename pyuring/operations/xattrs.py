"""Extended attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring._ffi import CHARS, ffi, lib
from pyuring.buffers import export
from pyuring.completion import PathCompletion, PathNoneCompletion
from pyuring.inflight import InFlight
from pyuring.pathnames import encoded, encoded_both, is_path
from pyuring.registered_files import descriptor

if TYPE_CHECKING:
    from pyuring._ffi import CData
    from pyuring.completion import Completion, Path

__all__ = ["XattrOperations"]

_getxattr = lib.pyuring_prep_getxattr
_fgetxattr = lib.pyuring_prep_fgetxattr
_setxattr = lib.pyuring_prep_setxattr
_fsetxattr = lib.pyuring_prep_fsetxattr

#: The longest value there is: XATTR_SIZE_MAX of the kernel.
LONGEST_VALUE = 65536

#: Up to here a bytes object is made, and cleared, sooner than other memory.
_LITTLE = 1024
#: Not cleared: only what the kernel wrote into it is ever shown.
_allocate = ffi.new_allocator(should_clear_after_alloc=False)


class XattrCompletion(PathCompletion[bytes]):
    """A getxattr: the kernel writes into `_room`."""

    __slots__ = ("_room",)

    #: Nobody else sees it before that is over.
    _room: bytes | CData

    def _value(self, res: int) -> bytes:
        if not isinstance(self._room, bytes):
            self._room = bytes(ffi.buffer(self._room, res))  # the rest of 64 KiB, nobody needs any more
        return self._room[:res]


class XattrOperations(InFlight):
    """Extended attributes. Symbolic links are followed: io_uring cannot do otherwise."""

    def getxattr(
        self,
        path: Any,
        attribute: Path,
        size: int = LONGEST_VALUE,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[bytes]:
        """Read an extended attribute of a file, as ``os.getxattr``.

        Args:
            path: the file's path; or a descriptor, anything with ``fileno()``, or a
                registered file, which makes it an `fgetxattr`.
            attribute: its name, such as ``"user.comment"``.
            size: how many bytes there is room for; a longer value fails with ERANGE. No
                value is longer than 65536.

        Returns:
            The attribute's value.

        See `io_uring_prep_getxattr(3)`, kernel 5.19.
        """
        if path.__class__ is not str and not is_path(path):
            return self._fgetxattr("getxattr", path, attribute, size, user_data, flags, drain, timeout)
        op = XattrCompletion()
        op._path = path
        raw, name = encoded_both(path, attribute)
        room = op._room = bytes(size) if 0 < size <= _LITTLE else _room_of(size)
        return self._start(
            op, "getxattr", (raw, name, room), user_data, flags, drain, timeout,
            _getxattr, name, room, raw, size,
        )  # fmt: skip

    def fgetxattr(
        self,
        file: Any,
        attribute: Path,
        size: int = LONGEST_VALUE,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[bytes]:
        """Read an extended attribute of an open file, as ``os.getxattr`` with a descriptor.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            attribute: its name.
            size: how many bytes there is room for; see `getxattr`.

        Returns:
            The attribute's value.

        See `io_uring_prep_fgetxattr(3)`, kernel 5.19.
        """
        return self._fgetxattr("fgetxattr", file, attribute, size, user_data, flags, drain, timeout)

    def _fgetxattr(
        self,
        operation: str,
        file: Any,
        attribute: Path,
        size: int,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[bytes]:
        target = file if isinstance(file, int) else descriptor(file)
        name = encoded(attribute)
        op = XattrCompletion()
        op._path = file
        room = op._room = bytes(size) if 0 < size <= _LITTLE else _room_of(size)
        return self._start(
            op, operation, (name, room, file), user_data, flags, drain, timeout,
            _fgetxattr, target, name, room, size,
        )  # fmt: skip

    def setxattr(
        self,
        path: Any,
        attribute: Path,
        value: Any,
        xattr_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Set an extended attribute of a file, as ``os.setxattr``.

        Args:
            path: the file's path; or a descriptor, anything with ``fileno()``, or a
                registered file, which makes it an `fsetxattr`.
            attribute: its name, such as ``"user.comment"``.
            value: bytes-like and contiguous, up to 65536 bytes.
            xattr_flags: os.XATTR_CREATE: only a new one, os.XATTR_REPLACE: only one that
                is there, or 0.

        See `io_uring_prep_setxattr(3)`, kernel 5.19.
        """
        if path.__class__ is not str and not is_path(path):
            return self._fsetxattr("setxattr", path, attribute, value, xattr_flags, user_data, flags, drain, timeout)
        op = PathNoneCompletion()
        op._path = path
        raw, name = encoded_both(path, attribute)
        held = value if value.__class__ is bytes else export(value, writable=False)
        return self._start(
            op, "setxattr", (held, raw, name), user_data, flags, drain, timeout,
            _setxattr, name, held, raw, xattr_flags, len(held),
        )  # fmt: skip

    def fsetxattr(
        self,
        file: Any,
        attribute: Path,
        value: Any,
        xattr_flags: int = 0,
        *,
        user_data: object = None,
        flags: int = 0,
        drain: bool = False,
        timeout: float | None = None,
    ) -> Completion[None]:
        """Set an extended attribute of an open file, as ``os.setxattr`` with a descriptor.

        Args:
            file: a descriptor, anything with ``fileno()``, or a registered file.
            attribute: its name.
            value: bytes-like and contiguous, up to 65536 bytes.
            xattr_flags: as in `setxattr`.

        See `io_uring_prep_fsetxattr(3)`, kernel 5.19.
        """
        return self._fsetxattr("fsetxattr", file, attribute, value, xattr_flags, user_data, flags, drain, timeout)

    def _fsetxattr(
        self,
        operation: str,
        file: Any,
        attribute: Path,
        value: Any,
        xattr_flags: int,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
    ) -> Completion[None]:
        target = file if isinstance(file, int) else descriptor(file)
        name = encoded(attribute)
        op = PathNoneCompletion()
        op._path = file
        held = value if value.__class__ is bytes else export(value, writable=False)
        return self._start(
            op, operation, (held, name, file), user_data, flags, drain, timeout,
            _fsetxattr, target, name, held, xattr_flags, len(held),
        )  # fmt: skip


def _room_of(size: int) -> CData:
    """Memory for large values; for others, see TransferOperations.read."""
    if not 0 < size <= LONGEST_VALUE:
        raise ValueError(f"size must be between 1 and {LONGEST_VALUE} bytes, not {size}")
    return _allocate(CHARS, size)
