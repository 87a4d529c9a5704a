"""For tests that may hang or crash: they run in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyuring

#: Where that process finds pyuring, and these helpers.
PATHS = [str(Path(pyuring.__file__).parents[1]), str(Path(__file__).parents[1])]

#: Python's objects come from malloc, which fills what is freed with a pattern, and unmaps at
#: once what is larger than a page: memory that is used after it was freed shows, or crashes.
STRICT_MEMORY = {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165", "MALLOC_MMAP_THRESHOLD_": "4096"}

#: The opposite: the heap keeps what is freed, to give it to whoever asks next.
SHARED_HEAP = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def run_python(
    code: str,
    *arguments: object,
    env: dict[str, str] | None = None,
    warnings: str = "error",
    timeout: float = 60,
    expect: int = 0,
) -> str:
    """Run `code` in a new interpreter, and return what it wrote to stderr.

    Args:
        code: the program; indented as it stands in the test.
        arguments: its ``sys.argv[1:]``.
        env: added to the environment.
        warnings: for ``-W``.
        timeout: seconds after which it counts as hanging.
        expect: the exit code it is to end with; -9 for SIGKILL and the like.
    """
    path = os.pathsep.join([*PATHS, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-X", "faulthandler", "-W", warnings, "-c", textwrap.dedent(code), *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **(env or {})},
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler tells where it was
            out, err = process.communicate()
            raise AssertionError(f"it hangs\n{out}\n{err}") from None
    assert process.returncode == expect, f"exit code {process.returncode}, not {expect}\n{out}\n{err}"
    return err
