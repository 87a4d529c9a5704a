/* What older liburing headers lack, from the kernel's stable ABI.
 *
 * liburing 2.3 is the floor. Everything pyuring offers must compile with it, so
 * the set of operations depends on the running kernel and not on the headers.
 */
#ifndef PYURING_COMPAT_H
#define PYURING_COMPAT_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <liburing.h>

#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1U << 14)
#endif
#ifndef IORING_SETUP_REGISTERED_FD_ONLY
#define IORING_SETUP_REGISTERED_FD_ONLY (1U << 15)
#endif
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
#ifndef IORING_SETUP_HYBRID_IOPOLL
#define IORING_SETUP_HYBRID_IOPOLL (1U << 17)
#endif
#ifndef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1U << 18)
#endif
#ifndef IORING_FEAT_REG_REG_RING
#define IORING_FEAT_REG_REG_RING (1U << 13)
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif
#ifndef IORING_FEAT_RW_ATTR
#define IORING_FEAT_RW_ATTR (1U << 16)
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif

#ifndef IORING_ASYNC_CANCEL_OP
#define IORING_ASYNC_CANCEL_OP (1U << 5) /* 6.6 */
#endif
#ifndef IORING_MSG_RING_FLAGS_PASS
#define IORING_MSG_RING_FLAGS_PASS (1U << 1) /* 6.3 */
#endif
#ifndef IORING_NOP_INJECT_RESULT
#define IORING_NOP_INJECT_RESULT (1U << 0) /* 6.10 */
#endif
#ifndef IORING_NOP_CQE32
#define IORING_NOP_CQE32 (1U << 5) /* 6.18 */
#endif

enum {
	PYURING_REGISTER_SEND_MSG_RING = 31, /* 6.13 */
	PYURING_FUTEX_U32 = 2,               /* FUTEX2_* of 6.7 */
	PYURING_FUTEX_PRIVATE = 128,
};

enum {
	PYURING_CQE_F_BUF_MORE = 1 << 4, /* 6.12 */
	PYURING_CQE_F_SKIP = 1 << 5,     /* 6.18 */
	PYURING_CQE_F_32 = 1 << 15,      /* 6.18 */
	PYURING_PBUF_RING_INC = 2,       /* 6.12 */
	PYURING_RECVSEND_BUNDLE = 1 << 4, /* 6.10 */
	PYURING_TIMEOUT_MULTISHOT = 1 << 6, /* 6.4 */
	PYURING_SEND_ZC_REPORT_USAGE = 8, /* 6.2 */
	PYURING_ACCEPT_DONTWAIT = 2,     /* 6.10 */
	PYURING_ACCEPT_POLL_FIRST = 4,   /* 6.10 */
};

/* What IORING_OP_URING_CMD does on a socket. */
enum {
	PYURING_SOCKET_SIOCINQ = 0,     /* 6.7 */
	PYURING_SOCKET_SIOCOUTQ = 1,    /* 6.7 */
	PYURING_SOCKET_GETSOCKOPT = 2,  /* 6.7 */
	PYURING_SOCKET_SETSOCKOPT = 3,  /* 6.7 */
	PYURING_SOCKET_GETSOCKNAME = 5, /* 6.19 */
};

/* struct io_uring_buf_reg got its flags in the place of what 2.3 calls pad. */
#define PYURING_BUF_REG_FLAGS(reg) (*(uint16_t *)((char *)&(reg) + 14))

/* Operations whose prep helper (or opcode) came after 2.3. An enumerator cannot
 * be tested for by the preprocessor, hence names of our own. */
enum {
	PYURING_OP_READ_MULTISHOT = 49,
	PYURING_OP_WAITID = 50,
	PYURING_OP_FUTEX_WAIT = 51,
	PYURING_OP_FUTEX_WAKE = 52,
	PYURING_OP_FUTEX_WAITV = 53,
	PYURING_OP_FIXED_FD_INSTALL = 54,
	PYURING_OP_FTRUNCATE = 55,
	PYURING_OP_BIND = 56,
	PYURING_OP_LISTEN = 57,
	PYURING_OP_RECV_ZC = 58,
	PYURING_OP_EPOLL_WAIT = 59,
	PYURING_OP_READV_FIXED = 60,
	PYURING_OP_WRITEV_FIXED = 61,
	PYURING_OP_PIPE = 62,
};

static inline void pyuring_sqe_ftruncate(struct io_uring_sqe *sqe, int fd, int64_t length)
{
	io_uring_prep_rw(PYURING_OP_FTRUNCATE, sqe, fd, NULL, 0, (uint64_t)length);
}

static inline void pyuring_sqe_waitid(struct io_uring_sqe *sqe, int idtype, int id, void *info, int options)
{
	io_uring_prep_rw(PYURING_OP_WAITID, sqe, id, NULL, (unsigned)idtype, (uintptr_t)info);
	sqe->file_index = (uint32_t)options;
}

static inline void pyuring_sqe_futex(struct io_uring_sqe *sqe, int opcode, const void *word, uint32_t value,
				     uint32_t mask, bool private)
{
	io_uring_prep_rw(opcode, sqe, PYURING_FUTEX_U32 | (private ? PYURING_FUTEX_PRIVATE : 0), word, 0, value);
	sqe->addr3 = mask;
}

static inline void pyuring_sqe_futex_waitv(struct io_uring_sqe *sqe, const void *waiters, uint32_t count)
{
	io_uring_prep_rw(PYURING_OP_FUTEX_WAITV, sqe, 0, waiters, count, 0);
}

static inline void pyuring_sqe_epoll_wait(struct io_uring_sqe *sqe, int fd, void *events, uint32_t maxevents)
{
	io_uring_prep_rw(PYURING_OP_EPOLL_WAIT, sqe, fd, events, maxevents, 0);
}

/* The kernel's struct futex_waitv. */
struct pyuring_waiter {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

static inline void pyuring_sqe_fixed_fd_install(struct io_uring_sqe *sqe, int index, uint32_t install_flags)
{
	io_uring_prep_rw(PYURING_OP_FIXED_FD_INSTALL, sqe, index, NULL, 0, 0);
	sqe->rw_flags = (__kernel_rwf_t)install_flags; /* install_fd_flags */
}

static inline void pyuring_sqe_pipe(struct io_uring_sqe *sqe, int *ends, uint32_t pipe_flags)
{
	io_uring_prep_rw(PYURING_OP_PIPE, sqe, 0, ends, 0, 0);
	sqe->rw_flags = (__kernel_rwf_t)pipe_flags; /* pipe_flags */
}

/* READV_FIXED and WRITEV_FIXED: iovecs that all lie in one registered buffer. */
static inline void pyuring_sqe_vectors_fixed(int opcode, struct io_uring_sqe *sqe, int fd, const struct iovec *vectors,
					     uint32_t count, int64_t offset, uint32_t index)
{
	io_uring_prep_rw(opcode, sqe, fd, vectors, count, (uint64_t)offset);
	sqe->buf_index = (uint16_t)index;
}

/* The kernel's struct statx with the fields that C libraries of Debian 12's age
 * do not know yet (alignments for direct I/O, subvolume, atomic writes). */
struct pyuring_statx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct pyuring_statx {
	uint32_t stx_mask;
	uint32_t stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink;
	uint32_t stx_uid;
	uint32_t stx_gid;
	uint16_t stx_mode;
	uint16_t reserved0;
	uint64_t stx_ino;
	uint64_t stx_size;
	uint64_t stx_blocks;
	uint64_t stx_attributes_mask;
	struct pyuring_statx_time stx_atime;
	struct pyuring_statx_time stx_btime;
	struct pyuring_statx_time stx_ctime;
	struct pyuring_statx_time stx_mtime;
	uint32_t stx_rdev_major;
	uint32_t stx_rdev_minor;
	uint32_t stx_dev_major;
	uint32_t stx_dev_minor;
	uint64_t stx_mnt_id;
	uint32_t stx_dio_mem_align;
	uint32_t stx_dio_offset_align;
	uint64_t stx_subvol;
	uint32_t stx_atomic_write_unit_min;
	uint32_t stx_atomic_write_unit_max;
	uint32_t stx_atomic_write_segments_max;
	uint32_t stx_dio_read_offset_align;
	uint32_t stx_atomic_write_unit_max_opt;
	uint32_t reserved1;
	uint64_t reserved2[8];
};

_Static_assert(sizeof(struct pyuring_statx) == 256, "struct statx is 256 bytes in the kernel's ABI");

#endif
