"""pyuring/_liburing.pyi says what the extension really has."""

from __future__ import annotations

import subprocess
import sys

import pytest
from checkout import IS_CHECKOUT, ROOT

import pyuring

if not IS_CHECKOUT:
    pytest.skip("needs a checkout", allow_module_level=True)

STUB = ROOT / "pyuring" / "_liburing.pyi"


def test_the_stub_is_what_the_generator_makes() -> None:
    generator = ROOT / ".ci" / "stub.py"
    done = subprocess.run([sys.executable, generator, "--print"], cwd=ROOT, capture_output=True, text=True, check=True)

    if done.stdout != STUB.read_text():
        pytest.fail("what C declares has changed: run .venv/bin/python .ci/stub.py and commit pyuring/_liburing.pyi")


def test_every_name_has_a_type() -> None:
    stub = STUB.read_text()

    for name in dir(pyuring.lib):
        assert f"    {name}: " in stub or f"    def {name}(self" in stub
    assert "Any" not in stub
