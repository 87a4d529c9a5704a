"""The operations of io_uring as methods, by domain; `Ring` inherits them."""

from pyuring.operations.control import ControlOperations
from pyuring.operations.descriptors import DescriptorOperations
from pyuring.operations.files import FileOperations
from pyuring.operations.memory import MemoryOperations
from pyuring.operations.paths import PathOperations
from pyuring.operations.pipes import PipeOperations
from pyuring.operations.sockets import SocketOperations
from pyuring.operations.transfers import TransferOperations
from pyuring.operations.vectors import VectorOperations
from pyuring.operations.xattrs import XattrOperations

__all__ = ["Operations"]


class Operations(
    TransferOperations,
    VectorOperations,
    DescriptorOperations,
    FileOperations,
    MemoryOperations,
    PathOperations,
    XattrOperations,
    PipeOperations,
    SocketOperations,
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
