/* Register calls and waits: what liburing's older headers lack, from the kernel's stable ABI. */
#ifndef PYURING_ABI_H
#define PYURING_ABI_H

#include "compat.h"

#ifndef IORING_SETUP_SQE_MIXED
#define IORING_SETUP_SQE_MIXED (1U << 19)
#endif
#ifndef IORING_SETUP_SQ_REWIND
#define IORING_SETUP_SQ_REWIND (1U << 20)
#endif

/* What newer headers have as enumerators, or have not at all. */
enum {
	PYURING_ENTER_EXT_ARG_REG = 1 << 6, /* 6.13 */
	PYURING_ENTER_NO_IOWAIT = 1 << 7,   /* 6.15 */
	PYURING_REGISTER_PBUF_STATUS = 26,
	PYURING_REGISTER_NAPI = 27,
	PYURING_UNREGISTER_NAPI = 28,
	PYURING_REGISTER_CLOCK = 29,
	PYURING_REGISTER_CLONE_BUFFERS = 30,
	PYURING_REGISTER_RESIZE_RINGS = 33,
	PYURING_REGISTER_MEM_REGION = 34,
	PYURING_REGISTER_QUERY = 35,
	PYURING_REGION_TYPE_USER = 1,
	PYURING_REGION_WAIT_ARG = 1,
	PYURING_WAIT_TS = 1,
};

/* The kernel's struct io_uring_getevents_arg, whose min_wait_usec was padding before 6.12. */
struct pyuring_wait_arg {
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t min_wait_usec;
	uint64_t ts;
};

/* struct io_uring_reg_wait: the same, in memory that the kernel knows. */
struct pyuring_reg_wait {
	struct __kernel_timespec ts;
	uint32_t min_wait_usec;
	uint32_t flags;
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t pad[3];
	uint64_t pad2[2];
};

/* struct io_uring_buf_status */
struct pyuring_buf_status {
	uint32_t group;
	uint32_t head;
	uint32_t reserved[8];
};

/* struct io_uring_region_desc */
struct pyuring_region {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t reserved[4];
};

/* struct io_uring_mem_region_reg */
struct pyuring_region_reg {
	uint64_t region_uptr;
	uint64_t flags;
	uint64_t reserved[2];
};

/* struct io_uring_napi */
struct pyuring_napi {
	uint32_t busy_poll_to;
	uint8_t prefer_busy_poll;
	uint8_t opcode;
	uint8_t pad[2];
	uint32_t op_param;
	uint32_t reserved;
};

/* struct io_uring_clock_register */
struct pyuring_clock {
	uint32_t clockid;
	uint32_t reserved[3];
};

/* struct io_uring_clone_buffers */
struct pyuring_clone {
	uint32_t src_fd;
	uint32_t flags;
	uint32_t src_off;
	uint32_t dst_off;
	uint32_t nr;
	uint32_t pad[3];
};

/* struct io_uring_query_hdr and io_uring_query_opcode */
struct pyuring_query_header {
	uint64_t next_entry;
	uint64_t query_data;
	uint32_t query_op;
	uint32_t size;
	int32_t result;
	uint32_t reserved[3];
};

struct pyuring_query {
	uint32_t nr_request_opcodes;
	uint32_t nr_register_opcodes;
	uint64_t feature_flags;
	uint64_t ring_setup_flags;
	uint64_t enter_flags;
	uint64_t sqe_flags;
	uint32_t nr_query_opcodes;
	uint32_t pad;
};

_Static_assert(sizeof(struct pyuring_wait_arg) == sizeof(struct io_uring_getevents_arg), "as the kernel has it");
_Static_assert(sizeof(struct pyuring_reg_wait) == 64, "as the kernel has it");
_Static_assert(sizeof(struct pyuring_region) == 64, "as the kernel has it");
_Static_assert(sizeof(struct pyuring_napi) == 16, "as the kernel has it");
_Static_assert(sizeof(struct pyuring_query_header) == 40, "as the kernel has it");

#endif
