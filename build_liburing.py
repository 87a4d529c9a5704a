"""Build pyuring._liburing: CFFI, out-of-line, API mode, linked with liburing.

``setup.py`` calls this through ``cffi_modules``. Run by itself, it compiles the
extension in place: ``python build_liburing.py``.

Environment:
    PYURING_LIBURING: prefix of the liburing to use, for instance ``/opt/liburing``
        or a folder into which packages were unpacked; default: the system's.
    CC: the C compiler; default: the one this Python was built with.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import cffi

NATIVE = Path(__file__).resolve().parent / "pyuring" / "_native"

#: What the newest functions in use were added with.
OLDEST_LIBURING = (2, 3)

INSTALL_LIBURING = "apt install liburing-dev | dnf install liburing-devel | apk add liburing-dev linux-headers"
INSTALL_COMPILER = "apt install gcc libc6-dev | dnf install gcc | apk add gcc musl-dev"
INSTALL_PYTHON = "apt install python3-dev | dnf install python3-devel | apk add python3-dev"


class BuildError(SystemExit):
    """Ends the build with one line that says what to install."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"pyuring: {problem}. Install it: {remedy}")


@dataclass
class Liburing:
    """Where a liburing was found."""

    version: tuple[int, int]
    include_dirs: list[str] = field(default_factory=list)
    library_dirs: list[str] = field(default_factory=list)
    static_library: str | None = None

    def link_arguments(self) -> dict[str, list[str]]:
        """The arguments of ``set_source`` that link it, statically where possible."""
        if self.static_library:
            return {"extra_objects": [self.static_library]}
        return {
            "libraries": ["uring"],
            "library_dirs": self.library_dirs,
            "runtime_library_dirs": self.library_dirs,
        }


def compiler() -> list[str]:
    """The C compiler as a command, checked to exist."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise BuildError(f"no C compiler ({command[0]} not found)", INSTALL_COMPILER)
    return command


def preprocess(command: list[str], include_dirs: list[str], source: str) -> str | None:
    """`source` after the preprocessor, macros included, or None where that fails."""
    flags = [f"-I{folder}" for folder in include_dirs]
    done = subprocess.run(
        [*command, *flags, "-E", "-dD", "-x", "c", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def header_version(text: str) -> tuple[int, int]:
    """The release a preprocessed liburing.h is of; 2.4 was the first to say so itself."""
    numbers = dict(re.findall(r"#define IO_URING_VERSION_(MAJOR|MINOR) (\d+)", text))
    if numbers:
        return int(numbers["MAJOR"]), int(numbers["MINOR"])
    return (2, 3) if "io_uring_register_sync_cancel" in text else (2, 2)


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


def system_library_dirs(command: list[str]) -> list[str]:
    """Where the compiler itself looks for liburing."""
    for name in ("liburing.a", "liburing.so"):
        done = subprocess.run([*command, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
        if os.path.isabs(done.stdout.strip()):
            return [os.path.dirname(done.stdout.strip())]
    return []


def find_liburing(command: list[str]) -> Liburing:
    """The liburing to build with, or a BuildError that names the package."""
    prefix = os.environ.get("PYURING_LIBURING")
    if prefix:
        include_dirs, library_dirs = folders_of(Path(prefix))
    else:
        include_dirs, library_dirs = [], system_library_dirs(command)
    where = f" below {prefix}" if prefix else ""
    if preprocess(command, [], "#include <errno.h>\n") is None:
        raise BuildError("the C library's headers are missing", INSTALL_COMPILER)
    text = preprocess(command, include_dirs, "#include <liburing.h>\n")
    if text is None or (prefix and not include_dirs):
        raise BuildError(f"liburing's headers are missing{where}", INSTALL_LIBURING)
    version = header_version(text)
    if version < OLDEST_LIBURING:
        raise BuildError("liburing is older than 2.3", INSTALL_LIBURING)
    if not library_dirs:
        raise BuildError(f"liburing's headers are there{where}, but not the library", INSTALL_LIBURING)
    static = [str(path) for folder in library_dirs for path in Path(folder).glob("liburing.a")]
    return Liburing(version, include_dirs, library_dirs, static[0] if static else None)


def check_python_headers() -> None:
    """Python.h is a package of its own in most distributions."""
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").is_file():
        raise BuildError(f"Python's headers are missing ({include}/Python.h)", INSTALL_PYTHON)


OPERATION_ROW = re.compile(r'^(FILE_)?OPERATION\((\w+), (\w+), "([\d.]+)", \((.*?)\), ', re.MULTILINE)


def operations() -> list[tuple[str, str]]:
    """(declaration of the function, entry in the table of opcodes) of every row of operations.h."""
    rows = []
    for file, name, opcode, since, parameters in OPERATION_ROW.findall((NATIVE / "operations.h").read_text()):
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
    command = compiler()
    check_python_headers()
    liburing = find_liburing(command)
    ffi = cffi.FFI()
    ffi.cdef(cdef())
    ffi.set_source(
        "pyuring._liburing",
        source(liburing.version),
        include_dirs=[str(NATIVE), *liburing.include_dirs],
        depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
        extra_compile_args=["-O2", "-fvisibility=hidden"],
        **liburing.link_arguments(),
    )
    return ffi


if __name__ == "__main__":
    make_ffi().compile(tmpdir=str(NATIVE.parent.parent), verbose=True)
