"""Who competes in reading and in writing blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fio import fio_contender
from .peers.host import place_job
from .peers.known import BEST
from .plain import buffered_read, position_read, position_write, pread, preadv, pwrite
from .rings import bytes_handles, handles, one_at_a_time, window
from .threads import TASK_THREADS, loop_threads, shares, tasks
from .transfer import transfer_contender

if TYPE_CHECKING:
    from .case import Setting
    from .contender import Contender
    from .place import Place

__all__ = ["DEEPEST", "readers", "writers"]

DEEPEST = 128
_DEPTHS = (32, DEEPEST)


def readers(place: Place, setting: Setting) -> list[Contender]:
    found = [
        transfer_contender(place, "os.preadv", "preadv(2)", preadv),
        transfer_contender(place, "os.pread", "pread(2)", pread),
        transfer_contender(place, "open().read", "BufferedReader, read(2)", buffered_read),
    ]
    if place.sequential:
        found.insert(1, transfer_contender(place, "os.read", "read(2)", position_read))
    found += _pools(place, "preadv(2)")
    found.append(transfer_contender(place, "pyuring, read().result()", "io_uring READ", bytes_handles))
    found.append(transfer_contender(place, "pyuring, readinto().result()", "io_uring READ", handles))
    return found + _rings(place, setting, "READ")


def writers(place: Place, setting: Setting) -> list[Contender]:
    found = [transfer_contender(place, "os.pwrite", "pwrite(2)", pwrite)]
    if place.sequential:
        found.append(transfer_contender(place, "os.write", "write(2)", position_write))
    found += _pools(place, "pwrite(2)")
    found.append(transfer_contender(place, "pyuring, write().result()", "io_uring WRITE", handles))
    return found + _rings(place, setting, "WRITE")


def _pools(place: Place, call: str) -> list[Contender]:
    loops = loop_threads(place)
    return [
        transfer_contender(place, "thread pool, a task a block", f"{TASK_THREADS} threads, {call}", tasks),
        transfer_contender(place, f"thread pool, {loops} loops", f"{loops} threads, {call}", shares),
    ]


def _rings(place: Place, setting: Setting, operation: str) -> list[Contender]:
    backend = f"io_uring {operation}"
    fixed = f"{backend}_FIXED, fixed file"
    registered = "pyuring registered, depth"
    found = [transfer_contender(place, "pyuring, depth 1", backend, one_at_a_time(), 1)]
    found += [transfer_contender(place, f"pyuring, depth {depth}", backend, window(depth), depth) for depth in _DEPTHS]
    found += [
        transfer_contender(place, f"{registered} 1", fixed, one_at_a_time(registered=True), 1),
        transfer_contender(place, f"{registered} {DEEPEST}", fixed, window(DEEPEST, registered=True), DEEPEST),
        setting.peers.contender(
            BEST, "transfer", f"{BEST.name}, depth {DEEPEST}", backend, depth=DEEPEST, **place_job(place)
        ),
        fio_contender(place, DEEPEST),
    ]
    return found
