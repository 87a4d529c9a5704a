"""How fast are many files of 1 to 15 KB read, each whole, when nothing of them is in memory, and when all is?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pyuring

from .case import Case, Cell, Lineup, Setting
from .coldness import chill
from .contender import Contender
from .peers.known import PEERS
from .reading import Contents, Reader, file_turns
from .small import LARGEST, SmallFiles
from .threads import TASK_THREADS

__all__ = ["BARE", "CASE", "NAME", "OPEN", "POOLS", "READ_FILES", "TASKS"]

NAME = "small-files"
OPEN = "open().read"
BARE = "os.open, os.read, os.close"
READ_FILES = "read_files"
TASKS = "thread pool, a task a file"
_THREADS = (8, 32)
POOLS = tuple(f"thread pool, {threads} loops" for threads in _THREADS)

_DEPTHS = (8, 16, 32, 64, 128, 256)
_PEER_DEPTH = {"cold": 128, "warm": 16}


def _read_whole(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _read_bare(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, LARGEST + 1)
    finally:
        os.close(fd)


@contextmanager
def _loop(read_one: Callable[[str], bytes]) -> Iterator[Reader]:
    yield lambda paths: [read_one(path) for path in paths]


@contextmanager
def _tasks() -> Iterator[Reader]:
    with ThreadPoolExecutor(TASK_THREADS) as pool:
        yield lambda paths: list(pool.map(_read_whole, paths))


@contextmanager
def _shares(threads: int) -> Iterator[Reader]:
    """A task for each thread, which loops over its share: the best a pool can do."""
    with ThreadPoolExecutor(threads) as pool:

        def read(paths: Sequence[str]) -> Contents:
            contents = [b""] * len(paths)

            def share(first: int) -> None:
                for number in range(first, len(paths), threads):
                    contents[number] = _read_whole(paths[number])

            for future in [pool.submit(share, first) for first in range(threads)]:
                future.result()
            return contents

        yield read


@contextmanager
def _batch(depth: int | None) -> Iterator[Reader]:
    how: dict[str, Any] = {} if depth is None else {"depth": depth}
    yield lambda paths: pyuring.read_files(paths, **how)


def _contender(
    files: SmallFiles,
    name: str,
    backend: str,
    open_reader: Callable[[], AbstractContextManager[Reader]],
    depth: int | None = None,
) -> Contender:
    return Contender(name, backend, lambda: file_turns(files, open_reader()), depth)


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    count = setting.small_files
    files = SmallFiles(os.path.join(setting.files.folder, "small"), count)
    files.make()
    calls = "open(2), read(2), close(2)"
    found = [
        _contender(files, OPEN, calls, lambda: _loop(_read_whole)),
        _contender(files, BARE, calls, lambda: _loop(_read_bare)),
        _contender(files, TASKS, f"{TASK_THREADS} threads", _tasks),
    ]
    for name, threads in zip(POOLS, _THREADS, strict=True):
        found.append(_contender(files, name, f"{threads} threads", partial(_shares, threads)))
    backend = "io_uring OPENAT, READ, CLOSE"
    for depth in (None, *(_DEPTHS if setting.thorough else ())):
        name = READ_FILES if depth is None else f"{READ_FILES}, depth {depth}"
        found.append(_contender(files, name, backend, partial(_batch, depth), depth))
    depth = _PEER_DEPTH[cell.temperature]
    found += [
        setting.peers.contender(
            peer, "files", f"{peer.name}, depth {depth}", "io_uring READ", depth=depth, home=files.home, count=count
        )
        for peer in PEERS
    ]
    return Lineup(found, (lambda: chill(files.paths)) if cell.temperature == "cold" else (lambda: None))


CASE = Case(
    NAME,
    "How fast are thousands of files of 1 to 15 KB read, each whole?",
    _lineup,
    unit="file",
    modes=("cached",),
    sizes=(0,),
    temperatures=("cold", "warm"),
)
