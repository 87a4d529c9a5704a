/* What older liburing headers lack, from the kernel's stable ABI.
 *
 * liburing 2.3 is the floor. Everything pyuring offers must compile with it, so
 * the set of operations depends on the running kernel and not on the headers.
 */
#ifndef PYURING_COMPAT_H
#define PYURING_COMPAT_H

#include <sys/epoll.h>

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

enum {
	PYURING_CQE_F_BUF_MORE = 1 << 4, /* 6.12 */
	PYURING_CQE_F_SKIP = 1 << 5,     /* 6.18 */
	PYURING_CQE_F_32 = 1 << 15,      /* 6.18 */
	PYURING_PBUF_RING_INC = 2,       /* 6.12 */
	PYURING_RECVSEND_BUNDLE = 1 << 4, /* 6.10 */
	PYURING_TIMEOUT_MULTISHOT = 1 << 6, /* 6.4 */
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
