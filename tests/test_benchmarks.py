from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyuring
from benchmarks import cli, fio, place, prepared, transfer
from benchmarks.case import Cell, Lineup
from benchmarks.cases import CASES
from benchmarks.contender import Contender, Sample, Turn
from benchmarks.content import check_block, content
from benchmarks.filesystem import file_system
from benchmarks.place import Place, direct_refusal, made_files
from benchmarks.plain import preadv, pwrite
from benchmarks.race import race
from benchmarks.report import table
from benchmarks.result import Failure, Result, ratio
from benchmarks.targets import judge
from benchmarks.transfer import Transfer

CHECKOUT = Path(__file__).parent.parent
#: The name of the same folder in the checkout, and where pyuring is installed.
NAME = "benchmarks" if (CHECKOUT / "benchmarks").is_dir() else "pyuring.benchmarks"
SHORT = ["--repetitions", "2", "--seconds", "0.002", "--file-size", "1", "--small-files", "30"]


@pytest.fixture
def without_fio(monkeypatch: pytest.MonkeyPatch) -> None:
    """fio needs half a second a turn."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "fio" else which(name))


@pytest.fixture
def run(tmp_path: Path, without_fio: None) -> Any:
    """Run the command line in a new directory; gives the exit status and the report."""

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        report = tmp_path / "report.json"
        directory = tmp_path / "files"
        directory.mkdir(exist_ok=True)
        status = cli.main(["--dir", str(directory), "--json", str(report), *SHORT, *arguments])
        assert list(directory.iterdir()) == [], "files were left behind"
        return status, json.loads(report.read_text())

    return call


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    with made_files(str(tmp_path), 1 << 20, 1 << 20) as files:
        yield files.source


def read_place(path: str, *, size: int = 4096, sequential: bool = False) -> Place:
    return Place(path, size=size, direct=False, sequential=sequential, writing=False)


def race_one(where: Place, open_transfer: Any, repetitions: int = 2) -> Result:
    contender = transfer.transfer_contender(where, "it", "a test", open_transfer)
    lineup = Lineup([contender])
    cell = Cell("random-read", "cached", where.size)
    return race(cell, lineup, repetitions=repetitions, seconds=0.001, progress=lambda fraction, name: None)[0]


# -- the command line -------------------------------------------------------------


def test_all_cases_run_and_give_a_well_formed_report(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run("--quick", "--size", "4096")
    assert status == 0
    assert {entry["case"] for entry in report["results"]} == set(CASES)
    for entry in report["results"]:
        if "failure" in entry:
            assert entry["failure"]["kind"] in ("not installed", "not possible"), entry
            continue
        assert len(entry["samples"]) == 2
        assert entry["operations_per_second"] > 0
        assert entry["cpu_microseconds"] >= 0
        assert entry["unit"] in ("operation", "read", "write", "file")
        assert entry["temperature"] in ((None,) if entry["case"] != "small-files" else ("cold", "warm"))
        assert (
            entry["depth"] is None or entry["contender"] == entry["family"] or str(entry["depth"]) in entry["contender"]
        )
        assert all(sample["operations"] > 0 and sample["seconds"] > 0 for sample in entry["samples"])
    assert len(report["targets"]) == 7 + 12
    out = capsys.readouterr().out
    for label in ("kernel", "cpu", "file system", "liburing", "python", "commit", "ring setup", "O_DIRECT"):
        assert f"\n{label} " in out
    assert "not installed: fio is not installed: fio, depth 128" in out
    assert max(len(line) for line in out.split("\nnop: ")[1].splitlines()) <= 120


def test_case_mode_and_size_choose_what_runs(run: Any) -> None:
    choice = ["--case", "random-read", "--case", "nop", "--size", "512", "--size", "4k", "--mode", "cached"]
    status, report = run(*choice)
    assert status == 0
    cells = {(entry["case"], entry["mode"], entry["size"]) for entry in report["results"]}
    assert cells == {("nop", None, None), ("random-read", "cached", 512), ("random-read", "cached", 4096)}
    unmeasured = [target["met"] for target in report["targets"] if target["name"].startswith("O_DIRECT")]
    assert unmeasured == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--case", "random-raed"], "invalid choice: 'random-raed'"),
        (["--size", "1000"], "'1000' is no multiple of 512"),
        (["--size", "2m"], "'2m' is no multiple of 512 up to 1m"),
        (["--size", ""], "'' is no multiple of 512"),
        (["--mode", "mmap"], "invalid choice: 'mmap'"),
        (["--repetitions", "0"], "'0' is not a whole number above 0"),
        (["--seconds", "nan"], "'nan' is not a number between 0 and 3600"),
        (["--dir", "/nonexistent/directory"], "No such file or directory"),
        (["--json", "/nonexistent/report.json"], "No such file or directory"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_runs(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([*SHORT, *arguments])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.out == ""


def test_without_o_direct_the_run_says_so_and_goes_on(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "direct_refusal", lambda path, size: "testfs has no O_DIRECT")
    status, report = run("--case", "random-read", "--size", "4096")
    assert status == 0
    assert {entry["mode"] for entry in report["results"]} == {"cached"}
    assert report["environment"]["o_direct"] == "no: testfs has no O_DIRECT"
    assert "Without O_DIRECT: testfs has no O_DIRECT. These cases are left out." in capsys.readouterr().out


def test_with_nothing_left_to_measure_the_run_fails(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "direct_refusal", lambda path, size: "testfs has no O_DIRECT")
    assert cli.main(["--dir", str(tmp_path), *SHORT, "--case", "random-read", "--mode", "direct"]) == 1


def test_memory_file_systems_have_no_o_direct() -> None:
    if not os.path.isdir("/dev/shm") or file_system("/dev/shm").kind != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    with made_files("/dev/shm", 8192, 8192) as files:
        assert "tmpfs has no O_DIRECT" in (direct_refusal(files.source, 4096) or "")


def test_files_that_are_not_what_they_should_be_fail_the_run(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "content", lambda offset, length: bytes(length))
    status, report = run("--case", "sequential-read", "--mode", "cached", "--size", "4096")
    assert status == 1
    ran = [entry for entry in report["results"] if entry.get("failure", {}).get("kind") != "not installed"]
    assert {entry["failure"]["kind"] for entry in ran} == {"wrong data"}
    assert "wrong data: " in capsys.readouterr().out


def test_a_terminated_run_removes_its_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", NAME, "--dir", str(tmp_path), "--case", "random-write"]
    command += ["--seconds", "1", "--file-size", "4"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert list(tmp_path.iterdir()) != []
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_the_bar_is_drawn_on_a_terminal_only(tmp_path: Path) -> None:
    command = [sys.executable, "-m", NAME, "--dir", str(tmp_path), *SHORT, "--case", "nop"]
    piped = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    leader, follower = pty.openpty()
    try:
        subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=follower, check=True)
        assert b"%  nop: pyuring, batch 128" in os.read(leader, 65536)
    finally:
        os.close(leader)
        os.close(follower)


# -- verification -----------------------------------------------------------------


def test_every_block_says_where_it_belongs(source: str) -> None:
    with open(source, "rb") as file:
        file.seek(12288)
        data = file.read(4096)
    assert check_block(data, 4096) == 12288
    assert data == content(12288, 4096)
    assert len({content(number * 512, 512) for number in range(4096)}) == 4096


def test_an_honest_reader_passes(source: str) -> None:
    result = race_one(read_place(source), preadv)
    assert result.failure is None
    assert len(result.samples) == 2


def test_one_wrong_byte_in_the_file_is_found(source: str) -> None:
    with open(source, "r+b") as file:
        file.seek(4096 * 20 + 4000)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    result = race_one(read_place(source, sequential=True), preadv)
    assert result.failure == Failure(
        "wrong data", "a block that claims to be from offset 81920 does not hold what is there"
    )


def broken_reader(where: Place, run_of: Any) -> Any:
    @contextmanager
    def open_transfer(same: Place) -> Iterator[Transfer]:
        with preadv(where) as honest:
            yield Transfer(lambda offsets: run_of(honest.run, offsets), honest.blocks)

    return open_transfer


@pytest.mark.parametrize(
    "run_of",
    [
        pytest.param(lambda honest, offsets: None, id="reads nothing"),
        pytest.param(lambda honest, offsets: honest(offsets[:-1]), id="leaves one out"),
        pytest.param(lambda honest, offsets: honest([offsets[0]] * len(offsets)), id="reads one block again and again"),
        pytest.param(lambda honest, offsets: honest([offset ^ 4096 for offset in offsets]), id="reads the neighbour"),
    ],
)
def test_a_reader_that_cheats_is_found(source: str, run_of: Any) -> None:
    where = read_place(source)
    # Half of the file in order: no block's neighbour is among those asked for.
    where._offsets = [offset for offset in where._offsets if not offset & 4096]
    result = race_one(where, broken_reader(where, run_of))
    assert result.failure is not None
    assert result.failure.kind == "wrong data"
    assert result.samples == []


def test_a_reader_cannot_pass_with_what_another_has_read(source: str) -> None:
    where = read_place(source)
    assert race_one(where, preadv).failure is None
    result = race_one(where, broken_reader(where, lambda honest, offsets: None))
    assert result.failure == Failure("wrong data", "a block that was not read, or that holds nothing of the file")


def test_a_reader_that_cheats_only_while_it_is_timed_is_found(source: str) -> None:
    where = read_place(source)
    calls = iter(range(1000))

    def run_of(honest: Any, offsets: Sequence[int]) -> None:
        if next(calls) == 0:
            honest(offsets)

    result = race_one(where, broken_reader(where, run_of))
    assert result.failure is not None
    assert result.failure.kind == "wrong data"


def test_a_reader_whose_ring_has_done_less_than_was_timed_is_found(source: str) -> None:
    @contextmanager
    def open_transfer(where: Place) -> Iterator[Transfer]:
        with preadv(where) as honest:
            yield Transfer(honest.run, honest.blocks, lambda: 0)

    result = race_one(read_place(source), open_transfer)
    assert result.failure is not None
    assert "0 done by the ring" in result.failure.reason


@pytest.mark.parametrize("shift", [0, 4096])
def test_what_was_written_is_read_back(tmp_path: Path, shift: int) -> None:
    with made_files(str(tmp_path), 1 << 20, 1 << 20) as files:
        where = Place(files.target, size=4096, direct=False, sequential=True, writing=True)

        @contextmanager
        def open_transfer(same: Place) -> Iterator[Transfer]:
            with pwrite(where) as honest:
                yield Transfer(lambda offsets: honest.run([o + shift for o in offsets]), honest.blocks)

        result = race_one(where, open_transfer)
    assert (result.failure is None) == (shift == 0)
    assert shift == 0 or "does not hold" in str(result.failure)


# -- turns and figures ------------------------------------------------------------


def test_contenders_take_turns_each_time_in_another_order() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        @contextmanager
        def prepare() -> Iterator[Turn]:
            def turn(seconds: float) -> Sample:
                order.append(name)
                return Sample(1, 1.0, 0.5)

            yield turn

        return Contender(name, "a test", prepare)

    settled: list[int] = []
    lineup = Lineup([contender(name) for name in "abc"], lambda: settled.append(1))
    results = race(Cell("nop"), lineup, repetitions=3, seconds=1, progress=lambda fraction, name: None)
    assert "".join(order) == "abcbcacab"
    assert [len(result.samples) for result in results] == [3, 3, 3]
    assert len(settled) == 12


def test_a_contender_that_fails_is_reported_and_the_others_go_on() -> None:
    @contextmanager
    def prepare() -> Iterator[Turn]:
        yield lambda seconds: Sample(1, 1.0, 0.5)

    def turn(seconds: float) -> Sample:
        raise OSError(5, "Input/output error")

    @contextmanager
    def failing() -> Iterator[Turn]:
        yield turn

    lineup = Lineup([Contender("good", "a test", prepare), Contender("bad", "a test", failing)])
    good, bad = race(Cell("nop"), lineup, repetitions=2, seconds=1, progress=lambda fraction, name: None)
    assert len(good.samples) == 2
    assert bad.failure == Failure("failed", "OSError: [Errno 5] Input/output error")
    assert "failed: OSError: [Errno 5] Input/output error: bad" in table("?", [good, bad])


def result_of(name: str, *rates: int) -> Result:
    return Result(Cell("nop", "cached", 4096), name, "a test", [Sample(rate, 1.0, 0.5) for rate in rates])


def test_the_figures_are_medians_and_the_ratio_pairs_repetitions() -> None:
    first = result_of("first", 100, 200, 400)
    second = result_of("second", 200, 400, 200)
    assert (second.rate, second.spread, second.microseconds) == (200, 1.0, 5000)
    assert second.megabytes == 0.8192
    assert second.cpu_microseconds == 2500
    assert ratio(second, first) == 2.0
    second.failure = Failure("failed", "in the end")
    assert ratio(second, first) is None


def test_the_preparation_of_every_operation_is_measured() -> None:
    domains = [domain for domain in pyuring.Ring.__mro__ if domain.__module__.startswith("pyuring.operations.")]
    names = {name for domain in domains for name in vars(domain) if not name.startswith("_")}
    assert names == set(prepared.OPERATIONS)


def test_the_dearest_preparation_is_named_without_those_of_arrays() -> None:
    def result(name: str, rate: int) -> Result:
        return Result(Cell("preparation"), name, "a test", [Sample(rate, 1.0, 1.0)])

    rates = {"nop": 1000, "read": 600, "readv": 100, "sendmsg": 50, "open": 400}
    target = next(t for t in judge([result(*rate) for rate in rates.items()]) if "preparation" in t.name)
    assert (target.measured, target.met, target.remark) == ("2.50x", False, "over it: open")


def test_targets_are_computed_from_the_run() -> None:
    def result(mode: str, name: str, rate: int) -> Result:
        return Result(Cell("random-read", mode, 4096), name, "a test", [Sample(rate, 1.0, 0.25)])

    results = [
        result("direct", "os.preadv", 10_000),
        result("direct", "pyuring, depth 128", 100_000),
        result("direct", "fio, depth 128", 110_000),
        result("cached", "os.preadv", 1_000_000),
        result("cached", "pyuring, depth 1", 250_000),
    ]
    met = {target.name.split(",")[0] + target.measured: target.met for target in judge(results)[:7]}
    assert met == {
        "tracked nop-": None,
        "dearest preparation-": None,
        "O_DIRECT 4 KiB random reads10.00x": True,
        "O_DIRECT 4 KiB random reads0.91x": False,
        "O_DIRECT 4 KiB random reads2.50 us": True,
        "cached 4 KiB readinto-": None,
        "cached 4 KiB readinto3.00 us": False,
    }


def test_targets_of_the_batch_functions_are_computed_from_the_run() -> None:
    direct, cached = Cell("ranges", "direct", 4096), Cell("ranges", "cached", 4096)
    cold, warm = (Cell("small-files", "cached", temperature=each) for each in ("cold", "warm"))
    one, writes = Cell("one-range", "cached", 4096), Cell("write-batch", "cached", 4096)
    figures: list[tuple[Cell, str, int, float]] = [
        (direct, "os.preadv", 10, 9.0),
        (direct, "read_ranges, depth 128", 80, 1.0),
        (direct, "read_ranges, fio's memory, depth 128", 95, 1.2),
        (direct, "fio, depth 128", 100, 1.0),
        (direct, "uring-api, depth 128", 90, 1.6),
        (direct, "pyaio, depth 128", 50, 1.5),
        (cached, "os.preadv", 100, 1.0),
        (cached, "read_ranges, depth 128", 150, 1.0),
        (cached, "mmap + numpy.take", 300, 1.0),
        (cold, "open().read", 10, 1.0),
        (cold, "read_files", 45, 1.0),
        (cold, "thread pool, 8 loops", 9, 1.0),
        (cold, "thread pool, 32 loops", 12, 1.0),
        (warm, "os.open, os.read, os.close", 100, 1.0),
        (warm, "read_files", 89, 1.0),
        (one, "os.pread", 90, 1.0),
        (one, "read_ranges", 30, 1.0),
        (writes, "os.pwrite, os.fdatasync each", 10, 1.0),
        (writes, "os.pwrite, 1 sync for 128", 90, 1.0),
        (writes, "write_ranges, 1 sync for 128", 100, 1.0),
    ]
    results = [
        Result(cell, name, "a test", [Sample(rate, 1.0, cpu * rate), Sample(rate, 1.0, cpu * rate)])
        for cell, name, rate, cpu in figures
    ]
    targets = {target.name: target for target in judge(results)[7:]}
    found = [(target.measured, target.met, target.remark) for target in targets.values()]
    assert found == [
        ("0.95x", False, ""),
        ("8.00x", True, "fio at the same depth: 10.00x"),
        ("1.20x", False, ""),
        ("0.80x", True, "the best is pyaio, depth 128"),
        ("1.50x", True, "to numpy.take of the mapped file: 0.50x"),
        ("-", None, ""),
        ("4.50x", False, ""),
        ("3.75x", False, ""),
        ("0.89x", False, ""),
        ("-", None, ""),
        ("10.00x", True, "os.pwrite, 1 sync for 128: 9.00x"),
        ("3.00x", True, ""),
    ]


# -- optional contenders ----------------------------------------------------------


def test_peers_that_are_not_installed_are_listed_as_such(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = run("--case", "nop", "--peers", str(tmp_path / "nothing"))
    assert status == 0
    assert "not installed: uring-api is not installed (python -m" in " ".join(capsys.readouterr().out.split())
    peers = report["environment"]["peers"]
    assert peers.startswith("uring-api not installed, liburing (YoSTEALTH) not installed")
    (missing,) = [entry for entry in report["results"] if entry["contender"] == "uring-api, batch 128"]
    assert (missing["family"], missing["depth"], missing["samples"]) == ("uring-api", 128, [])


def test_installing_peers_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def missing(directory: str) -> int:
        asked.append(directory)
        return 1

    monkeypatch.setattr(cli, "install", missing)
    assert cli.main(["--install-peers", str(tmp_path)]) == 1
    assert asked == [str(tmp_path)]
    assert capsys.readouterr().out == ""


def fake_fio(directory: Path, script: str) -> str:
    program = directory / "fio"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo 'fio: engine io_uring not loadable' >&2; exit 1",
            "RuntimeError: fio ended with 1: fio: engine io_uring",
        ),
        ("exit 3", "RuntimeError: fio ended with 3: and said nothing"),
        ("""echo '{"jobs": [{"error": 22}]}'""", "RuntimeError: fio failed with errno 22"),
    ],
)
def test_fio_failing_is_reported_with_its_reason(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    program = fake_fio(tmp_path, script)
    monkeypatch.setattr(shutil, "which", lambda name: program)
    lineup = Lineup([fio.fio_contender(read_place(source), 128)])
    (result,) = race(
        Cell("random-read", "cached", 4096), lineup, repetitions=1, seconds=0.1, progress=lambda f, n: None
    )
    assert result.failure is not None
    assert result.failure.reason.startswith(reason)


def test_fio_gets_the_same_job_and_its_report_is_understood(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = {"jobs": [{"error": 0, "usr_cpu": 10, "sys_cpu": 40, "read": {"runtime": 200, "total_ios": 1000}}]}
    program = fake_fio(tmp_path, f"echo \"$@\" > {tmp_path}/job; echo 'a warning'; echo '{json.dumps(report)}'")
    monkeypatch.setattr(shutil, "which", lambda name: program)
    with fio.fio_contender(read_place(source), 128).prepare() as turn:
        sample = turn(0.01)
    assert sample == Sample(1000, 0.2, 0.1)
    job = (tmp_path / "job").read_text().split()
    for option in ("--rw=randread", "--bs=4096", "--direct=0", "--iodepth=128", f"--filename={source}"):
        assert option in job
