/* The operations: one row each. From a row come the C function pyuring_prep_<name>
 * (here) and its declaration for Python (build_liburing.py reads the rows).
 *
 *   OPERATION(name, opcode, since, (parameters), check, liburing call)
 *   FILE_OPERATION(name, opcode, since, (parameters), check, liburing call)
 *
 * A row bears the name of the Ring method it serves, and the first kernel that has the
 * operation. The function takes the ring, the tag (see ring.h), for a FILE_OPERATION also a
 * descriptor or the key of a registered file, then the row's parameters. In the
 * call, `sqe` is the SQE and `fd` the resolved descriptor. The check runs before
 * the SQE is taken. What arguments point to must stay valid until the CQE: the
 * in-flight table holds it.
 */
#ifndef PYURING_OPERATIONS_H
#define PYURING_OPERATIONS_H

#include "prepare.h"

/* A registered buffer, or a part of one. */
struct pyuring_buffer {
	void *address;
	uint32_t length;
	uint32_t index;
	uint64_t table;
};

/* CFFI passes a void pointer 10 ns faster than one whose type it has to compare. */
#define BUFFER(buffer) ((const struct pyuring_buffer *)(buffer))

/* The checks. An offset of -1 is the file's own position. */
#define NO_CHECK 0
#define CHECK_OFFSET(offset) ((offset) < -1 ? PYURING_BAD_OFFSET : 0)
#define CHECK_LENGTH(length) ((length) < 0 || (length) > PYURING_MAX_LENGTH ? PYURING_BAD_LENGTH : 0)
#define CHECK_RANGE(length, offset) (CHECK_LENGTH(length) ? PYURING_BAD_LENGTH : CHECK_OFFSET(offset))
#define CHECK_BUFFER(buffer, offset) \
	(BUFFER(buffer)->table != u->buffers_key ? PYURING_BAD_TABLE : CHECK_OFFSET(offset))

#define PYURING_PARAMETERS(...) __VA_OPT__(, ) __VA_ARGS__

#define PYURING_FUSED(resolve, check, ...)                   \
	{                                                    \
		struct pyuring_target place = { -1, 0 };     \
		struct io_uring_sqe *sqe;                    \
		int error = resolve;                         \
                                                             \
		if (error == 0)                              \
			error = check;                       \
		if (error == 0)                              \
			error = pyuring_take(u, tag, &sqe);  \
		if (error < 0)                               \
			return error;                        \
		const int fd = place.fd;                     \
		(void)fd;                                    \
		__VA_ARGS__;                                 \
		pyuring_track(u, tag, place.flags, sqe);     \
		return 0;                                    \
	}

#define OPERATION(name, opcode, since, parameters, check, ...)                                               \
	static int pyuring_prep_##name(struct pyuring *u, int tag PYURING_PARAMETERS parameters)      \
	PYURING_FUSED(0, check, __VA_ARGS__)

#define FILE_OPERATION(name, opcode, since, parameters, check, ...)                                          \
	static int pyuring_prep_##name(struct pyuring *u, int tag, int64_t file PYURING_PARAMETERS parameters) \
	PYURING_FUSED(pyuring_resolve(u, file, &place), check, __VA_ARGS__)

/* clang-format off */
OPERATION(nop, IORING_OP_NOP, "5.1", (), NO_CHECK, io_uring_prep_nop(sqe))

FILE_OPERATION(read, IORING_OP_READ, "5.6", (void *buffer, int64_t length, int64_t offset), CHECK_RANGE(length, offset),
	io_uring_prep_read(sqe, fd, buffer, (unsigned)length, (uint64_t)offset))
FILE_OPERATION(write, IORING_OP_WRITE, "5.6", (const void *buffer, int64_t length, int64_t offset), CHECK_RANGE(length, offset),
	io_uring_prep_write(sqe, fd, buffer, (unsigned)length, (uint64_t)offset))
FILE_OPERATION(read_fixed, IORING_OP_READ_FIXED, "5.1", (void *buffer, int64_t offset), CHECK_BUFFER(buffer, offset),
	io_uring_prep_read_fixed(sqe, fd, BUFFER(buffer)->address, BUFFER(buffer)->length, (uint64_t)offset, (int)BUFFER(buffer)->index))
FILE_OPERATION(write_fixed, IORING_OP_WRITE_FIXED, "5.1", (void *buffer, int64_t offset), CHECK_BUFFER(buffer, offset),
	io_uring_prep_write_fixed(sqe, fd, BUFFER(buffer)->address, BUFFER(buffer)->length, (uint64_t)offset, (int)BUFFER(buffer)->index))
FILE_OPERATION(readv, IORING_OP_READV, "5.1", (struct iovec *vectors, uint32_t count, int64_t offset), CHECK_OFFSET(offset),
	io_uring_prep_readv(sqe, fd, vectors, count, (uint64_t)offset))
FILE_OPERATION(writev, IORING_OP_WRITEV, "5.1", (struct iovec *vectors, uint32_t count, int64_t offset), CHECK_OFFSET(offset),
	io_uring_prep_writev(sqe, fd, vectors, count, (uint64_t)offset))
FILE_OPERATION(fsync, IORING_OP_FSYNC, "5.1", (uint32_t fsync_flags), NO_CHECK,
	io_uring_prep_fsync(sqe, fd, fsync_flags))
FILE_OPERATION(fallocate, IORING_OP_FALLOCATE, "5.6", (int mode, int64_t offset, int64_t length), NO_CHECK,
	io_uring_prep_fallocate(sqe, fd, mode, offset, length))
FILE_OPERATION(ftruncate, PYURING_OP_FTRUNCATE, "6.9", (int64_t length), NO_CHECK,
	pyuring_sqe_ftruncate(sqe, fd, length))
OPERATION(open, IORING_OP_OPENAT, "5.6", (int dir_fd, const char *path, int open_flags, uint32_t mode), NO_CHECK,
	io_uring_prep_openat(sqe, dir_fd, path, open_flags, mode))
OPERATION(close_fd, IORING_OP_CLOSE, "5.6", (int descriptor), NO_CHECK,
	io_uring_prep_close(sqe, descriptor))
OPERATION(statx, IORING_OP_STATX, "5.6", (int dir_fd, const char *path, int at_flags, uint32_t mask, struct pyuring_statx *result), NO_CHECK,
	io_uring_prep_statx(sqe, dir_fd, path, at_flags, mask, (struct statx *)result))
OPERATION(unlink, IORING_OP_UNLINKAT, "5.11", (int dir_fd, const char *path, int at_flags), NO_CHECK,
	io_uring_prep_unlinkat(sqe, dir_fd, path, at_flags))
OPERATION(rename, IORING_OP_RENAMEAT, "5.11", (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, uint32_t rename_flags), NO_CHECK,
	io_uring_prep_renameat(sqe, old_dir_fd, old_path, new_dir_fd, new_path, rename_flags))
OPERATION(mkdir, IORING_OP_MKDIRAT, "5.15", (int dir_fd, const char *path, uint32_t mode), NO_CHECK,
	io_uring_prep_mkdirat(sqe, dir_fd, path, mode))

FILE_OPERATION(poll, IORING_OP_POLL_ADD, "5.1", (uint32_t events), NO_CHECK,
	io_uring_prep_poll_add(sqe, fd, events))
OPERATION(timeout, IORING_OP_TIMEOUT, "5.4", (struct __kernel_timespec *time, uint32_t count, uint32_t timeout_flags), NO_CHECK,
	io_uring_prep_timeout(sqe, time, count, timeout_flags))
OPERATION(cancel, IORING_OP_ASYNC_CANCEL, "5.5", (uint64_t target), NO_CHECK,
	io_uring_prep_cancel64(sqe, target, 0))

OPERATION(socket, IORING_OP_SOCKET, "5.19", (int family, int type, int protocol), NO_CHECK,
	io_uring_prep_socket(sqe, family, type, protocol, 0))
FILE_OPERATION(accept, IORING_OP_ACCEPT, "5.5", (struct sockaddr *address, socklen_t *length, int accept_flags), NO_CHECK,
	io_uring_prep_accept(sqe, fd, address, length, accept_flags))
FILE_OPERATION(connect, IORING_OP_CONNECT, "5.5", (const char *address, uint32_t length), NO_CHECK,
	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)address, length))
FILE_OPERATION(send, IORING_OP_SEND, "5.6", (const void *buffer, int64_t length, int msg_flags), CHECK_LENGTH(length),
	io_uring_prep_send(sqe, fd, buffer, (size_t)length, msg_flags))
FILE_OPERATION(recv, IORING_OP_RECV, "5.6", (void *buffer, int64_t length, int msg_flags), CHECK_LENGTH(length),
	io_uring_prep_recv(sqe, fd, buffer, (size_t)length, msg_flags))
FILE_OPERATION(shutdown, IORING_OP_SHUTDOWN, "5.11", (int how), NO_CHECK,
	io_uring_prep_shutdown(sqe, fd, how))
/* clang-format on */

#endif
