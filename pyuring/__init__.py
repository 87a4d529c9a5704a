"""Linux io_uring for Python.

>>> import os, pyuring
>>> fd = os.open("/etc/hostname", os.O_RDONLY)
>>> with pyuring.Ring() as ring:
...     data = ring.read(fd, 4096, offset=0).result()

See `Ring` for all that a ring can do; `lib` and `ffi` are liburing itself, see
docs/level0.md.
"""

from importlib.metadata import PackageNotFoundError as _PackageNotFoundError
from importlib.metadata import version as _version

from pyuring._ffi import ffi as ffi
from pyuring._ffi import lib as lib
from pyuring._ffi import text as _text
from pyuring.completion import Completion as Completion
from pyuring.constants import Features as Features
from pyuring.constants import SetupFlags as SetupFlags
from pyuring.constants import SqeFlags as SqeFlags
from pyuring.errors import BadDescriptorError as BadDescriptorError
from pyuring.errors import UnavailableError as UnavailableError
from pyuring.errors import UnsupportedError as UnsupportedError
from pyuring.multishot import Multishot as Multishot
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

__all__ = [
    "BadDescriptorError",
    "BufferRing",
    "Completion",
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
    "Restrictions",
    "Ring",
    "SetupFlags",
    "SqeFlags",
    "StatxResult",
    "UnavailableError",
    "UnsupportedError",
    "ffi",
    "lib",
    "probe",
]

try:
    #: The release of pyuring.
    __version__ = _version("pyuring-cffi")
except _PackageNotFoundError:  # a checkout that was built in place
    __version__ = "0+unknown"

#: The release of the liburing that pyuring was built with.
liburing_version = _text(lib.pyuring_liburing_version)
