"""From what the kernel and the C layer answer to exceptions."""

from __future__ import annotations

import errno
import os

import pytest

import pyuring
from pyuring._ffi import lib
from pyuring.errors import misuse, operation_error


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_every_errno_becomes_what_oserror_makes_of_it(code: int) -> None:
    error = operation_error(-code, "read")
    assert type(error) is type(OSError(code, "")), "the subclass goes with the errno"
    assert (error.errno, error.strerror, error.filename) == (code, os.strerror(code), None)
    assert error.__notes__ == ["io_uring operation: read"]


def test_the_path_is_the_filename() -> None:
    error = operation_error(-errno.ENOENT, "open", "/a/path")
    assert isinstance(error, FileNotFoundError)
    assert error.filename == "/a/path"
    assert str(error) == f"[Errno 2] {os.strerror(2)}: '/a/path'"


def test_a_time_limit_that_ran_out_is_a_timeouterror_with_the_path() -> None:
    error = operation_error(-errno.ECANCELED, "open", "/a/path", timed_out=True)
    assert type(error) is TimeoutError
    assert (error.errno, error.filename) == (errno.ETIMEDOUT, "/a/path")
    assert "timeout=" in str(error)


def test_an_operation_that_the_kernel_lacks_is_unsupported() -> None:
    error = operation_error(-errno.EINVAL, "ftruncate", since="6.9")
    assert type(error) is pyuring.UnsupportedError
    assert error.errno == errno.EINVAL
    assert "6.9" in str(error)


REFUSALS = [name for name in dir(lib) if isinstance(getattr(lib, name), int) and -5100 < getattr(lib, name) <= -5000]


def test_the_refusals_of_the_c_layer_are_no_errnos() -> None:
    assert len(REFUSALS) >= 8
    assert all(name.startswith("PYURING_") and getattr(lib, name) < -4095 for name in REFUSALS)


@pytest.mark.parametrize("name", [name for name in REFUSALS if name not in ("PYURING_NOT_YOURS", "PYURING_NO_ROOM")])
def test_every_refusal_of_the_c_layer_has_words(name: str) -> None:
    error = misuse(getattr(lib, name), (1, 2, 3, 4))
    assert isinstance(error, ValueError | RuntimeError)
    assert len(str(error)) > 10


def test_an_errno_of_the_c_layer_is_an_oserror() -> None:
    error = misuse(-errno.ENOMEM)
    assert type(error) is OSError
    assert error.errno == errno.ENOMEM


def test_the_exceptions_of_pyuring_are_builtin_ones_too() -> None:
    assert issubclass(pyuring.UnavailableError, OSError)
    assert issubclass(pyuring.UnsupportedError, OSError)
    assert issubclass(pyuring.BadDescriptorError, OSError)
    assert issubclass(pyuring.BadDescriptorError, ValueError)
    for kind in (pyuring.UnavailableError, pyuring.UnsupportedError, pyuring.BadDescriptorError):
        error = kind(errno.EPERM, "text")
        assert type(error) is kind, "OSError must not turn it into a PermissionError"
        assert (error.errno, error.strerror) == (errno.EPERM, "text")
