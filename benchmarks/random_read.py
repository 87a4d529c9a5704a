"""How fast are blocks read from random places of a file?"""

from __future__ import annotations

from .case import file_case
from .lineups import readers

__all__ = ["CASE"]

CASE = file_case(
    "random-read", "How fast are blocks read from random places of a file?", readers, sequential=False, writing=False
)
