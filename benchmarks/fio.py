"""`fio`, where it is installed: the limit, for it does nothing with the data."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .contender import Contender, NotInstalledError, Sample, Turn
from .place import READS

if TYPE_CHECKING:
    from .place import Place

__all__ = ["fio_contender", "fio_system_calls", "fio_version"]

#: fio needs about as long to start: a shorter turn would be mostly that. Large blocks are
#: few in that time, and the memory for them takes page faults at first: a run-up hides these.
_SHORTEST_TURN = 0.2
_LARGE = 64 << 10
_SHORTEST_LARGE_TURN = 0.5
_RUN_UP = "100ms"
_PATIENCE = 60


def fio_version() -> str:
    program = shutil.which("fio")
    if program is None:
        return "not installed"
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def fio_contender(
    place: Place, depth: int, *, fsync: int = 0, fdatasync: int = 0, registered: bool = False
) -> Contender:
    """The same file, mode, order, block size and depth, and so the same size of memory: `depth` blocks.

    With `fsync` or `fdatasync`, one after so many writes.
    """
    extra = ["--ioengine=io_uring", f"--iodepth={depth}", f"--fsync={fsync}", f"--fdatasync={fdatasync}"]
    if depth > 1:
        # By default fio enters the kernel for every single block, and is slower for it.
        part = max(1, depth // 4)
        extra += [f"--iodepth_batch_submit={part}", "--iodepth_batch_complete_min=1"]
        extra.append(f"--iodepth_batch_complete_max={depth}")
    if registered:
        extra += ["--registerfiles=1", "--fixedbufs=1"]
    name = "fio registered" if registered else "fio"
    return _contender(place, f"{name}, depth {depth}", "fio's io_uring", extra, depth)


def fio_system_calls(place: Place, *, fdatasync: int = 0) -> Contender:
    """Its engine psync: one block at a time, whatever depth it is asked for."""
    extra = ["--ioengine=psync", f"--fdatasync={fdatasync}"]
    return _contender(place, "fio psync", "fio's psync", extra, None)


def _contender(place: Place, name: str, backend: str, extra: list[str], depth: int | None) -> Contender:
    @contextmanager
    def prepare() -> Iterator[Turn]:
        program = shutil.which("fio")
        if program is None:
            raise NotInstalledError("fio is not installed")
        command = [program, *_job(place), *extra]

        def take_turn(seconds: float) -> Sample:
            shortest = _SHORTEST_TURN if place.size < _LARGE else _SHORTEST_LARGE_TURN
            runtime = round(max(seconds, shortest) * 1000)
            return _sample(_run([*command, f"--runtime={runtime}ms"]))

        yield take_turn

    return Contender(name, backend, prepare, depth)


def _job(place: Place) -> list[str]:
    first = place.boundary or 0
    job = [
        "--name=limit",
        f"--filename={place.path}",
        f"--offset={first}",
        f"--size={place.length - first}",
        f"--rw={'' if place.sequential else 'rand'}{_direction(place)}",
        f"--bs={place.size}",
        f"--direct={int(place.direct)}",
        "--invalidate=0",  # the page cache stays as it is
        "--fallocate=none",
        "--randrepeat=0",
        "--norandommap",
        "--thread",
        "--time_based",
        "--output-format=json",
    ]
    if place.boundary is not None:
        job.append(f"--rwmixread={round(READS * 100)}")
    if place.size >= _LARGE:
        job.append(f"--ramp_time={_RUN_UP}")
    return job


def _direction(place: Place) -> str:
    if place.boundary is not None:
        return "rw"
    return "write" if place.writing else "read"


def _run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"fio ended with {done.returncode}: {reason[0] if reason else 'and said nothing'}")
    # Warnings come before the report, on the same stream.
    report: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return report


def _sample(report: dict[str, Any]) -> Sample:
    job = report["jobs"][0]
    if job["error"]:
        raise RuntimeError(f"fio failed with errno {job['error']}")
    done = [job[direction] for direction in ("read", "write") if job.get(direction, {}).get("total_ios")]
    if not done:
        raise RuntimeError("fio did nothing")
    seconds = max(each["runtime"] for each in done) / 1000
    operations = sum(each["total_ios"] for each in done)
    return Sample(operations, seconds, (job["usr_cpu"] + job["sys_cpu"]) / 100 * seconds)
