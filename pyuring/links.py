"""Chains of linked SQEs."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from pyuring._ffi import lib

if TYPE_CHECKING:
    from types import TracebackType

    from pyuring.inflight import InFlight

__all__ = ["Link"]


class Link:
    """The block of ``with ring.link():``; see `Ring.link`.

    The SQEs gather aside, and move into the SQ as one piece when the block ends. So a
    chain is never split, and one that is given up never reached the kernel.
    """

    __slots__ = ("__weakref__", "_hard", "_ring")

    _ring: InFlight
    _hard: bool

    def __init__(self, ring: InFlight, *, hard: bool) -> None:
        self._hard = hard
        self._ring = ring

    def __enter__(self) -> Link:
        ring = self._ring
        if not lib.pyuring_is_mine(ring._c):
            raise ring._not_yours()
        ring._check_no_chain()
        ring._chain = weakref.ref(self)
        try:
            code = lib.pyuring_chain_begin(ring._c)
            if code < 0:
                ring._refused(code)
        except BaseException:
            # A signal handler may have raised after the chain had begun.
            self._give_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ring = self._ring
        if not self._is_open():
            return
        if kind is not None:
            self._give_up()
            return
        link = lib.IOSQE_IO_HARDLINK if self._hard else lib.IOSQE_IO_LINK
        try:
            while (code := lib.pyuring_chain_end(ring._c, link)) < 0:
                ring._refused(code)
        except BaseException:
            self._give_up()
            raise
        ring._chain = None

    def _give_up(self) -> None:
        """Complete the operations of the chain, none of them submitted, with ECANCELED."""
        self._ring._discard(lib.pyuring_chain_discard)
        self._ring._chain = None

    def _is_open(self) -> bool:
        return self._ring._chain is not None and self._ring._chain() is self

    def __del__(self) -> None:
        # A signal handler may raise just when __exit__ is entered: the block is left, the
        # chain is not.
        ring = getattr(self, "_ring", None)
        if ring is not None and self._is_open() and lib.pyuring_is_mine(ring._c):
            self._give_up()
