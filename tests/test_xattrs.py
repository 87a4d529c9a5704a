"""Extended attributes, against their cousins in `os`."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pyuring import Ring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


@pytest.mark.parametrize("value", [b"", b"x", b"with\0zeros\0", bytes(range(256)) * 4], ids=len)
def test_what_is_set_is_what_is_read_by_os_and_the_other_way_round(ring: Ring, path: Path, value: bytes) -> None:
    assert ring.setxattr(path, "user.ours", value).result() is None
    assert os.getxattr(path, "user.ours") == value
    os.setxattr(path, "user.theirs", value)
    op = ring.getxattr(path, "user.theirs")
    assert op.result() == value == op.result()
    assert op.res == len(value)


def test_a_file_is_named_by_path_descriptor_object_or_slot(ring: Ring, path: Path) -> None:
    with path.open("rb") as file:
        slot = ring.register_files([file])[0]
        for number, form in enumerate((path, str(path), os.fsencode(path), file.fileno(), file, slot)):
            value = b"value %d" % number
            ring.setxattr(form, b"user.name", value).result()
            assert ring.getxattr(form, "user.name").result() == os.getxattr(path, "user.name") == value
        for number, fd in enumerate((file.fileno(), file, slot)):
            value = b"by number %d" % number
            ring.fsetxattr(fd, "user.name", value).result()
            assert ring.fgetxattr(fd, "user.name").result() == os.getxattr(path, "user.name") == value


def test_room_that_is_just_enough_is_enough_and_less_is_a_range_error(ring: Ring, path: Path) -> None:
    os.setxattr(path, "user.name", b"12345")
    assert ring.getxattr(path, "user.name", 5).result() == b"12345"
    with pytest.raises(OSError) as caught:
        ring.getxattr(path, "user.name", 4).result()
    assert caught.value.errno == errno.ERANGE


def test_create_and_replace_mean_what_they_mean_in_os(ring: Ring, path: Path) -> None:
    for setting in (ring.setxattr, os.setxattr):
        os.setxattr(path, "user.there", b"old")
        for name, flag, kind in (
            ("user.there", os.XATTR_CREATE, FileExistsError),
            ("user.new", os.XATTR_REPLACE, OSError),
        ):
            with pytest.raises(kind) as caught:
                done: Any = setting(path, name, b"new", flag)
                done.result()
            assert caught.value.filename == os.fspath(path)
        assert os.getxattr(path, "user.there") == b"old"
        assert os.listxattr(path) == ["user.there"]


@pytest.mark.parametrize("call", ["getxattr", "setxattr"])
@pytest.mark.parametrize("name", ["user.no", "what", "user." + "x" * 256, ""])
def test_an_error_has_the_class_and_the_filename_that_os_gives_it(ring: Ring, path: Path, call: str, name: str) -> None:
    more = (b"", os.XATTR_REPLACE) if call == "setxattr" else ()
    with path.open("rb") as file:
        for form in (str(path), os.fsencode(path), file.fileno()):
            with pytest.raises(OSError) as theirs:
                getattr(os, call)(form, name, *more)
            with pytest.raises(OSError) as ours:
                getattr(ring, call)(form, name, *more).result()
            assert type(ours.value) is type(theirs.value)
            assert (ours.value.errno, ours.value.filename) == (theirs.value.errno, theirs.value.filename)


def test_links_are_followed(ring: Ring, path: Path) -> None:
    link = path.with_name("link")
    os.symlink(path, link)
    ring.setxattr(link, "user.name", b"through").result()
    assert os.getxattr(path, "user.name") == b"through"
    assert ring.getxattr(link, "user.name").result() == b"through"


def test_a_value_is_held_until_it_is_set(ring: Ring, path: Path) -> None:
    value = bytearray(b"value")
    op = ring.setxattr(path, "user.name", value)
    with pytest.raises(BufferError):
        value.append(0)
    assert op.result() is None
    value.append(0)
    assert os.getxattr(path, "user.name") == b"value"


def test_many_at_once_do_not_mix_up_their_memory(ring: Ring, path: Path) -> None:
    names = [f"user.{number}" for number in range(20)]
    for name in names:
        ring.setxattr(path, name, name.encode() * 3)
    assert len(ring.wait(len(names), timeout=10)) == len(names)
    reads = [ring.getxattr(path, name) for name in names]
    assert [op.result() for op in reads] == [name.encode() * 3 for name in names]
