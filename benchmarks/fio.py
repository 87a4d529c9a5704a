"""`fio`, where it is installed: the limit, for it does nothing with the data."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .contender import Contender, NotInstalledError, Sample, Turn

if TYPE_CHECKING:
    from .place import Place

__all__ = ["fio_contender", "fio_version"]

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


def fio_contender(place: Place, depth: int, *, fsync: bool = False) -> Contender:
    """The same file, mode, order, block size and depth."""

    @contextmanager
    def prepare() -> Iterator[Turn]:
        program = shutil.which("fio")
        if program is None:
            raise NotInstalledError("fio is not installed")
        command = [program, *_job(place, depth, fsync=fsync)]

        def take_turn(seconds: float) -> Sample:
            shortest = _SHORTEST_TURN if place.size < _LARGE else _SHORTEST_LARGE_TURN
            runtime = round(max(seconds, shortest) * 1000)
            return _sample(_run([*command, f"--runtime={runtime}ms"]), writing=place.writing)

        yield take_turn

    backend = "fio, its engine io_uring"
    return Contender(f"fio, depth {depth}", backend, prepare)


def _job(place: Place, depth: int, *, fsync: bool) -> list[str]:
    job = [
        "--name=limit",
        f"--filename={place.path}",
        f"--size={place.length}",
        f"--rw={'' if place.sequential else 'rand'}{'write' if place.writing else 'read'}",
        f"--bs={place.size}",
        f"--direct={int(place.direct)}",
        "--ioengine=io_uring",
        f"--iodepth={depth}",
        "--invalidate=0",  # the page cache stays as it is
        "--fallocate=none",
        "--randrepeat=0",
        "--norandommap",
        "--thread",
        "--time_based",
        "--output-format=json",
    ]
    if place.size >= _LARGE:
        job.append(f"--ramp_time={_RUN_UP}")
    if fsync:
        job.append("--fsync=1")
    if depth > 1:
        # By default fio enters the kernel for every single block, and is slower for it.
        part = max(1, depth // 4)
        job += [f"--iodepth_batch_submit={part}", "--iodepth_batch_complete_min=1"]
        job.append(f"--iodepth_batch_complete_max={depth}")
    return job


def _run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"fio ended with {done.returncode}: {reason[0] if reason else 'and said nothing'}")
    # Warnings come before the report, on the same stream.
    report: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return report


def _sample(report: dict[str, Any], *, writing: bool) -> Sample:
    job = report["jobs"][0]
    if job["error"]:
        raise RuntimeError(f"fio failed with errno {job['error']}")
    done = job["write" if writing else "read"]
    seconds = done["runtime"] / 1000
    return Sample(done["total_ios"], seconds, (job["usr_cpu"] + job["sys_cpu"]) / 100 * seconds)
