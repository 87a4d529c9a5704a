"""The operations of io_uring as methods, by domain; `Ring` inherits them."""

from pyuring.operations.control import ControlOperations
from pyuring.operations.files import FileOperations
from pyuring.operations.multishots import MultishotOperations
from pyuring.operations.paths import PathOperations
from pyuring.operations.sockets import SocketOperations
from pyuring.operations.transfers import TransferOperations

__all__ = ["Operations"]


class Operations(
    TransferOperations,
    FileOperations,
    PathOperations,
    SocketOperations,
    MultishotOperations,
    ControlOperations,
):
    """Every operation.

    All take these keyword arguments:

    user_data: any object, found again as ``completion.user_data``.
    flags: `SqeFlags`: IO_DRAIN, ASYNC.
    drain: the same as ``flags=SqeFlags.IO_DRAIN``: start after everything before it is
        complete, and before everything after it.
    timeout: seconds after which the operation is cancelled, and its ``result()`` raises
        ``TimeoutError``. It takes a second SQE; see `io_uring_prep_link_timeout(3)`. The
        time runs from the start of the operation, which an earlier ``drain=True`` puts off.

    Bad arguments raise before anything is queued.
    """
