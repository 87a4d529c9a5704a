"""Something happens between two steps of pyuring: at each of them in turn, deterministically.

CPython runs signal handlers, and switches threads, when it enters a Python function, after
it has called a C function, and when a loop jumps back. `Step` makes something happen at one
such place in pyuring's own code; `each_step` goes through them all. The kernel is real, and
so is everything else: what is simulated is only the moment.
"""

from __future__ import annotations

import dis
import gc
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import pyuring

PACKAGE = os.path.dirname(pyuring.__file__)
CALLS = {number for name, number in dis.opmap.items() if name.startswith("CALL")}


class Interrupted(Exception):  # noqa: N818  it is no error
    """What the simulated signal handler raises; nothing else does."""


def interrupt() -> None:
    """The handler that raises."""
    raise Interrupted


class Step:
    """In its block, `action` is called at step number `number` of pyuring's code, once.

    The block swallows `Interrupted`: what comes after it is the program that goes on.
    """

    def __init__(self, number: int, action: Callable[[], object]) -> None:
        self.number = number
        self.action = action
        self.reached = False
        #: Where it happened, for the message of a test that fails.
        self.place = "nowhere"
        self._count = 0
        self._calls = 0
        self._last: dict[FrameType, tuple[int, int]] = {}

    def __enter__(self) -> Step:
        gc.disable()  # else garbage of other tests, collected here, has steps too
        sys.settrace(self._global)
        sys.setprofile(self._profile)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        sys.setprofile(None)
        sys.settrace(None)
        gc.enable()
        self._last.clear()
        if error is not None and kind is not Interrupted:
            error.add_note(f"after a step at {self.place}")
        return kind is Interrupted

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        self._calls += event in ("call", "c_call")
        if event in ("call", "c_return") and is_ours(frame):
            self._step(frame, event)

    def _global(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not is_ours(frame):
            return None
        frame.f_trace_opcodes = True
        return self._local

    def _local(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            last, calls = self._last.get(frame, (-1, 0))
            self._last[frame] = (frame.f_lasti, self._calls)
            if frame.f_lasti < last:
                self._step(frame, "loop")
            elif last >= 0 and frame.f_code.co_code[last] in CALLS and calls == self._calls:
                self._step(frame, "class")  # calling one written in C goes unprofiled
        return self._local

    def _step(self, frame: FrameType, event: str) -> None:
        if self.reached:
            return
        if self._count < self.number:
            self._count += 1
            return
        self.reached = True
        code = frame.f_code
        self.place = f"{os.path.basename(code.co_filename)}:{frame.f_lineno} {code.co_name} ({event})"
        self.action()


def is_ours(frame: FrameType) -> bool:
    """Whether `frame` runs code of pyuring."""
    return frame.f_code.co_filename.startswith(PACKAGE)


def each_step(action: Callable[[], object], *, at_least: int) -> Iterator[Step]:
    """A `Step` for each step there is: the caller does the same thing once for each.

    `at_least` guards against a test that goes through no steps at all.
    """
    number = 0
    while True:
        step = Step(number, action)
        yield step
        if not step.reached:
            break
        number += 1
    assert number >= at_least, f"only {number} steps: the tracing does not see pyuring's code"
