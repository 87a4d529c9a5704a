"""What became of a batch of which something failed."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from pyuring.alignment import explain_misalignment
from pyuring.errors import AlignmentError, BatchAlignmentError, BatchError, operation_error
from pyuring.pathnames import is_path
from pyuring.registered_files import RegisteredFile

if TYPE_CHECKING:
    from pyuring.batching.request import RangeRequest

__all__ = ["failed", "range_failures"]


def failed(errors: dict[int, OSError], results: list[Any], what: str) -> BatchError:
    """The exception for `errors`, by index, among `results`; `what` names them."""
    first = min(errors)
    error = errors[first]
    code = error.errno or 0
    text = f"{len(errors)} of {len(results)} {what} failed; the first is number {first}: {error.strerror}"
    kind = BatchAlignmentError if isinstance(error, AlignmentError) else BatchError
    found = kind(code, text) if error.filename is None else kind(code, text, error.filename)
    found.errors = errors
    found.results = results
    return found


def range_failures(request: RangeRequest, results: list[Any]) -> BatchError:
    """The exception for the ranges whose result is an errno."""
    name = "write_ranges" if request.writing else "read_ranges"
    errors: dict[int, OSError] = {}
    for index, count in enumerate(request.results):
        if count < 0:
            errors[index] = _misaligned(request, index, count) or operation_error(
                count, name, request.files.path(index)
            )
            errors[index].add_note(
                f"range {index}: {request.length(index)} bytes at offset {request.offsets.at(index)}"
            )
    return failed(errors, results, "ranges")


def _misaligned(request: RangeRequest, index: int, count: int) -> AlignmentError | None:
    """The exception for a range that O_DIRECT does not take, if that is what happened."""
    file = request.files.of(index)
    if count != -errno.EINVAL or is_path(file) or isinstance(file, RegisteredFile):
        return None  # none of them tells that it was opened with O_DIRECT
    text = explain_misalignment(
        file, request.offsets.at(index), request.length(index), request.address(index), writing=request.writing
    )
    return None if text is None else AlignmentError(errno.EINVAL, text)
