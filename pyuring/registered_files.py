"""Registered files: the kernel looks them up once, not per operation."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterable, Sequence
from typing import Any, overload

from pyuring._ffi import NULL, lib
from pyuring.errors import BadDescriptorError, lacking
from pyuring.kernel import is_older
from pyuring.tags import Tagging

__all__ = ["FileRegistration", "RegisteredFile", "RegisteredFiles", "descriptor", "plain_descriptor", "replacements"]

#: In place of a descriptor: the slot is to be emptied.
_EMPTY = -1

#: Descriptors are smaller.
_LIMIT = 2**31

#: What the key of a registered file leaves room for.
MAX_FILES = (1 << lib.PYURING_FILE_BITS) - 1


class RegisteredFile(int):
    """A registered file: pass it where a descriptor goes.

    It is a number that tells the C layer table and slot, so that passing one costs no
    more than passing a descriptor; too large for any system call to take it for one.
    """

    __slots__ = ()

    @property
    def index(self) -> int:
        """Its slot in the table."""
        return self & (1 << lib.PYURING_FILE_BITS) - 1

    def __repr__(self) -> str:
        return f"<RegisteredFile {self.index}>"

    __str__ = __repr__


class RegisteredFiles(Sequence[RegisteredFile]):
    """The registered files of a ring; made by `Ring.register_files`."""

    def __init__(self, ring: FileRegistration, count: int, table: int) -> None:
        self._ring = ring
        self._count = count
        self._table = table
        #: What the C layer takes for any slot of the table.
        self._any = table << lib.PYURING_FILE_BITS | lib.PYURING_FILE_ANY
        self._made: dict[int, RegisteredFile] = {}

    @overload
    def __getitem__(self, index: int) -> RegisteredFile: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegisteredFile]: ...
    def __getitem__(self, index: int | slice) -> RegisteredFile | list[RegisteredFile]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        made = self._made.get(index)
        if made is None:
            index = self._checked(index)
            key = self._table << lib.PYURING_FILE_BITS | index
            made = self._made.setdefault(index, RegisteredFile(key))
        return made

    def __len__(self) -> int:
        return self._count

    def _checked(self, index: int) -> int:
        if not -self._count <= index < self._count:
            raise IndexError(f"no registered file {index}: the table has {self._count} slots")
        return index % self._count

    @overload
    def update(  # type: ignore[overload-overlap]  # a list is no file
        self, index: int, file: list[Any] | tuple[Any, ...], *, tags: Sequence[object] | None = None
    ) -> list[RegisteredFile]: ...
    @overload
    def update(self, index: int, file: object, *, tag: object = None) -> RegisteredFile: ...
    def update(
        self, index: int, file: object, *, tag: object = None, tags: Sequence[object] | None = None
    ) -> RegisteredFile | list[RegisteredFile]:
        """Put `file` into slot `index`, replacing what is there.

        Operations in flight go on with the file they started with.

        Args:
            index: the slot.
            file: a descriptor, anything with ``fileno()``, or None to empty the slot; or a
                list of these for the slots from `index` on, in which ``...`` leaves a
                slot as it is.
            tag: of one file, as in `Ring.register_files`.
            tags: one for each of a list, None where no file is put.

        Returns:
            The registered file, or a list of them.

        See `io_uring_register_files_update(3)`, kernel 5.5; with tags 5.13.
        """
        several = file if isinstance(file, list | tuple) else None
        if (tags if several is None else tag) is not None:
            raise TypeError("tag= goes with one file, tags= with a list of files")
        if several is None and tag is not None:
            tags = [tag]
        files = [file] if several is None else [*several]
        first, descriptors = replacements(self, self._checked(index), files)
        count = self._update(first, descriptors, tags)
        return self[first] if several is None else self[first : first + count]

    def _update(self, first: int, descriptors: list[int], tags: Sequence[object] | None) -> int:
        ring = self._ring
        if ring._files is not self:
            raise ValueError("the files were unregistered")
        for number, tag in zip(descriptors, tags or (), strict=False):
            if number < 0 and tag is not None:
                raise ValueError("a tag goes with a file: not with an empty slot, or one that stays as it is")
        for number in descriptors:
            # The kernel empties the slot before it finds out that there is no such file.
            if number >= 0:
                fcntl.fcntl(number, fcntl.F_GETFD)
        numbers: list[int] = []
        ring._tag_all(tags, len(descriptors), "files", numbers)
        code: int = lib.pyuring_update_files(ring._c, first, descriptors, numbers or NULL, len(descriptors))
        ring._forget_tags(numbers[max(code, 0) :])  # of those that are not in the table
        if code < 0:
            raise ring._no_files(code, len(descriptors), tagged=bool(numbers))
        if code < len(descriptors):
            raise OSError(
                errno.EBADF,
                f"number {code} of the files cannot be registered (a ring?): the slots before it are updated, "
                "its own is empty",
            )
        return code

    def alloc_range(self, offset: int, length: int) -> None:
        """Let the kernel pick free slots only among `length` of them from `offset` on.

        That is for ``direct=files``; slots outside are filled only on demand.

        Args:
            offset: the first slot.
            length: how many; 0 and it picks none at all.

        See `io_uring_register_file_alloc_range(3)`, kernel 6.0.
        """
        ring = self._ring
        if ring._files is not self:
            raise ValueError("the files were unregistered")
        if offset < 0 or length < 0 or offset + length > self._count:
            raise ValueError(f"no {length} slots from {offset} on: the table has {self._count}")
        code = lib.pyuring_alloc_files_in(ring._c, offset, length)
        if code == -errno.EINVAL and is_older("6.0"):
            raise lacking("alloc_range()", "6.0")
        if code < 0:
            raise ring._rejection(code)

    def unregister(self) -> None:
        """Empty the kernel's table; twice is once. See `io_uring_unregister_files(3)`.

        Operations in flight go on. Later ones that use one of the files raise ``ValueError``.
        """
        ring = self._ring
        if ring._files is not self:
            return
        while (code := lib.pyuring_unregister_files(ring._c)) == -errno.EINTR:
            continue  # kernels that wait for operations in flight here
        if code < 0 and code != -errno.ENXIO:  # done already, and interrupted before the rest
            raise ring._rejection(code)
        ring._files = None


def descriptor(file: object) -> int:
    """What the C layer takes as descriptor: a number, which a registered file is too.

    Raises:
        TypeError: neither an int, nor a registered file, nor something with ``fileno()``.
        ValueError: a closed file.
    """
    if isinstance(file, int):
        return file
    try:
        number = file.fileno()  # type: ignore[attr-defined]
    except AttributeError:
        if hasattr(file, "fileno"):
            raise
        raise TypeError(
            f"a file descriptor is an int, an object with fileno(), or a registered file, not {type(file).__name__}"
        ) from None
    if not isinstance(number, int):
        raise TypeError(f"{type(file).__name__}.fileno() returned {type(number).__name__}, not an int")
    return number


def plain_descriptor(file: object) -> int:
    """As `descriptor`, where a registered file has no meaning."""
    if file.__class__ is int and 0 <= file < _LIMIT:
        return file
    if isinstance(file, RegisteredFile):
        raise TypeError("this operation takes a descriptor of the process, not a registered file")
    number = descriptor(file)
    if not 0 <= number < _LIMIT:
        raise BadDescriptorError(errno.EBADF, f"not a file descriptor: {number}")
    return number


def replacements(files: RegisteredFiles, first: int | None, new_files: list[Any]) -> tuple[int, list[int]]:
    """(the first slot, the numbers the kernel takes) for `new_files`; for no slot in particular, -1."""
    if not new_files:
        raise ValueError("no files to put into the table")
    if first is None:
        return -1, [plain_descriptor(file) for file in new_files]
    if not 0 <= first < files._count:
        first = files._checked(first)
    if first + len(new_files) > files._count:
        raise IndexError(f"no {len(new_files)} slots from {first} on: the table has {len(files)}")
    return first, [
        _EMPTY if file is None else lib.IORING_REGISTER_FILES_SKIP if file is ... else plain_descriptor(file)
        for file in new_files
    ]


class FileRegistration(Tagging):
    """The part of `Ring` that registers files."""

    def __init__(self) -> None:
        super().__init__()
        self._files: RegisteredFiles | None = None

    def register_files(
        self,
        files: Iterable[object] | None = None,
        *,
        sparse: int | None = None,
        tags: Sequence[object] | None = None,
    ) -> RegisteredFiles:
        """Register files, so that the kernel need not look up the descriptor each time.

        They stay open in the kernel, also when the descriptor is closed.

        Args:
            files: descriptors, or objects with ``fileno()``; or, instead,
            sparse: how many empty slots to make, filled later with ``update``. Kernel 5.19.
            tags: for each of `files` an object, or None. Once the kernel has let go of the
                file, which is after its slot was emptied or filled with another one and the
                last operation with it is done, `wait` returns a completion whose ``operation``
                is ``"released"`` and whose ``user_data`` is the object. Kernel 5.13.

        Returns:
            The files, by index. Pass one where a descriptor goes.

        Raises:
            RuntimeError: the ring has registered files already.

        See `io_uring_register_files(3)`, kernel 5.1.
        """
        if not lib.pyuring_is_mine(self._c):
            raise self._not_yours()
        if self._files is not None:
            raise RuntimeError("this ring has registered files: unregister() them first")
        if (files is None) == (sparse is None):
            raise TypeError("register_files() takes a list of files, or sparse=")
        if tags is not None and files is None:
            raise TypeError("tags= goes with a list of files")
        descriptors = None if files is None else [plain_descriptor(file) for file in files]
        count = sparse if descriptors is None else len(descriptors)
        if not count or not 0 < count <= MAX_FILES:
            raise ValueError(f"a table has between 1 and {MAX_FILES} files, not {count}")
        numbers: list[int] = []
        try:
            self._tag_all(tags, count, "files", numbers)
            code = lib.pyuring_register_files(
                self._c, NULL if descriptors is None else descriptors, numbers or NULL, count
            )
            if code < 0:
                raise self._no_files(code, count, tagged=bool(numbers))
            self._files = RegisteredFiles(self, count, code)
        except BaseException:
            # Where a signal handler raised, the kernel may have them already.
            self._files = None
            self._forget_tags(numbers)
            if lib.pyuring_is_mine(self._c):
                lib.pyuring_unregister_files(self._c)
            raise
        return self._files

    def _no_files(self, code: int, count: int, *, tagged: bool) -> Exception:
        """The exception for the kernel's refusal of `count` files."""
        if code == -errno.EMFILE:
            return OSError(errno.EMFILE, f"{count} registered files are more than RLIMIT_NOFILE allows (ulimit -n)")
        if code == -errno.EINVAL and tagged and is_older("5.13"):
            return lacking("tags of registered files", "5.13", need="need")
        return self._rejection(code)
