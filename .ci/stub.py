"""Write pyuring/_liburing.pyi, the types of `lib`, from the built extension.

Run it in the environment that .ci/test made, after a change of what C declares:
``.venv/bin/python .ci/stub.py``. tests/test_stub.py fails while the committed file
is another one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from build_liburing import cdef  # noqa: E402
from pyuring._liburing import ffi, lib  # noqa: E402

STUB = ROOT / "pyuring" / "_liburing.pyi"

HEAD = """\
# Generated from the built extension by .ci/stub.py: do not edit.
#
# The classes of structures are for type checkers only. Each stands for a structure
# and for a pointer to it, which CFFI lets one use alike. They inherit, although
# CData is final, so that they are accepted wherever a CData is.
from _cffi_backend import FFI
from _cffi_backend import _CDataBase as CData

ffi: FFI
lib: _Lib
"""

#: What C's types are in Python; every other primitive type is an integer.
PRIMITIVES = {"_Bool": "bool", "char": "bytes", "float": "float", "double": "float"}
#: CFFI passes the memory of a bytes object where a function takes a pointer to these.
BYTES = {"void", "char", "signed char", "unsigned char", "int8_t", "uint8_t"}


def is_known_structure(ctype: Any) -> bool:
    """Whether Python may touch fields of it."""
    if ctype.kind != "struct" or not ctype.cname.startswith("struct "):
        return False
    try:
        ffi.sizeof(ctype)
    except ffi.error:  # an opaque one: to ask for its fields aborts the interpreter
        return False
    return bool(ctype.fields)


def value_type(ctype: Any) -> str:
    """What Python gets for a C value of this type."""
    if ctype.kind == "void":
        return "None"
    if ctype.kind == "primitive":
        return PRIMITIVES.get(ctype.cname, "int")
    target = ctype.item if ctype.kind == "pointer" else ctype
    return target.cname.replace(" ", "_") if is_known_structure(target) else "CData"


def argument_type(ctype: Any) -> str:
    """What Python may pass for an argument of this type."""
    if ctype.kind != "pointer":
        return value_type(ctype)
    if ctype.item.cname in BYTES:
        return "bytes | CData"
    return "list[int] | CData" if value_type(ctype.item) == "int" else "CData"


def structures(functions: list[Any]) -> dict[str, Any]:
    """Every structure with fields that functions or other structures lead to, by its name."""
    found: dict[str, Any] = {}
    todo = [ctype for function in functions for ctype in (function.result, *function.args)]
    while todo:
        ctype = todo.pop()
        if ctype.kind in {"pointer", "array"}:
            todo.append(ctype.item)
        elif is_known_structure(ctype) and value_type(ctype) not in found:
            found[value_type(ctype)] = ctype
            todo += [field.type for _, field in ctype.fields]
    return dict(sorted(found.items()))


def parameter_names(function: str, count: int, declarations: str) -> list[str]:
    """The names that C gives the parameters: they are all the documentation a stub has."""
    found = re.search(rf"\b{function}\(([^()]*)\);", declarations)
    names = re.findall(r"(\w+)(?:\[\d*\])?\s*(?:,|$)", found[1]) if found and count else []
    if len(names) != count:
        raise SystemExit(f"{function} is not declared with {count} named parameters in pyuring/_native")
    return names


def method(name: str, ctype: Any, declarations: str) -> str:
    """The stub's line for a function."""
    names = parameter_names(name, len(ctype.args), declarations)
    typed = [f"{each}: {argument_type(kind)}" for each, kind in zip(names, ctype.args, strict=True)]
    return f"def {name}({', '.join(['self', *typed, '/'])}) -> {value_type(ctype.result)}: ..."


def stub() -> str:
    """The whole file."""
    declarations = cdef()
    values = {name: getattr(lib, name) for name in sorted(dir(lib))}
    constants = {name: value for name, value in values.items() if isinstance(value, int)}
    ctypes = {name: ffi.typeof(value) for name, value in values.items() if name not in constants}
    functions = {name: ctype for name, ctype in ctypes.items() if ctype.kind == "function"}
    lines = [HEAD]
    for name, ctype in structures(list(functions.values())).items():
        lines.append(f"class {name}(CData):  # type: ignore[misc]")
        lines += [f"    {field}: {value_type(detail.type)}" for field, detail in ctype.fields]
        lines.append("")
    lines.append("class _Lib:")
    lines += [f"    {name}: {type(value).__name__}" for name, value in constants.items()]
    lines += [f"    {name}: {value_type(ctype)}" for name, ctype in ctypes.items() if name not in functions]
    lines += [f"    {method(name, ctype, declarations)}" for name, ctype in functions.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print(stub(), end="")
    else:
        STUB.write_text(stub())
