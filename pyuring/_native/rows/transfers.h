/* nop, read and write: rows of operations.h. */
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
/* clang-format on */
