"""Turns of what reads many files: all of them, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

from .transfer import timed

if TYPE_CHECKING:
    from .contender import Sample, Turn
    from .small import SmallFiles

__all__ = ["Contents", "Reader", "file_turns"]

Contents: TypeAlias = Sequence[bytes | bytearray | memoryview]
#: From paths to what is in the files, in that order.
Reader: TypeAlias = Callable[[Sequence[str]], Contents]


@contextmanager
def file_turns(files: SmallFiles, opener: AbstractContextManager[Reader]) -> Iterator[Turn]:
    """A turn is as long as reading every file once takes. All that was read is kept until then, and checked."""
    with opener as read:
        files.check(read(files.paths))

        def take_turn(seconds: float) -> Sample:
            kept: list[Contents] = []
            sample = timed(lambda: kept.append(read(files.paths)), files.count)
            files.check(kept[0])
            return sample

        yield take_turn
