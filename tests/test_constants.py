"""Flags have the numbers of the kernel's ABI, which never change; written down here by hand."""

from __future__ import annotations

import os
from enum import IntFlag

import pytest

import pyuring
from pyuring import (
    EpollOp,
    Features,
    RenameFlags,
    ResolveFlags,
    RwFlags,
    SetupFlags,
    SqeFlags,
    StatxAttributes,
    StatxFlags,
    StatxMask,
    SyncFileRangeFlags,
)


def test_sqe_flags_have_the_kernels_numbers() -> None:
    names = ["FIXED_FILE", "IO_DRAIN", "IO_LINK", "IO_HARDLINK", "ASYNC", "BUFFER_SELECT", "CQE_SKIP_SUCCESS"]
    assert {flag.name: flag.value for flag in SqeFlags} == {name: 1 << bit for bit, name in enumerate(names)}


def test_setup_flags_have_the_kernels_numbers() -> None:
    names = [
        "IOPOLL",
        "SQPOLL",
        "SQ_AFF",
        "CQSIZE",
        "CLAMP",
        "ATTACH_WQ",
        "R_DISABLED",
        "SUBMIT_ALL",
        "COOP_TASKRUN",
        "TASKRUN_FLAG",
        "SQE128",
        "CQE32",
        "SINGLE_ISSUER",
        "DEFER_TASKRUN",
        "NO_MMAP",
        "REGISTERED_FD_ONLY",
        "NO_SQARRAY",
        "HYBRID_IOPOLL",
        "CQE_MIXED",
        "SQE_MIXED",
        "SQ_REWIND",
    ]
    assert {flag.name: flag.value for flag in SetupFlags} == {name: 1 << bit for bit, name in enumerate(names)}


def test_features_have_the_kernels_numbers() -> None:
    names = [
        "SINGLE_MMAP",
        "NODROP",
        "SUBMIT_STABLE",
        "RW_CUR_POS",
        "CUR_PERSONALITY",
        "FAST_POLL",
        "POLL_32BITS",
        "SQPOLL_NONFIXED",
        "EXT_ARG",
        "NATIVE_WORKERS",
        "RSRC_TAGS",
        "CQE_SKIP",
        "LINKED_FILE",
        "REG_REG_RING",
        "RECVSEND_BUNDLE",
        "MIN_TIMEOUT",
        "RW_ATTR",
        "NO_IOWAIT",
    ]
    assert {flag.name: flag.value for flag in Features} == {name: 1 << bit for bit, name in enumerate(names)}


def test_the_operations_of_an_epoll_have_the_kernels_numbers() -> None:
    assert {op.name: op.value for op in EpollOp} == {"ADD": 1, "DEL": 2, "MOD": 3}


@pytest.mark.parametrize("kind", [SqeFlags, SetupFlags, Features])
def test_flags_combine_and_print(kind: type[SqeFlags | SetupFlags | Features]) -> None:
    first, second = list(kind)[:2]
    both = first | second
    assert isinstance(both, kind)
    assert both.name == f"{first.name}|{second.name}"
    assert kind(both.value) is both


def test_a_bit_that_no_flag_names_is_kept() -> None:
    """A newer kernel may set it."""
    assert Features(1 << 31).value == 1 << 31


def test_the_opcodes_have_the_kernels_numbers() -> None:
    """By pyuring.lib, which level 0 uses."""
    expected = {
        "NOP": 0, "READV": 1, "WRITEV": 2, "FSYNC": 3, "READ_FIXED": 4, "WRITE_FIXED": 5, "POLL_ADD": 6,
        "TIMEOUT": 11, "ACCEPT": 13, "ASYNC_CANCEL": 14, "LINK_TIMEOUT": 15, "CONNECT": 16, "FALLOCATE": 17,
        "OPENAT": 18, "CLOSE": 19, "STATX": 21, "READ": 22, "WRITE": 23, "SEND": 26, "RECV": 27, "SHUTDOWN": 34,
        "RENAMEAT": 35, "UNLINKAT": 36, "MKDIRAT": 37, "SOCKET": 45,
    }  # fmt: skip
    assert {name: getattr(pyuring.lib, f"IORING_OP_{name}") for name in expected} == expected


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (RwFlags, ["HIPRI", "DSYNC", "SYNC", "NOWAIT", "APPEND", "NOAPPEND", "ATOMIC", "DONTCACHE"]),
        (ResolveFlags, ["NO_XDEV", "NO_MAGICLINKS", "NO_SYMLINKS", "BENEATH", "IN_ROOT", "CACHED"]),
        (RenameFlags, ["NOREPLACE", "EXCHANGE", "WHITEOUT"]),
        (SyncFileRangeFlags, ["WAIT_BEFORE", "WRITE", "WAIT_AFTER"]),
        (
            StatxMask,
            [
                "TYPE", "MODE", "NLINK", "UID", "GID", "ATIME", "MTIME", "CTIME", "INO", "SIZE", "BLOCKS", "BTIME",
                "MNT_ID", "DIOALIGN", "MNT_ID_UNIQUE", "SUBVOL", "WRITE_ATOMIC", "DIO_READ_ALIGN",
            ],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_flags_of_files_have_the_kernels_numbers(flags: type[IntFlag], names: list[str]) -> None:
    assert {flag.name: flag.value for flag in flags} == {name: 1 << bit for bit, name in enumerate(names)}


def test_flags_of_statx_have_the_kernels_numbers() -> None:
    assert int(StatxMask.BASIC_STATS) == 0x7FF
    assert {flag.name: flag.value for flag in StatxFlags} == {
        "NO_AUTOMOUNT": 0x800, "FORCE_SYNC": 0x2000, "DONT_SYNC": 0x4000,
    }  # fmt: skip
    bits = {
        "COMPRESSED": 2, "IMMUTABLE": 4, "APPEND": 5, "NODUMP": 6, "ENCRYPTED": 11, "AUTOMOUNT": 12, "MOUNT_ROOT": 13,
        "VERITY": 20, "DAX": 21, "WRITE_ATOMIC": 22,
    }  # fmt: skip
    assert {flag.name: flag.value for flag in StatxAttributes} == {name: 1 << bit for name, bit in bits.items()}


def test_flags_that_os_has_too_are_the_same_there() -> None:
    for flag in RwFlags:
        assert getattr(os, f"RWF_{flag.name}", flag.value) == flag.value
