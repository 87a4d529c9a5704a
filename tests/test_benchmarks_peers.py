from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.case import Cell, Lineup
from benchmarks.contender import Contender, NotInstalledError, NotPossibleError, Sample, Turn, WrongDataError
from benchmarks.peers import install as installation
from benchmarks.peers.host import PeerFailedError, Peers, peer_turns, place_job
from benchmarks.peers.install import FAILED, install
from benchmarks.peers.known import BEST, PEERS, Peer
from benchmarks.place import Place, made_files
from benchmarks.race import race
from benchmarks.result import Failure, Result

WORKER = Path(installation.__file__).with_name("worker.py")
#: A peer that is a few lines, and so does exactly what a test wants to see.
SCRIPT = """
import json, os, signal, sys, time
def say(answer):
    print(json.dumps(answer), flush=True)
job = json.loads(sys.stdin.readline())
"""
READY = 'say({"ready": "1.0"})\n'
GOOD_TURNS = """
for line in sys.stdin:
    say({"operations": 10, "seconds": json.loads(line)["seconds"], "cpu_seconds": 0.5})
"""


@contextmanager
def peer(script: str, patience: float = 20.0) -> Iterator[Turn]:
    with peer_turns([sys.executable, "-I", "-c", SCRIPT + script], {"work": "it"}, patience) as turn:
        yield turn


def result_of(script: str, patience: float = 20.0) -> Result:
    """What a table would have, next to a contender that is well."""

    @contextmanager
    def well() -> Iterator[Turn]:
        yield lambda seconds: Sample(1, 1.0, 0.5)

    lineup = Lineup(
        [
            Contender("a peer, depth 7", "a test", lambda: peer(script, patience), 7),
            Contender("another", "a test", well),
        ]
    )
    found, other = race(Cell("nop"), lineup, repetitions=2, seconds=0.01, progress=lambda fraction, name: None)
    assert len(other.samples) == 2, "the others go on"
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with made_files(str(tmp_path), 1 << 20, 1 << 20) as files:
        yield Place(files.source, size=4096, direct=False, sequential=False, writing=False)


# -- whatever a peer does ---------------------------------------------------------


def test_a_peer_that_works_is_asked_for_turns_and_ended() -> None:
    with peer(READY + GOOD_TURNS) as turn:
        assert turn(0.25) == Sample(10, 0.25, 0.5)
        assert turn(0.5) == Sample(10, 0.5, 0.5)


def test_its_result_has_the_depth_and_the_family() -> None:
    found = result_of(READY + GOOD_TURNS)
    assert (found.failure, len(found.samples)) == (None, 2)
    entry = found.as_json(found)
    assert (entry["contender"], entry["family"], entry["depth"]) == ("a peer, depth 7", "a peer", 7)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV", id="while it prepares"),
        pytest.param(
            READY + "sys.stdin.readline(); os.kill(os.getpid(), signal.SIGABRT)", "was ended by SIGABRT", id="in a turn"
        ),
        pytest.param("sys.exit('no ring for you')", "ended with 1: no ring for you", id="with a message"),
        pytest.param("import no_such_module", "No module named 'no_such_module'", id="with a traceback"),
    ],
)
def test_a_peer_that_crashes_is_reported_with_what_it_said(script: str, how: str) -> None:
    failure = result_of(script).failure
    assert failure is not None
    assert failure.kind == "failed"
    assert how in failure.reason


@pytest.mark.parametrize("script", ["time.sleep(60)", READY + "sys.stdin.readline(); time.sleep(60)"])
def test_a_peer_that_hangs_is_ended_at_its_deadline(script: str) -> None:
    start = time.monotonic()
    failure = result_of("print('stuck here', file=sys.stderr, flush=True)\n" + script, patience=1.0).failure
    assert time.monotonic() - start < 15
    assert failure is not None
    assert failure.kind == "failed"
    assert "no answer after 1 s: stuck here" in failure.reason


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_no_process_of_a_peer_outlives_its_turns() -> None:
    before = children()  # multiprocessing may have left its own, of another test
    for script in (
        READY + "time.sleep(60)",
        READY + "signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15]); os.close(0); time.sleep(60)",
    ):
        with pytest.raises(PeerFailedError), peer(f"say({{'ready': os.getpid()}})\n{script}", 0.5) as turn:
            turn(0.01)
            turn(0.01)
        assert children() == before


@pytest.mark.parametrize(
    "answer", ['print("no JSON", flush=True)', "say([])", 'say({"operations": 1})', 'print("{}", flush=True)']
)
def test_an_answer_that_makes_no_sense_is_reported(answer: str) -> None:
    failure = result_of(READY + "sys.stdin.readline()\n" + answer + "\ntime.sleep(1)").failure
    assert failure is not None
    assert "an answer that makes no sense" in failure.reason


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not installed", NotInstalledError),
        ("not possible", NotPossibleError),
        ("wrong data", WrongDataError),
        ("failed", PeerFailedError),
    ],
)
def test_a_peer_says_itself_why_it_has_no_figures(kind: str, error: type[Exception]) -> None:
    script = f"say({{'failure': {{'kind': {kind!r}, 'reason': 'as it is'}}}})"
    with pytest.raises(error, match=r"^as it is$"), peer(script):
        pass
    assert result_of(script).failure == Failure(kind, "as it is" if kind != "failed" else "PeerFailedError: as it is")


# -- the worker, with a package that a test makes ---------------------------------

PACKAGE = """
import os
def read_block(fd, block, offset):
    print("chatter on standard output")
    return os.preadv(fd, [block], {offset})
"""


def make_package(directory: Path, code: str) -> str:
    """An environment that has a package of that code, and a module that knows how to use it."""
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next((environment / "lib").glob("python*/site-packages"))
    (packages / "fakepeer.py").write_text(code)
    metadata = packages / "fakepeer-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fakepeer\nVersion: 1.5\n")
    return str(environment / "bin" / "python")


MODULE = """
import importlib
from contextlib import contextmanager
from benchmarks.transfer import Transfer, expect
CANNOT = {"linked": "has no links"}
def transfer(depth):
    @contextmanager
    def opener(place):
        package = importlib.import_module("fakepeer")
        with place.opened() as fd:
            def run(offsets):
                for number, offset in enumerate(offsets):
                    moved = package.read_block(fd, place.blocks[number % depth], offset)
                    if moved != place.size:
                        expect(moved, place.size)
            yield Transfer(run, [*place.blocks[:depth]], in_order=True)
    return opener
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """A copy of the benchmark that knows one peer more."""
    home = tmp_path / "copied"
    for path in [*WORKER.parent.glob("*.py"), *WORKER.parent.parent.glob("*.py")]:
        copy = home / path.relative_to(WORKER.parent.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    (home / "peers" / "with_fake.py").write_text(MODULE)
    return home / "peers" / "worker.py"


def job_of(place: Place, **more: Any) -> dict[str, Any]:
    job = {"module": "with_fake", "package": "fakepeer", "name": "fakepeer", "work": "transfer", "depth": 16}
    return job | place_job(place) | more


def test_the_worker_reads_checks_and_counts(place: Place, worker: Path, tmp_path: Path) -> None:
    python = make_package(tmp_path, PACKAGE.format(offset="offset"))
    with peer_turns([python, "-I", str(worker)], job_of(place)) as turn:
        sample = turn(0.01)
    assert sample.operations >= 16
    assert sample.seconds > 0
    assert sample.cpu_seconds > 0


@pytest.mark.parametrize("offset", ["0", "offset ^ 4096"])
def test_a_peer_that_reads_the_wrong_place_is_found(place: Place, worker: Path, tmp_path: Path, offset: str) -> None:
    python = make_package(tmp_path, PACKAGE.format(offset=offset))
    with pytest.raises(WrongDataError), peer_turns([python, "-I", str(worker)], job_of(place)) as turn:
        turn(0.01)


def test_a_peer_that_is_missing_or_cannot_do_it_says_so(place: Place, worker: Path, tmp_path: Path) -> None:
    python = make_package(tmp_path, "")
    command = [python, "-I", str(worker)]
    with (
        pytest.raises(NotInstalledError, match="another is not installed"),
        peer_turns(command, job_of(place, package="no-such-package", name="another")),
    ):
        pass
    with (
        pytest.raises(NotPossibleError, match=r"^fakepeer has no links$"),
        peer_turns(command, job_of(place, work="linked")),
    ):
        pass


def test_the_worker_imports_nothing_of_pyuring(place: Place, worker: Path, tmp_path: Path) -> None:
    code = "import sys\nassert not [name for name in sys.modules if name.split('.')[0] == 'pyuring']\n"
    python = make_package(tmp_path, code + PACKAGE.format(offset="offset"))
    with peer_turns([python, "-I", str(worker)], job_of(place)) as turn:
        turn(0.001)


def test_each_peer_has_a_module_that_says_what_it_does() -> None:
    for each in PEERS:
        source = (WORKER.parent / f"{each.module}.py").read_text()
        assert "\ntransfer = " in source or "\ndef transfer(" in source
    assert len({each.package for each in PEERS}) == len(PEERS)


# -- environments -----------------------------------------------------------------


def test_a_peer_without_an_environment_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match=r"uring-api is not installed \(python -m .*--install-peers .*\)"):
        Peers(str(tmp_path)).python(BEST)
    assert "uring-api not installed" in Peers(str(tmp_path)).versions()


def test_a_package_that_does_not_build_is_reported_with_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").write_text("raise SystemExit('error: no compiler for this')")
    unbuildable = Peer("unbuildable", "unbuildable", "with_it", ("--no-build-isolation", "--no-index", str(source)))
    home = tmp_path / "peers"
    assert install(str(home), [unbuildable]) == 1
    with pytest.raises(PeerFailedError, match=r"pip ended with 1: .*no compiler for this"):
        Peers(str(home)).python(unbuildable)
    assert "unbuildable: failed: pip ended with 1" in capfd.readouterr().out
    assert (home / "unbuildable" / FAILED).exists()


def test_an_environment_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "uring-api").mkdir()
    (tmp_path / "uring-api" / FAILED).write_text("its installation did not end\n")
    with pytest.raises(PeerFailedError, match="its installation did not end"):
        Peers(str(tmp_path)).python(BEST)


def test_the_job_can_be_sent(place: Place) -> None:
    assert json.loads(json.dumps(place_job(place))) == place_job(place)
