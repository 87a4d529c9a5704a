/* Operations on paths: rows of operations.h. */
/* clang-format off */
OPERATION(statx, IORING_OP_STATX, "5.6", (int dir_fd, const char *path, uint32_t at_flags, uint32_t mask, void *result), NO_CHECK,
	io_uring_prep_statx(sqe, dir_fd, path, (int)at_flags, mask, (struct statx *)result))
OPERATION(unlink, IORING_OP_UNLINKAT, "5.11", (int dir_fd, const char *path), NO_CHECK,
	io_uring_prep_unlinkat(sqe, dir_fd, path, 0))
OPERATION(rmdir, IORING_OP_UNLINKAT, "5.11", (int dir_fd, const char *path), NO_CHECK,
	io_uring_prep_unlinkat(sqe, dir_fd, path, AT_REMOVEDIR))
OPERATION(rename, IORING_OP_RENAMEAT, "5.11", (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, uint32_t rename_flags), NO_CHECK,
	io_uring_prep_renameat(sqe, old_dir_fd, old_path, new_dir_fd, new_path, rename_flags))
OPERATION(mkdir, IORING_OP_MKDIRAT, "5.15", (int dir_fd, const char *path, uint32_t mode), NO_CHECK,
	io_uring_prep_mkdirat(sqe, dir_fd, path, mode))
OPERATION(symlink, IORING_OP_SYMLINKAT, "5.15", (const char *target, int dir_fd, const char *path), NO_CHECK,
	io_uring_prep_symlinkat(sqe, target, dir_fd, path))
OPERATION(hardlink, IORING_OP_LINKAT, "5.15", (int old_dir_fd, const char *old_path, int new_dir_fd, const char *new_path, int at_flags), NO_CHECK,
	io_uring_prep_linkat(sqe, old_dir_fd, old_path, new_dir_fd, new_path, at_flags))
/* clang-format on */
