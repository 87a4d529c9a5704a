"""A contender, and what one turn of it gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Contender", "NotInstalledError", "NotPossibleError", "Sample", "Turn", "WrongDataError"]


class NotInstalledError(Exception):
    """A contender that this machine does not have."""


class NotPossibleError(Exception):
    """What a contender cannot do by its nature, anywhere."""


class WrongDataError(Exception):
    """A contender that did not do what it was timed for. Its figures are worth nothing."""


@dataclass(frozen=True)
class Sample:
    """What was done in one turn."""

    operations: int
    seconds: float
    #: User and system time of all threads; of fio's own process for fio, of a peer's for a peer.
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds


#: Takes a turn of about so many seconds.
Turn: TypeAlias = Callable[[float], Sample]


@dataclass(frozen=True)
class Contender:
    """One way of doing what a case asks for."""

    name: str
    #: Which system calls, or which ring's operations, do the work.
    backend: str
    #: Opens what the contender needs, proves that it works, and gives its turn.
    prepare: Callable[[], AbstractContextManager[Turn]]
    #: How many operations it keeps in flight, where that was chosen for it.
    depth: int | None = None

    @property
    def family(self) -> str:
        """The name without the depth: the points of one line of a plot."""
        for word in ("depth", "batch"):
            name = self.name.replace(f", {word} {self.depth}", "")
            if name != self.name:
                return name
        return self.name
