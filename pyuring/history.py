"""Which kernel brought what: opcodes, register calls, setup flags and features of io_uring."""

from __future__ import annotations

from pyuring.constants import Features, SetupFlags, SqeFlags

__all__ = ["FEATURES", "OPCODES", "REGISTER_CALLS", "SETUP_FLAGS", "SQE_FLAGS"]


def _table(releases: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(name, first kernel), by number; `releases` has the names that each kernel appended."""
    return tuple((name, since) for since, names in releases for name in names.split())


#: The name of each opcode (IORING_OP_*) and the first kernel that has it, by number.
OPCODES = _table(
    [
        ("5.1", "NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE"),
        ("5.2", "SYNC_FILE_RANGE"),
        ("5.3", "SENDMSG RECVMSG"),
        ("5.4", "TIMEOUT"),
        ("5.5", "TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT"),
        ("5.6", "FALLOCATE OPENAT CLOSE FILES_UPDATE STATX READ WRITE FADVISE MADVISE SEND RECV OPENAT2 EPOLL_CTL"),
        ("5.7", "SPLICE PROVIDE_BUFFERS REMOVE_BUFFERS"),
        ("5.8", "TEE"),
        ("5.11", "SHUTDOWN RENAMEAT UNLINKAT"),
        ("5.15", "MKDIRAT SYMLINKAT LINKAT"),
        ("5.18", "MSG_RING"),
        ("5.19", "FSETXATTR SETXATTR FGETXATTR GETXATTR SOCKET URING_CMD"),
        ("6.0", "SEND_ZC"),
        ("6.1", "SENDMSG_ZC"),
        ("6.7", "READ_MULTISHOT WAITID FUTEX_WAIT FUTEX_WAKE FUTEX_WAITV"),
        ("6.8", "FIXED_FD_INSTALL"),
        ("6.9", "FTRUNCATE"),
        ("6.11", "BIND LISTEN"),
        ("6.15", "RECV_ZC EPOLL_WAIT READV_FIXED WRITEV_FIXED"),
        ("6.16", "PIPE"),
        ("6.19", "NOP128 URING_CMD128"),
    ]
)

#: The same for `io_uring_register(2)`, without the IORING_.
REGISTER_CALLS = _table(
    [
        ("5.1", "REGISTER_BUFFERS UNREGISTER_BUFFERS REGISTER_FILES UNREGISTER_FILES"),
        ("5.2", "REGISTER_EVENTFD UNREGISTER_EVENTFD"),
        ("5.5", "REGISTER_FILES_UPDATE"),
        ("5.6", "REGISTER_EVENTFD_ASYNC REGISTER_PROBE REGISTER_PERSONALITY UNREGISTER_PERSONALITY"),
        ("5.10", "REGISTER_RESTRICTIONS REGISTER_ENABLE_RINGS"),
        ("5.13", "REGISTER_FILES2 REGISTER_FILES_UPDATE2 REGISTER_BUFFERS2 REGISTER_BUFFERS_UPDATE"),
        ("5.14", "REGISTER_IOWQ_AFF UNREGISTER_IOWQ_AFF"),
        ("5.15", "REGISTER_IOWQ_MAX_WORKERS"),
        ("5.18", "REGISTER_RING_FDS UNREGISTER_RING_FDS"),
        ("5.19", "REGISTER_PBUF_RING UNREGISTER_PBUF_RING"),
        ("6.0", "REGISTER_SYNC_CANCEL REGISTER_FILE_ALLOC_RANGE"),
        ("6.8", "REGISTER_PBUF_STATUS"),
        ("6.9", "REGISTER_NAPI UNREGISTER_NAPI"),
        ("6.12", "REGISTER_CLOCK REGISTER_CLONE_BUFFERS"),
        ("6.13", "REGISTER_SEND_MSG_RING"),
        ("6.15", "REGISTER_ZCRX_IFQ"),
        ("6.13", "REGISTER_RESIZE_RINGS REGISTER_MEM_REGION"),
        ("6.18", "REGISTER_QUERY"),
        ("6.19", "REGISTER_ZCRX_CTRL"),
        ("7.0", "REGISTER_BPF_FILTER"),
    ]
)

#: The first kernel that takes each setup flag.
SETUP_FLAGS = {
    SetupFlags.IOPOLL: "5.1",
    SetupFlags.SQPOLL: "5.1",
    SetupFlags.SQ_AFF: "5.1",
    SetupFlags.CQSIZE: "5.5",
    SetupFlags.CLAMP: "5.6",
    SetupFlags.ATTACH_WQ: "5.6",
    SetupFlags.R_DISABLED: "5.10",
    SetupFlags.SUBMIT_ALL: "5.18",
    SetupFlags.COOP_TASKRUN: "5.19",
    SetupFlags.TASKRUN_FLAG: "5.19",
    SetupFlags.SQE128: "5.19",
    SetupFlags.CQE32: "5.19",
    SetupFlags.SINGLE_ISSUER: "6.0",
    SetupFlags.DEFER_TASKRUN: "6.1",
    SetupFlags.NO_MMAP: "6.5",
    SetupFlags.REGISTERED_FD_ONLY: "6.5",
    SetupFlags.NO_SQARRAY: "6.6",
    SetupFlags.HYBRID_IOPOLL: "6.13",
    SetupFlags.CQE_MIXED: "6.18",
    SetupFlags.SQE_MIXED: "6.19",
    SetupFlags.SQ_REWIND: "7.0",
}

#: The first kernel that reports each feature.
FEATURES = {
    Features.SINGLE_MMAP: "5.4",
    Features.NODROP: "5.5",
    Features.SUBMIT_STABLE: "5.5",
    Features.RW_CUR_POS: "5.6",
    Features.CUR_PERSONALITY: "5.6",
    Features.FAST_POLL: "5.7",
    Features.POLL_32BITS: "5.9",
    Features.SQPOLL_NONFIXED: "5.11",
    Features.EXT_ARG: "5.11",
    Features.NATIVE_WORKERS: "5.12",
    Features.RSRC_TAGS: "5.13",
    Features.CQE_SKIP: "5.17",
    Features.LINKED_FILE: "5.17",
    Features.REG_REG_RING: "6.3",
    Features.RECVSEND_BUNDLE: "6.10",
    Features.MIN_TIMEOUT: "6.12",
    Features.RW_ATTR: "6.14",
    Features.NO_IOWAIT: "6.15",
}

#: The first kernel that takes each SQE flag.
SQE_FLAGS = {
    SqeFlags.FIXED_FILE: "5.1",
    SqeFlags.IO_DRAIN: "5.2",
    SqeFlags.IO_LINK: "5.3",
    SqeFlags.IO_HARDLINK: "5.5",
    SqeFlags.ASYNC: "5.6",
    SqeFlags.BUFFER_SELECT: "5.7",
    SqeFlags.CQE_SKIP_SUCCESS: "5.17",
}
