"""docs/operations.md says what the code has, and the code has every opcode."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from checkout import IS_CHECKOUT, ROOT
from specs import SPECS

import pyuring
from pyuring.history import OPCODES

if not IS_CHECKOUT:
    pytest.skip("needs a checkout", allow_module_level=True)

PAGE = ROOT / "docs" / "operations.md"
#: The last one that Linux 6.18 has: PIPE.
LAST = 62


def test_the_page_is_what_the_generator_makes() -> None:
    generator = ROOT / ".ci" / "reference.py"
    done = subprocess.run([sys.executable, generator, "--print"], cwd=ROOT, capture_output=True, text=True, check=True)

    if done.stdout != PAGE.read_text():
        pytest.fail("the operations have changed: run .venv/bin/python .ci/reference.py and commit docs/operations.md")


@pytest.mark.parametrize("number", range(LAST + 1))
def test_every_opcode_of_the_kernel_can_be_reached(number: int) -> None:
    opcode = OPCODES[number][0]
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {number} | {opcode} |")]
    assert lines, f"{opcode} has no line"
    assert all("not offered" not in line for line in lines)
    for line in lines:
        (name,) = re.findall(r"`(\w+)=?`", line.split("|")[4])
        assert name == "timeout" or inspectable(name)


def inspectable(name: str) -> bool:
    return bool(getattr(pyuring.Ring, name).__doc__)


def test_the_running_kernel_has_no_opcode_that_is_missing_here() -> None:
    with pyuring.Ring(1) as ring:
        there = {number for number in range(256) if ring.supports(number)}
    assert there <= set(range(len(OPCODES)))


def test_every_operation_has_a_sheet_or_is_among_the_first_ones() -> None:
    """The first ones have their rows and scenarios in the tests that all sheets go through."""
    assert len({spec.name for spec in SPECS}) == len(SPECS)
