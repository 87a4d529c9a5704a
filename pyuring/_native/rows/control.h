/* Readiness, time and other operations: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(poll, IORING_OP_POLL_ADD, "5.1", (uint32_t events), NO_CHECK,
	io_uring_prep_poll_add(sqe, fd, events))
OPERATION(poll_update, IORING_OP_POLL_REMOVE, "5.13", (int target, uint32_t events), NO_CHECK,
	io_uring_prep_poll_update(sqe, TARGET(target), 0, events, IORING_POLL_UPDATE_EVENTS), pyuring_change_poll(u, TARGET(target), events))
OPERATION(poll_remove, IORING_OP_POLL_REMOVE, "5.1", (int target), NO_CHECK,
	io_uring_prep_poll_remove(sqe, TARGET(target)), pyuring_stop_id(u, TARGET(target)))
OPERATION(epoll_ctl, IORING_OP_EPOLL_CTL, "5.6", (int epoll, int op, int descriptor, const char *event), NO_CHECK,
	io_uring_prep_epoll_ctl(sqe, epoll, descriptor, op, (struct epoll_event *)(uintptr_t)event))
FILE_OPERATION(epoll_wait, PYURING_OP_EPOLL_WAIT, "6.15", (char *events, uint32_t count), NO_CHECK,
	pyuring_sqe_epoll_wait(sqe, fd, events, count))

OPERATION(timeout, IORING_OP_TIMEOUT, "5.4", (double seconds, uint32_t count, uint32_t timeout_flags), CHECK_TIME(seconds),
	io_uring_prep_timeout(sqe, pyuring_time(u, tag, seconds), count, timeout_flags))
OPERATION(timeout_remove, IORING_OP_TIMEOUT_REMOVE, "5.5", (int target), NO_CHECK,
	io_uring_prep_timeout_remove(sqe, TARGET(target), 0), pyuring_stop_id(u, TARGET(target)))
OPERATION(timeout_update, IORING_OP_TIMEOUT_REMOVE, "5.11", (int target, double seconds, uint32_t timeout_flags, bool of_link), CHECK_TIME(seconds),
	io_uring_prep_timeout_update(sqe, pyuring_time(u, tag, seconds), pyuring_timed(u, (uint32_t)target, of_link), timeout_flags),
	pyuring_change_timer(u, of_link ? 0 : TARGET(target), seconds))

OPERATION(cancel, IORING_OP_ASYNC_CANCEL, "5.5", (int target), NO_CHECK,
	io_uring_prep_cancel64(sqe, TARGET(target), 0), pyuring_stop_id(u, TARGET(target)))
FILE_OPERATION(cancel_fd, IORING_OP_ASYNC_CANCEL, "5.19", (bool all), NO_CHECK,
	io_uring_prep_cancel_fd(sqe, fd, all ? IORING_ASYNC_CANCEL_ALL : 0),
	all ? pyuring_stop_matching(u, fd, place.flags, -1) : (void)0)
OPERATION(cancel_op, IORING_OP_ASYNC_CANCEL, "6.6", (uint8_t opcode, bool all), NO_CHECK,
	io_uring_prep_cancel64(sqe, 0, (int)(IORING_ASYNC_CANCEL_OP | (all ? IORING_ASYNC_CANCEL_ALL : 0))), sqe->len = opcode,
	all ? pyuring_stop_matching(u, -1, 0, opcode) : (void)0)
OPERATION(cancel_all, IORING_OP_ASYNC_CANCEL, "5.19", (), NO_CHECK,
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL), pyuring_stop_matching(u, -1, 0, -1))
/* clang-format on */
