"""The programs in examples/ do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyuring

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


def run(name: str, *arguments: str | Path, folder: Path, status: int = 0, given: str = "") -> str:
    before = os.environ.get("PYTHONPATH")
    here = str(Path(pyuring.__file__).resolve().parent.parent)
    places = {"PYTHONPATH": f"{here}{os.pathsep}{before}" if before else here}
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=folder,
        env=os.environ | places,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + (done.stderr if status else "")


def test_every_program_is_tested_here() -> None:
    tested = Path(__file__).read_text()
    for program in PROGRAMS:
        assert f'run("{program.name}"' in tested
    assert len(PROGRAMS) >= 4


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_every_program_explains_itself(program: Path, tmp_path: Path) -> None:
    text = run(program.name, "--help", folder=tmp_path)
    assert text.startswith("usage:")
    assert len(text) > 100
    assert os.listdir(tmp_path) == []


def test_five_lines(tmp_path: Path) -> None:
    assert run("five_lines.py", folder=tmp_path) == "Hello, io_uring!\n"
    assert (tmp_path / "hello.txt").read_bytes() == b"Hello, io_uring!\n"
    assert run("five_lines.py", tmp_path / "other", folder=tmp_path) == "Hello, io_uring!\n"


def test_level0_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("0123456789")
    assert run("level0_read.py", "file", folder=tmp_path) == "0123456789"
    assert run("level0_read.py", "file", "--bytes", "3", "--offset", "5", folder=tmp_path) == "567"
    assert "IsADirectoryError" in run("level0_read.py", ".", folder=tmp_path, status=1)


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 1_000_003])
@pytest.mark.parametrize("options", [[], ["--block-size", "4096", "--depth", "3"]])
def test_copy_file(tmp_path: Path, size: int, options: list[str]) -> None:
    content = os.urandom(size)
    (tmp_path / "source").write_bytes(content)
    (tmp_path / "target").write_bytes(b"longer than some of the sources")
    assert f"copied {size} bytes" in run("copy_file.py", "source", "target", *options, folder=tmp_path)
    assert (tmp_path / "target").read_bytes() == content


def test_copy_file_reports_what_is_missing(tmp_path: Path) -> None:
    assert "FileNotFoundError" in run("copy_file.py", "no", "target", folder=tmp_path, status=1)


def test_linked_write_fsync(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    assert "3 bytes" in run("linked_write_fsync.py", "file", "new", folder=tmp_path)
    assert (tmp_path / "file").read_text() == "new"
    run("linked_write_fsync.py", "file", folder=tmp_path, given="from standard input")
    assert (tmp_path / "file").read_text() == "from standard input"
    assert os.listdir(tmp_path) == ["file"]
    assert "FileNotFoundError" in run("linked_write_fsync.py", "no/file", "x", folder=tmp_path, status=1)
