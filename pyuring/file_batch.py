"""Many whole files in one call, on a ring that each thread has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pyuring.batching.file_iterator import AHEAD, iterate
from pyuring.batching.paths import path_list
from pyuring.batching.read_files import OnError, check_on_error, read_all
from pyuring.batching.write_files import check_mode, pairs_of, write_all
from pyuring.thread_ring import thread_ring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyuring.batching.write_files import Data
    from pyuring.completion import Path
    from pyuring.ring import Ring

    P = TypeVar("P", bound=Path)

__all__ = ["iter_files", "read_files", "write_files"]


@overload
def read_files(
    paths: Iterable[Path],
    *,
    depth: int | None = None,
    on_error: Literal["raise"] = "raise",
    ring: Ring | None = None,
) -> list[bytes]: ...
@overload
def read_files(
    paths: Iterable[Path], *, depth: int | None = None, on_error: OnError, ring: Ring | None = None
) -> list[bytes | OSError]: ...
def read_files(
    paths: Iterable[Path], *, depth: int | None = None, on_error: OnError = "raise", ring: Ring | None = None
) -> list[Any]:
    """Read many files, each from its beginning to its end, in one call.

    Each result is what ``open(path, "rb").read()`` would return, of files of any size, of
    empty ones, and of those in /proc whose size is told to be 0. Opening, reading and closing
    are linked operations, in C and without the GIL. Ctrl-C ends the call within a tenth of a
    second, with nothing left in flight and nothing left open.

    A pipe fails with ``ESPIPE``; it is neither waited for nor read from. A character device that
    goes on for more than 64 KiB, such as ``/dev/zero``, fails with ``EFBIG``.

    Args:
        paths: paths of files; a generator is taken once, before the first file is opened.
        depth: files in flight at the most. None: few as long as they are in the page cache,
            up to 256 where they have to come from a disk.
        on_error: ``"raise"``, or ``"return"`` to have the ``OSError`` in the list in place of
            the bytes.
        ring: the ring to do it on, which may have other operations in flight. None: one that
            this thread has for batches.

    Returns:
        The contents, in the order of `paths`.

    Raises:
        BatchError: some files could not be read; the others were, see `BatchError`. The
            failures have the paths as ``filename``.
        TypeError: one path in place of several, or one that is neither str, bytes nor ``os.PathLike``.
        ValueError: a path with a null byte in it; nothing was opened.
        UnavailableError: no ring can be made here.

    See `io_uring_prep_openat(3)`, kernel 5.6; direct descriptors need 5.19.
    """
    if ring is not None:
        return ring.read_files(paths, depth=depth, on_error=on_error)
    check_on_error(on_error)
    return read_all(thread_ring(), path_list(paths), depth, on_error, keep=True)


@overload
def iter_files(
    paths: Iterable[P],
    *,
    depth: int | None = None,
    ahead: int = AHEAD,
    on_error: Literal["raise"] = "raise",
    ring: Ring | None = None,
) -> Iterator[tuple[P, bytes]]: ...
@overload
def iter_files(
    paths: Iterable[P],
    *,
    depth: int | None = None,
    ahead: int = AHEAD,
    on_error: OnError,
    ring: Ring | None = None,
) -> Iterator[tuple[P, bytes | OSError]]: ...
def iter_files(
    paths: Iterable[Any],
    *,
    depth: int | None = None,
    ahead: int = AHEAD,
    on_error: OnError = "raise",
    ring: Ring | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Read files one after another, some of them ahead of time: for more than memory holds.

    As `read_files`, part by part, each read in one go when the one before is used up. In
    between nothing is open and nothing in flight, so the loop can be left at any time.

    Args:
        paths: paths of files; of a generator, which may be endless, up to 2048 are taken ahead.
        depth: files in flight at the most, as for `read_files`.
        ahead: bytes to read ahead, about: what is held at a time is no more than that, a file that
            is larger by itself, and 64 KiB for each file in flight.
        on_error: ``"raise"`` ends the iteration with the ``OSError`` of the first file that
            cannot be read, when its turn comes; ``"return"`` gives it in place of the bytes.
        ring: the ring to do it on. None: that of the thread that iterates.

    Returns:
        An iterator over ``(path, bytes)``, in the order of `paths`.

    Raises:
        OSError: of a file that cannot be read, with its path as ``filename``.
        TypeError: one path in place of several, or one that is neither str, bytes nor ``os.PathLike``.
        ValueError: a path with a null byte in it, when its part is begun.
        UnavailableError: no ring can be made here.

    See `io_uring_prep_openat(3)`, kernel 5.6; direct descriptors need 5.19.
    """
    if ring is not None:
        return ring.iter_files(paths, depth=depth, ahead=ahead, on_error=on_error)
    return iterate(thread_ring, paths, depth, ahead, on_error, keep=True)


@overload
def write_files(
    items: Mapping[Any, Data] | Iterable[tuple[Path, Data]],
    *,
    fsync: bool = False,
    mode: int = 0o666,
    depth: int | None = None,
    on_error: Literal["raise"] = "raise",
    ring: Ring | None = None,
) -> list[int]: ...
@overload
def write_files(
    items: Mapping[Any, Data] | Iterable[tuple[Path, Data]],
    *,
    fsync: bool = False,
    mode: int = 0o666,
    depth: int | None = None,
    on_error: OnError,
    ring: Ring | None = None,
) -> list[int | OSError]: ...
def write_files(
    items: Any,
    *,
    fsync: bool = False,
    mode: int = 0o666,
    depth: int | None = None,
    on_error: OnError = "raise",
    ring: Ring | None = None,
) -> list[Any]:
    """Write many files, each as a whole, in one call.

    As ``open(path, "wb").write(data)`` for each: a file that exists is emptied first, so one that
    fails may be left empty, or with the beginning of its data. The files are written in any
    order, and closed in a way that has network file systems tell what went wrong.

    Args:
        items: a mapping from paths to data, or pairs of these; no path may come twice. Data is
            any contiguous bytes-like object, held until the call is over.
        fsync: return when everything is durable: each file is synced, and then the directory
            of each, once. Directories above these are not: sync those that you made.
        mode: permissions of a file that is made, less the umask.
        depth: files in flight at the most; None is 64, or 256 with `fsync`, which are open at a time then.
        on_error: ``"raise"``, or ``"return"`` to have the ``OSError`` in the list in place of
            the number.
        ring: the ring to do it on, with 2 entries or more. None: one that this thread has for
            batches.

    Returns:
        How many bytes were written, in the order of `items`: all of them.

    Raises:
        BatchError: some files could not be written; the others were, see `BatchError`. The
            failures have the paths as ``filename``.
        TypeError: neither a mapping nor pairs, a path that is none, or data that is not bytes-like.
        ValueError: a path with a null byte in it, or one that comes twice; nothing was opened.
        BufferError: data that is not contiguous.
        UnavailableError: no ring can be made here.

    See `io_uring_prep_openat(3)`, kernel 5.6.
    """
    if ring is not None:
        return ring.write_files(items, fsync=fsync, mode=mode, depth=depth, on_error=on_error)
    check_on_error(on_error)
    return write_all(thread_ring(), *pairs_of(items), depth, check_mode(mode), on_error, fsync=fsync)
