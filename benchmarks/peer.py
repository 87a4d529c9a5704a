"""The strongest other Python ring, `uring-api` from the package index, where it is installed.

Optional, and imported at this one place only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from .contender import NotInstalledError
from .transfer import Transfer, expect

if TYPE_CHECKING:
    from .place import Place

__all__ = ["PEER", "load_peer", "peer_ring", "peer_version", "peer_window"]

PEER = "uring-api"
_NO_MORE = -1


def load_peer() -> Any:
    """The module.

    Raises:
        NotInstalledError: it is not installed.
    """
    if importlib.util.find_spec("uring_api") is None:
        raise NotInstalledError(f"{PEER} is not installed (pip install {PEER})")
    return importlib.import_module("uring_api")


def peer_version() -> str:
    try:
        return importlib.metadata.version(PEER)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@contextmanager
def peer_ring(entries: int) -> Iterator[Any]:
    """A ring with the flags that serve it best, as pyuring picks them by itself."""
    module = load_peer()
    with module.Ring(entries, module.IORING_SETUP_SINGLE_ISSUER | module.IORING_SETUP_DEFER_TASKRUN) as ring:
        yield ring


def peer_window(depth: int) -> Callable[[Place], AbstractContextManager[Transfer]]:
    """Keep `depth` operations in flight, as `rings.window` does."""

    @contextmanager
    def open_window(place: Place) -> Iterator[Transfer]:
        size = place.size
        blocks = place.blocks[:depth]
        with place.opened() as fd, peer_ring(depth) as ring:
            move = ring.prepare_write if place.writing else ring.prepare_read

            def run(offsets: Sequence[int]) -> None:
                for block, offset in zip(blocks, offsets, strict=False):
                    move(fd, block, offset, block)
                todo = chain(offsets[depth:], repeat(_NO_MORE))
                missing = len(offsets)
                while missing:
                    completions = ring.wait()
                    missing -= len(completions)
                    for done, offset in zip(completions, todo, strict=False):
                        if done.res != size:
                            expect(done.res, size)
                        if offset != _NO_MORE:
                            block = done.user_data
                            move(fd, block, offset, block)

            yield Transfer(run, [*blocks], lambda: int(ring.stats()["cqe"]))

    return open_window
