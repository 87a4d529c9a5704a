"""The build: which liburing it takes, and what it says when something is missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest
from checkout import IS_CHECKOUT, ROOT, copy_sources

if not IS_CHECKOUT:
    pytest.skip("needs a checkout", allow_module_level=True)

TRIPLET = sysconfig.get_config_var("MULTIARCH") or ""

#: The least that build_liburing.py wants of a liburing.h.
HEADER = """
#define IO_URING_VERSION_MAJOR 2
#define IO_URING_VERSION_MINOR 9
struct io_uring;
int io_uring_register_sync_cancel(struct io_uring *ring, void *reg);
"""
LIBRARY = "int io_uring_register_sync_cancel(void *ring, void *reg) { return ring == reg; }\n"


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that PYURING_LIBURING names, empty."""
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    monkeypatch.setenv("PYURING_LIBURING", str(prefix))
    return prefix


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout of the test's own."""
    return copy_sources(tmp_path / "sources")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """build_liburing.py as a module."""
    spec = importlib.util.spec_from_file_location("build_liburing_under_test", ROOT / "build_liburing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_library(folder: Path, *, static: bool = False, shared: bool = False) -> None:
    """Put the library that HEADER declares into `folder`."""
    source = write(folder / "liburing.c", LIBRARY)
    if shared:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "liburing.so", source], check=True)
    if static:
        subprocess.run(["cc", "-c", "-fPIC", "-o", folder / "liburing.o", source], check=True)
        subprocess.run(["ar", "rcs", folder / "liburing.a", folder / "liburing.o"], check=True)
    source.unlink()


def build(sources: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run build_liburing.py."""
    return subprocess.run(
        [sys.executable, "build_liburing.py"],
        cwd=sources,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def complaint(sources: Path, **environment: str) -> str:
    """The one line that is all that a build that cannot succeed says."""
    done = build(sources, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("pyuring: ")
    for manager in ("apt install ", "dnf install ", "apk add "):
        assert manager in done.stderr
    return done.stderr


def test_no_compiler(sources: Path) -> None:
    line = complaint(sources, CC="/nonexistent/cc -pthread")

    assert "no C compiler (/nonexistent/cc is not found)" in line
    assert "apt install gcc libc6-dev" in line


def test_a_compiler_without_the_c_library(sources: Path) -> None:
    line = complaint(sources, CFLAGS="-nostdinc")

    assert "the C library's headers may be missing" in line
    assert "apk add gcc musl-dev" in line


def test_no_python_headers(builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder.sysconfig, "get_path", lambda name: f"{tmp_path}/{name}")

    with pytest.raises(SystemExit) as raised:
        builder.make_ffi()

    assert f"({tmp_path}/include/Python.h)" in str(raised.value)
    assert "apt install python3-dev | dnf install python3-devel | apk add python3-dev" in str(raised.value)


def test_no_liburing_headers(prefix: Path, sources: Path) -> None:
    line = complaint(sources)

    assert f"liburing's headers are missing below {prefix}" in line
    assert "apt install liburing-dev" in line


def test_no_liburing_headers_on_the_system(sources: Path) -> None:
    # __has_include is how the build looks for it.
    line = complaint(sources, CPPFLAGS="-D__has_include(name)=0", PYURING_LIBURING="")

    assert "liburing's headers are missing. Install it: apt install liburing-dev" in line


def test_a_liburing_that_is_too_old(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", "int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);\n")

    assert f"the liburing found below {prefix} is older than 2.3" in complaint(sources)


def test_a_liburing_that_says_it_is_too_old(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", HEADER.replace("MAJOR 2", "MAJOR 1"))

    assert "is older than 2.3" in complaint(sources)


def test_kernel_headers_that_are_missing(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", f"#include <linux/not-yet-invented.h>\n{HEADER}")

    line = complaint(sources)

    assert f"liburing's headers below {prefix} do not compile" in line
    assert "apt install linux-libc-dev" in line


def test_kernel_headers_that_are_too_old(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", f"{HEADER}struct io_uring_params {{ __not_yet_invented field; }};\n")

    assert "apt install linux-libc-dev" in complaint(sources)


def test_headers_without_the_library(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", HEADER)

    line = complaint(sources)

    assert f"liburing's headers are there below {prefix}, but no library that links" in line


def test_a_library_older_than_its_headers(prefix: Path, sources: Path) -> None:
    write(prefix / "include" / "liburing.h", HEADER)
    write(prefix / "lib" / "liburing.a", "!<arch>\n")

    assert "no library that links" in complaint(sources)


@pytest.mark.parametrize("libraries", ["lib", "lib64", "usr/lib", f"usr/lib/{TRIPLET}"])
@pytest.mark.parametrize("headers", ["include", "usr/include", f"usr/include/{TRIPLET}"])
def test_a_prefix(prefix: Path, builder: ModuleType, headers: str, libraries: str) -> None:
    """An installation, and a folder into which packages were unpacked."""
    write(prefix / headers / "liburing.h", HEADER)
    make_library(prefix / libraries, static=True)

    found = builder.find_liburing(builder.Compiler())

    assert found.version == (2, 9)
    assert set(found.compile_flags[::2]) == {"-isystem"}, "warnings in others' headers are not ours"
    assert str(prefix / headers) in [str(Path(flag)) for flag in found.compile_flags]
    assert str(Path(found.link_flags[0])) == str(prefix / libraries / "liburing.a")


def test_a_prefix_is_linked_statically_where_it_can_be(prefix: Path, builder: ModuleType) -> None:
    write(prefix / "include" / "liburing.h", HEADER)
    make_library(prefix / "lib", static=True, shared=True)

    assert builder.find_liburing(builder.Compiler()).link_flags[0] == str(prefix / "lib" / "liburing.a")


def test_a_shared_library_of_a_prefix_is_found_at_run_time(prefix: Path, builder: ModuleType) -> None:
    write(prefix / "include" / "liburing.h", HEADER)
    make_library(prefix / "lib", shared=True)

    flags = builder.find_liburing(builder.Compiler()).link_flags

    assert flags == [f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib", "-luring"]


def test_a_static_library_that_does_not_link_gives_way_to_the_shared_one(prefix: Path, builder: ModuleType) -> None:
    write(prefix / "include" / "liburing.h", HEADER)
    make_library(prefix / "lib", shared=True)
    write(prefix / "lib" / "liburing.a", "!<arch>\n")

    assert "-luring" in builder.find_liburing(builder.Compiler()).link_flags


def test_the_systems_liburing_needs_no_path(builder: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYURING_LIBURING", "")
    try:
        found = builder.find_liburing(builder.Compiler())
    except SystemExit as error:
        pytest.skip(f"no liburing on this system: {error}")

    assert found.compile_flags == []
    assert not [flag for flag in found.link_flags if "rpath" in flag or flag.startswith(("-L", "/"))]


def test_our_c_compiles_without_a_warning(sources: Path) -> None:
    """Nor with what gcc 14 makes errors of."""
    strict = "-Wall -Wextra -Werror=incompatible-pointer-types -Werror=int-conversion"
    package = sources / "pyuring"
    write(package / "_liburing.cpython-311-x86_64-linux-gnu.so", "from an earlier build")

    done = build(sources, CFLAGS=strict)

    assert done.returncode == 0
    assert done.stderr == ""
    assert list(package.glob("*.so")) == [Path(done.stdout.strip())]


def test_a_row_that_cannot_be_read_ends_the_build(sources: Path) -> None:
    rows = sources / "pyuring" / "_native" / "rows" / "transfers.h"
    rows.write_text(rows.read_text().replace("OPERATION(nop, ", "OPERATION(nop ,"))

    assert "_native/rows/ has a row that build_liburing.py cannot read" in build(sources).stderr


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="needs pip")
def test_what_pip_shows_ends_with_the_line(prefix: Path, sources: Path, tmp_path: Path) -> None:
    options = ["--no-build-isolation", "--no-deps", "--target", f"{tmp_path}/to"]
    command = [sys.executable, "-m", "pip", "install", *options, "."]

    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)

    # What comes after "[end of output]" is pip's own.
    shown = (done.stdout + done.stderr).partition("[end of output]")[0].strip().splitlines()
    assert shown[-1].strip().startswith(f"pyuring: liburing's headers are missing below {prefix}. Install it: apt ")
    assert "Traceback" not in done.stdout + done.stderr
