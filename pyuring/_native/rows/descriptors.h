/* Making, placing and closing descriptors: rows of operations.h. */
/* clang-format off */
OPERATION(open, IORING_OP_OPENAT, "5.6", (int dir_fd, const char *path, int open_flags, uint32_t mode, int64_t direct), CHECK_DIRECT(direct),
	io_uring_prep_openat(sqe, dir_fd, path, CLOEXEC(open_flags, direct), mode), sqe->file_index = FILE_INDEX(direct))
OPERATION(openat2, IORING_OP_OPENAT2, "5.6", (int dir_fd, const char *path, void *how, int64_t direct), CHECK_DIRECT(direct),
	io_uring_prep_openat2(sqe, dir_fd, path, pyuring_how(how, direct != 0)), sqe->file_index = FILE_INDEX(direct))
OPERATION(close_fd, IORING_OP_CLOSE, "5.6", (int descriptor), NO_CHECK,
	io_uring_prep_close(sqe, descriptor))
OPERATION(close_direct, IORING_OP_CLOSE, "5.15", (int64_t direct), CHECK_DIRECT(direct),
	io_uring_prep_close(sqe, 0), sqe->file_index = FILE_INDEX(direct))
FILE_OPERATION(fixed_fd_install, PYURING_OP_FIXED_FD_INSTALL, "6.8", (uint32_t install_flags), NO_CHECK,
	pyuring_sqe_fixed_fd_install(sqe, fd, install_flags))
OPERATION(files_update, IORING_OP_FILES_UPDATE, "5.6", (int64_t table, void *descriptors, uint32_t count, int first), CHECK_DIRECT(table),
	io_uring_prep_files_update(sqe, descriptors, count, first))
/* clang-format on */
