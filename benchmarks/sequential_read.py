"""How fast is a file read from its beginning to its end, block by block?"""

from __future__ import annotations

from .case import file_case
from .lineups import readers

__all__ = ["CASE"]

CASE = file_case(
    "sequential-read",
    "How fast is a file read from its beginning to its end, block by block?",
    readers,
    sequential=True,
    writing=False,
)
