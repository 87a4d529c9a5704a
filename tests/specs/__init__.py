"""A sheet for each operation: its SQE, what it does, how it fails, what it refuses.

`test_sqe_oracle.py`, `test_operations.py`, `test_bad_input.py` and `test_public.py` put each
of them through all that operations have in common. A module here has a list ``SPECS``.
"""

from __future__ import annotations

import importlib
import pkgutil

from .kit import Spec

SPECS: list[Spec] = [
    spec
    for module in pkgutil.iter_modules(__path__)
    if module.name not in ("kit", "targets")
    for spec in importlib.import_module(f"{__name__}.{module.name}").SPECS
]
