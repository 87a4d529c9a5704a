"""The annotations say what they should: mypy agrees with the samples in tests/typing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyuring

SAMPLES = sorted((Path(__file__).parent / "typing").glob("sample_*.py"))


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 2


def test_strict_mypy_agrees_with_the_samples(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is in the dev extra")
    command = [
        sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary",
        "--config-file", os.devnull, "--cache-dir", str(Path(__file__).parent.parent / ".mypy_cache/samples"),
    ]  # fmt: skip
    done = subprocess.run(
        [*command, *map(str, SAMPLES)],
        env=os.environ | {"MYPYPATH": str(Path(pyuring.__file__).resolve().parent.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(pyuring.__file__).parent / "py.typed").is_file()
