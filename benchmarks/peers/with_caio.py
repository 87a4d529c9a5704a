"""`caio`: its io_uring back-end, without the asyncio on top. It brings its own memory, and opens no files."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..contender import NotPossibleError
from ..small import LARGEST
from ..transfer import expect
from . import window

if TYPE_CHECKING:
    from ..content import Block
    from ..place import Place
    from ..reading import Reader

__all__ = ["durable", "files", "mixed", "transfer"]

#: Seconds that one wait may take; it counts in whole ones.
_PATIENCE = 30


class _Context:
    """Operations are gathered and submitted together, which is what its asyncio side does too."""

    def __init__(self, entries: int) -> None:
        module: Any = importlib.import_module("caio.linux_uring")
        self.operation = module.Operation
        self._context = module.Context(max_requests=entries, sqpoll=False)
        self._prepared: list[Any] = []
        self._done: list[tuple[Any, Any]] = []

    def start(self, operation: Any, token: object) -> None:
        done = self._done

        def finish(res: int) -> None:
            done.append((token, operation))

        operation.set_callback(finish)
        self._prepared.append(operation)

    def reap(self) -> list[tuple[Any, Any]]:
        if self._prepared:
            self._context.submit(*self._prepared)
            self._prepared.clear()
            self._context.flush()
        if not self._done:
            self._context.process_events(min_requests=1, timeout=_PATIENCE)
        found = self._done[:]
        self._done.clear()
        return found


def _value(operation: Any) -> Any:
    try:
        return operation.get_value()
    except SystemError as error:
        # It raises no OSError, and has the errno in its text only.
        if str(error) == os.strerror(errno.EINVAL):
            raise NotPossibleError("EINVAL: it brings its own memory, which is not aligned for O_DIRECT") from None
        raise


class _Driver:
    def __init__(self, context: _Context, place: Place, fd: int, depth: int) -> None:
        self.sources = (place.sources or place.blocks)[:depth]
        own = not place.writing or place.boundary is not None
        self.blocks: list[Block] = [b""] * depth if own else [*place.blocks[:depth]]
        self._context = context
        self._fd = fd
        self._size = place.size
        self._start: Callable[[Any, object], None] = context.start

    def read(self, slot: int, offset: int) -> None:
        self._start(self._context.operation.read(self._size, self._fd, offset), slot)

    def write(self, slot: int, offset: int) -> None:
        # It takes nothing but bytes.
        self._start(self._context.operation.write(bytes(self.sources[slot]), self._fd, offset), -slot - 1)

    def reap(self) -> Sequence[tuple[int, int]]:
        found = []
        for token, operation in self._context.reap():
            value = _value(operation)
            if token >= 0:
                self.blocks[token] = value
                found.append((token, len(value)))
            else:
                found.append((-token - 1, value))
        return found

    def sync(self) -> None:
        self._start(self._context.operation.fdsync(self._fd), 0)
        for _, operation in self._context.reap():
            _value(operation)


@contextmanager
def _driver(place: Place, fd: int, depth: int) -> Iterator[_Driver]:
    yield _Driver(_Context(depth), place, fd, depth)


transfer = partial(window.transfer, _driver)
mixed = partial(window.mixed, _driver)
durable = partial(window.durable, _driver)


@contextmanager
def files(depth: int) -> Iterator[Reader]:
    """Opened and closed by system calls, `depth` files at a time, and read by the ring."""
    context = _Context(depth)

    def read(paths: Sequence[str]) -> list[bytes]:
        contents = [b""] * len(paths)
        todo = iter(range(len(paths)))

        def open_next() -> int:
            if (number := next(todo, None)) is None:
                return 0
            fd = os.open(paths[number], os.O_RDONLY | os.O_CLOEXEC)
            context.start(context.operation.read(LARGEST + 1, fd, 0), (number, fd))
            return 1

        missing = sum(open_next() for _ in range(depth))
        while missing:
            for (number, fd), operation in context.reap():
                contents[number] = _value(operation)
                if not contents[number]:
                    expect(0, LARGEST)
                os.close(fd)
                missing += open_next() - 1
        return contents

    yield read
