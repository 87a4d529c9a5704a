/* Readiness, time and other operations: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(poll, IORING_OP_POLL_ADD, "5.1", (uint32_t events), NO_CHECK,
	io_uring_prep_poll_add(sqe, fd, events))
OPERATION(timeout, IORING_OP_TIMEOUT, "5.4", (struct __kernel_timespec *time, uint32_t count, uint32_t timeout_flags), NO_CHECK,
	io_uring_prep_timeout(sqe, time, count, timeout_flags))
OPERATION(cancel, IORING_OP_ASYNC_CANCEL, "5.5", (uint64_t target), NO_CHECK,
	io_uring_prep_cancel64(sqe, target, 0), pyuring_stop_id(u, target))
/* clang-format on */
