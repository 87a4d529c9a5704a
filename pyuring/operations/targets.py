"""Operations about other operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pyuring.completion import Handle
from pyuring.inflight import InFlight
from pyuring.preparing import NO_ARGUMENT, NO_SLOT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["POLLS", "TIMERS", "TargetOperations"]

H = TypeVar("H", bound=Handle)

#: The methods that wait for readiness, and for time.
POLLS = frozenset({"poll", "poll_multishot"})
TIMERS = frozenset({"timeout", "timeout_multishot"})


class TargetOperations(InFlight):
    """What operations about other operations have in common."""

    def _start_about(
        self,
        target: Handle,
        kinds: frozenset[str] | None,
        op: H,
        operation: str,
        user_data: object,
        flags: int,
        drain: bool,
        timeout: float | None,
        call: Callable[..., int],
        a: Any = NO_ARGUMENT,
        b: Any = NO_ARGUMENT,
        c: Any = NO_ARGUMENT,
    ) -> H:
        """As `_start`, for an operation about `target`, which is one of this ring and of these kinds.

        The slot of `target` is looked up in the very call, behind all that may hand out
        completions: once it is done, its slot may be another one's. A `target` that is done
        is not found.
        """
        if not isinstance(target, Handle) or target._ring is not self or (kinds and target.operation not in kinds):
            raise _unfit(self, target, kinds)
        try:
            tag = self._enlist(op, operation, None, user_data, flags, drain, timeout)
            while True:
                if a is NO_ARGUMENT:
                    code = call(self._c, tag, target._slot if target.res is None else NO_SLOT)
                elif b is NO_ARGUMENT:
                    code = call(self._c, tag, target._slot if target.res is None else NO_SLOT, a)
                else:
                    code = call(self._c, tag, target._slot if target.res is None else NO_SLOT, a, b, c)
                if code >= 0:
                    return op
                self._refused(code)
        except BaseException as error:
            self._withdraw(op, None, error)
            raise


def _unfit(ring: InFlight, target: object, kinds: frozenset[str] | None) -> Exception:
    """What is wrong with `target`."""
    if not isinstance(target, Handle):
        return TypeError(f"the target is an operation's handle, not {type(target).__name__}")
    if target._ring is not ring:
        return ValueError("this is an operation of another ring")
    return ValueError(f"the target is a {' or '.join(sorted(kinds or ()))}, not a {target.operation}")
