"""What `--from` and `--compare` do: pages and text from runs of the past, without measuring."""

from __future__ import annotations

import os
from typing import Any

from .compare import compare, comparison_text
from .compare_page import comparison_page
from .document import page_path, write_page
from .page import report_page
from .record import load, parse

__all__ = ["compare_files", "render_data", "render_file"]


def render_data(data: dict[str, Any], path: str) -> None:
    """Write the page of a run that has just been measured."""
    write_page(path, report_page(parse(data)))
    print(f"\nreport: {path}")


def render_file(source: str, directory: str) -> int:
    """Write the page of what `--json` has written to `source`.

    Raises:
        OSError: one of them cannot be read or written.
        RecordError: `source` is no run.
    """
    page = report_page(load(source))
    path = page_path(directory)
    write_page(path, page)
    print(f"report: {path}")
    return 0


def compare_files(old: str, new: str, *, directory: str | None) -> int:
    """Print what changed, and write it as a page too if there is a directory for it.

    Returns:
        1 if one of pyuring's contenders became slower, or broke.

    Raises:
        OSError: a file cannot be read or written.
        RecordError: a file is no run, or the two cannot be compared.
    """
    comparison = compare(load(old), load(new))
    print(comparison_text(comparison))
    if directory:
        path = page_path(directory)
        write_page(path, comparison_page(comparison, os.path.basename(old), os.path.basename(new)))
        print(f"\nreport: {path}")
    return 1 if comparison.regressions else 0
