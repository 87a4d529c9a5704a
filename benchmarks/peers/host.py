"""Peers as contenders: a process for each, asked for turns line by line.

Nothing that happens to a peer happens to the benchmark: one that crashes, hangs or talks
nonsense is that contender's result.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..contender import Contender, NotInstalledError, NotPossibleError, Sample, Turn, WrongDataError
from .install import FAILED, folder
from .known import PEERS, Peer

if TYPE_CHECKING:
    from ..place import Place

__all__ = ["PeerFailedError", "Peers", "peer_turns", "place_job"]

_WORKER = str(Path(__file__).with_name("worker.py"))
#: Seconds that a peer may take for its answer, besides those that it was asked to work.
_PATIENCE = 60.0
_FAREWELL = 2.0
_CHUNK = 1 << 16
_TAIL = 400

_ERRORS: dict[str, type[Exception]] = {
    "not installed": NotInstalledError,
    "not possible": NotPossibleError,
    "wrong data": WrongDataError,
}


class PeerFailedError(Exception):
    """A peer that was not up to what it was asked for."""


class Peers:
    """Where the environments are."""

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory

    def python(self, peer: Peer) -> str:
        """The interpreter that has `peer`: this one, where no environments were made.

        Raises:
            NotInstalledError: there is no environment for it.
            PeerFailedError: there is, but pip could not install it there.
        """
        if self._directory is None:
            return sys.executable
        place = folder(self._directory, peer)
        if (place / FAILED).exists():
            raise PeerFailedError((place / FAILED).read_text().strip())
        python = place / "bin" / "python"
        if not python.exists():
            raise NotInstalledError(
                f"{peer.name} is not installed (python -m {_package()} --install-peers {self._directory})"
            )
        return str(python)

    def contender(
        self, peer: Peer, work: str, name: str, backend: str, *, depth: int | None = None, **job: Any
    ) -> Contender:
        """`peer` doing `work`, a function of its module."""

        @contextmanager
        def prepare() -> Iterator[Turn]:
            command = [self.python(peer), "-I", _WORKER]
            task = {"module": peer.module, "package": peer.package, "name": peer.name, "work": work, **job}
            with peer_turns(command, task | {"depth": depth}) as turn:
                yield turn

        return Contender(name, backend, prepare, depth)

    def versions(self) -> str:
        """What is installed, for the report."""
        return ", ".join(f"{peer.name} {self._version(peer)}" for peer in PEERS)

    def _version(self, peer: Peer) -> str:
        try:
            command = [self.python(peer), "-I", "-c", _ASK_VERSION, peer.package]
        except NotInstalledError:
            return "not installed"
        except PeerFailedError:
            return "failed to install"
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        return done.stdout.strip() if done.returncode == 0 else "not installed"


_ASK_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def _package() -> str:
    return __package__.rpartition(".")[0]


def place_job(place: Place) -> dict[str, Any]:
    """What a worker needs to make the same place."""
    return {
        "place": {
            "path": place.path,
            "size": place.size,
            "direct": place.direct,
            "sequential": place.sequential,
            "writing": place.writing,
        }
    }


@contextmanager
def peer_turns(command: Sequence[str], job: dict[str, Any], patience: float = _PATIENCE) -> Iterator[Turn]:
    """Have a process do `job`: it answers each line with a line, first of all that it is ready."""
    with tempfile.TemporaryFile() as complaints:
        process = _Process(command, complaints)
        try:
            process.ask(job, patience)

            def take_turn(seconds: float) -> Sample:
                answer = process.ask({"seconds": seconds}, patience + 4 * seconds)
                try:
                    return Sample(answer["operations"], answer["seconds"], answer["cpu_seconds"])
                except KeyError:
                    raise PeerFailedError(f"an answer that makes no sense: {answer}") from None

            yield take_turn
        finally:
            process.end()


class _Process:
    def __init__(self, command: Sequence[str], complaints: IO[bytes]) -> None:
        self._complaints = complaints
        self._unread = b""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            # Ctrl-C is for the benchmark, which then ends its peers in order.
            start_new_session=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )

    def ask(self, question: dict[str, Any], patience: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        line = self._line(time.monotonic() + patience, patience)
        try:
            answer: dict[str, Any] = json.loads(line)
            failure = answer.get("failure")
        except (ValueError, AttributeError):
            raise PeerFailedError(f"an answer that makes no sense: {line[:_TAIL]!r}") from None
        if failure:
            raise _ERRORS.get(failure["kind"], PeerFailedError)(failure["reason"])
        return answer

    def _line(self, deadline: float, patience: float) -> bytes:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([fd], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                self._process.kill()
                self._process.wait()
                raise PeerFailedError(f"no answer after {patience:.0f} s{self._said()}")
            chunk = os.read(fd, _CHUNK)
            if not chunk:
                raise self._ended()
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _ended(self) -> PeerFailedError:
        try:
            status = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            return PeerFailedError(f"it stopped listening{self._said()}")
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
        return PeerFailedError(f"its process {how}{self._said()}")

    def _said(self) -> str:
        """The end of what it has written to its standard error."""
        end = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, end - 4 * _TAIL))
        text = " | ".join(self._complaints.read().decode(errors="replace").split("\n")).strip(" |")
        return f": {text[-_TAIL:]}" if text else ", and said nothing"

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
