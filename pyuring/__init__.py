"""Linux io_uring for Python.

>>> import os, pyuring
>>> fd = os.open("/etc/hostname", os.O_RDONLY)
>>> with pyuring.Ring() as ring:
...     data = ring.read(fd, 4096, offset=0).result()

See `Ring` for all that a ring can do; `lib` and `ffi` are liburing itself, see
docs/level0.md.
"""

from pyuring._ffi import ffi as ffi
from pyuring._ffi import lib as lib
from pyuring._ffi import text as _text
from pyuring.aligned import aligned_buffer as aligned_buffer
from pyuring.alignment import Alignment as Alignment
from pyuring.alignment import alignment_of as alignment_of
from pyuring.batch import read_ranges as read_ranges
from pyuring.batch import write_ranges as write_ranges
from pyuring.completion import Completion as Completion
from pyuring.constants import EpollOp as EpollOp
from pyuring.constants import Features as Features
from pyuring.constants import RenameFlags as RenameFlags
from pyuring.constants import ResolveFlags as ResolveFlags
from pyuring.constants import RwFlags as RwFlags
from pyuring.constants import SetupFlags as SetupFlags
from pyuring.constants import SqeFlags as SqeFlags
from pyuring.constants import StatxAttributes as StatxAttributes
from pyuring.constants import StatxFlags as StatxFlags
from pyuring.constants import StatxMask as StatxMask
from pyuring.constants import SyncFileRangeFlags as SyncFileRangeFlags
from pyuring.direct_file import DirectFile as DirectFile
from pyuring.direct_file import open_direct as open_direct
from pyuring.errors import AlignmentError as AlignmentError
from pyuring.errors import BadDescriptorError as BadDescriptorError
from pyuring.errors import BatchAlignmentError as BatchAlignmentError
from pyuring.errors import BatchError as BatchError
from pyuring.errors import UnavailableError as UnavailableError
from pyuring.errors import UnsupportedError as UnsupportedError
from pyuring.multishot import Multishot as Multishot
from pyuring.operations.ring_messages import send_message as send_message
from pyuring.provided_buffers import BufferRing as BufferRing
from pyuring.provided_buffers import ProvidedBuffer as ProvidedBuffer
from pyuring.registered_buffers import RegisteredBuffer as RegisteredBuffer
from pyuring.registered_buffers import RegisteredBuffers as RegisteredBuffers
from pyuring.registered_files import RegisteredFile as RegisteredFile
from pyuring.registered_files import RegisteredFiles as RegisteredFiles
from pyuring.restrictions import Restrictions as Restrictions
from pyuring.ring import Ring as Ring
from pyuring.stat import StatxResult as StatxResult
from pyuring.survey import KernelItem as KernelItem
from pyuring.survey import Probe as Probe
from pyuring.survey import probe as probe
from pyuring.tuning import NapiSettings as NapiSettings
from pyuring.version import __version__ as __version__

__all__ = [
    "Alignment",
    "AlignmentError",
    "BadDescriptorError",
    "BatchAlignmentError",
    "BatchError",
    "BufferRing",
    "Completion",
    "DirectFile",
    "EpollOp",
    "Features",
    "KernelItem",
    "Multishot",
    "NapiSettings",
    "Probe",
    "ProvidedBuffer",
    "RegisteredBuffer",
    "RegisteredBuffers",
    "RegisteredFile",
    "RegisteredFiles",
    "RenameFlags",
    "ResolveFlags",
    "Restrictions",
    "Ring",
    "RwFlags",
    "SetupFlags",
    "SqeFlags",
    "StatxAttributes",
    "StatxFlags",
    "StatxMask",
    "StatxResult",
    "SyncFileRangeFlags",
    "UnavailableError",
    "UnsupportedError",
    "aligned_buffer",
    "alignment_of",
    "ffi",
    "lib",
    "open_direct",
    "probe",
    "read_ranges",
    "send_message",
    "write_ranges",
]

#: The release of the liburing that pyuring was built with.
liburing_version = _text(lib.pyuring_liburing_version)
