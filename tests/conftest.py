"""Fixtures that every test can use. A machine that refuses io_uring fails here, it does not skip."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyuring
from pyuring import SetupFlags

if importlib.util.find_spec("benchmarks") is None:
    # Outside the checkout they are the same folder, installed under another name.
    found = importlib.util.find_spec("pyuring.benchmarks")
    assert found is not None
    assert found.origin is not None
    spec = importlib.util.spec_from_file_location("benchmarks", found.origin)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["benchmarks"])


#: The rings that the core of the tests must pass on.
SETUPS: dict[str, dict[str, Any]] = {
    "best": {},
    "plain": {"setup": SetupFlags(0)},
    "sqpoll": {"setup": SetupFlags.SQPOLL},
    "large": {"setup": SetupFlags.SQE128 | SetupFlags.CQE32},
    "mixed": {"setup": SetupFlags.CQE_MIXED | SetupFlags.SINGLE_ISSUER | SetupFlags.DEFER_TASKRUN},
    "waits": {"registered_waits": True},
}

#: The modules whose tests run on each of them.
CORE = {
    "test_buffer_groups", "test_completion", "test_control", "test_descriptors", "test_files", "test_links",
    "test_messages", "test_multishot", "test_paths", "test_pipes", "test_provided_buffers", "test_readiness",
    "test_recvmsg_multishot",
    "test_registered", "test_second_look", "test_socket_options", "test_sockets", "test_synchronisation", "test_timers",
    "test_transfers", "test_vectors", "test_xattrs", "test_zero_copy",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ring" in metafunc.fixturenames and metafunc.module.__name__ in CORE:
        metafunc.parametrize("ring", SETUPS.values(), ids=SETUPS, indirect=True)


@pytest.fixture
def ring(request: pytest.FixtureRequest) -> Iterator[pyuring.Ring]:
    with pyuring.Ring(entries=64, **getattr(request, "param", {})) as ring:
        yield ring


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: (read end, write end)."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == 9, "only a test that closed it itself"


@pytest.fixture
def data_file(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file of 64 KiB of random bytes, open for reading and writing."""
    path = tmp_path / "data"
    path.write_bytes(os.urandom(65536))
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected stream sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
