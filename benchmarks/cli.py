"""The command line: which cases to run, where, and what to do with the figures."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from . import place
from .case import MODES, Cell, Setting
from .cases import CASES
from .content import SECTOR
from .document import page_path
from .environment import Environment, look_around
from .ours import is_ours
from .peers.host import Peers
from .peers.install import install
from .place import Files, made_files
from .progress import Progress
from .race import race
from .record import RecordError
from .rendering import compare_files, render_data, render_file
from .report import LEGEND, table, target_lines
from .targets import Target, judge

if TYPE_CHECKING:
    from .result import Result

__all__ = ["main"]

_SIZES = (512, 4096, 64 << 10, 1 << 20)
_UNITS = {"k": 1 << 10, "m": 1 << 20}


@dataclass(frozen=True)
class _Pace:
    """What --quick changes."""

    sizes: tuple[int, ...]
    repetitions: int
    seconds: float
    file_mib: int
    thorough: bool
    small_files: int


_FULL = _Pace(_SIZES, repetitions=5, seconds=0.1, file_mib=128, thorough=True, small_files=20_000)
_QUICK = _Pace((4096,), repetitions=3, seconds=0.05, file_mib=48, thorough=False, small_files=2_000)


def _size(text: str) -> int:
    digits, unit = (text[:-1], _UNITS[text[-1].lower()]) if text[-1:].lower() in _UNITS else (text, 1)
    size = int(digits) * unit if digits.isascii() and digits.isdigit() else 0
    if not 0 < size <= _SIZES[-1] or size % SECTOR:
        raise argparse.ArgumentTypeError(f"{text!r} is no multiple of {SECTOR} up to 1m, such as 4096 or 64k")
    return size


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 3600")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description="Measure pyuring against its alternatives."
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="4 KiB blocks only, short turns and no sweeps: about two minutes")
    add("--case", action="append", choices=CASES, help="only this case; may be repeated")
    add("--size", action="append", type=_size, help="only this block size (512, 4096, 64k, 1m); may be repeated")
    add("--mode", action="append", choices=MODES, help="only through the page cache, or only O_DIRECT")
    add("--dir", default=".", help="where to make the test files, in a folder of their own (here)")
    add("--json", metavar="FILE", help="write everything, with the raw samples, to FILE")
    add("--peers", metavar="DIR", help="where --install-peers has put other packages for io_uring (this environment)")
    add("--install-peers", metavar="DIR", help="make an environment in DIR for each of them, and measure nothing")
    add("--repetitions", type=_count, help="turns of each contender")
    add("--seconds", type=_positive, help="length of a turn")
    add("--small-files", type=_count, metavar="N", help="how many of them there are in the case small-files")
    add(
        "--file-size",
        type=_count,
        metavar="MIB",
        help="size of the file that is read; that of the one written is half of it",
    )
    add("--report", metavar="DIR", help="write a page with plots, index.html, to DIR")
    add("--from", metavar="FILE", dest="source", help="with --report: measure nothing, show what --json wrote to FILE")
    add("--compare", metavar=("OLD", "NEW"), nargs=2, help="measure nothing, compare two files that --json wrote")
    return parser


@dataclass
class _Plan:
    """What the command line asks for."""

    cells: list[Cell]
    refusals: list[str]
    repetitions: int
    seconds: float
    small_files: int


def _cells(arguments: argparse.Namespace, pace: _Pace, files: Files) -> _Plan:
    """The combinations to measure, without those that the file system refuses."""
    asked = tuple(dict.fromkeys(arguments.size or ()))
    modes = [mode for mode in MODES if mode in (arguments.mode or MODES)]
    cells = [
        cell
        for name, case in CASES.items()
        if name in (arguments.case or CASES)
        for cell in case.cells(modes, asked, pace.sizes, thorough=pace.thorough)
    ]
    sizes = dict.fromkeys(cell.size for cell in cells if cell.mode == "direct")
    refusals = {size: place.direct_refusal(files.source, size) for size in sizes}
    cells = [cell for cell in cells if cell.mode != "direct" or not refusals[cell.size]]
    reasons = list(dict.fromkeys(reason for reason in refusals.values() if reason))
    return _Plan(
        cells,
        reasons,
        arguments.repetitions or pace.repetitions,
        arguments.seconds or pace.seconds,
        arguments.small_files or pace.small_files,
    )


def _run(plan: _Plan, setting: Setting) -> list[Result]:
    progress = Progress(sys.stderr, len(plan.cells))
    results: list[Result] = []
    for number, cell in enumerate(plan.cells):
        case = CASES[cell.case]

        def show(fraction: float, name: str, number: int = number, cell: Cell = cell) -> None:
            progress.show(number, fraction, f"{cell.title}: {name}")

        show(0, "opening the file")
        found = race(
            cell, case.lineup(cell, setting), repetitions=plan.repetitions, seconds=plan.seconds, progress=show
        )
        progress.clear()
        print(table(case.question, found), flush=True)
        results += found
    return results


def _as_json(
    environment: Environment, plan: _Plan, results: Sequence[Result], targets: Sequence[Target]
) -> dict[str, Any]:
    first: dict[Cell, Result] = {}
    for result in results:
        first.setdefault(result.cell, result)
    return {
        "environment": asdict(environment),
        "settings": {
            "repetitions": plan.repetitions,
            "seconds": plan.seconds,
            "small_files": plan.small_files,
            "refusals": plan.refusals,
        },
        "results": [result.as_json(first[result.cell]) for result in results],
        "targets": [asdict(target) for target in targets],
        "questions": {cell.case: CASES[cell.case].question for cell in plan.cells},
    }


@contextmanager
def _terminable() -> Iterator[None]:
    """Have a terminated run remove its files, as an interrupted one does."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks. Returns 1 if a contender gave wrong data, or pyuring failed or became slower."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.source and (arguments.compare or not arguments.report):
        parser.error("--from goes with --report, and not with --compare")
    pace = _QUICK if arguments.quick else _FULL
    try:
        if arguments.compare:
            return compare_files(*arguments.compare, directory=arguments.report)
        if arguments.source:
            return render_file(arguments.source, arguments.report)
        with _terminable():
            if arguments.install_peers:
                return 1 if install(os.path.abspath(arguments.install_peers)) else 0
            return _measure(arguments, pace)
    except (OSError, RecordError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def _measure(arguments: argparse.Namespace, pace: _Pace) -> int:
    directory = os.path.abspath(arguments.dir)
    # Opened first: a run of minutes is not to end with a file that cannot be written.
    page = page_path(arguments.report) if arguments.report else None
    with open(arguments.json or os.devnull, "w") as report:
        size = (arguments.file_size or pace.file_mib) << 20
        with made_files(directory, size, max(size // 2, 1 << 20)) as files:
            plan = _cells(arguments, pace, files)
            peers = Peers(arguments.peers and os.path.abspath(arguments.peers))
            environment = look_around(directory, "; ".join(plan.refusals) or None, peers.versions())
            print("\n".join(environment.lines()), flush=True)
            for reason in plan.refusals:
                print(f"\nWithout O_DIRECT: {reason}. These cases are left out.")
            if not plan.cells:
                print("Nothing is left to measure.")
                return 1
            results = _run(plan, Setting(files, peers, pace.thorough, plan.small_files))
        targets = judge(results)
        print(f"\n{LEGEND}\n{target_lines(targets)}")
        data = _as_json(environment, plan, results, targets)
        if arguments.json:
            json.dump(data, report, indent=1)
            report.write("\n")
    if page:
        render_data(data, page)
    return 1 if any(_is_broken(result) for result in results) else 0


def _is_broken(result: Result) -> bool:
    failure = result.failure
    return failure is not None and (failure.kind == "wrong data" or (failure.is_alarming and is_ours(result.contender)))
