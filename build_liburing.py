"""Build pyuring._liburing: CFFI, out-of-line, API mode, linked with liburing.

``setup.py`` calls this through ``cffi_modules``. Run by itself, it builds the
extension into the checkout: ``python build_liburing.py``.

Environment:
    PYURING_LIBURING: prefix of the liburing to use, for instance ``/opt/liburing``
        or a folder into which packages were unpacked; default: the system's.
    CC, CFLAGS, CPPFLAGS, LDFLAGS: as for any extension.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

import cffi

ROOT = Path(__file__).resolve().parent
NATIVE = ROOT / "pyuring" / "_native"

#: What the newest functions in use were added with.
OLDEST_LIBURING = (2, 3)

INSTALL_LIBURING = "apt install liburing-dev | dnf install liburing-devel | apk add liburing-dev linux-headers"
INSTALL_NEWER_LIBURING = f"{INSTALL_LIBURING} (Debian 12, Ubuntu 24.04, Fedora 38, Alpine 3.18 and later have it)"
INSTALL_KERNEL_HEADERS = "apt install linux-libc-dev | dnf install kernel-headers | apk add linux-headers"
INSTALL_COMPILER = "apt install gcc libc6-dev | dnf install gcc glibc-devel | apk add gcc musl-dev"
INSTALL_PYTHON = "apt install python3-dev | dnf install python3-devel | apk add python3-dev"


class BuildError(SystemExit):
    """Ends the build with one line that says what to install."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"pyuring: {problem}. Install it: {remedy}")


class Liburing(NamedTuple):
    """A liburing to build with."""

    version: tuple[int, int]
    compile_flags: list[str]
    link_flags: list[str]


class Compiler:
    """The C compiler, as the build itself will call it."""

    def __init__(self) -> None:
        self.command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
        if shutil.which(self.command[0]) is None:
            raise BuildError(f"there is no C compiler ({self.command[0]} is not found)", INSTALL_COMPILER)
        self.command += shlex.split(f"{os.environ.get('CFLAGS', '')} {os.environ.get('CPPFLAGS', '')}")
        if self.run("#include <errno.h>\n", "-fsyntax-only") is None:
            problem = f"{self.command[0]} compiles nothing, the C library's headers may be missing"
            raise BuildError(problem, INSTALL_COMPILER)

    def run(self, source: str, *flags: str, libraries: tuple[str, ...] = ()) -> str | None:
        """What the compiler prints for `source`, or None where it fails."""
        done = subprocess.run(
            [*self.command, "-D_GNU_SOURCE", *flags, "-x", "c", "-", *libraries],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    def links(self, includes: list[str], *libraries: str) -> bool:
        """Whether an extension can be linked with these libraries, nothing left undefined."""
        source = "#include <liburing.h>\nint f(struct io_uring *r) { return io_uring_register_sync_cancel(r, 0); }\n"
        with tempfile.TemporaryDirectory() as folder:
            flags = [*includes, "-shared", "-fPIC", "-o", f"{folder}/probe.so", "-Wl,-z,defs"]
            extra = shlex.split(os.environ.get("LDFLAGS", ""))
            # "-x none": what follows is no C source.
            return self.run(source, *flags, libraries=("-x", "none", *extra, *libraries)) is not None


def header_version(text: str) -> tuple[int, int]:
    """The release a preprocessed liburing.h is of; 2.4 was the first to say so itself."""
    numbers = dict(re.findall(r"#define IO_URING_VERSION_(MAJOR|MINOR) (\d+)", text))
    if numbers:
        return int(numbers["MAJOR"]), int(numbers["MINOR"])
    return (2, 3) if "io_uring_register_sync_cancel" in text else (2, 2)


def check_headers(compiler: Compiler, includes: list[str], where: str) -> tuple[int, int]:
    """The version of liburing's headers, which are there, new enough, and compile."""
    text = compiler.run(
        "#if __has_include(<liburing.h>)\nint found;\n#include <liburing.h>\n#endif\n", *includes, "-E", "-dD"
    )
    if text is not None and "int found;" not in text:
        raise BuildError(f"liburing's headers are missing{where}", INSTALL_LIBURING)
    version = header_version(text or "")
    if text is not None and version < OLDEST_LIBURING:
        oldest = ".".join(map(str, OLDEST_LIBURING))
        raise BuildError(f"the liburing found{where} is older than {oldest}", INSTALL_NEWER_LIBURING)
    if compiler.run("#include <liburing.h>\n", *includes, "-fsyntax-only") is None:
        problem = f"liburing's headers{where} do not compile, the kernel's are missing or older than they need"
        raise BuildError(problem, INSTALL_KERNEL_HEADERS)
    return version


def folders_of(prefix: Path) -> tuple[list[str], list[str]]:
    """Include and library folders below `prefix`, also of a package unpacked there."""
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    bases = [prefix, prefix / "usr"]
    includes = [base / "include" / sub for base in bases for sub in ("", triplet)]
    libraries = [base / sub for base in bases for sub in ("lib", "lib64", f"lib/{triplet}")]
    return (
        list(dict.fromkeys(str(folder) for folder in includes if folder.is_dir())),
        list(dict.fromkeys(str(folder) for folder in libraries if any(folder.glob("liburing.*")))),
    )


def find_liburing(compiler: Compiler) -> Liburing:
    """The liburing to build with, or a BuildError that names the package."""
    prefix = os.environ.get("PYURING_LIBURING", "")
    include_dirs, library_dirs = folders_of(Path(prefix).absolute()) if prefix else ([], [])
    where = f" below {prefix}" if prefix else ""
    if prefix and not any(Path(folder, "liburing.h").is_file() for folder in include_dirs):
        raise BuildError(f"liburing's headers are missing{where}", INSTALL_LIBURING)
    # As system headers: their warnings are not ours to mend.
    includes = [part for folder in include_dirs for part in ("-isystem", folder)]
    version = check_headers(compiler, includes, where)

    # By path below a prefix, because a search would go on to the system's library.
    archives = [str(path) for folder in library_dirs for path in Path(folder).glob("liburing.a")]
    static = archives[:1] if prefix else ["-l:liburing.a"]
    paths = [flag for folder in library_dirs for flag in (f"-L{folder}", f"-Wl,-rpath,{folder}")]
    dynamic = [] if prefix and not library_dirs else [*paths, "-luring"]
    # Kept inside: no other liburing in the process may take its place, or it that of another.
    hidden = [*static, "-Wl,--exclude-libs,ALL"] if static else []
    for flags in (hidden, dynamic):
        if flags and compiler.links(includes, *flags):
            return Liburing(version, includes, flags)
    raise BuildError(f"liburing's headers are there{where}, but no library that links", INSTALL_LIBURING)


def check_python_headers() -> None:
    """Python.h is a package of its own in most distributions."""
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").is_file():
        release = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(f"the headers of Python {release} are missing ({include}/Python.h)", INSTALL_PYTHON)


OPERATION_ROW = re.compile(r'^(FILE_)?OPERATION\((\w+), (\w+), "([\d.]+)", \((.*?)\), ', re.MULTILINE)


def operations() -> list[tuple[str, str]]:
    """(declaration of the function, entry in the table of opcodes) of every row in rows/."""
    text = "".join(path.read_text() for path in sorted(NATIVE.glob("rows/*.h")))
    found = OPERATION_ROW.findall(text)
    if len(found) != len(re.findall(r"^(?:FILE_)?OPERATION\(", text, re.MULTILINE)):
        raise ValueError("_native/rows/ has a row that build_liburing.py cannot read")
    rows = []
    for file, name, opcode, since, parameters in found:
        arguments = ["struct pyuring *u", "int tag", *(["int64_t file"] if file else [])]
        arguments += [parameters] if parameters else []
        declaration = f"int pyuring_prep_{name}({', '.join(arguments)});"
        rows.append((declaration, f'{{ "{name}", {opcode}, "{since}" }}'))
    return rows


def cdef() -> str:
    """The declarations CFFI reads: liburing's, pyuring's own, and one per operation."""
    rows = operations()
    return "\n".join(
        [
            (NATIVE / "level0.h").read_text(),
            (NATIVE / "cdef.h").read_text(),
            *(declaration for declaration, _ in rows),
            f"static const struct pyuring_opcode pyuring_opcodes[{len(rows)}];",
        ]
    )


def source(version: tuple[int, int]) -> str:
    """The C file's own part: pyuring's headers and the table of opcodes by name."""
    table = "\n".join(f"\t{entry}," for _, entry in operations())
    return (
        f'#define PYURING_LIBURING_VERSION "{version[0]}.{version[1]}"\n'
        '#include "pyuring.h"\n'
        f"static const struct pyuring_opcode pyuring_opcodes[] = {{\n{table}\n}};\n"
    )


def make_ffi() -> cffi.FFI:
    """The builder that setuptools asks for."""
    compiler = Compiler()
    check_python_headers()
    liburing = find_liburing(compiler)
    ffi = cffi.FFI()
    ffi.cdef(cdef())
    ffi.set_source(
        "pyuring._liburing",
        source(liburing.version),
        include_dirs=[str(NATIVE)],
        depends=[str(path) for path in sorted(NATIVE.rglob("*.h"))],
        extra_compile_args=["-O2", "-fvisibility=hidden", *liburing.compile_flags],
        extra_link_args=liburing.link_flags,
    )
    return ffi


def build_in_place() -> Path:
    """Build the extension into the checkout; running programs keep the one they have."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX") if sysconfig.get_config_var("Py_GIL_DISABLED") else ".abi3.so"
    target = ROOT / "pyuring" / f"_liburing{suffix}"
    with tempfile.TemporaryDirectory() as folder:
        built = make_ffi().compile(tmpdir=folder)
        # One left from another Python's build would be imported in place of this one.
        for stale in target.parent.glob("_liburing.*so"):
            stale.unlink()
        shutil.move(built, target)
    return target


if __name__ == "__main__":
    print(build_in_place())
