"""How fast is a file written over from its beginning to its end, block by block?"""

from __future__ import annotations

from .case import file_case
from .lineups import writers

__all__ = ["CASE"]

CASE = file_case(
    "sequential-write",
    "How fast is a file written over from its beginning to its end, block by block?",
    writers,
    sequential=True,
    writing=True,
)
