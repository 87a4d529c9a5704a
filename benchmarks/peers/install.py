"""An environment for each peer. What pip says of one that does not install stays there too."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from .known import PEERS, Peer

__all__ = ["FAILED", "folder", "install"]

#: Where the reason is, beside an environment that has not what it was made for.
FAILED = "failed"
_PATIENCE = 600
_NOISE = "subprocess-exited-with-error"
_LINES = 3
_LONGEST = 600


def folder(directory: str, peer: Peer) -> Path:
    """Where the environment of `peer` is."""
    return Path(directory) / peer.package


def install(directory: str, peers: Sequence[Peer] = PEERS) -> int:
    """Make the environments that are missing in `directory`.

    Returns:
        How many peers are not to be had.
    """
    missing = 0
    for peer in peers:
        reason = _install(folder(directory, peer), peer)
        print(f"{peer.name}: {'installed' if reason is None else f'failed: {reason}'}", flush=True)
        missing += reason is not None
    return missing


def _install(place: Path, peer: Peer) -> str | None:
    """Why it failed."""
    failed = place / FAILED
    if place.is_dir() and not failed.exists():
        return None
    venv.create(place, with_pip=True, clear=True)
    # Written first: what is ended half-way is not taken for an environment.
    failed.write_text("its installation did not end\n")
    command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, *peer.options, peer.package],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            cwd=sys.prefix,
        )
    except subprocess.TimeoutExpired:
        reason = f"pip had not ended after {_PATIENCE} s"
    else:
        if done.returncode == 0:
            failed.unlink()
            return None
        reason = f"pip ended with {done.returncode}: {_gist(done.stdout)}"
    failed.write_text(reason + "\n")
    return reason


def _gist(output: str) -> str:
    """Of a long complaint, the lines that say what was wrong, in the words of compiler and pip."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line.lower() and _NOISE not in line]
    return " | ".join(list(dict.fromkeys(telling or lines))[:_LINES] or ["it said nothing"])[:_LONGEST]
