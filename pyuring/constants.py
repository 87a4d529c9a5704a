"""Flags of io_uring, with the values that the compiler saw in the kernel's headers."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from pyuring._ffi import lib

__all__ = [
    "EpollOp",
    "Features",
    "RenameFlags",
    "ResolveFlags",
    "RwFlags",
    "SetupFlags",
    "SqeFlags",
    "StatxAttributes",
    "StatxFlags",
    "StatxMask",
    "SyncFileRangeFlags",
]


class EpollOp(IntEnum):
    """EPOLL_CTL_*: what `Ring.epoll_ctl` does."""

    ADD = 1
    """Wait for events of a descriptor too, as ``select.epoll.register``."""
    DEL = 2
    """Wait for them no more, as ``select.epoll.unregister``."""
    MOD = 3
    """Wait for others, as ``select.epoll.modify``."""


class SqeFlags(IntFlag):
    """IOSQE_*: modifiers of one operation, for its ``flags=`` argument."""

    FIXED_FILE = lib.IOSQE_FIXED_FILE
    """The descriptor is a registered file. Set by passing one, never by hand."""
    IO_DRAIN = lib.IOSQE_IO_DRAIN
    """Start after all earlier operations, and before all later ones. Kernel 5.2."""
    IO_LINK = lib.IOSQE_IO_LINK
    """The next SQE waits for this one, and is cancelled if it fails. Set by ``ring.link()``."""
    IO_HARDLINK = lib.IOSQE_IO_HARDLINK
    """As IO_LINK, but an error does not cut the chain. Set by ``ring.link(hard=True)``."""
    ASYNC = lib.IOSQE_ASYNC
    """Go straight to a worker thread instead of trying inline first. Kernel 5.6."""
    BUFFER_SELECT = lib.IOSQE_BUFFER_SELECT
    """Take a buffer from a provided group."""
    CQE_SKIP_SUCCESS = lib.IOSQE_CQE_SKIP_SUCCESS
    """Post no CQE on success."""


class SetupFlags(IntFlag):
    """IORING_SETUP_*: how a ring works, for ``Ring(setup=...)`` and ``ring.setup``."""

    IOPOLL = lib.IORING_SETUP_IOPOLL
    """Busy-poll the device; O_DIRECT files on storage that can be polled only. The ``timeout=``
    of a wait does not end the polling."""
    SQPOLL = lib.IORING_SETUP_SQPOLL
    """A kernel thread submits; it takes a core while it is busy."""
    SQ_AFF = lib.IORING_SETUP_SQ_AFF
    """Pin that thread to ``sq_thread_cpu``. Set by passing one."""
    CQSIZE = lib.IORING_SETUP_CQSIZE
    """The CQ has its own size. Set by passing ``cq_entries``."""
    CLAMP = lib.IORING_SETUP_CLAMP
    """Cut sizes that are too large down to the kernel's limits. Kernel 5.6."""
    ATTACH_WQ = lib.IORING_SETUP_ATTACH_WQ
    """Share another ring's SQPOLL thread. Set by passing ``attach_wq``. Kernel 5.6."""
    R_DISABLED = lib.IORING_SETUP_R_DISABLED
    """Start disabled, until ``ring.enable()``. Set by passing ``restrictions``, too. Kernel 5.10."""
    SUBMIT_ALL = lib.IORING_SETUP_SUBMIT_ALL
    """Go on submitting after an SQE that the kernel refuses. Kernel 5.18."""
    COOP_TASKRUN = lib.IORING_SETUP_COOP_TASKRUN
    """Do not interrupt the task to complete operations. Kernel 5.19."""
    TASKRUN_FLAG = lib.IORING_SETUP_TASKRUN_FLAG
    """Show in memory that completions wait for the kernel to be entered. Kernel 5.19."""
    SQE128 = lib.IORING_SETUP_SQE128
    """SQEs of 128 bytes, for ``uring_cmd``. Kernel 5.19."""
    CQE32 = lib.IORING_SETUP_CQE32
    """CQEs of 32 bytes. Kernel 5.19."""
    SINGLE_ISSUER = lib.IORING_SETUP_SINGLE_ISSUER
    """Only one thread submits, which is pyuring's rule anyway. Kernel 6.0."""
    DEFER_TASKRUN = lib.IORING_SETUP_DEFER_TASKRUN
    """Complete operations only while the owner waits. Kernel 6.1."""
    NO_MMAP = lib.IORING_SETUP_NO_MMAP
    """The caller supplies the rings' memory; not offered. Kernel 6.5."""
    REGISTERED_FD_ONLY = lib.IORING_SETUP_REGISTERED_FD_ONLY
    """The ring has no descriptor; not offered. Kernel 6.5."""
    NO_SQARRAY = lib.IORING_SETUP_NO_SQARRAY
    """The SQ has no index array; liburing from 2.6 on sets it where the kernel has it. Kernel 6.6."""
    HYBRID_IOPOLL = lib.IORING_SETUP_HYBRID_IOPOLL
    """Sleep before polling, with IOPOLL. Kernel 6.13."""
    CQE_MIXED = lib.IORING_SETUP_CQE_MIXED
    """CQEs of 16 and of 32 bytes. Kernel 6.18."""
    SQE_MIXED = lib.IORING_SETUP_SQE_MIXED
    """SQEs of 64 and of 128 bytes; not offered. Kernel 6.19."""
    SQ_REWIND = lib.IORING_SETUP_SQ_REWIND
    """Submit from the start of the SQ each time; not offered. Kernel 7.0."""


class Features(IntFlag):
    """IORING_FEAT_*: what the running kernel's rings can do, as ``ring.features``."""

    SINGLE_MMAP = lib.IORING_FEAT_SINGLE_MMAP
    """SQ and CQ are mapped in one piece. Kernel 5.4."""
    NODROP = lib.IORING_FEAT_NODROP
    """CQEs that do not fit are kept by the kernel, not dropped. Kernel 5.5."""
    SUBMIT_STABLE = lib.IORING_FEAT_SUBMIT_STABLE
    """What arguments point to is read at submission. Kernel 5.5."""
    RW_CUR_POS = lib.IORING_FEAT_RW_CUR_POS
    """Offset -1 is the file's own position. Kernel 5.6."""
    CUR_PERSONALITY = lib.IORING_FEAT_CUR_PERSONALITY
    """Operations run with the submitter's credentials. Kernel 5.6."""
    FAST_POLL = lib.IORING_FEAT_FAST_POLL
    """Sockets and pipes wait by poll, not in a worker thread. Kernel 5.7."""
    POLL_32BITS = lib.IORING_FEAT_POLL_32BITS
    """poll takes all of epoll's events. Kernel 5.9."""
    SQPOLL_NONFIXED = lib.IORING_FEAT_SQPOLL_NONFIXED
    """SQPOLL works with ordinary descriptors. Kernel 5.11."""
    EXT_ARG = lib.IORING_FEAT_EXT_ARG
    """A wait takes a time limit without an SQE for it. Kernel 5.11."""
    NATIVE_WORKERS = lib.IORING_FEAT_NATIVE_WORKERS
    """Worker threads belong to the process. Kernel 5.12."""
    RSRC_TAGS = lib.IORING_FEAT_RSRC_TAGS
    """Registered resources can be updated in place. Kernel 5.13."""
    CQE_SKIP = lib.IORING_FEAT_CQE_SKIP
    """An SQE can do without a CQE on success. Kernel 5.17."""
    LINKED_FILE = lib.IORING_FEAT_LINKED_FILE
    """A linked operation's file is looked up when it starts. Kernel 5.17."""
    REG_REG_RING = lib.IORING_FEAT_REG_REG_RING
    """Register calls take a registered ring descriptor. Kernel 6.3."""
    RECVSEND_BUNDLE = lib.IORING_FEAT_RECVSEND_BUNDLE
    """send and recv take several provided buffers at once. Kernel 6.10."""
    MIN_TIMEOUT = lib.IORING_FEAT_MIN_TIMEOUT
    """A wait can give a batch some time to gather. Kernel 6.12."""
    RW_ATTR = lib.IORING_FEAT_RW_ATTR
    """Reads and writes take attributes, such as integrity data. Kernel 6.14."""
    NO_IOWAIT = lib.IORING_FEAT_NO_IOWAIT
    """A wait need not count as iowait. Kernel 6.15."""


class RwFlags(IntFlag):
    """RWF_*: modifiers of one read or write, for ``rw_flags=``; os.RWF_* has some of them too."""

    HIPRI = 0x1
    """Poll for the completion. Kernel 4.6."""
    DSYNC = 0x2
    """This write as if the file was opened with O_DSYNC. Kernel 4.7."""
    SYNC = 0x4
    """This write as if the file was opened with O_SYNC. Kernel 4.7."""
    NOWAIT = 0x8
    """Fail with EAGAIN rather than wait, for the device or for data. Kernel 4.14."""
    APPEND = 0x10
    """This write at the end of the file, wherever `offset` is. Kernel 4.16."""
    NOAPPEND = 0x20
    """This write at its `offset`, although the file was opened with O_APPEND. Kernel 6.9."""
    ATOMIC = 0x40
    """This write whole or not at all, also through a loss of power; see
    ``StatxResult.stx_atomic_write_unit_max``. O_DIRECT files only. Kernel 6.11."""
    DONTCACHE = 0x80
    """Through the page cache, and out of it again afterwards. Kernel 6.14."""


class ResolveFlags(IntFlag):
    """RESOLVE_*: what the path of an `openat2` must not lead over, for ``resolve=``."""

    NO_XDEV = 0x1
    """No mount points."""
    NO_MAGICLINKS = 0x2
    """No links such as those of /proc/self/fd."""
    NO_SYMLINKS = 0x4
    """No symbolic links at all."""
    BENEATH = 0x8
    """Nothing outside of `dir_fd`: that fails with EXDEV."""
    IN_ROOT = 0x10
    """`dir_fd` is the root directory meanwhile, also for absolute paths and ".."."""
    CACHED = 0x20
    """Fail with EAGAIN unless all of the path is cached. Kernel 5.12."""


class RenameFlags(IntFlag):
    """RENAME_*: variants of a `rename`, for ``rename_flags=``."""

    NOREPLACE = 0x1
    """Fail with EEXIST if there is a `dst`."""
    EXCHANGE = 0x2
    """`src` and `dst` change places."""
    WHITEOUT = 0x4
    """Leave a whiteout of overlayfs behind."""


class SyncFileRangeFlags(IntFlag):
    """SYNC_FILE_RANGE_*: the steps of a `sync_file_range`, in this order."""

    WAIT_BEFORE = 0x1
    """Wait for what is being written back already."""
    WRITE = 0x2
    """Start to write back what is dirty."""
    WAIT_AFTER = 0x4
    """Wait for that."""


class StatxMask(IntFlag):
    """STATX_*: fields of a `StatxResult`, to ask for with ``mask=``, and as ``stx_mask``."""

    TYPE = 0x1
    """The type in ``st_mode``."""
    MODE = 0x2
    """The permissions in ``st_mode``."""
    NLINK = 0x4
    """``st_nlink``."""
    UID = 0x8
    """``st_uid``."""
    GID = 0x10
    """``st_gid``."""
    ATIME = 0x20
    """``st_atime``."""
    MTIME = 0x40
    """``st_mtime``."""
    CTIME = 0x80
    """``st_ctime``."""
    INO = 0x100
    """``st_ino``."""
    SIZE = 0x200
    """``st_size``."""
    BLOCKS = 0x400
    """``st_blocks``."""
    BASIC_STATS = 0x7FF
    """All of these, which ``os.stat`` tells too."""
    BTIME = 0x800
    """``st_birthtime``."""
    MNT_ID = 0x1000
    """``stx_mnt_id``. Kernel 5.8."""
    DIOALIGN = 0x2000
    """``stx_dio_mem_align`` and ``stx_dio_offset_align``. Kernel 6.1."""
    MNT_ID_UNIQUE = 0x4000
    """``stx_mnt_id``, as a number that no later mount gets. Kernel 6.8."""
    SUBVOL = 0x8000
    """``stx_subvol``. Kernel 6.10."""
    WRITE_ATOMIC = 0x10000
    """``stx_atomic_write_*``. Kernel 6.11."""
    DIO_READ_ALIGN = 0x20000
    """``stx_dio_read_offset_align``. Kernel 6.14."""


class StatxFlags(IntFlag):
    """AT_*: how a `statx` is answered, for ``statx_flags=``."""

    NO_AUTOMOUNT = 0x800
    """Do not mount what an automounter would."""
    FORCE_SYNC = 0x2000
    """Ask the server of a network file system, whatever is cached."""
    DONT_SYNC = 0x4000
    """Take what is cached, however old it is."""


class StatxAttributes(IntFlag):
    """STATX_ATTR_*: what ``stx_attributes`` of a `StatxResult` says of a file."""

    COMPRESSED = 0x4
    """The file system compresses it."""
    IMMUTABLE = 0x10
    """It cannot be changed, renamed, or removed."""
    APPEND = 0x20
    """It can only be appended to."""
    NODUMP = 0x40
    """Backups leave it out."""
    ENCRYPTED = 0x800
    """The file system encrypts it."""
    AUTOMOUNT = 0x1000
    """It triggers an automount."""
    MOUNT_ROOT = 0x2000
    """It is the root of a mount. Kernel 5.8."""
    VERITY = 0x100000
    """fs-verity protects it. Kernel 5.5."""
    DAX = 0x200000
    """It is memory, without a page cache. Kernel 5.8."""
    WRITE_ATOMIC = 0x400000
    """It takes ``RwFlags.ATOMIC``. Kernel 6.11."""
