"""Write docs/operations.md, the table of operations, from the code.

Run it in the environment that .ci/test made, after a change of what operations there are:
``.venv/bin/python .ci/reference.py``. tests/test_reference.py fails while the committed
page is another one.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pyuring import Ring  # noqa: E402
from pyuring.history import OPCODES  # noqa: E402
from pyuring.kernel import OPCODES as NUMBERS  # noqa: E402
from pyuring.kernel import SINCE  # noqa: E402

PAGE = ROOT / "docs" / "operations.md"

HEAD = """\
# Operations

Every opcode of io_uring, the methods of `Ring` that prepare it, the first Linux that has it, and
what `result()` returns. All of them take `user_data`, `flags`, `drain` and, except the multishots
and timers, `timeout`. `help(pyuring.Ring.read)` has the rest; `pyuring.probe()` and
`ring.supports("read")` tell what the running kernel has.

*Multishot*: the handle is iterated over, and each result is a completion. *Zero copy*: the result
comes first, `released` tells when the memory is free again. *Direct*: with `direct=` the
descriptor goes into the table of registered files. *Fixed*: takes registered buffers.
*Provided*: takes the buffers of `ring.buffer_ring()`.

This page is made from the code by `.ci/reference.py`.

| no. | opcode | Linux | method | returns | variants |
|---|---|---|---|---|---|
"""

#: Opcodes that are no method's own.
ELSEWHERE = {
    "READ_FIXED": "`readinto` of a registered buffer",
    "WRITE_FIXED": "`write` of a registered buffer",
    "READV_FIXED": "`readv` into pieces of a registered buffer",
    "WRITEV_FIXED": "`writev` of pieces of a registered buffer",
    "LINK_TIMEOUT": "`timeout=` of any operation",
    "NOP128": "not offered: no kernel that pyuring was tested on has it",
    "URING_CMD128": "not offered: no kernel that pyuring was tested on has it",
}

#: Names that annotations have for longer types.
ALIASES = {
    "Message": "(bytes, ancdata, msg_flags, address)",
    "MessageInto": "(int, ancdata, msg_flags, address)",
}

#: What the annotations of the methods cannot tell.
FIXED = {"readinto", "write", "readv", "writev", "send", "recv_into", "send_zc", "sendmsg_zc", "uring_cmd"}
PROVIDED = {"readinto", "recv_into", "recv_multishot", "recvmsg_multishot", "read_multishot"}


def methods() -> dict[str, Any]:
    """The operations: the methods that the classes of pyuring.operations give to Ring."""
    domains = [domain for domain in Ring.__mro__ if domain.__module__.startswith("pyuring.operations.")]
    return {name: method for domain in domains for name, method in vars(domain).items() if not name.startswith("_")}


def returned(method: Any) -> tuple[str, set[str]]:
    """What `result()` returns, and what its handle says about the operation."""
    annotation = str(inspect.signature(method).return_annotation)
    handle, _, inner = annotation.partition("[")
    variants = {"multishot"} if handle == "Multishot" else {"zero copy"} if handle == "ZeroCopyCompletion" else set()
    value = inner.rstrip("]") if inner.count("[") == 0 else inner[:-1]
    return ALIASES.get(value, value) or "int", variants


def variants_of(name: str, method: Any) -> str:
    """The forms it has besides the plain one."""
    found = returned(method)[1]
    if "direct" in inspect.signature(method).parameters:
        found.add("direct")
    if name in FIXED:
        found.add("fixed")
    if name in PROVIDED:
        found.add("provided")
    return ", ".join(sorted(found))


def rows() -> list[str]:
    """The table's lines: one for each method, and for each opcode that has none."""
    lines = []
    known = methods()
    for number, (opcode, since) in enumerate(OPCODES):
        names = sorted(name for name in known if NUMBERS.get(name) == number)
        if not names or opcode in ELSEWHERE:
            lines.append(f"| {number} | {opcode} | {since} | {ELSEWHERE[opcode]} | | |")
        for name in names:
            method = known[name]
            value = returned(method)[0].replace("|", "\\|")
            lines.append(f"| {number} | {opcode} | {SINCE[name]} | `{name}` | {value} | {variants_of(name, method)} |")
    return lines


def summaries() -> list[str]:
    """One line for each method, by name: what it does."""
    lines = []
    for name, method in sorted(methods().items()):
        text = re.sub(r"\s+", " ", (inspect.getdoc(method) or "").split("\n\n")[0]).replace("``", "`")
        lines.append(f"- `{name}`: {text}")
    return lines


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(rows()) + "\n\n## What they do\n\n" + "\n".join(summaries()) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print(page(), end="")
    else:
        PAGE.write_text(page())
