"""What the figures depend on besides the code: the machine and the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyuring

from .coldness import method
from .filesystem import file_system
from .fio import fio_version

__all__ = ["Environment", "look_around"]

_LABELS = {"file_system": "file system", "o_direct": "O_DIRECT", "cold_cache": "cold cache", "ring": "ring setup"}


@dataclass(frozen=True)
class Environment:
    """All that is printed above the figures, in this order."""

    date: str
    kernel: str
    cpu: str
    load: str
    directory: str
    file_system: str
    o_direct: str
    cold_cache: str
    liburing: str
    pyuring: str
    commit: str
    ring: str
    python: str
    peers: str
    fio: str

    def lines(self) -> list[str]:
        return [f"{_LABELS.get(name, name):<12} {value}" for name, value in asdict(self).items()]


def look_around(directory: str, direct_refusal: str | None, peers: str) -> Environment:
    """Look at the machine, and at what lies in `directory`; `peers` is what is known of those."""
    home = file_system(directory)
    return Environment(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        kernel=f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        cpu=f"{_cpu_model()}, {len(os.sched_getaffinity(0))} usable",
        load=f"{os.getloadavg()[0]:.2f} before the run (others at work make all figures worse)",
        directory=directory,
        file_system=f"{home.kind} on {home.device}, mounted at {home.mount_point}",
        o_direct=f"no: {direct_refusal}" if direct_refusal else "yes",
        cold_cache=method(),
        liburing=pyuring.liburing_version,
        pyuring=f"{pyuring.__version__} in {Path(pyuring.__file__).parent}",
        commit=_commit(),
        ring=_ring(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        peers=peers,
        fio=fio_version(),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.machine()


def _ring() -> str:
    """What a ring is made with here, or why there is none."""
    try:
        with pyuring.Ring() as ring:
            return ring.setup.name or "plain"
    except OSError as error:
        return f"none: {error}"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _commit() -> str:
    """The commit of the checkout that this file lies in."""
    try:
        top = _git("rev-parse", "--show-toplevel")
    except OSError:
        return "unknown, without git"
    # An environment inside some other checkout has that one's commit, not this code's.
    if not top or Path(top) != Path(__file__).resolve().parent.parent:
        return "not a checkout"
    changed = " with changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return _git("rev-parse", "--short=12", "HEAD") + changed
