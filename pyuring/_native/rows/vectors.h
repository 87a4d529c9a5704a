/* Vectored reads and writes: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(readv, IORING_OP_READV, "5.1", (struct iovec *vectors, uint32_t count, uint32_t rw_flags, int64_t offset), CHECK_OFFSET(offset),
	io_uring_prep_readv2(sqe, fd, vectors, count, (uint64_t)offset, (int)rw_flags))
FILE_OPERATION(writev, IORING_OP_WRITEV, "5.1", (struct iovec *vectors, uint32_t count, uint32_t rw_flags, int64_t offset), CHECK_OFFSET(offset),
	io_uring_prep_writev2(sqe, fd, vectors, count, (uint64_t)offset, (int)rw_flags))
FILE_OPERATION(readv_fixed, PYURING_OP_READV_FIXED, "6.15", (struct iovec *vectors, uint32_t count, uint32_t rw_flags, void *buffer, int64_t offset), CHECK_BUFFER(buffer, offset),
	pyuring_sqe_vectors_fixed(PYURING_OP_READV_FIXED, sqe, fd, vectors, count, offset, BUFFER(buffer)->index),
	sqe->rw_flags = (__kernel_rwf_t)rw_flags)
FILE_OPERATION(writev_fixed, PYURING_OP_WRITEV_FIXED, "6.15", (struct iovec *vectors, uint32_t count, uint32_t rw_flags, void *buffer, int64_t offset), CHECK_BUFFER(buffer, offset),
	pyuring_sqe_vectors_fixed(PYURING_OP_WRITEV_FIXED, sqe, fd, vectors, count, offset, BUFFER(buffer)->index),
	sqe->rw_flags = (__kernel_rwf_t)rw_flags)
/* clang-format on */
