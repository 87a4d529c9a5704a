"""The speed that one call for many reads, writes or files is to reach."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from .case import Cell
from .lineups import DEEPEST
from .peers.known import PEERS
from .ranges import NAME as RANGES
from .ranges import ONE, TAKE, at_depth
from .small_files import BARE, OPEN, POOLS, READ_FILES, TASKS
from .small_files import NAME as SMALL
from .verdict import Found, Target, at_least, at_most
from .write_batch import ALONE, BATCH, EACH, TOGETHER, WRITERS
from .write_batch import NAME as WRITES

if TYPE_CHECKING:
    from .result import Result

__all__ = ["judge"]

_BLOCK = 4096
_SMALL_BLOCK = 512
_DIRECT = Cell(RANGES, "direct", _BLOCK)
_CALL = at_depth("read_ranges", DEEPEST)
#: In the same amount of memory as fio.
_LIKE_FIO = at_depth("read_ranges, fio's memory", DEEPEST)
_FIXED = at_depth("read_ranges registered, fio's memory", DEEPEST)
_FIO = at_depth("fio", DEEPEST)
_FIXED_FIO = at_depth("fio registered", DEEPEST)

_SHARE_OF_FIO = 0.97
_DIRECT_GAIN = 6.5
_CPU_OF_FIO = 1.1
_CACHED_GAINS = {_BLOCK: 1.25, _SMALL_BLOCK: 1.5}
_COLD_GAIN = 5.0
_COLD_POOL_GAIN = 4.0
_WARM_SHARE = 0.9
_WARM_GAIN = 1.25
_DURABLE_GAIN = 4.0
_ONE_RANGE = 3.0


def judge(found: Found) -> list[Target]:
    """All of them; what a run has not measured is said to be so."""
    return [
        _share_of_fio(found),
        _direct_gain(found),
        _cpu_of_fio(found),
        _cpu_of_peers(found),
        *(_cached_gain(found, size, gain) for size, gain in _CACHED_GAINS.items()),
        *_cold(found),
        *_warm(found),
        _durable(found),
        _one_range(found),
    ]


def _times(text: str, value: float | None) -> str:
    return "" if value is None else f"{text} {value:.2f}x"


def _listed(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _cpu_ratio(mine: Result, its: Result) -> float:
    """CPU time per operation, compared within each repetition."""
    return median(
        (one.cpu_seconds / one.operations) / (other.cpu_seconds / other.operations)
        for one, other in zip(mine.samples, its.samples, strict=True)
    )


def _share_of_fio(found: Found) -> Target:
    remark = _times("both with registered buffers and file:", found.ratio(_DIRECT, _FIXED, _FIXED_FIO))
    name = f"read_ranges, O_DIRECT 4 KiB, depth {DEEPEST}, rate to fio with as much memory"
    return at_least(name, _SHARE_OF_FIO, found.ratio(_DIRECT, _LIKE_FIO, _FIO), remark)


def _direct_gain(found: Found) -> Target:
    limit = found.ratio(_DIRECT, _FIO, "os.preadv")
    remark = _times("fio at the same depth:", limit)
    if limit is not None and limit < _DIRECT_GAIN:
        remark += ", the limit of this disk"
    name = f"read_ranges, O_DIRECT 4 KiB, depth {DEEPEST}, rate to os.preadv"
    return at_least(name, _DIRECT_GAIN, found.ratio(_DIRECT, _CALL, "os.preadv"), remark)


def _cpu_of_fio(found: Found) -> Target:
    name = f"read_ranges, O_DIRECT 4 KiB, depth {DEEPEST}, CPU per read to fio's"
    pair, fixed = found.pair(_DIRECT, _LIKE_FIO, _FIO), found.pair(_DIRECT, _FIXED, _FIXED_FIO)
    remark = "" if fixed is None else _times("both registered:", _cpu_ratio(*fixed))
    return at_most(name, _CPU_OF_FIO, None if pair is None else _cpu_ratio(*pair), remark)


def _cpu_of_peers(found: Found) -> Target:
    name = f"read_ranges, O_DIRECT 4 KiB, depth {DEEPEST}, CPU per read to every peer's"
    mine = found.get(_DIRECT, _LIKE_FIO)
    peers = [peer for each in PEERS if (peer := found.get(_DIRECT, at_depth(each.name, DEEPEST)))]
    if mine is None or not peers:
        return Target(name, "below 1x")
    best = min(peers, key=lambda peer: peer.cpu_microseconds)
    times = _cpu_ratio(mine, best)
    return Target(name, "below 1x", f"{times:.2f}x", times < 1, f"the best is {best.contender}")


def _cached_gain(found: Found, size: int, gain: float) -> Target:
    cell = Cell(RANGES, "cached", size)
    name = f"read_ranges, page cache, {size} B, depth {DEEPEST}, rate to os.preadv"
    remark = _times("to numpy.take of the mapped file:", found.ratio(cell, _CALL, TAKE))
    return at_least(name, gain, found.ratio(cell, _CALL, "os.preadv"), remark)


def _cold(found: Found) -> list[Target]:
    cell = Cell(SMALL, "cached", temperature="cold")
    pools = [times for pool in POOLS if (times := found.ratio(cell, READ_FILES, pool)) is not None]
    usual = _times(f"to {TASKS}:", found.ratio(cell, READ_FILES, TASKS))
    return [
        at_least("read_files, cold, rate to open().read()", _COLD_GAIN, found.ratio(cell, READ_FILES, OPEN)),
        at_least("read_files, cold, rate to the best thread pool", _COLD_POOL_GAIN, min(pools, default=None), usual),
    ]


def _warm(found: Found) -> list[Target]:
    cell = Cell(SMALL, "cached", temperature="warm")
    return [
        at_least(f"read_files, warm, rate to {BARE}", _WARM_SHARE, found.ratio(cell, READ_FILES, BARE)),
        at_least("read_files, warm, rate to open().read()", _WARM_GAIN, found.ratio(cell, READ_FILES, OPEN)),
    ]


def _durable(found: Found) -> Target:
    cell = Cell(WRITES, "cached", _BLOCK)
    name = f"write_ranges, 4 KiB, one sync for {BATCH} records, rate to os.pwrite and os.fdatasync for each"
    others = [
        _times(f"{other}:", found.ratio(cell, other, EACH))
        for other in (ALONE, WRITERS, at_depth("pyuring linked", DEEPEST))
    ]
    return at_least(name, _DURABLE_GAIN, found.ratio(cell, TOGETHER, EACH), _listed(*others))


def _one_range(found: Found) -> Target:
    cell = Cell(ONE, "cached", _BLOCK)
    remark = _times("with out=, to os.preadv:", found.ratio(cell, "os.preadv", "read_ranges, out="))
    name = "read_ranges, one cached range, time to that of os.pread"
    return at_most(name, _ONE_RANGE, found.ratio(cell, "os.pread", "read_ranges"), remark)
