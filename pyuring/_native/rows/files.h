/* Operations on open files, and on memory: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(fsync, IORING_OP_FSYNC, "5.1", (uint32_t fsync_flags, int64_t offset, uint32_t length), NO_CHECK,
	io_uring_prep_fsync(sqe, fd, fsync_flags), sqe->off = (uint64_t)offset, sqe->len = length)
FILE_OPERATION(sync_file_range, IORING_OP_SYNC_FILE_RANGE, "5.2", (int64_t offset, uint32_t length, int sync_flags), NO_CHECK,
	io_uring_prep_sync_file_range(sqe, fd, length, (uint64_t)offset, sync_flags))
FILE_OPERATION(fallocate, IORING_OP_FALLOCATE, "5.6", (int mode, int64_t offset, int64_t length), NO_CHECK,
	io_uring_prep_fallocate(sqe, fd, mode, offset, length))
FILE_OPERATION(ftruncate, PYURING_OP_FTRUNCATE, "6.9", (int64_t length), NO_CHECK,
	pyuring_sqe_ftruncate(sqe, fd, length))
FILE_OPERATION(fadvise, IORING_OP_FADVISE, "5.6", (int64_t offset, int64_t length, int advice), NO_CHECK,
	io_uring_prep_fadvise(sqe, fd, (uint64_t)offset, SHORT_LENGTH(length), advice), sqe->addr = LONG_LENGTH(length))
OPERATION(madvise, IORING_OP_MADVISE, "5.6", (char *base, int64_t start, int64_t length, int advice), pyuring_check_pages(base, start),
	io_uring_prep_madvise(sqe, base + start, SHORT_LENGTH(length), advice), sqe->off = LONG_LENGTH(length))
/* clang-format on */
