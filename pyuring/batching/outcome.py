"""What became of a batch of which something failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyuring.errors import BatchError, operation_error

if TYPE_CHECKING:
    from pyuring.batching.request import RangeRequest

__all__ = ["failed", "range_failures"]


def failed(errors: dict[int, OSError], results: list[Any], what: str) -> BatchError:
    """The exception for `errors`, by index, among `results`; `what` names them."""
    first = min(errors)
    error = errors[first]
    code = error.errno or 0
    text = f"{len(errors)} of {len(results)} {what} failed; the first is number {first}: {error.strerror}"
    found = BatchError(code, text) if error.filename is None else BatchError(code, text, error.filename)
    found.errors = errors
    found.results = results
    return found


def range_failures(request: RangeRequest, results: list[Any]) -> BatchError:
    """The exception for the ranges whose result is an errno."""
    name = "write_ranges" if request.writing else "read_ranges"
    errors: dict[int, OSError] = {}
    for index, count in enumerate(request.results):
        if count < 0:
            errors[index] = operation_error(count, name, request.files.path(index))
            errors[index].add_note(
                f"range {index}: {request.length(index)} bytes at offset {request.offsets.at(index)}"
            )
    return failed(errors, results, "ranges")
