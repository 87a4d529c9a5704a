"""Which packages compete."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BEST", "OTHER", "PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A package from the index."""

    #: As it is called in the report.
    name: str
    #: What pip calls it; its version is that of the environment.
    package: str
    #: The module in this folder that knows how to use it.
    module: str
    #: What pip needs to be told besides.
    options: tuple[str, ...] = ()


#: The strongest other ring, which has been in all cases for long.
BEST = Peer("uring-api", "uring-api", "with_uring_api", ("--pre",))

#: Its import name is ours: one more reason for an environment of its own.
OTHER = Peer("kangtegong's pyuring", "pyuring", "with_other_pyuring")

PEERS = (
    BEST,
    Peer("liburing (YoSTEALTH)", "liburing", "with_liburing"),
    Peer("pyaio", "pyaio", "with_pyaio", ("--pre",)),
    Peer("caio", "caio", "with_caio"),
    OTHER,
)
