"""What direct I/O demands of offsets, lengths and memory, from statx(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path as Folder
from typing import TYPE_CHECKING, NamedTuple

from pyuring._ffi import NULL, ffi, lib
from pyuring.constants import StatxMask
from pyuring.pathnames import AT_FDCWD, encoded
from pyuring.registered_files import plain_descriptor
from pyuring.stat import STATX_SIZE, StatxResult

if TYPE_CHECKING:
    from pyuring.completion import Path

__all__ = ["Alignment", "alignment_of", "alignment_told", "explain_misalignment", "look", "refuse_kind", "widen"]

_WANTED = int(StatxMask.BASIC_STATS | StatxMask.DIOALIGN | StatxMask.DIO_READ_ALIGN)
_STATX = ffi.typeof("struct pyuring_statx *")

#: What no file system in use asks more than, where neither the kernel nor the device tells.
_SAFE = 4096

_KINDS = {
    stat.S_IFIFO: "FIFO or pipe",
    stat.S_IFCHR: "character device",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "directory",
}


class Alignment(NamedTuple):
    """What the numbers of a direct read or write must be multiples of, in bytes.

    Attributes:
        memory: the address of the buffer.
        offset: the offset in the file, and the length.
        read_offset: the same for reads, which on some file systems need less than writes.
        stated: whether the file system said so. If not, `memory` and `offset` are known to
            be enough, and less might be; see `alignment_of`.
    """

    memory: int
    offset: int
    read_offset: int
    stated: bool


def alignment_of(file: Path | int | object) -> Alignment:
    """Return what direct I/O on `file` demands, by ``STATX_DIOALIGN``.

    Older kernels, and file systems such as tmpfs, do not tell. Then it is the logical block
    size of the device that the file is on, and where there is none, 4096.

    Args:
        file: a path, a descriptor, or anything with ``fileno()``. It needs not be open
            for direct I/O.

    Raises:
        OSError: the file cannot be looked at; or with ``EINVAL``, there is no direct I/O on it:
            it is neither a regular file nor a block device, or its file system said so.

    See `statx(2)`, kernel 6.1.
    """
    info = look(file)
    filename = _path_of(file)
    refuse_kind(info, filename)
    return alignment_told(info, filename)


def _path_of(file: object) -> str | bytes | None:
    return os.fspath(file) if isinstance(file, str | bytes | os.PathLike) else None


def look(file: Path | int | object) -> StatxResult:
    """What statx(2) tells of `file`, with no ring."""
    raw = bytearray(STATX_SIZE)
    path = _path_of(file)
    held = ffi.from_buffer(_STATX, raw)
    try:
        if path is None:
            code = lib.pyuring_statx(plain_descriptor(file), NULL, _WANTED, held)
        else:
            code = lib.pyuring_statx(AT_FDCWD, encoded(path), _WANTED, held)
    finally:
        ffi.release(held)
    if code < 0:
        raise OSError(-code, os.strerror(-code), *(() if path is None else (path,)))
    return StatxResult(bytes(raw))


def refuse_kind(info: StatxResult, filename: object = None) -> None:
    """Raise ``OSError`` unless it is a regular file or a block device."""
    kind = stat.S_IFMT(info.st_mode)
    if kind in {stat.S_IFREG, stat.S_IFBLK}:
        return
    named = () if filename is None else (filename,)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), *named)
    text = f"direct I/O is for regular files and block devices, and this is a {_KINDS.get(kind, 'special file')}"
    raise OSError(errno.EINVAL, text, *named)


def alignment_told(info: StatxResult, filename: object = None) -> Alignment:
    """The alignment in `info`, or the one to assume; ``OSError`` where there is no direct I/O."""
    if info.stx_mask & StatxMask.DIOALIGN:
        memory, offset = info.stx_dio_mem_align, info.stx_dio_offset_align
        if not memory or not offset:
            text = (
                "the file system has no direct I/O for this file (it may be journalled, encrypted, verified or "
                "compressed): open() it without O_DIRECT"
            )
            raise OSError(errno.EINVAL, text, *(() if filename is None else (filename,)))
        return Alignment(memory, offset, info.stx_dio_read_offset_align or offset, stated=True)
    block = _block_size(info.st_rdev if stat.S_ISBLK(info.st_mode) else info.st_dev)
    return Alignment(block, block, block, stated=False)


def _block_size(device: int) -> int:
    """The logical block size of a block device, of which a partition is a part."""
    folder = Folder(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for queue in (folder / "queue", folder / ".." / "queue"):
        try:
            return int((queue / "logical_block_size").read_text())
        except OSError:  # not that folder; or no /sys, or none that may be read
            continue
    return _SAFE


def widen(offset: int, length: int, alignment: int) -> tuple[int, int]:
    """The smallest part of whole blocks that has the `length` bytes at `offset` in it: (offset, length).

    >>> widen(1000, 100, 512)
    (512, 1024)
    >>> widen(1000, 0, 512)
    (512, 0)
    """
    start = offset - offset % alignment
    if not length:
        return start, 0
    end = offset + length
    return start, end + -end % alignment - start


def explain_misalignment(
    file: int | object, offset: int, length: int, address: int, *, writing: bool = False
) -> str | None:
    """Say why a direct transfer came back with ``EINVAL``, if it is for its alignment.

    Args:
        file: the descriptor, or what has it.
        offset: where in the file, in bytes.
        length: how many bytes.
        address: where the buffer is.
        writing: it was a write.

    Returns:
        What is wrong and what would be right; None where the descriptor has no O_DIRECT, or
        nothing is wrong with the alignment.
    """
    fd = plain_descriptor(file)
    if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
        return None
    info = look(fd)
    if info.stx_mask & StatxMask.DIOALIGN and not info.stx_dio_offset_align:
        return None
    alignment = alignment_told(info)
    block = alignment.offset if writing else alignment.read_offset
    wrong = [f"{name} {number}" for name, number in (("offset", offset), ("length", length)) if number % block]
    if address % alignment.memory:
        wrong.append(f"address {address:#x}")
    if not wrong:
        return None
    whose = "this file needs" if alignment.stated else "this file is taken to need"
    memory = "" if address % alignment.memory == 0 else ": aligned_buffer() makes such memory"
    return (
        f"{' and '.join(wrong)} {'are' if len(wrong) > 1 else 'is'} not aligned: with O_DIRECT {whose} offsets and "
        f"lengths that are multiples of {block}, and memory at a multiple of {alignment.memory}{memory}"
    )
