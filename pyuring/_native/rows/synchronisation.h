/* Waiting for processes and for words of memory: rows of operations.h. */
/* clang-format off */
OPERATION(waitid, PYURING_OP_WAITID, "6.7", (int idtype, int id, void *info, int options), NO_CHECK,
	pyuring_sqe_waitid(sqe, idtype, id, info, options))
OPERATION(futex_wait, PYURING_OP_FUTEX_WAIT, "6.7", (char *base, uint64_t length, int64_t offset, uint32_t value, uint32_t mask, bool private), pyuring_check_futex(base, length, offset),
	pyuring_sqe_futex(sqe, PYURING_OP_FUTEX_WAIT, base + offset, value, mask, private))
OPERATION(futex_wake, PYURING_OP_FUTEX_WAKE, "6.7", (char *base, uint64_t length, int64_t offset, uint32_t count, uint32_t mask, bool private), pyuring_check_futex(base, length, offset),
	pyuring_sqe_futex(sqe, PYURING_OP_FUTEX_WAKE, base + offset, count, mask, private))
OPERATION(futex_waitv, PYURING_OP_FUTEX_WAITV, "6.7", (struct pyuring_waiter *waiters, uint32_t count), NO_CHECK,
	pyuring_sqe_futex_waitv(sqe, waiters, count))
/* clang-format on */
