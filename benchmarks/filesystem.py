"""What a directory lies on. Imports nothing of pyuring: the peers' processes need it too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FileSystem", "file_system"]


@dataclass(frozen=True)
class FileSystem:
    """What a directory lies on."""

    kind: str
    device: str
    mount_point: str


def file_system(path: str) -> FileSystem:
    """The innermost mount that `path` lies on."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    inside = os.path.realpath(path)
    best = FileSystem("unknown file system", number, "?")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        mount_point = fields.split()[4].replace("\\040", " ")
        kind, source = tail.split()[:2]
        is_above = inside == mount_point or inside.startswith(mount_point.rstrip("/") + "/")
        if is_above and (best.mount_point == "?" or len(mount_point) >= len(best.mount_point)):
            best = FileSystem(kind, source, mount_point)
    return best
