"""A workload that can be checked afterwards, whatever happened in the middle of it."""

from __future__ import annotations

import os
from typing import Any

from lifetime.limits import no_longer_than

import pyuring
from pyuring import Completion


class Workload:
    """Writes byte number i of a file in operation number i, and keeps the books on it.

    Another operation, which never ends by itself, is in flight all the time: without it,
    a wait for something that has come already would not be seen to hang.
    """

    LENGTH = 64

    def __init__(self, ring: pyuring.Ring, file: int, idle: int | None) -> None:
        self.ring = ring
        self.file = file
        os.pwrite(file, bytes(self.LENGTH), 0)
        self.prepared: list[Completion[Any]] = []
        self.delivered: list[list[Completion[Any]]] = []
        #: Operations that result() was called on: it may have taken them.
        self.asked: list[Completion[Any]] = []
        self.background = None if idle is None else ring.poll(idle, user_data="background")

    def write(self, number: int, **options: Any) -> Completion[int]:
        op = self.ring.write(self.file, b"x", offset=number, user_data=number, **options)
        self.prepared.append(op)
        return op

    def result(self, op: Completion[Any]) -> Any:
        self.asked.append(op)
        return op.result()

    def finish(self, place: str) -> None:
        """Reap what is left, as the program that goes on would."""
        idle = 0 if self.background is None else 1
        with no_longer_than(5, f"(after {place})"):
            for op in self.asked:
                op.result()  # whether the first time was interrupted or not
            while self.ring.in_flight > idle or not all(op.done for op in self.prepared):
                self.delivered.append(self.ring.wait(1))
            self.delivered.append(self.ring.completions())

    def check(self, place: str) -> None:
        """Everything that was queued was done, and came out once; nothing else did."""
        self.finish(place)
        delivered = [op for batch in self.delivered for op in batch]
        numbers = [op.user_data for op in delivered]
        assert len(set(numbers)) == len(numbers), f"delivered twice after {place}: {numbers}"
        asked = {id(op) for op in self.asked}
        for op in self.prepared:
            assert op.done
            assert op.user_data in numbers or id(op) in asked, f"lost after {place}: {op}"
        taken = {op.user_data for op in self.asked} - set(numbers)
        assert self.ring.stats()["completed"] == len(numbers) + len(taken), place
        written = {i for i, byte in enumerate(os.pread(self.file, self.LENGTH, 0)) if byte}
        done = {op.user_data for op in delivered + self.asked if op.res == 1}
        assert written == done, f"done and told of differ after {place}"
        self.check_room(place)

    def check_room(self, place: str) -> None:
        """Nothing is missing in the table: as much fits in flight as ever."""
        ring, before = self.ring, self.ring.in_flight
        free = ring.cq_entries - before
        with no_longer_than(5, f"(after {place})"):
            for _ in range(free):
                ring.nop()
            assert ring.in_flight == ring.cq_entries, f"{ring.cq_entries - ring.in_flight} slots lost after {place}"
            assert len(ring.wait(free)) == free, place
