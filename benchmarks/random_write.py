"""How fast are blocks written to random places of a file?"""

from __future__ import annotations

from .case import file_case
from .lineups import writers

__all__ = ["CASE"]

CASE = file_case(
    "random-write", "How fast are blocks written to random places of a file?", writers, sequential=False, writing=True
)
