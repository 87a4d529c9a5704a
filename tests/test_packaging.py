"""What is in the sdist and the wheel, and what an installed pyuring says of itself.

PYURING_DIST names a folder with both; without it they are built from the checkout.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from checkout import IS_CHECKOUT, ROOT, copy_sources, needs_checkout

import pyuring

KNOWS_PYURING = "import importlib.metadata; importlib.metadata.version('pyuring-cffi')"
needs_installation = pytest.mark.skipif(
    subprocess.run([sys.executable, "-Ic", KNOWS_PYURING], capture_output=True, check=False).returncode != 0,
    reason="needs pyuring installed, not only built in place",
)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and the wheel that was built from it."""
    if "PYURING_DIST" in os.environ:
        return Path(os.environ["PYURING_DIST"])
    if not IS_CHECKOUT:
        pytest.skip("needs a checkout or PYURING_DIST")
    folder = tmp_path_factory.mktemp("dist")
    sources = copy_sources(tmp_path_factory.mktemp("packaging") / "sources")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, sources], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def sdist(dist: Path) -> set[str]:
    """The names in the sdist, below its top folder."""
    (path,) = dist.glob("pyuring_cffi-*.tar.gz")
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def wheel_path(dist: Path) -> Path:
    (path,) = dist.glob("pyuring_cffi-*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(wheel_path: Path) -> set[str]:
    """The names in the wheel."""
    with zipfile.ZipFile(wheel_path) as archive:
        return set(archive.namelist())


def test_the_wheel_is_for_every_python_from_3_11(wheel_path: Path, wheel: set[str]) -> None:
    assert "-cp311-abi3-" in wheel_path.name
    assert "pyuring/_liburing.abi3.so" in wheel


def test_the_wheel_has_types(wheel: set[str]) -> None:
    assert {"pyuring/py.typed", "pyuring/_liburing.pyi"} <= wheel


def test_the_wheel_has_nothing_that_is_not_used_at_run_time(wheel: set[str]) -> None:
    strangers = {name for name in wheel if not re.match(r"pyuring/|pyuring_cffi-[\d.]+\.dist-info/", name)}
    others = {name for name in wheel if name.startswith("pyuring/") and not name.endswith((".py", ".pyi", "py.typed"))}

    assert strangers == set()
    assert others == {"pyuring/_liburing.abi3.so"}


def test_the_wheel_bears_the_licences(wheel: set[str]) -> None:
    assert {name.rpartition("/")[2] for name in wheel if "/licenses/" in name} == {"LICENSE", "LICENSE.liburing"}


@needs_checkout
def test_the_wheel_has_every_module(wheel: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "pyuring").rglob("*.py")}
    modules |= {f"pyuring/{path.relative_to(ROOT)}" for path in (ROOT / "benchmarks").rglob("*.py")}

    assert {name for name in wheel if name.endswith(".py")} == modules


@needs_checkout
@pytest.mark.parametrize("pattern", ["pyuring/_native/**/*.h", "tests/**/*.py", "benchmarks/**/*.py", ".ci/*", "*.py"])
def test_the_sdist_has_what_it_takes_to_build_and_to_test(sdist: set[str], pattern: str) -> None:
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern) if path.is_file()}

    assert files
    assert files <= sdist


def test_the_sdist_has_nothing_that_was_built(sdist: set[str]) -> None:
    assert [name for name in sdist if name.endswith((".so", ".o", ".pyc", "_liburing.c"))] == []


@needs_installation
def test_the_version_is_that_of_the_distribution() -> None:
    assert pyuring.__version__ == importlib.metadata.version("pyuring-cffi")


@needs_checkout
@needs_installation
def test_the_version_is_that_of_the_sources() -> None:
    assert f'\n__version__ = "{pyuring.__version__}"\n' in (ROOT / "pyuring" / "version.py").read_text()


def test_the_liburing_version_is_one_that_can_be_built_with() -> None:
    assert re.fullmatch(r"\d+\.\d+", pyuring.liburing_version)
    assert tuple(map(int, pyuring.liburing_version.split("."))) >= (2, 3)


@needs_installation
def test_an_isolated_interpreter_can_import_it() -> None:
    code = "import pyuring; print(pyuring.__version__)"
    done = subprocess.run([sys.executable, "-Ic", code], cwd="/", capture_output=True, text=True, check=True)

    assert done.stdout.strip() == pyuring.__version__
