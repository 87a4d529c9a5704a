/* Operations on open files: rows of operations.h. */
/* clang-format off */
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
OPERATION(close_fd, IORING_OP_CLOSE, "5.6", (int descriptor), NO_CHECK,
	io_uring_prep_close(sqe, descriptor))
/* clang-format on */
