"""The sources, for tests of the build: they run where the sources are, so not against an installed wheel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

IS_CHECKOUT = (ROOT / "build_liburing.py").is_file()
needs_checkout = pytest.mark.skipif(not IS_CHECKOUT, reason="needs a checkout")

NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", "__pycache__", "*.so", "*.o", "build", "dist", "*.egg-info"
)


def copy_sources(folder: Path) -> Path:
    """A checkout of one's own, with nothing built in it."""
    return Path(shutil.copytree(ROOT, folder, ignore=NOT_SOURCES))
