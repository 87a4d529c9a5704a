"""Operations on paths, against their cousins in `os`."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

import pyuring
from pyuring import RenameFlags, Ring, StatxAttributes, StatxFlags, StatxMask

STATX_SIZE, STATX_BTIME, STATX_DIOALIGN = 0x200, 0x800, 0x2000


def forms_of(path: Path) -> list[Any]:
    """A path in each form that `os` takes."""

    class Like:
        def __fspath__(self) -> str:
            return str(path)

    return [str(path), os.fsencode(path), path, Like()]


def test_a_path_comes_in_every_form_that_os_takes(ring: Ring, tmp_path: Path) -> None:
    file = tmp_path / "fïle \udcff"
    for form in forms_of(file):
        fd = ring.open(form, os.O_CREAT | os.O_EXCL | os.O_WRONLY).result()
        os.close(fd)
        assert ring.statx(form).result().st_size == 0
        ring.rename(form, tmp_path / "new").result()
        ring.rename(tmp_path / "new", form).result()
        ring.unlink(form).result()
        ring.mkdir(form).result()
        ring.rmdir(form).result()
        ring.symlink(form, tmp_path / "link").result()
        ring.hardlink(tmp_path / "link", form, follow_symlinks=False).result()
        assert os.fsdecode(os.readlink(form)) == str(file)
        ring.unlink(tmp_path / "link").result()
        ring.unlink(form).result()


def test_open_creates_with_the_mode_less_the_umask_as_os_does(ring: Ring, tmp_path: Path) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
    before = os.umask(0o027)
    try:
        os.close(ring.open(tmp_path / "ours", flags, 0o666).result())
        os.close(os.open(tmp_path / "theirs", flags, 0o666))
        os.close(ring.open(tmp_path / "ours default", flags).result())
        os.close(os.open(tmp_path / "theirs default", flags))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes["ours"] == modes["theirs"] == 0o640
    assert modes["ours default"] == modes["theirs default"]


def test_an_opened_descriptor_is_not_inheritable(ring: Ring, data_file: int) -> None:
    fd = ring.open("/dev/null").result()
    assert isinstance(fd, int)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_relative_paths_start_at_dir_fd_or_in_the_current_directory(
    ring: Ring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_bytes(b"12345")
    there = os.open(tmp_path / "there", os.O_RDONLY)
    fd = ring.open("file", dir_fd=there).result()
    assert os.read(fd, 9) == b"12345"
    os.close(fd)
    assert ring.statx("file", dir_fd=there).result().st_size == 5
    ring.mkdir("made", dir_fd=there).result()
    ring.rename("file", "moved", src_dir_fd=there, dst_dir_fd=there).result()
    assert sorted(os.listdir(there)) == ["made", "moved"]
    ring.unlink("moved", dir_fd=there).result()
    monkeypatch.chdir(tmp_path / "there")
    assert stat.S_ISDIR(ring.statx("made").result().st_mode)
    ring.rename("made", tmp_path / "moved out").result()
    assert os.listdir(there) == []
    os.close(there)


def test_rename_replaces_a_file_as_os_rename_does(ring: Ring, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    assert ring.rename(tmp_path / "new", tmp_path / "old").result() is None
    assert (tmp_path / "old").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["old"]


def test_mkdir_has_the_mode_less_the_umask_as_os_does(ring: Ring, tmp_path: Path) -> None:
    ring.mkdir(tmp_path / "ours").result()
    os.mkdir(tmp_path / "theirs")
    ring.mkdir(tmp_path / "narrow", 0o700).result()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes["ours"] == modes["theirs"]
    assert modes["narrow"] == 0o700


@pytest.mark.parametrize(
    "call",
    [
        "open no", "open .", "unlink no", "unlink .", "mkdir .", "mkdir no/no", "rename no to", "statx no",
        "open file/x", "rmdir no", "rmdir file", "hardlink no to", "hardlink file file", "hardlink . to",
        "symlink to file", "symlink to no/no",
    ],
)  # fmt: skip
def test_an_error_has_the_class_and_the_filenames_that_os_gives_it(
    ring: Ring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    name, *arguments = call.split()
    flags = [os.O_RDWR] if name == "open" else []
    for forms in (arguments, [os.fsencode(a) for a in arguments], [Path(a) for a in arguments]):
        with pytest.raises(OSError) as theirs:
            getattr(os, {"statx": "stat", "hardlink": "link"}.get(name, name))(*forms, *flags)
        with pytest.raises(OSError) as ours:
            getattr(ring, name)(*forms, *flags).result()
        assert type(ours.value) is type(theirs.value)
        for attribute in ("errno", "strerror", "filename", "filename2"):
            assert getattr(ours.value, attribute) == getattr(theirs.value, attribute), attribute
        assert str(ours.value) == str(theirs.value)


def test_permission_is_refused_as_os_refuses_it(ring: Ring) -> None:
    path = "/proc/sys/kernel/ostype"  # read-only for root too
    with pytest.raises(PermissionError):
        os.open(path, os.O_WRONLY)
    with pytest.raises(PermissionError) as caught:
        ring.open(path, os.O_WRONLY).result()
    assert caught.value.filename == path


def test_rename_has_the_flags_of_renameat2(ring: Ring, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    with pytest.raises(FileExistsError):
        ring.rename(tmp_path / "new", tmp_path / "old", rename_flags=RenameFlags.NOREPLACE).result()
    ring.rename(tmp_path / "new", tmp_path / "old", rename_flags=RenameFlags.EXCHANGE).result()
    assert ((tmp_path / "old").read_bytes(), (tmp_path / "new").read_bytes()) == (b"new", b"old")
    with pytest.raises(FileNotFoundError):
        ring.rename(tmp_path / "new", tmp_path / "no", rename_flags=RenameFlags.EXCHANGE).result()
    ring.rename(tmp_path / "new", tmp_path / "moved", rename_flags=RenameFlags.NOREPLACE).result()
    assert sorted(os.listdir(tmp_path)) == ["moved", "old"]
    for wrong in (RenameFlags.NOREPLACE | RenameFlags.EXCHANGE, 1 << 20):
        with pytest.raises(OSError) as caught:
            ring.rename(tmp_path / "old", tmp_path / "moved", rename_flags=wrong).result()
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(("flags", "kind"), [(-1, OverflowError), (2**32, OverflowError), ("x", TypeError)])
def test_rename_flags_that_are_none_are_refused(ring: Ring, flags: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ring.rename("a", "b", rename_flags=flags)
    with pytest.raises(kind):
        ring.statx("a", statx_flags=flags)
    assert ring.in_flight == 0


def test_a_hard_link_is_another_name_of_the_file(ring: Ring, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"content")
    os.symlink("file", link)
    ring.hardlink(link, tmp_path / "followed").result()
    ring.hardlink(link, tmp_path / "not followed", follow_symlinks=False).result()
    assert os.path.samefile(tmp_path / "followed", file)
    assert not os.path.islink(tmp_path / "followed")
    assert os.path.islink(tmp_path / "not followed")
    with file.open("rb") as opened:
        ring.hardlink(opened, tmp_path / "of the descriptor").result()
        assert os.path.samefile(tmp_path / "of the descriptor", file)
        with pytest.raises(FileExistsError) as caught:
            ring.hardlink(opened.fileno(), file).result()
        assert (caught.value.filename, caught.value.filename2) == (opened.fileno(), str(file))


def test_links_are_made_relative_to_directories(ring: Ring, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "a/file").touch()
    first, second = (os.open(tmp_path / name, os.O_RDONLY) for name in "ab")
    ring.hardlink("file", "hard", src_dir_fd=first, dst_dir_fd=second).result()
    ring.symlink("hard", "soft", dir_fd=second).result()
    assert os.path.samefile(tmp_path / "a/file", tmp_path / "b/soft")
    ring.mkdir("folder", dir_fd=second).result()
    ring.rmdir("folder", dir_fd=second).result()
    assert sorted(os.listdir(second)) == ["hard", "soft"]
    os.close(first)
    os.close(second)


# -- statx ---------------------------------------------------------------------------


def assert_same_stat(ours: pyuring.StatxResult, theirs: os.stat_result) -> None:
    for name in (
        "st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_blksize",
        "st_rdev", "st_atime_ns", "st_mtime_ns", "st_ctime_ns",
    ):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("st_atime", "st_mtime", "st_ctime"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-6), name


@pytest.mark.parametrize("path", ["file", "folder", "link", "fifo", "/dev/null", "/proc/self/status", "."])
def test_statx_tells_what_os_stat_tells(ring: Ring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(bytes(5000))
    os.utime("file", ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
    os.mkdir("folder")
    os.symlink("file", "link")
    os.mkfifo("fifo")
    assert_same_stat(ring.statx(path).result(), os.stat(path))
    assert_same_stat(ring.statx(path, follow_symlinks=False).result(), os.lstat(path))


def test_statx_of_a_descriptor_tells_what_fstat_tells(ring: Ring, data_file: int, pipe: tuple[int, int]) -> None:
    for fd in (data_file, pipe[0]):
        assert_same_stat(ring.statx(fd).result(), os.fstat(fd))
    with open("/dev/null", "rb") as file:
        assert_same_stat(ring.statx(file).result(), os.fstat(file.fileno()))


def test_statx_tells_more_than_stat(ring: Ring, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    found = ring.statx(path).result()
    assert found.stx_mask & 0x7FF == 0x7FF
    if found.stx_mask & STATX_BTIME:
        assert abs(found.st_birthtime - found.st_ctime) < 60
        assert found.st_birthtime_ns // 10**9 == int(found.st_birthtime)
    if found.stx_mask & STATX_DIOALIGN and found.stx_dio_mem_align:
        assert found.stx_dio_offset_align % 512 == 0
    assert isinstance(found.stx_mask, StatxMask)
    assert StatxMask.BASIC_STATS in found.stx_mask
    assert found.stx_mnt_id == mount_id(path)
    if StatxMask.WRITE_ATOMIC in found.stx_mask and found.stx_atomic_write_unit_max:
        assert found.stx_atomic_write_unit_min <= found.stx_atomic_write_unit_max
        assert found.stx_atomic_write_segments_max >= 1
    assert "size=1" in repr(found)


def mount_id(path: Path) -> int:
    """What /proc tells of the mount that a file is on."""
    with path.open("rb") as file:
        text = Path(f"/proc/self/fdinfo/{file.fileno()}").read_text()
    return int(text.partition("mnt_id:")[2].split()[0])


def test_statx_tells_attributes(ring: Ring) -> None:
    root = ring.statx("/").result()
    assert StatxAttributes.MOUNT_ROOT in root.stx_attributes_mask
    assert StatxAttributes.MOUNT_ROOT in root.stx_attributes
    assert StatxAttributes.MOUNT_ROOT not in ring.statx("/etc").result().stx_attributes


def test_each_field_of_statx_comes_from_its_place(ring: Ring, data_file: int) -> None:
    """The structure is written down here by its offsets, from statx(2)."""
    op = ring.statx(data_file)
    ring.wait(1)
    raw = bytearray(op._statx)  # type: ignore[attr-defined]
    struct.pack_into("=QII", raw, 0x90, 3, 5, 7)
    struct.pack_into("=QIIIII", raw, 0xA0, 17, 19, 23, 29, 31, 37)
    op._statx = bytes(raw)  # type: ignore[attr-defined]
    found = op.result()
    assert (found.stx_mnt_id, found.stx_dio_mem_align, found.stx_dio_offset_align, found.stx_subvol) == (3, 5, 7, 17)
    assert (found.stx_atomic_write_unit_min, found.stx_atomic_write_unit_max) == (19, 23)
    assert (found.stx_atomic_write_segments_max, found.stx_dio_read_offset_align) == (29, 31)
    assert found.stx_atomic_write_unit_max_opt == 37


def test_statx_takes_the_flags_for_how_fresh_an_answer_is(ring: Ring, data_file: int) -> None:
    for flags in (StatxFlags.FORCE_SYNC, StatxFlags.DONT_SYNC, StatxFlags.NO_AUTOMOUNT):
        assert ring.statx(data_file, statx_flags=flags).result().st_size == 65536
    with pytest.raises(OSError) as caught:
        ring.statx("/", statx_flags=StatxFlags.FORCE_SYNC | StatxFlags.DONT_SYNC).result()
    assert caught.value.errno == errno.EINVAL


def test_a_mount_has_a_unique_number_for_those_who_ask(ring: Ring, data_file: int) -> None:
    found = ring.statx(data_file, mask=StatxMask.MNT_ID_UNIQUE).result()
    assert StatxMask.MNT_ID_UNIQUE in found.stx_mask
    assert found.stx_mnt_id != ring.statx(data_file).result().stx_mnt_id


def test_statx_can_ask_for_fewer_fields(ring: Ring, data_file: int) -> None:
    assert ring.statx(data_file, mask=STATX_SIZE).result().st_size == 65536


def test_the_result_of_statx_is_the_same_each_time_it_is_asked_for(ring: Ring, data_file: int) -> None:
    op = ring.statx(data_file)
    before = op.result()
    os.ftruncate(data_file, 5)
    assert op.result() == before
    assert op.result().st_size == 65536
