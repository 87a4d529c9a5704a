"""The speed that pyuring is to reach, computed from what a run has measured."""

from __future__ import annotations

from collections.abc import Sequence

from . import batch_targets, preparation, prepared
from .case import Cell
from .lineups import DEEPEST
from .nop import C_LOOP, LARGEST_BATCH, pyuring_name
from .peers.known import BEST
from .result import Result, extra_microseconds
from .verdict import Found, Target

__all__ = ["Target", "judge"]

_BLOCK = 4096
_DIRECT = Cell("random-read", "direct", _BLOCK)
_CACHED = Cell("random-read", "cached", _BLOCK)
_DEEP = f"pyuring, depth {DEEPEST}"

_NOP_RATIO = 7.0
_PREPARATION = 2.0
_DIRECT_GAIN = 7.0
_SHARE_OF_FIO = 0.95
_PEER_CPU = 2.9
_CACHED_SHARE = 0.7
_EXTRA_MICROSECONDS = 2.5


def judge(results: Sequence[Result]) -> list[Target]:
    """All targets; what a run has not measured, or could not, is said to be so."""
    found = Found(results)
    return [
        _nop(found),
        _preparation(found),
        _direct_gain(found),
        _share_of_fio(found),
        _cpu(found),
        _cached_share(found),
        _extra_time(found),
        *batch_targets.judge(found),
    ]


def _nop(found: Found) -> Target:
    name, goal = f"tracked nop, batch {LARGEST_BATCH}, time to that of the C loop", f"at most {_NOP_RATIO:g}x"
    slower = found.ratio(Cell("nop"), C_LOOP, pyuring_name(LARGEST_BATCH))
    return Target(name, goal) if slower is None else Target(name, goal, f"{slower:.2f}x", slower <= _NOP_RATIO)


def _preparation(found: Found) -> Target:
    name, goal = "dearest preparation, without those of arrays, to that of a nop", f"at most {_PREPARATION:g}x"
    cell = Cell(preparation.NAME)
    names = prepared.OPERATIONS.keys() - prepared.WITH_ARRAYS - {prepared.PLAIN}
    slower = {each: found.ratio(cell, prepared.PLAIN, each) for each in names}
    known = {each: times for each, times in slower.items() if times is not None}
    if not known:
        return Target(name, goal)
    worst = max(known, key=lambda each: known[each])
    over = sorted(each for each, times in known.items() if times > _PREPARATION)
    remark = f"over it: {', '.join(over)}" if over else f"it is {worst}"
    return Target(name, goal, f"{known[worst]:.2f}x", known[worst] <= _PREPARATION, remark)


def _direct_gain(found: Found) -> Target:
    name, goal = f"O_DIRECT 4 KiB random reads, depth {DEEPEST}, rate to os.preadv", f"at least {_DIRECT_GAIN:g}x"
    gain = found.ratio(_DIRECT, _DEEP, "os.preadv")
    if gain is None:
        return Target(name, goal)
    limit = found.ratio(_DIRECT, f"fio, depth {DEEPEST}", "os.preadv")
    remark = "" if limit is None else f"fio at the same depth: {limit:.2f}x"
    if limit is not None and limit < _DIRECT_GAIN:
        remark += ", the limit of this disk"
    return Target(name, goal, f"{gain:.2f}x", gain >= _DIRECT_GAIN, remark)


def _share_of_fio(found: Found) -> Target:
    name, goal = f"O_DIRECT 4 KiB random reads, depth {DEEPEST}, rate to fio", f"at least {_SHARE_OF_FIO:g}x"
    share = found.ratio(_DIRECT, _DEEP, f"fio, depth {DEEPEST}")
    return Target(name, goal) if share is None else Target(name, goal, f"{share:.2f}x", share >= _SHARE_OF_FIO)


def _cpu(found: Found) -> Target:
    name = f"O_DIRECT 4 KiB random reads, depth {DEEPEST}, CPU per operation"
    mine = found.get(_DIRECT, _DEEP)
    peer = found.get(_DIRECT, f"{BEST.name}, depth {DEEPEST}")
    limit = peer.cpu_microseconds if peer else _PEER_CPU
    goal = f"at most {BEST.name}'s {limit:.2f} us" + ("" if peer else ", measured elsewhere")
    if mine is None:
        return Target(name, goal)
    registered = found.get(_DIRECT, f"pyuring registered, depth {DEEPEST}")
    remark = f"with registered buffers and file: {registered.cpu_microseconds:.2f} us" if registered else ""
    return Target(name, goal, f"{mine.cpu_microseconds:.2f} us", mine.cpu_microseconds <= limit, remark)


def _cached_share(found: Found) -> Target:
    name = f"cached 4 KiB readinto, registered, batch {DEEPEST}, rate to os.preadv"
    goal = f"at least {_CACHED_SHARE:g}x"
    share = found.ratio(_CACHED, f"pyuring registered, depth {DEEPEST}", "os.preadv")
    return Target(name, goal) if share is None else Target(name, goal, f"{share:.2f}x", share >= _CACHED_SHARE)


def _extra_time(found: Found) -> Target:
    name, goal = "cached 4 KiB readinto, depth 1, over os.preadv", f"at most {_EXTRA_MICROSECONDS:g} us more"
    pair = found.pair(_CACHED, "pyuring, depth 1", "os.preadv")
    if pair is None:
        return Target(name, goal)
    extra = extra_microseconds(*pair)
    return Target(name, goal, f"{extra:.2f} us", extra <= _EXTRA_MICROSECONDS)
