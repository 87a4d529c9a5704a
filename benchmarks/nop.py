"""What does a round trip through the ring cost, when the operation itself does nothing?

The floor is the same loop in C, compiled in the extension.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from pyuring import Ring, SetupFlags, lib

from .case import Case, Cell, Lineup, Setting
from .contender import Contender, Sample, Turn, WrongDataError
from .peers.known import BEST
from .rings import completed_by
from .rounds import Loop, loop_contender
from .transfer import cpu_seconds, expect

__all__ = ["CASE", "C_LOOP", "LARGEST_BATCH", "pyuring_name"]

LARGEST_BATCH = 128
C_LOOP = f"C loop, batch {LARGEST_BATCH}"

#: What a ring is asked to be, without what it reports about itself.
_CHOSEN = (
    SetupFlags.SUBMIT_ALL
    | SetupFlags.SINGLE_ISSUER
    | SetupFlags.DEFER_TASKRUN
    | SetupFlags.TASKRUN_FLAG
    | SetupFlags.COOP_TASKRUN
)
_TRIAL_ROUNDS = 200


def pyuring_name(batch: int) -> str:
    return f"pyuring, batch {batch}"


def _c_loop(batch: int) -> Callable[[], AbstractContextManager[Turn]]:
    @contextmanager
    def prepare() -> Iterator[Turn]:
        with Ring(batch) as ring:
            flags = int(ring.setup & _CHOSEN)

        def loop(rounds: int) -> Sample:
            cpu = cpu_seconds()
            elapsed_ns = lib.pyuring_bench_nop(flags, batch, rounds)
            if elapsed_ns < 0:
                raise OSError(-elapsed_ns, os.strerror(-elapsed_ns))
            return Sample(batch * rounds, elapsed_ns / 1e9, cpu_seconds() - cpu)

        rate = loop(_TRIAL_ROUNDS).rate
        yield lambda seconds: loop(max(int(rate * seconds / batch), 1))

    return prepare


def _prove(done: int, asked: int) -> None:
    if done != asked:
        raise WrongDataError(f"{asked} nops timed, {done} done by the ring")


def _batches(batch: int) -> Callable[[], AbstractContextManager[Loop]]:
    @contextmanager
    def open_loop() -> Iterator[Loop]:
        with Ring(batch) as ring:
            completed = completed_by(ring)

            def loop(rounds: int) -> None:
                before = completed()
                for _ in range(rounds):
                    for _ in range(batch):
                        ring.nop()
                    for done in ring.wait(batch):
                        if done.res != 0:
                            expect(done.res or -1, 0)
                _prove(completed() - before, rounds * batch)

            yield loop

    return open_loop


@contextmanager
def _handles() -> Iterator[Loop]:
    with Ring() as ring:
        completed = completed_by(ring)

        def loop(rounds: int) -> None:
            before = completed()
            for _ in range(rounds):
                if (res := ring.nop().result()) != 0:
                    expect(res, 0)
            _prove(completed() - before, rounds)

        yield loop


def _lineup(cell: Cell, setting: Setting) -> Lineup:
    backend = "io_uring NOP"
    contenders = [
        Contender(C_LOOP, f"{backend}, liburing in C", _c_loop(LARGEST_BATCH), LARGEST_BATCH),
        Contender("C loop, batch 1", f"{backend}, liburing in C", _c_loop(1), 1),
        loop_contender("pyuring, nop().result()", backend, _handles, 1),
    ]
    contenders += [
        loop_contender(pyuring_name(batch), backend, _batches(batch), batch, batch) for batch in (1, 32, 128)
    ]
    # It has no nop; closing what is not open is as little work for the kernel.
    name = f"{BEST.name}, batch {LARGEST_BATCH}"
    contenders.append(setting.peers.contender(BEST, "nops", name, "io_uring CLOSE, EBADF", depth=LARGEST_BATCH))
    return Lineup(contenders)


CASE = Case(
    "nop",
    "What does a round trip through the ring cost, when the operation itself does nothing?",
    _lineup,
    uses_files=False,
)
