"""Files opened for direct I/O: past the page cache, between the device and the caller's memory."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pyuring._ffi import ffi, lib
from pyuring.aligned import aligned_buffer
from pyuring.alignment import Alignment, alignment_told, look, refuse_kind, widen
from pyuring.buffers import export, release

if TYPE_CHECKING:
    from types import TracebackType

    from pyuring.completion import Path

__all__ = ["DirectFile", "open_direct"]

#: What goes through aligned memory goes in pieces of this many bytes.
_BOUNCE = 1 << 20

_MODES = {
    "r": os.O_RDONLY,
    "r+": os.O_RDWR,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "x+": os.O_RDWR | os.O_CREAT | os.O_EXCL,
}


def open_direct(path: Path, mode: str = "r") -> DirectFile:
    """Open a regular file or a block device for direct I/O (``O_DIRECT``).

    Close it, or use it in a ``with`` block. It goes wherever a descriptor goes: there,
    offset, length and memory must be aligned as its `DirectFile.alignment` says, and
    `aligned_buffer` makes such memory. Its own methods take any offset and length.

    Args:
        path: the file.
        mode: "r", "r+", "w", "w+", "x" or "x+", as for ``open``; a "b" makes no difference.

    Raises:
        OSError: as for ``open``; with ``EINVAL``, the file or its file system has no direct
            I/O. A file that was to be made may be there then, and empty.
        ValueError: another mode.

    See `open(2)`.
    """
    flags = _MODES.get(_plain(mode))
    if flags is None:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {mode!r}")
    path = os.fspath(path)
    try:
        info = look(path)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    else:
        # Before it is opened: that would wait for the other end of a FIFO, or empty the file.
        refuse_kind(info, path)
        if not flags & os.O_EXCL:
            alignment_told(info, path)
    try:
        fd = os.open(path, flags | os.O_DIRECT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise OSError(errno.EINVAL, _no_direct_io(), path) from None
        raise
    try:
        info = look(fd)
        refuse_kind(info, path)
        return DirectFile(fd, path, mode, alignment_told(info, path))
    except BaseException:
        os.close(fd)
        raise


def _plain(mode: object) -> str:
    """`mode` without its one "b", which may stand anywhere."""
    if not isinstance(mode, str):
        raise TypeError(f"mode is a str such as 'r', not {type(mode).__name__}")
    return mode.replace("b", "") if mode.count("b") == 1 else mode


def _no_direct_io() -> str:
    return (
        "the file system has no direct I/O, as those that keep their files in memory (ramfs, /proc, /sys, and tmpfs "
        "before Linux 6.6): open() the file without O_DIRECT, or put it on a disk"
    )


class DirectFile:
    """A file opened for direct I/O, made by `open_direct`.

    Its methods read and write at any offset, with any length and memory: what is not aligned goes
    through a buffer of whole blocks. They can be called from several threads at once.

    Attributes:
        name: the path it was opened with, a str or bytes.
        mode: as it was given.
        alignment: what operations on its descriptor demand, as `alignment_of` tells.
    """

    _fd = -1

    def __init__(self, fd: int, name: str | bytes, mode: str, alignment: Alignment) -> None:
        self.name: Final = name
        self.mode: Final = mode
        self.alignment: Final = alignment
        #: The same file without O_DIRECT, once it is needed.
        self._cached = -1
        self._opening = threading.Lock()
        plain = _plain(mode)
        self._readable = plain == "r" or "+" in plain
        self._writable = plain != "r"
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor, which has ``O_DIRECT``."""
        if self._fd < 0:
            raise ValueError("I/O operation on closed file")
        return self._fd

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._fd < 0

    @property
    def size(self) -> int:
        """How many bytes the file or the device has now."""
        fd = self.fileno()
        found = os.fstat(fd)
        if not stat.S_ISBLK(found.st_mode):
            return found.st_size
        size = int(lib.pyuring_device_size(fd))
        if size < 0:
            raise OSError(-size, os.strerror(-size), self.name)
        return size

    def close(self) -> None:
        """Close the descriptor; does nothing on a closed file.

        Operations in flight on a ring keep the file itself open until they are done.
        """
        fd, self._fd = self._fd, -1
        cached, self._cached = self._cached, -1
        try:
            if cached >= 0:
                os.close(cached)
        finally:
            if fd >= 0:
                os.close(fd)

    def pread(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`, as ``os.pread``, whether aligned or not.

        Args:
            length: in bytes.
            offset: in bytes, from the start of the file.

        Returns:
            The bytes: fewer than `length` only at the end of the file.

        See `pread(2)`.
        """
        if length < 0:
            raise ValueError(f"length must be 0 or more, not {length}")
        fd, bounce = self._reader(offset), self._bounce(offset, length, self.alignment.read_offset)
        pieces, at, end, more = [], offset, offset + length, True
        with self._named():
            while more and at < end:
                piece, more = self._blocks(fd, bounce, at, end - at)
                pieces.append(bytes(piece))
                at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def preadinto(self, buffer: Any, offset: int) -> int:
        """Fill `buffer` with what is at `offset`, whether aligned or not.

        Aligned memory is read into directly, other memory through a buffer. Behind the end of the
        file, the kernel may fill up the last block of what it reads directly with zeros.

        Args:
            buffer: writable and contiguous.
            offset: in bytes, from the start of the file.

        Returns:
            How many bytes were read: fewer than `buffer` has only at the end of the file.

        See `preadv(2)`.
        """
        fd, step, done = self._reader(offset), self.alignment.read_offset, 0
        bounce: memoryview | None = None
        more = True
        with self._named(), _bytes_of(buffer, writable=True) as (view, address):
            while more and done < len(view):
                at, rest = offset + done, len(view) - done
                if at % step or (address + done) % self.alignment.memory or rest < step:
                    bounce = bounce or self._bounce(at, rest, step)
                    piece, more = self._blocks(fd, bounce, at, rest)
                    view[done : done + len(piece)] = piece
                    done += len(piece)
                else:
                    with view[done : done + rest - rest % step] as whole:
                        got = os.preadv(fd, [whole], at)
                    done += got
                    more = got > 0 and not got % step
        return done

    def pwrite(self, data: Any, offset: int) -> int:
        """Write all of `data` at `offset`, whether aligned or not.

        Whole blocks go to the device. What does not fill one, at either end, goes through the
        page cache: so the bytes beside it stay as they are, whoever writes them, and the file
        ends where `data` does. As with any write, ``os.fsync`` makes it durable; and a reader
        meanwhile, or an error in between, can find a part of it written.

        Args:
            data: bytes-like and contiguous.
            offset: in bytes, from the start of the file.

        Returns:
            The length of `data` in bytes.

        See `pwrite(2)`.
        """
        fd, step, done = self._writer(offset), self.alignment.offset, 0
        bounce: memoryview | None = None
        with self._named(), _bytes_of(data, writable=False) as (view, address):
            while done < len(view):
                at, rest = offset + done, len(view) - done
                if at % step or rest < step:
                    length = min(-at % step or step, rest)
                    with view[done : done + length] as ragged:
                        done += os.pwrite(self._through_cache(), ragged, at)
                    continue
                with view[done : done + rest - rest % step] as whole:
                    if (address + done) % self.alignment.memory == 0:
                        done += os.pwrite(fd, whole, at)
                        continue
                    bounce = bounce or self._bounce(at, len(whole), step)
                    length = min(len(whole), len(bounce))
                    bounce[:length] = whole[:length]
                done += os.pwrite(fd, bounce[:length], at)
            return done

    def _reader(self, offset: int) -> int:
        fd = self.fileno()
        if not self._readable:
            raise io.UnsupportedOperation("not open for reading")
        return self._checked(fd, offset)

    def _writer(self, offset: int) -> int:
        fd = self.fileno()
        if not self._writable:
            raise io.UnsupportedOperation("not open for writing")
        return self._checked(fd, offset)

    @staticmethod
    def _checked(fd: int, offset: int) -> int:
        if offset < 0:
            raise ValueError(f"offset must be 0 or more, not {offset}")
        return fd

    def _bounce(self, offset: int, length: int, step: int) -> memoryview:
        """Memory for the blocks around a transfer, or for a piece of it."""
        return aligned_buffer(min(widen(offset, length, step)[1], max(_BOUNCE, step)), self.alignment.memory)

    def _blocks(self, fd: int, bounce: memoryview, offset: int, length: int) -> tuple[memoryview, bool]:
        """What `bounce` has room for of `length` bytes at `offset`, and whether there may be more."""
        step = self.alignment.read_offset
        start, span = widen(offset, length, step)
        got = os.preadv(fd, [bounce[: min(span, len(bounce))]], start)
        piece = bounce[offset - start : min(got, offset - start + length)]
        # Only the end of the file cuts a block.
        return piece, got > 0 and not got % step

    def _through_cache(self) -> int:
        """A descriptor of the file without ``O_DIRECT``, opened anew, whatever has become of its path."""
        with self._opening:
            fd = self.fileno()
            if self._cached < 0:
                self._cached = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC)
                if self._fd < 0:  # closed meanwhile, and close() may have come too early for it
                    self.close()
                    self.fileno()
            return self._cached

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in an ``OSError`` of its descriptor."""
        try:
            yield
        except OSError as error:
            error.filename = self.name
            raise

    def __enter__(self) -> DirectFile:
        self.fileno()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._fd >= 0:
            warnings.warn(
                f"unclosed {self!r}: use it in a with statement, or close() it",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            self.close()

    def __reduce__(self) -> NoReturn:
        # A copy would close the same descriptor a second time.
        raise TypeError("a DirectFile cannot be copied or pickled")

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd={self._fd}"
        return f"<DirectFile {self.name!r} mode={self.mode!r} {state}>"


@contextmanager
def _bytes_of(buffer: object, *, writable: bool) -> Iterator[tuple[memoryview, int]]:
    """The bytes of `buffer`, whatever its items, and their address."""
    held = export(buffer, writable=writable)
    try:
        # Over the memory itself: cast() refuses arrays with no items.
        with memoryview(ffi.buffer(held)) as view:
            yield view, int(ffi.cast("uintptr_t", held))
    finally:
        release(held)
