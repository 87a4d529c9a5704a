"""File systems and devices of other kinds than the disk that the tests run on, made by root for a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confinement import CAP_SYS_ADMIN

MIB = 1 << 20


def run(*command: object) -> str:
    """What `command` prints. The test is skipped where it is not there."""
    name = str(command[0])
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([path, *map(str, command[1:])], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def need_mounts() -> None:
    """Skip the test where this process may not mount, or a container has no loop devices."""
    capabilities = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert capabilities is not None
    if not int(capabilities[1], 16) >> CAP_SYS_ADMIN & 1:
        pytest.skip("mounting needs CAP_SYS_ADMIN")
    if not os.access("/dev/loop-control", os.R_OK | os.W_OK):
        pytest.skip("there are no loop devices here")


@contextmanager
def loop_device(folder: Path, sector: int, size: int = 64 * MIB) -> Iterator[Path]:
    """A block device of `size` bytes with sectors of `sector` bytes."""
    need_mounts()
    image = folder / f"image-{sector}"
    with image.open("xb") as file:
        file.truncate(size)
    device = run("losetup", "--find", "--show", "--sector-size", sector, image)
    try:
        yield Path(device)
    finally:
        run("losetup", "--detach", device)
        image.unlink()


@contextmanager
def mounted(folder: Path, kind: str, device: object = "none", options: str = "defaults") -> Iterator[Path]:
    """The root of a file system of `kind`, mounted below `folder`."""
    need_mounts()
    place = folder / f"mounted-{kind}"
    place.mkdir()
    run("mount", "-t", kind, "-o", options, device, place)
    try:
        yield place
    finally:
        run("umount", place)
        place.rmdir()


@contextmanager
def ext4(folder: Path, sector: int = 4096, options: str = "defaults") -> Iterator[Path]:
    """An ext4 on a device of its own; where its sectors are large, so is what direct I/O demands."""
    with ExitStack() as stack:
        device = stack.enter_context(loop_device(folder, sector))
        run("mkfs.ext4", "-q", "-b", 4096, device)
        yield stack.enter_context(mounted(folder, "ext4", device, options))
