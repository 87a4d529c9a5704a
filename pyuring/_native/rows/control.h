/* Readiness, time and other operations: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(poll, IORING_OP_POLL_ADD, "5.1", (uint32_t events), NO_CHECK,
	io_uring_prep_poll_add(sqe, fd, events))
OPERATION(poll_update, IORING_OP_POLL_REMOVE, "5.13", (uint64_t target, uint32_t events), NO_CHECK,
	io_uring_prep_poll_update(sqe, target, 0, events, IORING_POLL_UPDATE_EVENTS), pyuring_change_poll(u, target, events))
OPERATION(poll_remove, IORING_OP_POLL_REMOVE, "5.1", (uint64_t target), NO_CHECK,
	io_uring_prep_poll_remove(sqe, target), pyuring_stop_id(u, target))
OPERATION(epoll_ctl, IORING_OP_EPOLL_CTL, "5.6", (int epoll, int op, int descriptor, const char *event), NO_CHECK,
	io_uring_prep_epoll_ctl(sqe, epoll, descriptor, op, (struct epoll_event *)(uintptr_t)event))
FILE_OPERATION(epoll_wait, PYURING_OP_EPOLL_WAIT, "6.15", (char *events, uint32_t count), NO_CHECK,
	pyuring_sqe_epoll_wait(sqe, fd, events, count))

OPERATION(timeout, IORING_OP_TIMEOUT, "5.4", (int64_t ns, uint32_t count, uint32_t timeout_flags), NO_CHECK,
	io_uring_prep_timeout(sqe, pyuring_time(u, tag, ns), count, timeout_flags))
OPERATION(timeout_remove, IORING_OP_TIMEOUT_REMOVE, "5.5", (uint64_t target), NO_CHECK,
	io_uring_prep_timeout_remove(sqe, target, 0), pyuring_stop_id(u, target))
OPERATION(timeout_update, IORING_OP_TIMEOUT_REMOVE, "5.11", (uint64_t target, int64_t ns, uint32_t timeout_flags), NO_CHECK,
	io_uring_prep_timeout_update(sqe, pyuring_time(u, tag, ns), target, timeout_flags), pyuring_change_timer(u, target, ns))

OPERATION(cancel, IORING_OP_ASYNC_CANCEL, "5.5", (uint64_t target), NO_CHECK,
	io_uring_prep_cancel64(sqe, target, 0), pyuring_stop_id(u, target))
FILE_OPERATION(cancel_fd, IORING_OP_ASYNC_CANCEL, "5.19", (bool all), NO_CHECK,
	io_uring_prep_cancel_fd(sqe, fd, all ? IORING_ASYNC_CANCEL_ALL : 0),
	all ? pyuring_stop_matching(u, fd, place.flags, -1) : (void)0)
OPERATION(cancel_op, IORING_OP_ASYNC_CANCEL, "6.6", (uint8_t opcode, bool all), NO_CHECK,
	io_uring_prep_cancel64(sqe, 0, (int)(IORING_ASYNC_CANCEL_OP | (all ? IORING_ASYNC_CANCEL_ALL : 0))), sqe->len = opcode,
	all ? pyuring_stop_matching(u, -1, 0, opcode) : (void)0)
OPERATION(cancel_all, IORING_OP_ASYNC_CANCEL, "5.19", (), NO_CHECK,
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL), pyuring_stop_matching(u, -1, 0, -1))
/* clang-format on */
