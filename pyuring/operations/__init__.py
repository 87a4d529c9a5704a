"""The operations of io_uring as methods, by domain; `Ring` inherits them."""

from pyuring.operations.commands import CommandOperations
from pyuring.operations.control import ControlOperations
from pyuring.operations.descriptors import DescriptorOperations
from pyuring.operations.files import FileOperations
from pyuring.operations.legacy_buffers import LegacyBufferOperations
from pyuring.operations.memory import MemoryOperations
from pyuring.operations.messages import MessageOperations
from pyuring.operations.multishots import MultishotOperations
from pyuring.operations.paths import PathOperations
from pyuring.operations.pipes import PipeOperations
from pyuring.operations.readiness import ReadinessOperations
from pyuring.operations.ring_messages import RingMessageOperations
from pyuring.operations.socket_options import SocketOptionOperations
from pyuring.operations.socket_transfers import SocketTransferOperations
from pyuring.operations.sockets import SocketOperations
from pyuring.operations.synchronisation import SynchronisationOperations
from pyuring.operations.timers import TimerOperations
from pyuring.operations.transfers import TransferOperations
from pyuring.operations.vectors import VectorOperations
from pyuring.operations.xattrs import XattrOperations
from pyuring.operations.zero_copy import ZeroCopyOperations

__all__ = ["Operations"]


class Operations(
    TransferOperations,
    VectorOperations,
    FileOperations,
    DescriptorOperations,
    PathOperations,
    XattrOperations,
    MemoryOperations,
    PipeOperations,
    SocketOperations,
    SocketTransferOperations,
    MessageOperations,
    ZeroCopyOperations,
    SocketOptionOperations,
    MultishotOperations,
    ReadinessOperations,
    TimerOperations,
    SynchronisationOperations,
    RingMessageOperations,
    CommandOperations,
    LegacyBufferOperations,
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
        Kernels from about 6.15 on let it limit nothing that blocks in a worker thread, such as
        the ``open`` of a FIFO that nobody writes to: `Completion.cancel` does end that.

    Bad arguments raise before anything is queued.
    """
