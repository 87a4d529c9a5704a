"""probe(): what the running kernel has, and which kernel brought what."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from confinement import run_confined

import pyuring
from pyuring import Features, Ring, SetupFlags, SqeFlags, constants, probe
from pyuring.history import FEATURES, OPCODES, REGISTER_CALLS, SETUP_FLAGS, SQE_FLAGS
from pyuring.kernel import OPCODES as ROWS
from pyuring.kernel import SINCE

RELEASE = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def version(since: str) -> tuple[int, ...]:
    return tuple(map(int, since.split(".")))


def test_the_rows_agree_with_the_history_of_opcodes() -> None:
    """A row may be newer than its opcode: a multishot, or bundles."""
    for row, opcode in ROWS.items():
        assert version(SINCE[row]) >= version(OPCODES[opcode][1]), row
    plain = {row: ROWS[row] for row in ("nop", "readv", "read", "socket", "ftruncate", "statx", "cancel", "read_fixed")}
    for row, opcode in plain.items():
        assert SINCE[row] == OPCODES[opcode][1]


def test_opcodes_have_the_kernels_numbers_and_are_in_order() -> None:
    numbers = {name: number for number, (name, _) in enumerate(OPCODES)}
    assert len(numbers) == len(OPCODES)
    for name, number in numbers.items():
        declared = getattr(pyuring.lib, f"IORING_OP_{name}", None)
        assert declared in (number, None), name
    assert (numbers["NOP"], numbers["READ"], numbers["URING_CMD"], numbers["PIPE"]) == (0, 22, 46, 62)
    releases = [version(since) for _, since in OPCODES]
    assert releases == sorted(releases), "opcodes are appended"


def test_register_calls_have_the_kernels_numbers() -> None:
    for number, (name, _) in enumerate(REGISTER_CALLS):
        declared = getattr(pyuring.lib, f"IORING_{name}", None)
        assert declared in (number, None), name
    names = [name for name, _ in REGISTER_CALLS]
    assert len(set(names)) == len(names) == 38
    assert (names.index("REGISTER_RESIZE_RINGS"), names.index("REGISTER_QUERY")) == (33, 35)


def test_every_flag_has_its_history() -> None:
    assert set(SETUP_FLAGS) == set(SetupFlags)
    assert set(FEATURES) == set(Features)
    assert set(SQE_FLAGS) == set(SqeFlags)


def test_the_documentation_of_flags_names_the_same_kernels() -> None:
    source = Path(constants.__file__).read_text()
    for table in (SETUP_FLAGS, FEATURES, SQE_FLAGS):
        for flag, since in table.items():
            text = re.search(rf'    {flag.name} = lib\.\w+\n    """(.*?)"""', source, re.DOTALL)
            assert text is not None
            told = re.findall(r"Kernel (\d+\.\d+)\.", text[1])
            assert told in ([since], []), flag


def test_the_probe_tells_what_the_kernel_tells() -> None:
    found = probe()
    assert found.release == os.uname().release
    with Ring(8) as ring:
        assert {item.number for item in found.operations if item.supported} == {
            number for number in range(len(OPCODES)) if ring.supports(number)
        }
        features = sum(item.number for item in found.features if item.supported)
        assert features == ring.features & sum(Features)
    assert found.asked == (RELEASE >= (6, 18))


def test_what_is_supported_is_what_the_kernel_is_new_enough_for() -> None:
    """On a kernel as released; one with patches taken over from newer ones may have more."""
    for items in probe()._groups().values():
        for item in items:
            if version(item.since) > RELEASE:
                assert not item.supported or probe().asked, item
            else:
                assert item.supported, item


def test_setup_flags_that_it_names_are_taken_by_the_kernel() -> None:
    needed = {
        "DEFER_TASKRUN": SetupFlags.SINGLE_ISSUER,
        "TASKRUN_FLAG": SetupFlags.COOP_TASKRUN,
        "HYBRID_IOPOLL": SetupFlags.IOPOLL,
    }
    for item in probe().setup_flags:
        try:
            Ring(8, setup=item.number | needed.get(item.name, SetupFlags(0))).close()
        except ValueError as error:
            assert item.name in str(error), "not offered, whether the kernel has it or not"
        except pyuring.UnsupportedError:
            assert not item.supported
        else:
            assert item.supported


def test_it_is_looked_at_by_name_and_read_as_text() -> None:
    found = probe()
    assert {"read", "readinto"} <= set(found["READ"].methods)
    assert found["READ_FIXED"].methods == ("readinto",)
    assert found["FSYNC"].methods == ("fdatasync", "fsync")
    assert (found["READ"].number, found["READ"].since, found["READ"].supported) == (22, "5.6", True)
    assert found["REGISTER_RESIZE_RINGS"].since == "6.13"
    assert found["DEFER_TASKRUN"].number == SetupFlags.DEFER_TASKRUN
    with pytest.raises(KeyError, match="REED"):
        found["REED"]
    assert os.uname().release in repr(found)
    assert re.search(r"\d+ of \d+ operations", repr(found))
    text = str(found)
    for name in ("READ", "REGISTER_BUFFERS", "SQPOLL", "EXT_ARG", "IO_DRAIN"):
        assert re.search(rf"^  (yes|no )  {name}\b", text, re.MULTILINE)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_every_method_of_an_operation_is_named() -> None:
    named = {method for item in probe().operations for method in item.methods}
    assert named == {name for name in ROWS if hasattr(Ring, name)}
    assert all(hasattr(Ring, name) for name in named)


def test_it_leaves_nothing_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))
    probe()
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_there_is_no_io_uring_it_says_why() -> None:
    answer = run_confined("""
forbid_io_uring(1)
try:
    pyuring.probe()
except pyuring.UnavailableError as error:
    print("unavailable:", error)
""")
    assert "unavailable:" in answer
    assert "seccomp" in answer


def test_an_older_kernel_is_judged_by_its_release() -> None:
    answer = run_confined("""
def answer(number, arguments):
    query = number == IO_URING_REGISTER and arguments[1] == 35
    return -22 if query else 0
supervise_io_uring(answer)
found = pyuring.probe()
print(found.asked, found["REGISTER_RESIZE_RINGS"].supported, found["REGISTER_BPF_FILTER"].supported)
print(found["READ"].supported, found["SQPOLL"].supported, found["SQ_REWIND"].supported)
""")
    if RELEASE >= (6, 13):
        assert answer.split()[:3] == ["False", "True", str(RELEASE >= (7, 0))]
    assert answer.split()[3:5] == ["True", "True"]
