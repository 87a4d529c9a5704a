"""Tags: what tells a program that the kernel has let go of a registered buffer or file."""

from __future__ import annotations

from collections.abc import Sequence

from pyuring._ffi import lib
from pyuring.inflight import InFlight

__all__ = ["Tagging"]


class Tagging(InFlight):
    """What registering buffers and registering files have in common."""

    def __init__(self) -> None:
        super().__init__()
        self._last_tag = 0

    def _new_tag(self, tag: object) -> int:
        """The number that stands for `tag` in the kernel; 0 for None."""
        if tag is None:
            return 0
        self._last_tag += 1
        number = int(lib.PYURING_RELEASED | self._last_tag)
        self._tags[number] = tag
        return number

    def _tag_all(self, tags: Sequence[object] | None, count: int, what: str, numbers: list[int]) -> None:
        """Add the numbers of `tags` to `numbers`: one for each of `count` buffers or files, or none at all."""
        if tags is None:
            return
        if len(tags) != count:
            raise ValueError(f"{count} {what} need as many tags, not {len(tags)}")
        for tag in tags:
            numbers.append(self._new_tag(tag))

    def _forget_tags(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._tags.pop(number, None)
