"""A bar that shows how far the run is, on a terminal only."""

from __future__ import annotations

import shutil
from typing import TextIO

__all__ = ["Progress"]

_BAR = 24


class Progress:
    """One line at the bottom, on `stream`, that tables are printed above."""

    def __init__(self, stream: TextIO, cells: int) -> None:
        self._stream = stream
        self._cells = cells
        self._visible = stream.isatty()

    def show(self, cell: int, fraction: float, label: str) -> None:
        """Show that so much of cell number `cell` is done."""
        if not self._visible:
            return
        done = min((cell + fraction) / self._cells, 1.0)
        filled = round(done * _BAR)
        line = f"[{'#' * filled}{'.' * (_BAR - filled)}] {done:4.0%}  {label}"
        self._stream.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()

    def clear(self) -> None:
        if self._visible:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
